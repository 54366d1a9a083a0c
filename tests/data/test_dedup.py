"""Duplicates: keys that see through form, MinHash against its numpy twin and datasketch, who stays, and cut paragraphs."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.data.dedup import near
from firesteel.data.dedup.exact import LINE, LINE_BYTES, repeats, units_of, without_units
from firesteel.data.dedup.keys import CHARACTERS, WORDS, keys_of, shingles, whole_hashes, words_of
from firesteel.data.dedup.minhash import (
    PERMUTATIONS,
    band_keys,
    candidate_probability,
    layout,
    signatures,
    signatures_numpy,
)
from firesteel.data.flow.same import PAIR, SIMILAR
from firesteel.data.flow.verdicts import EXACT, NEAR, resolve
from tests.data.corpus import chinese, english


def sets(texts: list[str]) -> list[set[int]]:
    """The shingles of each text, one text at a time."""
    return [set(shingles([text])[0].tolist()) for text in texts]


def true_jaccard(a: set[int], b: set[int]) -> float:
    """By definition."""
    return len(a & b) / len(a | b) if a | b else 0.0


def edited(text: str, share: float, seed: int) -> str:
    """The text with a share of its characters replaced."""
    rng = random.Random(seed)
    chars = list(text)
    for i in rng.sample(range(len(chars)), int(share * len(chars))):
        chars[i] = chr(rng.randint(0x4E00, 0x9FA5))
    return "".join(chars)


def keys(texts: list[str]) -> list[list[int]]:
    """The key of each text."""
    return [keys_of([text]).of(0).tolist() for text in texts]


def test_keys_see_through_punctuation_case_width_and_script() -> None:
    one, *others = keys(["國家ＡＢＣ、１２３。", "国家 abc 123", "国家-a-B-c，123！", "国家abc124"])
    assert others[:2] == [one, one] and others[2] != one


@pytest.mark.parametrize(("a", "b"), [
    ("每次服用1.5毫克，每日三次", "每次服用15毫克，每日三次"), ("温度为-15摄氏度", "温度为15摄氏度"), ("x > 5", "x < 5"),
    ("计算得到 12 + 30 = 42", "计算得到 12 - 30 = 42"), ("503 × 8", "5038"), ("86+79", "8679"), ("增长50%", "增长50"),
])  # fmt: skip
def test_numbers_with_other_signs_are_other_texts(a: str, b: str) -> None:
    assert len({tuple(key) for key in keys([a, b])}) == 2
    assert len({tuple(row) for row in whole_hashes([a, b]).tolist()}) == 2


def test_exact_means_all_but_white_space_width_case_and_script() -> None:
    same = ["國家發展 ABC，１２３。", "国家发展abc，123。", "国家\n发展Ａbc ， 123 。"]
    assert len({tuple(row) for row in whole_hashes(same).tolist()}) == 1
    other = ["国家发展abc,123。", "国家发展abc，123", "a=[1,2,3]; b=a[1]", "a=(1,2,3); b=a(1)", "，。！", "，。？", ""]
    assert len({tuple(row) for row in whole_hashes([*same, *other]).tolist()}) == 8


def test_script_is_seen_through_by_phrase_not_by_character() -> None:
    texts = ["這個計畫對學生有很大的幫助，請大家提出意見。", "这个计划对学生有很大的帮助，请大家提出意见。"]
    a, b = whole_hashes(texts).tolist()
    assert a == b and keys_of(texts).of(1).tolist() == keys_of(texts[1:]).codes.tolist()


def test_keys_do_not_depend_on_the_texts_beside_them() -> None:
    texts = [chinese(1), english(2), "", "短", "𠮷野家" * 5, chinese(3)]
    together = keys_of(texts)
    for i, text in enumerate(texts):
        assert together.of(i).tolist() == keys_of([text]).codes.tolist()
    words, ends = words_of(texts)
    alone = [words_of([text])[0].tolist() for text in texts]
    assert [part.tolist() for part in np.split(words, ends[:-1])] == alone
    hashes, ends = shingles(texts)
    assert len(ends) == len(texts) and ends[-1] == len(hashes)
    for i, part in enumerate(np.split(hashes, ends[:-1])):
        assert part.tolist() == shingles([texts[i]])[0].tolist()
    assert whole_hashes(texts).tolist() == [whole_hashes([text])[0].tolist() for text in texts]


def test_a_placeholders_tag_does_not_make_another_text() -> None:
    a, b = (whole_hashes([f"张三的电话是[手机:{tag}]，请联系。"]).tolist() for tag in ("3fa1", "09bc"))
    assert a == b


def test_shingles_are_characters_in_chinese_and_words_in_english() -> None:
    assert len(shingles(["一二三四五六七"])[0]) == 7 - CHARACTERS + 1
    assert len(shingles(["one two, three four-five"])[0]) == 5 - WORDS + 1
    assert len(words_of(["规定Anna has 31 apples"])[0]) == 5  # scripts part words


@pytest.mark.parametrize("signer", [signatures, signatures_numpy])
def test_signatures_estimate_the_true_similarity(signer: near.Signer) -> None:
    base = chinese(7, 40)
    texts = [base, *(edited(base, share, i) for i, share in enumerate((0.01, 0.03, 0.06, 0.15)))]
    signed, truth = signer(*shingles(texts)), sets(texts)
    assert signed.shape == (5, PERMUTATIONS) and signed.dtype == np.uint32
    for i in range(1, 5):
        estimate = float((signed[0] == signed[i]).mean())
        assert abs(estimate - true_jaccard(truth[0], truth[i])) < 0.16  # four standard deviations


def test_datasketch_agrees_on_the_estimate() -> None:
    datasketch = pytest.importorskip("datasketch")
    texts = [chinese(7, 40), edited(chinese(7, 40), 0.03, 1)]
    both = sets(texts)
    theirs = []
    for one in both:
        m = datasketch.MinHash(num_perm=PERMUTATIONS)
        m.update_batch([value.to_bytes(8, "little") for value in one])
        theirs.append(m)
    signed = signatures(*shingles(texts))
    assert abs(theirs[0].jaccard(theirs[1]) - float((signed[0] == signed[1]).mean())) < 0.2


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = layout(threshold)
    assert bands * rows <= PERMUTATIONS and candidate_probability(threshold, bands, rows) >= 0.99


def test_equal_rows_in_different_bands_are_different_keys() -> None:
    keys = band_keys(np.ones((2, PERMUTATIONS), dtype=np.uint32), 16, 8)
    assert len(set(keys[0].tolist())) == 16 and keys[0].tolist() == keys[1].tolist()


def naive_pairs(buckets: list[int]) -> set[tuple[int, int]]:
    """Each member with the first of its bucket and with WINDOW before it."""
    out = set()
    for value in set(buckets):
        members = [i for i, b in enumerate(buckets) if b == value]
        for k, later in enumerate(members):
            out |= {
                (later, earlier)
                for earlier in (*members[:1], *members[max(0, k - near.WINDOW) : k])
                if earlier != later
            }
    return out


@given(st.lists(st.integers(0, 5), max_size=60))
def test_candidate_pairs_are_those_of_the_definition(buckets: list[int]) -> None:
    found = near.pairs(np.array(buckets, dtype=np.uint64), np.arange(len(buckets), dtype=np.uint64))
    assert {tuple(pair) for pair in found.tolist()} == naive_pairs(buckets)
    assert found.tolist() == sorted(map(list, naive_pairs(buckets)))


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_jaccard_of_sorted_sets(a: set[int], b: set[int]) -> None:
    arrays = [np.array(sorted(one), dtype=np.uint64) for one in (a, b)]
    assert near.jaccard(*arrays) == pytest.approx(true_jaccard(a, b))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=40, unique_by=lambda e: e[1]))
def test_of_what_is_the_same_the_first_stays(entries: list[tuple[int, int]]) -> None:
    array = np.array(entries, dtype=[("key", "<u8"), ("place", "<u8")])
    again, first = repeats(array, ("key",), ("place",))
    expected = {
        (place, min(p for k, p in entries if k == key))
        for key, place in entries
        if place != min(p for k, p in entries if k == key)
    }
    assert {(int(array["place"][i]), int(array["place"][j])) for i, j in zip(again, first, strict=True)} == expected


def test_a_text_goes_only_for_a_twin_that_stays() -> None:
    exact = np.array([(5, 1)], dtype=PAIR)
    # a chain 2 ~ 3 ~ 4: 3 goes for 2, so 4 has no twin that stays; 6 resembles only 5, which has gone
    similar = np.array([(3, 2, 0.9), (4, 3, 0.9), (6, 5, 0.95), (8, 2, 0.81), (8, 7, 0.99)], dtype=SIMILAR)
    rows = resolve([exact], [similar[:2], similar[2:]]).tolist()
    assert rows == [(3, NEAR, 2, 0.9), (5, EXACT, 1, 1.0), (8, NEAR, 2, 0.81)]


TEXTS = st.lists(st.sampled_from(["", "甲" * 40, "乙" * 40, "x" * 120, "short", "丙" * 12]), max_size=12).map("\n".join)


@settings(max_examples=200)
@given(TEXTS, st.data())
def test_cutting_takes_exactly_the_numbered_units(text: str, data: st.DataObject) -> None:
    units = units_of(text, True, True)
    chosen = {unit.number for unit in units if data.draw(st.booleans())}
    left = without_units(text, chosen)
    if not chosen:
        assert left == text.strip("\n")
    lines = [n & ~LINE for n in chosen if n & LINE]
    if all(n & LINE for n in chosen):
        expected = [line for i, line in enumerate(text.split("\n")) if i not in lines and line.strip()]
        assert [line for line in left.split("\n") if line.strip()] == expected
    assert len(left) <= len(text)
    for unit in units:
        assert len(text[unit.start : unit.start + unit.chars].strip().encode()) >= LINE_BYTES


def test_paragraphs_are_runs_between_blank_lines_or_single_lines() -> None:
    wrapped = (
        "a line that goes on\n" * 6 + "\n" + "another paragraph that is long enough to be compared with others " * 2
    )
    assert [unit.number for unit in units_of(wrapped, True, False)] == [0, 1]
    flat = "\n".join(chinese(i, 3) for i in range(3))
    assert [unit.number for unit in units_of(flat, True, False)] == [0, 1, 2]
    assert units_of("短\n短", True, True) == []


def test_similarity_reads_each_text_once(tmp_path: Path) -> None:
    read: list[int] = []

    def text_of(place: int) -> str:
        read.append(place)
        return chinese(place // 2)

    similarity = near.Similarity(text_of)
    assert similarity(2, 3) == 1.0 and similarity(2, 4) < 0.5 and similarity(3, 4) < 0.5
    assert read == [2, 3, 4]
