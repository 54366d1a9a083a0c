"""The next term of a sequence whose rule is clear: all rules of the table that fit what is shown agree on it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from firesteel.tasks.answers import Found
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.numbers import plain
from firesteel.tasks.families.stories import told
from firesteel.tasks.task import Draw, Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("{s}，下一个数是多少？", "找规律：{s}，（  ）。", "数列{s}的下一项是几？"),
    "en": ("What comes next: {s}?", "{s}: what is the next number?", "Find the next term of {s}."),
}
UNSEEN: dict[str, tuple[str, ...]] = {
    "zh": ("按照{s}的规律写下去，接着写哪个数？",),
    "en": ("Which number continues the pattern {s}?",),
}
Rule = Callable[[Sequence[int]], int | None]


def _arithmetic(terms: Sequence[int]) -> int | None:
    steps = {b - a for a, b in pairwise(terms)}
    return terms[-1] + steps.pop() if len(steps) == 1 else None


def _geometric(terms: Sequence[int]) -> int | None:
    if 0 in terms or any(b * terms[0] != a * terms[1] for a, b in pairwise(terms)):
        return None
    following, rest = divmod(terms[-1] * terms[1], terms[0])
    return following if not rest else None


def _fibonacci(terms: Sequence[int]) -> int | None:
    fits = all(c == a + b for a, b, c in zip(terms, terms[1:], terms[2:], strict=False))
    return terms[-1] + terms[-2] if fits else None


def _alternating(terms: Sequence[int]) -> int | None:
    """Two steps in turn: +3 -1 +3 -1."""
    steps = [b - a for a, b in pairwise(terms)]
    return terms[-1] + steps[-2] if all(a == b for a, b in zip(steps, steps[2:], strict=False)) else None


def _second(terms: Sequence[int]) -> int | None:
    """Steps that grow by the same: squares are such."""
    steps = [b - a for a, b in pairwise(terms)]
    grown = _arithmetic(steps)
    return None if grown is None else terms[-1] + grown


def _woven(terms: Sequence[int]) -> int | None:
    """Two sequences with equal steps, in turn."""
    whose, other = terms[len(terms) % 2 :: 2], terms[1 - len(terms) % 2 :: 2]
    return _arithmetic(whose) if _arithmetic(other) is not None else None


def _twice_and(terms: Sequence[int]) -> int | None:
    """Each is a multiple of the one before, and something: *2+1."""
    a, b, c = terms[:3]
    if a == b or (c - b) % (b - a):
        return None
    factor = (c - b) // (b - a)
    plus = b - factor * a
    return factor * terms[-1] + plus if all(y == factor * x + plus for x, y in pairwise(terms)) else None


RULES: tuple[Rule, ...] = (_arithmetic, _geometric, _fibonacci, _alternating, _second, _woven, _twice_and)


def continuations(terms: Sequence[int]) -> set[int]:
    """What the rules that fit say comes next."""
    return {found for rule in RULES if (found := rule(terms)) is not None}


Made = tuple[list[int], str]  # the terms, the last of which is asked for; the working


def _evenly(rng: random.Random, most: int, falling: bool) -> Made:
    start, step = rng.randint(1, most), rng.randint(2, max(3, most // 2))
    terms = [start + step * i for i in range(6)]
    terms = terms[::-1] if falling and rng.random() < 0.5 else terms
    return terms, _differences(terms, 2) + _last(terms)


def _multiplied(rng: random.Random) -> Made:
    start, factor = rng.randint(1, 6), rng.choice((2, 2, 3, 4, 5))
    terms = [start * factor**i for i in range(5)]
    steps = ";".join(f"{b}/{a}={factor}" for a, b in zip(terms[:3], terms[1:], strict=False))
    return terms, f"{steps}\n{terms[-2]}*{factor}={terms[-1]}"


def _added(rng: random.Random) -> Made:
    terms = [rng.randint(1, 9), rng.randint(1, 9)]
    while len(terms) < 7:
        terms.append(terms[-1] + terms[-2])
    sums = ";".join(f"{a}+{b}={c}" for a, b, c in zip(terms[1:3], terms[2:4], terms[3:5], strict=False))
    return terms, f"{sums}\n{terms[-3]}+{terms[-2]}={terms[-1]}"


def _in_turn(rng: random.Random) -> Made:
    up, down = rng.sample(range(2, 12), 2)
    terms = [rng.randint(5, 40)]
    for i in range(6):
        terms.append(terms[-1] + (up if i % 2 == 0 else -down))
    return terms, _differences(terms, 4) + _last(terms)


def _growing(rng: random.Random) -> Made:
    """n^2 and the like."""
    a, b, c = rng.randint(1, 3), rng.randint(0, 5), rng.randint(0, 10)
    terms = [a * n * n + b * n + c for n in range(1, 7)]
    return terms, _differences(terms, 4) + f"\n{terms[4] - terms[3]}+{2 * a}={terms[5] - terms[4]}" + _last(terms)


def _two_woven(rng: random.Random) -> Made:
    (a, p), (b, q) = ((rng.randint(1, 30), rng.randint(2, 12)) for _ in "ab")
    terms = [(a + p * (i // 2)) if i % 2 == 0 else (b + q * (i // 2)) for i in range(8)]
    own = ";".join(f"{y}-{x}={y - x}" for x, y in zip(terms[1:6:2], terms[3:7:2], strict=False))
    return terms, f"{own}\n{terms[5]}+{q}={terms[7]}"


def _affine(rng: random.Random) -> Made:
    factor, plus = rng.choice((2, 3)), rng.choice((-3, -2, -1, 1, 2, 3, 4, 5))
    terms = [rng.randint(3, 9)]
    while len(terms) < 6:
        terms.append(terms[-1] * factor + plus)
    sign = f"+{plus}" if plus > 0 else str(plus)
    shown = [(terms[0], terms[1]), (terms[1], terms[2]), (terms[-2], terms[-1])]
    return terms, ";".join(f"{x}*{factor}{sign}={y}" for x, y in shown)


def _differences(terms: Sequence[int], count: int) -> str:
    return ";".join(f"{b}-{a}={b - a}" for a, b in zip(terms[:count], terms[1 : count + 1], strict=False))


def _last(terms: Sequence[int]) -> str:
    step = terms[-1] - terms[-2]
    return f"\n{terms[-2]}{'+' if step >= 0 else '-'}{abs(step)}={terms[-1]}"


KINDS: dict[int, tuple[Callable[[random.Random], Made], ...]] = {
    1: (lambda rng: _evenly(rng, 20, False),), 2: (lambda rng: _evenly(rng, 60, True), _multiplied),
    3: (_added, _in_turn), 4: (_growing,), 5: (_two_woven, _affine),
}  # fmt: skip


def continued(problem: Problem, reply: str) -> Found:
    """Verifier: the number that the reply claims; all terms with one more claim the last."""
    terms = [str(term) for term in problem.facts["terms"]]
    said = re.findall(r"-?\d+", plain(reply)) if re.fullmatch(r"[-\d\s,、，.。*$]{1,400}", reply) else []
    if said[:-1] == terms:
        return told(problem, said[-1])
    again = re.compile(r"[\s,、]{1,4}".join(rf"(?<![\d.]){re.escape(term)}" for term in terms) + r"(?![\d.])[\s,、]*")
    return told(problem, again.sub(" ", plain(reply)))


def make(draw: Draw) -> Problem:
    """One sequence of its level's kinds, redrawn until no rule that fits says otherwise."""
    rng = draw.rng
    terms, steps = rng.choice(KINDS[draw.level])(rng)
    while continuations(terms[:-1]) != {terms[-1]}:
        terms, steps = rng.choice(KINDS[draw.level])(rng)
    language = draw.language()
    shown = ("，" if language == "zh" else ", ").join(map(str, terms[:-1]))
    question = draw.wording(QUESTIONS[language], UNSEEN[language]).format(s=shown)
    return Problem(
        question,
        terms[-1],
        steps,
        REPLIES[language].format(terms[-1]),
        language,
        verify=continued,
        facts={"terms": terms[:-1]},
    )


TASK = Task(
    "sequences",
    make,
    about="the next term of a sequence with a clear rule",
    ability="reasoning",
    levels=5,
    usual=(1, 2),
)
