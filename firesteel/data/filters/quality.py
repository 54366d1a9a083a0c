"""A quality classifier from a user's own good and bad examples: logistic regression over hashed n-grams.

A text is described by how large a share each n-gram has among its n-grams (characters: n = 1, 2, 3; words where most
letters are Latin), so that its length does not count, and a score is a mean of weights. numpy alone, deterministic.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from firesteel.core.errors import ArtefactError, SourceError
from firesteel.data.filters.logistic import Rows, fit, sigmoid
from firesteel.data.han import DIGIT, SPACE, classes_of, codes_of
from firesteel.data.ngrams import words_at

BITS = 18  # 2^18 buckets
HEAD, MIDDLE = 20_000, 5_000  # characters that are looked at: the beginning, and some from the middle of the rest
LEAST, MOST = 20, 20_000  # examples a side
FOLDS = 5
LATIN_ORDER = 4
_FORMAT = 1
_ODD = np.uint64(0xBF58476D1CE4E5B9)
_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class QualityModel:
    """Weights of the buckets, float32 [2^18], and the bias, calibrated: the score is a probability of being good."""

    weights: np.ndarray
    bias: float

    def score(self, text: str) -> float:
        """How likely the text is one of the good ones, 0..1; 0.5 for an empty text."""
        found = buckets(text)
        if not found:
            return 0.5
        value = self.bias + sum(float(self.weights[part].mean(dtype=np.float64)) for part in found)
        return float(sigmoid(np.array(value)))

    def save(self, path: Path) -> None:
        """Write as .npz."""
        with path.open("wb") as f:
            np.savez_compressed(f, format=np.array(_FORMAT), weights=self.weights, bias=np.array(self.bias))

    @classmethod
    def load(cls, path: Path) -> QualityModel:
        """Read what `save` wrote, never unpickling; ArtefactError if it is anything else."""
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > (4 << BITS) + 4096:
                    raise ValueError("it is too large")
            with np.load(path, allow_pickle=False) as stored:
                kind, weights, bias = int(stored["format"]), stored["weights"], float(stored["bias"])
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
            raise ArtefactError("not a quality model", value=path, why=str(error), hint="train it again") from None
        fits = weights.shape == (1 << BITS,) and weights.dtype == np.float32 and kind == _FORMAT
        if not fits or not np.isfinite(weights).all() or not np.isfinite(bias):
            raise ArtefactError("not a quality model", value=path, why="weights of another form", hint="train it again")
        return cls(weights, bias)


def buckets(text: str) -> list[np.ndarray]:
    """The bucket of each n-gram of a text, one array for each kind of n-gram that it has, int64 [N]."""
    if len(text) > HEAD + MIDDLE:
        middle = (len(text) + HEAD - MIDDLE) // 2
        text = text[:HEAD] + "\n" + text[middle : middle + MIDDLE]
    try:
        codes = codes_of(text)
    except UnicodeEncodeError:  # lone surrogates
        codes = codes_of(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    plain = _plain()[codes if int(codes.max(initial=0)) < 0x10000 else np.minimum(codes, 0xFFFF)]
    blank = plain == 32
    if len(plain) > 1 and (double := blank[1:] & blank[:-1]).any():  # white space counts once
        plain = plain[np.concatenate([[True], ~double])]
    found = [_bucket(_runs(plain, n), n) for n in (1, 2, 3) if len(plain) >= n]
    if 2 * np.count_nonzero(plain < 0x250) > len(plain):
        hashes, _, _ = words_at(plain.astype(np.uint32).tobytes().decode("utf-32-le"))
        found += [_bucket(hashes, LATIN_ORDER)] if len(hashes) else []
    return found


@cache
def _plain() -> np.ndarray:
    """Code points in lower case, digits as 0 and white space as a space, uint64 [65536]."""
    codes = np.arange(0x10000)
    classes = classes_of(codes)
    lower = [ord(char.lower()) if len(char.lower()) == 1 else ord(char) for char in map(chr, range(0xD800))]
    codes[: len(lower)] = lower
    codes[0xD800:0xE000] = 0xFFFD
    return np.where(classes == SPACE, 32, np.where(classes == DIGIT, 48, codes)).astype(np.uint64)


def _runs(codes: np.ndarray, n: int) -> np.ndarray:
    keys = codes[: len(codes) - n + 1]
    for i in range(1, n):
        keys = keys * _BASE + codes[i : len(codes) - n + 1 + i]
    return keys


def _bucket(keys: np.ndarray, order: int) -> np.ndarray:
    mixed = (keys + np.uint64(order)) * _BASE
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _ODD
    return (mixed >> np.uint64(64 - BITS)).astype(np.int64)


def describe(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The buckets of a text, int64 [M], each once, and their shares summed over the kinds of n-grams, float64 [M]."""
    found = buckets(text)
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0)
    shares = np.concatenate([np.full(len(part), 1 / len(part)) for part in found])
    which, place = np.unique(np.concatenate(found), return_inverse=True)
    return which, np.bincount(place, weights=shares)


def train_quality(
    good: Sequence[str], bad: Sequence[str], *, seed: int, threshold: float = 0.5
) -> tuple[QualityModel, dict[str, Any]]:
    """A classifier and its cross-validated report: n, AUC with interval, accuracy, precision and recall at `threshold`.

    Both sides weigh the same, however many there are. SourceError with fewer than 20 different examples a side.
    """
    both = set(good) & set(bad)
    sides = [_chosen(side, both, name, seed) for side, name in ((good, "good"), (bad, "bad"))]
    texts = [*sides[0], *sides[1]]
    labels = np.repeat([1.0, 0.0], [len(sides[0]), len(sides[1])])
    rows = Rows.of([describe(text) for text in texts], 1 << BITS)
    folds = _folds(labels, seed)
    unseen = np.zeros(len(texts))
    for k in range(FOLDS):
        weights, bias = fit(rows.chosen(folds != k), labels[folds != k])
        unseen[folds == k] = rows.chosen(folds == k).dot(weights) + bias
    slope, shift = _calibrate(unseen, labels)
    weights, bias = fit(rows, labels)
    model = QualityModel((weights * slope).astype(np.float32), float(bias * slope + shift))
    report = _report(unseen, sigmoid(unseen * slope + shift), labels, threshold)
    lengths = np.array([float(len(text)) for text in texts])
    report |= {"left_out_in_both": len(both), "auc_of_length": round(max(a := auc(lengths, labels)[0], 1 - a), 4)}
    return model, report


def _chosen(texts: Sequence[str], both: set[str], name: str, seed: int) -> list[str]:
    different = [text for text in dict.fromkeys(texts) if text.strip() and text not in both]
    if len(different) < LEAST:
        raise SourceError(
            f"too few {name} examples for the quality classifier", value=len(different),
            why=f"{LEAST} different ones are needed on each side", hint=f"add files to data.quality_{name}",
        )  # fmt: skip
    if len(different) > MOST:
        picked = np.random.default_rng(seed).choice(len(different), MOST, replace=False)
        different = [different[i] for i in sorted(picked.tolist())]
    return different


def _folds(labels: np.ndarray, seed: int) -> np.ndarray:
    """The fold of each example, as many good and bad ones in each as can be, int64 [N]."""
    rng = np.random.default_rng(seed)
    folds = np.zeros(len(labels), dtype=np.int64)
    for side in (0.0, 1.0):
        at = rng.permutation(np.flatnonzero(labels == side))
        folds[at] = np.arange(len(at)) % FOLDS
    return folds


def _calibrate(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Slope and shift that make held-out logits probabilities (Platt 1999), both sides weighing the same."""
    scale = max(1e-9, float(np.abs(logits).mean()))
    rows = Rows(np.arange(len(labels) + 1), np.zeros(len(labels), dtype=np.int64), logits / scale, 1)
    weights, bias = fit(rows, labels, penalty=1.0 / len(labels))
    return max(0.0, float(weights[0])) / scale, float(bias)


def auc(scores: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Area under the ROC curve and its 95 % interval (DeLong et al. 1988; rule of three where nothing is misranked)."""
    good, bad = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    over = (np.searchsorted(bad, good) + np.searchsorted(bad, good, "right")) / (2 * len(bad))
    under = 1 - (np.searchsorted(good, bad) + np.searchsorted(good, bad, "right")) / (2 * len(good))
    area = float(over.mean())
    spread = 1.96 * float(np.sqrt(over.var(ddof=1) / len(good) + under.var(ddof=1) / len(bad)))
    spread = spread or 3 / min(len(good), len(bad))
    return area, max(0.0, area - spread), min(1.0, area + spread)


def _report(logits: np.ndarray, scores: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, Any]:
    area, low, high = auc(logits, labels)
    kept, good = scores >= threshold, labels == 1
    warning = (
        "" if area >= 0.7 else "the examples can hardly be told apart (AUC below 0.7): more, or clearer ones are needed"
    )
    return {
        "n_good": int(good.sum()), "n_bad": int((~good).sum()), "folds": FOLDS,
        "auc": round(area, 4), "auc_low": round(low, 4), "auc_high": round(high, 4),
        "accuracy": round(float(((scores >= 0.5) == good).mean()), 4), "threshold": threshold,
        "precision": round(float(good[kept].mean()), 4) if kept.any() else None,
        "recall": round(float(kept[good].mean()), 4), "warning": warning,
    }  # fmt: skip
