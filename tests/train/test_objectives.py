"""Losses, batches and the policy gradient, each against a slow or closed-form twin."""

import dataclasses
import random

import pytest
import torch
import torch.nn.functional as F

from firesteel.core.config import GrpoSettings, ModelSettings, PretrainSettings, SftSettings
from firesteel.core.errors import FiresteelError, SourceError
from firesteel.core.shards import TokenShards, write_shards
from firesteel.core.tokenizer import Rendered
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.losses import NextToken, token_logprobs
from firesteel.train.optim import make_optimisers
from firesteel.train.pretrain import Pretrain
from firesteel.train.rl.credit import by_answer, by_step
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Question, Verdict
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
                logp, _ = token_logprobs(self.model, self.model(tokens), tokens, spoken, 1.0)
            out.append(Done(answer, (logp + self.shift).tolist()))
        return out


def _grpo(model, answers, right, shift=0.0, **settings):
    settings = GrpoSettings(prompts=len(right), group_size=2, format_reward=0.0, **settings)
    questions = [
        Question([1, 5 + i], lambda ids, stopped, r=r: Verdict(len(ids), ids == r, True)) for i, r in enumerate(right)
    ]
    rollouts = Rollouts(model, Words(), Script(model, answers, shift), lambda start, count: questions, settings, seed=0)
    return Grpo(Words(), rollouts, settings)


def test_grpo_raises_the_right_answer_and_lowers_the_wrong_one(model):
    right, wrong = [7, 8, 2], [9, 2]
    objective = _grpo(model, [right, wrong], [right])
    optimisers = make_optimisers(model.named_parameters(), GrpoSettings(learning_rate=1e-3))
    before = [sum(d.logprobs) for d in objective.rollouts.sampler.sample([[1, 5], [1, 5]])]
    learn(model, objective)
    for o in optimisers:
        o.step()
    after = [sum(d.logprobs) for d in objective.rollouts.sampler.sample([[1, 5], [1, 5]])]
    assert after[0] > before[0] and after[1] < before[1]


def test_grpo_gradient_is_the_policy_gradient_at_ratio_one(model):
    right, wrong = [7, 8, 2], [9, 2]
    objective = _grpo(model, [right, wrong], [right])
    learn(model, objective)
    got = model.embed_tokens.weight.grad.clone()
    model.zero_grad()
    rows = [torch.tensor([[1, 5, *a]]) for a in (right, wrong)]
    spoken = [torch.tensor([[False] * 2 + [True] * len(a)]) for a in (right, wrong)]
    logp = [token_logprobs(model, model(t), t, m, 1.0)[0].sum() for t, m in zip(rows, spoken, strict=True)]
    (-(0.5 * logp[0] - 0.5 * logp[1]) / 5).backward()  # advantages +-0.5, 5 tokens in all
    torch.testing.assert_close(got, model.embed_tokens.weight.grad, atol=1e-6, rtol=1e-4)


def test_a_group_that_agrees_teaches_nothing(model):
    objective = _grpo(model, [[7, 2], [7, 2]], [[7, 2]])
    ((batch,),) = objective.updates(0, Share())
    assert not len(batch) and batch.facts["accuracy"] == 1.0


def test_a_sampler_that_disagrees_with_the_trainer_stops_the_run(model):
    objective = _grpo(model, [[7, 2], [9, 2]], [[7, 2]], shift=0.3, max_logprob_gap=0.05)
    ((batch,),) = objective.updates(0, Share())
    metrics = batch.facts | learn(model, objective)
    with pytest.raises(FiresteelError, match="disagree"):
        objective.check(metrics)


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
