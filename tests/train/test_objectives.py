"""Losses, batches and the policy gradient, each against a slow or closed-form twin."""

import dataclasses
import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from firesteel.core.config import GrpoSettings, ModelSettings, PretrainSettings, SftSettings
from firesteel.core.errors import FiresteelError, SourceError
from firesteel.core.shards import TokenShards, write_shards
from firesteel.core.tokenizer import Rendered
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.credit import Verdict, by_answer, by_step
from firesteel.train.grpo import Grpo, Question
from firesteel.train.losses import next_token_loss, token_logprobs
from firesteel.train.muon import Muon, orthogonalise
from firesteel.train.optim import learning_rate, make_optimisers
from firesteel.train.pretrain import Pretrain
from firesteel.train.sft import WINDOW, Sft, pad

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


def test_next_token_loss_is_the_mean_over_learnt_targets_only(model):
    tokens = torch.randint(3, 60, (2, 9))
    learn = torch.zeros_like(tokens, dtype=torch.bool)
    learn[0, 3:6] = learn[1, 7] = True
    loss, parts = next_token_loss(model, tokens, learn, 0.5, 0.0)
    logits = model.logits(model(tokens))
    picked = [(0, 3), (0, 4), (0, 5), (1, 7)]
    main = sum(F.cross_entropy(logits[b, t - 1], tokens[b, t]) for b, t in picked) / 4
    further = model.logits(model.predict_further(model(tokens), tokens)[0])
    extra = sum(F.cross_entropy(further[b, t - 2], tokens[b, t]) for b, t in picked) / 4
    torch.testing.assert_close(loss, main + 0.5 * extra)
    assert parts["loss"] == pytest.approx(main.item()) and parts["mtp_loss"] == pytest.approx(extra.item())


def test_token_logprobs_are_those_of_the_tempered_distribution(model):
    tokens = torch.randint(3, 60, (2, 8))
    spoken = torch.zeros_like(tokens, dtype=torch.bool)
    spoken[0, 5:] = spoken[1, 2:4] = True
    logp, _ = token_logprobs(model, tokens, spoken, 0.7)
    full = F.log_softmax(model.logits(model(tokens)) / 0.7, -1)
    expected = [full[b, t - 1, tokens[b, t]] for b, t in [(0, 5), (0, 6), (0, 7), (1, 2), (1, 3)]]
    torch.testing.assert_close(logp, torch.stack(expected))


def test_pretraining_sees_every_window_once_before_any_twice(tmp_path, model):
    write_shards(tmp_path, [list(range(3, 59)) * 4], vocab_size=60, shard_tokens=1000)
    settings = PretrainSettings(sequence_length=16, batch_size=2)
    objective = Pretrain(model, TokenShards(tmp_path), settings, seed=1, aux_weight=0.0)
    firsts = [tuple(objective._window(i)) for i in range(objective.windows * 2)]
    starts = firsts[: objective.windows]
    again = Pretrain(model, TokenShards(tmp_path), settings, seed=1, aux_weight=0.0)
    assert [tuple(again._window(i)) for i in range(objective.windows)] == starts
    order = {e: [int(x) for x in np.random.default_rng([1, e]).permutation(objective.windows)] for e in (0, 1)}
    assert sorted(order[0]) == list(range(objective.windows)) and order[0] != order[1]


def test_too_little_text_is_an_error(tmp_path, model):
    write_shards(tmp_path, [[5, 6, 7]], vocab_size=60, shard_tokens=1000)
    with pytest.raises(SourceError, match="too little text"):
        Pretrain(model, TokenShards(tmp_path), PretrainSettings(), seed=0, aux_weight=0.0)


def test_sft_mixes_streams_evenly_and_loses_no_conversation(model):
    streams = [lambda i, s=s: [{"ids": [1, s + 10, *([9] * random.Random(i).randint(1, 9))]}] for s in (0, 1)]
    settings = SftSettings(batch_size=4)
    objective = Sft(model, Words(), streams, settings, seed=0, aux_weight=0.0)
    batches = objective._window(0)
    rows = [row for batch in batches for row in batch]
    assert len(batches) == WINDOW and all(len(b) == 4 for b in batches)
    assert sum(r.ids[1] == 10 for r in rows) == sum(r.ids[1] == 11 for r in rows) == len(rows) // 2
    assert all(max(len(r.ids) for r in b) - min(len(r.ids) for r in b) <= 4 for b in batches)  # little padding


def test_conversations_that_are_all_too_long_are_an_error(model):
    settings = SftSettings(batch_size=2, max_tokens=16)
    objective = Sft(model, Words(), [lambda i: [{"ids": [1] * 20}]], settings, seed=0, aux_weight=0.0)
    with pytest.raises(SourceError, match="short enough"):
        objective._window(0)


def test_pad_puts_padding_on_the_right_and_teaches_none_of_it():
    tokens, learn = pad([Rendered([5, 6, 7], [False, True, True]), Rendered([8], [False])], 0)
    assert tokens.tolist() == [[5, 6, 7], [8, 0, 0]] and learn.tolist() == [[False, True, True], [False] * 3]


@dataclasses.dataclass
class Done:
    ids: list[int]
    logprobs: list[float]
    finish_reason: str = "stop"


class Script:
    """A sampler that answers what the test wrote down, with the model's own log-probabilities."""

    def __init__(self, model, answers, shift=0.0):
        self.model, self.answers, self.shift = model, answers, shift

    def sample(self, prompts, **_):
        out = []
        for prompt, answer in zip(prompts, self.answers, strict=True):
            tokens = torch.tensor([prompt + answer])
            spoken = torch.tensor([[False] * len(prompt) + [True] * len(answer)])
            with torch.no_grad():
                logp, _ = token_logprobs(self.model, tokens, spoken, 1.0)
            out.append(Done(answer, (logp + self.shift).tolist()))
        return out


def _grpo(model, answers, right, shift=0.0, **settings):
    settings = GrpoSettings(prompts=len(right), group_size=2, format_reward=0.0, **settings)
    questions = [
        Question([1, 5 + i], lambda ids, stopped, r=r: Verdict(len(ids), ids == r, True)) for i, r in enumerate(right)
    ]
    return Grpo(model, Words(), Script(model, answers, shift), lambda start, count: questions, settings, seed=0)


def test_grpo_raises_the_right_answer_and_lowers_the_wrong_one(model):
    right, wrong = [7, 8, 2], [9, 2]
    objective = _grpo(model, [right, wrong], [right])
    optimisers = make_optimisers(model, GrpoSettings(learning_rate=1e-3))
    before = [sum(d.logprobs) for d in objective.sampler.sample([[1, 5], [1, 5]])]
    for piece in objective.pieces(0):
        piece.loss.backward()
    for o in optimisers:
        o.step()
    after = [sum(d.logprobs) for d in objective.sampler.sample([[1, 5], [1, 5]])]
    assert after[0] > before[0] and after[1] < before[1]


def test_grpo_gradient_is_the_policy_gradient_at_ratio_one(model):
    right, wrong = [7, 8, 2], [9, 2]
    objective = _grpo(model, [right, wrong], [right])
    (piece,) = objective.pieces(0)
    piece.loss.backward()
    got = model.embed_tokens.weight.grad.clone()
    model.zero_grad()
    logp = [
        token_logprobs(model, torch.tensor([[1, 5, *a]]), torch.tensor([[False] * 2 + [True] * len(a)]), 1.0)[0].sum()
        for a in (right, wrong)
    ]
    (-(0.5 * logp[0] - 0.5 * logp[1]) / 5).backward()  # advantages +-0.5, 5 tokens in all
    torch.testing.assert_close(got, model.embed_tokens.weight.grad, atol=1e-6, rtol=1e-4)


def test_a_group_that_agrees_teaches_nothing(model):
    objective = _grpo(model, [[7, 2], [7, 2]], [[7, 2]])
    (piece,) = objective.pieces(0)
    assert piece.loss is None and not piece.update and piece.metrics["accuracy"] == 1.0


def test_a_sampler_that_disagrees_with_the_trainer_stops_the_run(model):
    objective = _grpo(model, [[7, 2], [9, 2]], [[7, 2]], shift=0.3, max_logprob_gap=0.05)
    with pytest.raises(FiresteelError, match="disagree"):
        list(objective.pieces(0))


def test_orthogonalise_flattens_the_spectrum_and_keeps_the_vectors():
    x = torch.randn(3, 8, 12, generator=torch.Generator().manual_seed(0))
    y = orthogonalise(x)
    values = torch.linalg.svdvals(y)
    assert float(values.min()) > 0.5 and float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    inner = torch.diagonal(u.mT @ y @ v.mT, dim1=-2, dim2=-1)
    assert float(inner.min()) > 0.5
    torch.testing.assert_close(orthogonalise(x.mT.contiguous()), y.mT, atol=1e-4, rtol=1e-3)


def test_muon_steps_have_the_rms_that_adam_would_have():
    p = torch.nn.Parameter(torch.zeros(2, 64, 32))
    p.grad = torch.randn(2, 64, 32)
    Muon([p], lr=1.0, weight_decay=0.0).step()
    assert float(p.detach().pow(2).mean().sqrt()) == pytest.approx(0.2, rel=0.25)


def test_optimisers_own_every_parameter_once(model):
    groups = [p for o in make_optimisers(model, PretrainSettings()) for g in o.param_groups for p in g["params"]]
    assert len(groups) == len({id(p) for p in groups}) == len(list(model.parameters()))


def test_learning_rate_warms_up_then_falls_to_its_floor():
    s = PretrainSettings(learning_rate=1.0, warmup_steps=4, min_learning_rate=0.1)
    rates = [learning_rate(i, s, 20) for i in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[4] == 1.0
    assert all(a >= b for a, b in zip(rates[4:], rates[5:], strict=False))
    assert learning_rate(20, s, 20) == pytest.approx(0.1) and math.isclose(rates[12], 0.55)


def test_replayed_text_is_learnt_beside_each_batch_in_one_update(tmp_path, model):
    write_shards(tmp_path, [list(range(3, 59)) * 4], vocab_size=60, shard_tokens=1000)
    settings = SftSettings(batch_size=2, replay_weight=0.5, mtp_weight=0.0)
    text = Pretrain(
        model,
        TokenShards(tmp_path),
        PretrainSettings(sequence_length=16, batch_size=2, mtp_weight=0.0),
        seed=1,
        aux_weight=0.0,
    )
    sft = Sft(model, Words(), [lambda i: [{"ids": [1, 7, 8, 2]}]], settings, seed=0, aux_weight=0.0, replay=text)
    replayed, own = sft.pieces(0)
    (alone,) = text.pieces(0)
    torch.testing.assert_close(replayed.loss, 0.5 * alone.loss)
    assert (replayed.update, own.update) == (False, True) and replayed.metrics == {"replay_loss": alone.metrics["loss"]}


def test_credit_by_answer_is_the_reward_minus_the_groups_mean():
    group = [Verdict(2, True, True), Verdict(3, False, True), Verdict(1, False, False), Verdict(1, True, False)]
    advantages = by_answer(group, 0.1)
    assert [len(a) for a in advantages] == [2, 3, 1, 1]
    assert advantages[0] == [pytest.approx(1.1 - 0.55)] * 2 and advantages[1] == [pytest.approx(0.1 - 0.55)] * 3


def test_credit_by_step_blames_the_first_wrong_step_and_nothing_else():
    right = Verdict(6, True, True, ((2, True), (4, True), (6, True)))
    late = Verdict(7, False, True, ((2, True), (4, True), (7, False)))
    early = Verdict(9, False, True, ((3, False),))
    advantages = by_step([right, late, early], 0.1)
    third = pytest.approx(1 / 3)
    assert advantages[0] == [third] * 2 + [0.0] * 2 + [0.5] * 2  # all who came to step 1 got it right
    assert advantages[1] == [third] * 2 + [0.0] * 2 + [-0.5] * 3
    assert advantages[2] == [pytest.approx(-2 / 3)] * 3  # and nothing is said of its other six tokens


def test_credit_by_step_without_steps_is_credit_by_answer():
    group = [Verdict(2, True, True), Verdict(3, False, True)]
    assert by_step(group, 0.1) == by_answer(group, 0.1)
