"""Reading numbers and marks: what stands in a reply is found, whatever stands around it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.tasks.answers import claims, marked, number, value
from firesteel.tasks.families.expressions import parse, worth
from firesteel.tasks.families.numbers import bare, stated
from firesteel.tasks.families.numerals import counted, english, han, han_numbers
from firesteel.tasks.task import Problem

WHOLE = st.integers(-(10**9), 10**9)


@pytest.mark.parametrize(
    ("text", "worth_"),
    [
        ("零", 0), ("十", 10), ("十二", 12), ("二十", 20), ("一百零五", 105), ("一百五", 150), ("两千", 2000),
        ("二〇二四", 2024),
        ("三万五", 35_000), ("三万零五", 30_005), ("一亿零一", 100_000_001),
        ("九千九百九十九", 9999), ("十二万三千", 123_000),
        ("十十", None), ("百", None), ("二二十", None),
        ("一零百", None), ("万", None), ("", None), ("一百二百", None), ("零零", None),
    ],
)  # fmt: skip
def test_chinese_numerals_are_worth_what_they_say(text, worth_):
    assert han(text) == worth_


def test_numerals_in_sentences_are_found_and_idioms_are_not():
    assert han_numbers("小明一共有四十二个苹果") == [42] and han_numbers("温度是负五度") == [-5]
    assert counted("四十二个苹") == 42 and counted("负五度") == -5 and counted("苹果四") is None
    assert english("forty-two apples") == 42 and english("one hundred and five") == 105 and english("minus five") == -5
    assert english("one two three") is None and english("apples") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12+30=42", ["42"]), ("12 + 30", []), ("x - 5", []), ("12+30=42, 42-5=37", ["37"]), ("12+30=42, 12+30=43", ["42", "43"]),
        ("COVID-19", []), ("B12", []), ("10³", []), ("2½", ["5/2"]), ("1 234", ["1",
        "234"]),
        ("it is not 5", []), ("1. 7\\n2. 8", ["7", "8"]),
        ("60 km/h", ["60"]), ("2024-05-03", []), ("-3 and -4", ["-3",
        "-4"]), ("3 × 10^2", ["3e2"]), ("42 = x", ["42"]),
    ],
)  # fmt: skip
def test_the_numbers_that_a_text_states(text, found):
    assert stated(text.replace("\\n", "\n")) == found


@given(
    WHOLE,
    st.sampled_from(
        ["{}", "The answer is {}.", "答案是{}。", "**{}**", "\\boxed{{{}}}", "<answer>{}</answer>", "#### {}", "x = {}"]
    ),
)
def test_a_whole_number_is_read_back_in_any_frame(n, frame):
    problem = Problem("How many?", n)
    assert number(problem, frame.format(n)).reward == 1
    assert number(problem, frame.format(f"{n:,}")).reward == 1
    assert number(problem, frame.format(n + 1)).reward == 0
    assert number(problem, frame.format(f"{n} or {n + 1}")).reward == 0


@given(
    st.lists(WHOLE, min_size=2, max_size=6, unique=True), st.sampled_from([" ", ", ", "、", "\n", " or ", "或", "; "])
)
def test_a_list_of_guesses_is_no_answer(guesses, joint):
    problem = Problem("How many?", guesses[0])
    assert number(problem, joint.join(map(str, guesses))).reward == 0
    assert number(problem, f"The answer is {joint.join(map(str, guesses))}.").reward == 0 or joint in "\n; "


@given(st.text(max_size=200))
def test_reading_never_fails_and_every_claim_has_a_text(reply):
    assert all(isinstance(n, str) and n for n in claims(reply, reply))
    assert all(text.strip() for text in marked(reply))
    bare(reply)
    parse(reply)


def test_written_numbers_are_exact_and_huge_ones_are_nothing():
    assert value("0.1") == Fraction(1, 10) and value("1,234.50") == Fraction(2469, 2) and value("75%") == Fraction(3, 4)
    assert value("1e3") == 1000 and value("3/4") == Fraction(3, 4)
    for strange in ("05", "1/0", "9" * 100, "1e99999", "", "or", "1/2/3"):
        assert value(strange) is None, strange


def test_the_strongest_mark_counts_and_a_mark_against_it_is_a_second_claim():
    assert marked("The total is 7. The answer is 8.") == ["8"]
    assert marked("The answer is \\boxed{8}.") == ["8"]
    assert marked("The answer is 7. \\boxed{8}") == ["8", "7"]
    assert claims("The answer is 7. \\boxed{8}") == ["8", "7"]


@pytest.mark.parametrize(
    ("text", "result"),
    [("1+2*3", 7), ("(1+2)*3", 9), ("8/4/2", 1), ("7-2-1", 4), ("1/3*3", 1), ("1+", None), ("(1", None), ("1)", None),
     ("", None),
     ("2**3", None), ("1.5", None), ("a", None), ("-1", None), ("(" * 40 + "1" + ")" * 40, None), ("1+" * 200 + "1", None)],
)  # fmt: skip
def test_expressions_are_read_as_mathematics_has_them(text, result):
    tree = parse(text)
    assert (None if tree is None else worth(tree)) == result
