"""The reference: the policy as it was; it moves when it is due, and a run that was killed goes on with the same one."""

from __future__ import annotations

import pytest
import torch

from firesteel.core.config import GrpoSettings
from firesteel.core.log import RunLog
from firesteel.model import lora
from firesteel.serve.engine import Engine
from firesteel.train.batch import Share
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.precision import use_precision
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.reference import Reference
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Question, Verdict
from tests.train.objectives import small
from tests.train.rl.scripted import Words, drawn, every_update, objective_of, said_of

STEPS = 6


def test_it_says_what_the_policy_said_whatever_the_policy_becomes():
    model = small()
    groups = drawn(model, [[1, 0, 1]])
    objective = objective_of(model, groups, kl_weight=0.1)
    own = torch.cat([said_of(model, a.question.prompt, a.ids) for a in groups[0]])
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.3)
    weights = {name: p.clone() for name, p in model.named_parameters()}
    ((batch, metrics, gradients),) = every_update(model, objective)
    assert batch.extra["reference"][batch.learn].sum().item() == pytest.approx(own.sum().item(), rel=1e-5)
    assert metrics["kl"] > 0.01 and gradients
    assert all(torch.equal(p, weights[name]) for name, p in model.named_parameters())


def test_beside_adapters_it_is_the_model_without_them_and_costs_as_much_as_they_do():
    model = small()
    groups = drawn(model, [[1, 0, 1]])
    lora.attach(model, lora.LoRA(rank=2))
    reference = Reference(model, 0)
    own = torch.cat([said_of(model, a.question.prompt, a.ids) for a in groups[0]])
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "adapter" in name:
                p.add_(0.3)
    ((batch,),) = objective_of(model, groups).updates(0, Share())
    said = reference.logprobs(batch, temperature=1.0, rows=2)
    assert said[batch.learn].sum().item() == pytest.approx(own.sum().item(), rel=1e-5)
    assert reference.weights and all("adapter" in name for name in reference.weights)


def test_it_follows_the_policy_when_that_is_due_and_not_before():
    model = small()
    reference = Reference(model, 3)
    moved = []
    for step in range(8):
        with torch.no_grad():
            model.norm.weight.fill_(float(step))
        reference.follow(step)
        moved.append(reference.weights["norm.weight"][0].item())
    assert moved == [1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 6.0, 6.0]


def likes_small_ids(ids, stopped):
    return Verdict(len(ids), sum(i < 30 for i in ids) > len(ids) / 2, False)


def run(folder, *, stop_at=None, rank=0, **changes):
    """Six steps, or as many as a kill allows; the weights after them, and the log."""
    settings = GrpoSettings(
        **{
            "prompts": 2, "group_size": 4, "max_new_tokens": 5, "learning_rate": 5e-3, "warmup_steps": 0, "checkpoint_every": 2,
            "max_logprob_gap": 0.5, "minibatches": 2, "overlong": "soft", "overlong_buffer": 2,
            "kl_weight": 0.2, "reference_every": 3, "importance_cap": 2.0, "micro_batch": 3, "lora_rank": rank,
        }
        | changes
    )  # fmt: skip
    model, log = small(), RunLog(folder)
    if rank:
        lora.attach(model, lora.LoRA(rank=rank))
    use_precision(model, settings.precision)
    engine = Engine(model, Words(), max_sequences=32, cache_tokens=2048)

    def questions(start, count):
        if stop_at is not None and start // settings.prompts == stop_at:
            raise KeyboardInterrupt
        return [Question([1, 3 + (start + i) % 30], likes_small_ids) for i in range(count)]

    objective = Grpo(Words(), Rollouts(model, Words(), engine, questions, settings, seed=3), settings)
    try:
        Loop("grpo", folder / "work", "k", settings, STEPS, log).run(Whole(model, micro_batch=3), objective)
    except KeyboardInterrupt:
        pass
    records = list(log.records("grpo"))
    log.close()
    return model.state_dict(), records


@pytest.mark.parametrize(
    ("changes", "stops"),
    [
        ({}, (3, 5)),
        pytest.param({"rank": 2}, (5,), marks=pytest.mark.slow),
        pytest.param({"precision": "bfloat16"}, (3,), marks=pytest.mark.slow),
    ],
    ids=["whole", "lora", "bfloat16"],
)
def test_a_killed_run_goes_on_with_the_same_reference(tmp_path, changes, stops):
    whole, records = run(tmp_path / "whole", **changes)
    for stop in stops:  # checkpoints are at 2 and 4, and the reference moves between them
        run(tmp_path / "killed", stop_at=stop, **changes)
    weights, again = run(tmp_path / "killed", **changes)
    assert all(torch.equal(weights[k], whole[k]) for k in whole)
    for name in ("loss", "policy_loss", "kl", "ratio", "entropy"):
        assert [r.get(name) for r in again] == [r.get(name) for r in records], name
    if changes:
        return
    still, unmoved = run(tmp_path / "still", reference_every=0)
    assert any(not torch.equal(still[k], whole[k]) for k in whole)  # moving it makes a difference
    assert [r["kl"] for r in unmoved[:2]] == [r["kl"] for r in records[:2]] and unmoved[4]["kl"] != records[4]["kl"]
