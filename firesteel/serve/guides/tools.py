"""Grammars of tool calls, in the form that the model's template writes them.

Ours: <|tool_call|>{"name": ..., "arguments": {...}}, once for each call. Hermes and Qwen: the same JSON between the lines
<tool_call> and </tool_call>, which are tokens of their own in some tokenizers and text in others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.schema import CALL, arguments_schema, schema_text
from firesteel.serve.guides.vocabulary import Mask
from firesteel.serve.sequence import Guide

MAX_CALLS = 32  # in one turn; a model that repeats itself would call for ever
OPEN, CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class CallForm:
    """How calls are written: what stands before and after the JSON of each, in Lark, and between two of them.

    `trigger` is the token with which a call begins; None if it begins with text.
    """

    trigger: int | None
    before: str
    after: str = ""
    between: str = ""


def call_form(tokenizer: Tokenizer) -> CallForm:
    """The form that this model was taught. Raises UserError if it is none of those that we know."""
    if tokenizer.call_id is not None:
        return CallForm(tokenizer.call_id, f"<[{tokenizer.call_id}]>")
    if tokenizer.template is None or OPEN not in tokenizer.template.literals:
        raise UserError(
            "this model's tool calls cannot be held to their schemas", why="its chat template writes them in an unknown form",
            hint='known: <|tool_call|>{...}, and <tool_call>\\n{...}\\n</tool_call>; or use tool_choice "none"',
        )  # fmt: skip
    opening, closing = (tokenizer.special.get(tag) for tag in (OPEN, CLOSE))
    before = json.dumps(f"{OPEN}\n") if opening is None else f'<[{opening}]> "\\n"'
    after = json.dumps(f"\n{CLOSE}") if closing is None else f'"\\n" <[{closing}]>'
    return CallForm(opening, before, after, '"\\n"')


def calls_grammar(tools: Sequence[Mapping[str, Any]], form: CallForm, *, parallel: bool) -> str:
    """The grammar in Lark of one call, or of up to MAX_CALLS if `parallel`. tools: OpenAI's schemas. Raises UserError."""
    more = f"({form.between} call){{0,{MAX_CALLS - 1}}}" if parallel else ""
    return f"start: call {more}\n{_call_rules(tools, form.before, form.after)}"


def text_then_calls(tools: Sequence[Mapping[str, Any]], form: CallForm, *, parallel: bool) -> str:
    """The grammar of free text in which calls may follow, for calls that begin with text. Raises UserError."""
    more = f"({form.between} call){{0,{MAX_CALLS - 1}}}" if parallel else ""
    return (
        f"start: TEXT | opened {more}\n"
        f"opened: trigger {json.dumps(chr(10))} body {form.after}\n"
        f"trigger[lazy]: TEXT {json.dumps(OPEN)}\n"
        f"TEXT: /(.|\\n)*/\n{_call_rules(tools, form.before, form.after)}"
    )


def _call_rules(tools: Sequence[Mapping[str, Any]], before: str, after: str) -> str:
    if not tools:
        raise UserError("there is no tool to call")
    rules = [f"call: {before} body {after}", "body: " + " | ".join(f"body_{i}" for i in range(len(tools)))]
    for i, tool in enumerate(tools):
        function = tool["function"]
        schema = schema_text(arguments_schema(function.get("parameters")), CALL, strict=function.get("strict") is True)
        name = json.dumps(function["name"], ensure_ascii=False)
        head = json.dumps(f'{{"name": {name}, "arguments": ', ensure_ascii=False)
        rules.append(f'body_{i}: {head} arguments_{i} "}}"\narguments_{i}: %json {schema}')
    return "\n".join(rules) + "\n"


class FreeUntil:
    """Free text until a certain token comes; from there on, that token included, the guide that was given."""

    def __init__(self, trigger: int, guide: Guide) -> None:
        self._trigger, self._guide, self._begun = trigger, guide, False

    def allowed(self) -> Mask | None:
        """Which tokens may come next, [V]; None: any."""
        return self._guide.allowed() if self._begun else None

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        self._begun = self._begun or token == self._trigger
        if self._begun:
            self._guide.push(token)
