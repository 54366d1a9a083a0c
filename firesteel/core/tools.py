"""Tools in conversations: what may stand in a call, and how our own template writes one so that it can be read back.

Ours writes `<|tools|>[schemas]` after <|bos|>, and `<|tool_call|>{"name": ..., "arguments": {...}}` for each call after what
the assistant says. Results follow in the order of the calls, each in a turn of the role tool; ids are not shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from firesteel.core.chat_template import Message
from firesteel.core.errors import UserError

TOOLS, TOOL_CALL = "<|tools|>", "<|tool_call|>"
MAX_DEPTH = 32  # of tables and lists inside a schema or a call's arguments


def with_arguments(messages: Sequence[Message], *, as_text: bool = False) -> list[Message]:
    """The messages with the arguments of calls as tables, as most templates expect; the wire has them as JSON text.

    `as_text`: as JSON text all the same, for templates that expect that (DeepSeek's).

    Raises UserError for a call that is none, and for arguments that are nested too deep.
    """
    return [
        message | {"tool_calls": [_call(call, as_text) for call in _list(message["tool_calls"])]}
        if message.get("tool_calls") else message
        for message in messages
    ]  # fmt: skip


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _no_call(value)
    return list(value)


def _call(call: Any, as_text: bool = False) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        raise _no_call(call)
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError) as e:
            raise _no_call(call) from e
    if not isinstance(arguments, Mapping):
        raise _no_call(call)
    table = with_keys(arguments, str)
    sent = json.dumps(table, ensure_ascii=False) if as_text else table
    return {"type": "function", **call, "function": {**function, "arguments": sent}}


def _no_call(value: Any) -> UserError:
    hint = 'a call is {"id": ..., "type": "function", "function": {"name": ..., "arguments": {...}}}'
    return UserError("a message holds something that is no tool call", value=repr(value)[:200], hint=hint)


def with_keys(value: Any, change: Callable[[str], str], depth: int = 0) -> Any:
    """A JSON value with every key of its tables changed. Raises UserError past MAX_DEPTH."""
    if depth > MAX_DEPTH:
        raise UserError("a tool's schema or arguments are nested too deep", why=f"more than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {change(str(key)): with_keys(inner, change, depth + 1) for key, inner in value.items()}
    return [with_keys(inner, change, depth + 1) for inner in value] if isinstance(value, list | tuple) else value


def read_call(text: str) -> dict[str, Any] | None:
    """The call that our template writes after <|tool_call|>, as OpenAI's `function` with its arguments as a table.

    None if it is no JSON of that form: a model may write anything.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fits = isinstance(value, dict) and set(value) == {"name", "arguments"}
    return value if fits and isinstance(value["name"], str) and isinstance(value["arguments"], dict) else None
