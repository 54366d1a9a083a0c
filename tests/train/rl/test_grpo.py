"""The objective as a whole: gradients, minibatches, micro-batches, what is left out, what is told, what ends a run."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from firesteel.core.config import GrpoSettings
from firesteel.core.errors import FiresteelError, RecipeError
from firesteel.train.batch import Share
from firesteel.train.losses import token_logprobs
from firesteel.train.optim import make_optimisers
from firesteel.train.rl.sampled import Verdict
from tests.train.alone import learn
from tests.train.objectives import small
from tests.train.rl.scripted import drawn, every_update, objective_of, said_of, scripted

REWARDS = [[1, 0, 0, 1], [0, 0, 1, 0], [1, 1, 0.5, 0]]


@pytest.fixture
def model():
    return small()


def test_grpo_raises_the_right_answer_and_lowers_the_wrong_one(model):
    right, wrong = [7, 8, 2], [9, 2]
    objective = scripted(model, [right, wrong], [right])
    optimisers = make_optimisers(model.named_parameters(), GrpoSettings(learning_rate=1e-3))
    before = [said_of(model, [1, 5], a).sum() for a in (right, wrong)]
    learn(model, objective)
    for o in optimisers:
        o.step()
    after = [said_of(model, [1, 5], a).sum() for a in (right, wrong)]
    assert after[0] > before[0] and after[1] < before[1]


def test_grpo_gradient_is_the_policy_gradient_at_ratio_one(model):
    right, wrong = [7, 8, 2], [9, 2]
    objective = scripted(model, [right, wrong], [right])
    learn(model, objective)
    got = model.embed_tokens.weight.grad.clone()
    model.zero_grad()
    rows = [torch.tensor([[1, 5, *a]]) for a in (right, wrong)]
    spoken = [torch.tensor([[False] * 2 + [True] * len(a)]) for a in (right, wrong)]
    logp = [token_logprobs(model, model(t), t, m, 1.0)[0].sum() for t, m in zip(rows, spoken, strict=True)]
    (-(0.5 * logp[0] - 0.5 * logp[1]) / 5).backward()  # advantages +-0.5, 5 tokens in all
    torch.testing.assert_close(got, model.embed_tokens.weight.grad, atol=1e-6, rtol=1e-4)


def test_a_group_that_agrees_teaches_nothing(model):
    objective = scripted(model, [[7, 2], [7, 2]], [[7, 2]])
    ((batch,),) = objective.updates(0, Share())
    assert not len(batch) and batch.facts["accuracy"] == 1.0 and batch.facts["used"] == 0.0


def test_a_kl_penalty_holds_the_answers_of_a_group_that_agrees(model):
    """DeepSeekMath eq. 3 has the penalty of every answer, whatever its advantage."""
    objective = objective_of(model, drawn(model, [[1, 1], [0, 1]]), kl_weight=0.1)
    ((batch,),) = objective.updates(0, Share())
    assert len(batch) == 4


def test_a_sampler_that_disagrees_with_the_trainer_stops_the_run(model):
    objective = scripted(model, [[7, 2], [9, 2]], [[7, 2]], shift=0.3, max_logprob_gap=0.05)
    ((batch,),) = objective.updates(0, Share())
    metrics = batch.facts | learn(model, objective)
    with pytest.raises(FiresteelError, match="disagree"):
        objective.check(metrics)


VARIANTS = {
    "usual": {},
    "grpo": {"advantage": "deviation", "loss_mean": "answer", "kl_weight": 0.1},
    "dr_grpo": {"loss_mean": "constant", "max_new_tokens": 12},
    "gspo": {"ratio": "answer", "loss_mean": "answer", "clip_low": 0.02, "clip_high": 0.03},
    "v3.2": {
        "kl_weight": 0.1,
        "kl": "unbiased",
        "off_policy_delta": 0.05,
        "loss_mean": "answer",
        "importance_cap": 1.02,
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_micro_batches_change_nothing(model, variant):
    groups = drawn(model, REWARDS, noise=0.3)
    other = small(seed=0)
    with torch.no_grad():  # a policy that has moved, so that ratios are not one
        for p in other.parameters():
            p.add_(0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    results = []
    for rows in (0, 1, 3):
        objective = objective_of(model, groups, micro_batch=rows, **VARIANTS[variant])
        (batches,) = objective.updates(0, Share())
        objective.updates = lambda step, share, batches=batches: iter([batches])
        ((_, metrics, gradients),) = every_update(other, objective, micro_batch=rows)
        results.append((metrics, gradients))
    whole, slopes = results[0]
    assert whole["clipped_low"] + whole["clipped_high"] > 0 and whole["kl"] > 0
    for metrics, gradients in results[1:]:
        assert metrics == pytest.approx(whole, rel=1e-4, abs=1e-7)
        for name, slope in slopes.items():
            torch.testing.assert_close(gradients[name], slope, atol=2e-6, rtol=1e-3, msg=name)


def test_minibatches_share_the_answers_and_are_scored_before_the_first_of_them_is_learnt(model):
    objective = objective_of(model, drawn(model, REWARDS, noise=0.1), minibatches=3, importance_cap=2.0, kl_weight=0.1)
    rows, updates = 0, objective.updates(0, Share())
    for number, (batch,) in enumerate(updates):
        rows += len(batch)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1.1)  # an update
        assert bool(batch.facts) == (number == 0)
        torch.testing.assert_close(
            batch.extra["before"], batch.extra["reference"]
        )  # the policy has not moved for either
    assert rows == 12


def test_the_importance_weight_is_what_the_sampler_computes_otherwise(model):
    groups = drawn(model, [[1, 0]], noise=0.2)
    ((_, metrics, _),) = every_update(model, objective_of(model, groups, importance_cap=1.1))
    assert metrics["ratio"] == pytest.approx(1.0, abs=1e-6)  # the trainer against itself
    own = [torch.tensor(a.logprobs) for a in groups[0]]
    weights = [
        (said_of(model, a.question.prompt, a.ids) - s).exp().clamp(max=1.1) for a, s in zip(groups[0], own, strict=True)
    ]
    assert metrics["importance"] == pytest.approx(torch.cat(weights).mean().item(), rel=1e-5)
    assert metrics["logprob_gap"] > 0.05  # the gap is still the sampler's


def cut(groups, *places):
    """The same groups, some of whose answers did not end."""
    return [
        [dataclasses.replace(a, stopped=(i, j) not in places) for j, a in enumerate(group)]
        for i, group in enumerate(groups)
    ]


def test_answers_that_were_cut_are_left_out_but_count_in_their_groups_mean(model):
    groups = cut(drawn(model, [[1, 0, 0, 0]]), (0, 1), (0, 2))
    ((batch,),) = objective_of(model, groups, overlong="mask").updates(0, Share())
    assert len(batch) == 2 and batch.facts["masked_truncated"] == 0.5
    assert sorted(set(batch.extra["advantage"][batch.learn].tolist())) == [-0.25, 0.75]


def test_answers_that_were_cut_earn_nothing(model):
    groups = cut(drawn(model, [[1, 1, 0, 0]]), (0, 1))
    ((batch,),) = objective_of(model, groups, overlong="zero").updates(0, Share())
    assert len(batch) == 4 and sorted(set(batch.extra["advantage"][batch.learn].tolist())) == [-0.25, 0.75]


def test_strange_and_worse_answers_are_left_out_of_the_policys_term_but_not_of_the_penalty(model):
    groups = drawn(model, [[1, 0, 0, 1]])
    strange = dataclasses.replace(groups[0][1], logprobs=[x + 1.0 for x in groups[0][1].logprobs])
    better = dataclasses.replace(groups[0][3], logprobs=[x + 1.0 for x in groups[0][3].logprobs])
    groups = [[groups[0][0], strange, groups[0][2], better]]
    ((_, metrics, _),) = every_update(model, objective_of(model, groups, off_policy_delta=0.5, loss_mean="answer"))
    assert metrics["masked_off_policy"] == 0.25
    ratio = torch.tensor([1.0, 0.0, 1.0, torch.exp(torch.tensor(-1.0))])  # of the strange one nothing is left
    assert metrics["policy_loss"] == pytest.approx(
        -(ratio * torch.tensor([0.5, -0.5, -0.5, 0.5])).mean().item(), rel=1e-4
    )
    other = small(seed=3)
    objective = objective_of(other, groups, off_policy_delta=0.5, loss_mean="answer", kl_weight=1.0)
    ((_, held, _),) = every_update(model, objective)
    apart = [said_of(other, a.question.prompt, a.ids) - said_of(model, a.question.prompt, a.ids) for a in groups[0]]
    penalty = torch.stack([(d.exp() - d - 1).mean() for d in apart]).mean().item()  # the strange one's as well
    assert held["loss"] - held["policy_loss"] == pytest.approx(penalty, rel=1e-4) and penalty > 0.1
    assert held["kl"] == pytest.approx(torch.cat([d.exp() - d - 1 for d in apart]).mean().item(), rel=1e-4)


def test_what_tools_said_is_not_learnt(model):
    (group,) = drawn(model, [[1, 0]], longest=6)
    ids = [7, 8, 9, 10, 2]
    said = [True, True, False, False, True]
    own = said_of(model, group[0].question.prompt, ids)
    spoken = [x if s else 0.0 for x, s in zip(own.tolist(), said, strict=True)]
    group[0] = dataclasses.replace(group[0], ids=ids, logprobs=spoken, said=said, verdict=Verdict(5, True, True))
    ((batch, metrics, _),) = every_update(model, objective_of(model, [group]))
    row = batch.tokens.tolist().index([*group[0].question.prompt, *ids])
    assert batch.learn[row].tolist() == [False, False, *said] and metrics["logprob_gap"] < 1e-5
    assert batch.counts.tolist() == [3 + len(group[1].ids), 2]


def test_the_log_has_the_loss_and_what_moved(model):
    groups = drawn(model, REWARDS, noise=0.3)
    ((_, metrics, _),) = every_update(model, objective_of(model, groups))
    logp = torch.cat([said_of(model, a.question.prompt, a.ids) for g in groups for a in g])
    own = torch.tensor([x for g in groups for a in g for x in a.logprobs])
    drift = logp - own
    assert metrics["ratio"] == pytest.approx(drift.exp().mean().item(), rel=1e-4)
    assert metrics["logprob_gap"] == pytest.approx(drift.abs().mean().item(), rel=1e-4)
    assert metrics["kl"] == pytest.approx((drift.exp() - 1 - drift).mean().item(), rel=1e-3)  # sampler || trainer
    assert {"loss", "policy_loss", "entropy", "clipped_low", "clipped_high"} <= metrics.keys()
    assert metrics["loss"] == metrics["policy_loss"] and 0 < metrics["clipped_low"] < 1


def test_padding_counts_for_no_expert(model):
    groups = drawn(model, REWARDS)
    every_update(model, objective_of(model, groups))
    chosen = sum(len(a.ids) + len(a.question.prompt) for g in groups for a in g) * model.config.num_experts_per_tok
    layers = [block.mlp for block in model.layers if hasattr(block.mlp, "load")]
    assert layers and all(layer.load.sum() == chosen for layer in layers)


def test_a_steps_metrics_are_means_where_learning_changes_them():
    objective = objective_of(small(), [])
    updates = [
        {"loss": 1.0, "clipped_high": 0.0, "logprob_gap": 0.1, "reward": 0.5},
        {"loss": 2.0, "clipped_high": 0.5, "logprob_gap": 9.0},
    ]
    assert objective.summary(updates) == {"loss": 1.5, "clipped_high": 0.25, "logprob_gap": 0.1, "reward": 0.5}


@pytest.mark.parametrize(
    "wrong", [{"reference_every": 5}, {"overlong": "soft", "overlong_buffer": 99, "max_new_tokens": 50}]
)
def test_settings_that_would_do_nothing_are_refused(wrong):
    from firesteel.core.config import parse_recipe

    with pytest.raises(RecipeError):
        parse_recipe({"name": "r", "grpo": wrong})
