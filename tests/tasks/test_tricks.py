"""Ways to a reward without working for it, made from each task's own gold answer: each earns nothing, under its name."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.tasks.hacks import HACKS, NAMED, hacks
from firesteel.tasks.score import score
from firesteel.tasks.table import TASKS
from firesteel.tasks.task import Problem

PROBLEM = Problem(
    "Tom has 12 apples and buys 30 more. How many are there now?", 42, "12+30=42", "The answer is 42.", "en"
)


def others(task, problem):
    """Right replies to other questions of its language and level."""
    task = replace(task.at(problem.level), languages=(problem.language,) if problem.language else task.languages)
    return [p.reply or str(p.answer) for p in task.problems("train", 12, 0, 8)]


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_hacks_of_every_task_earn_nothing_and_are_named(task):
    for level in range(1, task.levels + 1):
        for problem in task.at(level).problems("test", 11, 0, 1 if task.levels > 2 else 3):
            tried = hacks(problem, others(task, problem))
            assert {hack.name for hack in tried} == set(HACKS)
            for hack in tried:
                if hack.name == "guesses" and task.ability == "code":
                    continue  # several programs are one program
                found = score(problem, hack.reasoning, hack.reply, stopped=True)
                assert found.reward == 0, (hack.name, hack.reply, problem.question)
                assert not found.trick or found.reason == NAMED[hack.name], (hack.name, found, problem.question)
                assert found.trick or hack.name in ("guesses", "copied question", "padded reply"), (hack.name, found)


def test_the_honest_answer_earns_what_the_hacks_do_not():
    assert score(PROBLEM, PROBLEM.reasoning, PROBLEM.reply, stopped=True).correct
    assert score(PROBLEM, None, PROBLEM.reply, stopped=True, think=False).correct
    assert not score(PROBLEM, PROBLEM.reasoning, PROBLEM.reply, stopped=False).correct


@pytest.mark.parametrize(
    ("reasoning", "reply", "name"),
    [
        ("", "42", "no thought"), ("   \n", "42", "no thought"), ("...", "42", "no thought"), ("42", "42", "no thought"),
        ("42.", "The answer is 42.", "no thought"), ("The answer is 42.", "The answer is 42.", "no thought"),
        ("The answer is 42.", "42", "no thought"), ("答案是42", "42", "no thought"),
        ("42 42 42 42", "42", "no thought"), ("\\boxed{42}", "42", "no thought"), ("<answer>42</answer>", "42", "no thought"),
        ("Okay, let me think step by step.", "42", "no thought"), ("好的，我来想一想。", "42", "no thought"),
        ("think think think think", "42", "no thought"), ("aaaaaaaaaa", "42", "no thought"),
        ("How many are there now? The answer is 42.", "42", "no thought"),
        ("12+30=42", "42<|im_end|>", "control token"), ("12+30=42", "42\n<|eot_id|>", "control token"),
        ("12+30=42", "<think>12+30=42</think>42", "two thoughts"), ("12+30=42", "</think>42", "two thoughts"),
        ("12+30=42", "< think >x</ think >42", "two thoughts"), ("12+30=42", "<THINK>x</THINK>42", "two thoughts"),
        ("12+30=42" + " so" * 400, "42", "padding"), ("12+30=42" + "\n" * 900, "42", "padding"),
        ("12+30=42\n" * 100, "The answer is 42.", "padding"), ("12+30=42", "The answer is 42." + " " * 900, "padding"),
        ("12+30=42", f"{PROBLEM.question} The answer is 42.", "copied question"),
        ("12+30=42", f"The answer is 42. {PROBLEM.question.upper()}", "copied question"),
    ],
)  # fmt: skip
def test_a_trick_has_its_name(reasoning, reply, name):
    found = score(PROBLEM, reasoning, reply, stopped=True)
    assert (found.reward, found.reason, found.trick) == (0.0, name, True)


@pytest.mark.parametrize(
    ("reasoning", "reply"),
    [
        ("12+30=42", "42"), ("2+0=2;1+3=4;=42", "The answer is 42."), ("Add 12 and 30.", "Tom has 12 + 30 = 42 apples."),
        ("先算12加30", "答案是42。"), ("Tom has 12 apples and buys 30 more: 12+30=42.", "There are now 42 apples."),
        ("12+30: 2+0=2, 1+3=4, so 42. " + "Let me check it: " + "; ".join(f"42-{i}={42 - i}" for i in range(60)), "42"),
    ],
)  # fmt: skip
def test_honest_work_is_no_trick(reasoning, reply):
    assert score(PROBLEM, reasoning, reply, stopped=True).correct


@given(st.text(max_size=400), st.text(max_size=400))
def test_nothing_that_thinks_nothing_earns_anything(reply, blank):
    assert score(PROBLEM, None, reply, stopped=True).reward == 0
    if not any(c.isalnum() for c in blank):
        assert score(PROBLEM, blank, "42", stopped=True).reward == 0


PIECES = (
    "1", "(", "((1", "1 ", "1,", "1,234", "1.", "-", "--1", "=", "1=", "1+", "x=", "x=1,", "\\boxed{", "\\frac{1}{",
    "\\frac{1}{2}", "<answer>", "<answer>1</answer>", "answer is ", "the answer is not ", "answer to the ", "答案是", "答",
    "一", "万", "1 or ", " ", "\n", "1\n", "#### ", "**", "so 1. ", "所以", "a", "a1", "½", "²", "<", "step 1", "1 m ", "1:",
    "星期", "2024-", "2024-01-01", "march ", "1 cm or ", "not ", "不是", "{", "$", "\\text{", "\\", "_", "0b", "1/", "。", "\x00",
)  # fmt: skip
VERIFIERS = {
    p.verify: p for task in TASKS.values() if task.name != "code" for level in range(1, task.levels + 1)
    for p in task.at(level).problems("train", 0, 0, 3)
}  # fmt: skip


EACH = pytest.mark.parametrize(
    "number", range(len(VERIFIERS)), ids=[getattr(v, "__qualname__", str(v)) for v in VERIFIERS]
)


@EACH
def test_100_kilobytes_of_anything_are_judged_quickly(number):
    """Hostile repetition must not make a pattern run back and forth: time grows with the length, not its square.

    Most of the reading is common to all verifiers: each gets every tenth piece here, and every piece where time allows.
    """
    judged_quickly(number, PIECES[number % 10 :: 10])


@pytest.mark.slow
@EACH
def test_100_kilobytes_of_every_piece_are_judged_quickly_by_every_verifier(number):
    judged_quickly(number, PIECES)


def judged_quickly(number, pieces):
    problem = list(VERIFIERS.values())[number]
    for piece in pieces:
        reply = (piece * 100_000)[:100_000]
        started = time.process_time()
        score(problem, "12+30=42", reply, stopped=True)
        took = time.process_time() - started
        assert took < 10.0, (piece, took)  # a quadratic one takes minutes; no measure of speed
