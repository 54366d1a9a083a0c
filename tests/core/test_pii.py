"""Personal data: found where planted, left where numbers only look like it; precision, recall and false alarms are printed."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core import pii
from firesteel.core.pii_checks import id_checksum, luhn, uscc_checksum

SALT = "test"
USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
Make = Callable[[random.Random], str]


def digits(rng: random.Random, n: int) -> str:
    """n random digits."""
    return "".join(rng.choice(string.digits) for _ in range(n))


def resident_id(rng: random.Random) -> str:
    """A resident ID with a valid checksum."""
    region = rng.choice("110105 310115 440304 510104 650102 820000".split())
    body = f"{region}{rng.randint(1930, 2015)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{digits(rng, 3)}"
    return body + id_checksum(body)


def card(rng: random.Random) -> str:
    """A bank card number that passes Luhn, sometimes in groups of four."""
    body = "62" + digits(rng, rng.choice([13, 14, 16]))
    number = next(body + d for d in string.digits if luhn(body + d))
    return number if rng.random() < 0.6 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def credit_code(rng: random.Random) -> str:
    """A unified social credit code with a valid check character."""
    body = rng.choice(["91", "92", "52", "12"]) + "110108" + "".join(rng.choice(USCC) for _ in range(9))
    return body + uscc_checksum(body)


def mobile(rng: random.Random) -> str:
    """A mobile number in one of its spellings."""
    a, b, c = f"1{rng.randint(3, 9)}{digits(rng, 1)}", digits(rng, 4), digits(rng, 4)
    return rng.choice([a + b + c, f"{a} {b} {c}", f"{a}-{b}-{c}", f"+86 {a}{b}{c}", f"+86-{a}-{b}-{c}"])


def plate(rng: random.Random) -> str:
    """A number plate, also of electric cars."""
    head = rng.choice("京沪粤川") + rng.choice("ABCDE")
    tail = rng.choice(
        [f"{digits(rng, 3)}A{digits(rng, 1)}", digits(rng, 5), f"D{digits(rng, 5)}", f"{digits(rng, 5)}F"]
    )
    return head + rng.choice(["", "·"]) + tail


def address(rng: random.Random) -> str:
    """A postal address."""
    place = rng.choice(["北京市海淀区", "广东省深圳市南山区", "浙江省杭州市", "四川省成都市武侯区"])
    road = rng.choice(["中关村大街", "科技路", "人民南路", "长乐巷"])
    return f"{place}{road}{rng.randint(1, 300)}号{rng.choice(['', '3号楼501室', '2栋1单元12层'])}"


POSITIVES: dict[str, tuple[Make, tuple[str, ...]]] = {  # kind -> how to make one, sentences that hold it
    "id_card": (resident_id, ("身份证号{}，请核对。", "ID number: {}.", "编号{}")),
    "bank_card": (card, ("卡号：{}，开户行北京。", "请转到{}。", "card no. {}, thanks")),
    "uscc": (credit_code, ("统一社会信用代码{}", "公司（{}）")),
    "mobile": (mobile, ("电话{}。", "手机号是{}，联系人张三", "Call {} today", "{}")),
    "landline": (
        lambda r: f"0{r.choice(['10', '21', '755', '571'])}-{r.randint(2, 8)}{digits(r, 7)}", ("座机{}。", "tel {}", "{}"),
    ),
    "passport": (lambda r: f"E{digits(r, 8)}", ("护照号码{}，有效", "passport {}.")),
    "permit": (lambda r: f"C{digits(r, 8)}", ("港澳通行证：{}", "往来港澳通行证号码为{}。")),
    "plate": (plate, ("车牌{}停在门口", "{}违章")),
    "email": (lambda r: f"user{digits(r, 3)}.a@mail{digits(r, 1)}.example.com", ("邮箱{}。", "写信给{}，谢谢", "mail {}.")),
    "ip": (
        lambda r: f"{r.randint(32, 223)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}",
        ("服务器{}宕机", "from {}, port 22"),
    ),
    "wechat": (lambda r: f"wx_{digits(r, 6)}", ("微信号：{}", "WeChat ID: {}", "加微信：{}，备注")),
    "qq": (lambda r: f"{r.randint(1, 9)}{digits(r, 8)}", ("QQ：{}", "qq群{}", "QQ号{}。")),
    "address": (address, ("家住{}，欢迎来。", "收货地址：{}", "寄往{}。")),
}  # fmt: skip

NEGATIVES: dict[str, tuple[Make, tuple[str, ...]]] = {  # numbers that are nobody's
    "wrong ID check": (
        lambda r: (b := resident_id(r))[:17] + r.choice([c for c in "0123456789X" if c != b[17]]), ("编号{}", "身份证号{}"),
    ),
    "ID of a 13th month": (lambda r: f"110105{r.randint(1950, 2010)}13{digits(r, 5)}"[:18], ("号码{}。",)),
    "wrong card check": (lambda r: next(n for n in iter(lambda: "62" + digits(r, 14), "") if not luhn(n)), ("卡号：{}",)),
    "wrong USCC check": (
        lambda r: (b := credit_code(r))[:17] + r.choice([c for c in USCC if c != b[17]]), ("代码{}", "单位{}"),
    ),
    "order number": (lambda r: f"1{r.randint(3, 9)}{digits(r, 9)}", ("订单号：{}", "运单号{}", "Order no. {}", "流水号 {}")),
    "long number": (lambda r: "8" + digits(r, r.randint(11, 14)), ("合同金额{}", "值为{}。")),
    "decimal": (lambda r: f"0.{digits(r, 18)}", ("概率{}", "p = {}")),
    "money": (lambda r: f"{r.randint(1, 999)},{digits(r, 3)},{digits(r, 3)}.{digits(r, 2)}", ("共计{}元",)),
    "time stamp": (lambda r: f"17{digits(r, 11)}", ("时间戳{}", "ts={}")),
    "date": (lambda r: f"20{digits(r, 2)}-{r.randint(1, 12):02}-{r.randint(1, 28):02}", ("于{}生效",)),
    "version": (
        lambda r: f"{r.randint(1, 9)}.{r.randint(0, 20)}.{r.randint(0, 20)}.{r.randint(0, 20)}", ("版本{}", "见第{}节", "v{}"),
    ),
    "hash": (lambda r: f"{r.getrandbits(128):032x}", ("sha {}", "文件{}")),
    "ISBN": (lambda r: f"978-7-{digits(r, 3)}-{digits(r, 5)}-{digits(r, 1)}", ("ISBN {}", "书号{}")),
    "part number": (lambda r: f"E{digits(r, 8)}", ("零件{}", "型号{}")),
    "law article": (lambda r: f"第{r.randint(1, 999)}条", ("依照{}的规定", "国发〔2024〕{}")),
    "doc number": (lambda r: f"第{r.randint(1, 99)}号", ("主席令{}", "公告{}在某路口")),
    "road": (lambda r: f"走{r.choice('一二三')}路公交", ("请{}",)),
}  # fmt: skip


def test_precision_and_recall_on_a_synthetic_set(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(7)
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for kind, (make, sentences) in POSITIVES.items():
        for i in range(60):
            value = make(rng)
            text = sentences[i % len(sentences)].format(value)
            start = text.index(value)
            found = [(f.kind, f.start, f.end) for f in pii.find(text)]
            right[kind] += (kind, start, start + len(value)) in found
            missed[kind] += (kind, start, start + len(value)) not in found
            wrong.update(f[0] for f in found if f != (kind, start, start + len(value)))
    n = right.total()
    precision, recall = n / max(1, n + wrong.total()), n / (n + missed.total())
    with capsys.disabled():
        print(
            f"\npersonal data: precision {precision:.4f}, recall {recall:.4f} on {n + missed.total()} planted; missed {+missed}"
        )
    assert precision >= 0.99 and recall >= 0.99


def test_false_alarms_in_number_heavy_text(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(8)
    alarms, total = Counter[str](), 0
    for kind, (make, sentences) in NEGATIVES.items():
        for i in range(200):
            total += 1
            if pii.find(sentences[i % len(sentences)].format(make(rng))):
                alarms[kind] += 1
    with capsys.disabled():
        print(f"\npersonal data: {alarms.total()} false alarms in {total} numbers that are nobody's {dict(alarms)}")
    assert alarms.total() / total <= 0.002
    assert not any(alarms[kind] for kind in NEGATIVES if kind.startswith(("wrong", "ID of", "order")))


def test_checksums_of_the_standards() -> None:
    assert id_checksum("11010519491231002") == "X"  # the example of GB 11643-1999
    assert uscc_checksum("91350100M000100Y4") == "3"  # the example of GB 32100-2015
    assert luhn("4242424242424242") and not luhn("4242424242424243")


def test_full_width_digits_count() -> None:
    assert [f.kind for f in pii.find("电话１３８１２３４５６７８，ｕｓｅｒ＠ｅｘａｍｐｌｅ．ｃｏｍ")] == [
        "mobile",
        "email",
    ]


def test_placeholders_follow_the_language_and_the_value() -> None:
    text, counts = pii.redact("手机13812345678，又写作138 1234 5678或+86 13812345678，另有13912345678。", SALT)
    first, second, third, other = (part.split("]")[0] for part in text.split("[手机:")[1:])
    assert first == second == third != other and counts == {"mobile": 4} and len(first) == 4
    assert pii.redact("call 13812345678", SALT)[0] == f"call [PHONE:{first}]"
    assert pii.redact("手机13812345678", "another salt")[0] != f"手机[手机:{first}]"


def test_a_number_that_a_replacement_uncovers_is_replaced_too() -> None:
    clean, counts = pii.redact("京A12345.13812345678", SALT)  # after a digit and a point, it could be decimals
    assert pii.find(clean) == [] and counts == {"plate": 1, "mobile": 1}


def test_rows_of_a_table_without_spaces() -> None:
    row = "张三,13812345678,11010519491231002X,6222021234567890128,zhang@example.com,010-62345678,京A12345"
    for line in (row, row.replace(",", "\t"), row.replace(",", "|"), row.replace(",", ";"), row.replace(",", "、")):
        kinds = [f.kind for f in pii.find(line)]
        assert kinds == ["mobile", "id_card", "bank_card", "email", "landline", "plate"]


def test_nothing_is_left_after_redaction() -> None:
    rng = random.Random(9)
    text = "；".join(s.format(make(rng)) for make, sentences in POSITIVES.values() for s in sentences)
    clean, counts = pii.redact(text, SALT)
    assert pii.find(clean) == [] and set(counts) == set(POSITIVES)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789Xx@.-:： ()AEQq微信号护照电话京市区路号室版v", max_size=80))
def test_findings_are_sorted_apart_and_gone_after_one_call(text: str) -> None:
    found = pii.find(text)
    assert all(0 <= f.start < f.end <= len(text) for f in found)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    clean, _ = pii.redact(text, SALT)
    assert pii.find(clean) == [] and pii.redact(clean, SALT) == (clean, {})


@pytest.mark.parametrize(
    "text",
    [
        "1" * 50_000,
        "a@" * 25_000,
        "市" * 50_000 + "1号",
        "1号" * 25_000,
        "京A" * 25_000,
        "62 " * 20_000,
        "1.1." * 12_000,
    ],
)
def test_hostile_texts_do_not_hang(text: str) -> None:
    pii.find(text)
