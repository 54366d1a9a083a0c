"""Whatever the schedule, the tokens are the plain sampler's: any batch, chunking, prefix hits, pre-emption, speculation."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firesteel.core.config import ModelSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.cache import ContiguousCache
from firesteel.model.config import ModelConfig
from firesteel.model.exact import use_exact_sums
from firesteel.model.transformer import Transformer
from firesteel.serve.drafting import Drafting
from firesteel.serve.engine import Engine
from firesteel.serve.plain import plain_choose, plain_sample
from firesteel.serve.sequence import Completion, Sampling, Sequence

SHAPES = {
    "mla": dict(
        q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=8, v_head_dim=8,
        moe_intermediate_size=16, n_routed_experts=4, num_experts_per_tok=2, num_nextn_predict_layers=1,
    ),
    "gqa": dict(
        attention="gqa", num_key_value_heads=2, head_dim=8, n_routed_experts=0, first_k_dense_replace=2,
        num_nextn_predict_layers=1,
    ),
}  # fmt: skip
STOPS = tuple(range(20, 30))


@functools.cache
def toy(kind: str) -> Transformer:
    settings = ModelSettings(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=256,
        **SHAPES[kind],
    )  # fmt: skip
    model = Transformer(ModelConfig.from_settings(settings, 97))
    model.initialise(torch.Generator().manual_seed(3))
    return model.eval()


@functools.cache
def requests() -> list[tuple[list[int], Sampling]]:
    """Prompts that share beginnings, and every kind of sampling."""
    rng = random.Random(5)
    stems = [[rng.randrange(12, 97) for _ in range(n)] for n in (0, 9, 33)]
    asked = []
    for i in range(24):
        prompt = stems[i % 3] + [rng.randrange(12, 97) for _ in range(rng.randrange(1, 20))]
        options = [
            dict(temperature=0.0), dict(temperature=1.0), dict(temperature=0.7, top_p=0.8),
            dict(temperature=1.0, presence_penalty=1.0, frequency_penalty=0.3),
        ][rng.randrange(4)]  # fmt: skip
        asked.append((prompt, Sampling(rng.randrange(1, 24), seed=i, stop_ids=STOPS, **options)))
    return asked


@functools.cache
def expected(kind: str, number: int) -> Completion:
    return plain_sample(toy(kind), *requests()[number])


@pytest.fixture
def informed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Completion]]:
    """Drafts that are right about half of the time, which a model with random weights never has."""
    known: dict[str, Completion] = {}
    guess = Drafting.guess

    def better(self: Drafting, among: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        drafts, counts = guess(self, among, most)
        for i, row in enumerate(among.tolist()):
            sequence = self.rows.sequences[row]
            coming = known[sequence.id].ids[len(sequence.ids) :][:most]
            for j, token in enumerate(coming):
                if (len(sequence.ids) + j + row) % 3:
                    drafts[i, j] = token
        return drafts, counts

    monkeypatch.setattr(Drafting, "guess", better)
    yield known


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(SHAPES)), st.lists(st.tuples(st.integers(0, 23), st.integers(0, 12)), min_size=1, max_size=14),
    st.integers(1, 6), st.integers(1, 8), st.integers(20, 120), st.integers(1, 60), st.integers(0, 3), st.booleans(),
    st.sets(st.integers(0, 13), max_size=3), st.integers(1, 9),
)  # fmt: skip
def test_every_schedule_gives_the_tokens_of_the_plain_sampler(
    informed: dict[str, Completion], tokenizer: Tokenizer, kind: str, arrivals: list[tuple[int, int]], rows: int,
    block: int, cache: int, budget: int, drafts: int, prefix_cache: bool, aborted: set[int], when: int,
) -> None:  # fmt: skip
    e = Engine(
        toy(kind), tokenizer, max_sequences=rows, cache_tokens=cache + 60, block_size=block, step_tokens=budget,
        prefix_cache=prefix_cache, speculate=drafts,
    )  # fmt: skip
    todo, sequences, step = sorted(enumerate(arrivals), key=lambda a: a[1][1]), {}, 0
    while todo or e.busy:
        while todo and todo[0][1][1] <= step:
            i, (number, _) = todo.pop(0)
            prompt, sampling = requests()[number]
            sequences[i] = Sequence(str(i), prompt, sampling), number
            informed[str(i)] = expected(kind, number)
            e.submit(sequences[i][0])
        if step == when:
            for i in aborted:
                e.abort(str(i))
        e.step()
        step += 1
        assert step < 2000
    for i, (sequence, number) in sequences.items():
        twin = expected(kind, number)
        if i in aborted and sequence.finish_reason is None:
            assert sequence.ids == twin.ids[: len(sequence.ids)]
        else:
            assert (sequence.ids, sequence.finish_reason) == (twin.ids, twin.finish_reason)
            assert sequence.logprobs == pytest.approx(twin.logprobs, abs=1e-4)
    assert e.cache_use == 0 and not len(e.runner.rows)


@functools.cache
def toy_bf16(kind: str) -> Transformer:
    """Rounded to bfloat16, where another order of summation is soon another token."""
    model = Transformer(toy(kind).config)
    model.load_state_dict(toy(kind).state_dict())
    return model.to(torch.bfloat16).eval()


@functools.cache
def alone(kind: str, number: int, exact: bool) -> Completion:
    """The plain way through the cache: the whole sequence in one piece for every token, nothing else beside it."""
    prompt, sampling = requests()[number]
    model = toy_bf16(kind)
    if exact:
        use_exact_sums(model)

    ids: list[int] = []
    logprobs: list[float] = []
    while len(ids) < sampling.max_new_tokens and not (ids and ids[-1] in sampling.stop_ids):
        cache = ContiguousCache(model.config, rows=1, length=len(prompt + ids), dtype=model.dtype)
        view = cache.view(torch.tensor([0]), torch.tensor([len(prompt + ids)]), len(prompt + ids))
        logits = model.extend(torch.tensor(prompt + ids), view)[0].double().numpy()
        token, logprob = plain_choose(logits, prompt, ids, sampling)
        ids.append(token)
        logprobs.append(logprob)
    return Completion(ids, logprobs, "length")


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)), st.lists(st.integers(0, 23), min_size=1, max_size=10), st.integers(1, 6),
    st.integers(1, 8), st.integers(1, 60), st.integers(0, 2),
)  # fmt: skip
def test_batch_invariant_bfloat16_gives_the_same_bits_in_every_schedule(
    tokenizer: Tokenizer, kind: str, numbers: list[int], rows: int, block: int, budget: int, drafts: int
) -> None:
    e = Engine(
        toy_bf16(kind), tokenizer, max_sequences=rows, cache_tokens=140, block_size=block, step_tokens=budget,
        speculate=drafts, batch_invariant=True,
    )  # fmt: skip
    sequences = [Sequence(str(i), *requests()[number]) for i, number in enumerate(numbers)]
    for sequence in sequences:
        e.submit(sequence)
    while e.busy:
        e.step()
    for sequence, number in zip(sequences, numbers, strict=True):
        twin = alone(kind, number, True)
        assert sequence.ids == twin.ids
        assert sequence.logprobs == pytest.approx(twin.logprobs, abs=1e-5)  # of float32 logits that are bit-equal
