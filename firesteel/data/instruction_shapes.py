"""The shapes in which instruction data comes, each turned into OpenAI's: one function a shape, found by a line's keys.

A mistake is a `Misfit` with the field's path and what was expected there; who reads the file adds its name and line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from firesteel.core.chat_template import Message, Tool
from firesteel.core.errors import nearest
from firesteel.data.instruction_extras import check_beside, check_record, check_turn
from firesteel.data.instruction_misfit import Misfit

Record = Mapping[str, Any]
Raw = dict[str, list[Message]]  # {"messages"} or {"prompt", "chosen", "rejected"}

ROLES = {  # every name of a role in use -> ours
    "system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant",
    "model": "assistant", "chatgpt": "assistant", "bot": "assistant", "function_call": "assistant", "tool": "tool",
    "observation": "tool", "function": "tool", "function_response": "tool", "tool_response": "tool",
}  # fmt: skip
SYSTEM = ("system", "system_prompt")  # names of a system text beside the turns
THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # names under which reasoning comes


def shaped(record: object) -> Raw:
    """A line's conversation or pair with OpenAI's names, not yet checked for sense. Raises Misfit."""
    if not isinstance(record, dict):
        more = " (a file that is one list of them is named .json)" if isinstance(record, list) else ""
        raise Misfit("line", f"a JSON object was expected{more}", record)
    filled = {key for key, value in record.items() if value is not None}  # tables turned into lines have empty columns
    shape = _shape(filled) or _shape(record)
    if shape is None:
        raise Misfit(
            "line", f"the keys of a known shape were expected: {KNOWN}{_near(record)}", ", ".join(record) or "{}"
        )
    keys, more_keys, function = shape
    check_record(record)
    raw = function(record)
    used = {*keys, *more_keys}
    if function is _preference:
        name = _question(record)
        used |= {name, "input", "history"} if name == "instruction" else {name}
    check_beside(record, used, raw.values())
    return raw


def _shape(keys: Collection[str]) -> Shape | None:
    return next((shape for shape in SHAPES if all(key in keys for key in shape[0])), None)


def _near(record: Record) -> str:
    """What a misspelt key may have meant, never a key that is there."""
    names = {name for keys, more, _ in SHAPES for name in (*keys, *more)}
    absent = names - record.keys()
    for key in record.keys() - names:
        if get_close_matches(key, absent, n=1, cutoff=0.6):
            return f" (for {key!r} {nearest(key, absent)})"
    return ""


def tools_of(record: Record) -> list[Tool]:
    """The tools' schemas, each as {"type": "function", "function": {...}}; a list, or JSON text that holds one."""
    holder = record["input"] if isinstance(record.get("input"), dict) else record
    if holder.get("tools") and holder.get("functions"):
        raise Misfit("functions", "tools or functions (their old name) were expected, not both")
    field = "functions" if holder.get("functions") else "tools"
    tools = holder.get(field) or []
    tools = _json(tools, field, "a list of schemas") if isinstance(tools, str) else tools
    if not isinstance(tools, list):
        raise Misfit(field, "a list of schemas was expected", tools)
    return [_tool(tool, f"{field}[{i}]") for i, tool in enumerate(tools)]


def _tool(tool: Any, field: str) -> Tool:
    if isinstance(tool, dict) and "function" not in tool and "name" in tool:
        tool = {"type": "function", "function": tool}
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"].strip():
        raise Misfit(f"{field}.function.name", "a tool needs a name")
    if not isinstance(function.get("parameters", {}), dict):
        raise Misfit(f"{field}.function.parameters", "a JSON schema (a table) was expected", function["parameters"])
    return {"type": "function", **tool}


def _openai(record: Record) -> Raw:
    return {"messages": _led(record, turns(record["messages"], "messages"))}


def _sharegpt(record: Record) -> Raw:
    return {"messages": _led(record, turns(record["conversations"], "conversations"))}


def _alpaca(record: Record) -> Raw:
    more = _text(record.get("input") or "", "input")
    asked = _text(record.get("instruction", ""), "instruction")
    question = "\n".join(part for part in (asked, more) if part)
    history = record.get("history") or []
    if not isinstance(history, list):
        raise Misfit("history", "a list of [question, answer] was expected", history)
    messages = _system(record)
    for i, turn in enumerate(history):
        if not isinstance(turn, list) or len(turn) != 2:
            raise Misfit(f"history[{i}]", "[question, answer] was expected", turn)
        messages += _exchange(turn[0], turn[1], f"history[{i}][0]", f"history[{i}][1]")
    return {"messages": messages + _exchange(question, record["output"], "instruction", "output")}


def _completion(record: Record) -> Raw:
    prompt = _led(record, _as_turns(record["prompt"], "user", "prompt"))
    return {"messages": [*prompt, *_as_turns(record["completion"], "assistant", "completion")]}


def _preference(record: Record) -> Raw:
    """chosen and rejected answer a prompt, which may stand apart, in front of both, or in both places."""
    name, bare = _question(record), {key: value for key, value in record.items() if key not in SYSTEM}
    before = _alpaca({**bare, "output": "-"})["messages"][:-1] if name == "instruction" else []
    if name and not before:
        before = _as_turns(record[name], "user", name)
    sides = [_as_turns(record[side], "assistant", side) for side in ("chosen", "rejected")]
    if all(side and side[0]["role"] != "assistant" for side in sides):
        shared = _shared(sides)
        if before and shared[-len(before) :] != before:
            raise Misfit("chosen", f"it was expected to begin with the same turns as {name}")
        before, sides = shared, [side[len(shared) :] for side in sides]
    return {"prompt": _led(record, before), "chosen": sides[0], "rejected": sides[1]}


def _question(record: Record) -> str:
    """The key under which a pair's question stands; "" where it stands in front of both answers."""
    return next((name for name in ("prompt", "messages", "conversations", "instruction") if record.get(name)), "")


def _shared(sides: Sequence[list[Message]]) -> list[Message]:
    """The turns in which both begin, up to the last that the assistant does not say."""
    n = 0
    while n < min(map(len, sides)) and sides[0][n] == sides[1][n]:
        n += 1
    while n and sides[0][n - 1]["role"] == "assistant":
        n -= 1
    return sides[0][:n]


def _preferred(record: Record) -> Raw:
    given = record["input"]
    if not isinstance(given, dict) or "messages" not in given:
        raise Misfit("input.messages", "the conversation so far was expected")
    return {
        "prompt": _led(record, turns(given["messages"], "input.messages")),
        "chosen": _as_turns(record["preferred_output"], "assistant", "preferred_output"),
        "rejected": _as_turns(record["non_preferred_output"], "assistant", "non_preferred_output"),
    }


Shape = tuple[tuple[str, ...], tuple[str, ...], Callable[[Record], Raw]]  # keys, more keys that it reads, its function
SHAPES: tuple[Shape, ...] = (  # the first whose keys are all there
    (("preferred_output", "non_preferred_output", "input"), (), _preferred), (("chosen", "rejected"), (), _preference),
    (("messages",), (), _openai), (("conversations",), (), _sharegpt),
    (("instruction", "output"), ("input", "history"), _alpaca), (("prompt", "completion"), (), _completion),
    (("input", "output"), ("history",), _alpaca),
)  # fmt: skip
KNOWN = "messages; conversations; instruction (or input), output; prompt, completion; prompt, chosen, rejected"


def turns(value: Any, field: str) -> list[Message]:
    """A list of turns, each in OpenAI's or ShareGPT's names. Raises Misfit."""
    if not isinstance(value, list) or not value:
        raise Misfit(field, "a list of turns was expected", value)
    return [_turn(turn, f"{field}[{i}]") for i, turn in enumerate(value)]


def _as_turns(value: Any, role: str, field: str) -> list[Message]:
    """Text or one turn or several."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    return turns([value] if isinstance(value, dict) else value, field)


def _system(record: Record) -> list[Message]:
    texts = list(dict.fromkeys(_text(record[name], name) for name in SYSTEM if record.get(name)))
    if len(texts) > 1:
        raise Misfit("system_prompt", "one system text was expected, and system says another", texts[1])
    return [{"role": "system", "content": text} for text in texts]


def _led(record: Record, messages: list[Message]) -> list[Message]:
    """The turns after the system text that stands beside them; it may be their first turn already."""
    system = _system(record)
    if not system or messages[:1] == system:
        return messages
    if messages and messages[0]["role"] == "system":
        raise Misfit("system", "one system text was expected, and the first turn is another", system[0]["content"])
    return [*system, *messages]


def _exchange(question: Any, answer: Any, asked: str, answered: str) -> list[Message]:
    return [
        {"role": "user", "content": _text(question, asked)},
        {"role": "assistant", "content": _text(answer, answered)},
    ]


def _turn(turn: Any, field: str) -> Message:
    if not isinstance(turn, dict):
        raise Misfit(field, "a turn (a table with role and content) was expected", turn)
    who, what = ("from", "value") if "from" in turn else ("role", "content")
    name = turn.get(who)
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise Misfit(f"{field}.{who}", f"a known role was expected ({', '.join(ROLES)})", name)
    check_turn(turn, role, field)
    other = "content" if what == "value" else "value"
    if turn.get(other) is not None and turn[other] != turn.get(what):
        raise Misfit(f"{field}.{what}", f"{what} was expected beside {who}, and {other} is there", turn[other])
    content = turn.get(what)
    if name == "function_call":
        return {"role": role, "content": "", "tool_calls": _called(content, f"{field}.{what}")}
    message: Message = {"role": role, "content": _content(content, f"{field}.{what}")}
    thought = next((turn[key] for key in THOUGHTS if turn.get(key)), None)
    if role == "assistant" and thought:
        message["reasoning_content"] = _text(thought, f"{field}.reasoning_content")
    if turn.get("function_call") and role == "assistant":
        message["tool_calls"] = [_call(turn["function_call"], f"{field}.function_call")]
    elif turn.get("tool_calls"):
        message["tool_calls"] = _calls(turn["tool_calls"], role, f"{field}.tool_calls")
    if role == "tool" and turn.get("tool_call_id") is not None:
        message["tool_call_id"] = _text(turn["tool_call_id"], f"{field}.tool_call_id")
    return message


def _content(value: Any, field: str) -> str:
    """Text, or a list of parts of text joined; no content is empty text."""
    if isinstance(value, list):
        for i, part in enumerate(value):
            if (
                not isinstance(part, dict)
                or part.get("type", "text") != "text"
                or not isinstance(part.get("text"), str)
            ):
                raise Misfit(f"{field}[{i}]", 'a part {"type": "text", "text": ...} was expected', part)
        return "".join(part["text"] for part in value)
    return "" if value is None else _text(value, field)


def _calls(value: Any, role: str, field: str) -> list[dict[str, Any]]:
    if role != "assistant":
        raise Misfit(field, "only the assistant calls tools")
    if not isinstance(value, list):
        raise Misfit(field, "a list of calls was expected", value)
    calls = []
    for i, call in enumerate(value):
        place = f"{field}[{i}]"
        if not isinstance(call, dict) or not isinstance(call.get("function"), dict):
            raise Misfit(f"{place}.function", "a table with name and arguments was expected")
        id = {} if call.get("id") is None else {"id": _text(call["id"], f"{place}.id")}
        calls.append(id | _call(call["function"], f"{place}.function"))
    return calls


def _called(value: Any, field: str) -> list[dict[str, Any]]:
    """ShareGPT's function_call: JSON text of a call, or of several."""
    value = _json(value, field, "a call") if isinstance(value, str) else value
    calls = value if isinstance(value, list) else [value]
    return [_call(call, field if len(calls) == 1 else f"{field}[{i}]") for i, call in enumerate(calls)]


def _call(function: Any, field: str) -> dict[str, Any]:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"].strip():
        raise Misfit(f"{field}.name", "the name of a tool was expected")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = _json(arguments or "{}", f"{field}.arguments", "a table of arguments")
    if not isinstance(arguments, dict | None):
        raise Misfit(f"{field}.arguments", "a table of arguments was expected", arguments)
    return {"type": "function", "function": {"name": function["name"], "arguments": arguments or {}}}


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise Misfit(field, "text was expected", value)
    return value


def no_constant(name: str) -> None:
    """For json.loads: NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is no JSON")


def _json(text: str, field: str, what: str) -> Any:
    try:
        return json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError) as e:
        raise Misfit(field, f"valid JSON of {what} was expected ({str(e)[:80]})", text) from e
