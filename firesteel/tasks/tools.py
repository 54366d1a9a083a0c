"""Tools that a model may call on the way to an answer. What goes wrong comes back as text, for the model to read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from firesteel.compute.sandbox import Limits
from firesteel.compute.sandbox import run as run_in_sandbox
from firesteel.core.errors import RecipeError, nearest
from firesteel.tasks.code.judge import Runner

OUTPUT = 2_000  # characters of a result
EXPRESSION = 400  # characters
BITS = 4_096  # of a whole number on the way
DEPTH = 40  # brackets and signs inside one another
LIMITS = Limits(cpu_seconds=4, wall_seconds=15.0, memory_bytes=256 << 20, output_bytes=8 << 10)
TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<sign>\*\*|//|[-+*/%()]))")
WIDTHS = str.maketrans("×÷−–（）＋－＊／％", "*/--()+-*/%")

Number = int | float


class Mistake(Exception):
    """What the model did wrong, for the model."""


@dataclass(frozen=True)
class Tool:
    """Something to call: its name, what it does, its arguments (name -> JSON schema), and `act`, which gets them."""

    name: str
    about: str
    arguments: dict[str, dict[str, Any]]
    act: Callable[[Mapping[str, Any]], str]

    def schema(self) -> dict[str, Any]:
        """As the `tools` of OpenAI's chat completions have it."""
        parameters = {
            "type": "object", "properties": self.arguments, "required": list(self.arguments), "additionalProperties": False,
        }  # fmt: skip
        return {
            "type": "function",
            "function": {"name": self.name, "description": self.about, "parameters": parameters},
        }

    def run(self, arguments: Mapping[str, Any]) -> str:
        """The result, or `error: ...`, at most OUTPUT and a note long. Raises MachineError if the machine lacks the means."""
        wrong = [name for name in self.arguments if not isinstance(arguments.get(name), str)]
        if wrong or set(arguments) - set(self.arguments):
            return f"error: the arguments are {', '.join(self.arguments)}, each a string"
        try:
            said = self.act(arguments)
        except Mistake as e:
            said = f"error: {e}"
        return said if len(said) <= OUTPUT else f"{said[:OUTPUT]}\n[cut: {len(said) - OUTPUT} more characters]"


def calculate(expression: str) -> Number:
    """The value of + - * / // % ** and brackets over numbers, with Python's precedence. Raises Mistake."""
    if len(expression) > EXPRESSION:
        raise Mistake(f"the expression is longer than {EXPRESSION} characters")
    parser = _Parser(_tokens(expression.translate(WIDTHS)))
    value = parser.sum(0)
    if parser.next is not None:
        raise Mistake(f"unexpected '{parser.next}'")
    return value


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Mistake(f"unexpected '{text[at:].strip()[:1]}'; numbers, + - * / // % ** and brackets only")
        found.append(match["number"] or match["sign"])
        at = match.end()
    return found


class _Parser:
    """Recursive descent: sum > product > signed > power > atom; values are bounded at each step."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    @property
    def next(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, *signs: str) -> str | None:
        if self.next not in signs:
            return None
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self, depth: int) -> Number:
        value = self.product(depth)
        while sign := self.take("+", "-"):
            value = _apply(sign, value, self.product(depth))
        return value

    def product(self, depth: int) -> Number:
        value = self.signed(depth)
        while sign := self.take("*", "/", "//", "%"):
            value = _apply(sign, value, self.signed(depth))
        return value

    def signed(self, depth: int) -> Number:
        if depth > DEPTH:
            raise Mistake("too many brackets or signs inside one another")
        if sign := self.take("+", "-"):
            value = self.signed(depth + 1)
            return -value if sign == "-" else value
        return self.power(depth)

    def power(self, depth: int) -> Number:
        base = self.atom(depth)
        return _apply("**", base, self.signed(depth + 1)) if self.take("**") else base

    def atom(self, depth: int) -> Number:
        if self.take("("):
            value = self.sum(depth + 1)
            if not self.take(")"):
                raise Mistake("a bracket is not closed")
            return value
        text = self.next
        if text is None or not text[-1].isdigit():
            raise Mistake("a number is missing" + (f" before '{text}'" if text else " at the end"))
        self.at += 1
        return float(text) if "." in text else int(text)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b, "**": lambda a, b: a**b,
}  # fmt: skip


def _apply(sign: str, a: Number, b: Number) -> Number:
    if sign == "**" and isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and a.bit_length() * b > BITS:
        raise Mistake("the number gets too large")
    try:
        value = OPERATIONS[sign](a, b)
    except ZeroDivisionError:
        raise Mistake("division by zero") from None
    except OverflowError:
        raise Mistake("the number gets too large") from None
    if isinstance(value, complex):
        raise Mistake("the root of a negative number")
    if value.bit_length() > BITS if isinstance(value, int) else not math.isfinite(value):
        raise Mistake("the number gets too large")
    return int(value) if isinstance(value, int) else float(value)


def _calculator(arguments: Mapping[str, Any]) -> str:
    value = calculate(arguments["expression"])
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else format(value, ".12g")


def _python(arguments: Mapping[str, Any], run: Runner = run_in_sandbox) -> str:
    """What the program prints; if it fails, the end of its traceback too."""
    ran = run(arguments["code"], b"", LIMITS)
    said = ran.stdout.strip("\n")
    if ran.outcome == "done":
        return said or "(no output; print what you want to see)"
    wrong = ran.stderr.strip("\n")[-OUTPUT // 2 :] if ran.outcome == "error" else ""
    return f"{said[: OUTPUT // 2]}\n{wrong or f'error: {ran.why}'}".strip("\n")


def python(run: Runner) -> Tool:
    """The tool `python` with a sandbox of one's own."""
    return Tool(
        "python", "Runs Python 3 with the standard library, without files or network, and returns what it prints.",
        {"code": {"type": "string", "description": "the program; print the results"}}, partial(_python, run=run),
    )  # fmt: skip


CALCULATOR = Tool(
    "calculator", "Works out an expression of numbers, + - * / // % ** and brackets.",
    {"expression": {"type": "string", "description": "for example (12 + 3) * 4"}}, _calculator,
)  # fmt: skip
TOOLS: dict[str, Tool] = {tool.name: tool for tool in (CALCULATOR, python(run_in_sandbox))}


def schemas(names: Iterable[str]) -> list[dict[str, Any]]:
    """What a model is shown of these tools. Raises RecipeError for an unknown one."""
    return [_known(name).schema() for name in names]


def answered(offered: Iterable[str], name: str, arguments: str) -> str:
    """What the tool says to a call as a model wrote it, whatever that is; `arguments`: JSON text. At the worst `error: ...`."""
    if name not in offered:
        return f"error: there is no tool '{name[:64]}'"
    table = table_of(arguments)
    if table is None:
        return "error: the arguments are no table"
    return TOOLS[name].run(table).encode("utf-8", "replace").decode()  # a program may print half characters


def table_of(arguments: str) -> dict[str, Any] | None:
    """A call's arguments, None if they are no JSON table."""
    try:
        table = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return table if isinstance(table, dict) else None


def _known(name: str) -> Tool:
    if name not in TOOLS:
        raise RecipeError("unknown tool", value=name, hint=nearest(name, TOOLS))
    return TOOLS[name]
