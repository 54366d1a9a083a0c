"""Numbers of persons and their papers: a table of patterns, and the checks that decide.

Checksums, dates, and the words around: a number alone is never enough where order numbers look the same. Every pattern
is bounded and guarded at its start, so time is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from firesteel.core.pii_checks import PROVINCES, calendar, hong_kong, id_checksum, id_like, luhn, taiwan, uscc_checksum
from firesteel.core.pii_checks import region as is_region

CONTEXT = 32  # characters before a number that are read
NUMBER = re.compile(
    r"[0-9](?:(?:[ -]?[0-9]){4}|\r?\n[0-9]{4}|\.[0-9]{3}\.[0-9]{4})"
)  # what makes a detector of numbers look closer
# Words before a number that say that it numbers a thing: "订单号：13812345678" is no telephone.
THING = re.compile(
    r"(?:订单|单号|运单|快递|物流|流水|编号|编码|条码|批次|批号|序列|货号|型号|版本|工号|学号|期号|案号"
    r"|发票|合同号|凭证|代码|邮编"
    r"|\b(?:order|serial|tracking|invoice|batch|sku|isbn|version|ref)\b|\b(?:sn|no)\b\.?)[^\d\n，。；,;]{0,8}$", re.I,
)  # fmt: skip
_CARD = re.compile(r"(?:银行|卡号|账号|帐号|账户|帐户|储蓄|信用卡|借记卡|card|account)[^\n]{0,20}$", re.I)
_PASSPORT = re.compile(r"(?:护照|passport)[^\n]{0,20}$", re.I)
_PERMIT = re.compile(r"(?:通行证|回乡证|台胞证|港澳|permit)[^\n]{0,20}$", re.I)
_VALIDITY = re.compile(r"(?:有效|期|签发|日期|until|expir)[^\n]{0,6}$", re.I)
_PHONE = re.compile(
    r"(?:电话|手机|座机|总机|传真|联系|热线|客服|致电|拨打|\btel\b|\bphone\b|\bmobile\b|\bcell\b|\bfax\b"
    r"|\bcall\b)[^\n]{0,10}$",
    re.I,
)
_CALLED = re.compile(r"(?:电话|手机|传真|热线|\btel\b|\bphone\b|\bmobile\b|\bcall\b)[^\d\n]{0,6}$", re.I)
_ENGLISH_PHONE = re.compile(
    r"\b(?:phone|call|tel|telephone|cell|mobile|fax|contact|reach|text|dial)\b[^\n]{0,24}$", re.I
)
_ID_WORDS = re.compile(r"(?:身份证|身份号|身分證|公民身份|证件|一代证|\bid\b)[^\n]{0,20}$", re.I)
_HONG_KONG = re.compile(r"(?:香港|HKID|HK|身份[证證])[^\n]{0,16}$", re.I)
_TAIWAN = re.compile(r"(?:台湾|臺灣|台灣|身[份分][证證]|[统統]一[编編][号號]|身分字號)[^\n]{0,16}$")
_SSN = re.compile(r"(?:\bssn\b|social security)[^\n]{0,20}$", re.I)
_AMOUNT = re.compile(r"\s?(?:元|万|亿|人次|平方|吨|字节|bytes\b)")


@dataclass(frozen=True)
class Detector:
    """`pattern` proposes its group `v` (or the whole match), `check(value, text, start)` decides.

    `needs` is what a text must contain for the pattern to be tried: words of its lower case, or a pattern; NUMBER means
    that it is tried around longer numbers alone.
    """

    kind: str
    needs: re.Pattern[str] | tuple[str, ...]
    pattern: re.Pattern[str]
    check: Callable[[str, str, int], bool] = lambda value, text, start: True
    char: str = ""  # for a pattern in `needs`: without this character it is not even searched for ...
    digits: bool = False  # ... nor without a digit ...
    chinese: bool = False  # ... nor without Chinese


def before(pattern: re.Pattern[str], text: str, start: int) -> bool:
    """Whether the characters just before `start` match a pattern that ends in `$`."""
    return pattern.search(text[max(0, start - CONTEXT) : start]) is not None


def plain(value: str) -> str:
    """A number without what is written between its parts."""
    return re.sub(r"[\s-]", "", value)


def _is_id(value: str, text: str, start: int) -> bool:
    value = plain(value).upper()
    return id_like(value) and id_checksum(value[:17]) == value[17]


def _is_old_id(value: str, text: str, start: int) -> bool:
    value = plain(value)
    return (
        is_region(value[:6])
        and calendar("19" + value[6:8], value[8:10], value[10:12])
        and before(_ID_WORDS, text, start)
    )


def _is_uscc(value: str, text: str, start: int) -> bool:
    if value.isdigit() and (id_like(value) or before(THING, text, start)):
        return False
    return (value[2:4] in PROVINCES or value[2:4] == "10") and uscc_checksum(value[:17]) == value[17]


def _is_card(value: str, text: str, start: int) -> bool:
    number = plain(value)
    if not luhn(number) or len(set(number)) < 4 or (len(number) == 18 and id_like(number)):
        return False
    if before(_CARD, text, start):
        return True
    return len(number) >= 16 and number.startswith("62") and not before(THING, text, start)


def _is_mobile(value: str, text: str, start: int) -> bool:
    if _AMOUNT.match(text, start + len(value)):
        return False
    return before(_CALLED, text, start) or not before(THING, text, start)


def _is_landline(value: str, text: str, start: int) -> bool:
    apart = not value.isdigit()  # 010-62345678 shows what it is; 01062345678 does not
    return (apart and not before(THING, text, start)) or before(_PHONE, text, start)


def _is_english_phone(value: str, text: str, start: int) -> bool:
    return before(_ENGLISH_PHONE, text, start)


def _is_ssn(value: str, text: str, start: int) -> bool:
    number = plain(value)
    return number[:3] not in ("000", "666") and number[0] != "9" and before(_SSN, text, start)


def _is_hong_kong(value: str, text: str, start: int) -> bool:
    bare = re.sub(r"[()（）]", "", value).upper()
    end = start + len(value)
    return hong_kong(bare) and (
        len(bare) < len(value) or before(_HONG_KONG, text, start) or "香港" in text[end : end + 5]
    )


def _is_taiwan(value: str, text: str, start: int) -> bool:
    return taiwan(value.upper()) and before(_TAIWAN, text, start)


def _is_passport(value: str, text: str, start: int) -> bool:
    return before(_PASSPORT, text, start) and not _a_date(value, text, start)


def _is_permit(value: str, text: str, start: int) -> bool:
    return before(_PERMIT, text, start) and not _a_date(value, text, start)


def _a_date(value: str, text: str, start: int) -> bool:
    return value.isdigit() and len(value) == 8 and before(_VALIDITY, text, start)


def _is_plate(value: str, text: str, start: int) -> bool:
    return sum(c.isdigit() for c in value) >= 2


_ONE = r"(?:[ -]|\r?\n)?"
_GAP = r"(?: ?[ -] ?|\r?\n)?"
_PLATES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE_START = re.compile(f"[{_PLATES}] ?[A-HJ-NP-Za-hj-np-z][·•‧ 0-9A-Za-z-]")
FREE = r"(?<![0-9A-Za-z_])(?<![0-9A-Za-z][.-])"  # not inside a longer number or word ...
END = r"(?![0-9A-Za-z_]|[.-][0-9])"  # ... at either end
_AREA = r"0(?:10|2[0-9]|[3-9][0-9]{2})"
_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"

# In order of strength: what an earlier detector found, a later one cannot claim.
DETECTORS: tuple[Detector, ...] = (
    Detector(
        "id_card", NUMBER,
        re.compile(
            rf"(?<![0-9])(?<![0-9]\.)[1-8][0-9]{{5}}{_GAP}(?:18|19|20)[0-9]{{2}}{_ONE}(?:0[1-9]|1[0-2]){_ONE}"
            rf"(?:0[1-9]|[12][0-9]|3[01]){_GAP}[0-9]{{3}}{_ONE}[0-9Xx](?![0-9A-Za-z])"
        ), _is_id,
    ),
    Detector(  # in groups of any size; then nothing like a number may stand beside it
        "id_card", NUMBER,
        re.compile(
            rf"(?<![0-9A-Za-z])(?<![0-9][ .-])[1-8](?:{_ONE}[0-9]){{16}}{_ONE}[0-9Xx](?![0-9A-Za-z]|[ .-][0-9])"),
        _is_id,
    ),
    Detector(
        "uscc", NUMBER, re.compile(FREE +
            rf"[1-9ANY][0-9A-HJ-NPQRTUWXY][0-9]{{6}}[{_LETTERS}]{{10}}" + END), _is_uscc,
    ),
    Detector(
        "bank_card", NUMBER,
        re.compile(
            FREE + r"[3-6](?:[0-9]{12,18}|[0-9]{3}(?:[ -][0-9]{4}){3}(?:[ -]?[0-9]{1,3})?|[0-9]{3}[ -][0-9]{6}[ -][0-9]{5}"
            r"|[0-9]{5}[ -][0-9]{13})" + END
        ), _is_card,
    ),
    Detector(
        "id_card", NUMBER,
        re.compile(
            rf"(?<![0-9A-Za-z])[1-8][0-9]{{5}}{_GAP}[0-9]{{2}}{_ONE}(?:0[1-9]|1[0-2]){_ONE}[0-3][0-9]{_GAP}"
            rf"[0-9]{{3}}" + END),
        _is_old_id,
    ),
    Detector(
        "mobile", NUMBER,
        re.compile(
            FREE + r"(?:[(（]?(?:\+|00)?86[)）]?[ -]{0,2})?1[3-9][0-9](?:[0-9]{8}|(?: ?- ?| )[0-9]{4}(?: ?- ?| )[0-9]{4}"
            r"|[ -][0-9]{8}|[0-9]{4}[ -][0-9]{4})" + END
        ), _is_mobile,
    ),
    Detector(
        "landline", NUMBER,
        re.compile(
            FREE + rf"(?:[(（]{_AREA}[)）][ -]?|{_AREA}[ -]?|(?:\+|00)86[ -]?0?{_AREA[1:]}[ -]?)[2-9][0-9]{{2,3}}[ -]?[0-9]{{4}}"
            r"(?:-[0-9]{1,6})?" + END
        ), _is_landline,
    ),
    Detector(
        "landline", NUMBER, re.compile(FREE +
            r"[48]00(?:[ -]?[0-9]{3}[ -]?[0-9]{4}|[ -]?[0-9]{4}[ -]?[0-9]{3})" + END), _is_landline,
    ),
    Detector(
        "landline", NUMBER,
        re.compile(FREE +
            r"(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}" + END), _is_english_phone,
    ),
    Detector("ssn", ("ssn", "social security"), re.compile(FREE +
        r"[0-8][0-9]{2}([ -]?)[0-9]{2}\1[0-9]{4}" + END), _is_ssn),
    Detector("hk_id", NUMBER, re.compile(FREE +
        r"[A-Za-z]{1,2}[0-9]{6}(?:[(（][0-9Aa][)）]|[0-9Aa]" + END + ")"), _is_hong_kong),
    Detector("tw_id", NUMBER, re.compile(FREE + r"[A-Za-z][1289][0-9]{8}" + END), _is_taiwan),
    Detector(
        "passport", ("护照", "passport"), re.compile(FREE +
            r"(?:[EGDSP][A-HJ-NP-Z]?[0-9]{7,8}|[A-Z]{0,3}[0-9]{6,9})" + END, re.I), _is_passport,
    ),
    Detector(
        "permit", ("通行证", "回乡证", "台胞证", "港澳", "permit"),
        re.compile(FREE + r"(?:[CHMWT][A-HJ-NP-Z]?[0-9]{7,10}|[0-9]{8}(?:[0-9]{2})?)" + END, re.I), _is_permit,
    ),
    Detector(
        "org_code", ("机构代码",),
        re.compile(r"机构代码证?(?:号码?)?[^0-9A-Za-z\n]{0,6}(?P<v>[0-9A-Z]{8}-?[0-9X])" + END),
    ),
    Detector(
        "licence", ("执照", "注册号"),
        re.compile(r"(?:执照|注册号)(?:注册|号码|编号|号|为|是|[:： ]){0,4}(?P<v>[0-9]{15}|[0-9]{13})" + END),
    ),
    Detector(
        "plate", _PLATE_START,
        re.compile(
            rf"(?:WJ ?)?[{_PLATES}] ?[A-HJ-NP-Z][·•‧ -]?(?:[0-9]{{5}}[A-HJK]|[A-HJK][A-HJ-NP-Z0-9][0-9]{{4}}|"
            r"[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳试超领])(?![0-9A-Za-z])", re.I,
        ), _is_plate, digits=True, chinese=True,
    ),
    Detector("plate", NUMBER, re.compile(
        r"使[0-9]{6}(?![0-9A-Za-z])|(?<![0-9A-Za-z.])[0-9]{6}使(?![\u4e00-\u9fff])")),
)  # fmt: skip
