"""Where persons are on line: mail, networks, chat accounts, coordinates, and the secrets that open doors."""

from __future__ import annotations

import ipaddress
import re

from firesteel.core.pii_rules import Detector, before

_IP = re.compile(
    r"(?:\bip(?:v4)?\b|地址|主机|服务器|网关|客户端|访问|登录|\bhost\b|\bserver\b|\bfrom\b|\bssh\b|\bping\b"
    r"|@|->)[^\n]{0,12}$",
    re.I,
)
_VERSION = re.compile(
    r"(?:版本|版|\bversion|\bver|\bv|\brelease|\brev|\bmodule|章|节|条|第|\bsection|\bchapter)[\s.:：=-]*$", re.I
)
_MAC = re.compile(r"(?:\bmac\b|物理地址|\bether\b|网卡)[^\n]{0,12}$", re.I)
_MAIL = re.compile(r"(?:e-?mail|\bmail\b|邮箱|邮件|信箱|contact|reach|write)[^\n]{0,20}$", re.I)
_PLACE = re.compile(
    r"(?:坐标(?!轴|系|图)|经纬|经度|纬度|gps|定位|位置|location|latitude|longitude|coordinates?|\blat\b"
    r"|\blon\b)[^\n]{0,16}$",
    re.I,
)
# What makes these detectors look closer begins with one sign each: the search for that costs next to nothing.
_COLONS = re.compile(r":(?<=[0-9A-Fa-f]:)[0-9A-Fa-f]{0,4}:")
_DASHES = re.compile(r"-(?<=[0-9A-Fa-f]{2}-)[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")
_DOTTED = re.compile(r"\.(?<=[0-9]\.)[0-9]{1,3}\.[0-9]")
_BORN = re.compile("生(?:(?<=[0-9日月]生)|(?<=[0-9日月]出生))")
_DECIMAL = re.compile(r"\.(?<=[0-9]\.)[0-9]{4}")
_AT = re.compile(r" at [A-Za-z0-9-]{1,40}(?:\.| dot | ?[\[({<]dot)")
_HASH = re.compile("#[A-Za-z0-9-]{1,40}\\.")
_DOMAIN = r"(?:com|cn|org|net|edu|gov|io|hk|tw|uk|de|co)"
_DOT = r"(?:\.| ?[\[({<]dot[\])}>] ?| dot )"
_NOT_SECRET = frozenset(
    "string password passwd none null true false self secret token your_password yourpassword required"
    " optional hidden "
    "undefined example bearer basic".split()
)


def _is_ip(value: str, text: str, start: int) -> bool:
    octets = [int(part) for part in value.split(".")]
    if max(octets) > 255 or octets[0] in (0, 127, 255) or before(_VERSION, text, start):
        return False
    return before(_IP, text, start) or max(octets) >= 32  # 2.10.3.4 alone is a version or a section


def _is_ip6(value: str, text: str, start: int) -> bool:
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return False
    if value.count(":") == 7 and "::" not in value:
        return True
    return value[0] in "23fF" and len(value.split(":")[0]) == 4 and not address.is_multicast


def _is_mac(value: str, text: str, start: int) -> bool:
    digits = re.sub(r"[:.-]", "", value).lower()
    if len(set(digits)) < 2:
        return False  # nobody's: broadcast, zero
    return not (digits.isdigit() and ":" not in value) or before(_MAC, text, start)


def _is_spelt_mail(value: str, text: str, start: int) -> bool:
    return re.search(r"[\[({<]at[\])}>]", value, re.I) is not None or before(_MAIL, text, start)


def _is_gps(value: str, text: str, start: int) -> bool:
    return re.search(r"[NSEW经纬]", value) is not None or before(_PLACE, text, start)


def _is_wechat(value: str, text: str, start: int) -> bool:
    return text[start - 1] in ":：是为" or text[start - 2] in ":：" or re.search(r"[0-9_-]", value) is not None


def _is_password(value: str, text: str, start: int) -> bool:
    """Not a placeholder, a type, a call or a name of the programme."""
    after = text[start + len(value) : start + len(value) + 1]
    if value.lower() in _NOT_SECRET or len(set(value)) < 3 or after in ("(", "[", "{"):
        return False
    if text[max(0, start - 12) : start].isascii():  # "password: must be long", "password=password"
        return not re.fullmatch(r"[A-Za-z]?[a-z_.]*", value)
    return True


_KEY = (
    r"sk-[A-Za-z0-9_-]{20,200}|(?:AKIA|ASIA)[0-9A-Z]{16}|LTAI[A-Za-z0-9]{12,26}|AKID[A-Za-z0-9]{32}|gh"
    r"[pousr]_[A-Za-z0-9]{36,80}"
    r"|github_pat_[A-Za-z0-9_]{30,100}|glpat-[A-Za-z0-9_-]{20,60}|xox[abprs]-[A-Za-z0-9-]{10,100}|AIza"
    r"[A-Za-z0-9_-]{35}"
    r"|hf_[A-Za-z0-9]{30,50}|eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,2000}"
)
_PASSWORD = (
    r"(?:密码|口令|passw(?:or)?d|passwd|\bpwd|passphrase|(?:api|access|secret)[_ -]?key(?:[_ -]?id)?|\bsecret"
    r"|\btoken)[\"'”]?"
    r"(?: {0,2}(?:是|为|[:：=]) {0,2})[\"'“]?(?P<v>[!#-&*+\--:=?-Z^-z|~][!#-&*+\--:=?-Z^-z|~]{3,127})"
)
_KEY_STARTS = (
    "sk-", "akia", "asia", "ltai", "akid", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat-", "xox", "aiza", "hf_", "eyj",
)  # fmt: skip
_SECRET_WORDS = (
    "密码", "口令", "passw", "pwd", "passphrase", "api_key", "api key", "api-key", "apikey", "access_key",
    "access key", "accesskey", "secret_key", "secret key", "secretkey", "secret=", "secret:", "secret =",
    "secret\"", "token=", "token:", "token =", "token\"",
)  # fmt: skip
SECRETS: tuple[Detector, ...] = (
    Detector(
        "secret", ("private key-----",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:\s{1,4}[A-Za-z-]{1,20}: [^\n]{1,80}){0,4}[A-Za-z0-9+/=\s]"
            r"{1,16384}"
            r"(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
        ),
    ),
    Detector(
        "secret", _KEY_STARTS,
        re.compile(rf"(?<![A-Za-z0-9_-])(?:{_KEY})(?![A-Za-z0-9_-])"),
    ),
    Detector("secret", ("bearer ",), re.compile(r"\bbearer (?P<v>[A-Za-z0-9._~+/-]{20,2000})", re.I)),
    Detector("secret", ("://",), re.compile(r"://[^\s:/@\x00]{1,64}:(?P<v>[^\s/@\x00]{3,64})@")),
    Detector(
        "secret", _SECRET_WORDS, re.compile(_PASSWORD, re.I), _is_password,
    ),
)  # fmt: skip

ONLINE: tuple[Detector, ...] = (
    Detector(
        "email", ("@",),
        re.compile(
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}"
            r"[A-Za-z]{2,24}(?![A-Za-z0-9-])"
        ),
    ),
    *(
        Detector(
            "email", needs,
            re.compile(
                rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{{0,63}}{at}[A-Za-z0-9-]{{1,40}}"
                rf"(?:{_DOT}[A-Za-z0-9-]{{1,40}}){{0,3}}{_DOT}{_DOMAIN}(?![A-Za-z0-9-])", re.I,
            ), _is_spelt_mail, "" if isinstance(needs, tuple) else at,
        )
        for needs, at in ((("[at]", "(at)", "{at}", "<at>"), r" ?[\[({<]at[\])}>] ?"), (_AT, " at "), (_HASH, "#"))
    ),
    Detector("ip", _DOTTED, re.compile(
        r"(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9]|[A-Za-z])"), _is_ip, ".", digits=True),
    Detector("ip", _COLONS, re.compile(
        r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{4}:[0-9A-Fa-f:]{2,34}(?![0-9A-Za-z:.])"), _is_ip6, ":"),
    *(
        Detector(
            "mac", needs, re.compile(
                rf"(?<![0-9A-Za-z:-])[0-9A-Fa-f]{{2}}(?:{sign}[0-9A-Fa-f]{{2}}){{5}}(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"),
            _is_mac, sign,
        )
        for needs, sign in ((_COLONS, ":"), (_DASHES, "-"))
    ),
    Detector(
        "gps", _DECIMAL,
        re.compile(
            r"(?<![0-9A-Za-z.])(?:[北南东西][纬经])?[-+]?[0-9]{1,3}\.[0-9]{4,12}°? ?[NSEW]?[ ,，、;；]{1,3}"
            r"(?:[北南东西][纬经])?[-+]?[0-9]{1,3}\.[0-9]{4,12}"
            r"(?:°? ?[NSEW](?![A-Za-z])|°)?"
        ), _is_gps, ".", digits=True,
    ),
    Detector(
        "gps", ("′", "″"),
        re.compile(
            r"[北南东西][纬经][0-9]{1,3}°[0-9]{1,2}[′'][0-9]{1,2}(?:\.[0-9]{1,4})?[″\"][ ,，、;；]{0,3}"
            r"(?:[北南东西][纬经][0-9]{1,3}°[0-9]{1,2}[′'][0-9]{1,2}(?:\.[0-9]{1,4})?[″\"])?"
        ),
    ),
    Detector(
        "wechat", ("微信", "wechat", "weixin", "v信", "vx", "威信"),
        re.compile(
            r"(?:微信|wechat|weixin|v信|vx|威信)(?:号码?|账号|帐号|\s?id)?(?:是|为|\s?[:：])?\s?"
            r"(?P<v>[a-z][a-z0-9_-]{5,19})(?![a-z0-9_@-]|\.[a-z])", re.I,
        ), _is_wechat,
    ),
    Detector(
        "qq", ("qq", "扣扣"),
        re.compile(
            r"(?:qq|扣扣)(?:群|号码?|账号|帐号)?(?:是|为|[:：])?\s?(?P<v>[1-9][0-9]{4,10})(?![0-9A-Za-z@]"
            r"|\.[0-9])", re.I),
    ),
)  # fmt: skip

_YEAR = r"(?:18|19|20)[0-9]{2}"
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_DATE = (
    rf"(?:{_YEAR} ?(?:年|[-/.]) ?[0-9]{{1,2}}(?: ?月| ?[-/.])(?: ?[0-9]{{1,2}}(?:日|号)?)?|{_YEAR}[01][0-9][0-3][0-9]"
    rf"|[0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.]{_YEAR}|{_MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}|[0-9]{{1,2}}"
    rf" {_MONTH}\.? {_YEAR})"
)
_PAPERS = (
    "病历 病案 住院 门诊 急诊 就诊 就诊卡 医保 医保卡 医疗保险 医疗保险卡 医疗证 社保 社保卡 社会保障 社会保障卡 参保 保单 "
    "学籍 学 准考证 考生 工 员工 驾驶证 驾照 档案 登记"
).split()
_RECORD_WORDS = (
    *(f"{paper}号" for paper in _PAPERS), "医保卡", "社保卡",
    "mrn", "medical record", "student id", "insurance", "policy", "patient id",
)  # fmt: skip
CUED: tuple[Detector, ...] = (
    Detector(
        "birth", ("出生", "生日", "dob", "birth", "d.o.b", "born on"),
        re.compile(
            r"(?:出生(?:年月日?|日期|时间)?|生日|\bdob\b|\bd\.o\.b\.|date of birth|birth ?da(?:te|y)|\bborn"
            rf" on)[\s:：|,，\"'是为于]{{0,4}}(?P<v>{_DATE})(?![0-9])",
            re.I,
        ),
    ),
    Detector("birth", _BORN, re.compile(
        rf"(?<![0-9.])(?P<v>{_YEAR}[年./-][0-9]{{1,2}}[月./-](?:[0-9]{{1,2}}日?)?)(?=出生|生(?![\u4e00-\u9fff]))"),
        char="生", digits=True),
    Detector(
        "record", _RECORD_WORDS,
        re.compile(
            rf"(?:(?:{'|'.join(_PAPERS)})号码?|医保卡|社保卡|\bmrn\b|medical record (?:no|number)|student (?:id"
            r"|no|number)|insurance (?:id|no|number)"
            r"|policy (?:no|number)|patient (?:id|no|number))[\s:：#.是为|]{0,4}(?P<v>(?=[A-Za-z-]{0,8}"
            r"[0-9]{3})[A-Za-z0-9-]{4,24})(?![A-Za-z0-9])", re.I,
        ),
    ),
)  # fmt: skip
