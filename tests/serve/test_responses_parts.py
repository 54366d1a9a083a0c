"""The Responses API without HTTP: items to messages, deltas to items and events, and what the store keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Request
from openai.types.responses import ResponseOutputItem, ResponseStreamEvent
from pydantic import TypeAdapter

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.begun import Begun
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.reply import CallDelta, Delta, Reply
from firesteel.serve.openai.responses.exchange import ResponseExchange
from firesteel.serve.openai.responses.output import Output
from firesteel.serve.openai.responses.protocol import ResponseRequest
from firesteel.serve.openai.responses.store import Store
from firesteel.serve.openai.responses.translation import chat_request, renamed

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ITEM: TypeAdapter[Any] = TypeAdapter(ResponseOutputItem)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}


def run(*deltas: Delta, status: str = "completed") -> tuple[list[str], list[dict[str, Any]]]:
    """Names of the events, and the items; both as OpenAI's types want them."""
    output = Output()
    changes = [change for delta in deltas for change in output.push(delta)] + list(output.finish(status))
    for number, change in enumerate(changes):
        EVENT.validate_python(change | {"sequence_number": number})
    for item in output.items:
        ITEM.validate_python(item)
    assert [c["item"] for c in changes if c["type"] == "response.output_item.done"] == output.items
    return [change["type"].removeprefix("response.") for change in changes], output.items


def test_parallel_calls_after_a_thought_and_words() -> None:
    names, items = run(
        Delta(reasoning="hm"), Delta(answer="Let me look."), Delta(calls=[CallDelta(0, "call_a", "weather")]),
        Delta(calls=[CallDelta(0, arguments='{"city":')]),
        Delta(calls=[CallDelta(0, arguments='"Ulm"}'), CallDelta(1, "call_b", "clock", "{}")]),
    )  # fmt: skip
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
    assert [(i["call_id"], i["name"], i["arguments"]) for i in items[2:]] == [
        ("call_a", "weather", '{"city":"Ulm"}'), ("call_b", "clock", "{}"),
    ]  # fmt: skip
    assert {item["status"] for item in items} == {"completed"} and len({item["id"] for item in items}) == 4
    assert names[-9:] == [
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done", "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done",
    ]  # fmt: skip


def test_words_after_a_call_are_a_message_of_their_own() -> None:
    call = [CallDelta(0, "call_a", "weather", "{}")]
    _, items = run(Delta(answer="a"), Delta(calls=call), Delta(answer="b"), Delta(answer="c"))
    assert [item["type"] for item in items] == ["message", "function_call", "message"]
    assert [i["content"][0]["text"] for i in items[::2]] == ["a", "bc"]


def test_an_answer_of_nothing_is_an_empty_message_unless_it_was_cut() -> None:
    assert [item["type"] for item in run()[1]] == ["message"]
    assert [item["type"] for item in run(Delta(reasoning="hm"))[1]] == ["reasoning", "message"]
    assert [item["type"] for item in run(Delta(calls=[CallDelta(0, "c", "f", "{}")]))[1]] == ["function_call"]
    assert run(status="incomplete")[1] == []
    cut = run(Delta(answer="half a"), status="incomplete")[1]
    assert cut[0]["status"] == "incomplete" and cut[0]["content"][0]["text"] == "half a"


def test_logprobs_without_text_are_not_lost() -> None:
    entries = [{"token": t, "logprob": -1.0, "bytes": [65], "top_logprobs": []} for t in "ab"]
    _, items = run(Delta(logprobs=entries[:1]), Delta(answer="ab", logprobs=entries[1:]))
    assert items[0]["content"][0]["logprobs"] == entries


def test_events_show_items_as_they_were() -> None:
    output = Output()
    changes = (
        list(output.push(Delta(answer="a"))) + list(output.push(Delta(answer="b"))) + list(output.finish("completed"))
    )
    assert changes[0]["item"]["content"] == [] and changes[1]["part"]["text"] == ""
    assert [c["delta"] for c in changes if "delta" in c] == ["a", "b"]


def request(**fields: Any) -> ResponseRequest:
    return ResponseRequest.model_validate({"model": "m", **fields})


def messages(*items: dict[str, Any]) -> list[dict[str, Any]]:
    """The chat messages that items become, without what is empty."""
    asked = request(input=list(items))
    chat = chat_request(asked, [item.record() for item in asked.input])
    return [message.rendered() for message in chat.messages]


def call(id: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": id, "name": "f", "arguments": arguments, **more}


def result(id: str, output: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id, "output": output}


def called(id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}


USER = {"role": "user", "content": "hi"}
THOUGHT = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}


def test_what_the_model_did_in_one_turn_is_one_message() -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Well."}]}
    parts = [{"type": "input_text", "text": "1"}, {"type": "input_text", "text": "2"}]
    assert messages(USER, THOUGHT, said, call("a"), call("b"), result("a", "A"), result("b", parts), THOUGHT, said, USER) == [
        USER,
        {"role": "assistant", "content": "Well.", "reasoning_content": "hm", "tool_calls": [called("a"), called("b")]},
        {"role": "tool", "content": "A", "tool_call_id": "a"}, {"role": "tool", "content": "1\n2", "tool_call_id": "b"},
        {"role": "assistant", "content": "Well.", "reasoning_content": "hm"}, USER,
    ]  # fmt: skip


def test_messages_of_the_model_that_follow_each_other_stay_apart() -> None:
    one, two = ({"role": "assistant", "content": text} for text in "ab")
    assert messages(USER, one, two) == [USER, one, two]
    assert messages(USER, one, THOUGHT, two)[2] == {**two, "reasoning_content": "hm"}
    refused = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert messages(USER, refused) == [USER, {"role": "assistant", "content": "No."}]


def test_words_after_a_call_stay_in_its_turn() -> None:
    one = {"role": "assistant", "content": "a"}
    assert messages(USER, one, call("c"), {**one, "content": "b"}, result("c", "R"))[1:] == [
        {"role": "assistant", "content": "a\nb", "tool_calls": [called("c")]},
        {"role": "tool", "content": "R", "tool_call_id": "c"},
    ]


def test_a_call_that_was_cut_short_was_never_made() -> None:
    assert messages(USER, call("a", '{"ci', status="incomplete"), USER) == [USER, USER]


SAMPLED = {
    "top_k": 5, "min_p": 0.1, "presence_penalty": 0.5, "frequency_penalty": -0.5, "repetition_penalty": 1.1, "seed": 7,
}  # fmt: skip


def test_settings_get_their_names_in_the_chat_api() -> None:
    schema = {"type": "json_schema", "name": "town", "schema": CITY, "strict": True}
    tool = {"type": "function", "name": "f", "description": "d", "parameters": CITY, "strict": False}
    asked = request(
        input="x", tools=[tool],
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        text={"format": schema}, max_output_tokens=7, temperature=0.5, top_p=0.9, parallel_tool_calls=False,
        reasoning={"effort": "low"}, include=["message.output_text.logprobs"], top_logprobs=3, stream=True,
        **SAMPLED,
    )  # fmt: skip
    chat = chat_request(asked, [item.record() for item in asked.input])
    assert chat.max_completion_tokens == 7 and chat.temperature == 0.5 and chat.top_p == 0.9 and chat.stream
    assert (
        chat.logprobs
        and chat.top_logprobs == 3
        and chat.parallel_tool_calls is False
        and chat.reasoning_effort == "low"
    )
    assert {name: getattr(chat, name) for name in SAMPLED} == SAMPLED
    assert chat.tools and chat.tools[0].function.model_dump() == {
        key: value for key, value in tool.items() if key != "type"
    }
    assert chat.tool_choice and (chat.tool_choice.mode, chat.tool_choice.names) == ("required", ("f",))
    form = chat.response_format and chat.response_format.json_schema
    assert form and (form.name, form.schema_, form.strict) == ("town", CITY, True)


@pytest.mark.parametrize(
    "param,named",
    [
        ("messages", "input"), ("messages[3].tool_calls[0].function.arguments", "input"),
        ("max_completion_tokens", "max_output_tokens"), ("response_format.json_schema.schema", "text.format.schema"),
        ("response_format", "text.format"), ("tools[2].function.parameters", "tools[2].parameters"), ("model", "model"),
        ("reasoning_effort", "reasoning.effort"), ("tool_choice.function.name", "tool_choice.name"),
    ],
)  # fmt: skip
def test_errors_speak_the_words_of_this_api(param: str, named: str) -> None:
    error = renamed(ApiError(400, f"Invalid '{param}': no.", param=param, code="c"))
    assert (
        error.param == named and error.message == f"Invalid '{named}': no." and (error.status, error.code) == (400, "c")
    )


def stored(store: Store, id: str, owner: str = "", size: int = 0) -> None:
    store.put(
        owner, {"id": id, "output": [{"type": "message", "text": "x" * size}]}, [{"type": "message", "id": f"in-{id}"}]
    )


def test_the_store_keeps_the_newest_within_its_bounds() -> None:
    store = Store(most=3, most_bytes=1000)
    for id in "abcd":
        stored(store, id)
    assert [store.get(id, "") is not None for id in "abcd"] == [False, True, True, True]
    stored(store, "big", size=700)
    assert store.get("d", "") and store.get("big", "") and store.bytes <= 1000
    stored(store, "huge", size=2000)
    assert store.get("huge", "") is None and store.get("big", ""), "what has no room takes none from others"
    for id in "abc":
        stored(store, id)
    assert store.delete("b", "") and not store.delete("b", "") and len(store) == 2
    assert store.bytes == sum(kept.size for kept in (store.get("a", ""), store.get("c", "")) if kept)


def test_the_store_knows_whose_is_what() -> None:
    store = Store()
    stored(store, "a", "ward")
    assert store.get("a", "lab") is None and store.get("a", "") is None and not store.delete("a", "lab")
    kept = store.get("a", "ward")
    assert kept and [item["type"] for item in kept.conversation()] == ["message", "message"]


class Stopped:
    """A generation that the guard stopped after a beginning had been let out."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.replies = [Reply(tokenizer)]
        self.replies[0].finish_reason, self.replies[0].blocked, self.replies[0].refusal = (
            "content_filter",
            "test",
            "No.",
        )

    async def deltas(self) -> AsyncIterator[tuple[int, Delta] | None]:
        yield 0, Delta(reasoning="Let me", answer="It begins")
        yield None
        yield 0, Delta(answer="\n\nNo.")


def test_only_a_stream_shows_how_a_stopped_answer_began(tokenizer: Tokenizer) -> None:
    async def never() -> Any:
        await asyncio.sleep(60)

    def exchange() -> ResponseExchange:
        begun: Any = Begun(Stopped(tokenizer), 3, [])  # type: ignore[arg-type]
        metrics: Any = None
        return ResponseExchange(begun, request(input="x"), metrics, kept.append)

    async def streamed() -> bytes:
        return b"".join([piece async for piece in exchange().events()])

    kept: list[dict[str, Any]] = []
    asyncio.run(exchange().whole(Request({"type": "http"}, never)))
    assert [item["content"][0]["text"] for item in kept[0]["output"]] == ["No."] and kept[0]["status"] == "incomplete"
    events = asyncio.run(streamed())
    assert [i["content"][0]["text"] for i in kept[1]["output"]] == [
        "Let me",
        "It begins\n\nNo.",
    ] and b": ping\n\n" in events
