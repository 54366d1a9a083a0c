"""DPO and SimPO: each against a slow closed form a pair, in any split, and learning a rule."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from firesteel.core.config import PreferenceSettings
from firesteel.core.tokenizer import Rendered
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.preference import Preference, pair_batch
from tests.train.objectives import go_back, gradients, said, small, train

Side = tuple[Rendered, Rendered]
SETTINGS: list[dict[str, Any]] = [
    {"method": "dpo", "beta": 0.3},
    {"method": "dpo", "beta": 0.3, "label_smoothing": 0.1, "sft_weight": 0.5},
    {"method": "simpo", "beta": 2.0, "gamma": 0.4},
    {"method": "simpo", "beta": 2.0, "gamma": 0.4, "label_smoothing": 0.2, "sft_weight": 0.3},
]


def some_pairs(count: int, seed: int = 0) -> list[Side]:
    """Random answers of unlike lengths to random prompts."""
    rng = random.Random(seed)

    def ids(n: int) -> list[int]:
        return [rng.randint(3, 59) for _ in range(n)]

    prompts = [ids(rng.randint(1, 6)) for _ in range(count)]
    return [(said(p, ids(rng.randint(1, 7))), said(p, ids(rng.randint(1, 7)))) for p in prompts]


def preference(pairs: list[Side], **changes: Any) -> Preference:
    settings = PreferenceSettings(**({"batch_size": len(pairs)} | changes))
    reference = np.random.default_rng(5).normal(-20, 3, (len(pairs), 2)).astype(np.float32)
    return Preference(pairs, settings, pad_id=0, seed=3, reference=reference if settings.method == "dpo" else None)


def logprob(model: Transformer, side: Rendered) -> torch.Tensor:
    """log pi(y|x), one answer at a time."""
    table = F.log_softmax(model.logits(model(torch.tensor([side.ids])))[0], dim=-1)
    return sum((table[t - 1, side.ids[t]] for t, learnt in enumerate(side.mask) if learnt), torch.zeros(()))


def slow_loss(model: Transformer, objective: Preference) -> tuple[torch.Tensor, dict[str, float]]:
    """The papers' formulas, pair by pair."""
    s, losses, facts = objective.settings, [], []
    for n, (chosen, rejected) in enumerate(objective.pairs):  # type: ignore[arg-type, misc]
        w, lost, y_w, y_l = logprob(model, chosen), logprob(model, rejected), sum(chosen.mask), sum(rejected.mask)
        if s.method == "dpo":
            assert objective.reference is not None
            r_w, r_l = (s.beta * (x - float(objective.reference[n, k])) for k, x in enumerate((w, lost)))
            z = r_w - r_l
        else:
            r_w, r_l = s.beta / y_w * w, s.beta / y_l * lost
            z = r_w - r_l - s.gamma * s.beta
        right, wrong = torch.sigmoid(z), torch.sigmoid(-z)
        nll = -w / y_w
        losses.append(
            -(1 - s.label_smoothing) * torch.log(right) - s.label_smoothing * torch.log(wrong) + s.sft_weight * nll
        )
        facts.append([x.item() for x in (r_w - r_l, r_w > r_l, w / y_w, lost / y_l)])
    loss = torch.stack(losses).mean()
    names = ("margin", "accuracy", "logprob_chosen", "logprob_rejected")
    return loss, {"loss": loss.item()} | dict(zip(names, np.mean(facts, axis=0).tolist(), strict=True))


@pytest.mark.parametrize("changes", SETTINGS)
@pytest.mark.parametrize(("processes", "pieces"), [(1, 1), (1, 3), (2, 1), (3, 2)])
def test_loss_metrics_and_gradients_are_those_of_the_papers_in_any_split(
    changes: dict[str, Any], processes: int, pieces: int
) -> None:
    model, objective = small(), preference(some_pairs(5), **changes)
    loss, facts = slow_loss(model, objective)
    loss.backward()
    expected = gradients(model)
    metrics = go_back(model, objective, processes=processes, pieces=pieces)
    assert metrics == pytest.approx(facts, rel=1e-4, abs=1e-5)
    got = gradients(model)
    assert got.keys() == expected.keys() and len(got) > 10
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, atol=2e-6, rtol=1e-3)


class Head:
    """A head in float64, for finite differences."""

    def __init__(self, width: int, vocabulary: int) -> None:
        self.weight = torch.randn(vocabulary, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        self.config = type("Config", (), {"vocab_size": vocabulary})

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden @ self.weight.T


@pytest.mark.parametrize("changes", SETTINGS)
def test_the_gradient_is_the_difference_quotient(changes: dict[str, Any]) -> None:
    objective = preference(some_pairs(2), **changes)
    ((batch,),) = objective.updates(0, Share())
    batch.totals = batch.counts
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(*batch.tokens.shape, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    head: Any = Head(4, 60)
    assert torch.autograd.gradcheck(lambda h: objective.loss(head, h, batch)[0], (hidden,))


@pytest.mark.parametrize("changes", SETTINGS[1::2])
def test_processes_that_share_a_sequence_learn_each_its_own_targets(changes: dict[str, Any]) -> None:
    """Each has half of the targets and is told the sum of the others' log-probabilities, without their gradients."""
    model, whole = small(), preference(some_pairs(4), **changes)
    metrics, expected = go_back(model, whole), gradients(model)
    ((batch,),) = whole.updates(0, Share())
    odd = torch.arange(batch.tokens.shape[1]) % 2 == 1
    halves = [Batch(**(vars(batch) | {"learn": batch.learn & side, "totals": batch.counts})) for side in (odd, ~odd)]
    with torch.no_grad():  # what an all-reduce would give, in the order in which `loss` asks
        other = [_asked(whole, model, half) for half in halves]
    sums = [a + b for a, b in zip(*other, strict=True)]
    found: dict[str, float] = {}
    for half in halves:
        answers = iter(sums)
        objective = Preference(
            whole.pairs, whole.settings, pad_id=0, seed=3, reference=whole.reference, across=lambda _, a=answers: next(a)
        )  # fmt: skip
        loss, facts = objective.loss(model, model(half.tokens), half)
        loss.backward()
        found = {name: found.get(name, 0.0) + value.item() for name, value in facts.items()}
    assert found == pytest.approx(metrics, rel=1e-4, abs=1e-6)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], atol=2e-6, rtol=1e-3)


def _asked(objective: Preference, model: Transformer, batch: Batch) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []

    def across(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return x

    asker = Preference(
        objective.pairs, objective.settings, pad_id=0, seed=3, reference=objective.reference, across=across
    )
    asker.loss(model, model(batch.tokens), batch)
    return seen


def test_every_pair_is_seen_once_before_any_twice_and_keeps_its_reference() -> None:
    pairs = some_pairs(10)
    objective = preference(pairs, batch_size=4)
    assert objective.reference is not None
    place = {(tuple(c.ids), tuple(r.ids)): n for n, (c, r) in enumerate(pairs)}
    seen = []
    for step in range(5):
        parts = [next(iter(objective.updates(step, Share(i, 3))))[0] for i in range(3)]
        for batch in parts:
            assert batch.group == 2 and batch.lengths is not None and batch.counts.tolist() == [len(batch) / 2]
            for row in range(0, len(batch), 2):
                ids = [batch.tokens[row + k, : int(batch.lengths[row + k])].tolist() for k in (0, 1)]
                seen.append(place[tuple(ids[0]), tuple(ids[1])])
                assert batch.extra["reference"][row : row + 2].tolist() == objective.reference[seen[-1]].tolist()
        assert sum(len(batch) for batch in parts) == 8
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10)) and seen[:10] != seen[10:]


def test_a_process_without_a_pair_has_an_empty_batch() -> None:
    objective = preference(some_pairs(3), batch_size=1)
    ((batch,),) = objective.updates(0, Share(1, 2))
    assert (
        len(batch) == 0
        and batch.tokens.ndim == 2
        and batch.counts.tolist() == [0]
        and len(batch.extra["reference"]) == 0
    )


def test_dpo_starts_at_log_two_where_the_model_is_its_own_reference() -> None:
    model, pairs = small(), some_pairs(4)
    with torch.no_grad():
        reference = np.array([[float(logprob(model, side)) for side in pair] for pair in pairs], dtype=np.float32)
    objective = Preference(pairs, PreferenceSettings(batch_size=4), pad_id=0, seed=0, reference=reference)
    metrics = go_back(model, objective)
    assert metrics["loss"] == pytest.approx(math.log(2), abs=1e-5) and metrics["margin"] == pytest.approx(0, abs=1e-5)


def test_an_answer_shares_its_row_with_nothing_else() -> None:
    batch = pair_batch([(said([5], [6, 7]), said([5], [8]))], 0)
    assert batch.tokens.tolist() == [[5, 6, 7], [5, 8, 0]]
    assert batch.learn.tolist() == [[False, True, True], [False, True, False]]


@pytest.mark.parametrize("method", ["dpo", "simpo"])
def test_a_rule_is_learnt(method: str) -> None:
    """Chosen answers are of even tokens, rejected ones of odd; judged on pairs that were learnt and on others."""
    rng = random.Random(0)

    def pair() -> Side:
        prompt, answers = [rng.randint(3, 59) for _ in range(3)], [rng.sample(range(4 + k, 60, 2), 4) for k in (0, 1)]
        return said(prompt, [*answers[0], 2]), said(prompt, [*answers[1], 2])

    seen, unseen = [pair() for _ in range(64)], [pair() for _ in range(64)]
    model = small()
    with torch.no_grad():
        tables = [
            np.array([[float(logprob(model, y)) for y in p] for p in ps], dtype=np.float32) for ps in (seen, unseen)
        ]
    beta = {"dpo": 0.5, "simpo": 2.0}[method]
    settings = PreferenceSettings(method=method, beta=beta, batch_size=32)
    learnt, held = (
        Preference(ps, settings, pad_id=0, seed=0, reference=table if method == "dpo" else None)
        for ps, table in zip((seen, unseen), tables, strict=True)
    )
    before = [go_back(model, o) for o in (learnt, held)]
    model.zero_grad()
    train(model, learnt, 40)
    after = [go_back(model, o) for o in (learnt, held)]
    print(method, before, after)
    assert after[0]["accuracy"] > 0.98 and after[0]["margin"] > before[0]["margin"] + 1
    assert after[1]["accuracy"] > 0.9 and after[0]["loss"] < before[0]["loss"] / 2
