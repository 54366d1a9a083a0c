"""From the Responses API to the chat API: items become messages, settings get their names there; errors find their way back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.responses.items import Record
from firesteel.serve.openai.responses.protocol import (
    AllowedTools,
    Conversation,
    FunctionName,
    FunctionTool,
    JsonFormat,
    ResponseRequest,
    SchemaFormat,
)

_NAMES = [  # a field of the chat API, as a pattern, and what a client of the Responses API calls it
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\bmessages\b(\[\d+\][\w.\[\]]*)?", "input"),
        (r"\bmax_completion_tokens\b", "max_output_tokens"),
        (r"\bresponse_format\.json_schema\b", "text.format"),
        (r"\bresponse_format\b", "text.format"),
        (r"\b(tools\[\d+\])\.function\b", r"\1"),
        (r"\btool_choice\.(?:function|allowed_tools)\b", "tool_choice"),
        (r"\breasoning_effort\b", "reasoning.effort"),
    )
]

_ALIKE = (  # fields that both have, of one meaning
    "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "seed", "stream",
)  # fmt: skip


def chat_request(request: Conversation, records: Iterable[Record]) -> ChatRequest:
    """The chat request that asks the same, about a conversation of kept items. Raises RequestValidationError."""
    body: dict[str, Any] = {
        "model": request.model, "messages": _messages(request.instructions, records), "tools": _tools(request.tools),
        "tool_choice": _choice(request), "parallel_tool_calls": request.parallel_tool_calls,
        "response_format": _format(request), "reasoning_effort": request.reasoning and request.reasoning.effort,
        "chat_template_kwargs": request.chat_template_kwargs,
    }  # fmt: skip
    if isinstance(request, ResponseRequest):
        body |= {
            "max_completion_tokens": request.max_output_tokens, "logprobs": request.wants_logprobs,
            "top_logprobs": request.top_logprobs if request.wants_logprobs else None,
            **{name: getattr(request, name) for name in _ALIKE},
        }  # fmt: skip
    try:
        return ChatRequest.model_validate({key: value for key, value in body.items() if value is not None})
    except ValidationError as e:
        raise RequestValidationError([_placed(error) for error in e.errors()]) from e


def renamed(error: ApiError) -> ApiError:
    """The error, in the words of the Responses API."""
    param = error.param and _rename(error.param)
    return ApiError(error.status, _rename(error.message), param=param, code=error.code, headers=error.headers)


def _rename(text: str) -> str:
    for pattern, name in _NAMES:
        text = pattern.sub(name, text)
    return text


def _placed(error: Mapping[str, Any]) -> dict[str, Any]:
    """A mistake that pydantic found in the chat request, at its place in the client's."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    context = {key: _rename(value) if key == "param" else value for key, value in error.get("ctx", {}).items()}
    return {**error, "loc": ("body", _rename(place)), "msg": _rename(error["msg"]), "ctx": context}


def _made(record: Record) -> bool:
    """A call that was cut short was never made."""
    return bool(record["type"] != "function_call" or record["status"] == "completed")


def _messages(instructions: str | None, records: Iterable[Record]) -> list[dict[str, Any]]:
    """Thoughts, words and calls of the model that follow each other are one turn of the assistant."""
    messages: list[dict[str, Any]] = []
    if instructions:
        messages.append({"role": "system", "content": instructions})
    for record in filter(_made, records):
        _WRITERS[record["type"]](messages, record)
    return messages


def _write_message(messages: list[dict[str, Any]], record: Record) -> None:
    parts = [{"type": "text", "text": part["text"]} for part in record["content"]]
    if record["role"] == "assistant":
        _turn(messages).setdefault("content", []).extend(parts)
    else:
        messages.append({"role": record["role"], "content": parts})


def _write_reasoning(messages: list[dict[str, Any]], record: Record) -> None:
    texts = [part["text"] for part in record["content"] or record["summary"]]
    if texts:
        turn = _turn(messages)
        turn["reasoning_content"] = "\n\n".join(filter(None, [turn.get("reasoning_content"), *texts]))


def _write_call(messages: list[dict[str, Any]], record: Record) -> None:
    function = {"name": record["name"], "arguments": record["arguments"]}
    call = {"id": record["call_id"], "type": "function", "function": function}
    _turn(messages, call=True).setdefault("tool_calls", []).append(call)


def _write_output(messages: list[dict[str, Any]], record: Record) -> None:
    messages.append({"role": "tool", "tool_call_id": record["call_id"], "content": record["output"]})


_WRITERS = {
    "message": _write_message, "reasoning": _write_reasoning, "function_call": _write_call,
    "function_call_output": _write_output,
}  # fmt: skip


def _turn(messages: list[dict[str, Any]], *, call: bool = False) -> dict[str, Any]:
    """The assistant's turn that an item belongs to. Words end it, unless calls that wait for their outputs go with them."""
    last = messages[-1] if messages else {}
    ended = "content" in last and "tool_calls" not in last and not call
    if last.get("role") != "assistant" or ended:
        last = {"role": "assistant"}
        messages.append(last)
    return last


def _tools(tools: list[FunctionTool] | None) -> list[dict[str, Any]] | None:
    if not tools:
        return None
    return [{"type": "function", "function": _given(function_of(tool))} for tool in tools]


def function_of(tool: FunctionTool) -> dict[str, Any]:
    """What there is to know about a function."""
    return {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters, "strict": tool.strict,
    }  # fmt: skip


def _choice(request: Conversation) -> Any:
    choice = request.tool_choice
    if isinstance(choice, FunctionName):
        return {"type": "function", "function": {"name": choice.name}}
    if isinstance(choice, AllowedTools):
        tools = [{"type": "function", "function": {"name": tool.name}} for tool in choice.tools]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}
    return choice if request.tools or choice != "auto" else None


def _format(request: Conversation) -> dict[str, Any] | None:
    form = request.text.format if request.text else None
    if isinstance(form, JsonFormat):
        return {"type": "json_object"}
    if isinstance(form, SchemaFormat):
        fields = {"name": form.name, "schema": form.schema_, "description": form.description, "strict": form.strict}
        return {"type": "json_schema", "json_schema": _given(fields)}
    return None


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
