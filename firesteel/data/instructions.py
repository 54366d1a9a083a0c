"""Instruction data: files of conversations and of preference pairs, read in any common shape and checked line by line.

Shapes may be mixed in a file (instruction_shapes.py). What comes out is OpenAI's form with calls' arguments as tables, results
of tools in the order of the calls, and nothing that training could not use. Mistakes are shown together, with their lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from firesteel.core.chat_template import Message, Tool
from firesteel.core.errors import SourceError, nearest
from firesteel.core.tools import MAX_DEPTH
from firesteel.data.instruction_files import loaded, records
from firesteel.data.instruction_misfit import Misfit
from firesteel.data.instruction_shapes import shaped, tools_of

MAX_TURNS, MAX_TOOLS = 1000, 256
SHOWN = 20  # mistakes of a file that are collected


@dataclass(frozen=True)
class Conversation:
    """Turns that end with the assistant's, and the tools that it may call."""

    messages: list[Message]
    tools: list[Tool]


@dataclass(frozen=True)
class Pair:
    """A conversation so far, and two ways to go on, of which one is better."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    tools: list[Tool]


def read_instructions(files: Sequence[str]) -> Iterator[Conversation | Pair]:
    """What the files hold, in order; memory holds one line (of a .json file: all of it).

    Raises SourceError for a file that cannot be read, and after a file with mistakes, naming up to 20 of them by file and
    line: what comes before them in the file has been given out by then.
    """
    for file in files:
        mistakes: list[str] = []
        for place, value in records(file):
            try:
                yield parse(value)
            except Misfit as e:
                mistakes.append(f"{place}: {e}")
                if len(mistakes) == SHOWN:
                    break
        if mistakes:
            count = f"{SHOWN} or more mistakes" if len(mistakes) == SHOWN else f"{len(mistakes)} mistake(s)"
            why = "\n     ".join(mistakes)
            hint = "mend or remove these lines; the field's path tells where in the line"
            raise SourceError(f"{count} in instruction data", value=file, why=why, hint=hint)


def parse(value: object) -> Conversation | Pair:
    """One line: JSON text or what it holds. Raises Misfit."""
    record = loaded(value) if isinstance(value, bytes) else value
    raw = shaped(record)
    assert isinstance(record, dict)
    tools = tools_of(record)
    _check_size(raw, tools)
    names = [tool["function"]["name"] for tool in tools]
    if "messages" in raw:
        return Conversation(checked(raw["messages"], names), tools)
    prompt, chosen, rejected = raw["prompt"], raw["chosen"], raw["rejected"]
    if not prompt or prompt[-1]["role"] == "assistant":
        raise Misfit("prompt", "a conversation that waits for the assistant was expected")
    sides = [_side(prompt, side, names, name) for name, side in (("chosen", chosen), ("rejected", rejected))]
    if sides[0][1] == sides[1][1]:
        raise Misfit("rejected", "an answer other than the chosen one was expected")
    return Pair(sides[0][0], sides[0][1], sides[1][1], tools)


def _side(
    prompt: list[Message], answer: list[Message], names: list[str], field: str
) -> tuple[list[Message], list[Message]]:
    if not answer or answer[0]["role"] != "assistant":
        raise Misfit(field, "an answer of the assistant was expected")
    try:
        whole = checked([*prompt, *answer], names)
    except Misfit as e:
        raise Misfit(f"prompt and {field}", str(e)) from e
    return whole[: len(prompt)], whole[len(prompt) :]


def checked(messages: list[Message], tools: Sequence[str] = ()) -> list[Message]:
    """The turns with ids for all calls, and results in the order of their calls. Raises Misfit for turns out of place."""
    out: list[Message] = []
    open_calls: dict[str, None] = {}  # ids of calls that wait for a result, in order
    made = 0
    for i, message in enumerate(messages):
        field, role = f"messages[{i}]", message["role"]
        before = out[-1]["role"] if out else "the beginning"
        if role not in FOLLOWS[before] or (open_calls and role != "tool"):
            expected = "the result of a tool call" if open_calls else " or ".join(FOLLOWS[before])
            raise Misfit(f"{field}.role", f"{expected} was expected after {before}", role)
        _check_content(message, field)
        if role == "tool":
            out.append(_result(message, open_calls, field))
            continue
        if message.get("tool_calls"):
            made, message = _numbered(message, made, tools, field)
            open_calls = dict.fromkeys(call["id"] for call in message["tool_calls"])
        out.append(message)
    if messages[-1]["role"] != "assistant":
        raise Misfit(
            f"messages[{len(messages) - 1}].role", "the last turn must be the assistant's", messages[-1]["role"]
        )
    return _in_order(out)


FOLLOWS: dict[str, tuple[str, ...]] = {  # role -> who may speak next; an opening greeting is a conversation, too
    "the beginning": ("system", "user", "assistant"), "system": ("user", "assistant"), "user": ("assistant",),
    "assistant": ("user", "tool"), "tool": ("assistant", "tool"),
}  # fmt: skip


def _check_content(message: Message, field: str) -> None:
    """Only a tool, or an assistant who calls one, may say nothing."""
    silent = message["role"] == "tool" or bool(message.get("tool_calls"))
    if not silent and not message["content"].strip():
        raise Misfit(f"{field}.content", "text was expected, and it is empty")


def _numbered(message: Message, made: int, tools: Sequence[str], field: str) -> tuple[int, Message]:
    """Calls with an id each; those known by name if tools are declared."""
    calls = []
    for i, call in enumerate(message["tool_calls"]):
        name = call["function"]["name"]
        if tools and name not in tools:
            raise Misfit(
                f"{field}.tool_calls[{i}].function.name", f"a declared tool was expected ({nearest(name, tools)})", name
            )
        calls.append({"id": f"call_{made}"} | call)
        made += 1
    ids = [call["id"] for call in calls]
    if len(set(ids)) < len(ids):
        raise Misfit(f"{field}.tool_calls", "an id of its own for each call was expected", ids)
    return made, message | {"tool_calls": calls}


def _result(message: Message, open_calls: dict[str, None], field: str) -> Message:
    """A result with the id of its call; without one it belongs to the first call that waits."""
    waiting = list(open_calls)
    if not waiting:
        raise Misfit(f"{field}.role", "no call waits for a result", "tool")
    id = message.get("tool_call_id", waiting[0])
    if id not in open_calls:
        raise Misfit(
            f"{field}.tool_call_id", f"the id of a call without a result was expected ({', '.join(waiting)})", id
        )
    del open_calls[id]
    return message | {"tool_call_id": id}


def _in_order(messages: list[Message]) -> list[Message]:
    """Results in the order of their calls: templates that show no ids leave nothing else to tell them apart."""
    place: dict[str, int] = {}
    out: list[Message] = []
    for message in messages:
        if message.get("tool_calls"):
            place = {call["id"]: i for i, call in enumerate(message["tool_calls"])}
            first = len(out) + 1
        if message["role"] == "tool":
            at = next(
                (i for i in range(first, len(out)) if place[out[i]["tool_call_id"]] > place[message["tool_call_id"]]),
                len(out),
            )
            out.insert(at, message)
        else:
            out.append(message)
    return out


def _check_size(raw: dict[str, list[Message]], tools: list[Tool]) -> None:
    for field, messages in raw.items():
        if len(messages) > MAX_TURNS:
            raise Misfit(field, f"at most {MAX_TURNS} turns were expected", len(messages))
        for i, message in enumerate(messages):
            if _depth(message) > MAX_DEPTH:
                raise Misfit(f"{field}[{i}]", f"at most {MAX_DEPTH} levels of arguments were expected")
    if len(tools) > MAX_TOOLS or _depth(tools) > MAX_DEPTH:
        raise Misfit("tools", f"at most {MAX_TOOLS} schemas of at most {MAX_DEPTH} levels were expected", len(tools))
    try:
        json.dumps([raw, tools], ensure_ascii=False).encode()
    except UnicodeEncodeError as e:
        raise Misfit("line", "text was expected, and it holds half a surrogate pair") from e


def _depth(value: Any) -> int:
    """Levels of tables and lists, counted no further than is allowed."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH + 1:
        inner = [v.values() if isinstance(v, dict) else v for v in level if isinstance(v, dict | list)]
        level = [child for children in inner for child in children]
        depth += bool(inner)
        if not inner:
            break
    return depth
