"""Tokens of a text, text of tokens, in vLLM's words and llama.cpp's."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from firesteel import __version__
from firesteel.core.tokenizer import Tokenizer
from tests.serve.api import NAME, assert_error, http

TEXT = "count 六乘七 🔥 <|eos|>"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def tokenize(url: str, **body: Any) -> Any:
    response = http().post(f"{url}/tokenize", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def detokenize(url: str, tokens: Any, **options: Any) -> Any:
    return http().post(f"{url}/detokenize", json={"tokens": tokens, **options}).json()


def test_a_text_in_either_dialect(url: str, tokenizer: Tokenizer) -> None:
    plain, begun = tokenizer.encode(TEXT), tokenizer.continued(TEXT)
    assert tokenize(url, prompt=TEXT, model=NAME) == {
        "count": len(begun), "max_model_len": 512, "tokens": begun, "token_strs": None,
    }  # fmt: skip
    assert tokenize(url, content=TEXT)["tokens"] == plain
    for name in ("add_special_tokens", "add_special"):
        assert tokenize(url, prompt=TEXT, **{name: False})["tokens"] == plain
        assert tokenize(url, content=TEXT, **{name: True})["tokens"] == begun
    assert tokenize(url, content="")["tokens"] == [] and tokenize(url, prompt="")["count"] == 1


def test_tokens_have_their_text_beside_them(url: str, tokenizer: Tokenizer) -> None:
    strings = tokenize(url, prompt=TEXT, return_token_strs=True)["token_strs"]
    assert strings[0] == "<|bos|>" and strings[1] == "c" and any(s.startswith("bytes:") for s in strings)
    pieces = tokenize(url, content=TEXT, with_pieces=True)["tokens"]
    assert [p["id"] for p in pieces] == tokenizer.encode(TEXT)
    raw = b"".join(bytes(p["piece"]) if isinstance(p["piece"], list) else p["piece"].encode() for p in pieces)
    assert raw.decode() == TEXT and any(isinstance(p["piece"], list) for p in pieces)


def test_a_conversation_is_rendered_as_chat_renders_it(url: str, tokenizer: Tokenizer) -> None:
    messages = [{"role": "user", "content": "count"}]
    asked = http().post(f"{url}/chat/completions", json={"model": NAME, "messages": messages, "max_tokens": 1}).json()
    got = tokenize(url, messages=messages)
    assert got["tokens"] == tokenizer.prompt(messages) and got["count"] == asked["usage"]["prompt_tokens"]
    open_end = tokenize(url, messages=messages, add_generation_prompt=False)["tokens"]
    assert open_end == tokenizer.render(messages).ids == got["tokens"][:-1]
    with_tools = tokenize(url, messages=messages, tools=[TOOL])["tokens"]
    assert with_tools == tokenizer.prompt(messages, tools=[TOOL])
    assert assert_error(http().post(f"{url}/tokenize", json={"messages": []}), 400, "messages")


def test_there_and_back(url: str, tokenizer: Tokenizer) -> None:
    ids = tokenize(url, content=TEXT)["tokens"]
    assert detokenize(url, ids) == {"prompt": TEXT, "content": TEXT}
    begun = tokenize(url, prompt=TEXT)["tokens"]
    assert detokenize(url, begun, model=NAME)["prompt"] == "<|bos|>" + TEXT
    assert detokenize(url, begun, skip_special_tokens=True)["prompt"] == TEXT
    assert detokenize(url, [])["prompt"] == "" and detokenize(url, tokenizer.encode("🔥")[:-1])["prompt"] == "\ufffd"


@pytest.mark.parametrize("path", ["/v1", ""])
def test_paths_work_with_and_without_v1(url: str, path: str) -> None:
    base = url.removesuffix("/v1") + path
    assert detokenize(base, tokenize(base, content="a")["tokens"])["content"] == "a"
    assert http().get(f"{base}/version").json() == {"version": __version__}


@pytest.mark.parametrize(
    "path,body,param",
    [
        ("tokenize", {}, "prompt"),
        ("tokenize", {"prompt": "a", "content": "a"}, "prompt"),
        ("tokenize", {"prompt": 1}, "prompt"),
        ("tokenize", {"prompt": ["a"]}, "prompt"),
        ("tokenize", {"prompt": "\ud800"}, "prompt"),
        ("tokenize", {"content": "\ud800"}, "content"),
        ("tokenize", {"prompt": "a", "tools": [TOOL]}, "tools"),
        ("tokenize", {"prompt": "a", "add_generation_prompt": True}, "add_generation_prompt"),
        ("tokenize", {"prompt": "a", "parse_special": True}, "parse_special"),
        ("tokenize", {"prompt": "a", "add_special": True, "add_special_tokens": False}, "add_special"),
        ("tokenize", {"messages": [{"role": "user", "content": "a"}], "add_special_tokens": True}, "add_special_tokens"),
        ("tokenize", {"messages": [{"role": "king", "content": "a"}]}, "messages[0].role"),
        ("tokenize", {"messages": "a"}, "messages"),
        ("tokenize", {"messages": [{"role": "user", "content": "\ud800"}]}, "messages"),
        ("tokenize", {"messages": [{"role": "user", "content": "a"}], "tools": [1]}, "tools[0]"),
        ("tokenize", {"prompt": "a", "with_pieces": "yes"}, "with_pieces"),
        ("tokenize", {"prompt": "a", "x": 1}, "x"),
        ("detokenize", {}, "tokens"),
        ("detokenize", {"tokens": "a"}, "tokens"),
        ("detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("detokenize", {"tokens": [True]}, "tokens[0]"),
        ("detokenize", {"tokens": [330]}, "tokens"),
        ("detokenize", {"tokens": [-1]}, "tokens"),
        ("detokenize", {"tokens": [10**30]}, "tokens"),
        ("detokenize", {"tokens": [1.5]}, "tokens[0]"),
        ("detokenize", {"tokens": [1], "x": 1}, "x"),
    ],
)  # fmt: skip
def test_mistakes_are_named(url: str, path: str, body: Any, param: str) -> None:
    headers = {"Content-Type": "application/json"}
    response: httpx.Response = http().post(f"{url}/{path}", content=json.dumps(body), headers=headers)
    assert_error(response, 400, param)
    assert tokenize(url, prompt="a", parse_special=False)["count"] == 2


def test_unknown_models_are_404(url: str) -> None:
    for path, field in (("tokenize", {"prompt": "a"}), ("detokenize", {"tokens": [5]})):
        for name in ("other", ""):
            assert_error(http().post(f"{url}/{path}", json={"model": name, **field}), 404, "model", "model_not_found")
