"""Mathematics with answers in LaTeX: fractions, roots, polynomials, intervals, sets, matrices; equality by math-verify."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from firesteel.tasks.answers import (
    LONGEST,
    NOTHING,
    SEVERAL,
    SPOKEN,
    TAKEN_BACK,
    Found,
    claims,
    hedged,
    marked,
    right,
    taken_back,
    wrong,
)
from firesteel.tasks.latex.forms import formed
from firesteel.tasks.latex.process import judge, need
from firesteel.tasks.task import Draw, Problem, Task

REPLIES = {"zh": "答案是${}$。", "en": "The answer is ${}$."}


def equal(problem: Problem, reply: str) -> Found:
    """Verifier: the one answer of a reply has the form of facts["form"] and means what `answer` (LaTeX) does.

    A gold answer that cannot be read rewards nothing. Raises RecipeError without math-verify.
    """
    form, gold = problem.facts["form"], formed(str(problem.answer), problem.facts["form"])
    said = marked(reply[-LONGEST:]) or [reply.strip()]
    if gold is None:
        return Found(0.0, "unreadable gold")
    read = list(dict.fromkeys(formed(text, form) for text in said))
    if read == [None]:
        read = stated(said, form, problem.question) or [None]
    if len(read) > 1:
        return SEVERAL
    if read[0] is None and (not said[0] or len(said[0]) > SPOKEN + 2 * len(str(problem.answer))):
        return NOTHING
    if read[0] is None:
        return Found(0.0, "not in the form that was asked", said[0])
    if taken_back(reply, said[0]) or TAKEN_BACK.search(said[0]):
        return SEVERAL
    if read[0] == gold:
        return right(said[0])
    same = judge().equal(gold, read[0])
    return Found(0.0, "unreadable gold") if same is None else right(said[0]) if same else wrong(said[0])


INLINE = re.compile(r"\$\$?([^$]{1,300})\$|\\\((.{1,300}?)\\\)|\\\[(.{1,300}?)\\\]", re.S)
UNSURE = re.compile(
    r"\b(?:not|or|maybe|perhaps|either|about|might|could|false|wrong)\b"
    r"|n't|[≠≈]|或|不[是为等]|并非|可能|大概|也许|约(?![分去成数])",
    re.I,
)
AND_NOT = re.compile(r"[,，]\s?(?:not|而?不是)\s?[^\s，。,;；]{1,64}")  # 42, not 43
CHAINED = ("fraction", "integer", "radical", "polynomial", "matrix")  # forms in which a = b = c ends in the answer


def stated(said: Sequence[str], form: str, question: str) -> list[str | None]:
    """The different answers of a form within sentences and at the ends of equations, less those that the question names."""
    said = [AND_NOT.sub(" ", text) for text in said]
    if any(UNSURE.search(text) for text in said):
        return []
    found: list[str | None] = []
    asked = {formed(part, form) for part in _formulas(question)}
    for text in said:
        formulas = _formulas(text) or [_told(text, form)]
        if form == "set" and len(formulas) > 1 and (whole := formed(",".join(formulas), form)):
            formulas = [whole]  # $x=-2$ and $x=4$
        for formula in formulas:
            sides = [formula, *(formula.split("=") if form in CHAINED else ())]
            found += [each for side in sides if (each := formed(side, form)) and each not in asked]
    if not found and form in ("fraction", "integer") and len(said) == 1 and not re.search(r"[|^√!\\$]", said[0]):
        found = [
            each for n in claims(said[0], question) if (each := formed(n, form)) and not hedged(n, said[0])
        ]  # "We get -8."
    return list(dict.fromkeys(found))


TELLS = re.compile(r"\b(?:is|are|equals?|hence|thus|therefore|so)\b|[是为∈:：]|等于|所以|因此|\\in\b", re.I)


def _told(text: str, form: str) -> str:
    """A text without marks at its edges; of a sentence that tells one formula ("so the set is ...") that one."""
    told = [part for part in TELLS.split(text)[1:] if any(c.isdigit() for c in part)]
    if len(told) == 1 and formed(told[0].strip("*_ .。\n"), form) is not None:
        text = told[0]
    return re.sub(r"^[*_ ]+|[*_ .。]+$", "", text)


def _formulas(text: str) -> list[str]:
    return [next(part for part in m.groups() if part) for m in INLINE.finditer(text)]


# --- writing -----------------------------------------------------------------------------------------------------------


def fraction(value: Fraction) -> str:
    """A number in LaTeX."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def polynomial(coefficients: Sequence[Fraction | int]) -> str:
    """c0 + c1 x + c2 x^2 ... in LaTeX, highest power first."""
    out = ""
    for power in reversed(range(len(coefficients))):
        c = Fraction(coefficients[power])
        if c:
            size = "" if abs(c) == 1 and power else fraction(abs(c))
            out += f"{'-' if c < 0 else '+'}{size}{'x' if power else ''}{f'^{{{power}}}' if power > 1 else ''}"
    return out.removeprefix("+") or "0"


def matrix(rows: Sequence[Sequence[int]], kind: str = "pmatrix") -> str:
    """A matrix in LaTeX."""
    body = " \\\\ ".join(" & ".join(map(str, row)) for row in rows)
    return f"\\begin{{{kind}}}{body}\\end{{{kind}}}"


# --- drawing -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A sort of exercise as it was drawn: what stands in the question, the answer, its form, and how it is worked."""

    sort: str  # of ASKS
    given: str
    gold: str
    form: str
    working: str


ASKS: dict[str, dict[str, tuple[str, str]]] = {  # sort -> language -> wording of training, wording of tests alone
    "simplify": {
        "zh": ("化简${}$，写成最简分数。", "把${}$约成最简分数。"),
        "en": ("Simplify ${}$ to lowest terms.", "Write ${}$ as a fraction in lowest terms."),
    },
    "compute": {
        "zh": ("计算${}$，写成最简分数。", "求${}$的值，用最简分数表示。"),
        "en": ("Compute ${}$ as a fraction in lowest terms.", "What is ${}$? Give a fraction in lowest terms."),
    },
    "root": {
        "zh": ("化简${}$，根号下不留平方因数。", "把${}$化成最简根式。"),
        "en": ("Simplify ${}$; leave no square factor under the root.", "Write ${}$ in simplest radical form."),
    },
    "derive": {
        "zh": ("求$f(x)={}$的导数。", "设$f(x)={}$，$f'(x)$是什么？"),
        "en": ("Find the derivative of $f(x)={}$.", "Differentiate $f(x)={}$."),
    },
    "expand": {
        "zh": ("展开并合并同类项：${}$。", "把${}$写成多项式。"),
        "en": ("Expand ${}$ and collect like terms.", "Write ${}$ as a polynomial."),
    },
    "solve": {
        "zh": ("求方程${}=0$的解集。", "哪些$x$满足${}=0$？写出解集。"),
        "en": ("Find the set of all solutions of ${}=0$.", "Which $x$ satisfy ${}=0$? Give the set."),
    },
    "integrate": {
        "zh": (
            "计算$\\int_{{0}}^{{{}}}\\left({}\\right)dx$，写成最简分数。",
            "定积分$\\int_{{0}}^{{{}}}\\left({}\\right)dx$等于哪个最简分数？",
        ),
        "en": (
            "Compute $\\int_{{0}}^{{{}}}\\left({}\\right)dx$ as a fraction in lowest terms.",
            "Evaluate $\\int_{{0}}^{{{}}}\\left({}\\right)dx$ to a fraction in lowest terms.",
        ),
    },
    "primitive": {
        "zh": ("求$f(x)={}$的原函数$F$，满足$F(0)=0$。", "哪个多项式$F$满足$F'(x)={}$且$F(0)=0$？"),
        "en": (
            "Find the antiderivative $F$ of $f(x)={}$ with $F(0)=0$.",
            "Which polynomial $F$ has $F'(x)={}$ and $F(0)=0$?",
        ),
    },
    "determinant": {
        "zh": ("求行列式${}$。", "${}$的值是多少？"),
        "en": ("Find the determinant ${}$.", "What is the value of ${}$?"),
    },
    "inequality": {
        "zh": ("解不等式${}$，用区间表示。", "哪些$x$满足${}$？写成区间。"),
        "en": (
            "Solve ${}$; give an interval or a union of intervals.",
            "For which $x$ is ${}$? Use interval notation.",
        ),
    },
    "product": {
        "zh": ("计算矩阵乘积${}$。", "两个矩阵相乘${}$得什么？"),
        "en": ("Compute the matrix product ${}$.", "Multiply the matrices ${}$."),
    },
}


def _simplify(rng: random.Random) -> Asked:
    low, k = Fraction(rng.randint(1, 12), rng.randint(2, 13)), rng.randint(2, 9)
    a, b = low.numerator * k, low.denominator * k
    divisor = math.gcd(a, b)
    return Asked(
        "simplify",
        f"\\frac{{{a}}}{{{b}}}",
        fraction(low),
        "fraction",
        f"gcd={divisor};{a}/{divisor}={low.numerator};{b}/{divisor}={low.denominator}",
    )


def _compute(rng: random.Random) -> Asked:
    (a, b), (c, d) = ((rng.randint(1, 9), rng.randint(2, 9)) for _ in range(2))
    sign = rng.choice("+-*")
    top, bottom = {"+": (a * d + c * b, b * d), "-": (a * d - c * b, b * d), "*": (a * c, b * d)}[sign]
    value = Fraction(top, bottom)
    steps = f"{a}*{c}={top}" if sign == "*" else f"{a}*{d}={a * d};{c}*{b}={c * b};{a * d}{sign}{c * b}={top}"
    between = "\\times" if sign == "*" else sign
    given = f"\\frac{{{a}}}{{{b}}}{between}\\frac{{{c}}}{{{d}}}"
    return Asked("compute", given, fraction(value), "fraction", f"{steps};{b}*{d}={bottom};gcd={math.gcd(top, bottom)}")


def _root(rng: random.Random) -> Asked:
    free, k = rng.choice((2, 3, 5, 6, 7, 10, 11, 13, 14, 15)), rng.randint(2, 12)
    return Asked(
        "root",
        f"\\sqrt{{{free * k * k}}}",
        f"{k}\\sqrt{{{free}}}",
        "radical",
        f"{k}*{k}={k * k};{k * k}*{free}={free * k * k}",
    )


def _coefficients(rng: random.Random, degree: int, size: int = 9) -> list[int]:
    return [*(rng.randint(-size, size) for _ in range(degree)), rng.choice((-1, 1)) * rng.randint(1, size)]


def _derive(rng: random.Random) -> Asked:
    c = _coefficients(rng, rng.randint(2, 3))
    steps = ";".join(f"{c[n]}*{n}={c[n] * n}" for n in range(len(c) - 1, 0, -1) if c[n])
    return Asked("derive", polynomial(c), polynomial([n * c[n] for n in range(1, len(c))]), "polynomial", steps)


def _expand(rng: random.Random) -> Asked:
    a, b, c, d = rng.randint(1, 5), rng.randint(-9, 9) or 1, rng.randint(1, 5), rng.randint(-9, 9) or 2
    steps = f"{a}*{c}={a * c};{a}*{d}={a * d};{b}*{c}={b * c};{a * d}{b * c:+}={a * d + b * c};{b}*{d}={b * d}"
    return Asked(
        "expand",
        f"({polynomial([b, a])})({polynomial([d, c])})",
        polynomial([b * d, a * d + b * c, a * c]),
        "polynomial",
        steps,
    )


def _solve(rng: random.Random) -> Asked:
    p, q = sorted(rng.sample([n for n in range(-9, 10) if n], 2))
    steps = f"{p}*{q}={p * q};{p}{q:+}={p + q}"
    return Asked("solve", polynomial([p * q, -p - q, 1]), f"\\{{{p},{q}\\}}", "set", steps)


def _solve_surd(rng: random.Random) -> Asked:
    m, free = rng.randint(-6, 6) or 1, rng.choice((2, 3, 5, 6, 7, 10))
    c = m * m - free  # (x - m)^2 = free
    return Asked(
        "solve",
        polynomial([c, -2 * m, 1]),
        f"\\{{{m}-\\sqrt{{{free}}},{m}+\\sqrt{{{free}}}\\}}",
        "set",
        f"{m}*{m}={m * m};{m * m}{-c:+}={free}",
    )


def _integrate(rng: random.Random) -> Asked:
    c, top = _coefficients(rng, rng.randint(1, 2), 6), rng.randint(1, 4)
    parts = [Fraction(c[n] * top ** (n + 1), n + 1) for n in range(len(c))]
    shown = ";".join(f"{c[n]}*{top ** (n + 1)}/{n + 1}={parts[n]}" for n in range(len(c)))
    return Asked(
        "integrate",
        f"{top}|{polynomial(c)}",
        fraction(sum(parts, Fraction(0))),
        "fraction",
        f"{shown};={sum(parts, Fraction(0))}",
    )


def _primitive(rng: random.Random) -> Asked:
    c = _coefficients(rng, rng.randint(1, 3))
    found = [Fraction(0), *(Fraction(c[n], n + 1) for n in range(len(c)))]
    steps = ";".join(f"{c[n]}/{n + 1}={found[n + 1]}" for n in reversed(range(len(c))) if c[n])
    return Asked("primitive", polynomial(c), polynomial(found), "polynomial", steps)


def _determinant2(rng: random.Random) -> Asked:
    a, b, c, d = (rng.randint(-9, 9) for _ in range(4))
    return Asked(
        "determinant",
        matrix([[a, b], [c, d]], "vmatrix"),
        str(a * d - b * c),
        "integer",
        f"{a}*{d}={a * d};{b}*{c}={b * c};={a * d - b * c}",
    )


def _determinant3(rng: random.Random) -> Asked:
    rows = [[rng.randint(-4, 4) for _ in range(3)] for _ in range(3)]
    (a, b, c), (d, e, f), (g, h, i) = rows
    minors = (e * i - f * h, d * i - f * g, d * h - e * g)
    value = a * minors[0] - b * minors[1] + c * minors[2]
    pairs = ((e * i, f * h), (d * i, f * g), (d * h, e * g))
    parts = (a * minors[0], -b * minors[1], c * minors[2])
    steps = ";".join(f"{x}{-y:+}={x - y}" for x, y in pairs) + f";{parts[0]}{parts[1]:+}{parts[2]:+}={value}"
    return Asked("determinant", matrix(rows, "vmatrix"), str(value), "integer", steps)


def _inequality(rng: random.Random) -> Asked:
    p, q = sorted(rng.sample([n for n in range(-9, 10) if n], 2))
    inside, open_ = rng.random() < 0.5, rng.random() < 0.5
    sign = ("<" if inside else ">") if open_ else ("\\le" if inside else "\\ge")
    left, right_ = ("(", ")") if open_ else ("[", "]")
    gold = f"{left}{p},{q}{right_}" if inside else f"(-\\infty,{p}{right_}\\cup{left}{q},\\infty)"
    return Asked(
        "inequality",
        f"{polynomial([p * q, -p - q, 1])}{sign}{' ' if not open_ else ''}0",
        gold,
        "interval",
        f"{p}*{q}={p * q};{p}{q:+}={p + q};{p}<{q}",
    )


def _product(rng: random.Random) -> Asked:
    one, two = ([[rng.randint(-5, 5) for _ in range(2)] for _ in range(2)] for _ in range(2))
    cells = [[sum(one[i][k] * two[k][j] for k in range(2)) for j in range(2)] for i in range(2)]
    steps = ";".join(
        f"{one[i][0] * two[0][j]}{one[i][1] * two[1][j]:+}={cells[i][j]}" for i in range(2) for j in range(2)
    )
    return Asked("product", matrix(one) + matrix(two), matrix(cells), "matrix", steps)


LEVELS: dict[int, tuple[Callable[[random.Random], Asked], ...]] = {
    1: (_simplify, _root, _compute),
    2: (_compute, _derive, _expand, _solve),
    3: (_solve, _primitive, _determinant2, _inequality, _integrate),
    4: (_solve_surd, _integrate, _determinant3, _product),
}


def make(draw: Draw) -> Problem:
    """One exercise. Raises RecipeError without math-verify."""
    need()
    rng, language = draw.rng, draw.language()
    asked = rng.choice(LEVELS[draw.level])(rng)
    seen, unseen = ASKS[asked.sort][language]
    text = draw.wording((seen,), (unseen,))
    question = text.format(*asked.given.split("|"))
    reply = REPLIES[language].replace("{}", asked.gold)
    return Problem(question, asked.gold, asked.working, reply, language, draw.level, equal, {"form": asked.form})


TASK = Task(
    "latex",
    make,
    about="school and first-year mathematics with answers in LaTeX",
    ability="mathematics",
    levels=4,
    usual=(1, 2),
)
