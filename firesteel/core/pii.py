"""Personal data in Chinese and English text: find it, or replace it by typed placeholders.

Regular expressions propose, checks decide (`pii_rules`); addresses are found by their suffixes (`pii_address`). The
data room and the safety guard share this file.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from firesteel.core.pii_address import addresses
from firesteel.core.pii_rules import DETECTORS

KINDS: dict[str, tuple[str, str]] = {  # kind -> label in Chinese text, label elsewhere
    "id_card": ("身份证", "ID"), "uscc": ("信用代码", "USCC"), "bank_card": ("银行卡", "CARD"),
    "mobile": ("手机", "PHONE"), "landline": ("电话", "TEL"), "passport": ("护照", "PASSPORT"),
    "permit": ("通行证", "PERMIT"), "plate": ("车牌", "PLATE"), "email": ("邮箱", "EMAIL"), "ip": ("IP", "IP"),
    "wechat": ("微信", "WECHAT"), "qq": ("QQ", "QQ"), "address": ("地址", "ADDRESS"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of personal data: text[start:end] is of `kind`."""

    kind: str
    start: int
    end: int


_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ＠]")
_WIDE_TABLE = {c: c - 0xFEE0 for c in (*range(0xFF10, 0xFF1A), *range(0xFF20, 0xFF3B), *range(0xFF41, 0xFF5B))}


def find(text: str) -> list[Finding]:
    """The personal data in `text`, sorted, without overlaps; full-width digits and letters count as ASCII."""
    if _WIDE.search(text):
        text = text.translate(_WIDE_TABLE)  # one character for one: positions stay
    found: list[Finding] = []
    for kind, start, end in _proposals(text):
        if all(end <= f.start or f.end <= start for f in found):
            found.append(Finding(kind, start, end))
    return sorted(found, key=lambda f: f.start)


def _proposals(text: str) -> Iterator[tuple[str, int, int]]:
    lower = text.lower()
    for detector in DETECTORS:
        needs = detector.needs
        if any(word in lower for word in needs) if isinstance(needs, tuple) else needs.search(text):
            for match in detector.pattern.finditer(text):
                start, end = match.span("v" if "v" in detector.pattern.groupindex else 0)
                if detector.check(text[start:end], text, start):
                    yield detector.kind, start, end
    for start, end in addresses(text):
        yield "address", start, end


def redact(text: str, salt: str) -> tuple[str, dict[str, int]]:
    """The text with placeholders such as `[手机:3fa1]` (`[PHONE:3fa1]` without Chinese), and how many of each kind.

    The tag is 16 bits of a salted hash of the value: the same value has the same tag, so that a text stays coherent,
    and a tag tells nothing, for thousands of possible values share it. Repeats until nothing is found, since a
    replacement may uncover more.
    """
    counts: Counter[str] = Counter()
    language = 0 if re.search("[\u4e00-\u9fff]", text) else 1
    for _ in range(8):
        found = find(text)
        if not found:
            break
        parts, last = [], 0
        for f in found:
            parts += [text[last : f.start], f"[{KINDS[f.kind][language]}:{_tag(text[f.start : f.end], salt)}]"]
            last = f.end
            counts[f.kind] += 1
        text = "".join(parts) + text[last:]
    return text, dict(counts)


def _tag(value: str, salt: str) -> str:
    plain = re.sub(r"[\s()（）·•‧-]", "", value.translate(_WIDE_TABLE)).upper()
    plain = re.sub(r"^(?:\+|00)86", "", plain)
    key = hashlib.sha256(salt.encode()).digest()
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), key=key, digest_size=2).hexdigest()
