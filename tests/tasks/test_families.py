"""Every family of problems: worked solutions are true and earn everything, levels get harder, wordings stay apart."""

import re
from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import pairwise

import pytest

from firesteel.tasks.families import chain, countdown, sequences
from firesteel.tasks.families.expressions import leaves, parse, worth, written
from firesteel.tasks.score import score
from firesteel.tasks.table import TASKS, get_task
from firesteel.tasks.task import in_test

OWN = (
    "chain", "equations", "countdown", "comparison", "units", "bases", "sequences", "sorting", "counting", "dates"
)  # fmt: skip
SEED = date.today().toordinal()  # other problems every day: more of them over time than one day has time for
LEVELS = [(name, level) for name in OWN for level in range(1, TASKS[name].levels + 1)]
EQUATED = re.compile(r"(?<![\w.-])(-?[\d(][-\d+*/().]*|)((?:[=≠<>]-?[\d(][-\d+*/().]*)+)(?![\w%.])")


def value(text):
    """An expression's worth by the tests' own means."""
    tokens = re.findall(r"\d+(?:\.\d+)?|[-+*/()]", text)
    assert "".join(tokens) == text, text
    return Fraction(eval("".join(f"Fraction('{t}')" if t[0].isdigit() else t for t in tokens)))  # noqa: S307


def holds(line):
    """Whether every relation of numbers in a line is true."""
    for first, rest in EQUATED.findall(line):
        if not first:
            continue
        sides = [first, *re.split(r"[=≠<>]", rest)[1:]]
        for left, sign, right in zip(sides, re.findall(r"[=≠<>]", rest), sides[1:], strict=False):
            a, b = value(left), value(right)
            assert {"=": a == b, "≠": a != b, "<": a < b, ">": a > b}[sign], (line, left, sign, right)
    return True


def equations(task, reasoning):
    """The lines of a working that can be held to be true as they stand, each with its relations."""
    if task == "chain":
        return [reasoning.replace("\n=", "=")]
    if task == "bases":  # =1011 at the end and 1010=A say digits, not values
        return [part for part in reasoning.split(";")[:-1] if re.search(r"[-+*/]", part)]
    if task == "units":  # the first line is 1 m=100 cm, which holds of quantities
        reasoning = reasoning.partition("\n")[2]
    return [part for line in reasoning.split("\n") for part in line.split(";")]


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_worked_solutions_are_true_and_earn_full_marks(name, level):
    task = TASKS[name].at(level)
    problems = task.problems("train", SEED, 0, 40)
    assert {p.language for p in problems} == {"zh", "en"}
    for p in problems:
        verdict = score(p, p.reasoning, p.reply, stopped=True)
        assert verdict.correct and verdict.well_formed, (verdict, p)
        assert p.level == level
        assert all(holds(part) for part in equations(name, p.reasoning)), p


def test_a_false_working_is_seen():
    for wrong in ("3+4=8", "44+8*8=44+64=109", "5.87=5.870>5.871", "6*1=6≠6", "x=3;2+2=5"):
        with pytest.raises(AssertionError):
            assert all(holds(part) for part in equations("", wrong))


def ink(p):
    """How much there is to read and to work."""
    return len(p.question.encode()) + 2 * len(p.reasoning.encode())


def steps_differ(p):
    """How many different steps a sequence takes."""
    terms = p.facts["terms"]
    return len({b - a for a, b in pairwise(terms)})


HARDNESS = {"sequences": steps_differ, "bases": lambda p: int(p.answer, p.facts["base"])}  # of the rest: ink


@pytest.mark.parametrize("name", OWN)
def test_levels_are_harder(name):
    task, hardness = TASKS[name], HARDNESS.get(name, ink)
    problems = [task.at(level).problems("train", 0, 0, 100) for level in range(1, task.levels + 1)]
    sizes = [sum(map(hardness, each)) / len(each) for each in problems]
    assert sizes[-1] > 1.2 * sizes[0], sizes
    assert sum(b > a for a, b in pairwise(sizes)) >= (len(sizes) - 1) / 2, sizes  # some levels differ in kind


@pytest.mark.parametrize("name", OWN)
def test_low_levels_fit_a_tiny_model(name):
    problems = get_task(f"{name}@1").problems("train", 0, 0, 200)
    assert sum(len(p.reasoning) + len(p.reply) for p in problems) / len(problems) < 120


@pytest.mark.slow  # quicker, of every task: test_no_question_is_in_both_splits_whatever_the_seed and its neighbour
@pytest.mark.parametrize("name", OWN)
def test_splits_are_apart_and_streams_are_functions_of_seed_and_number(name):
    task = TASKS[name]
    train = {p.question for seed in (0, 1) for p in task.problems("train", seed, 0, 200)}
    test = {p.question for p in task.distinct("test", 5, 1000)}  # enough for an interval of three points
    assert not train & test and all(in_test(q) for q in test)
    assert task.problems("train", 3, 10, 5) == task.problems("train", 3, 0, 15)[10:]
    assert task.problems("train", 3, 0, 5) != task.problems("train", 4, 0, 5)


@pytest.mark.parametrize("name", OWN)
def test_a_language_restricts(name):
    han = re.compile(r"[一-鿿]")
    for p in get_task(f"{name}/en").problems("train", 0, 0, 40):
        assert p.language == "en" and not han.search(p.question + p.reply), p
    for p in get_task(f"{name}/zh").problems("train", 0, 0, 40):
        assert p.language == "zh" and han.search(p.question), p


@pytest.mark.parametrize("name", OWN)
def test_unseen_wordings_are_never_of_training(name):
    def frames(task):
        """Questions with what varies taken out: numbers, words in Latin letters beside Chinese, listed things."""
        lists = r"[\d.,:：、，()/%+*×÷=x y-]|[A-F]{1,4}\b"
        found = {}
        for level in range(1, task.levels + 1):
            for p in task.at(level).problems("train", 0, 0, 60):
                found[re.sub(lists, "", p.question)] = p.question
        return found

    task = TASKS[name]
    seen, unseen = frames(task), frames(replace(task, unseen=True))
    shared = set(seen) & set(unseen)
    assert not shared, [(seen[f], unseen[f]) for f in shared][:3]


def test_chains_have_as_many_operations_as_their_level_says_and_parse_back():
    for level in range(1, 8):
        for p in get_task(f"chain@{level}").problems("train", 0, 0, 100):
            tree = parse(p.reasoning.split("\n")[0])
            assert len(leaves(tree)) == level + 2 and worth(tree) == p.answer and written(tree) in p.reasoning
            assert level > 1 or "(" not in p.question
    assert chain.TASK.levels == 7


def test_solutions_of_equations_satisfy_them():
    for level in range(1, 7):
        for p in get_task(f"equations@{level}").problems("train", 1, 0, 100):
            shown = re.findall(r"[-\dxy+()]+=[-\dxy+()]+", p.question)
            assert len(shown) == len(p.facts["solution"]), p.question
            for equation in shown:
                for name, found in p.facts["solution"].items():
                    equation = re.sub(rf"(?<=\d){name}", f"*({found})", equation).replace(name, f"({found})")
                equation = re.sub(r"(?<=\d)\(", "*(", equation)
                left, right = equation.split("=")
                assert value(left) == value(right), p.question


def test_countdown_can_always_be_done_and_its_target_is_not_given():
    for level in range(1, 6):
        for p in get_task(f"countdown@{level}").problems("train", 1, 0, 100):
            assert countdown.reaches(p, p.answer).reward == 1 and p.facts["target"] not in leaves(parse(p.answer))
            assert len(p.facts["numbers"]) >= level + 1


def test_sequences_have_one_continuation_whatever_rule_fits():
    for level in range(1, 6):
        for p in get_task(f"sequences@{level}").problems("train", 1, 0, 80):
            assert sequences.continuations(p.facts["terms"]) == {p.answer}
    assert sequences.continuations([1, 2, 4]) == {5, 7, 8}  # this could go on as squares do, or doubled: not asked


def test_streams_that_recipes_are_tuned_on_have_not_changed():
    questions = [TASKS[name].problem("train", 0, 0).question for name in ("arithmetic", "word-problems")]
    assert questions == ["请算出694 - 24的结果。", "小红有30个苹果，又买了455个，现在一共有多少个？"]
