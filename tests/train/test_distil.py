"""Distillation on logits: against a closed form, in any split; a student with a teacher against one without."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer as Backend
from tokenizers import models

from firesteel.core.config import DistilSettings
from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train import logprobs
from firesteel.train.batch import Batch, Share
from firesteel.train.distil import Distil, divergence, shared_vocabulary
from firesteel.train.losses import NextToken
from firesteel.train.objective import Metrics, Objective
from tests.train.objectives import go_back, gradients, small, train

SETTINGS: list[dict[str, Any]] = [
    {}, {"temperature": 2.0, "weight": 0.7}, {"reverse": True, "temperature": 0.5}, {"weight": 0.0}, {"weight": 1.0},
]  # fmt: skip


class Rows(Objective):
    """Given rows at every step."""

    def __init__(self, *batches: Batch) -> None:
        self.batches, self.next_token = batches, NextToken()

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        parts = [(b, share.rows(len(b))) for b in self.batches]
        yield [b.part(rows.start, rows.stop) for b, rows in parts]

    def loss(self, head: Transformer, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, Metrics]:
        return self.next_token(head, hidden, replace(batch, totals=batch.counts))


def some_rows(seed: int = 0) -> Batch:
    """Rows of two conversations and padding each, learnt here and there."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, 60, (5, 11), generator=generator)
    learn = torch.rand(5, 11, generator=generator) < 0.6
    segments = (torch.arange(11) >= torch.tensor([3, 4, 5, 6, 7])[:, None]).long()
    return Batch(tokens, learn, torch.tensor([99.0, 3.0], dtype=torch.float64), segments)


def slow_loss(student: Transformer, teacher: Transformer, batch: Batch, s: DistilSettings) -> torch.Tensor:
    """Position by position, over a vocabulary of 60."""
    own, other = (
        student.logits(student(batch.tokens, batch.segments)),
        teacher.logits(teacher(batch.tokens, batch.segments)),
    )
    assert batch.segments is not None
    losses = []
    for b in range(len(batch)):
        for t in range(1, batch.tokens.shape[1]):
            if not batch.learn[b, t] or batch.segments[b, t] != batch.segments[b, t - 1]:
                continue
            q, p = (F.softmax(x[b, t - 1, :60] / s.temperature, dim=-1) for x in (own, other.detach()))
            apart = (q * (q / p).log()).sum() if s.reverse else (p * (p / q).log()).sum()
            hard = -F.softmax(own[b, t - 1], dim=-1)[batch.tokens[b, t]].log()
            losses.append(s.weight * s.temperature**2 * apart + (1 - s.weight) * hard)
    return torch.stack(losses).mean()


@pytest.mark.parametrize("changes", SETTINGS)
@pytest.mark.parametrize(("processes", "pieces", "positions"), [(1, 1, 1000), (1, 2, 4), (3, 1, 1000), (2, 2, 3)])
def test_loss_and_gradients_are_the_closed_form_in_any_split(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], processes: int, pieces: int, positions: int
) -> None:
    """The teacher is wider and its table has rows for padding, as those of real families do."""
    student, teacher = small(), small(1, 64, hidden_size=48)
    settings, rows = DistilSettings(**changes), some_rows()
    loss = slow_loss(student, teacher, rows, settings)
    loss.backward()
    expected = gradients(student)
    monkeypatch.setattr(logprobs, "LOGITS", positions * 60)
    objective = Distil(Rows(rows), teacher, settings, vocabulary=60)
    metrics = go_back(student, objective, processes=processes, pieces=pieces)
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-5)
    found = gradients(student)
    assert found.keys() == expected.keys() and len(found) > 10
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-3)
    assert all(p.grad is None for p in teacher.parameters()) and not teacher.training


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it() -> None:
    model = small()
    objective = Distil(Rows(some_rows()), small(), DistilSettings(weight=1.0, temperature=3.0), vocabulary=60)
    metrics = go_back(model, objective)
    assert metrics["divergence"] == pytest.approx(0, abs=1e-6) and metrics["next_token_loss"] > 3
    assert max(float(g.abs().max()) for g in gradients(model).values()) < 1e-6


@pytest.mark.parametrize("reverse", [False, True])
def test_the_gradient_is_the_difference_quotient(reverse: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    own, other = (torch.randn(3, 7, dtype=torch.float64, generator=generator, requires_grad=g) for g in (True, False))

    def apart(x: torch.Tensor) -> torch.Tensor:
        return divergence(x.log_softmax(-1), other.log_softmax(-1), reverse=reverse)

    assert torch.autograd.gradcheck(apart, (own,)) and bool((apart(own) > 0).all())


def test_temperature_squared_keeps_gradients_of_one_size() -> None:
    """Hinton et al. 2015, eq. 4: at high temperature the gradient is that of matching logits, whatever the temperature."""
    sizes = []
    for temperature in (20.0, 80.0):
        student = small()
        settings = DistilSettings(weight=1.0, temperature=temperature)
        go_back(student, Distil(Rows(some_rows()), small(1), settings, vocabulary=60))
        sizes.append(float(gradients(student)["embed_tokens.weight"].norm()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05) and sizes[0] > 1e-4


def test_replayed_rows_have_the_teachers_loss_too_and_keep_their_weight_and_name() -> None:
    rows = Rows(some_rows(), some_rows(1))
    rows.batches[1].weight, rows.batches[1].name, rows.batches[1].objective = 0.3, "replay_", rows
    objective = Distil(rows, small(1), DistilSettings(), vocabulary=60)
    ((one, two),) = objective.updates(0, Share())
    assert (two.weight, two.name, two.objective) == (0.3, "replay_", None) and len(one.counts) == len(two.counts) == 1
    assert {"divergence", "replay_divergence"} <= go_back(small(), objective).keys()


def vocabulary(*words: str) -> Tokenizer:
    return Tokenizer(Backend(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0])))


def test_another_vocabulary_is_refused_by_name() -> None:
    own = vocabulary("u", "a", "b")
    assert shared_vocabulary(own, vocabulary("u", "a", "b")) == 3
    for other in (vocabulary("u", "b", "a"), vocabulary("u", "a"), vocabulary("u", "a", "b", "c")):
        with pytest.raises(UserError, match=r"(?s)vocabulary is not the student's.*token [123].*sequences"):
            shared_vocabulary(own, other)


class Language(Objective):
    """A language with a grammar and chance in it: a noisy walk whose step the row's first token tells."""

    def __init__(self, rows: int, seed: int, batch: int = 16) -> None:
        rng = random.Random(seed)
        self.rows = torch.tensor([self._row(rng) for _ in range(rows)])
        self.batch, self.next_token = batch, NextToken()

    def _row(self, rng: random.Random) -> list[int]:
        step, at = rng.randint(1, 4), rng.randint(0, 19)
        row = [20 + step]
        for _ in range(11):
            row.append(at)
            at = (at + step + rng.choice((0, 0, 0, 1))) % 20
        return row

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        places = torch.arange(step * self.batch, (step + 1) * self.batch) % len(self.rows)
        tokens = self.rows[places]
        learn = torch.ones_like(tokens, dtype=torch.bool)
        yield [Batch(tokens, learn, self.next_token.counts(learn, None))]

    def loss(self, head: Transformer, hidden: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, Metrics]:
        return self.next_token(head, hidden, batch)


def test_a_student_with_a_teacher_is_better_on_unseen_rows_than_one_without() -> None:
    """Forty-eight rows for the student, which learns them by heart; the teacher, twice as wide, has seen many more."""
    teacher = small(7, 25, hidden_size=64, num_nextn_predict_layers=0)
    train(teacher, Language(4096, 1, batch=24), 60)
    few, unseen = Language(48, 2), Language(256, 3, batch=256)
    ((rows,),) = unseen.updates(0, Share())
    rows.totals = rows.counts

    @torch.no_grad()
    def held_out(model: Transformer) -> float:
        return float(unseen.loss(model, model(rows.tokens), rows)[0])

    found = {"teacher": held_out(teacher)}
    taught = Distil(few, teacher, DistilSettings(weight=0.9), vocabulary=25)
    for name, objective in {"alone": few, "taught": taught}.items():
        student = small(0, 25, num_nextn_predict_layers=0)
        train(student, objective, 50)
        found[name] = held_out(student)
    print(found)
    assert found["teacher"] < found["taught"] < found["alone"] - 0.2
