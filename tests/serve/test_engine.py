"""The engine against its slow twin, and against itself: alone, in a batch, short of memory, interrupted."""

from __future__ import annotations

import random

import pytest
import torch

from firesteel.core.errors import FiresteelError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.plain import plain_sample
from firesteel.serve.sequence import Completion, Sampling, Sequence, split_seed


def prompts(n: int, vocab: int, longest: int = 40) -> list[list[int]]:
    rng = random.Random(n)
    return [[rng.randrange(12, vocab) for _ in range(rng.randrange(1, longest))] for _ in range(n)]


def engine(model: Transformer, tokenizer: Tokenizer, rows: int = 8, cache: int = 2048, block: int = 16) -> Engine:
    return Engine(model, tokenizer, max_sequences=rows, cache_tokens=cache, block_size=block)


def assert_same(a: Completion, b: Completion) -> None:
    assert (a.ids, a.finish_reason) == (b.ids, b.finish_reason)
    assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


@pytest.mark.parametrize("temperature,top_p", [(0.0, 1.0), (1.0, 1.0), (0.7, 0.8)])
def test_the_engine_equals_the_plain_sampler(
    model: Transformer, tokenizer: Tokenizer, temperature: float, top_p: float
) -> None:
    questions = prompts(12, tokenizer.vocab_size)
    stops = tuple(range(20, 40))
    got = engine(model, tokenizer).sample(
        questions, max_new_tokens=20, temperature=temperature, top_p=top_p, seed=3, stop_ids=stops
    )
    for i, (prompt, completion) in enumerate(zip(questions, got, strict=True)):
        asked = Sampling(20, temperature, top_p, split_seed(3, i), stops)
        assert_same(completion, plain_sample(model, prompt, asked))
    assert {c.finish_reason for c in got} == ({"stop", "length"} if temperature else {c.finish_reason for c in got})


def test_a_result_does_not_depend_on_its_neighbours_or_on_the_room(model: Transformer, tokenizer: Tokenizer) -> None:
    questions = prompts(24, tokenizer.vocab_size)
    roomy = engine(model, tokenizer, rows=32, cache=8192)
    tight = engine(model, tokenizer, rows=5, cache=160, block=4)
    settings = dict(max_new_tokens=20, temperature=1.0, seed=11, stop_ids=(tokenizer.eos_id,))
    many = roomy.sample(questions, **settings)
    few = tight.sample(questions, **settings)
    assert tight.scheduler.preemptions > 0, "the tight cache was meant to run out"
    for a, b in zip(many, few, strict=True):
        assert_same(a, b)
    first = roomy.sample(questions[:1], **settings)
    assert_same(first[0], many[0])
    for e in (roomy, tight):
        assert e.cache_use == 0 and not e.busy and not len(e.runner.rows)


def test_long_prompts_in_chunks_give_the_same_tokens(model: Transformer, tokenizer: Tokenizer) -> None:
    questions = prompts(4, tokenizer.vocab_size, longest=150)
    asked = [Sampling(8, 1.0, 1.0, i) for i in range(4)]
    whole = [plain_sample(model, q, s) for q, s in zip(questions, asked, strict=True)]
    for budget in (3, 16, 100):
        e = engine(model, tokenizer)
        sequences = [Sequence(str(i), q, s) for i, (q, s) in enumerate(zip(questions, asked, strict=True))]
        for s in sequences:
            e.submit(s)
        while e.busy:
            e.step(budget)
        for s, expected in zip(sequences, whole, strict=True):
            assert s.ids == expected.ids


def test_penalties_and_bias_equal_the_plain_sampler(model: Transformer, tokenizer: Tokenizer) -> None:
    asked = [
        Sampling(25, 0.0, presence_penalty=1.5, frequency_penalty=0.5),
        Sampling(25, 1.0, seed=5, frequency_penalty=-1.0),
        Sampling(25, 1.0, seed=6, logit_bias=((50, 100.0), (51, -100.0))),
        Sampling(25, 0.0),
    ]
    e = engine(model, tokenizer)
    sequences = [Sequence(str(i), [30, 31, 32], s) for i, s in enumerate(asked)]
    for s in sequences:
        e.submit(s)
    while e.busy:
        e.step()
    for s in sequences:
        assert s.ids == plain_sample(model, s.prompt, s.sampling).ids
    assert sequences[2].ids == [50] * 25
    assert len(set(sequences[0].ids)) > len(set(sequences[3].ids)), "penalties against repetition had no effect"


def test_events_tell_each_token_once_with_its_alternatives(model: Transformer, tokenizer: Tokenizer) -> None:
    e = engine(model, tokenizer)
    e.submit(Sequence("a", [30, 31], Sampling(5, 0.0, top_logprobs=3)))
    e.submit(Sequence("b", [40], Sampling(3, 1.0, seed=1)))
    events = []
    while e.busy:
        events += e.step()
    a, b = ([x for x in events if x.sequence == id] for id in "ab")
    assert [x.token for x in a] == plain_sample(model, [30, 31], Sampling(5, 0.0)).ids
    assert [x.finish_reason for x in b] == [None, None, "length"]
    for x in a:
        assert len(x.top) == 3 and x.top[0] == (x.token, pytest.approx(x.logprob, abs=1e-5))
        assert x.top == sorted(x.top, key=lambda t: -t[1])
    assert all(x.top == [] for x in b)


def test_abort_frees_everything_at_any_moment(model: Transformer, tokenizer: Tokenizer) -> None:
    for steps in range(6):
        e = engine(model, tokenizer, rows=2)
        for i, prompt in enumerate(prompts(4, tokenizer.vocab_size)):
            e.submit(Sequence(str(i), prompt, Sampling(50, 1.0, seed=i)))
        for _ in range(steps):
            e.step(10)
        for i in range(4):
            e.abort(str(i))
            e.abort(str(i))
        assert not e.busy and e.cache_use == 0 and not len(e.runner.rows)


def test_a_trainers_model_is_back_in_training_mode(model: Transformer, tokenizer: Tokenizer) -> None:
    model.train()
    try:
        engine(model, tokenizer).sample([[30]], max_new_tokens=2, temperature=1.0, seed=0, stop_ids=())
        assert model.training
    finally:
        model.eval()


def test_requests_that_cannot_run_are_refused(model: Transformer, tokenizer: Tokenizer) -> None:
    e = engine(model, tokenizer, cache=64)
    with pytest.raises(UserError, match="longer than the context"):
        e.submit(Sequence("a", [30] * 60, Sampling(5)))
    with pytest.raises(UserError, match="at least one prompt token"):
        e.submit(Sequence("b", [], Sampling(5)))
    with pytest.raises(UserError, match="outside the vocabulary"):
        e.submit(Sequence("c", [tokenizer.vocab_size], Sampling(5)))
    with pytest.raises(UserError, match="outside the vocabulary"):
        e.sample([[30], [-1]], max_new_tokens=5, temperature=1.0, seed=0, stop_ids=())
    assert not e.busy


def test_a_reply_ends_at_the_end_of_the_context(model: Transformer, tokenizer: Tokenizer) -> None:
    (done,) = engine(model, tokenizer, cache=64).sample(
        [[30] * 60], max_new_tokens=50, temperature=1.0, seed=0, stop_ids=()
    )
    assert len(done.ids) == 4 and done.finish_reason == "length"


def test_damaged_weights_are_noticed(tokenizer: Tokenizer, model: Transformer) -> None:
    weight = model.norm.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(float("nan"))
    try:
        e = engine(model, tokenizer)
        with pytest.raises(FiresteelError, match="not finite"):
            e.sample([[30]], max_new_tokens=2, temperature=1.0, seed=0, stop_ids=())
        assert not e.busy and e.cache_use == 0
    finally:
        with torch.no_grad():
            weight.copy_(kept)
