"""Writing functions: a description and two examples are shown, the hidden tests decide, in the sandbox."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from firesteel.compute.sandbox import run as run_in_sandbox
from firesteel.tasks.answers import Found
from firesteel.tasks.code.families import EASY, Arguments, Family
from firesteel.tasks.code.harder import HARD
from firesteel.tasks.code.judge import Runner, extract, judge
from firesteel.tasks.task import Draw, Problem, Task

FAMILIES = (*EASY, *HARD)
SHOWN, HIDDEN = 2, 10  # examples in the question; tests that decide, the family's edges among them
MOST = 7  # hidden tests with one result; an answer that ignores its arguments passes no more
NAMES = ("f", "solve", "{name}", "{name}", "my_{name}", "get_{name}")
QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": (
        "写一个 Python 函数 {call}，{what}。\n{examples}",
        "请用 Python 定义函数 {call}：{what}。\n例如：\n{examples}",
        "实现 {call}，要求{what}。只写代码。\n{examples}",
    ),
    "en": (
        "Write a Python function {call} that {what}.\n{examples}",
        "Define {call} in Python. It {what}.\nFor example:\n{examples}",
        "Implement {call}: it {what}. Only code.\n{examples}",
    ),
}
UNSEEN: dict[str, tuple[str, ...]] = {  # of tests alone
    "zh": ("需要一个名为 {name} 的函数（参数：{args}），它{what}。示例：\n{examples}",),
    "en": ("We need a function named {name} (arguments: {args}) which {what}. Examples:\n{examples}",),
}
PLANS = {
    "zh": "参数是 {args}。要{what}。例：{example}",
    "en": "The arguments are {args}. It {what}. Example: {example}",
}
REPLY = "```python\n{code}\n```"


def make(draw: Draw) -> Problem:
    """One question: a family of the level, its parameters, a name, a language and a wording, each uniform."""
    rng = draw.rng
    family = rng.choice([each for each in FAMILIES if each.level == draw.level])
    params = family.params(rng)
    shown, hidden = _tests(rng, family, params)
    name = rng.choice(NAMES).format(name=family.name)
    language = draw.language()
    what = (family.zh if language == "zh" else family.en).format(**params)
    examples = [f"{name}({', '.join(map(repr, args))}) -> {result!r}" for args, result in shown]
    told = {
        "name": name,
        "args": family.args,
        "call": f"{name}({family.args})",
        "what": what,
        "examples": "\n".join(examples),
    }
    question = draw.wording(QUESTIONS[language], UNSEEN[language]).format(**told)
    code = solution(family, name, params)
    plan = PLANS[language].format(args=family.args, what=what, example=examples[0])
    facts = {"name": name, "family": family.name, "tests": [[list(args), result] for args, result in hidden]}
    return Problem(question, code, plan, REPLY.format(code=code), language, draw.level, verify, facts)


def solution(family: Family, name: str, params: dict[str, Any]) -> str:
    """The worked solution as Python text."""
    body = family.body.format(**params).replace("\n", "\n    ")
    return f"def {name}({family.args}):\n    {body}"


Tests = list[tuple[Arguments, Any]]


def _tests(rng: random.Random, family: Family, params: dict[str, Any]) -> tuple[Tests, Tests]:
    """Examples, and hidden tests with other arguments and more than one result."""
    while True:
        calls = [family.inputs(rng, **params) for _ in range(SHOWN + HIDDEN - len(family.edges))]
        calls = [*calls[:SHOWN], *family.edges, *calls[SHOWN:]]
        tests = [(args, family.solve(*args, **params)) for args in calls]
        shown, hidden = tests[:SHOWN], tests[SHOWN:]
        new = {json.dumps(args) for args, _ in hidden} - {json.dumps(args) for args, _ in shown}
        results = [json.dumps(result) for _, result in tests]
        if len(new) >= HIDDEN // 2 and max(map(results[SHOWN:].count, results)) <= MOST and results[0] != results[1]:
            return shown, hidden


def verify(problem: Problem, reply: str, run: Runner = run_in_sandbox) -> Found:
    """Verifier: the function in the reply passes every hidden test. `run` runs programs, compute.sandbox unless told.

    Raises MachineError where nothing can run untrusted code.
    """
    tests: Sequence[Sequence[Any]] = problem.facts["tests"]
    code = extract(reply, problem.facts["name"])
    return code if isinstance(code, Found) else judge(code, problem.facts["name"], tests, run)


def verifier(run: Runner) -> partial[Found]:
    """The verifier with a sandbox of one's own."""
    return partial(verify, run=run)


TASK = Task(
    "code",
    make,
    about="write a Python function; hidden unit tests decide, in a sandbox",
    ability="code",
    levels=4,
    usual=(1, 2),
)
