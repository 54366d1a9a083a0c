"""Rules as data: sets are chosen, switched off and added to by name; line rules take lines and count them."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import pytest

from firesteel.core.data_settings import DataSettings
from firesteel.core.errors import RecipeError
from firesteel.data.filters.judge import STATISTICS, Judge
from firesteel.data.filters.lines import LINE_STATISTICS
from firesteel.data.filters.rules import PACKAGED, family, load_rules, parse_rules
from tests.data.corpus import chinese, english

SETS = parse_rules(PACKAGED.read_text(encoding="utf-8"), "packaged")
EVERY = [rule for rules in SETS.values() for rule in rules]
OWN = """
[house]
source = "our own"
languages = ["zh"]
rules = [
  { name = "house.no_drafts", statistic = "holds phrase", of = ["草稿"] },
  { name = "house.no_secrets", statistic = "holds phrase", of = ["绝密"], drops = "document" },
  { name = "house.letters", statistic = "letters", low = 0.7, from_chars = 30 },
]
"""


def own(folder: Path, text: str = OWN) -> str:
    """A rules file."""
    file = folder / "own.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_packaged_rules_have_names_of_their_own_known_statistics_ranges_and_sources() -> None:
    assert set(SETS) == {"firesteel", "gopher-repetition", "gopher-quality", "c4", "fineweb", "fineweb2-cmn"}
    assert len({rule.name for rule in EVERY}) == len(EVERY)
    for rule in EVERY:
        assert rule.source and rule.statistic in {*STATISTICS, *LINE_STATISTICS}
        assert rule.statistic in LINE_STATISTICS or rule.low > 0 or rule.high < float("inf")


def test_published_thresholds() -> None:
    """As the papers and FineWeb-2's cmn_Hani.yml have them."""
    limits = {rule.name: (rule.low, rule.high) for rule in EVERY}
    inf = float("inf")
    assert limits["gopher.words"] == (50, 100_000) and limits["gopher.word_length"] == (3, 10)
    assert [limits[f"gopher.top_{n}_gram"][1] for n in (2, 3, 4)] == [0.20, 0.18, 0.16]
    assert [limits[f"gopher.duplicate_{n}_grams"][1] for n in range(5, 11)] == [0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    assert [limits[f"fineweb2.top_{n}_gram"][1] for n in (2, 3, 4)] == [0.256, 0.201, 0.171]
    assert [limits[f"fineweb2.duplicate_{n}_grams"][1] for n in range(5, 11)] == [
        0.198,
        0.182,
        0.167,
        0.154,
        0.140,
        0.127,
    ]
    assert limits["fineweb.line_ends"] == (0.12, inf) and limits["fineweb.short_lines"] == (0, 0.67)
    assert limits["fineweb.duplicate_line_chars"] == (0, 0.01) and limits["fineweb.newlines"] == (0, 0.3)
    assert limits["fineweb2.word_length"] == (1, 5) and limits["fineweb2.alpha_words"] == (0.735, inf)
    assert limits["c4.sentences"] == (5, inf)


def test_no_rule_sets_let_everything_stay_that_is_long_enough() -> None:
    judge = Judge.of(DataSettings(rules=()))
    assert [one.rule for one in judge.judge_many(["---------------", "短"])] == [
        "",
        "min_chars",
    ] and not judge.describe()


def test_a_single_rule_is_switched_off_by_its_name() -> None:
    dashes = "-" * 300
    assert Judge.of(DataSettings()).judge(dashes).rule == "firesteel.letters"
    assert Judge.of(DataSettings(rules_off=("firesteel.letters",))).judge(dashes).rule == ""


def test_own_rules_come_after_the_chosen_sets(tmp_path: Path) -> None:
    judge = Judge.of(DataSettings(rules_file=own(tmp_path)))
    rows = judge.describe()
    assert [row["set"] for row in rows[-3:]] == ["house"] * 3 and rows[-1] == {
        "set": "house", "rule": "house.letters", "languages": ("zh",), "statistic": "letters", "low": 0.7,
        "high": float("inf"), "from_chars": 30, "source": "our own",
    }  # fmt: skip
    text = chinese(1, 4)
    found = judge.judge(f"{text}\n草稿，勿外传\n{text[:40]}  ")
    assert (found.rule, found.lines) == ("", Counter({"house.no_drafts": 1}))
    assert found.text == f"{text}\n{text[:40]}"
    found = judge.judge(f"{text}\n绝密\n{text}")
    assert (found.rule, found.value, found.text) == ("house.no_secrets", 1.0, f"{text}\n绝密\n{text}")
    assert judge.judge(english(1) + " 草稿").lines == Counter()  # it judges Chinese only


MISTAKES = {
    "unknown set": (DataSettings(rules=("gopher-qualitty",)), "gopher-quality"),
    "unknown rule": (DataSettings(rules_off=("gopher.top_2_grams",)), "gopher.top_2_gram"),
    "a setting as a rule": (DataSettings(rules_off=("min_char",)), "data.min_chars = 1"),
    "a set as a rule": (DataSettings(rules_off=("fineweb",)), "leave it out of data.rules"),
    "a rule without its set": (DataSettings(rules_off=("short_lines",)), "did you mean 'fineweb.short_lines'?"),
    "a rule like none": (DataSettings(rules_off=("zzzzzzzzz",)), "the names stand in filters/rules.toml"),
    "a rule of a set": (DataSettings(rules_off=("fineweb2.top_2_grams",)), "'fineweb2.top_2_gram'"),
    "a set misspelt": (DataSettings(rules=("fineweeb",)), "why: data.rules names sets"),
    "missing file": (DataSettings(rules_file="/nowhere/rules.toml"), "/nowhere/rules.toml"),
}
FILES = {
    "unknown statistic": ('[a]\nrules = [{ name = "a.b", statistic = "leters" }]', "letters"),
    "unknown key": ('[a]\nrules = [{ name = "a.b", statistic = "letters", lo = 1 }]', "low"),
    "key of a set": ("[a]\nrulez = []\nrules = []", "rulez"),
    "no name": ('[a]\nrules = [{ statistic = "letters" }]', "name"),
    "wrong kind": ('[a]\nrules = [{ name = "a.b", statistic = "letters", low = "x" }]', "low"),
    "wrong list": ('[a]\nrules = [{ name = "a.b", statistic = "letters", of = [1] }]', "of"),
    "empty range": ('[a]\nrules = [{ name = "a.b", statistic = "letters", low = 2, high = 1 }]', "low <= high"),
    "name twice": ('[a]\nrules = [{ name = "firesteel.letters", statistic = "letters" }]', "firesteel.letters"),
    "set twice": ("[firesteel]\nrules = []", "firesteel"),
    "not TOML": ("[a", "TOML"),
    "no set": ("a = 1", "rules"),
    "too large": ("#" * (1 << 21), "too large"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_the_recipe_are_named_with_the_nearest_name(name: str) -> None:
    settings, hint = MISTAKES[name]
    with pytest.raises(RecipeError) as error:
        Judge.of(settings)
    assert hint in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("name", FILES)
def test_mistakes_in_a_rules_file_are_named(name: str, tmp_path: Path) -> None:
    text, hint = FILES[name]
    with pytest.raises(RecipeError) as error:
        load_rules(DataSettings(rules_file=own(tmp_path, text)), {*STATISTICS, *LINE_STATISTICS})
    assert hint in str(error.value)


def test_a_judge_travels_and_judges_alike() -> None:
    judge = Judge.of(DataSettings(rules=("gopher-quality", "fineweb2-cmn")))
    texts = [chinese(1, 30), english(2, 30), chinese(3, 2)]
    judged = judge.judge_many(texts)
    again = pickle.loads(pickle.dumps(judge))  # noqa: S301
    assert not again.__dict__["_words"], "the words it remembers stay at home"
    assert again.judge_many(texts) == judged


def test_languages_of_one_family_are_judged_by_its_rules() -> None:
    assert [family(code) for code in ("zh-TW", "yue", "lzh", "ZH", "en-GB", "fr")] == [
        "zh",
        "zh",
        "zh",
        "zh",
        "en",
        "fr",
    ]
    applies = [
        code
        for code in ("zh", "en", "fr")
        if next(r for r in EVERY if r.name == "firesteel.other.top_2_gram").judges(code)
    ]
    assert applies == ["fr"]


C4 = {
    "c4.no_terminal_mark": "This line has no mark at its end",
    "c4.few_words": "Two words.",
    "c4.javascript": "Please switch on JavaScript in your browser.",
    "c4.policy": "Read our Cookie Policy before you go on.",
    "c4.long_word": "a" * 1001 + " is far too long.",
}


@pytest.mark.parametrize("name", C4)
def test_c4_takes_lines_and_counts_them(name: str) -> None:
    prose = "\n".join(english(i, 2) for i in range(5))
    found = Judge.of(DataSettings(rules=("c4",))).judge(f"{prose}\n{C4[name]}", "en")
    assert (found.rule, found.text, found.lines) == ("", prose, Counter({name: 1}))
    found = Judge.of(DataSettings(rules=("c4",), rules_off=(name,))).judge(f"{prose}\n{C4[name]}", "en")
    assert found.text == f"{prose}\n{C4[name]}" and not found.lines


def test_c4_cuts_citations_and_later_sets_see_what_is_left() -> None:
    prose = "\n".join(english(i, 2) for i in range(5))
    judge = Judge.of(DataSettings(rules=("c4", "fineweb")))
    assert judge.judge(prose.replace(".", "[3].", 1), "en").text == prose
    menu = "\n".join(["Home", "About us", "Log in"] * 9)
    assert judge.judge(f"{menu}\n{prose}", "en").rule == ""
    assert Judge.of(DataSettings(rules=("fineweb", "c4"))).judge(f"{menu}\n{prose}", "en").rule.startswith("fineweb.")
