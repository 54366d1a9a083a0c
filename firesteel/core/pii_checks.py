"""The checksums and calendars behind personal numbers, each named after its standard."""

from __future__ import annotations

import datetime

# Two-digit province codes of GB/T 2260.
PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split()
)
# Third and fourth digit: cities and historic prefectures 01-39, Xinjiang's 40-54, county-level places 90; the regions
# across the border have no cities.
_CITIES = frozenset([*range(1, 40), *range(40, 55), 90])
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_TAIWAN = "ABCDEFGHJKLMNPQRSTUVXYWZIO"  # a letter's place is its number less ten


def region(six: str) -> bool:
    """Whether six digits can be a region of GB/T 2260, today's or a former one."""
    return six[:2] in PROVINCES and (int(six[2:4]) in _CITIES or six[:2] in ("71", "81", "82", "83"))


def calendar(year: str, month: str, day: str) -> bool:
    """Whether there was such a day since 1880."""
    try:
        return datetime.date(int(year), int(month), int(day)).year >= 1880
    except ValueError:
        return False


def id_checksum(seventeen: str) -> str:
    """The last character of a resident ID with these 17 digits (GB 11643, ISO 7064 MOD 11-2)."""
    return "10X98765432"[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, seventeen, strict=True)) % 11]


def id_like(value: str) -> bool:
    """18 characters with a region and a possible birth date: an ID, or a mistyped one."""
    return region(value[:6]) and calendar(value[6:10], value[10:12], value[12:14])


def luhn(number: str) -> bool:
    """Whether a string of digits passes the Luhn check (ISO/IEC 7812-1)."""
    doubled = [int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(number))]
    return sum(doubled) % 10 == 0


def uscc_checksum(seventeen: str) -> str:
    """The last character of a unified social credit code with these 17 characters (GB 32100, MOD 31)."""
    return _USCC[-sum(_USCC.index(c) * pow(3, i, 31) for i, c in enumerate(seventeen)) % 31]


def hong_kong(value: str) -> bool:
    """Whether `A1234563` or `AB1234569` is a Hong Kong identity card number (MOD 11, weights 9 to 1)."""
    padded = value if len(value) == 9 else " " + value
    parts = [36 if c == " " else int(c, 36) for c in padded[:-1]]
    total = sum(part * weight for part, weight in zip(parts, range(9, 1, -1), strict=True))
    return (total + int(padded[-1], 16)) % 11 == 0


def taiwan(value: str) -> bool:
    """Whether `A123456789` is a Taiwan identity card number (letter as two digits, MOD 10)."""
    code = _TAIWAN.index(value[0]) + 10
    total = code // 10 + code % 10 * 9 + sum(int(d) * w for d, w in zip(value[1:9], range(8, 0, -1), strict=True))
    return (total + int(value[9])) % 10 == 0
