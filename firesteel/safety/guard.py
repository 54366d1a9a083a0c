"""The guard: what may go in to the model, and what may come out of it.

Checked in this order: prompt injection, keywords, personal data. What is stopped is answered by a short refusal in the
language of the text; personal data never stops a text, it is flagged on the way in and replaced on the way out.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from firesteel.core import pii
from firesteel.core.artefact import digest
from firesteel.core.config import SafetySettings
from firesteel.safety.injection import CATEGORY as INJECTION
from firesteel.safety.injection import InjectionPatterns, payloads
from firesteel.safety.keywords import Keywords
from firesteel.safety.text import is_chinese, read

PERSONAL_DATA = "personal-data"
REFUSALS = {  # category -> (Chinese, English); "" for every other category
    "": ("抱歉，这个请求我不能帮忙。", "Sorry, I cannot help with that."),
    "self-harm": (
        "你的感受很重要，你不必独自承受。请现在就联系你信任的人，或拨打当地的心理援助热线（中国大陆：12356）；"
        "若有紧急危险，请立即拨打急救电话。",
        "You matter, and you do not have to face this alone. Please reach out now to someone you trust or to a local "
        "crisis line; if you are in immediate danger, call the emergency number.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What the guard says of a text.

    `text` is what may be passed on: the text itself, the text with personal data replaced, or, when it is not allowed,
    a refusal to show instead. `category` and `reason` are empty when nothing was found.
    """

    allowed: bool
    text: str
    reason: str = ""
    category: str = ""


@dataclass(frozen=True)
class Guard:
    """Checks texts; holds no state between them, so that one guard serves all requests.

    `salt` keys the placeholders of personal data: the same number gives the same placeholder as long as the salt lives.
    """

    keywords: Keywords
    redact_input: bool = False
    salt: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    patterns: InjectionPatterns = field(default_factory=InjectionPatterns, repr=False)

    @classmethod
    def default(cls) -> Guard:
        """The guard with the built-in sample of words alone."""
        return cls(Keywords.load())

    @classmethod
    def from_settings(cls, settings: SafetySettings) -> Guard:
        """The guard that a recipe asks for. Raises SourceError for a bad keyword file."""
        return cls(Keywords.load(settings.keywords), redact_input=settings.redact_input)

    @property
    def id(self) -> str:
        """sha256 of what the guard decides by, but for its code."""
        return digest({"keywords": self.keywords.id, "patterns": self.patterns.id, "redact_input": self.redact_input})

    def check_input(self, text: str) -> Verdict:
        """Judge what a person, a tool or a document says to the model."""
        return self._stopped(text) or self._private(text, redact=self.redact_input)

    def check_output(self, text: str) -> Verdict:
        """Judge what the model is about to say."""
        return self._stopped(text) or self._private(text, redact=True)

    def _stopped(self, text: str) -> Verdict | None:
        for category, reason in self._findings(text):
            chinese, english = REFUSALS.get(category, REFUSALS[""])
            return Verdict(False, chinese if is_chinese(text) else english, reason, category)
        return None

    def _findings(self, text: str) -> Iterator[tuple[str, str]]:
        """(category, reason) of everything that stops a text, also of what it hides in base64 or hexadecimal."""
        for piece, where in ((text, ""), *((p, " (encoded)") for p in payloads(text))):
            reading = read(piece, self.keywords.folding)
            yield from ((INJECTION, f"prompt injection: {a.name}{where}") for a in self.patterns.find(reading))
            for finding in self.keywords.find(reading):
                yield finding.category, f"keywords: {' + '.join(finding.words)}{where}"

    def _private(self, text: str, redact: bool) -> Verdict:
        found = pii.find(text)
        if not found:
            return Verdict(True, text)
        kinds = sorted({f.kind for f in found})
        if redact:
            text, _ = pii.redact(text, self.salt)
        return Verdict(True, text, f"personal data: {', '.join(kinds)}", PERSONAL_DATA)
