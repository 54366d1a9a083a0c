"""Embeddings through the official client, beside the plain twin."""

from __future__ import annotations

import asyncio
import base64
import http.client as http_client
import json
import math
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from firesteel.core.config import ServeSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai.server import running
from firesteel.serve.plain import plain_embedding
from tests.serve.api import NAME, SETTINGS, app_of, ask, assert_error, client, http, idle, wait_until

TEXTS = ["count", "六乘七等于几", "la la la, and a longer text that takes more than one block of the cache"]


def embed(url: str, given: Any, **options: Any) -> Any:
    """Through the official client; strict with floats only, for it checks types before it decodes base64."""
    strict = options.setdefault("encoding_format", "float") == "float"
    if options["encoding_format"] == "its default":
        del options["encoding_format"]
    own = client(url) if strict else openai.OpenAI(base_url=url, api_key="-", max_retries=0)
    return own.embeddings.create(model=NAME, input=given, **options)


def post(url: str, given: Any = "count", **options: Any) -> httpx.Response:
    return http().post(f"{url}/embeddings", json={"model": NAME, "input": given, **options})


@pytest.mark.parametrize("encoding", ["float", "base64", "its default"])
def test_vectors_are_those_of_the_plain_twin(
    url: str, taught: Transformer, tokenizer: Tokenizer, encoding: str
) -> None:
    """Without encoding_format the client asks for base64 and decodes it itself."""
    answer = embed(url, TEXTS, encoding_format=encoding)
    assert answer.object == "list" and answer.model == NAME and [d.index for d in answer.data] == [0, 1, 2]
    for text, item in zip(TEXTS, answer.data, strict=True):
        right, vector = plain_embedding(taught, tokenizer.continued(text)), item.embedding
        if isinstance(vector, str):
            vector = np.frombuffer(base64.b64decode(vector), "<f4").tolist()
        assert vector == pytest.approx(right, abs=1e-5) and math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    tokens = sum(len(tokenizer.continued(text)) for text in TEXTS)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == tokens


def test_inputs_may_be_tokens(url: str, tokenizer: Tokenizer) -> None:
    ids = [tokenizer.continued(text) for text in TEXTS]
    wanted = [d.embedding for d in embed(url, TEXTS).data]
    got = [d.embedding for d in embed(url, ids).data]
    assert np.allclose(got, wanted, atol=1e-5)
    assert np.allclose(embed(url, ids[0]).data[0].embedding, wanted[0], atol=1e-5)
    assert np.allclose(embed(url, TEXTS[0]).data[0].embedding, wanted[0], atol=1e-5)


def test_many_inputs_take_turns(app: Any, url: str) -> None:
    loop, most = app.state.loop, 0
    real = loop.submit

    def submit(sequences: Any) -> Any:
        nonlocal most
        inbox = real(sequences)
        most = max(most, loop.in_flight)
        return inbox

    loop.submit = submit
    try:
        vectors = [d.embedding for d in embed(url, [f"{'la ' * (i % 30)}count" for i in range(60)]).data]
    finally:
        del loop.submit
    assert most <= (SETTINGS.max_sequences + SETTINGS.max_queued) // 2, "one request left no room for others"
    assert np.allclose(vectors[:30], vectors[30:], atol=1e-5) and not np.allclose(vectors[0], vectors[1], atol=1e-3)
    wait_until(lambda: idle(app), "something was left behind")


def test_chat_goes_on_meanwhile(url: str) -> None:
    async def both() -> str:
        own = openai.AsyncOpenAI(base_url=url, api_key="-", max_retries=0, _strict_response_validation=True)
        async with own:
            many = asyncio.create_task(
                own.embeddings.create(model=NAME, input=["la " * 100] * 100, encoding_format="float")
            )
            await asyncio.sleep(0.05)
            messages: Any = [{"role": "user", "content": "count"}]
            answer = await own.chat.completions.create(model=NAME, messages=messages, temperature=0)
            assert not many.done(), "it waited for all of them"
            assert len((await many).data) == 100
            return answer.choices[0].message.content or ""

    assert asyncio.run(both()) == ask(url, "count").choices[0].message.content


@pytest.mark.parametrize(
    "extra,param",
    [
        ({"input": ""}, "input"), ({"input": []}, "input"), ({"input": ["a", ""]}, "input"), ({"input": [[]]}, "input"),
        ({"input": [["a"]]}, "input"), ({"input": None}, "input"), ({"input": 1}, "input"), ({"input": [1, "a"]}, "input"),
        ({"input": [9999]}, "input"), ({"input": [-1]}, "input"), ({"input": ["a"] * 2049}, "input"),
        ({"input": "\ud800"}, "input"), ({"encoding_format": "int8"}, "encoding_format"),
        ({"encoding_format": 1}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"), ({"dimensions": 16}, "dimensions"), ({"dimensions": 64}, "dimensions"),
        ({"dimensions": True}, "dimensions"), ({"user": 1}, "user"), ({"truncate": True}, "truncate"),
    ],
)  # fmt: skip
def test_what_is_not_honoured_is_refused_by_name(url: str, extra: dict[str, Any], param: str) -> None:
    body = json.dumps({"model": NAME, "input": "count", **extra})
    assert_error(
        http().post(f"{url}/embeddings", content=body, headers={"Content-Type": "application/json"}), 400, param
    )


def test_the_models_own_size_may_be_asked_for(url: str, taught: Transformer) -> None:
    size = taught.config.hidden_size
    assert len(embed(url, "count", dimensions=size).data[0].embedding) == size
    assert post(url, dimensions=None, encoding_format=None, user=None).status_code == 200


def test_what_is_too_long_is_refused_and_never_cut(url: str, tokenizer: Tokenizer) -> None:
    z = tokenizer.encode("z")
    assert embed(url, z * 512).usage.prompt_tokens == 512
    error = assert_error(post(url, ["a", "z" * 512]), 400, "input", "context_length_exceeded")
    assert "512" in error["message"] and "513" in error["message"]


def test_the_guard_sees_inputs(guarded: str) -> None:
    assert_error(post(guarded, ["fine", "FORBIDDEN"]), 400, "input", "content_filter")
    hidden, shown = (embed(guarded, text).data[0].embedding for text in ("call 13800138000", "call [PHONE]"))
    assert hidden == shown


def test_a_client_that_leaves_frees_everything(taught: Transformer, tokenizer: Tokenizer) -> None:
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=2, max_queued=2))
    engine, steps = app.state.loop.engine, []
    real = engine.step
    engine.step = lambda: steps.append(1) or real()
    with running(app) as url:
        own = http_client.HTTPConnection(httpx.URL(url).netloc.decode())
        body = json.dumps({"model": NAME, "input": [[40] * 400] * 300})
        own.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})
        wait_until(lambda: engine.cache_use > 0, "nothing was computed")
        own.close()
        wait_until(lambda: idle(app), "the sequences were not aborted")
        assert len(steps) < 150, "they ran to their end"
