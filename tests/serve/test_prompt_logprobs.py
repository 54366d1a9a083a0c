"""prompt_logprobs in vLLM's shape, against the model's own logits."""

from __future__ import annotations

from typing import Any

import pytest

from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.plain import plain_prompt_logprobs, plain_prompt_ranks
from firesteel.serve.sequence import Sampling, Sequence
from tests.serve.api import body, post
from tests.serve.completing import choices, lesson
from tests.serve.completing import post as complete


def assert_told(
    told: list[Any], model: Transformer, tokenizer: Tokenizer, prompt: list[int], count: int
) -> None:  # fmt: skip
    assert told[0] is None and len(told) == len(prompt)
    right, ranks = plain_prompt_logprobs(model, prompt, count), plain_prompt_ranks(model, prompt)
    for id, entry, (own, top), rank in zip(prompt[1:], told[1:], right, ranks, strict=True):
        assert next(iter(entry)) == str(id)
        assert entry[str(id)]["rank"] == rank and entry[str(id)]["logprob"] == pytest.approx(own, abs=1e-4)
        assert entry[str(id)]["decoded_token"] == (tokenizer.decode([id]) or tokenizer.backend.id_to_token(id))
        assert set(entry) == {str(id), *(str(other) for other, _ in top)}
        for place, (other, logprob) in enumerate(top, 1):
            assert entry[str(other)]["logprob"] == pytest.approx(logprob, abs=1e-4)
            assert entry[str(other)]["rank"] == place


@pytest.mark.parametrize("count", [0, 3, 20])
def test_a_chat_tells_what_the_model_thought_of_it(
    url: str, taught: Transformer, tokenizer: Tokenizer, count: int
) -> None:
    answer = post(url, body(prompt_logprobs=count, max_tokens=2, n=2, temperature=1.0, seed=5)).json()
    assert_told(answer["prompt_logprobs"], taught, tokenizer, lesson(tokenizer, 1), count)
    without = post(url, body(max_tokens=2, n=2, temperature=1.0, seed=5)).json()
    assert without["choices"] == answer["choices"] and "prompt_logprobs" not in without


@pytest.mark.parametrize("options", [{"max_tokens": 0}, {"max_tokens": 3, "n": 2}, {"max_tokens": 2, "best_of": 3}])
def test_each_choice_of_a_completion_tells_of_its_prompt(
    url: str, taught: Transformer, tokenizer: Tokenizer, options: dict[str, Any]
) -> None:
    prompts = [lesson(tokenizer, 1), lesson(tokenizer, 0), [40, 41]]
    found = choices(url, prompts, prompt_logprobs=2, temperature=1.0, seed=3, **options)
    each = options.get("n", 1)
    assert len(found) == each * len(prompts)
    for i, choice in enumerate(found):
        assert_told(choice["prompt_logprobs"], taught, tokenizer, prompts[i // each], 2)
    plain = choices(url, prompts, temperature=1.0, seed=3, **options)
    assert [c["text"] for c in plain] == [c["text"] for c in found]


@pytest.mark.parametrize("echoed,asked", [(1, 4), (3, 0), (0, 2)])
def test_it_goes_with_an_echo_that_has_logprobs(
    url: str, taught: Transformer, tokenizer: Tokenizer, echoed: int, asked: int
) -> None:
    options: dict[str, Any] = {"echo": True, "logprobs": echoed, "max_tokens": 0}
    alone = choices(url, lesson(tokenizer, 1), **options)[0]
    both = choices(url, lesson(tokenizer, 1), prompt_logprobs=asked, **options)[0]
    assert_told(both.pop("prompt_logprobs"), taught, tokenizer, lesson(tokenizer, 1), asked)
    assert both == alone


def test_nothing_is_told_of_a_prompt_that_the_guard_refuses(guarded: str) -> None:
    said = post(guarded, body("FORBIDDEN", prompt_logprobs=1)).json()
    assert said["prompt_logprobs"] is None and said["choices"][0]["finish_reason"] == "content_filter"
    told = complete(guarded, ["FORBIDDEN", "count"], prompt_logprobs=1, max_tokens=1).json()["choices"]
    assert told[0]["prompt_logprobs"] is None and told[1]["prompt_logprobs"][0] is None


def test_ranks_survive_preemption_and_chunks(model: Transformer, tokenizer: Tokenizer) -> None:
    e = Engine(model, tokenizer, max_sequences=4, cache_tokens=96, block_size=4)
    prompts = [[20 + (i * k) % 90 for i in range(20)] for k in (1, 3, 7)]
    sequences = [Sequence(str(i), p, Sampling(40, 1.0, seed=i, prompt_logprobs=2)) for i, p in enumerate(prompts)]
    for s in sequences:
        e.submit(s)
    while e.busy:
        e.step(7)
    assert e.scheduler.preemptions > 0, "the cache was meant to run out"
    for s in sequences:
        assert s.prompt_ranks == plain_prompt_ranks(model, s.prompt)
