"""Duplicates: planted ones are found, others stay, the first stays; rensa agrees with the numpy twin and datasketch."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from firesteel.data.decontaminate import Contamination
from firesteel.data.dedup.duplicates import ExactIndex, Match, NearIndex, jaccard
from firesteel.data.dedup.minhash import (
    PERMUTATIONS,
    Signer,
    band_keys,
    candidate_probability,
    layout,
    signatures,
    signatures_numpy,
)
from firesteel.data.ngrams import key_text, shingles
from tests.data.corpus import chinese, english

SIGNERS = (signatures, signatures_numpy)


def near(texts: list[str], threshold: float = 0.8, sign: Signer = signatures) -> dict[int, Match]:
    """The near-duplicates among texts."""
    index = NearIndex(sign)
    for text in texts:
        index.add(key_text(text))
    return index.duplicates(lambda i: texts[i], threshold)


@cache
def grams(text: str) -> frozenset[str]:
    """The 5-grams of the key text."""
    key = key_text(text)
    return frozenset(key[i : i + 5] for i in range(len(key) - 4))


def true_jaccard(a: str, b: str) -> float:
    """By sets of 5-grams of the key texts."""
    return jaccard(grams(a), grams(b))


def altered(text: str, edits: int, rng: random.Random) -> str:
    """The text with some characters replaced."""
    chars = list(text)
    for i in rng.sample(range(len(chars)), edits):
        chars[i] = rng.choice("甲乙丙丁戊")
    return "".join(chars)


def test_exact_duplicates_ignore_space_punctuation_case_and_script() -> None:
    index = ExactIndex()
    assert index.first(key_text("国家发展，改革。Hello"), "one") is None
    for same in ("國家發展 改革 hello", "国家发展\n改革！HELLO", "国家发展改革 hello"):
        assert index.first(key_text(same), "other") == "one"
    assert index.first(key_text("国家发展改革 hell"), "new") is None


def test_the_key_text_is_letters_and_digits() -> None:
    assert key_text(" 第1條：Ａ_b-C，乾燥！\n") == "第1条ａbc干燥"


@pytest.mark.parametrize("sign", SIGNERS)
@pytest.mark.parametrize("make", [chinese, english])
def test_planted_near_duplicates_are_found_and_the_first_stays(sign: Signer, make: object) -> None:
    rng = random.Random(1)
    originals = [make(i, 15) for i in range(30)]  # type: ignore[operator]
    copies = [altered(text, max(1, len(text) // 150), rng) for text in originals]
    texts = originals + copies
    assert min(true_jaccard(a, b) for a, b in zip(originals, copies, strict=True)) > 0.9
    found = near(texts, sign=sign)
    assert {i: match.kept for i, match in found.items()} == {i + 30: i for i in range(30)}
    for i, match in found.items():
        assert match.similarity == pytest.approx(true_jaccard(texts[i], texts[match.kept]))


def test_recall_against_all_pairs_by_true_jaccard(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(2)
    texts = [chinese(i, 8) for i in range(40)]
    texts += [altered(texts[rng.randrange(40)], rng.randint(1, 12), rng) for _ in range(160)]
    should = {
        i: [j for j in range(i) if true_jaccard(texts[i], texts[j]) >= 0.8] for i in range(len(texts))
    }  # fmt: skip
    expected: set[int] = set()
    for i, twins in should.items():
        expected |= {i} if any(j not in expected for j in twins) else set()
    found = set(near(texts))
    with capsys.disabled():
        print(f"\nnear-duplicates: {len(found & expected)} of {len(expected)} found, {len(found - expected)} false")
    assert found - expected == set() and len(found) >= 0.98 * len(expected)
    assert len(expected) > 60


def test_both_signers_drop_the_same_texts() -> None:
    rng = random.Random(3)
    texts = [chinese(i % 25, 6) if i < 25 else altered(chinese(i % 25, 6), rng.randint(1, 9), rng) for i in range(120)]
    assert near(texts) == near(texts, sign=signatures_numpy)


def test_a_chain_of_small_changes_keeps_what_is_not_near_a_kept_text() -> None:
    rng = random.Random(4)
    chain = [chinese(1, 12)]
    for _ in range(12):
        chain.append(altered(chain[-1], 6, rng))
    found = near(chain)
    kept = [text for i, text in enumerate(chain) if i not in found]
    assert len(kept) > 1
    assert all(true_jaccard(a, b) < 0.8 for i, a in enumerate(kept) for b in kept[:i])


def test_short_and_empty_texts_are_never_near_anything() -> None:
    assert near(["", "好", "好的", "", "好"]) == {}


@pytest.mark.parametrize("sign", SIGNERS)
def test_estimates_are_within_four_standard_deviations(sign: Signer) -> None:
    rng = random.Random(5)
    base = chinese(9, 30)
    texts = [base, *(altered(base, edits, rng) for edits in (5, 20, 60, 120)), chinese(10, 30)]
    signed = sign([shingles(key_text(text)) for text in texts])
    assert signed.shape == (len(texts), PERMUTATIONS) and signed.dtype == np.uint32
    for row, text in zip(signed[1:], texts[1:], strict=True):
        true = true_jaccard(base, text)
        deviation = max(0.01, (true * (1 - true) / PERMUTATIONS) ** 0.5)
        assert abs(float((signed[0] == row).mean()) - true) < 4 * deviation


def test_estimates_agree_with_datasketch() -> None:
    texts = [chinese(9, 20), altered(chinese(9, 20), 20, random.Random(6))]
    ours = signatures([shingles(key_text(text)) for text in texts])
    theirs = [MinHash(num_perm=PERMUTATIONS) for _ in texts]
    for sketch, key in zip(theirs, map(key_text, texts), strict=True):
        sketch.update_batch([key[i : i + 5].encode() for i in range(len(key) - 4)])
    assert float((ours[0] == ours[1]).mean()) == pytest.approx(theirs[0].jaccard(theirs[1]), abs=0.15)


@given(st.floats(0.05, 1.0))
def test_the_bands_find_99_of_100_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = layout(threshold)
    assert bands * rows <= PERMUTATIONS
    assert rows == 1 or candidate_probability(threshold, bands, rows) >= 0.99


def test_band_keys_differ_where_a_row_differs() -> None:
    signed = np.random.default_rng(1).integers(0, 1 << 32, (3, PERMUTATIONS), dtype=np.uint32)
    signed[1] = signed[0]
    signed[1, 7] += 1
    same = band_keys(signed, 21, 6)[0] == band_keys(signed, 21, 6)[1]
    assert same.sum() == 20 and not same[1]  # position 7 is in the second band of six


def test_a_document_with_a_test_question_is_found() -> None:
    question = "小明有12个苹果，小红给了他5个，现在小明一共有多少个苹果？"
    index = Contamination([question, "短"])
    assert index.too_short == 1
    hidden = chinese(1) + "小明有 12 個蘋果 小紅給了他 5 個，現在小明一共有多少個蘋果" + chinese(2)
    assert index.shared(key_text(hidden)) == key_text(question)[:20]
    assert index.shared(key_text(chinese(1))) is None and index.shared("短") is None
    assert Contamination([]).shared(key_text(hidden)) is None
    assert index.shared(key_text(question)[:19]) is None
