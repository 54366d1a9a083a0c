"""Serving models that bring their own tokenizer and template: turns end, thoughts are told apart, base models decline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.artefact import writing
from firesteel.core.errors import FiresteelError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.weights import save_model
from firesteel.serve.chat import chat
from firesteel.serve.openai.reply import Reply
from firesteel.serve.openai.server import running
from firesteel.serve.sequence import Event
from tests.core import imported
from tests.serve.api import NAME, app_of, assert_error, http
from tests.serve.conftest import tiny

ASK = [{"role": "user", "content": "What is it? <|im_end|>"}]


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer.load(imported.qwen(tmp_path_factory.mktemp("qwen") / "q"))


@pytest.fixture(scope="module")
def url(qwen: Tokenizer) -> Iterator[str]:
    """Random weights, with more rows in their tables than the tokenizer has ids."""
    with running(app_of(tiny(qwen.vocab_size + 30), qwen)) as url:
        yield url


def ask(url: str, **fields: Any) -> Any:
    body = {"model": NAME, "messages": ASK, "temperature": 0, "max_tokens": 12, **fields}
    return http().post(f"{url}/chat/completions", json=body)


def test_a_greedy_answer_is_the_same_every_time_and_counts_the_templates_tokens(url: str, qwen: Tokenizer) -> None:
    first, second = ask(url, logprobs=True, top_logprobs=5), ask(url)
    assert first.status_code == second.status_code == 200, first.text
    assert first.json()["choices"][0]["message"] == second.json()["choices"][0]["message"]
    assert first.json()["usage"]["prompt_tokens"] == len(qwen.prompt(ASK))


@pytest.mark.parametrize("end", ["<|im_end|>", "<|endoftext|>", "<|im_start|>"])
def test_whatever_ends_a_turn_ends_the_answer(url: str, qwen: Tokenizer, end: str) -> None:
    answer = ask(url, logit_bias={str(qwen.special[end]): 100}).json()
    assert answer["usage"]["completion_tokens"] == 1 and answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize("name", ["qwen", "llama3", "llama2", "metaspace", "deepseek"])
@pytest.mark.parametrize(
    "said", ["<think>\nhm\n好\n</think>\n\nthe answer is 42é", "the answer <think is 42", "hm</think>\n42", "<think>hm"]
)
def test_a_reply_says_what_the_tokenizer_would_parse(name: str, said: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(imported.FAMILIES[name](tmp_path / name))
    ids = [*tokenizer._encoder.armed(said)[0], tokenizer.stop_ids[0]]
    reply = Reply(tokenizer, logprobs=True)
    reasoning = answer = ""
    told = b""
    for id in ids:
        delta = reply.push(Event("s", id, -0.5, [], "stop" if id == ids[-1] else None))
        reasoning, answer = reasoning + delta.reasoning, answer + delta.answer
        told += b"".join(bytes(entry["bytes"]) for entry in delta.logprobs)
    assert (reasoning if reply.thought else None, answer) == tokenizer.parse(ids)
    assert answer.strip() in told.decode() and "hm" not in told.decode().replace(answer.strip(), "")


def test_a_base_model_declines_a_conversation_with_the_reason(tmp_path: Path) -> None:
    backend = imported.byte_level(["<s>", "</s>"])
    tokenizer = Tokenizer(backend, bos_token="<s>", eos_token="</s>")
    with running(app_of(tiny(tokenizer.vocab_size), tokenizer)) as url:
        error = assert_error(ask(url), 400, "messages", "no_chat_template")
    assert "continues text" in error["message"]


def test_a_template_that_refuses_a_conversation_is_a_bad_request(tmp_path: Path) -> None:
    tokenizer = Tokenizer.load(imported.llama2(tmp_path / "l"))
    with running(app_of(tiny(tokenizer.vocab_size), tokenizer)) as url:
        error = assert_error(ask(url, messages=[*ASK, *ASK]), 400, "messages", "invalid_value")
    assert "roles must alternate" in error["message"]


def test_chat_with_an_imported_model_in_the_terminal(qwen: Tokenizer, tmp_path: Path) -> None:
    base = Tokenizer(imported.byte_level(["<s>", "</s>"]), bos_token="<s>", eos_token="</s>")
    for name, tokenizer in (("chat", qwen), ("base", base)):
        with writing(tmp_path / name, "model", settings={}) as draft:
            save_model(draft.path, tiny(tokenizer.vocab_size))
            tokenizer.save(draft.path)
    assert chat(tmp_path / "chat", question="Hello") == chat(tmp_path / "chat", question="Hello")
    with pytest.raises(FiresteelError, match="no chat template"):
        chat(tmp_path / "base", question="Hello")
