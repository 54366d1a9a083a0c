"""Personal data beyond the planted set: spellings, neighbours that must stay, placeholders, hostile input."""

from __future__ import annotations

import random
import time

import pytest

from benchmarks.privacy import family, judge
from firesteel.core import pii

KEY = b"k" * 32
FOUND = {  # text -> (kind, value) that must be found in it
    "身份证 110105 19491231 002x。": ("id_card", "110105 19491231 002x"),
    "证号1101\n05194912310\n02X完": ("id_card", "1101\n05194912310\n02X"),
    "旧身份证：110105491231002": ("id_card", "110105491231002"),
    "（＋８６）１３８－１２３４－５６７８": ("mobile", "（＋８６）１３８－１２３４－５６７８"),
    "快递电话：0086 138 1234 5678": ("mobile", "0086 138 1234 5678"),
    "拨打4006001234咨询": ("landline", "4006001234"),
    "总机 +86-10-6234 5678": ("landline", "+86-10-6234 5678"),
    "Call me: (415) 555-2671": ("landline", "(415) 555-2671"),
    "卡号 378282246310005": ("bank_card", "378282246310005"),
    "住民 A123456(3) 申请": ("hk_id", "A123456(3)"),
    "台湾身份证 A123456789": ("tw_id", "A123456789"),
    "沪A1234警 出动": ("plate", "沪A1234警"),
    "粤BD12345停": ("plate", "粤BD12345"),
    "车辆 使123001 通行": ("plate", "使123001"),
    "写信 zhang [at] example [dot] com": ("email", "zhang [at] example [dot] com"),
    "邮箱zhang#163.com": ("email", "zhang#163.com"),
    "地址 2001:db8:0:1::1 可达": ("ip", "2001:db8:0:1::1"),
    "网卡 00-1A-2B-3C-4D-5E": ("mac", "00-1A-2B-3C-4D-5E"),
    "坐标：31.230416,121.473701": ("gps", "31.230416,121.473701"),
    "出生日期：1990年1月1日": ("birth", "1990年1月1日"),
    "Date of birth: March 4, 1980": ("birth", "March 4, 1980"),
    "病案号：ZY0012345": ("record", "ZY0012345"),
    "SSN 123-45-6789": ("ssn", "123-45-6789"),
    "密码：abc123，勿外传": ("secret", "abc123"),
    "key sk-abcdefghijklmnopqrstuvwx": ("secret", "sk-abcdefghijklmnopqrstuvwx"),
    "postgres://app:hunter22@db/x": ("secret", "hunter22"),
    "地址：海淀区双清路学研大厦": ("address", "海淀区双清路学研大厦"),
    "住在江苏省南京市玄武区花园小区3栋502": ("address", "江苏省南京市玄武区花园小区3栋502"),
}
LEFT = (
    "会议于1990年1月1日召开，订单号13812345678，版本2.10.3.4，人口13812345678人次",
    "password = get_password()\ntoken: str = None\npassword=password",
    "时间 12:30:45，比例 3:4:5，std::dead::beef，A123456(7) 号零件",
    "坐标轴取值 0.1234, 0.5678；北纬30°附近；第12号公告",
    "沿中山路100号令执行；乘3路车到人民路站；第3组数据",
)
NAMES = {  # text -> names in it
    "姓名：张　伟\n联系人: 欧阳娜娜（母亲）": ["张　伟", "欧阳娜娜"],
    "原告李建国诉被告王芳。后李建国撤诉。": ["李建国", "王芳", "李建国"],
    "请王丽华老师和陈静医生发言": ["王丽华", "陈静"],
    "姓名,电话\n赵敏,1\n钱进,2\n": ["赵敏", "钱进"],
    "患者阿依古丽·买买提，女": ["阿依古丽·买买提"],
    "刘志强，男，汉族": ["刘志强"],
    "参会人员：张伟、李娜、王强": ["张伟", "李娜", "王强"],
    "孙悦 13812345678": ["孙悦"],
    "Dear Mr. Smith, the patient is here.\nPatient: Mary O'Brien": ["Smith", "Mary O'Brien"],
    "Sincerely,\nJohn Smith": ["John Smith"],
}
NO_NAMES = (
    "王国高度发达，张开双臂，马上方便，周年白天，黄金安全，任何石油，江西",
    "申请人应当在法定期限内提交；被申请人向第三人追偿；原告高度关注；法定代表人由经理担任",
    "马经理和王主任都不在，高级教授与副主任到会，安全生产委员会主任",
    "毛泽东思想、邓小平理论；被害人陈述；注册会计师行业",
    "Dear Sir, File Name: Foo Bar. The Doctor said no.",
)


@pytest.mark.parametrize("text", FOUND)
def test_spellings_are_found(text: str) -> None:
    kind, value = FOUND[text]
    assert [(f.kind, text[f.start : f.end]) for f in pii.find(text) if f.kind == kind] == [(kind, value)]


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert pii.find(text) == []


@pytest.mark.parametrize("text", NAMES)
def test_names_are_found_by_what_stands_around_them(text: str) -> None:
    assert [text[f.start : f.end] for f in pii.find(text, names=True) if f.kind == "name"] == NAMES[text]
    assert not any(f.kind == "name" for f in pii.find(text))


@pytest.mark.parametrize("text", NO_NAMES)
def test_words_that_look_like_names_stay(text: str) -> None:
    assert pii.find(text, names=True) == []


SAME = (
    ("手机13812345678", "手机+86 138-1234-5678", "手机１３８１２３４５６７８", "手机0086 138 1234 5678"),
    ("身份证11010519491231002X", "身份证110105 19491231 002x", "身份证１１０１０５１９４９１２３１００２Ｘ"),
    ("邮箱 Zhang@Example.com", "邮箱 zhang [at] example.com", "邮箱zhang#example.com"),
    ("MAC 00:1a:2b:3c:4d:5e", "MAC 00-1A-2B-3C-4D-5E"),
    ("地址 2001:db8:0:1:0:0:0:1", "地址 2001:0DB8:0:1::1"),
    ("出生日期：1990年1月1日", "出生日期 1990-01-01", "出生日期：19900101"),
    ("姓名：张伟", "姓名：张 伟"),
    ("座机010-62345678", "座机(010)62345678", "座机 010 6234 5678"),
)


@pytest.mark.parametrize("texts", SAME)
def test_every_spelling_has_the_same_tag(texts: tuple[str, ...]) -> None:
    tags = {pii.redact(text, KEY, names=True)[0].split("[")[1] for text in texts}
    assert len(tags) == 1 and tags != {pii.redact(texts[0], b"o" * 32, names=True)[0].split("[")[1]}


def test_placeholders_are_not_looked_into() -> None:
    text = "姓名：[姓名:3fa1]，密码：[密钥:00aa]，住院号[证件号:12ab]，://a:[密钥:1234]@b"
    assert pii.find(text, names=True) == [] and pii.redact(text, KEY, names=True) == (text, {})


def test_floors_on_the_planted_set() -> None:
    structured, free = 0.97, {"name": 0.84, "address": 0.95}  # names: seen 99.6, 97 and 90 % in families a, b, c
    for which in "abc":
        for kind, score in judge(family(which, 3, 12)).items():
            if score.planted:
                assert score.recalled / score.planted >= free.get(kind, structured), (which, kind, score.misses[:3])
                assert score.right / (score.right + score.wrong) >= 0.98, (which, kind, score.misses[-3:])


@pytest.mark.parametrize("wide", [1, 4])
def test_redacting_again_changes_nothing(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pii, "_WIDE_ROUNDS", wide)  # 1: what a replacement uncovers is found near it alone
    rng = random.Random(5)
    pool = [text for which in "abc" for text, _ in family(which, 5, 2)]
    alphabet = "0123456789Xx@.-:： ()AEQq微信号护照电话京市区路室版v|,\n\t姓名王李伟芳先生密码a出生年月日[]手机b"
    for _ in range(600):
        noise = ["".join(rng.choices(alphabet, k=rng.randint(1, 12))) for _ in range(4)]
        cut = [piece + rng.choice(pool)[rng.randint(0, 5) : 50] for piece in noise]
        clean, _ = pii.redact("".join(cut), KEY, names=True)
        assert pii.redact(clean, KEY, names=True) == (clean, {}), "".join(cut)
    clean, counts = pii.redact("京A12345" + ".13812345678" * 40, KEY)
    assert pii.redact(clean, KEY) == (clean, {}) and counts["plate"] == 1


HOSTILE = (
    "1", "1 ", "1\n", "1-", "1.1.", "a@", "a:", "ab-", "00:11:", "市", "路1号", "村3组", "京A", "姓名：", "姓名：王伟，",
    "原告王", "王先生", "|姓名", "\n姓名,a\n王伟,1", "密码：", "-----BEGIN PRIVATE KEY-----\n", "eyJaaaaaaaaaaaa.aaaaaaaaaaa",
    "://a:", "1.12345,", "北纬1°1′", " at a.", "a[at]", "出生", "住院号 ", "Mr A ", "\nName: A ", ".13812345678",
    "京A12345.13812345678,", "[手机:aaaa]", "110105194912310021", "王·", "a", "李娜",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_ten_times_the_text_takes_about_ten_times_the_time(piece: str) -> None:
    def seconds(n: int) -> float:
        text, best = (piece * (n // len(piece) + 1))[:n], 9.0
        for _ in range(3):
            started = time.process_time()
            pii.redact(text, KEY, names=True)
            best = min(best, time.process_time() - started)
        return best

    pii.redact(piece, KEY, names=True)  # tables are read once
    assert seconds(20_000) <= 30 * max(seconds(2_000), 2e-4)  # a square would be a hundred
