"""Text that was decoded with the wrong table, read again with the right one.

ftfy knows the Latin family; Chinese it does not know. Here a damaged stretch goes back to its bytes and forward through
another table, up to three times (double damage), and what comes out is accepted only if it is made of frequent
characters where the stretch was not. Each way back is exact: `encode` and `decode` are strict.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import cache

from firesteel.data.clean.signs import frequent, suspect_leads
from firesteel.data.han import COMMON, HAN

Step = Callable[[str], str]

_PUNCTUATION = frozenset("，。、；：？！“”‘’（）《》「」『』【】—…· \n")
_HAN = re.compile(f"[{HAN}]")
# Bytes C2-F4, which begin a character in UTF-8, as the Latin, Greek, Cyrillic, DOS and Mac tables show them, and one
# byte more.
_LATIN_LEAD = re.compile("[\x80-\u052f\u2500-\u257f√≈≠∞∂∏π](?:[\x80-\u2fff]|(?<=Ã) )")

# What Windows shows for bytes 80-FF (the five it leaves open are C1 controls), and the bytes of those characters.
_SHOWN = [bytes([b]).decode("cp1252", errors="ignore") or chr(b) for b in range(0x80, 0x100)]
_BYTE = {c: b for b, c in enumerate(_SHOWN, 0x80)} | {chr(b): b for b in range(0x80, 0xA0)}
_ENCODING = {i: i for i in range(0x80)} | {ord(c): b for c, b in _BYTE.items()}
_PAIR = re.compile(r"[^\x00-\x7f]{2}")  # damaged Chinese has bytes of 80 and above side by side; Café has not
_HIGH = re.escape("".join(sorted(_BYTE)))
_FOUR = re.compile(f"[{_HIGH}]{{4}}")
_ASCII_LETTER = re.compile("[A-Za-z]")
_HIGH_RUN = re.compile(f"[{_HIGH}](?:[{_HIGH}]|[ -~](?=[{_HIGH}])){{2,4000}}")

# UTF-8 of CJK characters and punctuation, byte order marks among them. A byte that the wrong table did not know became
# "?" or U+FFFD, which is taken for "?" too.
_LOST = rb"\?"
_WHOLE_UNIT = rb"[\xe3-\xe9][\x80-\xbf]{2}|\xe2[\x80-\x9f][\x80-\xbf]|\xef(?:[\xbc\xbd][\x80-\xbf]|\xbb\xbf)"
_CUT_UNIT = (
    rb"[\xe2-\xe9\xef](?:[\x80-\xbf]" + _LOST + rb"|" + _LOST + rb"(?:[\x80-\xbf]|" + _LOST + rb")|[\x80-\xbf]$)"
)
_UNIT = re.compile(rb"(" + _WHOLE_UNIT + rb"|[ -~]+)|(" + _CUT_UNIT + rb")")
_UTF8 = re.compile(
    rb"(?:" + _WHOLE_UNIT + rb"|" + _CUT_UNIT + rb")(?:" + _WHOLE_UNIT + rb"|" + _CUT_UNIT + rb"|[ -~]){0,400}"
)
_NO_80 = re.compile(rb"([\xe2\xe3])" + _LOST + rb"([\x80-\xbf])")  # 80 is the byte that GBK lacks: E3 80 82 is 。
_QUOTE = re.compile(rb"\xe2\x80[\x90-\xa6]|\xef\xbb\xbf")  # a quotation mark or BOM is worth a repair by itself
_LATIN_UNIT = re.compile(_WHOLE_UNIT + rb"|[ -~]")
FEW_HOLES = 0.04  # share of bytes: with more missing, what is left makes no sentences
TRIES = 20  # units: bounds the work on text that is made to look damaged
MIN_GAIN, MIN_SHARE, LOW_SHARE = 0.25, 0.5, 0.3  # measured: right tables score 0.6-0.95, wrong ones below 0.3


@cache
def _suspect() -> re.Pattern[str]:
    return re.compile(f"[{''.join(sorted(suspect_leads()))}]")


@cache
def _odd() -> re.Pattern[str]:
    """A character that clean modern Chinese has few of: a line without any is not looked at."""
    rare = "".join(chr(c) for c in range(0x4E00, 0xA000) if chr(c) not in frequent())
    return re.compile(f"[\x80-\u052f\u2500-\u257f√≈≠∞∂∏π\ue000-\uf8ff{rare}{''.join(sorted(suspect_leads()))}]")


def plausible(text: str) -> float:
    """How much like ordinary Chinese the non-ASCII characters are, 0 to 1: common 1, frequent 0.7, punctuation 0.5."""
    foreign = [c for c in text if c > "\x7f"]
    levels = frequent()
    total = sum(1.0 if c in COMMON else 0.7 if c in levels else 0.5 if c in _PUNCTUATION else 0.0 for c in foreign)
    return total / len(foreign) if foreign else 0.0


def repair(text: str) -> tuple[str, int]:
    """The text with every repairable line repaired, and how many lines were."""
    lines, changed = text.split("\n"), 0
    latin, odd = _LATIN_LEAD.search(text) is not None and _is_bad(text), _odd()
    for i, line in enumerate(lines):
        if not odd.search(line):
            continue
        better = _chinese(line)
        if better == line and latin and not _HAN.search(line):
            better = _from_latin(line)
        if better != line:
            lines[i] = better
            changed += 1
    return "\n".join(lines), changed


def _chinese(line: str) -> str:
    """One line: as a whole, then its Latin stretches, then its stretches of UTF-8 read as GBK."""
    if not _PAIR.search(line):
        return line
    whole = _whole(line)
    if whole is not None:
        return whole
    line = _HIGH_RUN.sub(_stretch, line)
    return _parts(line) if _suspect().search(line) else line


def _whole(line: str) -> str | None:
    score = plausible(line)
    if score >= LOW_SHARE + 0.2 or len(line) < 2 or _mostly_ascii(line):
        return None
    return _best(line, score, WAYS if _HAN.search(line) else LATIN_WAYS)  # what was read as GBK or Big5 shows Han


def _mostly_ascii(line: str) -> bool:
    """Whether a line has more ASCII letters than others: English with a name or a dash in it, not damaged Chinese."""
    return len(_ASCII_LETTER.findall(line)) > sum(c > "\x7f" for c in line)


def _best(text: str, score: float, ways: tuple[Step, ...], depth: int = 3) -> str | None:
    """The first outcome that is plausible Chinese, by the shortest chain of ways; None if there is none."""
    layer = [text]
    for _ in range(depth):
        found = []
        for candidate in layer:
            for way in ways:
                try:
                    new = way(candidate)
                except (UnicodeError, KeyError):
                    continue
                if new != candidate and plausible(new) >= max(MIN_SHARE, score + MIN_GAIN) and _common(new):
                    return new
                found.append(new)
        layer = found
    return None


def _common(text: str) -> bool:
    """Whether there are two Han characters or more, and a quarter of them is of the most common."""
    han = _HAN.findall(text)
    return 4 * sum(c in COMMON for c in han) >= len(han) >= 2


def _utf8_as_gbk(text: str) -> str:
    return text.encode("gb18030").decode("utf-8")


def _utf8_as_big5(text: str) -> str:
    return text.encode("cp950").decode("utf-8")


def _big5_as_gbk(text: str) -> str:
    if re.search("[のはをで]", text) and not re.search("[\ue000-\uf8ff]", text):
        raise UnicodeError("Japanese")  # its kana are the bytes of simple Big5 characters
    return text.encode("gb18030").decode("cp950")


def _gbk_as_big5(text: str) -> str:
    return text.encode("cp950").decode("gbk")


def _bytes(text: str) -> bytes:
    return codecs.charmap_encode(text, "strict", _ENCODING)[0]


def _utf8_as_latin(text: str) -> str:
    raw = re.sub(rb"(?<=[\xe4-\xe9]) (?=[\x80-\xbf])|(?<=[\xe4-\xe9][\x80-\xbf]) ", b"\xa0", _bytes(text))
    return raw.decode("utf-8")


def _gbk_as_latin(text: str) -> str:
    return _bytes(text).decode("gbk")


def _big5_as_latin(text: str) -> str:
    return _bytes(text).decode("cp950")


LATIN_WAYS: tuple[Step, ...] = (_utf8_as_latin, _gbk_as_latin, _big5_as_latin)
WAYS: tuple[Step, ...] = (_utf8_as_gbk, *LATIN_WAYS, _utf8_as_big5, _gbk_as_big5, _big5_as_gbk)


def _stretch(match: re.Match[str]) -> str:
    run = match.group()
    letters = [ord(c) for c in run]
    if all(b - a == 1 for a, b in zip(letters, letters[1:], strict=False)):
        return run  # a table of letters
    ways = LATIN_WAYS if _FOUR.search(run) else LATIN_WAYS[:1]  # two bytes a character prove little when they are few
    return _best(run, 0.0, ways, depth=2) or _with_holes(run)


def _with_holes(run: str) -> str:
    """UTF-8 shown as Latin, less the bytes that Windows-1252 leaves open: read if few are lost, else marked as lost."""
    units = _LATIN_UNIT.findall(_bytes(run))
    text = b"".join(units).decode("utf-8")
    left_out = 1 - len(text.encode("utf-8")) / len(_bytes(run))
    if left_out > 0.25 or len(_HAN.findall(text)) < 4 or not _common(text) or plausible(text) < 0.75:
        return run
    return text if left_out < FEW_HOLES else "\ufffd\ufffd"


def _parts(line: str) -> str:
    """The line with its stretches of UTF-8 read as GBK repaired; what is left of a cut character goes."""
    pieces = [b"?" if c == "\ufffd" or "\ud800" <= c <= "\udfff" else c.encode("gb18030") for c in line]
    raw, starts = b"".join(pieces), [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    index = {start: i for i, start in enumerate(starts)}
    suspects, out, i = suspect_leads(), [], 0
    while i < len(line):
        done = _part(line, raw, starts, i, index) if line[i] in suspects else None
        if done is None:
            out.append(line[i])
            i += 1
        else:
            out.append(done[0])
            i = done[1]
    return "".join(out)


def _part(line: str, raw: bytes, starts: list[int], i: int, index: dict[int, int]) -> tuple[str, int] | None:
    """(repaired text, index of the next character) for a stretch that begins at character `i`, or None."""
    match = _UTF8.match(raw, starts[i])
    if match is None:
        return None
    ends = [starts[i] + unit.end() for unit in _UNIT.finditer(match.group())]
    end = max((e for e in ends if e in index), default=0)  # not in the middle of a character of the text
    if not end:
        return None
    stretch = raw[starts[i] : end]
    text = _forward(stretch)
    if _QUOTE.match(stretch):
        return text, index[end]
    score = plausible(line[i : index[end]])
    good = _common(text) and plausible(text) >= max(0.6, score + MIN_GAIN)
    if good:
        return text, index[end]
    return (line[i : index[end]], index[end]) if len(ends) > TRIES else None  # a long refusal is not tried again inside


def _forward(stretch: bytes) -> str:
    """UTF-8 with lost bytes as text: what is whole, and what can be only one thing."""
    stretch = _NO_80.sub(lambda m: m[1] + b"\x80" + m[2], stretch)
    return "".join(m.group(1).decode("utf-8") for m in _UNIT.finditer(stretch) if m.group(1))


def _is_bad(text: str) -> bool:
    """ftfy's own test for text in the wrong Latin-family encoding; C1 controls are the surest sign."""
    from ftfy.badness import is_bad

    return bool(is_bad(text))


def _from_latin(line: str) -> str:
    from ftfy import fix_encoding

    return str(fix_encoding(line))
