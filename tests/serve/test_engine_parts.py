"""What else a sequence may ask of the engine: its prompt's logprobs, an embedding, an adapter; and what it finds cached."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path

import pytest
import torch

from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model import lora
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.loop import EngineLoop, QueueFull
from firesteel.serve.plain import plain_embedding, plain_prompt_logprobs, plain_sample
from firesteel.serve.sequence import Sampling, Sequence

TEXT = [40 + (7 * i * i) % 200 for i in range(60)]


def run(engine: Engine, *sequences: Sequence) -> None:
    for sequence in sequences:
        engine.submit(sequence)
    while engine.busy:
        engine.step()


@pytest.mark.parametrize("cache", [512, 96])
@pytest.mark.parametrize("chunk", [7, 512])
def test_logprobs_of_a_prompt_and_embeddings_equal_their_slow_twins(
    model: Transformer, tokenizer: Tokenizer, chunk: int, cache: int
) -> None:
    """Whatever the pieces, and beside sequences that take their cache away in between."""
    e = Engine(model, tokenizer, max_sequences=6, cache_tokens=cache, block_size=4, step_tokens=chunk)
    others = [Sequence(f"o{i}", TEXT[i : i + 8], Sampling(40, seed=i)) for i in range(2)]
    read = [Sequence(f"r{n}", TEXT[:n], Sampling(0, prompt_logprobs=3)) for n in (1, 2, 33, 60)]
    both = Sequence("b", TEXT[:33], Sampling(5, 0.0, prompt_logprobs=0), pooled=True)
    pooled = [Sequence(f"p{n}", TEXT[:n], Sampling(0), pooled=True) for n in (1, 33)]
    run(e, *others, *reversed(read), both, *pooled)
    for sequence in [*read, both]:
        twin = plain_prompt_logprobs(model, sequence.prompt, sequence.sampling.prompt_logprobs or 0)
        assert len(sequence.prompt_logprobs) == len(twin) == len(sequence.prompt) - 1
        for (own, top), (expected, best) in zip(sequence.prompt_logprobs, twin, strict=True):
            assert own == pytest.approx(expected, abs=1e-4)
            assert [id for id, _ in top] == [id for id, _ in best]
    for sequence in [*pooled, both]:
        assert sequence.embedding == pytest.approx(plain_embedding(model, sequence.prompt), abs=1e-5)
    assert both.ids == plain_sample(model, both.prompt, both.sampling).ids
    assert all(s.finish_reason == "length" and not s.ids for s in [*read, *pooled])
    assert e.cache_use == 0
    assert e.scheduler.preemptions > 0 or (cache, chunk) != (96, 7), "the small cache was meant to run out"


def test_a_sequence_without_new_tokens_ends_with_one_event(model: Transformer, tokenizer: Tokenizer) -> None:
    e = Engine(model, tokenizer, max_sequences=2, cache_tokens=256)
    e.submit(Sequence("a", TEXT[:5], Sampling(0, prompt_logprobs=0)))
    (event,) = e.step()
    assert (event.token, event.finish_reason, e.busy) == (-1, "length", False)


def test_what_was_said_before_is_found_again(model: Transformer, tokenizer: Tokenizer) -> None:
    """A conversation that goes on: prompt and answer of the first turn are the beginning of the second's prompt."""
    e = Engine(model, tokenizer, max_sequences=2, cache_tokens=512, block_size=4)
    first = Sequence("1", TEXT[:21], Sampling(14, 0.0))
    run(e, first)
    second = Sequence("2", first.prompt + first.ids + TEXT[:6], Sampling(8, 0.0))
    stranger = Sequence("3", list(second.prompt), Sampling(8, 0.0), salt=b"somebody else")
    run(e, second, stranger)
    assert (first.prefix_hits, second.prefix_hits, stranger.prefix_hits) == (0, (21 + 13) // 4 * 4, 0)
    assert second.ids == stranger.ids == plain_sample(model, second.prompt, second.sampling).ids
    assert (e.stats.prompt_tokens, e.stats.prefix_hit_tokens) == (21 + 2 * 41, 32)


def test_sampling_for_training_never_sees_old_weights(model: Transformer, tokenizer: Tokenizer) -> None:
    changing = copy.deepcopy(model)
    e = Engine(changing, tokenizer, max_sequences=2, cache_tokens=512, block_size=4)
    settings = dict(max_new_tokens=8, temperature=0.0, seed=0, stop_ids=())
    e.sample([TEXT[:21]], **settings)
    with torch.no_grad():
        for p in changing.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    (got,) = e.sample([TEXT[:21]], **settings)
    twin = plain_sample(changing, TEXT[:21], Sampling(8, 0.0))
    assert got.ids == twin.ids and got.logprobs == pytest.approx(twin.logprobs, abs=1e-4)


@pytest.fixture
def adapters(model: Transformer, tmp_path: Path) -> dict[str, Path]:
    """Two adapters of the model on disk, which say other things than it does."""
    folders = {}
    for seed, name in enumerate(("law", "ward")):
        own, what = copy.deepcopy(model), lora.LoRA(rank=4, alpha=16.0)
        lora.attach(own, what, seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for _, adapter in lora.adapters(own):
                for p in adapter.parameters():
                    p.normal_(0, 0.3, generator=generator)
        folders[name] = tmp_path / name
        folders[name].mkdir()
        lora.save(folders[name], own, what)
    return folders


def test_each_request_is_answered_with_its_own_adapter(
    model: Transformer, tokenizer: Tokenizer, adapters: dict[str, Path]
) -> None:
    e = Engine(copy.deepcopy(model), tokenizer, max_sequences=4, cache_tokens=512, block_size=4, adapters=adapters)
    names = ["law", "", "ward", "law", "ward", ""]
    sequences = [Sequence(str(i), TEXT[:17], Sampling(9, 0.0), adapter=name) for i, name in enumerate(names)]
    run(e, *sequences)
    answers = {}
    for name in ("", "law", "ward"):
        own = copy.deepcopy(model)
        if name:
            lora.load(adapters[name], own)
        answers[name] = plain_sample(own, TEXT[:17], Sampling(9, 0.0)).ids
    assert len({tuple(ids) for ids in answers.values()}) == 3, "the adapters were meant to make a difference"
    assert [s.ids for s in sequences] == [answers[name] for name in names]
    assert sequences[5].prefix_hits == 16 and sequences[2].prefix_hits == 0, "prefixes are those of one adapter only"
    with pytest.raises(UserError, match="no such adapter"):
        e.submit(Sequence("x", TEXT[:3], Sampling(1), adapter="none"))


def test_an_adapter_of_another_model_is_refused(
    model: Transformer, tokenizer: Tokenizer, adapters: dict[str, Path]
) -> None:
    (adapters["law"] / "adapter_config.json").write_text("{}")
    with pytest.raises(ArtefactError, match="law"):
        Engine(copy.deepcopy(model), tokenizer, max_sequences=4, cache_tokens=512, adapters=adapters)


def test_one_owner_cannot_take_every_place(model: Transformer, tokenizer: Tokenizer) -> None:
    async def scene() -> list[str]:
        loop = EngineLoop(Engine(model, tokenizer, max_sequences=2, cache_tokens=512), max_in_flight=8)
        loop.start()

        def ask(owner: bytes, count: int) -> str:
            try:
                loop.submit(
                    [Sequence(f"{owner!r}{i}-{count}", TEXT[:5], Sampling(200), salt=owner) for i in range(count)]
                )
            except QueueFull:
                return "full"
            return "taken"

        answers = [ask(b"alice", 6), ask(b"alice", 1), ask(b"bob", 2), ask(b"bob", 1)]
        loop.cut()
        answers += [ask(b"", 8), ask(b"", 1)]
        loop.cut()
        loop.stop()
        return answers

    assert asyncio.run(scene()) == ["taken", "full", "taken", "full", "taken", "full"]
