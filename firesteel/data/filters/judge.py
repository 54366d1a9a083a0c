"""Which documents may stay: rules as data, judged for many texts at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from firesteel.core.data_settings import DataSettings
from firesteel.data.filters.block import Block, blocks
from firesteel.data.filters.language import FEW, asked_for, bare, identify
from firesteel.data.filters.lines import LINE_STATISTICS, trim
from firesteel.data.filters.published import PUBLISHED
from firesteel.data.filters.rules import Rule, family, load_rules
from firesteel.data.filters.statistics import STATISTICS as OWN
from firesteel.data.filters.words import Words
from firesteel.data.han import LATIN

STATISTICS = {**OWN, **PUBLISHED}
BLOCK = 1 << 17  # characters that are judged together


@dataclass
class Judgement:
    """A text's language as a bare code (zh for zh-TW); the text after line rules; the rule that drops it, and the value there.

    The rule is "" where it may stay. `lines` counts the lines that line rules took, by rule.
    """

    language: str
    text: str
    rule: str = ""
    value: float = 0.0
    lines: Counter[str] = field(default_factory=Counter)


class Judge:
    """The rules chosen in a recipe. Cheap to make and to send to other processes; remembers the words it has seen."""

    def __init__(self, rules: Iterable[Rule], *, min_chars: int = 1, languages: Sequence[str] = ()) -> None:
        self.rules, self.min_chars, self.languages = tuple(rules), min_chars, asked_for(languages)
        self._words: dict[str, Words] = {}
        self._stages: dict[str, list[tuple[bool, list[Rule]]]] = {}

    @classmethod
    def of(cls, settings: DataSettings) -> Judge:
        """The judge that [data] asks for; RecipeError for unknown sets, rules, statistics, languages."""
        rules = load_rules(settings, (*STATISTICS, *LINE_STATISTICS))
        return cls(rules, min_chars=settings.min_chars, languages=settings.languages)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_words": {}, "_stages": {}}

    def judge(self, text: str, lang: str = "") -> Judgement:
        """Judge one text; `lang` is believed if it names a language (zh_CN, English).

        Many at once (`judge_many`) are several times faster.
        """
        return self.judge_many([text], [lang])[0]

    def judge_many(self, texts: Sequence[str], langs: Sequence[str] = ()) -> list[Judgement]:
        """Judge texts, in order; `langs` as long as `texts`, "" where unknown, or empty."""
        out: list[Judgement] = []
        for part in blocks(texts, BLOCK):
            out += self._judge(texts[part], langs[part] if langs else [""] * len(texts[part]))
        return out

    def describe(self) -> list[dict[str, Any]]:
        """The rules as rows for reports: set, rule, languages, statistic, low, high, from_chars, source."""
        keys = ("set", "languages", "statistic", "low", "high", "from_chars", "source")
        return [{"rule": rule.name, **{key: getattr(rule, key) for key in keys}} for rule in self.rules]

    def words(self, language: str) -> Words:
        """The words remembered of a language."""
        if language not in self._words:
            self._words[language] = Words(language)
        return self._words[language]

    def _judge(self, texts: Sequence[str], langs: Sequence[str]) -> list[Judgement]:
        texts = [_sound(text) for text in texts]
        for words in self._words.values():
            words.tidy()
        block = Block(texts, "", self.words)
        langs = [bare(lang) for lang in langs]
        out = [Judgement(lang, text) for lang, text in zip(langs, texts, strict=True)]
        asked = bool(self.languages) or not all(langs)
        counts = block.class_counts if asked else np.zeros((len(texts), 8), dtype=np.int64)
        for judgement, text, row in zip(out, texts, counts, strict=True):
            if len(text) < self.min_chars:
                judgement.rule, judgement.value = "min_chars", float(len(text))
                continue
            judgement.language = judgement.language or identify(text, row)
            if self.languages and int(row[LATIN:].sum()) >= FEW and not self._wanted(judgement.language):
                judgement.rule = "language"
        kinds = [family(one.language) if not one.rule else None for one in out]
        for kind in dict.fromkeys(kind for kind in kinds if kind is not None):
            self._apply(kind, [one for one, its in zip(out, kinds, strict=True) if its == kind], block)
        return out

    def _wanted(self, language: str) -> bool:
        return not self.languages or language in self.languages or family(language) in self.languages

    def _apply(self, language: str, judged: list[Judgement], whole: Block) -> None:
        """Every stage in turn, on what is left, in one language. `whole` is used again if it holds the same texts."""
        same = len(judged) == len(whole.texts)
        block = whole.speaking(language) if same else Block([one.text for one in judged], language, self.words)
        for of_lines, rules in self._stages_for(language):
            if of_lines:
                judged, block = self._trim(judged, rules, language)
            elif judged:
                _measure(block, judged, rules)
            if not judged:
                return

    def _stages_for(self, language: str) -> list[tuple[bool, list[Rule]]]:
        """Runs of line rules and of other rules, in the order of the rules."""
        if language not in self._stages:
            mine = [rule for rule in self.rules if rule.judges(language)]
            runs = groupby(mine, key=lambda rule: rule.statistic in LINE_STATISTICS)
            self._stages[language] = [(of_lines, list(rules)) for of_lines, rules in runs]
        return self._stages[language]

    def _trim(self, judged: list[Judgement], rules: list[Rule], language: str) -> tuple[list[Judgement], Block]:
        for one in judged:
            if not one.rule:
                text, one.rule, lines = trim(one.text, rules)
                one.lines += lines
                one.text, one.value = text, float(bool(one.rule))
        left = [one for one in judged if not one.rule]
        return left, Block([one.text for one in left], language, self.words)


def _measure(block: Block, judged: list[Judgement], rules: list[Rule]) -> None:
    """Mark each text with the first rule that it breaks."""
    for rule in rules:
        need = block.alive & (block.chars >= rule.from_chars)
        if rule.from_lines:
            need &= block.over(need, lambda i: len(block.lines(i))) >= rule.from_lines
        if not need.any():
            continue
        values = STATISTICS[rule.statistic](block, rule, need)
        broken = need & ~((values >= rule.low) & (values <= rule.high))
        for i in np.flatnonzero(broken).tolist():
            judged[i].rule, judged[i].value = rule.name, round(float(values[i]), 4)
        block.alive &= ~broken


def _sound(text: str) -> str:
    """The text without lone surrogates, which cannot be written anywhere."""
    if text.isascii():
        return text
    try:
        text.encode("utf-32-le")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
