"""How much of a text is in one language: what a reward or a filter for one language measures (DeepSeek-R1 §2.3.2)."""

from __future__ import annotations

import re

WORDS = re.compile(r"[A-Za-z]{3,}")  # shorter ones are units and unknowns: cm, kg, x
HAN = re.compile(r"[\u3400-\u9fff]")


def share_of(text: str, language: str, question: str = "") -> float:
    """The share of the words of `text` that are in `language` ("zh" or "en"); of Chinese each character counts as a word.

    Words that the question uses itself are nobody's, and neither are digits and signs. 1 where nothing is left to judge.
    """
    asked = set(WORDS.findall(question)) | set(HAN.findall(question))
    english = [word for word in WORDS.findall(text) if word not in asked]
    chinese = [sign for sign in HAN.findall(text) if sign not in asked]
    own = {"zh": chinese, "en": english}.get(language)
    both = len(english) + len(chinese)
    return 1.0 if own is None or not both else len(own) / both
