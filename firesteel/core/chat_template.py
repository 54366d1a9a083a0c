"""A model's own chat template: Jinja in a sandbox, rendered as Hugging Face tokenizers render it.

The environment is that of transformers' `apply_chat_template`: trimmed blocks, loop controls, `tojson` that escapes no
HTML, `raise_exception`, `strftime_now`, and the tag {% generation %} around what the assistant says. A template is a
program of somebody else's: its size, its output and its loops are bounded, and whatever it raises is a UserError.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from firesteel.core.errors import ArtefactError, UserError

T = TypeVar("T")
Message = dict[str, Any]  # {"role", "content", optional "reasoning_content", "tool_calls", "tool_call_id"}
Tool = dict[str, Any]  # a JSON schema: {"type": "function", "function": {"name", "description", "parameters"}}

MAX_SOURCE = 1 << 20  # characters of a template; the longest in use are some 20 thousand
MAX_RENDERED = 1 << 24  # characters of a rendered conversation
MAX_TURNS = 1_000_000  # numbers that all range() of one rendering may give together
SENT_AS = ("reasoning_content", "thinking", "reasoning")  # names under which transformers takes a message's reasoning
_GENERATION = re.compile(r"\{%[-+]?\s*(end)?generation\s*[-+]?%\}")


@dataclass(frozen=True)
class Marks:
    """Four characters that occur neither in the template nor in the messages."""

    seam: str  # stands inside what a person wrote where it looks like a control token
    open: str  # what the assistant says begins, and ends
    close: str
    end: str  # stands where a message ends that the model is to go on with


class ChatTemplate:
    """One template: `draw` turns messages into text. `tokens` are the named tokens it may use (bos_token, ...)."""

    def __init__(self, source: str, tokens: Mapping[str, str], now: Callable[[], datetime] = datetime.now) -> None:
        if len(source) > MAX_SOURCE:
            raise ArtefactError(
                "the chat template is too long", value=f"{len(source)} characters", why=f"at most {MAX_SOURCE}"
            )
        self.source, self._tokens, self._now = source, dict(tokens), now
        self._tools: list[Tool] | None = None
        self._variables: dict[str, Any] = {}

    def with_tools(self, tools: Sequence[Tool]) -> ChatTemplate:
        """The same template, shown these tools with every conversation that it draws."""
        other = copy.copy(self)
        other._tools = list(tools) or None
        return other

    def with_variables(self, variables: Mapping[str, Any]) -> ChatTemplate:
        """The same template, given these variables of its own (enable_thinking, reasoning_effort) with every conversation."""
        other = copy.copy(self)
        other._variables = dict(variables)
        return other

    def knows(self, name: str) -> bool:
        """Whether the template speaks of something, `tools` or `tool_calls`; what it does not name would be lost."""
        return bool(re.search(rf"\b{re.escape(name)}\b", self.source))

    @cached_property
    def takes(self) -> frozenset[str]:
        """Names of the variables that the template reads from outside. Raises UserError if it is no Jinja."""
        return frozenset(self._guard(lambda: meta.find_undeclared_variables(self._environment.parse(self.source))))

    @property
    def marks_speech(self) -> bool:
        """Whether the template itself says where the assistant speaks."""
        return bool(_GENERATION.search(self.source))

    @cached_property
    def literals(self) -> str:
        """All text that stands in the template itself, NUL between the pieces. Raises UserError if it is no Jinja."""
        tree = self._guard(lambda: self._environment.parse(self.source))
        texts = [n.data for n in tree.find_all(nodes.TemplateData)]
        texts += [n.value for n in tree.find_all(nodes.Const) if isinstance(n.value, str)]
        return "\0".join(texts)

    def marks(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Marks:
        """Characters to mark places with, from the private use plane."""
        taken = set(self.source) | set(json.dumps([*messages, *tools], ensure_ascii=False))
        free = (chr(code) for code in range(0xF0000, 0xFFFFE) if chr(code) not in taken)
        return Marks(next(free), next(free), next(free), next(free))

    def draw(self, messages: Sequence[Message], marks: Marks, *, add_generation_prompt: bool) -> str:
        """The conversation as text, `marks` in it. Raises UserError for what the template refuses or cannot do."""
        variables = {
            "messages": [_as_sent(message) for message in messages], "tools": self._tools, "documents": None,
            "add_generation_prompt": add_generation_prompt, "range": _Range(), "speech_marks": (marks.open, marks.close),
        }  # fmt: skip
        return self._guard(lambda: self._whole(self._tokens | self._variables | variables))

    def _whole(self, variables: Mapping[str, Any]) -> str:
        pieces, size = [], 0
        for piece in self._compiled.generate(variables):
            size += len(piece)
            if size > MAX_RENDERED:
                raise jinja2.TemplateError(f"its output is longer than {MAX_RENDERED} characters")
            pieces.append(piece)
        return "".join(pieces)

    def _guard(self, work: Callable[[], T]) -> T:
        """Whatever a template raises, as an error for the reader."""
        try:
            return work()
        except jinja2.TemplateSyntaxError as e:
            raise UserError("the model's chat template is not valid Jinja", value=f"line {e.lineno}", why=str(e)) from e
        except Exception as e:  # a program of somebody else's: it may raise anything
            raise UserError(
                "the model's chat template refuses this conversation", value=str(e)[:300] or type(e).__name__,
                hint="templates differ in what they accept: a system message, the order of roles, how a turn begins",
            ) from e  # fmt: skip

    @cached_property
    def _compiled(self) -> jinja2.Template:
        return self._environment.from_string(self.source)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda format: self._now().strftime(format)
        return environment


def without_speech_marks(source: str) -> str:
    """A template without its {% generation %} tags, which other runtimes do not know."""
    return _GENERATION.sub("", source)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which text cannot be multiplied to any size either."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(x) if isinstance(x, str | list | tuple) else x for x in (left, right)]
        sequence = any(isinstance(x, str | list | tuple) for x in (left, right))
        if (operator == "**" and abs(right) > 64) or (sequence and sizes[0] * sizes[1] > MAX_RENDERED):
            raise jinja2.TemplateError(f"a product is too large: {operator}")
        return super().call_binop(context, operator, left, right)


class _Range:
    """range() with one budget for a whole rendering: loops in loops come to an end."""

    def __init__(self) -> None:
        self._left = MAX_TURNS

    def __call__(self, *bounds: int) -> range:
        numbers = range(*bounds)
        self._left -= len(numbers)
        if self._left < 0:
            raise jinja2.TemplateError(f"its loops take more than {MAX_TURNS} turns")
        return numbers


class _Generation(Extension):
    """{% generation %} ... {% endgeneration %}: what stands between is put between the marks for speech."""

    tags = {"generation"}  # noqa: RUF012 - the base class declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_between", [nodes.ContextReference()]), [], [], body).set_lineno(line)

    def _between(self, context: Context, caller: Callable[[], str]) -> str:
        opening, closing = context["speech_marks"]
        return str(opening) + caller() + str(closing)


def _as_sent(message: Message) -> Message:
    """As transformers hands it to a template: no empty fields, reasoning under each name in use."""
    sent = {key: value for key, value in message.items() if value is not None}
    reasoning = next((sent[name] for name in SENT_AS if name in sent), None)
    return sent if reasoning is None else {"thinking": reasoning, **sent, "reasoning_content": reasoning}


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:  # fmt: skip
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)
