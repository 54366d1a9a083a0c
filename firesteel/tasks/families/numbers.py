"""The numbers that a text claims: not those it computes with, denies, or labels its lines with.

"Tom has 12 + 30 = 42 apples" claims 42; "12+30=42, 42-5=37" claims 37, for what a later equation uses is a step; "40+2"
claims nothing: it is left to be worked out. The text is cut into tokens once, from left to right, so garbage is quick.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

LONGEST_NUMBER = 64  # characters; nobody writes longer ones, and whole libraries choke on some
SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "⁄": "/", "\u200b": "", "\ufeff": "", "，": "， ", "、": "、 "})
VULGAR = "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"

LATEX: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\[dt]?frac\s*\{([^{}\\]{1,32})\}\s*\{([^{}\\]{1,32})\}", r" \1/\2"),
        (r"\\[dt]?frac\s*(\d)\s*(\d)", r" \1/\2"),
        (r"\\\\", "\n"),
        (r"\\sqrt\s*\{", "√{"),
        (r"\\(?:text|mathrm|mathbf|textbf|mathtt|texttt|mbox|operatorname)\s*\{([^{}\\]{0,64})\}", r" \1 "),
        (r"\\(?:times|cdot)(?![A-Za-z])", "*"),
        (r"\\div(?![A-Za-z])", "÷"),
        (r"\\(?:neq?)(?![A-Za-z])", "≠"),
        (r"\\(?:left|right|displaystyle|quad|qquad)(?![A-Za-z])|\\[()\[\]!]|\$", " "),
        (r"\{,\}|\\,(?=\d{3})", ","),
        (r"\\[,;: ]", " "),
        (r"\\%", "%"),
        (r"\^\s*\{([^{}]{1,16})\}", r"^\1"),
        (r"\\(?:begin|end)\{[a-z]{1,16}\*?\}|&(?==)", " "),
        (r"<!--|-->", "\n"),
        (r"[-=]>|[→⇒]", "="),
        (r"!=", "≠"),
    )
)
TEN_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,8}(?:\.\d{1,9})?)\s?万(?:零?(\d{4})(?!\d))?")
LARGE = re.compile(
    r"(?<![\d.,])(\d{1,8}(?:\.\d{1,9})?)\s?"
    r"(?:(亿)零?(?:(\d{1,4})\s?万)?零?(\d{1,4}(?!\d))?|(thousand|million|billion)\b)",
    re.I,
)
SCALES = {"亿": 10**8, "thousand": 10**3, "million": 10**6, "billion": 10**9}
SYMBOLS = frozenset("-+*×÷/^")
UNKNOWN = re.compile(r"[B-HJ-Zb-z]")
LABEL = re.compile(
    r"^[ \t]*(?:[*#]{1,3}[ \t]*)?(?:\d{1,2}[.)、](?=[ \t]+\S|[^\s\d])|(?:step|步骤)[ \t]*\d{1,2}[ \t]*[:：.]?)",
    re.M | re.I,
)
SCIENTIFIC = re.compile(r"(?<=\d)[ ]?[*×x][ ]?10[ ]?\^[ ]?([+-]?\d{1,3})(?![\d.])")
MIXED = re.compile(r"(?<![\d./])(\d{1,9})[ ]{1,3}(\d{1,9})/(\d{1,9})(?![\d/])")
DENIED = re.compile(
    r"(?:\bnot\b|n't\b|\bnever\b|\b(?:[a-z]{2,9}er|more|less) than|at least|at most|\bother than|(?:\bnot|n't) [a-z]{2,6}|"
    r"\bexcept(?: for)?\b|除[了去]|"
    r"不是|不为|不等于|并非|而非|没有|不止|不只|大于|小于|多于|少于|超过|不到|不足|至少|至多|[≠<>≥≤])"
    r"[\s:=]*(?:equal to|exactly|be)?\s*$",
    re.I,
)
DENIAL = re.compile(
    r"(?:\bnot\b|n't\b)\s+(?:on |at |the |an? )?[^\s,;]{1,64}"
    r"|(?:\bexcept(?: for)? |除[了去]|不是|并非|而非|不为|不等于)\s?[^\s，。,;；]{1,32}",
    re.I,
)
ALTERNATIVE = re.compile(r"\d[^\d\n。;；]{0,12}(?:\bor\b|或|还是)[^\d\n。;；]{0,12}\d", re.I)

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][+-]?\d{1,3}(?![\d.]))?|\.\d+"
WHOLE = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?(?:/\d+)?", re.ASCII)
TOKEN = re.compile(
    rf"(?P<number>(?<![A-Za-z_.第])(?<![A-Za-z]-)(?:{NUMBER})(?:/\d+(?![\d.]))?%?(?![A-Za-z_]{{0,32}}\d|(?:st|nd|rd|th|[xyn])\b))"
    r"|(?P<equal>=+|≈|等于|\bequals?\b)"
    r"|(?P<operator>(?<![A-Za-z])[-/]|[-/](?![A-Za-z])|[+*×÷^]|\b(?:plus|minus|times|divided by)\b|[加减乘除]以?)"
    r"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<stop>[\n。！？；;!?，、,:：]|\.(?=\s|$))|(?P<word>[A-Za-z_][A-Za-z_0-9]*|[√第]\s?[({]?\d[\d.]*|[^\s])"
)


GIVES = ("is", "gives", "makes", "是", "为")  # what a sum is said to be


@dataclass
class Run:
    """What stands between two stops: the sides of an equation, or only one side."""

    sides: list[list[str]] = field(default_factory=lambda: [[]])  # numbers of each side
    operated: list[bool] = field(default_factory=lambda: [False])  # whether a side has an operator between its numbers

    def used(self) -> list[str]:
        """Numbers that it computes with."""
        return [n for side in self.sides[: self._last()] for n in side]

    def claimed(self) -> list[str]:
        """Numbers that it states."""
        plainly = [side for side, operated in zip(self.sides, self.operated, strict=True) if side and not operated]
        return plainly[-1] if plainly else []

    @property
    def derived(self) -> bool:
        """Whether what it states is the result of an equation."""
        return self._last() > 0

    def _last(self) -> int:
        return max((i for i, side in enumerate(self.sides) if side), default=0)


def plain(text: str) -> str:
    """Full-width digits and signs as ASCII has them, with superscripts (10³ is not 103) and 2½ kept apart."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda m: "^" + m[0].translate(SUPERSCRIPT), text)
    text = re.sub(r"[₀-₉]+", lambda m: "_" + unicodedata.normalize("NFKC", m[0]), text)
    text = re.sub(rf"(?<=\d)(?=[{VULGAR}])", " ", text)
    text = re.sub(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", ",", text)
    text = re.sub(r"[\u2460-\u249b\u24ea-\u24ff]", " ", text)  # circled labels
    return unicodedata.normalize("NFKC", text.translate(SIGNS)).replace("⁄", "/").replace("−", "-")


def undenied(text: str) -> str:
    """A text without what it says that the answer is not: "not Friday but Sunday" keeps Sunday."""
    return DENIAL.sub(" ", text)


def bare(text: str) -> str:
    """A text without its LaTeX and Markdown, labels of lines, and other ways to write one number."""
    for pattern, replacement in LATEX:
        text = pattern.sub(replacement, text)
    text = LABEL.sub(" ", plain(text).replace("**", "").replace("`", ""))
    text = re.sub(r"(?<![\d)])(?<![\d)]\s)\b(?:minus|negative)\s+(?=\d)|负\s?(?=\d)|零下\s?(?=\d)", "-", text)
    text = TEN_THOUSANDS.sub(lambda m: _decimal(Fraction(m[1]) * 10_000 + int(m[2] or 0)), LARGE.sub(_large, text))
    return MIXED.sub(_improper, SCIENTIFIC.sub(r"e\1", text))


def _large(match: re.Match[str]) -> str:
    """3亿 or 1.4 million in digits."""
    amount, hundred_million, ten_thousands, ones, scale = match.groups()
    more = int(ten_thousands or 0) * 10_000 + int(ones or 0)
    return _decimal(Fraction(amount) * SCALES[hundred_million or scale.lower()] + more) + " " * bool(scale)


def _decimal(amount: Fraction) -> str:
    """In digits; `amount` has a power of ten below."""
    whole, rest = divmod(amount, 1)
    return str(whole) + (f"{float(rest):.9f}".rstrip("0")[1:] if rest else "")


def _improper(mixed: re.Match[str]) -> str:
    whole, top, bottom = (int(g) for g in mixed.groups())
    return f"{whole * bottom + top}/{bottom}" if top < bottom else mixed[0]


def numbers(text: str) -> list[str]:
    """All numbers that a text states, as they are written, in order."""
    return [n for run in runs(bare(text)) for n in run.claimed()]


def all_numbers(text: str) -> list[str]:
    """All numbers of a text, also those it computes with."""
    return [n for run in runs(bare(text)) for side in run.sides for n in side]


def stated(text: str) -> list[str]:
    """The numbers that a text states, less the results that one of its later equations uses."""
    found: list[str] = []
    later: set[Fraction | str] = set()
    for run in reversed(list(runs(bare(text)))):
        found += [n for n in reversed(run.claimed()) if not (run.derived and worth(n) in later)]
        later |= {worth(n) for n in run.used()}
    return found[::-1]


def runs(text: str) -> Iterator[Run]:
    """Cut a text into runs; `text` is bare."""
    run, last, sign, begun, pending = Run(), "", "", 0, False
    for token in TOKEN.finditer(text):
        kind = token.lastgroup or ""
        if kind == "stop":
            yield run
            run, begun = Run(), token.end()
        elif kind == "equal" or (kind == "word" and run.operated[-1] and token[0].lower() in GIVES):
            kind = "equal"
            run.sides.append([])
            run.operated.append(False)
        elif kind == "number":
            run.operated[-1] = run.operated[-1] or pending
            if not DENIED.search(text, max(begun, token.start() - 24), token.start() - len(sign)):
                run.sides[-1].append(sign + token[0])
            begun = token.end()
        elif kind == "word" and last == "operator" and UNKNOWN.fullmatch(token[0]) and run.sides[-1]:
            run.operated[-1] = True  # 40 + C is no number
        if kind == "operator" and token[0] == "-" and _is_sign(text, token, last):
            kind, sign = "sign", "-"
        else:
            sign = ""
        pending = (
            bool(run.sides[-1])
            or text[token.end() : token.end() + 1] == "("  # -(-8) is left to work out
            or (last in ("close", "word") and token[0] in SYMBOLS)
            if kind == "operator"
            else pending and kind in ("open", "sign", "word")
        )
        last = kind
    yield run


def _is_sign(text: str, token: re.Match[str], last: str) -> bool:
    """Whether a minus belongs to the number after it: nothing to take it from stands before it."""
    after = text[token.end() : token.end() + 1]
    before = text[max(0, token.start() - 1) : token.start()]
    return (
        after.isdigit()
        and last not in ("number", "close", "sign", "operator")
        and not (before.isascii() and before.isalpha())
    )


def worth(number: str) -> Fraction | str:
    """A number's value, or itself where it has none."""
    found = value(number)
    return number if found is None else found


def value(number: str) -> Fraction | None:
    """What a written number is worth; None if it is written as nobody writes it (05, 1/0)."""
    digits = number.removesuffix("%").replace(",", "")
    if len(digits) > LONGEST_NUMBER or not WHOLE.fullmatch(digits) or re.match(r"-?0\d", digits):
        return None
    top, _, bottom = digits.partition("/")
    if bottom and not int(bottom):
        return None
    found = Fraction(top) / int(bottom or 1)
    return found / 100 if number.endswith("%") else found
