"""The share of a text that is in one language: words and characters counted, what the question uses left aside."""

from __future__ import annotations

import pytest

from firesteel.tasks.languages import share_of


@pytest.mark.parametrize(
    ("text", "language", "question", "share"),
    [
        ("先加，then 再减", "zh", "", 4 / 5),
        ("first 加 then 减", "en", "", 2 / 4),
        ("3+4=7", "zh", "", 1.0),
        ("5 cm=50 mm，x=3", "zh", "", 1.0),  # units and unknowns are no words
        ("Tom有3个", "zh", "Tom和小红各有几个？", 1.0),  # the question's own words are nobody's
        ("The answer is 苹果.", "en", "Which is Chinese for apple, 苹果 or 桌子?", 1.0),
        ("answer", "", "", 1.0),
        ("答案", "en", "", 0.0),
    ],
)
def test_share(text: str, language: str, question: str, share: float) -> None:
    assert share_of(text, language, question) == pytest.approx(share)
