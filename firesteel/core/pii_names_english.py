"""Names in English text: capitalised words after a cue (Mr, Patient:, Signed by, Sincerely)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = r"(?:[A-Z]['’][A-Z][a-z]{1,20}|Mc[A-Z][a-z]{1,20}|[A-Z][a-z]{1,20}(?:-[A-Z][a-z]{1,20})?|[A-Z]\.)"
_NAME = rf"(?P<v>{_WORD}(?: {_WORD}){{0,3}})(?![A-Za-z])"
_FULL = rf"(?P<v>{_WORD}(?: {_WORD}){{1,3}})(?![A-Za-z])"
_CUES = (  # pattern, and words of which a text must hold one for it to be tried
    (
        re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor)\.? {_NAME}"), ("Mr", "Ms", "Miss", "Dr", "Prof"),
    ),
    (
        re.compile(
            r"(?:^|[\n|,;\t\"{(.])[ \"]{0,2}(?:(?:[Ff]ull |[Pp]atient |[Cc]ustomer |[Cc]ontact |[Ee]mployee |[Ss]tudent )?[Nn]ame"
            r"|[Pp]atient|[Aa]pplicant|[Pp]laintiff|[Dd]efendant|[Tt]enant|[Cc]ontact(?: person)?|[Gg]uardian|[Ss]igned(?: by)?)"
            rf"[\"]?(?:\s?[:：]\s{{0,3}}[\"]?|(?<=by) ){_FULL}"
        ), (":", "：", "igned by "),
    ),
    (
        re.compile(rf"(?:[Ss]incerely|[Rr]egards|faithfully|truly),?\s{{1,4}}{_FULL}(?=\s*(?:\n|$))"),
        ("incerely", "egards", "faithfully", "truly"),
    ),
    (re.compile(rf"[Mm]y name is {_NAME}"), ("y name is ",)),
    (re.compile(rf"\bDear {_FULL}(?=[,:])"), ("Dear ",)),
)  # fmt: skip
_NOBODY = frozenset(
    "Sir Madam Team All Customer Customers Friends Colleagues Editor Hiring Support Service Department Committee".split()
)


def english_names(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each name after a cue; worth calling where one of pii_names.txt's English words stands."""
    for pattern, words in _CUES:
        for match in pattern.finditer(text) if any(word in text for word in words) else ():
            if _NOBODY.isdisjoint(match["v"].split()):
                yield match.span("v")
