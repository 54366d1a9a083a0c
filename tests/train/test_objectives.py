"""Losses and batches, each against a slow or closed-form twin."""

import random

import pytest
import torch
import torch.nn.functional as F

from firesteel.core.config import ModelSettings, PretrainSettings, SftSettings
from firesteel.core.errors import SourceError
from firesteel.core.shards import TokenShards, write_shards
from firesteel.core.tokenizer import Rendered
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.losses import NextToken, token_logprobs
from firesteel.train.pretrain import Pretrain
from firesteel.train.sft import WINDOW, Sft, pad
from tests.train.alone import complete, learn

SMALL = ModelSettings(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=16, qk_nope_head_dim=8,
    qk_rope_head_dim=8, v_head_dim=16, intermediate_size=48, moe_intermediate_size=16, n_routed_experts=4,
)  # fmt: skip


@pytest.fixture
def model():
    model = Transformer(ModelConfig.from_settings(SMALL, 60))
    model.initialise(torch.Generator().manual_seed(0))
    return model.train()


class Words:
    """A tokenizer stand-in for objectives that only need ids: a conversation is its ids."""

    pad_id, stop_ids = 0, (2,)

    def render(self, messages):
        ids = messages[0]["ids"]
        return Rendered(ids, [False] + [True] * (len(ids) - 1))


def next_token(model, tokens, learn, **weights):
    """The loss and its parts over all rows."""
    loss = NextToken(modules=1, **weights)
    (batch,) = complete([Batch(tokens, learn, loss.counts(learn, None))])
    return loss(model, model(tokens), batch)


def test_next_token_loss_is_the_mean_over_learnt_targets_only(model):
    tokens = torch.randint(3, 60, (2, 9))
    learn = torch.zeros_like(tokens, dtype=torch.bool)
    learn[0, 3:6] = learn[1, 7] = True
    loss, parts = next_token(model, tokens, learn, mtp_weight=0.5)
    logits = model.logits(model(tokens))
    picked = [(0, 3), (0, 4), (0, 5), (1, 7)]
    main = sum(F.cross_entropy(logits[b, t - 1], tokens[b, t]) for b, t in picked) / 4
    further = model.logits(model.predict_further(model(tokens), tokens)[0])
    extra = sum(F.cross_entropy(further[b, t - 2], tokens[b, t]) for b, t in picked) / 4
    torch.testing.assert_close(loss, main + 0.5 * extra)
    torch.testing.assert_close(parts["loss"], main.detach())
    torch.testing.assert_close(parts["mtp_loss"], extra.detach())
    accepted = [further[b, t - 2].argmax() == logits[b, t - 1].argmax() for b, t in picked]
    assert float(parts["mtp_accepted"]) == pytest.approx(sum(map(float, accepted)) / 4)


def test_a_z_loss_is_the_mean_square_of_the_log_partition(model):
    tokens = torch.randint(3, 60, (2, 6))
    everywhere = torch.ones_like(tokens, dtype=torch.bool)
    plain, _ = next_token(model, tokens, everywhere)
    loss, parts = next_token(model, tokens, everywhere, z_weight=0.1)
    z = torch.logsumexp(model.logits(model(tokens))[:, :-1], -1).square().mean()
    torch.testing.assert_close(loss, plain + 0.1 * z)
    torch.testing.assert_close(parts["z_loss"], z.detach())


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_micro_batches_add_up_to_the_whole_batch(tmp_path, model, micro_batch):
    """Whatever masks rows have: the loss is a sum over the step's targets, divided once."""
    rows = [[1, *([9 + i] * (3 + 2 * i))] for i in range(5)]
    settings = SftSettings(batch_size=5, mtp_weight=0.5)
    sft = Sft(Words(), [lambda i: [{"ids": rows[i % 5]}]], settings, seed=0, longest=64, modules=1)
    whole = learn(model, sft, balance=0.1)
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    pieces = learn(model, sft, micro_batch=micro_batch, balance=0.1)
    assert pieces == pytest.approx(whole, rel=1e-5)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, gradients[name], atol=1e-6, rtol=1e-3, msg=name)


def test_losses_are_told_by_source(tmp_path, model):
    from firesteel.core.shards import Entry

    documents = [Entry(list(range(3, 43)), None, i % 2) for i in range(6)]
    write_shards(tmp_path, documents, vocab_size=60, shard_tokens=1000, sources=["laws", "letters"])
    settings = PretrainSettings(sequence_length=30, batch_size=4, mtp_weight=0.0)
    objective = Pretrain(TokenShards(tmp_path), settings, seed=1)
    (batch,) = complete(next(objective.updates(0, Share())))
    found = {name: float(v) for name, v in objective.loss(model, model(batch.tokens), batch)[1].items()}
    logp = F.log_softmax(model.logits(model(batch.tokens)), -1)[:, :-1]
    each = -logp.gather(2, batch.tokens[:, 1:, None])[..., 0]
    for i, name in enumerate(("laws", "letters")):
        own = batch.extra["source"][:, 1:] == i
        assert found[f"loss_by_source/{name}"] == pytest.approx(each[own].mean().item(), rel=1e-4)


def test_token_logprobs_are_those_of_the_tempered_distribution(model):
    tokens = torch.randint(3, 60, (2, 8))
    spoken = torch.zeros_like(tokens, dtype=torch.bool)
    spoken[0, 5:] = spoken[1, 2:4] = True
    logp, _ = token_logprobs(model, model(tokens), tokens, spoken, 0.7)
    full = F.log_softmax(model.logits(model(tokens)) / 0.7, -1)
    expected = [full[b, t - 1, tokens[b, t]] for b, t in [(0, 5), (0, 6), (0, 7), (1, 2), (1, 3)]]
    torch.testing.assert_close(logp, torch.stack(expected))


def test_pretraining_sees_every_window_once_before_any_twice(tmp_path):
    write_shards(tmp_path, [list(range(3, 59)) * 4], vocab_size=60, shard_tokens=1000)
    settings = PretrainSettings(sequence_length=16, batch_size=2)
    objective = Pretrain(TokenShards(tmp_path), settings, seed=1)
    starts = [objective._start(i) for i in range(objective.windows * 2)]
    again = Pretrain(TokenShards(tmp_path), settings, seed=1)
    assert [again._start(i) for i in range(objective.windows * 2)] == starts
    first, second = starts[: objective.windows], starts[objective.windows :]
    assert sorted(first) == sorted(second) == [16 * i for i in range(objective.windows)] and first != second


def test_processes_share_a_step_without_gap_or_overlap_while_the_batch_grows(tmp_path):
    write_shards(tmp_path, [list(range(3, 59)) * 40], vocab_size=60, shard_tokens=1000)
    settings = PretrainSettings(sequence_length=16, batch_size=7, batch_start=2, batch_ramp_steps=5)
    objective = Pretrain(TokenShards(tmp_path), settings, seed=1)
    sizes, seen = [], []
    for step in range(8):
        parts = [next(objective.updates(step, Share(i, 2)))[0].tokens for i in range(2)]
        (whole,) = next(objective.updates(step, Share()))
        assert torch.equal(torch.cat(parts), whole.tokens)
        sizes.append(len(whole))
        seen += whole.tokens[:, 0].tolist()
    assert sizes == [2, 3, 4, 5, 6, 7, 7, 7]
    numbers = [objective.shards.slice(objective._start(i), 1)[0] for i in range(sum(sizes))]
    assert seen == [int(n) for n in numbers]  # no window is left out or seen twice as the batch grows


def test_too_little_text_is_an_error(tmp_path):
    write_shards(tmp_path, [[5, 6, 7]], vocab_size=60, shard_tokens=1000)
    with pytest.raises(SourceError, match="too little text"):
        Pretrain(TokenShards(tmp_path), PretrainSettings(), seed=0)


def test_sft_mixes_streams_evenly_and_loses_no_conversation():
    streams = [lambda i, s=s: [{"ids": [1, s + 10, *([9] * random.Random(i).randint(1, 9))]}] for s in (0, 1)]
    settings = SftSettings(batch_size=4)
    objective = Sft(Words(), streams, settings, seed=0, longest=64)
    batches = objective._window(0)
    rows = [row for batch in batches for row in batch]
    assert len(batches) == WINDOW and all(len(b) == 4 for b in batches)
    assert sum(r.ids[1] == 10 for r in rows) == sum(r.ids[1] == 11 for r in rows) == len(rows) // 2
    assert all(max(len(r.ids) for r in b) - min(len(r.ids) for r in b) <= 4 for b in batches)  # little padding


def test_conversations_that_are_all_too_long_are_an_error():
    settings = SftSettings(batch_size=2, max_tokens=16)
    objective = Sft(Words(), [lambda i: [{"ids": [1] * 20}]], settings, seed=0, longest=64)
    with pytest.raises(SourceError, match="short enough"):
        objective._window(0)


def test_pad_puts_padding_on_the_right_and_teaches_none_of_it():
    tokens, learn = pad([Rendered([5, 6, 7], [False, True, True]), Rendered([8], [False])], 0)
    assert tokens.tolist() == [[5, 6, 7], [8, 0, 0]] and learn.tolist() == [[False, True, True], [False] * 3]


def test_replayed_text_is_learnt_beside_each_batch_in_one_update(tmp_path, model):
    write_shards(tmp_path, [list(range(3, 59)) * 4], vocab_size=60, shard_tokens=1000)
    settings = SftSettings(batch_size=2, replay_weight=0.5, mtp_weight=0.0)
    documents = PretrainSettings(sequence_length=16, batch_size=2, mtp_weight=0.0)
    text = Pretrain(TokenShards(tmp_path), documents, seed=1)
    streams = [lambda i: [{"ids": [1, 7, 8, 2]}]]
    gradients = []
    with_replay, without = (Sft(Words(), streams, settings, seed=0, longest=64, replay=r) for r in (text, None))
    for objective in (with_replay, without, text):
        model.zero_grad()
        metrics = learn(model, objective)
        gradients.append((metrics, model.embed_tokens.weight.grad.clone()))
    (both, total), (own, conversations), (replayed, windows) = gradients
    torch.testing.assert_close(total, conversations + 0.5 * windows)
    assert both == pytest.approx({"loss": own["loss"], "replay_loss": replayed["loss"]})
