"""Logistic regression with an L2 penalty on sparse rows, by Newton's method with conjugate gradients; numpy alone.

After trust-region Newton for large-scale logistic regression (Lin, Weng and Keerthi 2008), with a line search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PENALTY = 3e-3  # of the squared weights, against the mean loss; rows are scaled to a mean square of 1
STEPS, SOLVES, ENOUGH = 30, 40, 1e-4  # Newton steps, products in each, and the gradient's fall that is enough


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + e), e / (1 + e)))


@dataclass(frozen=True)
class Rows:
    """Sparse rows: row i has `values` at the columns `which`, from edges[i] to edges[i + 1]."""

    edges: np.ndarray  # int64 [N + 1]
    which: np.ndarray  # int64 [M]
    values: np.ndarray  # float64 [M]
    width: int

    @classmethod
    def of(cls, rows: Sequence[tuple[np.ndarray, np.ndarray]], width: int) -> Rows:
        """From columns and values of each row."""
        edges = np.concatenate([[0], np.cumsum([len(which) for which, _ in rows])])
        parts = [np.concatenate([row[k] for row in rows]) for k in (0, 1)]
        return cls(edges, parts[0].astype(np.int64), parts[1].astype(np.float64), width)

    def chosen(self, mask: np.ndarray) -> Rows:
        """Some of the rows (bool [N])."""
        sizes = np.diff(self.edges)
        inside = np.repeat(mask, sizes)
        return Rows(
            np.concatenate([[0], np.cumsum(sizes[mask])]), self.which[inside], self.values[inside], self.width
        )  # fmt: skip

    def dot(self, weights: np.ndarray) -> np.ndarray:
        """The rows times a column, float64 [N]."""
        sums = np.concatenate([[0.0], np.cumsum(self.values * weights[self.which])])
        return np.asarray(sums[self.edges[1:]] - sums[self.edges[:-1]])

    def back(self, factors: np.ndarray) -> np.ndarray:
        """The sum of the rows, each times its factor, float64 [width]."""
        spread = np.repeat(factors, np.diff(self.edges))
        return np.bincount(self.which, weights=self.values * spread, minlength=self.width)


def fit(rows: Rows, labels: np.ndarray, *, penalty: float = PENALTY) -> tuple[np.ndarray, float]:
    """Weights, float64 [width], and bias, for labels 0 and 1; both sides weigh the same.

    Columns are divided by the root of their mean, so that rare and frequent ones have a like say, and rows by the root
    of their mean square; the weights are given back for the rows as they came.
    """
    scale = 1 / np.sqrt(np.maximum(rows.back(np.full(len(labels), 1 / len(labels))), 1e-6))
    if rows.width == 1:
        scale = np.ones(1)
    scaled = rows.values * scale[rows.which]
    scale = scale / np.sqrt(max(1e-12, float((scaled**2).sum() / len(labels))))
    scaled = Rows(rows.edges, rows.which, rows.values * scale[rows.which], rows.width)
    share = np.where(labels == 1, 0.5 / max(1, (labels == 1).sum()), 0.5 / max(1, (labels == 0).sum()))
    weights, bias = np.zeros(rows.width), 0.0
    first = 0.0
    for _ in range(STEPS):
        odds = sigmoid(scaled.dot(weights) + bias)
        error = share * (odds - labels)
        down = scaled.back(error) + penalty * weights
        size = float(np.sqrt(down @ down + error.sum() ** 2))
        first = first or size
        if size <= ENOUGH * first:
            break
        curve = share * odds * (1 - odds)
        step, shift = _solve(scaled, curve, penalty, -down, -float(error.sum()))
        pace = _pace(scaled, labels, share, penalty, weights, bias, step, shift)
        weights, bias = weights + pace * step, bias + pace * shift
    return weights * scale, bias


def _solve(
    rows: Rows, curve: np.ndarray, penalty: float, goal: np.ndarray, goal_bias: float
) -> tuple[np.ndarray, float]:
    """The Newton step by conjugate gradients, to a tenth of the gradient."""
    x, xb = np.zeros(rows.width), 0.0
    r, rb = goal.copy(), goal_bias
    d, db = r.copy(), rb
    square = float(r @ r + rb * rb)
    enough = 0.01 * square
    for _ in range(SOLVES):
        bent = curve * (rows.dot(d) + db)
        q, qb = rows.back(bent) + penalty * d, float(bent.sum()) + 1e-9 * db
        far = square / max(1e-300, float(d @ q + db * qb))
        x, xb = x + far * d, xb + far * db
        r, rb = r - far * q, rb - far * qb
        new = float(r @ r + rb * rb)
        if new <= enough:
            break
        d, db = r + new / square * d, rb + new / square * db
        square = new
    return x, xb


def _pace(
    rows: Rows, labels: np.ndarray, share: np.ndarray, penalty: float, weights: np.ndarray, bias: float,
    step: np.ndarray, shift: float,
) -> float:  # fmt: skip
    """The largest of 1, 1/2, 1/4, ... at which the loss falls."""
    at, by = rows.dot(weights) + bias, rows.dot(step) + shift
    signs = 1 - 2 * labels

    def loss(pace: float) -> float:
        moved = weights + pace * step
        return float(share @ np.logaddexp(0, signs * (at + pace * by)) + penalty / 2 * (moved @ moved))

    now, pace = loss(0.0), 1.0
    while loss(pace) > now and pace > 1e-4:
        pace /= 2
    return pace
