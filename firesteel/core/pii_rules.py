"""What personal data looks like: a table of patterns, and the checks that decide.

Checksums (resident ID ISO 7064 MOD 11-2, bank card Luhn, USCC MOD 31 of GB 32100), dates, and the words around: a
number alone is never enough where order numbers look the same. Every pattern is bounded, so time is linear in the
text.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass

# Two-digit province codes of GB/T 2260.
_PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
        "83",
    ]
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
# Words before a number that say that it numbers a thing: "订单号：13812345678" is no telephone.
_THING = re.compile(
    r"(?:订单|单号|运单|快递|物流|流水|编号|编码|条码|批次|批号|序列|货号|型号|版本|工号|学号|期号|案号|发票|合同号|凭证|代码|邮编"
    r"|\b(?:order|serial|tracking|invoice|batch|sku|isbn|version|ref)\b|\b(?:sn|no)\b\.?)[^\d\n，。；,;]{0,8}$", re.I,
)  # fmt: skip
_CARD_WORDS = re.compile(r"(?:银行|卡号|账号|帐号|账户|帐户|储蓄|信用卡|借记卡|card|account)[^\n]{0,20}$", re.I)
_PASSPORT_WORDS = re.compile(r"(?:护照|passport)[^\n]{0,20}$", re.I)
_PERMIT_WORDS = re.compile(r"(?:通行证|回乡证|台胞证|港澳|permit)[^\n]{0,20}$", re.I)
_PHONE_WORDS = re.compile(r"(?:电话|座机|传真|联系|热线|\btel\b|\bphone\b|\bfax\b|\bcall\b)[^\n]{0,10}$", re.I)
_IP_WORDS = re.compile(r"(?:\bip(?:v4)?\b|地址|主机|服务器|网关|\bhost\b|\bserver\b|\bfrom\b)[^\n]{0,12}$", re.I)
_VERSION_WORDS = re.compile(
    r"(?:版本|版|\bversion|\bver|\bv|\brelease|\brev|章|节|条|第|\bsection|\bchapter)[\s.:：=-]*$", re.I
)
CONTEXT = 32  # characters before a number that are read


def _before(pattern: re.Pattern[str], text: str, start: int) -> bool:
    return pattern.search(text[max(0, start - CONTEXT) : start]) is not None


def _digits(value: str) -> str:
    return value.replace(" ", "").replace("-", "")


def id_checksum(seventeen: str) -> str:
    """The last character of a resident ID with these 17 digits (GB 11643, ISO 7064 MOD 11-2)."""
    return "10X98765432"[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, seventeen, strict=True)) % 11]


def luhn(number: str) -> bool:
    """Whether a string of digits passes the Luhn check."""
    doubled = [int(d) if i % 2 == 0 else sum(divmod(2 * int(d), 10)) for i, d in enumerate(reversed(number))]
    return sum(doubled) % 10 == 0


def uscc_checksum(seventeen: str) -> str:
    """The last character of a unified social credit code with these 17 characters (GB 32100, MOD 31)."""
    return _USCC[-sum(_USCC.index(c) * pow(3, i, 31) for i, c in enumerate(seventeen)) % 31]


def _id_like(value: str) -> bool:
    """18 characters with a province and a possible birth date: an ID, or a mistyped one."""
    try:
        born = datetime.date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return False
    return value[:2] in _PROVINCES and born.year >= 1880


def _is_id(value: str, text: str, start: int) -> bool:
    value = _digits(value).upper()
    return _id_like(value) and id_checksum(value[:17]) == value[17]


def _is_uscc(value: str, text: str, start: int) -> bool:
    if value.isdigit() and (_id_like(value) or _before(_THING, text, start)):
        return False
    return (value[2:4] in _PROVINCES or value[2:4] == "10") and uscc_checksum(value[:17]) == value[17]


def _is_card(value: str, text: str, start: int) -> bool:
    number = _digits(value)
    if (
        not 16 <= len(number) <= 19
        or not luhn(number)
        or len(set(number)) < 4
        or (len(number) == 18 and _id_like(number))
    ):
        return False
    return _before(_CARD_WORDS, text, start) or (number.startswith("62") and not _before(_THING, text, start))


def _is_mobile(value: str, text: str, start: int) -> bool:
    return not _before(_THING, text, start)


def _is_landline(value: str, text: str, start: int) -> bool:
    apart = not value.isdigit()  # 010-62345678 shows what it is; 01062345678 does not
    return (apart and not _before(_THING, text, start)) or _before(_PHONE_WORDS, text, start)


def _is_plate(value: str, text: str, start: int) -> bool:
    return sum(c.isdigit() for c in value) >= 2


def _is_ip(value: str, text: str, start: int) -> bool:
    octets = [int(part) for part in value.split(".")]
    if max(octets) > 255 or octets[0] in (0, 127, 255) or _before(_VERSION_WORDS, text, start):
        return False
    return _before(_IP_WORDS, text, start) or max(octets) >= 32  # 2.10.3.4 alone is a version or a section


def _always(value: str, text: str, start: int) -> bool:
    return True


def _is_passport(value: str, text: str, start: int) -> bool:
    return _before(_PASSPORT_WORDS, text, start)


def _is_permit(value: str, text: str, start: int) -> bool:
    return _before(_PERMIT_WORDS, text, start)


_EIGHT = re.compile(r"[0-9][0-9 -]{6}")
_DOTTED = re.compile(r"[0-9]\.[0-9]")
_PLATES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE_START = re.compile(f"[{_PLATES}][A-HJ-NP-Z]")
_FREE = r"(?<![0-9A-Za-z_])(?<![0-9A-Za-z][.-])"  # not inside a longer number or word ...
_END = r"(?![0-9A-Za-z_]|[.-][0-9])"  # ... at either end
_AREA = r"0(?:10|2[0-9]|[3-9][0-9]{2})"


@dataclass(frozen=True)
class Detector:
    """`pattern` proposes its group `v` (or the whole match), `check` decides.

    `needs` is what a text must contain to be tried at all: a pattern, or substrings of its lower case.
    """

    kind: str
    needs: re.Pattern[str] | tuple[str, ...]
    pattern: re.Pattern[str]
    check: Callable[[str, str, int], bool] = _always


# In order of strength: what an earlier detector found, a later one cannot claim.
DETECTORS: tuple[Detector, ...] = (
    Detector(
        "email", ("@",),
        re.compile(
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
        ),
    ),
    Detector(
        "id_card", _EIGHT,
        re.compile(
            r"(?<![0-9])(?<![0-9]\.)[1-8][0-9]{5}[ -]?(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
            r"[ -]?[0-9]{3}[0-9Xx](?![0-9A-Za-z])"
        ),
        _is_id,
    ),
    Detector(
        "uscc", _EIGHT,
        re.compile(_FREE + rf"[1-9ANY][0-9A-HJ-NPQRTUWXY][0-9]{{6}}[{_USCC}]{{10}}" + _END), _is_uscc,
    ),
    Detector(
        "bank_card", _EIGHT,
        re.compile(_FREE + r"[3-6](?:[0-9]{15,18}|[0-9]{3}(?:[ -][0-9]{4}){3}(?:[ -]?[0-9]{1,3})?)" + _END), _is_card,
    ),
    Detector(
        "mobile", _EIGHT,
        re.compile(_FREE + r"(?:(?:\+|00)?86[ -]?)?1[3-9][0-9](?:[0-9]{8}|[ -][0-9]{4}[ -][0-9]{4})" + _END),
        _is_mobile,
    ),
    Detector(
        "landline", _EIGHT,
        re.compile(_FREE + rf"(?:[(（]{_AREA}[)）] ?|{_AREA}[ -]?)[2-9][0-9]{{6,7}}" + _END), _is_landline,
    ),
    Detector(
        "ip", _DOTTED, re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9]|[A-Za-z])"), _is_ip,
    ),
    Detector(
        "passport", ("护照", "passport"),
        re.compile(_FREE + r"(?:[EG][0-9]{8}|E[A-HJ-NP-Z][0-9]{7}|[DSP]E?[0-9]{7,8})" + _END, re.I), _is_passport,
    ),
    Detector(
        "permit", ("通行证", "回乡证", "台胞证", "港澳", "permit"),
        re.compile(_FREE + r"(?:[CHMW][A-HJ-NP-Z]?[0-9]{7,10}|[0-9]{8})" + _END, re.I), _is_permit,
    ),
    Detector(
        "plate", _PLATE_START,
        re.compile(
            rf"[{_PLATES}][A-HJ-NP-Z][·•‧ -]?(?:[0-9]{{5}}[A-HJK]|[A-HJK][A-HJ-NP-Z0-9][0-9]{{4}}|"
            r"[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳])(?![0-9A-Za-z])"
        ),
        _is_plate,
    ),
    Detector(
        "wechat", ("微信", "wechat", "weixin", "v信"),
        re.compile(
            r"(?:微信|wechat|weixin|v信)(?:号码?|账号|帐号|\s?id)?(?:是|为|[:：])\s?"
            r"(?P<v>[a-z][a-z0-9_-]{5,19})(?![a-z0-9_-])", re.I,
        ),
    ),
    Detector(
        "qq", ("qq", "扣扣"),
        re.compile(
            r"(?:qq|扣扣)(?:群|号码?|账号|帐号)?(?:是|为|[:：])?\s?"
            r"(?P<v>[1-9][0-9]{4,10})(?![0-9A-Za-z@]|\.[0-9])", re.I,
        ),
    ),
)  # fmt: skip
