"""Packed conversations: the loss of padded rows, and of each conversation alone; no row sees or predicts its neighbour."""

from __future__ import annotations

import pytest
import torch

from firesteel.core.config import ModelSettings, SftSettings
from firesteel.core.tokenizer import Rendered
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.losses import NextToken
from firesteel.train.sft import Sft, packed, pad
from tests.train.alone import complete, learn

SMALL = ModelSettings(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
    qk_rope_head_dim=8, v_head_dim=16, intermediate_size=48, moe_intermediate_size=16, n_routed_experts=4,
)  # fmt: skip


@pytest.fixture
def model() -> Transformer:
    model = Transformer(ModelConfig.from_settings(SMALL.model_copy(update={"num_nextn_predict_layers": 2}), 60))
    model.initialise(torch.Generator().manual_seed(0))
    return model.train()


def conversations(seed: int = 0) -> list[Rendered]:
    """Conversations of unlike lengths; some are learnt from their very first token, one is a single token."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for length in (9, 3, 14, 1, 2, 7, 5, 11, 4):
        ids = torch.randint(3, 60, (length,), generator=generator).tolist()
        mask = torch.rand(length, generator=generator) < 0.7
        rows.append(Rendered(ids, mask.tolist()))
    return rows


def next_token_loss(
    model: Transformer, tokens: torch.Tensor, learn: torch.Tensor, mtp: float, segments: torch.Tensor | None = None
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of rows and its parts."""
    loss = NextToken(mtp, 2)
    (batch,) = complete([Batch(tokens, learn, loss.counts(learn, segments), segments)])
    total, parts = loss(model, model(tokens, segments), batch)
    return total, {name: float(value) for name, value in parts.items()}


def losses(model: Transformer, *batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
    model.zero_grad()
    tokens, learn, *segments = batch
    loss, parts = next_token_loss(model, tokens, learn, 0.5, *segments)
    loss.backward()
    return loss.detach(), model.embed_tokens.weight.grad.clone(), parts


@pytest.mark.parametrize("capacity", [14, 20, 64])
def test_the_packed_loss_and_its_gradient_are_those_of_padded_rows(model: Transformer, capacity: int) -> None:
    rows = conversations()
    tokens, learn, segments = packed(rows, capacity, 0)
    assert len(tokens) < len(rows) and tokens.shape[1] <= capacity
    one, two = losses(model, *pad(rows, 0)), losses(model, tokens, learn, segments)
    torch.testing.assert_close(one[0], two[0])
    torch.testing.assert_close(one[1], two[1], atol=1e-6, rtol=1e-4)
    assert one[2] == pytest.approx(two[2], rel=1e-5) and {"loss", "mtp_loss"} <= set(one[2])


def test_without_segments_the_loss_is_another(model: Transformer) -> None:
    """What the segments are for: rows that see and predict their neighbours have another loss."""
    rows = conversations()
    tokens, learn, segments = packed(rows, 20, 0)
    apart, together = losses(model, tokens, learn, segments)[2], losses(model, tokens, learn)[2]
    assert abs(apart["loss"] - together["loss"]) > 1e-3 and abs(apart["mtp_loss"] - together["mtp_loss"]) > 1e-3


def test_a_neighbour_changes_nothing(model: Transformer) -> None:
    rows = conversations()
    tokens, learn, segments = packed(rows, 64, 0)
    first = segments == 0
    changed = torch.where(first, tokens, (tokens + 7) % 57 + 3)
    only = learn & first
    a, b = (next_token_loss(model, t, only, 0.5, segments)[1] for t in (tokens, changed))
    assert a == pytest.approx(b, rel=1e-6)


def test_the_balance_loss_is_a_mean_over_rows_and_so_depends_on_what_shares_one(model: Transformer) -> None:
    rows = [row for row in conversations() if any(row.mask[1:])]
    gradients = []
    for packing in (False, True):
        settings = SftSettings(batch_size=len(rows), max_tokens=20, mtp_weight=0.0, packing=packing)
        sft = Sft(Tokenless(), [lambda i: rows[i % len(rows)]], settings, seed=0, longest=64)  # type: ignore[arg-type]
        for balance in (0.0, 1.0):
            model.zero_grad()
            learn(model, sft, balance=balance)
            gradients.append(model.layers[1].mlp.gate.weight.grad.clone())
    terms = gradients[1] - gradients[0], gradients[3] - gradients[2]
    assert terms[0].abs().max() > 1e-5 and not torch.allclose(*terms, rtol=1e-2, atol=1e-7)


def test_rows_are_filled_and_padding_is_a_segment_of_its_own() -> None:
    rows = [Rendered([i] * n, [False] + [True] * (n - 1)) for i, n in ((5, 3), (6, 4), (7, 1), (8, 2))]
    tokens, learn, segments = packed(rows, 5, 0)
    assert tokens.tolist() == [[6, 6, 6, 6, 7], [5, 5, 5, 8, 8]]
    assert segments.tolist() == [[0, 0, 0, 0, 1], [0, 0, 0, 1, 1]]
    assert learn.tolist() == [[False, True, True, True, False], [False, True, True, False, True]]
    assert packed(rows[:1] + rows[3:], 4, 0)[2].tolist() == [[0, 0, 0], [0, 0, -1]]


def test_sft_packs_when_asked_and_learns_the_same_conversations(model: Transformer) -> None:
    rows = [row for row in conversations() if any(row.mask[1:])]
    settings = SftSettings(batch_size=len(rows), max_tokens=16, mtp_weight=0.5, packing=True)
    sft = Sft(Tokenless(), [lambda i: rows[i % len(rows)]], settings, seed=0, longest=64, modules=2)  # type: ignore[arg-type]
    ((batch,),) = sft.updates(0, Share())
    expected = next_token_loss(model, *pad(rows, 0), 0.5)[1]
    found = learn(model, sft)
    accepted = {"mtp_accepted"}
    assert {k: v for k, v in found.items() if k not in accepted} == pytest.approx(
        {k: v for k, v in expected.items() if k not in accepted}, rel=1e-5
    )
    assert batch.tokens.numel() < pad(rows, 0)[0].numel()


class Tokenless:
    """Conversations come rendered; only the padding is asked for."""

    pad_id = 0
