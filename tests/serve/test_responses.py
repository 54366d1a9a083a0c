"""The Responses API as its users meet it: the official client in strict mode, and its stream and parse helpers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Literal

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from firesteel.core.tokenizer import Tokenizer
from tests.serve.api import LESSONS, NAME, ask, client, http, idle, wait_until

SUM, COUNT = LESSONS[0], LESSONS[1]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def respond(url: str, input: Any, **options: Any) -> Any:
    return client(url).responses.create(model=NAME, input=input, **{"temperature": 0, **options})


def raw_events(url: str, **options: Any) -> list[dict[str, Any]]:
    """The events of a stream as they are sent; each is named twice, and numbered."""
    body = {"model": NAME, "temperature": 0, "stream": True, **options}
    answer = http().post(f"{url}/responses", json=body)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream"), answer.text
    events = []
    for block in answer.text.strip().split("\n\n"):
        name, _, data = block.partition("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        EVENT.validate_python(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def test_a_response_with_a_thought_a_message_and_usage(url: str, tokenizer: Tokenizer) -> None:
    response = respond(url, SUM["user"], metadata={"who": "me"}, user="u1")
    assert response.output_text == SUM["content"] and response.status == "completed"
    thought, message = response.output
    assert thought.type == "reasoning" and thought.content[0].text == SUM["reasoning_content"] and thought.summary == []
    assert message.type == "message" and message.role == "assistant" and message.status == "completed"
    assert [response.id[:5], thought.id[:3], message.id[:4]] == ["resp_", "rs_", "msg_"]
    assert response.error is None and response.incomplete_details is None and response.metadata == {"who": "me"}
    assert response.text.format.type == "text" and response.truncation == "disabled" and response.temperature == 0
    usage, chat = response.usage, ask(url, SUM["user"]).usage
    assert (usage.input_tokens, usage.output_tokens) == (chat.prompt_tokens, chat.completion_tokens)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.output_tokens_details.reasoning_tokens == chat.completion_tokens_details.reasoning_tokens > 0
    assert usage.input_tokens_details.cached_tokens >= 0
    Response.model_validate(json.loads(response.model_dump_json(by_alias=True)), strict=True)


def test_all_forms_of_the_same_input_give_the_same_prompt(url: str) -> None:
    forms: list[Any] = [
        "count", [{"role": "user", "content": "count"}], [{"type": "message", "role": "user", "content": "count"}],
        [{"role": "user", "content": [{"type": "input_text", "text": "count"}]}],
    ]  # fmt: skip
    answers = [respond(url, form) for form in forms]
    assert {answer.output_text for answer in answers} == {COUNT["content"]}
    assert len({answer.usage.input_tokens for answer in answers}) == 1


def test_instructions_are_a_system_message(url: str) -> None:
    messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "count"}]
    chat = client(url).chat.completions.create(model=NAME, messages=messages, temperature=0)
    mine = respond(url, "count", instructions="Be brief.")
    told = respond(url, [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "count"}])
    assert mine.usage.input_tokens == told.usage.input_tokens == chat.usage.prompt_tokens
    assert mine.output_text == told.output_text == chat.choices[0].message.content and mine.instructions == "Be brief."


def test_a_stream_tells_the_same_in_the_right_order(url: str) -> None:
    events = raw_events(url, input=SUM["user"])
    kinds = [event["type"].removeprefix("response.") for event in events]
    folded = [kind for i, kind in enumerate(kinds) if kind != (kinds[i - 1] if i else "")]
    assert folded == [
        "created", "in_progress",
        "output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done", "content_part.done",
        "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done", "completed",
    ]  # fmt: skip
    for kind, index, text in (("reasoning_text", 0, SUM["reasoning_content"]), ("output_text", 1, SUM["content"])):
        deltas = [e for e in events if e["type"] == f"response.{kind}.delta"]
        assert len(deltas) > 3 and {e["output_index"] for e in deltas} == {index}
        assert "".join(e["delta"] for e in deltas) == text
        assert [e["text"] for e in events if e["type"] == f"response.{kind}.done"] == [text]
    first, last = events[0]["response"], events[-1]["response"]
    assert first["status"] == "in_progress" and first["output"] == [] and first["usage"] is None
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert last["status"] == "completed" and last["output"] == done and first["id"] == last["id"]
    whole = http().post(f"{url}/responses", json={"model": NAME, "temperature": 0, "input": SUM["user"]}).json()
    own = {"id", "created_at", "completed_at", "output", "usage"}
    assert without(last, own) == without(whole, own)
    assert [without(item, {"id"}) for item in last["output"]] == [without(item, {"id"}) for item in whole["output"]]


def without(value: dict[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: inner for key, inner in value.items() if key not in keys}


def test_the_clients_own_stream_helper_accepts_the_events(url: str) -> None:
    with client(url).responses.stream(model=NAME, input=SUM["user"], temperature=0) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == SUM["content"] and kinds[0] == "response.created" and kinds[-1] == "response.completed"


def test_async_clients_at_once_get_their_own_answers(url: str) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(
            base_url=url, api_key="-", max_retries=0, _strict_response_validation=True
        ) as ours:

            async def one(lesson: dict[str, str]) -> None:
                whole = await ours.responses.create(model=NAME, input=lesson["user"], temperature=0)
                assert whole.output_text == lesson["content"]
                async with ours.responses.stream(model=NAME, input=lesson["user"], temperature=0) as stream:
                    assert (await stream.get_final_response()).output_text == lesson["content"]

            await asyncio.gather(*(one(lesson) for lesson in LESSONS[:4]))

    asyncio.run(main())


@pytest.mark.parametrize("most,ends", [(2, ["reasoning"]), (40, ["reasoning", "message"])])
def test_an_answer_that_is_cut_is_incomplete(url: str, most: int, ends: list[str]) -> None:
    thought = respond(url, SUM["user"]).usage.output_tokens_details.reasoning_tokens
    most = min(most, thought + 2)
    response = respond(url, SUM["user"], max_output_tokens=most)
    assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
    assert [item.type for item in response.output] == ends and response.output[-1].status == "incomplete"
    assert response.usage.output_tokens == most == response.max_output_tokens
    last = raw_events(url, input=SUM["user"], max_output_tokens=most)[-1]
    assert last["type"] == "response.incomplete" and last["response"]["incomplete_details"] == {
        "reason": "max_output_tokens"
    }


def test_logprobs_are_given_where_they_are_included(url: str) -> None:
    include: Any = ["message.output_text.logprobs"]
    part = respond(url, "count", include=include, top_logprobs=2).output[0].content[0]
    assert "".join(entry.token for entry in part.logprobs) == COUNT["content"]
    assert all(len(entry.top_logprobs) == 2 and entry.logprob <= 0 and entry.bytes for entry in part.logprobs)
    assert respond(url, "count").output[0].content[0].logprobs == []
    events = raw_events(url, input="count", include=include, top_logprobs=2)
    streamed = [entry for e in events if e["type"] == "response.output_text.delta" for entry in e["logprobs"]]
    assert [e["token"] for e in streamed] == [entry.token for entry in part.logprobs]


def test_a_stored_response_is_found_listed_and_deleted(url: str) -> None:
    response = respond(url, "count")
    responses = client(url).responses
    assert responses.retrieve(response.id) == response
    listed = responses.input_items.list(response.id)
    assert [(i.type, i.role, i.content[0].text) for i in listed.data] == [("message", "user", "count")]
    responses.delete(response.id)
    for call in (responses.retrieve, responses.delete, responses.input_items.list, responses.cancel):
        with pytest.raises(openai.NotFoundError, match=response.id):
            call(response.id)


def test_what_is_not_to_be_stored_is_not(url: str, app: Any) -> None:
    before = len(app.state.responses)
    response = respond(url, "count", store=False)
    events = raw_events(url, input="count", store=False)
    assert response.store is False and len(app.state.responses) == before
    for id in (response.id, events[-1]["response"]["id"]):
        with pytest.raises(openai.NotFoundError):
            client(url).responses.retrieve(id)
        with pytest.raises(openai.NotFoundError) as e:
            respond(url, "more", previous_response_id=id)
        assert e.value.code == "previous_response_not_found" and e.value.param == "previous_response_id"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_goes_on_from_the_previous_response(url: str, streamed: bool) -> None:
    if streamed:
        first = Response.model_validate(raw_events(url, input=SUM["user"], instructions=".")[-1]["response"])
    else:
        first = respond(url, SUM["user"], instructions=".")
    second = respond(url, "count", previous_response_id=first.id)
    third = respond(url, "phone", previous_response_id=second.id)
    thought: Any = first.output[0]
    said = {"role": "assistant", "reasoning_content": thought.content[0].text, "content": first.output_text}
    messages: Any = [{"role": "user", "content": SUM["user"]}, said, {"role": "user", "content": "count"}]
    chat = client(url).chat.completions.create(model=NAME, messages=messages, temperature=0)
    assert second.usage.input_tokens == chat.usage.prompt_tokens, "the instructions of the first do not go on"
    assert second.output_text == chat.choices[0].message.content and second.previous_response_id == first.id
    listed = list(client(url).responses.input_items.list(third.id, order="asc", limit=2))
    assert [item.type for item in listed] == [
        "message",
        "reasoning",
        "message",
        "message",
        *(i.type for i in second.output),
        "message",
    ]
    newest = client(url).responses.input_items.list(third.id, limit=1)
    assert newest.data[0].content[0].text == "phone" and newest.has_more
    client(url).responses.delete(first.id)
    assert respond(url, "phone", previous_response_id=second.id).usage == third.usage, "it needs no earlier response"


def test_an_answer_sent_back_by_hand_continues_like_a_stored_one(url: str) -> None:
    first = respond(url, SUM["user"])
    stored = respond(url, "count", previous_response_id=first.id)
    history: Any = [{"role": "user", "content": SUM["user"]}, *(item.model_dump() for item in first.output)]
    by_hand = respond(url, [*history, {"role": "user", "content": "count"}])
    assert (by_hand.usage.input_tokens, by_hand.output_text) == (stored.usage.input_tokens, stored.output_text)


def test_tokens_are_counted_without_an_answer(url: str) -> None:
    first = respond(url, "count")
    count = client(url).responses.input_tokens.count
    assert count(model=NAME, input="count").input_tokens == first.usage.input_tokens
    assert count(input="count").object == "response.input_tokens"
    more = count(model=NAME, input="phone", previous_response_id=first.id, instructions="Be brief.").input_tokens
    went_on = respond(url, "phone", previous_response_id=first.id, instructions="Be brief.")
    assert more == went_on.usage.input_tokens


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_leaves_frees_what_it_held(
    url: str, app: Any, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = respond(url, "forever", store=False).usage.output_tokens
    kept, steps, step = len(app.state.responses), 0, app.state.loop.engine.step

    def slow(*args: Any, **options: Any) -> Any:
        nonlocal steps
        steps += 1
        time.sleep(0.05)
        return step(*args, **options)

    monkeypatch.setattr(app.state.loop.engine, "step", slow)
    body = {"model": NAME, "input": "forever", "temperature": 0, "stream": streamed}
    with pytest.raises(httpx.TimeoutException), httpx.Client(timeout=0.3) as impatient:
        with impatient.stream("POST", f"{url}/responses", json=body) as answer:
            for _ in answer.iter_lines():
                if steps > 3:
                    raise httpx.ReadTimeout("enough")
    wait_until(lambda: steps and idle(app), "the blocks were not freed")
    assert steps < needed - 10 and len(app.state.responses) == kept


def test_without_v1_too(url: str) -> None:
    answer = http().post(
        url.removesuffix("/v1") + "/responses", json={"model": NAME, "input": "count", "temperature": 0}
    )
    assert answer.json()["output"][0]["content"][0]["text"] == COUNT["content"]


class Town(BaseModel):
    """What a parsed answer is."""

    city: Literal["Ulm", "Bonn"]
    big: bool


WEATHER: dict[str, Any] = {
    "type": "function", "name": "weather", "strict": True,
    "parameters": {
        "type": "object", "properties": {"city": {"enum": ["Ulm", "Bonn"]}}, "required": ["city"], "additionalProperties": False,
    },
}  # fmt: skip
CALLING: Any = {
    "tools": [WEATHER],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "none"},
}


def test_an_answer_is_parsed_into_a_pydantic_model(url: str) -> None:
    parsed = client(url).responses.parse(
        model=NAME, input="Where?", text_format=Town, temperature=0, max_output_tokens=90
    )
    assert (
        isinstance(parsed.output_parsed, Town) and json.loads(parsed.output_text) == parsed.output_parsed.model_dump()
    )
    assert parsed.text.format.type == "json_schema" and parsed.text.format.name == "Town"
    with client(url).responses.stream(model=NAME, input="Where?", text_format=Town, temperature=0) as stream:
        assert stream.get_final_response().output_parsed == parsed.output_parsed
    some = respond(url, "Say JSON.", text={"format": {"type": "json_object"}}, max_output_tokens=60)
    assert some.status == "incomplete" or isinstance(json.loads(some.output_text), dict)


def test_a_call_of_a_function_goes_there_and_back(url: str) -> None:
    choice = {"type": "function", "name": "weather"}
    first = respond(
        url, "Weather?", **{**CALLING, "tool_choice": choice, "tools": [WEATHER, {"type": "function", "name": "now"}]}
    )
    call = first.output[-1]
    assert call.type == "function_call" and call.name == "weather" and first.status == "completed"
    assert json.loads(call.arguments)["city"] in ("Ulm", "Bonn") and call.id.startswith("fc_") and call.call_id
    assert first.tool_choice.name == "weather" and [tool.name for tool in first.tools] == ["weather", "now"]
    assert first.output_text == ""
    with pytest.raises(openai.BadRequestError, match=call.call_id):
        respond(url, "And?", previous_response_id=first.id, tools=[WEATHER])
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    stored = respond(url, [result], previous_response_id=first.id, tools=[WEATHER], tool_choice="none")
    called = {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    messages: Any = [
        {"role": "user", "content": "Weather?"}, {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": call.call_id, "content": "Rain."},
    ]  # fmt: skip
    told: Any = {"type": "function", "function": {key: WEATHER[key] for key in ("name", "strict", "parameters")}}
    chat = client(url).chat.completions.create(
        model=NAME, messages=messages, temperature=0, tools=[told], tool_choice="none"
    )
    assert stored.usage.input_tokens == chat.usage.prompt_tokens
    for output in (first.output, [item.model_dump() for item in first.output]):
        history = [{"role": "user", "content": "Weather?"}, *output, result]
        by_hand = respond(url, history, tools=[WEATHER], tool_choice="none")
        assert (by_hand.usage.input_tokens, by_hand.output_text) == (stored.usage.input_tokens, stored.output_text)
    listed = list(client(url).responses.input_items.list(stored.id, order="asc"))
    assert [item.type for item in listed] == ["message", "function_call", "function_call_output"]


def test_a_streamed_call_comes_in_pieces(url: str) -> None:
    events = raw_events(url, input="Weather?", **CALLING)
    whole = respond(url, "Weather?", **CALLING).output[-1]
    deltas = [e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta"]
    (done,) = [e for e in events if e["type"] == "response.function_call_arguments.done"]
    assert "".join(deltas) == done["arguments"] == whole.arguments and done["name"] == "weather" and len(deltas) > 1
    item = events[-1]["response"]["output"][-1]
    assert item["type"] == "function_call" and item["status"] == "completed" and item["id"] == done["item_id"]
    with client(url).responses.stream(model=NAME, input="Weather?", temperature=0, **CALLING) as stream:
        final = stream.get_final_response()
    assert final.output[-1].parsed_arguments == json.loads(whole.arguments)


def test_a_call_that_was_cut_is_not_carried_on(url: str) -> None:
    most = respond(url, "Weather?", **CALLING).usage.output_tokens - 3
    last = raw_events(url, input="Weather?", max_output_tokens=most, **CALLING)[-1]["response"]
    assert last["status"] == "incomplete" and [(i["type"], i["status"]) for i in last["output"]] == [
        ("function_call", "incomplete")
    ]
    more = respond(url, "count", previous_response_id=last["id"], max_output_tokens=2)
    fresh = respond(url, [{"role": "user", "content": text} for text in ("Weather?", "count")], max_output_tokens=2)
    assert more.usage.input_tokens == fresh.usage.input_tokens


def test_fields_that_openai_does_not_know_as_null_are_left_out(url: str) -> None:
    """OpenAI's openapi.yaml: `user` and a format's `description` are strings if they are there; Open Responses: penalties."""
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object", "default": None}}
    body = {"model": NAME, "input": "count", "max_output_tokens": 1, "text": {"format": form}}
    bare = http().post(f"{url}/responses", json=body).json()
    assert "user" not in bare and bare["text"]["format"] == {**form, "strict": None}
    assert bare["presence_penalty"] == bare["frequency_penalty"] == 0
    body["text"]["format"]["description"] = "d"  # type: ignore[index]
    full = http().post(f"{url}/responses", json={**body, "user": "u"}).json()
    assert full["user"] == "u" and full["text"]["format"]["description"] == "d"
