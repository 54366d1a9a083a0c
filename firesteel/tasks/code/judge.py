"""Judging code by its unit tests without trusting it: the program computes, this process compares.

A program under test gets the arguments of the calls and nothing else. What is expected never enters its process, so there is
nothing there to read, patch or forge: to write the right results it has to compute them. Results come back as JSON text, one
line per call, and are compared here by value; objects that equal everything are text by then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from firesteel.compute.sandbox import Limits, Ran
from firesteel.compute.sandbox import run as run_in_sandbox
from firesteel.tasks.answers import NOTHING, SEVERAL, Found

LONGEST = 16_384  # characters of a reply that are read
LIMITS = Limits(cpu_seconds=2, wall_seconds=20.0, memory_bytes=256 << 20, output_bytes=128 << 10)
FENCED = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)(?:^[ \t]*(?P=fence)[ \t]*$|\Z)", re.M | re.S)
HARNESS = """
import json, os, sys, types
def main():
    given = json.load(sys.stdin)
    sys.stdout = sys.stderr  # what the answer prints is not what it returns
    sys.modules["answer"] = types.ModuleType("answer")
    space = sys.modules["answer"].__dict__
    say = lambda *line: os.write(1, (json.dumps(line) + "\\n").encode())
    def keys(value):
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value): raise TypeError("a dict whose keys are not text")
            for one in value.values(): keys(one)
        elif isinstance(value, (list, tuple)):
            for one in value: keys(one)
        return value
    def told(e):
        return f"{type(e).__name__}: {e}"[:200]
    try:
        exec(compile(given["code"], "answer.py", "exec"), space)
        if not callable(space.get(given["name"])): raise NameError(f"no function {given['name']}")
    except BaseException as e:
        return say(-1, "error", told(e))
    for i, args in enumerate(given["calls"]):
        try:
            say(i, "value", keys(space[given["name"]](*json.loads(args))))
        except BaseException as e:
            return say(i, "error", told(e))
main()
"""


class Runner(Protocol):
    """What runs a program: Sandbox.run is one."""

    def __call__(self, source: str, stdin: bytes = b"", limits: Limits | None = None) -> Ran: ...


def extract(reply: str, name: str) -> str | Found:
    """The code in a reply that is to define `name`: of its fenced blocks the one that does, else the whole reply.

    Two different blocks that both define it are several answers.
    """
    reply = reply[:LONGEST]
    blocks = list(dict.fromkeys(m["code"].strip("\n") for m in FENCED.finditer(reply)))
    defining = [
        code
        for code in blocks
        if re.search(rf"^(?:async )?def {re.escape(name)}\b|^{re.escape(name)}\s*[=:]", code, re.M)
    ]
    if len(defining) > 1:
        return SEVERAL
    if defining or len(blocks) == 1:
        return (defining or blocks)[0]
    return _unfenced(reply) if not blocks and re.search(rf"^(?:def )?{re.escape(name)}\b", reply, re.M) else NOTHING


PROSE = re.compile(r"(?:[A-Z][A-Za-z,'`]* [^=()\[\]{}#]*|[^\x00-\x7f][^=#]*)[.:!。：！]|\s*")  # a sentence, or nothing


def _unfenced(reply: str) -> str:
    """Code without a fence, less the sentences before and after it."""
    lines = reply.split("\n")
    while lines and PROSE.fullmatch(lines[0]):
        lines.pop(0)
    while lines and PROSE.fullmatch(lines[-1]):
        lines.pop()
    return "\n".join(lines)


def judge(code: str, name: str, tests: Sequence[Sequence[Any]], run: Runner = run_in_sandbox) -> Found:
    """Whether `name` of the code returns for the arguments of each test [arguments, expected] what is expected.

    The reason is `right`, `wrong on test N` (from 1), `time`, `too much output`, or `error: ...`.
    """
    given = {"code": code, "name": name, "calls": [json.dumps(arguments) for arguments, _ in tests]}
    ran = run(HARNESS, json.dumps(given).encode(), LIMITS)
    lines = ran.stdout.splitlines()
    for i, (_, expected) in enumerate(tests):
        if i >= len(lines):
            return Found(0.0, _ended(ran), code)
        kind, value = _line(lines[i], i)
        if kind == "error":
            return Found(0.0, f"error: {value}", code)
        if kind != "value" or not same(value, expected):
            return Found(0.0, f"wrong on test {i + 1}", code)
    if ran.outcome != "done" or len(lines) != len(tests):
        return Found(0.0, _ended(ran) if ran.outcome != "done" else "error: it writes results of its own", code)
    return Found(1.0, "right", code)


def _ended(ran: Ran) -> str:
    """Why there are fewer results than tests."""
    return {"time": "time", "output": "too much output"}.get(
        ran.outcome, f"error: {ran.why or 'it left before the end'}"
    )


def _line(text: str, index: int) -> tuple[str, Any]:
    """The kind and value of a result; a program under test may have written the line, so anything may be in it."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return "none", None
    if not (isinstance(line, list) and len(line) == 3 and isinstance(line[1], str) and type(line[0]) is int):
        return "none", None
    if line[1] == "error" and line[0] in (-1, index):
        return "error", str(line[2])[:200]
    return (line[1], line[2]) if line[0] == index else ("none", None)


def same(value: Any, expected: Any) -> bool:
    """Whether two JSON values are equal: true is not 1, 2.0 is 2, and fractions agree to nine digits."""
    if isinstance(expected, bool) or isinstance(value, bool) or expected is None or isinstance(expected, str):
        return type(value) is type(expected) and bool(value == expected)
    if isinstance(expected, float) and isinstance(value, int | float):
        return abs(value) < 1e300 and abs(value - expected) <= 1e-9 * max(1.0, abs(expected))
    if isinstance(expected, int):
        return isinstance(value, int | float) and value == expected
    if isinstance(expected, list) and isinstance(value, list):
        return len(value) == len(expected) and all(same(v, e) for v, e in zip(value, expected, strict=True))
    if isinstance(expected, dict) and isinstance(value, dict):
        return value.keys() == expected.keys() and all(same(value[key], expected[key]) for key in expected)
    return False


Judge = Callable[[str, str, Sequence[Sequence[Any]]], Found]
