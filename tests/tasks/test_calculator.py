"""The task whose numbers are too large for the head: what it calls is true, and nothing but the result earns."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from firesteel.core.errors import RecipeError
from firesteel.tasks import Called, Problem
from firesteel.tasks.score import score
from firesteel.tasks.show import _page, shown
from firesteel.tasks.table import get_task
from firesteel.tasks.tools import TOOLS, answered, schemas
from tests.tasks.checks import hold_at_every_level, splits_are_disjoint

TASK = get_task("calculator")


def exact(expression: str) -> Fraction:
    """Its value by the tests' own means, without floats."""
    assert re.fullmatch(r"[-+*/()\d]+", expression)
    if "//" in expression:
        a, b = map(int, expression.split("//"))
        return Fraction(a // b)
    return Fraction(eval(re.sub(r"\d+", r"Fraction(\g<0>)", expression)))  # noqa: S307


def test_worked_solutions_earn_everything_and_splits_are_apart() -> None:
    hold_at_every_level(TASK)
    splits_are_disjoint(TASK)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_calls_say_what_is_true_and_the_last_one_is_the_answer(level: int) -> None:
    for p in TASK.at(level).problems("train", 3, 0, 60):
        assert p.tools == ("calculator",) and len(p.calls) == (2 if level == 4 else 1)
        for call in p.calls:
            assert Fraction(call.result) == exact(call.arguments["expression"]), call
            assert TOOLS[call.name].run(call.arguments) == call.result and call.reasoning
        for before, after in pairwise(p.calls):
            assert before.result in after.arguments["expression"] and before.result in after.reasoning
        assert Fraction(str(p.answer)) == Fraction(p.calls[-1].result) >= 100_000
        assert p.reasoning == f"{p.calls[-1].arguments['expression']}={p.calls[-1].result}"
        assert sum(len(n) > 3 for n in re.findall(r"\d+", p.question)) >= 1


def test_numbers_of_the_question_and_rounded_results_earn_nothing() -> None:
    for level in (1, 2, 3, 4):
        for p in TASK.at(level).problems("test", 4, 0, 20):
            result = p.calls[-1].result
            guesses = [*re.findall(r"\d+", p.question), p.question, str(int(float(result)) + 1), f"{float(result):.3e}"]
            for guess in [*guesses, f"{result}%", p.calls[-1].arguments["expression"], ""]:
                assert not score(p, p.reasoning, guess, stopped=True).correct, (p.question, guess)


def test_the_worked_conversation_has_a_turn_for_each_call() -> None:
    p = TASK.at(4).problem("train", 0, 0)
    roles = [m["role"] for m in p.messages()]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    calling, told = p.messages()[1:3]
    assert calling["tool_calls"][0]["function"] == {"name": "calculator", "arguments": p.calls[0].arguments}
    assert calling["reasoning_content"] == p.calls[0].reasoning and calling["content"] == ""
    assert told["tool_call_id"] == calling["tool_calls"][0]["id"] and told["content"] == p.calls[0].result
    assert p.messages()[3]["tool_calls"][0]["id"] != calling["tool_calls"][0]["id"]
    lines = p.worked().split("\n")
    assert lines[0] == p.calls[0].reasoning and '{"name": "calculator", "arguments": {"expression": "' in lines[1]
    assert lines[-2:] == [p.reasoning, p.reply]


def test_problems_without_calls_are_worked_as_ever() -> None:
    p = get_task("arithmetic").problem("train", 0, 0)
    assert p.worked() == f"{p.reasoning}\n{p.reply}" and not p.calls
    assert p.messages()[1:] == [{"role": "assistant", "reasoning_content": p.reasoning, "content": p.reply}]


def test_the_call_is_shown_where_a_task_is_shown() -> None:
    facts = shown("calculator@4/en", 1)
    calls = facts["problems"][0]["calls"]
    page = _page(facts)
    for call in calls:
        assert f"call: calculator(expression='{call['arguments']['expression']}') -> {call['result']}" in page
    assert page.index("call: ") < page.index("reply: ") and "tools: calculator" in page
    assert "calls" not in shown("chain", 1)["problems"][0] and "call:" not in _page(shown("chain", 1))


def test_what_a_model_writes_as_a_call_gets_an_answer_whatever_it_is() -> None:
    offered = ("calculator",)
    assert answered(offered, "calculator", '{"expression": "3*4"}') == "12"
    assert answered(offered, "python", '{"code": "print(1)"}') == "error: there is no tool 'python'"
    for arguments in ("", "[]", "null", "{", "[" * 100_000, "1" * 5000):
        assert answered(offered, "calculator", arguments) == "error: the arguments are no table"
    assert answered(offered, "calculator", "{}").startswith("error: the arguments are expression")
    with pytest.raises(RecipeError, match="calculator"):
        schemas(["calculater"])


@pytest.mark.parametrize("page", ["reason.md", "reason.zh.md"])
def test_the_guides_task_with_calls_is_true(tmp_path: Path, page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "guides" / page).read_text(encoding="utf-8")
    (program,) = [block for block in re.findall(r"```python\n(.*?)```", text, flags=re.S) if "Called(" in block]
    (tmp_path / "own.py").write_text(program, encoding="utf-8")
    for p in get_task(f"{tmp_path / 'own.py'}:floor").problems("train", 0, 0, 20):
        assert score(p, p.reasoning, p.reply, stopped=True).well_formed
        assert [TOOLS[c.name].run(c.arguments) for c in p.calls] == [c.result for c in p.calls] == [str(p.answer)]


OWN = """
from firesteel.tasks import Called, Problem

def asks(draw):
    n = draw.rng.randint(0, 999)
    return Problem(f"{n}?", n, "n", str(n), tools=TOOLS, calls=(Called("calculator", {"expression": "1"}, "1"),))
"""


@pytest.mark.parametrize(("tools", "why"), [("()", "does not offer"), ("('browser',)", "unknown tool")])
def test_an_own_task_calls_what_it_offers(tmp_path: Path, tools: str, why: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN.replace("TOOLS", tools))
    with pytest.raises(RecipeError, match=why):
        get_task(f"{file}:asks")
    file.write_text(OWN.replace("TOOLS", "('calculator',)"))
    assert get_task(f"{file}:asks").problem("train", 0, 0).calls == (Called("calculator", {"expression": "1"}, "1"),)
    assert not Problem("1?", 1).calls
