"""Log-probabilities of given tokens: those of the whole table of logits, whatever piece of it is in memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from firesteel.core.config import ModelSettings
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train import logprobs
from firesteel.train.logprobs import in_chunks, row_logprobs, row_sums

SMALL = ModelSettings(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
    qk_rope_head_dim=8, v_head_dim=16, intermediate_size=48, moe_intermediate_size=16, n_routed_experts=4,
)  # fmt: skip


@pytest.fixture
def model() -> Transformer:
    model = Transformer(ModelConfig.from_settings(SMALL, 60))
    model.initialise(torch.Generator().manual_seed(0))
    return model


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, 60, (3, 9), generator=generator)
    learn = torch.rand(3, 9, generator=generator) < 0.5
    learn[:, 0] = learn[2, 5] = True  # nothing stands before the first token: it is no target
    return tokens, learn


def test_they_are_those_of_the_tempered_distribution_with_its_entropy_and_the_row(model: Transformer) -> None:
    tokens, learn = rows()
    hidden = model(tokens)
    logp, entropy, row = row_logprobs(model, hidden, tokens, learn, 0.7)
    full = F.log_softmax(model.logits(hidden) / 0.7, -1)
    places = [(b, t) for b in range(3) for t in range(1, 9) if learn[b, t]]
    torch.testing.assert_close(logp, torch.stack([full[b, t - 1, tokens[b, t]] for b, t in places]))
    each = torch.stack([torch.distributions.Categorical(logits=full[b, t - 1]).entropy() for b, t in places])
    torch.testing.assert_close(entropy, each)
    assert not entropy.requires_grad and row.tolist() == [b for b, _ in places]
    sums = [sum(full[b, t - 1, tokens[b, t]] for p, t in places if p == b) for b in range(3)]
    torch.testing.assert_close(row_sums(logp, row, 3), torch.stack(sums))


@pytest.mark.parametrize("positions", [1, 3, 1000])
def test_pieces_change_neither_values_nor_gradients(
    model: Transformer, monkeypatch: pytest.MonkeyPatch, positions: int
) -> None:
    tokens, learn = rows()
    found = []
    for limit in (logprobs.LOGITS, positions * 60):
        monkeypatch.setattr(logprobs, "LOGITS", limit)
        model.zero_grad()
        logp, entropy, _ = row_logprobs(model, model(tokens), tokens, learn)
        (logp * torch.arange(len(logp))).sum().backward()
        found.append((logp.detach(), entropy, *(p.grad.clone() for p in model.parameters() if p.grad is not None)))
    assert len(found[0]) > 10
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)


def test_no_more_than_a_piece_of_the_table_is_in_memory() -> None:
    seen: list[int] = []

    def look(x: torch.Tensor) -> tuple[torch.Tensor]:
        seen.append(len(x))
        return (x * 2,)

    (doubled,) = in_chunks(look, logprobs.LOGITS // 4, torch.arange(10))
    assert seen == [4, 4, 2] and doubled.tolist() == list(range(0, 20, 2))
    assert in_chunks(look, 10 * logprobs.LOGITS, torch.arange(2))[0].tolist() == [0, 2]


def test_rows_without_a_target_are_no_mistake(model: Transformer) -> None:
    tokens, learn = rows()
    hidden = model(tokens)
    for count in (0, 3):
        none = torch.zeros_like(learn[:count])
        logp, _, row = row_logprobs(model, hidden[:count], tokens[:count], none)
        row_sums(logp, row, count).sum().backward(retain_graph=True)
        assert len(logp) == len(row) == 0
