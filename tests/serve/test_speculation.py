"""Drafts: a module that has learnt is believed, and only as far as it pays."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from firesteel.core.config import ModelSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.plain import plain_sample
from firesteel.serve.sequence import Sampling, Sequence
from firesteel.serve.speculation import STAY, TRIAL, Speculation

TEXTS = [[40 + (a * i) % 23 for i in range(60)] for a in (1, 2, 3, 5, 7, 11)]  # each goes on in its own steps


@pytest.fixture(scope="module")
def foresighted() -> Transformer:
    """Knows how TEXTS go on, and with its MTP module how they go on after that."""
    settings = ModelSettings(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=4, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
        qk_rope_head_dim=8, v_head_dim=8, intermediate_size=96, moe_intermediate_size=16, n_routed_experts=4,
        num_experts_per_tok=2, num_nextn_predict_layers=1, max_position_embeddings=256,
    )  # fmt: skip
    model = Transformer(ModelConfig.from_settings(settings, 97)).train()
    model.initialise(torch.Generator().manual_seed(0))
    optimiser = torch.optim.AdamW(model.parameters(), lr=6e-3, weight_decay=0.0)
    ids = torch.tensor(TEXTS)
    for _ in range(150):
        hidden = model(ids)
        main, further = model.logits(hidden[:, 2:-2]), model.logits(model.predict_further(hidden, ids)[0][:, 2:-1])
        loss = F.cross_entropy(main.flatten(0, 1), ids[:, 3:-1].flatten())
        loss = loss + F.cross_entropy(further.flatten(0, 1), ids[:, 4:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.02:
            break
    assert loss.item() < 0.2, loss.item()
    return model.eval()


@pytest.fixture(scope="module")
def plainly(foresighted: Transformer) -> Callable[[int, float], list[int]]:
    """How the plain sampler goes on with a text; asked once, it is the slow twin."""
    return functools.cache(
        lambda i, temperature: plain_sample(foresighted, TEXTS[i][:21], Sampling(30, temperature, seed=i)).ids
    )


@pytest.mark.parametrize("drafts, temperature, chunk", [(1, 0.0, 512), (1, 1.0, 5), (3, 1.0, 512)])
def test_a_module_that_knows_saves_steps_and_changes_nothing(
    foresighted: Transformer,
    tokenizer: Tokenizer,
    plainly: Callable[[int, float], list[int]],
    drafts: int,
    temperature: float,
    chunk: int,
) -> None:
    e = Engine(
        foresighted, tokenizer, max_sequences=3, cache_tokens=1024, block_size=4, step_tokens=chunk, speculate=drafts
    )
    for turn in range(2):  # the second time, the beginnings are found in the cache
        sequences = [Sequence(str(i), t[:21], Sampling(30, temperature, seed=i)) for i, t in enumerate(TEXTS)]
        before = vars(e.stats).copy()
        for sequence in sequences:
            e.submit(sequence)
        while e.busy:
            e.step()
        for i, sequence in enumerate(sequences):
            assert sequence.ids == plainly(i, temperature)
            assert sequence.prefix_hits == 20 * turn
        drafted, accepted = e.stats.drafted - before["drafted"], e.stats.accepted - before["accepted"]
        share = 0.3 if temperature else 0.9  # of the first drafts; sampled, two draws must agree
        assert accepted > share / drafts * drafted > 0, (turn, accepted, drafted)


def test_drafts_are_judged_by_tokens_a_second() -> None:
    """Each number is tried, the best is kept, and others are tried again now and then: what pays may change."""

    def drive(policy: Speculation, steps: int, rate: dict[int, float]) -> list[int]:
        used = []
        for _ in range(steps):
            k = policy.drafts(4)
            policy.record(4, k, 100, 100 / rate[k])
            used.append(k)
        return used

    policy = Speculation(2)
    first = drive(policy, 3 * TRIAL, {0: 5.0, 1: 9.0, 2: 7.0})
    assert {0, 1, 2} == set(first)
    assert set(drive(policy, STAY, {0: 5.0, 1: 9.0, 2: 7.0})) == {1}
    later = drive(policy, 40 * STAY, {0: 12.0, 1: 9.0, 2: 7.0})
    assert set(later[-TRIAL * 4 :]) <= {0, 1} and later.count(0) > 0.9 * len(later)
    assert Speculation(2).drafts(1) == 1 and policy.drafts(1000) == 1, "each size of batch is judged by itself"
    assert Speculation(0).drafts(4) == 0 and Speculation(3, fixed=3).drafts(4) == 3
