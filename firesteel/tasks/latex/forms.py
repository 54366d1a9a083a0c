"""The forms a LaTeX answer may have, read strictly before mathematics is asked.

Equal is not enough: \\frac{6}{8} is equal to \\frac{3}{4}, but the question was to simplify it, and math-verify evaluates
integrals, derivatives and determinants by itself, so that a copied question would be right. Each form therefore lets
through only what is worked out, and nothing that takes long (9^{9^{9}}).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

LONGEST = 300  # characters of an answer
PIECES = (  # what is written differently for the same
    ("−", "-"), ("–", "-"), ("×", "*"), ("·", "*"), ("∞", "\\infty"), ("∪", "\\cup"), ("∈", "\\in"), ("≤", "\\le"), ("≥", "\\ge"),
    ("²", "^{2}"), ("³", "^{3}"), ("⁴", "^{4}"), ("⁵", "^{5}"), ("，", ","), ("（", "("), ("）", ")"), ("＝", "="), ("；", ";"),
    ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("\\left", ""), ("\\right", ""), ("\\cdot", "*"), ("\\times", "*"),
    ("\\leq", "\\le"), ("\\geq", "\\ge"), ("\\displaystyle", ""), ("\\quad", " "), ("\\,", ""), ("\\;", ""), ("\\!", ""),
    ("$", ""), ("\\(", ""), ("\\)", ""), ("\\[", ""), ("\\]", ""), ("**", "^"),
    ("₁", "_1"), ("₂", "_2"),
)  # fmt: skip
WHOLE = r"-?\d{1,12}"
FRACTION = re.compile(rf"(-?)(?:\\frac\{{({WHOLE})\}}\{{(\d{{1,12}})\}}|({WHOLE})(?:/(\d{{1,12}}))?)")
RADICAL = re.compile(r"-?\d{0,9}\*?\\sqrt\{(\d{1,9})\}")
SURD = re.compile(r"(?:\\frac|\\sqrt|[-+*/(){}]|\d{1,9})+")
POWER = re.compile(r"\^(?:\d(?!\d)|\{\d{1,2}\})(?!\^)")
TERM = re.compile(r"(?:\\frac|\^|[*/{}x]|\d{1,9})+")
ENV = re.compile(r"\\begin\{([pb]?matrix)\}(.*?)\\end\{\1\}", re.S)
NUMBER = rf"(?:\+?\\infty|-\\infty|-?\\frac\{{{WHOLE}\}}\{{\d{{1,9}}\}}|{WHOLE}(?:/\d{{1,9}})?)"
INTERVAL = re.compile(rf"([(\[])({NUMBER}),({NUMBER})([)\]])")
BETWEEN = re.compile(rf"({NUMBER})(<|\\le)x(<|\\le)({NUMBER})")
BEYOND = re.compile(rf"x(<|>|\\le|\\ge)({NUMBER})")


def tidy(text: str) -> str:
    """One way to write what can be written in several; without spaces around signs, a name and = in front, a dot at the end."""
    text = text.strip()
    for old, new in PIECES:
        text = text.replace(old, new)
    text = re.sub(r"(?<!\\)\\ |^\*\*|\*\*$", " ", text)
    text = re.sub(r"(?:√|根号|(?<!\\)\bsqrt)\(?(\d+)\)?", r"\\sqrt{\1}", text)
    text = re.sub(r"\\(sqrt)\s*(\d)", r"\\\1{\2}", text)
    text = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\(?:text|mathrm)\{\s*(or|and|或|和)\s*\}", r" \1 ", text)
    return text.strip(" .。\n\t")


def _joined(text: str) -> str:
    """Without spaces, and without `f'(x) =` in front."""
    text = re.sub(r"\s+", "", text)
    return re.sub(
        r"^(?:[A-Za-z](?:'|_\{?\d\}?)?(?:\(x\))?|y'|\\frac\{d[fy]?\}\{dx\}(?:f\(x\)|y)?|\\det\(?[A-Z]\)?)=", "", text
    )


def _fraction(text: str) -> str | None:
    match = FRACTION.fullmatch(_joined(text))
    if match is None:
        return None
    sign, top, bottom, plain_top, plain_bottom = match.groups()
    a, b = int(top or plain_top), int(bottom or plain_bottom or 1)
    written = bool(bottom or plain_bottom)
    if b == 0 or math.gcd(a, b) != 1 or (written and b == 1):
        return None if written else _joined(text)
    a = -a if sign else a
    return f"\\frac{{{a}}}{{{b}}}" if b > 1 else str(a)


def _integer(text: str) -> str | None:
    return _joined(text) if re.fullmatch(WHOLE, _joined(text)) else None


def _radical(text: str) -> str | None:
    match = RADICAL.fullmatch(_joined(text))
    if match is None or any(int(match[1]) % (d * d) == 0 for d in range(2, 1 + math.isqrt(int(match[1])))):
        return None
    return _joined(text)


def _polynomial(text: str) -> str | None:
    """Sums of different powers of x, worked out: no brackets, no decimal points, like terms together."""
    joined = _joined(text)
    powers = [m[0] for m in POWER.finditer(joined)]
    if joined.count("^") != len(powers) or "(" in joined:
        return None
    terms = re.findall(r"[-+]?[^-+]+", re.sub(r"\{-", "{~", joined))
    terms = [t.replace("~", "-") for t in terms]
    if "".join(terms) != joined or not all(TERM.fullmatch(t.lstrip("+-").replace("{-", "{")) for t in terms):
        return None
    degrees = [_degree(t) for t in terms]
    return joined if len(set(degrees)) == len(degrees) and None not in degrees else None


def _degree(term: str) -> int | None:
    """Of a monomial c x^n; None where x stands twice, or is divided by, or is a power's basis twice."""
    if term.count("x") > 1 or re.search(r"/x|\}\{[^}]*x|\d\^|\}\^|\d\*\d", term):
        return None
    power = re.search(r"x\^\{?(\d+)", term)
    return int(power[1]) if power else int("x" in term)


def _set(text: str) -> str | None:
    """Numbers in any order and dress: \\{2,3\\}, x=2 or x=3, x_1=2, x_2=3, 1\\pm\\sqrt{2}."""
    inner = re.sub(
        r"^\s*(?:[A-Za-z]\s*(?:\\in|=)\s*)?\\?\{(.*)\\?\}\s*$", lambda m: m[1].removesuffix("\\"), text, flags=re.S
    )
    inner = re.sub(r"\b(?:or|and)\b|[或和、;]", ",", inner)
    inner = re.sub(r"x\s*(?:_\s*\{?\d?(?:,\d)*\}?)?\s*(?:\\in|=)\s*", "", re.sub(r"\s+", "", inner))
    found = []
    for one in (part for part in inner.split(",") if part):
        found += [one.replace("\\pm", "+"), one.replace("\\pm", "-")] if "\\pm" in one else [one]
    found = [one.removeprefix("+") for one in found]
    for one in found:
        if "sqrt" not in one and _fraction(one) is None:
            return None
        if "sqrt" in one and not SURD.fullmatch(one):
            return None
    return "\\{" + ",".join(found) + "\\}" if found and len(set(found)) == len(found) else None


def _interval(text: str) -> str | None:
    """Intervals joined by \\cup, or inequalities of x."""
    joined = re.sub(r"^x\\in", "", re.sub(r"\s+", "", re.sub(r"\b(?:or)\b|或", "\\\\cup", text)))
    found = [one for part in re.split(r"\\cup", joined) if (one := _one_interval(part))]
    if len(found) != joined.count("\\cup") + 1 or (len(found) > 1 and not _apart(found)):
        return None  # [1,2] or (1,2) is two answers
    return "\\cup".join(found)


def _apart(intervals: Sequence[str]) -> bool:
    """Whether intervals have no inner point in common."""
    ends = sorted((_end(m[2]), _end(m[3])) for one in intervals if (m := INTERVAL.fullmatch(one)))
    return all(before[1] <= after[0] for before, after in pairwise(ends))


def _end(written: str) -> float:
    """About what an end is worth."""
    if "\\infty" in written:
        return -math.inf if written.startswith("-") else math.inf
    top, _, bottom = written.removeprefix("-").removeprefix("\\frac").strip("{}").replace("}{", "/").partition("/")
    size = int(top) / (int(bottom or 1) or 1)
    return -size if written.startswith("-") else size


def _open_at_infinity(found: re.Match[str]) -> bool:
    return not ("\\infty" in found[2] and found[1] == "[") and not ("\\infty" in found[3] and found[4] == "]")


def _one_interval(part: str) -> str | None:
    if match := INTERVAL.fullmatch(part):
        if not _open_at_infinity(match):
            return None
        return f"{match[1]}{match[2]},{match[3]}{match[4]}"
    if match := BETWEEN.fullmatch(part):
        return f"{'(['[match[2] != '<']}{match[1]},{match[4]}{')]'[match[3] != '<']}"
    if match := BEYOND.fullmatch(part):
        low = match[1] in ("<", "\\le")
        close = match[1] in ("\\le", "\\ge")
        return f"(-\\infty,{match[2]}{')]'[close]}" if low else f"{'(['[close]}{match[2]},\\infty)"
    return None


def _matrix(text: str) -> str | None:
    text = re.sub(r"^\s*[(\[]\s*(\\begin\{matrix\}.*\\end\{matrix\})\s*[)\]]\s*$", r"\1", text, flags=re.S)
    if re.fullmatch(r"\[\[[-\d,\s\[\]]+\]\]", text):  # [[1, 2], [3, 4]]
        rows_ = re.sub(r"\]\s*,\s*\[", "\\\\\\\\", text[2:-2]).replace(",", "&")
        text = "\\begin{pmatrix}" + rows_ + "\\end{pmatrix}"
    match = ENV.fullmatch(
        _joined(text).replace("\\begin{matrix}", "\\begin{pmatrix}").replace("\\end{matrix}", "\\end{pmatrix}")
    )
    if match is None:
        return None
    rows = [row.split("&") for row in re.split(r"\\\\", match[2]) if row]
    if len({len(row) for row in rows}) != 1 or not all(re.fullmatch(WHOLE, cell) for row in rows for cell in row):
        return None
    return "\\begin{pmatrix}" + "\\\\".join("&".join(row) for row in rows) + "\\end{pmatrix}"


FORMS: dict[str, Callable[[str], str | None]] = {
    "fraction": _fraction, "integer": _integer, "radical": _radical, "polynomial": _polynomial, "set": _set,
    "interval": _interval, "matrix": _matrix,
}  # fmt: skip


def formed(text: str, form: str) -> str | None:
    """An answer of a form in one way of writing, or None if it does not have the form."""
    return FORMS[form](tidy(text)) if 0 < len(text) <= LONGEST else None
