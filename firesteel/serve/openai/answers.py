"""JSON schemas of what the endpoints answer, for /openapi.json. Fields are OpenAI's; an answer may hold more than stands here."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
TABLE: Schema = {"type": "object"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(optional: dict[str, Schema] | None = None, **required: Schema) -> Schema:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def _ends(*reasons: str) -> Schema:
    return {"enum": list(reasons)}


_CHAT_ENDS = ("stop", "length", "tool_calls", "content_filter")
_TEXT_ENDS = ("stop", "length", "content_filter")
_THOUGHT = {"reasoning_content": TEXT, "reasoning": TEXT}
_FACTS = {"id": TEXT, "created": COUNT, "model": TEXT, "system_fingerprint": TEXT}
_LIKELY = _object(token=TEXT, logprob=NUMBER, bytes=_or_null(_list(COUNT)))
_PIECE = _object({"id": TEXT, "type": {"const": "function"}, "function": TABLE}, index=COUNT)

_READ = _list(_or_null({
    "type": "object",
    "additionalProperties": _object(logprob=NUMBER, rank={"type": "integer", "minimum": 1}, decoded_token=TEXT),
}))  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "Error": _object(error=_object(message=TEXT, type=TEXT, param=_or_null(TEXT), code=_or_null(TEXT))),
    "Usage": _object(
        {"completion_tokens": COUNT, "prompt_tokens_details": TABLE, "completion_tokens_details": TABLE},
        prompt_tokens=COUNT, total_tokens=COUNT,
    ),
    "ChatLogprobs": _object(
        content=_list(_object(token=TEXT, logprob=NUMBER, bytes=_or_null(_list(COUNT)), top_logprobs=_list(_LIKELY))),
        refusal={"type": "null"},
    ),
    "AnsweredCall": _object(id=TEXT, type={"const": "function"}, function=_object(name=TEXT, arguments=TEXT)),
    "AnsweredMessage": _object(
        {**_THOUGHT, "tool_calls": _list(_ref("AnsweredCall"))},
        role={"const": "assistant"}, content=_or_null(TEXT), refusal=_or_null(TEXT),
    ),
    "ChatCompletion": _object(
        {"prompt_logprobs": _or_null(_READ)}, **_FACTS, object={"const": "chat.completion"}, usage=_ref("Usage"),
        choices=_list(_object(
            index=COUNT, message=_ref("AnsweredMessage"), logprobs=_or_null(_ref("ChatLogprobs")),
            finish_reason=_ends(*_CHAT_ENDS),
        )),
    ),
    "ChatCompletionChunk": _object(
        {"usage": _or_null(_ref("Usage"))}, **_FACTS, object={"const": "chat.completion.chunk"},
        choices=_list(_object(
            index=COUNT, logprobs=_or_null(_ref("ChatLogprobs")), finish_reason=_or_null(_ends(*_CHAT_ENDS)),
            delta=_object({"role": TEXT, "content": _or_null(TEXT), "tool_calls": _list(_PIECE), **_THOUGHT}),
        )),
    ),
    "TextCompletion": _object(
        {"usage": _or_null(_ref("Usage"))}, **_FACTS, object={"const": "text_completion"},
        choices=_list(_object(
            {"prompt_logprobs": _or_null(_READ)}, index=COUNT, text=TEXT, finish_reason=_or_null(_ends(*_TEXT_ENDS)),
            logprobs=_or_null(_object(
                tokens=_list(TEXT), token_logprobs=_list(_or_null(NUMBER)), text_offset=_list(COUNT),
                top_logprobs=_list(_or_null({"type": "object", "additionalProperties": NUMBER})),
            )),
        )),
    ),
    "Embeddings": _object(
        object={"const": "list"}, model=TEXT, usage=_ref("Usage"),
        data=_list(_object(
            object={"const": "embedding"}, index=COUNT, embedding={"anyOf": [_list(NUMBER), TEXT]},
        )),
    ),
    "Model": _object(
        {"parent": TEXT}, id=TEXT, object={"const": "model"}, created=COUNT, owned_by=TEXT, max_model_len=COUNT,
    ),
    "ModelList": _object(object={"const": "list"}, data=_list(_ref("Model"))),
    "Item": _object(id=TEXT, type=_ends("message", "reasoning", "function_call", "function_call_output"), status=TEXT),
    "ItemList": _object(
        object={"const": "list"}, data=_list(_ref("Item")), first_id=TEXT, last_id=TEXT, has_more=FLAG,
    ),
    "Response": _object(
        {"user": TEXT}, id=TEXT, object={"const": "response"}, created_at=COUNT, model=TEXT, output=_list(_ref("Item")),
        status=_ends("in_progress", "completed", "incomplete", "failed"), error=_or_null(TABLE),
        incomplete_details=_or_null(TABLE), instructions=_or_null(TEXT), metadata=TABLE, parallel_tool_calls=FLAG,
        temperature=NUMBER, tool_choice={}, tools=_list(TABLE), top_p=NUMBER, usage=_or_null(TABLE), store=FLAG,
    ),
    "ResponseEvent": _object(type=TEXT, sequence_number=COUNT),
    "ResponseDeleted": _object(id=TEXT, object={"const": "response"}, deleted={"const": True}),
    "InputTokens": _object(object={"const": "response.input_tokens"}, input_tokens=COUNT),
    "Tokens": _object(
        count=COUNT, max_model_len=COUNT, token_strs=_or_null(_list(TEXT)),
        tokens=_list({"anyOf": [COUNT, _object(id=COUNT, piece={"anyOf": [TEXT, _list(COUNT)]})]}),
    ),
    "DecodedText": _object(prompt=TEXT, content=TEXT),
    "Version": _object(version=TEXT),
    "State": _object(status=TEXT, model=TEXT),
}  # fmt: skip
