"""Tasks: the working is right, splits never meet, and the verifier neither gives away nor withholds."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.errors import RecipeError
from firesteel.core.tokenizer import SPECIAL_TOKENS, Tokenizer
from firesteel.tasks.families import working
from firesteel.tasks.score import score
from firesteel.tasks.steps import judged_steps, steps, worked_steps
from firesteel.tasks.table import TASKS, get_task
from firesteel.tasks.task import Problem, in_test


def columns_hold(text):
    """Every column of a working is a true equation."""
    for left, right in re.findall(r"([0-9+*-]+)=(\d+)", text):
        value = 0
        for sign, product in re.findall(r"([+-]?)(\d+(?:\*\d+)?)", left):
            factors = [int(f) for f in product.split("*")]
            term = factors[0] * (factors[1] if len(factors) == 2 else 1)
            value += -term if sign == "-" else term
        assert value == int(right), (left, right)


@given(st.integers(0, 99_999), st.integers(0, 99_999), st.integers(0, 9))
def test_workings_are_true_column_by_column_and_end_with_the_result(a, b, d):
    for text, result in [
        (working.add(a, b), a + b), (working.subtract(max(a, b), min(a, b)), abs(a - b)), (working.multiply(a, d), a * d)
    ]:  # fmt: skip
        columns_hold(text)
        assert text.endswith(f";={result}")


WORKED = {name: task for name, task in TASKS.items() if task.worked}


@pytest.mark.parametrize("task", WORKED.values(), ids=list(WORKED))
def test_worked_solutions_earn_full_marks_in_every_language(task):
    problems = task.problems("train", 0, 0, 100 if task.ability == "mathematics" else 40)
    assert {p.language for p in problems} >= set(task.languages)
    for p in problems:
        verdict = score(p, p.reasoning, p.reply, stopped=True)
        assert verdict.correct and verdict.well_formed, (p, verdict)


@pytest.mark.parametrize("name", ["arithmetic", "word-problems", "sequences", "counting"])
def test_a_working_ends_with_its_answer(name):
    for p in TASKS[name].problems("train", 0, 0, 100):
        assert p.reasoning.endswith(f"={p.answer}") and p.answer >= 0


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_no_question_is_in_both_splits_whatever_the_seed(task):
    train = {p.question for seed in (0, 1) for p in task.problems("train", seed, 0, 150)}
    test = {p.question for p in task.distinct("test", 5, 60)}
    assert len(test) == 60 and not train & test
    assert all(in_test(q) for q in test)


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_problems_are_a_function_of_seed_and_number(task):
    assert task.problems("train", 3, 10, 5) == task.problems("train", 3, 0, 15)[10:]
    assert task.problems("train", 3, 0, 5) != task.problems("train", 4, 0, 5)


def test_the_test_split_is_a_tenth():
    rng = random.Random(0)
    share = sum(in_test(f"question {rng.random()}") for _ in range(4000)) / 4000
    assert share == pytest.approx(0.1, abs=0.02)


PROBLEM = Problem("2+3等于多少？", 5, "2+3=5;=5", "答案是5。", "zh")


@pytest.mark.parametrize(
    ("reply", "stopped", "correct", "well_formed"),
    [
        ("答案是5。", True, True, True),
        ("5", True, True, True),
        ("The answer is 5.", True, True, True),
        ("答案是15。", True, False, True),
        ("答案是5。", False, False, False),  # ran out of tokens: it did not say that it was done
        ("3 4 5", True, False, False),  # a list of guesses
        ("5 or 6", True, False, False),
        ("-5", True, False, True),
        ("", True, False, False),
        ("no idea", True, False, False),
        ("5" + " " * 100, True, True, False),
        ("05", True, False, True),
    ],
)
def test_the_verifier(reply, stopped, correct, well_formed):
    verdict = score(PROBLEM, "2+3=5", reply, stopped=stopped)
    assert (verdict.correct, verdict.well_formed) == (correct, well_formed)


def test_the_answer_in_the_thought_alone_earns_nothing():
    assert not score(PROBLEM, "2+3=5;=5", "", stopped=True).correct
    assert not score(PROBLEM, None, "答案是5。", stopped=True).well_formed


@given(st.text(max_size=300), st.one_of(st.none(), st.text(max_size=50)), st.booleans())
def test_the_verifier_never_fails_on_garbage(reply, reasoning, stopped):
    score(PROBLEM, reasoning, reply, stopped=stopped)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_wordings_that_training_never_shows(name):
    seen, unseen = (
        {p.question for p in get_task(f"{name}{plus}").problems("test", 0, 0, 20)} for plus in ("", "+unseen")
    )
    assert len(seen & unseen) <= (8 if name == "reading" else 0)  # what a pronoun means is asked in set sentences


def test_unseen_wordings_are_refused_where_there_are_none():
    with pytest.raises(RecipeError, match="no unseen wordings"):
        get_task("knowledge+unseen")


def test_an_unknown_task_is_named():
    with pytest.raises(RecipeError, match="arithmetic"):
        get_task("aritmetic")


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([";=", "答案是"], trainer)
    return Tokenizer(backend)


def said(tokenizer, reasoning, reply):
    return tokenizer.render([{"role": "assistant", "reasoning_content": reasoning, "content": reply}]).ids[2:]


def test_steps_are_right_up_to_the_first_that_differs(tokenizer):
    problem = Problem("27+35=？", 62, "7+5=12;2+3+1=6;=62", "答案是62。", "zh")

    def marks(reasoning, reply, correct=False):
        return [
            ok
            for _, ok in judged_steps(
                tokenizer, worked_steps(tokenizer, problem), said(tokenizer, reasoning, reply), correct
            )
        ]

    assert marks("7+5=12;2+3+1=6;=62", "答案是62。") == [True] * 4
    assert marks("7+5=12;2+3=5;=52", "答案是52。") == [True, False]
    assert marks("7+5=13;2+3+1=6;=62", "答案是62。") == [False]
    assert marks("7+5=12;2+3+1=6;=62", "答案是26。") == [True, True, True, False]
    assert marks("5+7=12;3+2+1=6;=62", "答案是62。", correct=True) == [True] * 4  # another way to the right answer


def test_without_a_worked_thought_no_step_is_judged(tokenizer):
    """Not even of right answers: else they alone would have steps, and each wrong answer would be wrong from its start."""
    ids = said(tokenizer, "7+5=12;2+3+1=6;=62", "答案是62。")
    for problem in (Problem("27+35=?", 62), Problem("27+35=?", 62, reply="答案是62。")):
        reference = worked_steps(tokenizer, problem)
        assert not any(judged_steps(tokenizer, reference, ids, correct) for correct in (True, False))


def test_steps_cover_every_token(tokenizer):
    ids = said(tokenizer, "7+5=12;2+3+1=6;=62", "答案是62。")
    ends = [end for end, _ in steps(tokenizer, ids)]
    assert ends == sorted(set(ends)) and ends[-1] == len(ids)
    assert [end for end, _ in steps(tokenizer, ids[:-3])][-1] == len(ids) - 3  # also of an answer that was cut short
