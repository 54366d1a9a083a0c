"""The tag of a value: the same for every spelling of it, and worth nothing without the key."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable

TAG_BYTES = 2
WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ＠＋－．＃＿\u3000\xa0\u2010\u2011\u2012\u2013\u2212]")
_ASCII = {chr(c): chr(c - 0xFEE0) for c in (*range(0xFF10, 0xFF1A), *range(0xFF20, 0xFF3B), *range(0xFF41, 0xFF5B))} | {
    **dict(zip("＋－．＃＿\u3000\xa0", "+-.#_  ", strict=True)),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
}


def narrow(text: str) -> str:
    """Full-width digits, letters and signs as ASCII, odd hyphens and spaces as plain ones: one character for one."""
    return WIDE.sub(lambda match: _ASCII[match[0]], text)


def _email(value: str) -> str:
    value = re.sub(r" ?[\[({<]at[\])}>] ?| at |#", "@", value, flags=re.I)
    return re.sub(r" ?[\[({<]dot[\])}>] ?| dot ", ".", value, flags=re.I).lower()


def _ip(value: str) -> str:
    try:
        return ipaddress.ip_address(value).compressed
    except ValueError:
        return value


def _number(value: str) -> str:
    return re.sub(r"^(?:\+|00)?86(?=1[3-9]|0)", "", re.sub(r"[\s()（）-]", "", value))


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def _birth(value: str) -> str:
    for i, month in enumerate(_MONTHS):
        value = re.sub(rf"{month}[a-z]*", f" {i + 1} ", value, flags=re.I)
    if re.fullmatch(r"[0-9]{8}", value):
        value = f"{value[:4]} {value[4:6]} {value[6:]}"
    return " ".join(sorted(str(int(n)) for n in re.findall(r"[0-9]+", value)))  # in any order of the parts


_CANON: dict[str, Callable[[str], str]] = {
    "email": _email, "ip": _ip, "mobile": _number, "landline": _number, "birth": _birth,
    "mac": lambda value: re.sub(r"[:.-]", "", value), "secret": lambda value: value, "name": lambda value: "".join(value.split()),
}  # fmt: skip


def canonical(kind: str, value: str) -> str:
    """The value as all its spellings have it: width, case (not of secrets), spaces, country code, separators undone."""
    value = narrow(value)
    value = _CANON.get(kind, lambda v: re.sub(r"[\s()（）·•‧-]", "", v))(value)
    return value if kind == "secret" else value.upper()


def tag(kind: str, value: str, key: bytes) -> str:
    """Four hexadecimal digits: a keyed BLAKE2b of the canonical value.

    16 bits on purpose: fifty persons in a document have different tags with probability 0.98, while a leaked key still
    leaves 20,000 Chinese mobile numbers for each tag.
    """
    data = canonical(kind, value).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=key, digest_size=TAG_BYTES, person=b"firesteel.pii").hexdigest()
