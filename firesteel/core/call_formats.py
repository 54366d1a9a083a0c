"""How models write tool calls: one table, and how a model's own template tells which row is its own.

A call stands between `begin` and `end`. Ours is described in tools.py; the others are those that the chat templates of
Qwen and Hermes (also Qwen3-Coder, GLM), DeepSeek, Mistral and Llama 3 write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from firesteel.core.tools import TOOL_CALL, read_call

Schemas = Mapping[str, Mapping[str, Any]]  # name of a tool -> JSON schema of its parameters
HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)')
_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>(.*)</function>\s*", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_PAIR = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_FENCED = re.compile(r"\s*([^\n]*)\n```json\n(.*)\n```\s*", re.DOTALL)


class Call(NamedTuple):
    """One call: the tool's name, and its arguments as JSON text of a table."""

    name: str
    arguments: str


@dataclass(frozen=True)
class CallFormat:
    """One way to write calls. `read` gives the calls of what stands between `begin` and `end`, None if it is none."""

    begin: str
    end: str  # "" = the next call, or the end of the reply
    read: Callable[[str, Schemas], list[Call] | None]
    around: tuple[str, ...] = ()  # what stands around all calls, and is dropped
    inner: tuple[str, ...] = ()  # what stands inside a call
    exact: bool = False  # no blanks are written around calls, so none are dropped
    bare: bool = False  # a reply that begins with { is a call too
    json: bool = (
        False  # JSON, the name first: a grammar can hold it, and then arguments may leave while they are written
    )

    @property
    def markers(self) -> tuple[str, ...]:
        """All that is markup and never text."""
        return tuple(text for text in (self.begin, self.end, *self.around, *self.inner) if text)


def _table(text: str) -> Any:
    """A JSON value of any kind, or None: a model may write anything."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def json_call(text: str) -> Call | None:
    """One {"name": ..., "arguments": {...}}; arguments may be called parameters. Their text stays as it was written."""
    value = _table(text)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    head = HEAD.match(text)
    if head:
        _, end = json.JSONDecoder().raw_decode(text, head.end())
        if text[end:].strip() == "}":
            return Call(value["name"], text[head.end() : end])
    arguments = value.get("arguments", value.get("parameters", {}))
    arguments = _table(arguments) if isinstance(arguments, str) else arguments
    return Call(value["name"], _text(arguments)) if isinstance(arguments, dict) else None


def _own(text: str, _: Schemas) -> list[Call] | None:
    call = json_call(text) if read_call(text) else None
    return [call] if call else None


def _json(text: str, _: Schemas) -> list[Call] | None:
    call = json_call(text)
    return [call] if call else None


def _pairs(text: str, schemas: Schemas) -> list[Call] | None:
    """Qwen3-Coder: tags for the function and each parameter; GLM: the name, then tags for each key and value."""
    function = _FUNCTION.fullmatch(text)
    name, inside, pairs = (function[1].strip(), function[2], _PARAMETER) if function else (*_first_word(text), _PAIR)
    if not name or pairs.sub("", inside).strip() or name.startswith(("{", "[", "<")):
        return None
    fields = schemas.get(name, {}).get("properties", {})
    values = {key.strip(): _typed(value, fields.get(key.strip())) for key, value in pairs.findall(inside)}
    return [Call(name, _text(values))]


def _first_word(text: str) -> tuple[str, str]:
    match = re.match(r"\s*([^\s<]*)", text)
    assert match
    return match[1], text[match.end() :]


def _typed(text: str, schema: Any) -> Any:
    """A value that was written without quotes: text where the schema says so, else JSON if it is."""
    if isinstance(schema, dict) and schema.get("type") == "string":
        return text
    value = _table(text)
    return text if value is None and text.strip() != "null" else value


def _deepseek(text: str, _: Schemas) -> list[Call] | None:
    """V3 and R1: function<sep>NAME, then the arguments in a fence; V3.1: NAME<sep>arguments."""
    first, sep, second = text.partition(_SEP)
    fenced = _FENCED.fullmatch(second)
    name, arguments = (fenced[1], fenced[2]) if fenced else (first, second)
    fits = sep and isinstance(_table(arguments), dict)
    return [Call(name.strip(), arguments.strip())] if fits else None


def _mistral(text: str, _: Schemas) -> list[Call] | None:
    """A list of JSON calls; since v11 NAME[ARGS]arguments, perhaps with [CALL_ID] between."""
    name, args, arguments = text.partition("[ARGS]")
    if args:
        fits = isinstance(_table(arguments), dict)
        return [Call(name.partition("[CALL_ID]")[0].strip(), arguments.strip())] if fits else None
    values = _table(text)
    found = [json_call(_text(value)) for value in values] if isinstance(values, list) and values else [None]
    return [call for call in found if call] if None not in found else None


def _llama(text: str, _: Schemas) -> list[Call] | None:
    """JSON calls with parameters, several of them with semicolons between."""
    calls, rest = [], text.strip()
    while rest:
        try:
            _, end = json.JSONDecoder().raw_decode(rest)
        except (ValueError, RecursionError):
            return None
        call = json_call(rest[:end])
        if call is None:
            return None
        calls.append(call)
        rest = rest[end:].lstrip().removeprefix(";").lstrip()
    return calls or None


_SEP = "<｜tool▁sep｜>"
OWN = CallFormat(TOOL_CALL, "", _own, exact=True, json=True)
TAGGED = CallFormat("<tool_call>", "</tool_call>", _json, json=True)
PAIRS = CallFormat("<tool_call>", "</tool_call>", _pairs)
DEEPSEEK = CallFormat(
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    _deepseek,
    ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    (_SEP,),
)
MISTRAL = CallFormat("[TOOL_CALLS]", "", _mistral, inner=("[ARGS]", "[CALL_ID]"))
LLAMA = CallFormat("<|python_tag|>", "", _llama, bare=True)
FORMATS = (OWN, TAGGED, PAIRS, DEEPSEEK, MISTRAL, LLAMA)
