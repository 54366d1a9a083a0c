"""Test questions are found in whatever form they stand, and told by task; ordinary text is not accused."""

from __future__ import annotations

import pytest

from firesteel.data.decontaminate import Contamination
from tests.data.corpus import chinese, english

ZH = "甲乙两地相距三百六十千米，一列火车从甲地开往乙地，每小时行九十千米，几小时到达？"
EN = (
    "A train leaves the old station at seven in the morning and travels ninety kilometres an hour; when does it arrive?"
)
SHORT_ZH, SHORT_EN = "水的化学式应该怎样书写？", "Who wrote the first printed book?"


def found_in(index: Contamination, text: str) -> tuple[str, str] | None:
    """What is found in a text that stands between others."""
    others = [chinese(901), english(902, 3), ""]
    before, found, *after = index.find([others[0], text, *others[1:]])
    assert before is None and after == [None, None]
    return found


INDEX = Contamination({"trains": [ZH, EN], "facts": [SHORT_ZH, SHORT_EN, "几点？", "48 + 77 = ?"]})


@pytest.mark.parametrize(
    ("question", "task"), [(ZH, "trains"), (EN, "trains"), (SHORT_ZH, "facts"), (SHORT_EN, "facts")]
)
@pytest.mark.parametrize("form", [
    lambda q: q, str.upper, lambda q: q.replace("，", " , ").replace(" ", "  "),
    lambda q: q.replace("两", "兩").replace("车", "車"),
    lambda q: "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in q),
])  # fmt: skip
def test_a_question_is_found_in_any_dress(question: str, task: str, form: object) -> None:
    assert callable(form)
    found = found_in(INDEX, chinese(1) + "\n" + form(question) + "\n" + english(2))
    assert found is not None and found[0] == task


def test_a_stretch_of_a_question_is_enough() -> None:
    assert found_in(INDEX, chinese(1) + ZH[5:30] + chinese(2)) == ("trains", "距三百六十千米一列火车从甲地开往乙地每小")
    words = EN.split()
    assert found_in(INDEX, english(1) + " " + " ".join(words[2:15]) + " " + english(2)) == ("trains", "13 words")
    assert found_in(INDEX, english(1) + " " + " ".join(words[2:14]) + " " + english(2)) is None
    assert found_in(INDEX, chinese(1) + ZH[12:30] + chinese(2)) is None  # 17 letters: ordinary text may share them


def test_a_short_question_must_be_there_as_a_whole() -> None:
    assert found_in(INDEX, SHORT_ZH[:-3]) is None and found_in(INDEX, "Who wrote the first printed letter?") is None


def test_a_question_is_not_found_across_two_texts() -> None:
    assert INDEX.find([ZH[:19], ZH[19:], " ".join(EN.split()[:10]), " ".join(EN.split()[10:])]) == [None] * 4


def test_common_phrases_are_no_accusation() -> None:
    question = Contamination({"law": ["中华人民共和国民法典是什么时候开始施行的？当时的旧法律怎样处理，请说明理由。"]})
    assert found_in(question, "中华人民共和国民法典第一条 为了保护民事主体的合法权益，制定本法。") is None
    assert all(found_in(INDEX, chinese(i, 40)) is None and found_in(INDEX, english(i, 40)) is None for i in range(20))


def test_what_cannot_be_looked_for_is_said() -> None:
    assert INDEX.facts() == {"trains": {"questions": 2, "too_short": 0}, "facts": {"questions": 4, "too_short": 2}}
    assert Contamination({}).find([ZH]) == [None]
