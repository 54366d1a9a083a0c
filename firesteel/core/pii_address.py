"""Postal addresses in Chinese text, by their suffixes. Conservative: a road with a number is not enough.

An address is found from its first number on: before it a stretch of Chinese characters that ends like a road, a village
or an estate and holds a province, city, county or district; or any such stretch with a building, floor or room after it.
After a cue with a colon (地址：) a run with two suffixes will do.
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
_NUMBER = re.compile(r"[0-9][0-9]{0,4}(?:[-—][0-9]{1,4})?(?:号院|号楼|号|组|队|栋|幢|座|弄|单元)(?!线|令|文|决议)")
_UNITS = "号组队栋幢座弄元"
_ESTATE = "小区|花园|新村|公寓|大厦|家园|名苑|苑|广场|城|云天|园|宿舍|大院"
_ROOM = "号楼|号院|单元|栋|幢|座|层|楼|室|房|户|号|组|队"
_TAIL = re.compile(
    rf"(?:\s?(?:(?!{_ROOM})[{_HAN}A-Za-z]){{2,8}}?(?:{_ESTATE})(?=[0-9A-Za-z一二三四五六七八九十]))?"
    rf"(?:\s?[0-9A-Za-z一二三四五六七八九十甲乙丙丁东西南北-]{{1,6}}(?:{_ROOM})){{0,5}}(?:(?<=[栋幢座楼元室])[-\s]?[0-9]{{3,4}}(?![0-9]))?"
)
_ROAD = re.compile(rf"(?:路|街|大道|道|巷|胡同|里|弄|段|村|镇|乡|社区|屯|{_ESTATE})$")
_ROAD_SECTION = re.compile(r"(?:路|街|大道|道)[东南西北中]?[一二三四五六七八九十]?(?:段|路|街)?$")
_PROVINCE = re.compile(rf"(?:{_REGIONS})")
_ADMIN = re.compile(rf"[{_HAN}]{{2}}(?:省|市|自治区|自治州|州|盟|区|县|旗|镇|乡|街道|村)")
_STRETCH = re.compile(rf"[{_HAN}]{{2,{WINDOW}}}$")
# A cue, or a character that no place is called by: the address begins after the last of them.
_CUE = re.compile(
    r"住在|住址|地址|住所|现住|家住|户籍(?:所在)?地?|位于|寄往|寄到|送到|搬到|来自|注册于|住(?=..[省市区县])|[的了在是于从到把被不我你他她们至为]"
)
_LABEL = re.compile(
    rf"(?:地址|住址|住所地?|户籍(?:所在)?地|籍贯|通讯处)\s?[:：]\s?(?P<v>[{_HAN}][{_HAN}0-9A-Za-z#·()（）-]{{5,60}})"
)
_UNIT = re.compile(r"(?:省|市|自治区|州|盟|区|县|旗|镇|乡|街道|村|路|街|道|巷|号|室|栋|幢|单元|楼)")


def addresses(text: str, digit: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each address in `text`, whose first digit is at `digit` (-1: none); those of the two ways may overlap."""
    if "址" in text or "住" in text or "籍" in text or "讯处" in text:
        for match in _LABEL.finditer(text):
            if len(_UNIT.findall(match["v"])) >= 2:
                yield match.span("v")
    if digit < 0 or not any(unit in text for unit in _UNITS):
        return
    last = 0
    for number in _NUMBER.finditer(text, digit):
        if text[number.start() - 1 : number.start()].isdigit():
            continue
        low = max(last, number.start() - WINDOW)
        window = text[low : number.start()].rstrip()
        tail = _TAIL.match(text, number.end())
        end = tail.end() if tail else number.end()
        start = _start(window, end > number.end() or number[0][-1] != "号")
        if start is not None:
            last = end
            yield low + start, last


def _start(window: str, building: bool) -> int | None:
    """Where the address at the end of `window` begins: at a province, after a cue, or where the characters begin."""
    stretch = _STRETCH.search(window)
    if stretch is None or not (_ROAD.search(window) or _ROAD_SECTION.search(window)):
        return None
    start = stretch.start()
    for province in _PROVINCE.finditer(window, start):
        return province.start()
    for cue in _CUE.finditer(window, start):
        start = cue.end()
    if len(window) - start < 3:
        return None
    return start if _ADMIN.search(window[start:-1]) or building else None
