"""The questions of a stage of reinforcement learning, and its judges: tasks in turn, levels by what was measured, tools."""

from __future__ import annotations

from collections import Counter

import pytest

from firesteel.core.config import GrpoSettings
from firesteel.stages.reinforcement import Asked
from firesteel.tasks.table import get_task
from firesteel.train.rl.turns import drafts, judged, sampled
from tests.train.rl.chatting import letters, said
from tests.train.rl.scripted import Done

OWN = """
from firesteel.tasks import Draw, Problem

def sums(draw: Draw) -> Problem:
    a, b = draw.rng.randint(100, 999), draw.rng.randint(100, 999)
    return Problem(f"{a}+{b}?", answer=a + b, language="en", tools=("calculator",))
"""


@pytest.fixture(scope="module")
def tokenizer():
    return letters()


def asked(tokenizer, *tasks, **more):
    return Asked(tokenizer, GrpoSettings(tasks=tasks, **more), seed=5)


def test_tasks_come_in_turn_and_questions_are_those_of_the_training_split(tokenizer):
    questions = asked(tokenizer, "arithmetic", "word-problems", "arithmetic")(7, 300)
    assert Counter(q.task for q in questions) == {"arithmetic": 200, "word-problems": 100}
    problem = get_task("word-problems").problem("train", 5, 7)
    assert questions[0].text == problem.question and questions[0].level == problem.level
    assert questions[0].prompt == tokenizer.prompt(problem.prompt()) and questions[0].dialogue is None
    again = asked(tokenizer, "arithmetic", "word-problems", "arithmetic")(100, 1)[0]
    assert again.prompt == questions[93].prompt, "a question is a function of its number"


def test_a_worked_answer_is_right_and_a_bare_one_is_a_trick(tokenizer):
    question = asked(tokenizer, "arithmetic")(0, 1)[0]
    problem = get_task("arithmetic").problem("train", 5, 0)
    ids = said(tokenizer, f"<think>{problem.reasoning}</think>{problem.reply}<|eos|>")
    verdict = question.judge(ids, True)
    assert (
        verdict.correct
        and verdict.well_formed
        and verdict.reply == problem.reply
        and verdict.thought == problem.reasoning
    )
    assert verdict.steps and all(right for _, right in verdict.steps)
    bare = question.judge(said(tokenizer, f"{problem.reply}<|eos|>"), True)
    assert bare.trick and bare.reason == "no thought" and bare.reward(0.0) == 0


def test_the_share_of_the_questions_language_is_told_where_it_is_rewarded(tokenizer):
    ids = said(tokenizer, "<think>three apples and four pears</think>答案是七。<|eos|>")
    mixed = asked(tokenizer, "word-problems/zh", language_reward=0.1)(0, 1)[0].judge(ids, True)
    assert 0 < mixed.language < 1
    assert asked(tokenizer, "word-problems/zh")(0, 1)[0].judge(ids, True).language == 1.0


def test_with_a_curriculum_levels_follow_what_was_answered_right(tokenizer):
    ask = asked(tokenizer, "chain@1-4", "arithmetic@2", curriculum=True)
    before = Counter(q.level for q in ask(0, 400) if q.task == "chain@1-4")
    assert set(before) == {1, 2, 3, 4} and max(before.values()) < 2 * min(before.values())
    for _ in range(9):
        ask.curriculum.observe(
            [("chain@1-4", level, level == 1 or (level == 2 and i % 2)) for level in (1, 2, 3, 4) for i in range(40)]
        )
    after = Counter(q.level for q in ask(0, 400) if q.task == "chain@1-4")
    assert after[2] > 2 * max(after[1], after[3], after[4]) and min(after.values()) >= 2
    assert {q.level for q in ask(0, 400) if q.task == "arithmetic@2"} == {2}
    assert sum(after.values()) == 200, "the mix of tasks stays"


def test_programs_are_slow_to_judge(tokenizer):
    assert asked(tokenizer, "code")(0, 1)[0].slow and not asked(tokenizer, "arithmetic")(0, 1)[0].slow


def test_a_calculator_speaks_between_the_turns_of_an_answer(tokenizer, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    ask = asked(tokenizer, f"{tmp_path / 'own.py'}:sums", max_turns=2, max_new_tokens=200, format_reward=0.0)
    question = ask(0, 1)[0]
    shown = tokenizer.backend.decode(question.prompt, skip_special_tokens=False)
    assert "<|tools|>" in shown and "calculator" in shown and question.tools == ("calculator",)
    sum_ = question.text.removesuffix("?")
    call = f'<|tool_call|>{{"name": "calculator", "arguments": {{"expression": "{sum_}"}}}}'
    a, b = map(int, sum_.split("+"))

    class Script:
        def sample(self, prompts, **_):
            first = prompts[0] == question.prompt
            text = f"<think>I ask</think>{call}<|eos|>" if first else f"The answer is {a + b}.<|eos|>"
            assert first or tokenizer.backend.decode(prompts[0]).endswith(str(a + b))
            ids = said(tokenizer, text)
            return [Done(ids, [-1.0] * len(ids))]

    how = {"seeds": lambda turn: turn, "stop_ids": tokenizer.stop_ids, "longest": 2000}
    (draft,) = drafts(Script(), [question], ask.settings, **how)
    answer = sampled(draft, judged(draft))
    assert answer.verdict.correct and answer.verdict.well_formed and answer.called == ("calculator",)
    assert (answer.verdict.thought, answer.verdict.reply) == ("I ask", f"The answer is {a + b}.")
    heard = [id for id, own in zip(answer.ids, answer.said, strict=True) if not own]
    assert tokenizer.backend.decode(heard, skip_special_tokens=False) == f"<|tool|>{a + b}<|assistant|>"
    (alone,) = asked(tokenizer, f"{tmp_path / 'own.py'}:sums")(0, 1)
    assert alone.dialogue is None and "<|tools|>" not in tokenizer.backend.decode(
        alone.prompt, skip_special_tokens=False
    )
