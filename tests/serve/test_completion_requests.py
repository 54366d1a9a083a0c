"""What the completions API does not take, and how one choice becomes text, token by token."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from firesteel.core.config import ServeSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.openai import completions, embeddings
from firesteel.serve.openai.continuation import Continuation, Manner
from firesteel.serve.openai.faults import install
from firesteel.serve.openai.metrics import Metrics
from firesteel.serve.openai.names import token_name
from firesteel.serve.openai.server import running
from firesteel.serve.openai.service import Service
from firesteel.serve.sequence import Event, Sampling, Sequence
from tests.serve.api import NAME, app_of, assert_error, http, idle, wait_until

SANE: dict[str, Any] = {"model": NAME, "prompt": "count", "max_tokens": 2, "temperature": 0}


def post(url: str, body: Any = None, **options: Any) -> httpx.Response:
    return http().post(f"{url}/completions", **({"json": body} if body is not None else {}), **options)


@pytest.mark.parametrize(
    "extra,param",
    [
        ({"prompt": []}, "prompt"), ({"prompt": [[]]}, "prompt"), ({"prompt": [[1], []]}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"), ({"prompt": [1, "a"]}, "prompt"), ({"prompt": [True]}, "prompt"),
        ({"prompt": [1.5]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"), ({"prompt": [[[1]]]}, "prompt"), ({"prompt": [-1]}, "prompt"),
        ({"prompt": [330]}, "prompt"), ({"prompt": [10**30]}, "prompt"), ({"prompt": [[5], [9999]]}, "prompt"),
        ({"prompt": ["a"] * 2049}, "prompt"), ({"prompt": ["a"] * 1025, "n": 2}, "prompt"),
        ({"n": 0}, "n"), ({"n": 129}, "n"), ({"best_of": 21}, "best_of"), ({"best_of": 0}, "best_of"),
        ({"logprobs": 21}, "logprobs"), ({"logprobs": -1}, "logprobs"), ({"logprobs": True}, "logprobs"),
        ({"max_tokens": -1}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"), ({"max_tokens": "3"}, "max_tokens"),
        ({"max_tokens": 10**20}, "max_tokens"), ({"echo": "yes"}, "echo"), ({"suffix": 5}, "suffix"),
        ({"temperature": 2.1}, "temperature"), ({"temperature": 1e400}, "temperature"), ({"top_p": 1.1}, "top_p"),
        ({"top_k": -2}, "top_k"), ({"top_k": 1.5}, "top_k"), ({"min_p": 1.5}, "min_p"), ({"seed": 2**63}, "seed"),
        ({"repetition_penalty": 0}, "repetition_penalty"), ({"presence_penalty": 3}, "presence_penalty"),
        ({"stop": ["a"] * 33}, "stop"), ({"stop": ""}, "stop[0]"), ({"stream_options": {}}, "stream_options"),
        ({"logit_bias": {"9999": 1}}, "logit_bias"), ({"logit_bias": {"1": 101}}, "logit_bias.1"), ({"user": 5}, "user"),
        ({"prompt": "\ud800"}, "prompt"), ({"prompt": ["a", "\ud800"]}, "prompt"), ({"suffix": "\ud800"}, "suffix"),
        ({"frobnicate": 1}, "frobnicate"), ({"messages": []}, "messages"),
        ({"max_completion_tokens": 1}, "max_completion_tokens"),
    ],
)  # fmt: skip
def test_what_is_not_honoured_is_refused_by_name(url: str, extra: dict[str, Any], param: str) -> None:
    body = json.dumps(SANE | extra).replace("Infinity", "1e400")
    error = assert_error(post(url, content=body, headers={"Content-Type": "application/json"}), 400, param)
    assert error["type"] == "invalid_request_error" and error["code"]


def test_values_that_ask_for_nothing_are_accepted(url: str) -> None:
    nothing = dict.fromkeys((
        "suffix", "max_tokens", "temperature", "top_p", "top_k", "min_p", "n", "best_of", "seed", "stop", "echo", "logprobs",
        "stream", "stream_options", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "user",
    ))  # fmt: skip
    assert post(url, {"model": NAME, "prompt": "count", **nothing}).status_code == 200
    assert post(url, SANE | {"user": "me", "n": 1, "best_of": 1, "echo": False, "stream": False}).status_code == 200
    assert post(url, SANE | {"prompt": ""}).status_code == 200, "a text from its beginning"


@pytest.mark.parametrize("path", ["completions", "embeddings", "tokenize", "detokenize"])
@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"5", b'"text"', b"null", b"\xff\xfe{}", b"[" * 100_000, b'{"a": ' * 50_000, b"1" * 10_000,
            b'{"model": NaN, "prompt": NaN, "input": NaN, "tokens": NaN}'],
)  # fmt: skip
def test_bodies_that_make_no_sense_are_400(url: str, path: str, raw: bytes) -> None:
    response = http().post(f"{url}/{path}", content=raw, headers={"Content-Type": "application/json"})
    assert_error(response, 400, response.json()["error"]["param"])


@pytest.mark.parametrize("path,field", [("completions", "prompt"), ("embeddings", "input"), ("tokenize", "prompt")])
def test_models_are_known_by_name(url: str, path: str, field: str) -> None:
    response = http().post(f"{url}/{path}", json={"model": "gpt-9", field: "x"})
    assert_error(response, 404, "model", "model_not_found")
    if path != "tokenize":
        assert http().post(f"{url}/{path}", json={field: "x"}).json()["model"] == NAME, (
            "without a name, the model itself"
        )
        assert_error(http().post(f"{url}/{path}", json={"model": NAME}), 400, field, "missing_required_parameter")


def test_garbage_never_breaks_the_server(app: Any, url: str) -> None:
    rng = random.Random(0)
    junk = [
        None,
        True,
        -1,
        0,
        1e308,
        "",
        "\ud800",
        "\x00",
        "<|eos|>",
        [],
        {},
        [[]],
        "z" * 300,
        10**30,
        0.5,
        ["x"] * 9,
        [5, 6],
    ]
    fields = [*SANE, "stop", "n", "best_of", "stream", "echo", "logprobs", "suffix", "logit_bias", "top_k", "\ud800"]
    statuses = set()
    with httpx.Client(timeout=60, verify=False) as own:
        for _ in range(150):
            body = dict(SANE)
            for _ in range(rng.randrange(3)):
                body[rng.choice(fields)] = rng.choice(junk)
            response = own.post(
                f"{url}/completions", content=json.dumps(body), headers={"Content-Type": "application/json"}
            )
            statuses.add(response.status_code)
            if response.status_code != 200:
                assert_error(response, response.status_code, response.json()["error"]["param"])
    assert statuses <= {200, 400, 404} and {200, 400} <= statuses
    wait_until(lambda: idle(app), "garbage left something behind")


def test_sequences_carry_the_owner_and_the_adapter(taught: Transformer, tokenizer: Tokenizer) -> None:
    app = app_of(taught, tokenizer)
    seen: list[Sequence] = []
    service = _service(app)
    real = service.loop.submit
    service.loop.submit = lambda sequences: seen.extend(sequences) or real([_plain(s) for s in sequences])  # type: ignore[func-returns-value,method-assign]
    own = FastAPI(lifespan=app.router.lifespan_context)
    own.state.loop = app.state.loop
    install(own)
    for endpoint in (completions, embeddings):
        endpoint.add_routes(own, dataclasses.replace(service, adapters=("lawyer",)))
    own.add_middleware(_Owned)
    with running(own) as url:
        assert post(url, SANE | {"model": "lawyer"}).json()["model"] == "lawyer"
        http().post(f"{url}/embeddings", json={"model": "lawyer", "input": "x"})
        assert_error(post(url, SANE | {"model": "doctor"}), 404, "model", "model_not_found")
    assert [(s.adapter, s.salt, s.pooled) for s in seen] == [("lawyer", b"ann", False), ("lawyer", b"ann", True)]


def _plain(sequence: Sequence) -> Sequence:
    """Without what this test's engine does not have."""
    sequence = dataclasses.replace(sequence, adapter="", pooled=False)
    return dataclasses.replace(sequence, sampling=dataclasses.replace(sequence.sampling, max_new_tokens=1))


def _service(app: Any) -> Service:
    engine: Engine = app.state.loop.engine
    return Service(
        app.state.loop, engine.tokenizer, Metrics(app.state.loop, NAME), ServeSettings(max_new_tokens=100), NAME, "fs"
    )


class _Owned:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope | {"firesteel.owner": "ann"}, receive, send)


def say(tokenizer: Tokenizer, prompt: list[int], ids: list[int], **manner: Any) -> tuple[str, list[dict[str, Any]]]:
    """What a choice of these ids becomes: its text and logprob entries."""
    sequence = Sequence("s", prompt, Sampling(max_new_tokens=len(ids)))
    sequence.prompt_logprobs = [(-1.0, []) for _ in prompt[1:]]
    choice, text, entries = Continuation(tokenizer, sequence, Manner(**manner)), "", []
    for event in told(ids):
        assert choice.finish_reason is None
        delta = choice.push(event)
        text, entries = text + delta.answer, entries + delta.logprobs
        if choice.finish_reason:
            break
    assert choice.finish_reason
    return text, entries


def told(ids: list[int]) -> Iterator[Event]:
    for i, id in enumerate(ids or [-1], 1):
        yield Event("s", id, -0.5, [(id, -0.5)], "length" if i >= len(ids) else None)


def test_text_is_the_decoded_ids_wherever_the_prompt_ends(tokenizer: Tokenizer) -> None:
    """Also where prompt and continuation share a character, and whatever is special."""
    ids = [1, *tokenizer.encode("a六乘é"), 7, *tokenizer.encode("🔥 b"), 2]
    for cut in range(1, len(ids)):
        text, entries = say(tokenizer, ids[:cut], ids[cut:], echo=True, logprobs=True)
        assert text == tokenizer.decode(ids) and len(entries) == len(ids)
        assert [e["tokens"] for e in entries] == [token_name(tokenizer, id) for id in ids]
        assert all(0 <= e["text_offset"] <= len(text) for e in entries)
        assert [e["token_logprobs"] for e in entries] == [None] + [-1.0] * (cut - 1) + [-0.5] * (len(ids) - cut)
        assert say(tokenizer, ids[:cut], ids[cut:])[0] == text[len(tokenizer.decode(ids[:cut]).rstrip("\ufffd")) :]


def test_an_unfinished_character_is_told_at_the_end(tokenizer: Tokenizer) -> None:
    half = tokenizer.encode("🔥")[:-1]
    assert say(tokenizer, [1], half)[0] == "\ufffd" == say(tokenizer, half, [], echo=True)[0]


def test_spaces_between_prompt_and_text_are_kept() -> None:
    """Where a tokenizer's texts lose their first space, a continuation must not."""
    vocab = {"<unk>": 0, "▁a": 1, "▁b": 2}
    backend = Backend(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    backend.decoder = decoders.Metaspace()
    tokenizer = Tokenizer(backend)
    assert say(tokenizer, [1], [2, 1])[0] == " b a"
    assert say(tokenizer, [1], [2, 1], echo=True)[0] == "a b a"
    assert say(tokenizer, [1], [2, 1], anew=True)[0] == "b a"


def test_names_of_tokens_tell_them_apart(tokenizer: Tokenizer) -> None:
    names = [token_name(tokenizer, id) for id in range(tokenizer.vocab_size)]
    assert len(set(names)) == len(names) and names[tokenizer.special["<think>"]] == "<think>"
    assert token_name(tokenizer, tokenizer.encode("🔥")[0]) == "bytes:\\xf0"
