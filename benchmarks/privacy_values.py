"""Values of every kind of personal data, and numbers that are nobody's, drawn from a generator; for privacy.py.

Checksums are computed here from the standards, independently of the code under test.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable

Make = Callable[[random.Random], str]
REGIONS = (
    "110105 130604 150102 210203 310115 320506 330106 350203 370211 420111 440304 510107 520102 610113 653101".split()
)
SURNAMES = (
    "王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭 何 林 高 罗 郑 梁 谢 宋 唐 许 韩 邓 冯 曹 彭 曾 萧 "
    "田 董 潘 袁 蔡 蒋 余 于 杜 叶 程 魏 苏 吕 丁 任 卢 "
    "姚 沈 钟 姜 崔 谭 陆 范 汪 廖 石 金 韦 贾 夏 付 方 邹 熊 白 孟 秦 邱 侯 江 尹 薛 闫 段 雷 龙 黎 史 "
    "陶 贺 毛 郝 顾 龚 邵 欧阳 司马 上官 诸葛 慕容"
).split()
GIVEN = (
    "伟 芳 娜 敏 静 强 磊 军 洋 勇 艳 杰 娟 涛 超 明 霞 平 刚 桂英 秀英 建国 志强 丽华 玉兰 桂兰 建华 "
    "国强 海燕 晓东 文博 子涵 雨桐 浩然 欣怡 梓轩 宇航 诗涵 俊杰 思远 一鸣 "
    "佳怡 天佑 若曦 嘉豪 永康 红梅 淑珍 凤英 德明 福生 树林 春生 金龙 少华 世杰 云飞 亚楠 小玲 振华 立新 "
    "爱民 卫东 大鹏 泽宇 可馨 语嫣 书豪 启航 雪 婷 鑫 琳 帆 蕾 倩 旭"
).split()
PLACES = (
    "北京市朝阳区 上海市浦东新区 广东省广州市天河区 江苏省苏州市昆山市 浙江省宁波市鄞州区 "
    "湖北省武汉市洪山区 陕西省西安市雁塔区 四川省绵阳市涪城区 山东省青岛市 成都市武侯区 "
    "河北省保定市定兴县 贵州省遵义市播州区 内蒙古自治区包头市昆都仑区 新疆维吾尔自治区喀什地区疏附县 "
    "福建厦门思明区 辽宁大连甘井子区"
).split()
ROADS = (
    "建国路 长江中路 人民东路 文苑街 学府大道 幸福巷 光明胡同 科创十二街 青年路 滨河西路 中山北一路 玉泉大街".split()
)
ESTATES = "阳光花园 翠湖小区 金地名苑 和平新村 东方家园 碧水云天".split()
VILLAGES = "石桥镇李家村 白马乡红星村 清河镇大王庄村 柳树屯镇前进村 双河街道向阳社区".split()
ENGLISH = (
    "James Mary Robert Linda Michael Susan David Karen Emily Daniel Grace Kevin",
    "Smith Johnson Brown Miller Wilson Taylor Anderson Thomas Moore Martin Clark O'Brien",
)


def digits(rng: random.Random, n: int, first: str = string.digits) -> str:
    """n random digits, the first of them one of `first`."""
    return rng.choice(first) + "".join(rng.choice(string.digits) for _ in range(n - 1))


def letters(rng: random.Random, n: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """n random characters."""
    return "".join(rng.choice(alphabet) for _ in range(n))


def grouped(rng: random.Random, number: str, *sizes: int) -> str:
    """The number as it is, or in groups with one separator."""
    if rng.random() < 0.6:
        return number
    sep, parts, at = rng.choice([" ", "-"]), [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return sep.join([*parts, number[at:]] if number[at:] else parts)


def day(rng: random.Random) -> tuple[int, int, int]:
    """A date of birth."""
    return rng.randint(1935, 2012), rng.randint(1, 12), rng.randint(1, 28)


def id_card(rng: random.Random) -> str:
    """A resident ID: ISO 7064 MOD 11-2 by Horner's rule, sometimes in groups, sometimes with a small x."""
    year, month, date = day(rng)
    body = f"{rng.choice(REGIONS)}{year}{month:02}{date:02}{digits(rng, 3)}"
    rest = 0
    for d in body:
        rest = (rest + int(d)) * 2 % 11
    check = (12 - rest) % 11
    number = body + ("X" if check == 10 else str(check))
    return grouped(
        rng, number.lower() if rng.random() < 0.3 else number, *rng.choice([(6, 8, 4), (6, 4, 4, 4), (3, 3, 4, 4, 4)])
    )


def luhn_number(rng: random.Random, body: str) -> str:
    """`body` with the digit that makes it pass Luhn's check."""
    total = sum(int(d) if i % 2 else int(d) * 2 - 9 * (int(d) > 4) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def bank_card(rng: random.Random) -> str:
    """A UnionPay card of 16 to 19 digits."""
    return grouped(rng, luhn_number(rng, "62" + digits(rng, rng.choice([13, 14, 16]))), 4, 4, 4, 4)


def uscc(rng: random.Random) -> str:
    """A unified social credit code, checked by GB 32100's weights written out."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    body = rng.choice(["91", "92", "51", "52", "11", "12", "93"]) + rng.choice(REGIONS) + letters(rng, 9, alphabet)
    return body + alphabet[(31 - sum(w * alphabet.index(c) for w, c in zip(weights, body, strict=True)) % 31) % 31]


def mobile(rng: random.Random) -> str:
    """A mobile number in one of its spellings."""
    number = rng.choice("13 15 16 17 18 19".split()) + digits(rng, 9)
    return rng.choice(["", "", "", "+86", "+86 ", "86-", "0086"]) + grouped(rng, number, 3, 4, 4)


def hk_id(rng: random.Random) -> str:
    """A Hong Kong identity card number with its check character."""
    head, body = rng.choice("ACDGKPRVYZ"), digits(rng, 6)
    total = 36 * 9 + (ord(head) - 55) * 8 + sum(int(d) * w for d, w in zip(body, range(7, 1, -1), strict=True))
    check = "0123456789A"[-total % 11]
    return head + body + rng.choice(["({})", "（{}）", "{}"]).format(check)


def tw_id(rng: random.Random) -> str:
    """A Taiwan identity card number with its check digit."""
    head = rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(head) + 10
    body = rng.choice("12") + digits(rng, 7)
    total = code // 10 + code % 10 * 9 + sum(int(d) * w for d, w in zip(body, range(8, 0, -1), strict=True))
    return head + body + str(-total % 10)


def org_code(rng: random.Random) -> str:
    """An organisation code of GB 11714: eight characters, a hyphen, a check character."""
    body = letters(rng, 8, string.digits)
    check = -sum(int(d) * w for d, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    return f"{body}-{'0123456789X'[check]}"


def plate(rng: random.Random) -> str:
    """A number plate, also of electric cars."""
    head = rng.choice("京沪粤川浙苏鲁豫鄂湘") + rng.choice("ABCDEFG")
    tails = (
        digits(rng, 5),
        f"{digits(rng, 2)}{letters(rng, 1, 'ABCEFHK')}{digits(rng, 2)}",
        f"D{digits(rng, 5)}",
        f"{digits(rng, 5)}F",
    )
    return head + rng.choice(["", "·", " "]) + rng.choice(tails)


def name(rng: random.Random) -> str:
    """A Chinese name, commoner surnames more often."""
    return SURNAMES[int(len(SURNAMES) * rng.random() ** 1.7)] + rng.choice(GIVEN)


def address(rng: random.Random) -> str:
    """A postal address in one of four styles."""
    place, n = rng.choice(PLACES), rng.randint(1, 400)
    block = rng.choice(["号楼", "栋", "幢", "座"])
    flat = f"{rng.choice(['', '2单元', '1单元'])}{rng.randint(101, 2808)}{rng.choice(['室', '', '号'])}"
    room = f"{rng.randint(1, 30)}{block}{flat}"
    styles = (
        f"{place}{rng.choice(ROADS)}{n}号",
        f"{place}{rng.choice(ROADS)}{n}号{rng.choice(ESTATES)}{room}",
        f"{place}{rng.choice(ESTATES)}{room}",
        f"{place}{rng.choice(VILLAGES)}{rng.randint(1, 12)}组{n}号",
    )
    return rng.choice(styles)


def birth(rng: random.Random) -> str:
    """A date of birth in one of its Chinese spellings."""
    y, m, d = day(rng)
    return rng.choice([f"{y}年{m}月{d}日", f"{y}-{m:02}-{d:02}", f"{y}.{m}.{d}", f"{y}/{m:02}/{d:02}"])


def birth_en(rng: random.Random) -> str:
    """A date of birth in one of its English spellings."""
    y, m, d = day(rng)
    month = "January February March April May June July August September October November December".split()[m - 1]
    return rng.choice([f"{m:02}/{d:02}/{y}", f"{y}-{m:02}-{d:02}", f"{month} {d}, {y}", f"{d} {month} {y}"])


def gps(rng: random.Random) -> str:
    """Latitude and longitude in one of their spellings."""
    lat, lon = rng.uniform(18, 50), rng.uniform(75, 130)
    return rng.choice(
        [
            f"{lat:.6f},{lon:.6f}",
            f"{lon:.5f}, {lat:.5f}",
            f"{lat:.4f}°N, {lon:.4f}°E",
            f"北纬{lat:.4f}°，东经{lon:.4f}°",
        ]
    )


def ip6(rng: random.Random) -> str:
    """A global IPv6 address, long or shortened."""
    parts = [f"{rng.getrandbits(16):x}" for _ in range(8)]
    parts[0] = rng.choice(["2001", "2408", "240e", "fe80"])
    return ":".join(parts) if rng.random() < 0.5 else f"{':'.join(parts[:4])}::{parts[7]}"


def user(rng: random.Random) -> str:
    """The local part of a mail address."""
    return (
        rng.choice(["", "li.", "zhang_"])
        + letters(rng, rng.randint(5, 9), string.ascii_lowercase)
        + rng.choice(["", "88"])
    )


KINDS: dict[str, tuple[str, Make]] = {  # slot -> kind it is labelled with, how to make a value
    "id_card": ("id_card", id_card),
    "id_card15": (
        "id_card",
        lambda r: f"{r.choice(REGIONS)}{r.randint(35, 80)}{r.randint(1, 12):02}{r.randint(1, 28):02}{digits(r, 3)}",
    ),
    "mobile": ("mobile", mobile),
    "landline": (
        "landline",
        lambda r: r.choice(["0{}-{}", "(0{}){}", "0{} {}", "0{}{}"]).format(
            r.choice(["10", "21", "755", "571", "991"]), digits(r, 8, "2345678")
        ),
    ),
    "hotline": (
        "landline",
        lambda r: r.choice(["400-{}-{}", "400{}{}", "800-{}-{}", "400-{}{}"]).format(
            digits(r, 3, "16789"), digits(r, 4)
        ),
    ),
    "us_phone": (
        "landline",
        lambda r: r.choice(["({}) {}-{}", "{}-{}-{}", "+1 {}-{}-{}", "{}.{}.{}"]).format(
            digits(r, 3, "234567"), digits(r, 3, "23456"), digits(r, 4)
        ),
    ),
    "bank_card": ("bank_card", bank_card),
    "uscc": ("uscc", uscc),
    "org_code": ("org_code", org_code),
    "licence": ("licence", lambda r: r.choice(REGIONS) + digits(r, 9)),
    "passport": ("passport", lambda r: r.choice(["E", "G", "EA", "EH", "D", "SE", "PE"]) + digits(r, 8)),
    "passport_foreign": (
        "passport",
        lambda r: r.choice(["", "C", "X", "AB"]) + digits(r, 7 if r.random() < 0.5 else 8, "123456789"),
    ),
    "permit": ("permit", lambda r: r.choice(["C", "H", "M", "W", "CA"]) + digits(r, 8)),
    "permit_tw": ("permit", lambda r: digits(r, 8)),
    "hk_id": ("hk_id", hk_id),
    "tw_id": ("tw_id", tw_id),
    "plate": ("plate", plate),
    "plate_police": ("plate", lambda r: f"{r.choice('京沪粤')}A{digits(r, 4)}警"),
    "plate_embassy": ("plate", lambda r: r.choice(["使{}", "{}使"]).format(digits(r, 6, "12"))),
    "wechat": (
        "wechat",
        lambda r: letters(r, 1, string.ascii_lowercase) + letters(r, 8, string.ascii_lowercase + "_-") + digits(r, 2),
    ),
    "qq": ("qq", lambda r: digits(r, r.randint(6, 10), "123456789")),
    "email": ("email", lambda r: f"{user(r)}@{r.choice(['163.com', 'qq.com', 'example.com.cn', 'mail.example.org'])}"),
    "email_at": (
        "email",
        lambda r: (
            f"{user(r)}{r.choice([' [at] ', ' (at) ', '[AT]', ' at '])}example{r.choice([' [dot] com', '.com', ' dot com'])}"
        ),
    ),
    "email_hash": ("email", lambda r: f"{user(r)}#{r.choice(['163.com', 'example.com'])}"),
    "ip": ("ip", lambda r: f"{r.randint(1, 126)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}"),
    "ip6": ("ip", ip6),
    "mac": ("mac", lambda r: r.choice([":", "-"]).join(f"{r.getrandbits(8):02{r.choice('xX')}}" for _ in range(6))),
    "gps": ("gps", gps),
    "address": ("address", address),
    "birth": ("birth", birth),
    "birth_en": ("birth", birth_en),
    "record": ("record", lambda r: r.choice(["", "ZY", "MZ", "A"]) + digits(r, r.randint(6, 11))),
    "ssn": ("ssn", lambda r: f"{r.randint(100, 665)}-{r.randint(10, 99)}-{r.randint(1000, 9999)}"),
    "password": ("secret", lambda r: letters(r, r.randint(6, 12)) + r.choice(["", "!", "@2", "#"])),
    "api_key": ("secret", lambda r: r.choice(["sk-", "sk-proj-", "ghp_", "sk-ant-"]) + letters(r, 36)),
    "aws_key": ("secret", lambda r: "AKIA" + letters(r, 16, string.ascii_uppercase + "234567")),
    "pem": (
        "secret",
        lambda r: (
            "-----BEGIN RSA PRIVATE KEY-----\n"
            + "\n".join(letters(r, 64) for _ in range(3))
            + "\n-----END RSA PRIVATE KEY-----"
        ),
    ),
    "name": ("name", name),
    "name_en": ("name", lambda r: " ".join(r.choice(part.split()) for part in ENGLISH)),
}


def bad18(rng: random.Random) -> str:
    """18 digits that are a resident ID but for the check digit."""
    number = re.sub(r"[ -]", "", id_card(rng))
    return number[:17] + rng.choice([d for d in string.digits if d != number[17]])


NUMBERS: dict[str, Make] = {  # slots that nobody owns
    **{f"n{n}": (lambda r, n=n: digits(r, n, "123456789")) for n in (5, 6, 8, 9, 10, 12, 13, 15, 20)},
    "n11": lambda r: "1" + digits(r, 10, "3456789"),
    "n18bad": bad18,
    "zip": lambda r: digits(r, 6, "1234567"),
    "isbn": lambda r: f"978-7-{digits(r, 3)}-{digits(r, 5)}-{digits(r, 1)}",
    "money": lambda r: f"{r.randint(1, 999)},{digits(r, 3)},{digits(r, 3)}.{digits(r, 2)}",
    "version": lambda r: ".".join(str(r.randint(0, 30)) for _ in range(r.choice([3, 4]))),
    "year": lambda r: str(r.randint(1990, 2025)),
    "small": lambda r: str(r.randint(1, 400)),
    "date": lambda r: r.choice(["{}年{}月{}日", "{}-{:02}-{:02}", "{}.{}.{}"]).format(*day(r)),
    "ts": lambda r: "1" + digits(r, 12, "67"),
    "part": lambda r: letters(r, 2, "ABCDEGHKS") + digits(r, 8),
    "decimal": lambda r: f"{r.uniform(0, 200):.{r.choice([2, 6, 12])}f}",
    "hash": lambda r: f"{r.getrandbits(128):032x}",
}
