"""Tools: calls as OpenAI's clients meet them, whole and streamed, asked for and free, and what is refused about them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import torch
import torch.nn.functional as F
from pydantic import BaseModel
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from firesteel.core.tokenizer import SPECIAL_TOKENS, Tokenizer
from firesteel.serve.openai.server import running
from tests.serve.api import NAME, WordGuard, app_of, assert_error, client, events, idle, post, wait_until
from tests.serve.conftest import tiny


class add(BaseModel):
    """Adds."""

    a: int
    b: int


def tool(name: str, parameters: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    function = {"name": name} | ({"parameters": parameters} if parameters else {})
    return {"type": "function", "function": function | more}


ADD = tool("add", {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}})
TOOLS = [ADD, tool("now")]
FORCED: Any = {"type": "function", "function": {"name": "now"}}


def call(name: str, id: str = "c1", **arguments: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


CHATS: list[list[dict[str, Any]]] = [
    [user("sum"), {"role": "assistant", "content": None, "tool_calls": [call("add", a=1, b=2)]},
     {"role": "tool", "tool_call_id": "c1", "content": "3"}, {"role": "assistant", "content": "It is 3."}],
    [user("both"), {"role": "assistant", "content": "Doing.", "reasoning_content": "Two calls.",
                    "tool_calls": [call("add", a=30, b=4), call("now", "c2")]}],
    [user("chat"), {"role": "assistant", "content": "Hello there."}],
    [user("ring"), {"role": "assistant", "content": None, "tool_calls": [call("add", a=13800138000, b=1)]}],
    [user("evil"), {"role": "assistant", "content": "Hm.", "tool_calls": [call("add", a=1, b=2)]}],
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([json.dumps([TOOLS, CHATS]).replace('\\"', '"')] * 3, trainer)
    return Tokenizer(backend)


@pytest.fixture(scope="module")
def app(tokenizer: Tokenizer) -> Any:
    """A model that knows CHATS by heart."""
    return app_of(taught(tokenizer), tokenizer)


def taught(tokenizer: Tokenizer) -> Any:
    model = tiny(tokenizer.vocab_size).train()
    rendered = [tokenizer.render(chat, tools=TOOLS) for chat in CHATS]
    T = max(len(r.ids) for r in rendered)
    ids = torch.tensor([r.ids + [tokenizer.pad_id] * (T - len(r.ids)) for r in rendered])
    learn = torch.tensor([r.mask + [False] * (T - len(r.mask)) for r in rendered])
    optimiser = torch.optim.AdamW(model.parameters(), lr=8e-3, weight_decay=0.0)
    loss = torch.tensor(9.0)
    for _ in range(300):
        logits = model.logits(model(ids[:, :-1]))
        loss = F.cross_entropy(logits[learn[:, 1:]], ids[:, 1:][learn[:, 1:]])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if loss.item() < 0.01:
            break
    assert loss.item() < 0.05, loss.item()
    return model.eval()


@pytest.fixture(scope="module")
def url(app: Any) -> Iterator[str]:
    with running(app) as url:
        yield url


@pytest.fixture(scope="module")
def guarded(app: Any, tokenizer: Tokenizer) -> Iterator[str]:
    with running(app_of(app.state.loop.engine.runner.model, tokenizer, guard=WordGuard())) as url:
        yield url


def ask(url: str, *messages: Any, **options: Any) -> Any:
    options = {"temperature": 0, "tools": TOOLS, **options}
    asked = [user(m) if isinstance(m, str) else m for m in messages]
    return client(url).chat.completions.create(model=NAME, messages=asked, **options)


def made(message: Any) -> list[tuple[str, Any]]:
    return [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]


def test_a_call_is_made_answered_and_used(url: str) -> None:
    choice = ask(url, "sum").choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert made(choice.message) == [("add", {"a": 1, "b": 2})]
    id = choice.message.tool_calls[0].id
    assert re.fullmatch(r"call_[0-9a-f]{24}", id)
    answer = {"role": "tool", "tool_call_id": id, "content": "3", "name": "add"}
    final = ask(url, "sum", choice.message, answer).choices[0]
    assert final.message.content == "It is 3." and final.finish_reason == "stop" and final.message.tool_calls is None


def test_thought_text_and_several_calls(url: str) -> None:
    choice = ask(url, "both").choices[0]
    assert choice.message.content == "Doing." and choice.message.reasoning == "Two calls."
    assert made(choice.message) == [("add", {"a": 30, "b": 4}), ("now", {})]
    assert len({c.id for c in choice.message.tool_calls}) == 2
    single = ask(url, "both", parallel_tool_calls=False).choices[0]
    assert made(single.message) == [("add", {"a": 30, "b": 4})] and single.finish_reason == "tool_calls"


def test_the_stream_says_id_and_name_once_then_pieces_of_the_arguments(url: str) -> None:
    chunks = list(ask(url, "both", stream=True, stream_options={"include_usage": True}))
    first = chunks[0].choices[0].delta
    assert first.role == "assistant" and first.content is None
    assert [c.choices[0].finish_reason for c in chunks[-2:-1]] == ["tool_calls"]
    pieces = [piece for c in chunks if c.choices for piece in c.choices[0].delta.tool_calls or []]
    for index, name, arguments in ((0, "add", '{"a": 30, "b": 4}'), (1, "now", "{}")):
        own = [p for p in pieces if p.index == index]
        assert own[0].id and own[0].type == "function" and own[0].function.name == name
        assert all(p.id is None and p.type is None and p.function.name is None for p in own[1:])
        assert "".join(p.function.arguments for p in own) == arguments
    assert len([p for p in pieces if p.index == 0]) > 3, "it was not streamed"
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "Doing." and chunks[-1].usage.completion_tokens > 5


def test_without_need_no_tool_is_called(url: str) -> None:
    choice = ask(url, "chat").choices[0]
    assert choice.message.content == "Hello there." and choice.message.tool_calls is None
    assert choice.finish_reason == "stop"


def test_a_named_function_is_called_whatever_the_model_would_say(url: str) -> None:
    for options in ({}, {"stream": True}):
        asked = {"model": NAME, "messages": [user("chat")], "tools": TOOLS, "tool_choice": FORCED}
        answer = post(url, asked | {"reasoning_effort": "none"} | options)
        choices = [c["choices"][0] for c in events(answer)] if options else answer.json()["choices"]
        calls = [c for choice in choices for c in (choice.get("message") or choice["delta"]).get("tool_calls") or []]
        assert calls[0]["function"]["name"] == "now"
        assert "".join(c["function"]["arguments"] for c in calls) == "{}"
        assert choices[-1]["finish_reason"] == "stop", "as OpenAI's API says it of a call that was asked for by name"


def test_required_and_allowed_tools(url: str) -> None:
    choice = ask(url, "chat", tool_choice="required", temperature=1, seed=1, reasoning_effort="none").choices[0]
    assert made(choice.message) and choice.finish_reason == "tool_calls" and choice.message.content is None
    only: Any = {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]}
    choice = ask(url, "sum", tool_choice={"type": "allowed_tools", "allowed_tools": only}).choices[0]
    assert {name for name, _ in made(choice.message)} == {"now"}
    may = ask(url, "chat", tool_choice={"type": "allowed_tools", "allowed_tools": only | {"mode": "auto"}}).choices[0]
    assert may.message.content == "Hello there."


def test_none_forbids_what_the_model_was_taught(url: str) -> None:
    answer = ask(url, "sum", tool_choice="none", max_tokens=20)
    assert answer.choices[0].message.tool_calls is None and answer.choices[0].finish_reason in ("stop", "length")
    assert '"name"' not in answer.choices[0].message.content, "a call in the clear"
    assert answer.usage.prompt_tokens == ask(url, "sum").usage.prompt_tokens, (
        "the tools are shown: the prefix is the same"
    )


def test_a_call_cut_short_is_no_finished_call(url: str) -> None:
    choice = ask(url, "sum", max_tokens=12).choices[0]
    assert choice.finish_reason == "length" and choice.message.tool_calls[0].function.name == "add"


def test_a_schema_is_held(url: str) -> None:
    colour = {
        "type": "object",
        "properties": {"c": {"enum": ["red", "blue"]}},
        "required": ["c"],
        "additionalProperties": False,
    }
    paint = tool("paint", colour, strict=True)
    named: Any = {"type": "function", "function": {"name": "paint"}}
    for seed in range(3):
        choice = ask(url, "sum", tools=[paint], tool_choice=named, temperature=2, seed=seed).choices[0]
        assert made(choice.message)[0][1]["c"] in ("red", "blue")


def test_text_or_calls_under_a_response_format(url: str) -> None:
    schema = {"type": "object", "properties": {"ok": {"const": 1}}, "required": ["ok"], "additionalProperties": False}
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    called = ask(url, "sum", response_format=form).choices[0]
    assert made(called.message) == [("add", {"a": 1, "b": 2})]
    no_call: Any = {str(SPECIAL_TOKENS.index("<|tool_call|>")): -100}
    said = ask(url, "chat", response_format=form, logit_bias=no_call, reasoning_effort="none").choices[0]
    assert json.loads(said.message.content) == {"ok": 1}


def test_the_clients_helpers(url: str) -> None:
    tools = [openai.pydantic_function_tool(add)]
    parsed = client(url).chat.completions.parse(
        model=NAME,
        messages=[user("sum")],
        tools=tools,
        tool_choice="required",
        temperature=0,
        parallel_tool_calls=False,
    )
    message = parsed.choices[0].message
    assert message.tool_calls and isinstance(message.tool_calls[0].function.parsed_arguments, add)
    echo = [user("sum"), message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "3"}]
    again: Any = client(url).chat.completions.create(model=NAME, messages=echo, tools=TOOLS, temperature=0)  # type: ignore[arg-type]
    assert again.choices[0].finish_reason == "stop"
    with client(url).chat.completions.stream(model=NAME, messages=[user("both")], tools=TOOLS, temperature=0) as stream:  # type: ignore[arg-type]
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds and "tool_calls.function.arguments.done" in kinds
    assert made(final.choices[0].message) == [("add", {"a": 30, "b": 4}), ("now", {})]


def test_the_asynchronous_client(url: str) -> None:
    async def go() -> tuple[Any, list[Any]]:
        asking = openai.AsyncOpenAI(base_url=url, api_key="-", max_retries=0, _strict_response_validation=True)
        options: Any = {"model": NAME, "messages": [user("sum")], "tools": TOOLS, "temperature": 0}
        async with asking:
            whole = await asking.chat.completions.create(**options)
            return whole, [c async for c in await asking.chat.completions.create(**options, stream=True)]

    whole, chunks = asyncio.run(go())
    assert made(whole.choices[0].message) == [("add", {"a": 1, "b": 2})]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_guard_sees_calls_whole_and_stops_what_it_would_change(app: Any, guarded: str) -> None:
    assert made(ask(guarded, "sum").choices[0].message) == [("add", {"a": 1, "b": 2})]
    choice = ask(guarded, "ring").choices[0]
    assert choice.finish_reason == "content_filter" and choice.message.tool_calls is None and choice.message.content
    streamed = events(
        post(guarded, {"model": NAME, "messages": [user("ring")], "tools": TOOLS, "temperature": 0, "stream": True})
    )
    assert "1380013" not in json.dumps(streamed) and streamed[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_logprobs_are_of_the_text_alone(url: str) -> None:
    choice = ask(url, "evil", logprobs=True).choices[0]
    assert made(choice.message) and "".join(e.token for e in choice.logprobs.content) == choice.message.content == "Hm."


def test_prompts_are_what_training_saw(tokenizer: Tokenizer) -> None:
    """Wherever an assistant turn begins in training, the prompt that serving makes of what came before is the same ids."""
    for chat in CHATS:
        trained = tokenizer.render(chat, tools=TOOLS)
        starts = [i for i, m in enumerate(trained.mask) if m and not trained.mask[i - 1]]
        turns = [i for i, message in enumerate(chat) if message["role"] == "assistant"]
        assert len(starts) == len(turns)
        for start, turn in zip(starts, turns, strict=True):
            assert tokenizer.prompt(chat[:turn], tools=TOOLS) == trained.ids[:start]


def test_the_server_renders_as_training_did_and_puts_results_in_order(url: str, tokenizer: Tokenizer) -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [call("add", "x", a=1, b=2), call("now", "y")]}
    results = [{"role": "tool", "tool_call_id": id, "content": text} for id, text in (("x", "3"), ("y", "noon"))]
    wanted = len(tokenizer.render([user("sum"), calls, *results], tools=TOOLS, add_generation_prompt=True).ids)
    answers = [ask(url, "sum", calls, *order, max_tokens=3, logprobs=True) for order in (results, results[::-1])]
    assert [a.usage.prompt_tokens for a in answers] == [wanted, wanted]
    assert answers[0].choices[0].logprobs == answers[1].choices[0].logprobs
    assert answers[1].usage.prompt_tokens_details.cached_tokens > wanted // 2


BAD_CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "3"}
CALLED = {"role": "assistant", "tool_calls": [call("add", a=1, b=2)]}
DEEP: Any = {}
for _ in range(60):
    DEEP = {"properties": {"x": DEEP}, "type": "object"}


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"tools": []} | {"tool_choice": "auto"}, "tool_choice"), ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"), ({"tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [tool("a b")]}, "tools[0].function.name"),
        ({"tools": [tool("x"), tool("x")]}, "tools"), ({"tools": [tool("x")] * 129}, "tools"),
        ({"tools": [tool("x", {"type": "object", "properties": 5})]}, "tools"), ({"tools": [tool("x", DEEP)]}, "tools"),
        ({"tools": [tool("x", {"type": "object", "properties": {"a": {"type": "no such"}}}, strict=True)]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"), ({"function_call": "auto"}, "function_call"),
        ({"messages": [BAD_CALL, RESULT]}, "messages[0].tool_calls[0].function"),
        ({"messages": [RESULT]}, "messages[0].tool_call_id"),
        ({"messages": [CALLED]}, "messages"), ({"messages": [CALLED, user("x")]}, "messages[1]"),
        ({"messages": [CALLED, RESULT, RESULT]}, "messages[2].tool_call_id"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [call("add")]}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": ""}}]}, "messages[0].function_call"),
    ],
)  # fmt: skip
def test_what_is_wrong_about_tools_is_named(url: str, extra: dict[str, Any], param: str) -> None:
    assert_error(
        post(url, {"model": NAME, "messages": [user("x")], "tools": TOOLS, "max_tokens": 1} | extra), 400, param
    )


def test_json_nested_beyond_reading_is_a_400(app: Any, url: str) -> None:
    for deep in ('{"a":' * 400 + "1" + "}" * 400, "[" * 900 + "]" * 900):
        raw = json.dumps({"model": NAME, "messages": [user("x")], "max_tokens": 1})[:-1]
        headers = {"Content-Type": "application/json"}
        for field in (
            f'"tools": [{{"type": "function", "function": {{"name": "f", "parameters": {{"a": {deep}}}}}}}]',
            f'"user": {deep}',
        ):
            answer = post(url, content=f"{raw}, {field}}}".encode(), headers=headers)
            assert answer.status_code == 400, answer.text
        nested = json.dumps({"x": 1})[:-1] + f', "y": {deep}}}'
        history = [
            {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": nested}}]},
            RESULT,
        ]
        assert post(url, {"model": NAME, "messages": history, "tools": TOOLS}).status_code == 400
    wait_until(lambda: idle(app), "something was left")
