"""Postal addresses in Chinese text, by their suffixes. Conservative: a road with a number is not enough.

An address is found from its number backwards: `...路27号` with a province, city, county or district before it, or with
a building, floor or room after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

WINDOW = 40  # characters before the number that may belong to the address
_HAN = "\u4e00-\u9fff"
_REGIONS = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|"
    "广西|西藏|宁夏|新疆|香港|澳门"
)
_NUMBER = re.compile(r"[0-9]{1,5}(?:[-—][0-9]{1,4})?号院?")
_BUILDING = re.compile(
    r"(?:\s?[0-9A-Za-z一二三四五六七八九十甲乙丙丁东西南北-]{1,6}(?:号楼|号院|单元|栋|幢|座|层|楼|室|房|户|号)){1,5}"
)
_ROAD = (
    rf"[{_HAN}]{{1,8}}?(?:大街|大道|路|街|道|巷|胡同|里弄|弄|新村|小区|花园|村|镇)"
    rf"(?:[{_HAN}]{{0,3}}段)?(?:[0-9]{{1,4}}弄)?$"
)
_PROVINCE = re.compile(rf"(?:{_REGIONS})(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区|特别行政区)?")
_PARTS = re.compile(
    rf"(?P<province>(?:{_REGIONS})(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区|特别行政区)?)?"
    rf"(?P<city>[{_HAN}]{{2,8}}?(?:市|自治州|地区|盟))?(?P<county>[{_HAN}]{{1,8}}?(?:区|县|旗|市))?"
    rf"(?:[{_HAN}]{{1,8}}?(?:镇|乡|街道|社区))?{_ROAD}"
)
_CUE = re.compile(
    r"住在|住址|地址|住所|现住|家住|户籍|位于|寄往|寄到|送到|搬到|来自|[住在到至于是为][：: ]?|[^\u4e00-\u9fff0-9]"
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each address in `text`."""
    if "号" not in text:
        return
    last = 0
    for number in _NUMBER.finditer(text):
        low = max(last, number.start() - WINDOW)
        window = text[low : number.start()].rstrip()
        building = _BUILDING.match(text, number.end())
        start = _start(window, building is not None)
        if start is not None:
            last = building.end() if building else number.end()
            yield low + start, last


def _start(window: str, building: bool) -> int | None:
    """Where the address at the end of `window` begins: at a province, after a cue word, or where it first fits."""
    provinces = [m.start() for m in _PROVINCE.finditer(window)]
    cues = [m.end() for m in _CUE.finditer(window)]
    for start in (*provinces, *cues, 0):
        match = _PARTS.match(window, start)
        if match and (match["province"] or match["city"] or match["county"] or building):
            return start
    return None
