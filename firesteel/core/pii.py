"""Personal data in Chinese and English text: find it, or replace it by typed placeholders.

Regular expressions propose, checks decide (`pii_rules` numbers of persons and papers, `pii_online` networks, accounts and
secrets); addresses are found by their suffixes (`pii_address`), names by the words around them (`pii_names`). The data
room and the safety guard share this file.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from firesteel.core.pii_address import addresses
from firesteel.core.pii_cues import ALL, NUMBERED, Look, look
from firesteel.core.pii_names import names_in
from firesteel.core.pii_rules import NUMBER, Detector
from firesteel.core.pii_tag import narrow, tag

KINDS: dict[str, tuple[str, str]] = {  # kind -> label in Chinese text, label elsewhere
    "id_card": ("身份证", "ID"), "uscc": ("信用代码", "USCC"), "bank_card": ("银行卡", "CARD"),
    "mobile": ("手机", "PHONE"), "landline": ("电话", "TEL"), "passport": ("护照", "PASSPORT"),
    "permit": ("通行证", "PERMIT"), "plate": ("车牌", "PLATE"), "email": ("邮箱", "EMAIL"), "ip": ("IP", "IP"),
    "wechat": ("微信", "WECHAT"), "qq": ("QQ", "QQ"), "address": ("地址", "ADDRESS"), "name": ("姓名", "NAME"),
    "org_code": ("机构代码", "ORGCODE"), "licence": ("执照", "LICENCE"), "hk_id": ("香港身份证", "HKID"),
    "tw_id": ("台湾身份证", "TWID"), "ssn": ("社保号", "SSN"), "mac": ("MAC", "MAC"), "gps": ("坐标", "GPS"),
    "birth": ("出生日期", "BIRTH"), "record": ("证件号", "RECORD"), "secret": ("密钥", "SECRET"),
}  # fmt: skip
_OF_PERSONS = frozenset({"id_card", "mobile", "bank_card", "hk_id", "tw_id"})  # a name beside one is a name
_PLACEHOLDER = re.compile(r"\[(?:" + "|".join(sorted({x for two in KINDS.values() for x in two})) + r"):[0-9a-f]{4}\]")
_HAN = re.compile("[\u4e00-\u9fff]")
_NEAR = 48  # characters around a long number in which detectors of numbers look
_WIDE_ROUNDS = 4  # passes over the whole text before only the neighbourhood of replacements is read again
_AROUND = 256  # that neighbourhood, in characters to either side; findings in its outer quarter are not trusted


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of personal data: text[start:end] is of `kind`."""

    kind: str
    start: int
    end: int


def find(text: str, *, names: bool = False, known: Iterable[str] = ()) -> list[Finding]:
    """The personal data in `text`, sorted, without overlaps; full-width digits and letters count as ASCII.

    `names` also looks for names of persons, and for the `known` ones wherever they stand. Placeholders that `redact`
    made are not looked into.
    """
    if not text.isascii():
        text = narrow(text)  # one character for one: positions stay
    if "[" in text:
        text = _PLACEHOLDER.sub(lambda m: "\x00" * len(m[0]), text)
    seen = look(text)
    if seen.nothing and not known:
        return []
    taken = _Taken()
    found = [
        Finding(kind, s, e) for kind, s, e in _proposals(text, seen) if "\x00" not in text[s:e] and taken.claim(s, e)
    ]
    if names and (seen.chinese or seen.english or seen.table or known):
        numbers = [(f.start, f.end) for f in found if f.kind in _OF_PERSONS]
        places = names_in(text, numbers, chinese=seen.chinese, english=seen.english, table=seen.table, known=known)
        found += [Finding("name", start, end) for start, end in places if taken.claim(start, end)]
    return sorted(found, key=lambda f: f.start)


class _Taken:
    """Which stretches of a text are claimed; constant time for stretches that are short."""

    def __init__(self) -> None:
        self._cells: dict[int, list[tuple[int, int]]] = {}

    def claim(self, start: int, end: int) -> bool:
        """Take [start, end) unless a part of it is taken."""
        cells = range(start >> 6, (end >> 6) + 1)
        if any(start < e and s < end for cell in cells for s, e in self._cells.get(cell, ())):
            return False
        for cell in cells:
            self._cells.setdefault(cell, []).append((start, end))
        return True


def _proposals(text: str, seen: Look) -> Iterator[tuple[str, int, int]]:
    spans = _number_spans(text, seen.digit) if seen.digit >= 0 else []
    whole = [(0, len(text))]
    for place in sorted(seen.detectors | NUMBERED if spans else seen.detectors):
        detector = ALL[place]
        for low, high in spans if detector.needs is NUMBER else whole:
            yield from _matches(detector, text, low, high)
    if seen.chinese:
        for start, end in addresses(text, seen.digit):
            yield "address", start, end


def _number_spans(text: str, digit: int) -> list[tuple[int, int]]:
    """Where long numbers are, with what is around them, apart from each other."""
    spans: list[tuple[int, int]] = []
    for match in NUMBER.finditer(text, digit):
        low, high = max(0, match.start() - _NEAR), min(len(text), match.end() + _NEAR)
        if spans and low <= spans[-1][1]:
            spans[-1] = spans[-1][0], high
        else:
            spans.append((low, high))
    return spans


def _matches(detector: Detector, text: str, low: int, high: int) -> Iterator[tuple[str, int, int]]:
    group = "v" if "v" in detector.pattern.groupindex else 0
    while match := detector.pattern.search(text, low, high):
        start, end = match.span(group)
        if detector.check(text[start:end], text, start):
            yield detector.kind, start, end
            low = end
        else:
            low = match.start() + 1  # a longer or later number may begin inside


def redact(
    text: str, key: bytes | str, *, names: bool = False, met: set[str] | None = None
) -> tuple[str, dict[str, int]]:
    """The text with placeholders such as `[手机:3fa1]` (`[PHONE:3fa1]` without Chinese), and how many of each kind.

    The tag is 16 bits of a hash of the value under `key` (a secret, see `secret.privacy_key`; a str counts as its UTF-8):
    the same value has the same tag in every spelling, so that a text stays coherent. Repeats until nothing is found,
    since a replacement may uncover more; redacting again changes nothing. With `names`, the names in `met` are replaced
    wherever they stand, and Chinese ones that are found join them: a document's text tells the names in its meta.
    """
    known = frozenset(met or ())
    found = find(text, names=names, known=known)
    if not found:
        return text, {}
    key = hashlib.sha256(key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key).digest()
    counts: Counter[str] = Counter()
    language = 0 if _HAN.search(text) else 1
    rounds = 1
    while found:
        parts, last, where, size = [], 0, [], 0
        for f in found:
            label = f"[{KINDS[f.kind][language]}:{tag(f.kind, text[f.start : f.end], key)}]"
            parts += [text[last : f.start], label]
            size += f.start - last + len(label)
            where.append(size)
            last = f.end
            counts[f.kind] += 1
            if met is not None and f.kind == "name" and _HAN.match(text, f.start):
                met.add("".join(text[f.start : f.end].split()))
        text = "".join(parts) + text[last:]
        rounds += 1
        wide = rounds <= _WIDE_ROUNDS
        found = find(text, names=names, known=known) if wide else _find_near(text, where, names)
    return text, dict(counts)


def _find_near(text: str, where: list[int], names: bool) -> list[Finding]:
    """Findings near the given places alone: what chains of uncovered values cost is their length, not its square."""
    found: list[Finding] = []
    last = 0
    for place in where:
        low, high = max(last, place - _AROUND), min(len(text), place + _AROUND)
        first, beyond = low + _AROUND // 4 * (low > 0), high - _AROUND // 4 * (high < len(text))
        for f in find(text[low:high], names=names):
            start, end = f.start + low, f.end + low
            if first <= start and end <= beyond and start >= last:
                found.append(Finding(f.kind, start, end))
                last = end
    return found
