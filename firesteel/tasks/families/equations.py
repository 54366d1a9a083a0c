"""Linear equations in one unknown, at the highest levels two; worked by moving one thing a line."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from firesteel.tasks.answers import (
    NOTHING,
    SEVERAL,
    Found,
    boxed,
    doubted,
    marked,
    number,
    right,
    same,
    spoken,
    unasking,
    wrong,
)
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.numbers import bare, plain, undenied, worth
from firesteel.tasks.task import Draw, Problem, Task

QUESTIONS: dict[str, tuple[str, ...]] = {
    "zh": ("解方程：{e}。", "已知{e}，求{u}。", "{e}，{u}是多少？"),
    "en": ("Solve {e}.", "Solve {e} for {u}.", "If {e}, what is {u}?"),
}
UNSEEN: dict[str, tuple[str, ...]] = {
    "zh": ("请找出满足{e}的{u}。", "{u}取何值时{e}成立？"),
    "en": ("Which {u} makes {e} true?", "Find {u}, given that {e}."),
}
AND = {"zh": "，", "en": " and "}
Made = tuple[str, dict[str, int], str]  # the equation, its solution, the working


def _by(a: int, unknown: str = "x") -> str:
    """2x, x, -x."""
    return {1: unknown, -1: f"-{unknown}"}.get(a, f"{a}{unknown}")


def _plus(b: int) -> str:
    return f"+{b}" if b >= 0 else str(b)


def _moved(c: int, b: int) -> str:
    """c less b, as it is written: 7-3 or 7+3."""
    return f"{c}{_plus(-b)}"


def _one_step(rng: random.Random) -> Made:
    x, b = rng.randint(1, 30), rng.randint(1, 30)
    b = b if rng.random() < 0.5 else -b
    c = x + b
    return f"x{_plus(b)}={c}", {"x": x}, f"x={_moved(c, b)}={x}"


def _two_steps(rng: random.Random) -> Made:
    a, x, b = rng.randint(2, 9), rng.randint(1, 12), rng.choice((-1, 1)) * rng.randint(1, 20)
    c = a * x + b
    return f"{a}x{_plus(b)}={c}", {"x": x}, f"{a}x={_moved(c, b)}={a * x}\nx={a * x}/{a}={x}"


def _both_sides(rng: random.Random) -> Made:
    c = rng.randint(1, 6)
    a, x = c + rng.randint(2, 6), rng.choice((-1, 1, 1)) * rng.randint(1, 12)
    b = rng.choice((-1, 1)) * rng.randint(1, 30)
    d = (a - c) * x + b
    lines = (f"{_by(a)}-{_by(c)}={_moved(d, b)}", f"{a - c}x={(a - c) * x}", f"x={(a - c) * x}/{a - c}={x}")
    return f"{_by(a)}{_plus(b)}={_by(c)}{_plus(d)}", {"x": x}, "\n".join(lines)


def _brackets(rng: random.Random) -> Made:
    c = rng.randint(1, 5)
    a, x = c + rng.randint(2, 5), rng.choice((-1, 1)) * rng.randint(1, 15)
    b = rng.choice((-1, 1)) * rng.randint(1, 9)
    d = a * (x + b) - c * x
    lines = (
        f"{a}x{_plus(a * b)}={_by(c)}{_plus(d)}", f"{_by(a)}-{_by(c)}={_moved(d, a * b)}", f"{a - c}x={(a - c) * x}",
        f"x={(a - c) * x}/{a - c}={x}",
    )  # fmt: skip
    return f"{a}(x{_plus(b)})={_by(c)}{_plus(d)}", {"x": x}, "\n".join(lines)


def _two_unknowns(rng: random.Random, most: int) -> Made:
    """a x + b y = c and d x + e y = f, the second times b less the first times e, so that y goes."""
    x, y = (rng.choice((-1, 1)) * rng.randint(1, most) if most > 9 else rng.randint(1, most) for _ in "xy")
    a, b, d, e = (rng.randint(1, 4 if most <= 9 else 9) for _ in range(4))
    if a * e == b * d:
        return _two_unknowns(rng, most)
    c, f = a * x + b * y, d * x + e * y
    determinant, of_x = a * e - b * d, c * e - f * b
    lines = (
        f"{_by(a * e)}{_term(b * e, 'y')}={c * e}", f"{_by(b * d)}{_term(b * e, 'y')}={f * b}",
        f"{_by(determinant)}={_moved(c * e, f * b)}={of_x}", f"x={of_x}/{_round(determinant)}={x}",
        f"{_by(b, 'y')}={_moved(c, a * x)}={b * y}", f"y={b * y}/{b}={y}",
    )  # fmt: skip
    return f"{_by(a)}{_term(b, 'y')}={c}{{and}}{_by(d)}{_term(e, 'y')}={f}", {"x": x, "y": y}, "\n".join(lines)


def _term(a: int, unknown: str) -> str:
    return f"+{_by(a, unknown)}" if a >= 0 else _by(a, unknown)


def _round(a: int) -> str:
    return f"({a})" if a < 0 else str(a)


KINDS: dict[int, Callable[[random.Random], Made]] = {
    1: _one_step, 2: _two_steps, 3: _both_sides, 4: _brackets,
    5: lambda rng: _two_unknowns(rng, 9), 6: lambda rng: _two_unknowns(rng, 20),
}  # fmt: skip


def make(draw: Draw) -> Problem:
    """One question of its level's kind."""
    equation, solution, working = KINDS[draw.level](draw.rng)
    language = draw.language()
    unknowns = "和".join(solution) if language == "zh" else " and ".join(solution)
    equation = equation.replace("{and}", AND[language])
    question = draw.wording(QUESTIONS[language], UNSEEN[language]).format(e=equation, u=unknowns)
    answer = ("，" if language == "zh" else ", ").join(f"{name}={found}" for name, found in solution.items())
    return Problem(
        question,
        answer,
        working,
        REPLIES[language].format(answer),
        language,
        verify=solves,
        facts={"solution": solution},
    )


ASSIGNED = (
    r"(?<![A-Za-z0-9.*)+/-])(?<![+*/-]\s){name}[\"']?\s{{0,3}}(?:[=:]|是|为|等于|\bis\b|\bequals\b)\s{{0,3}}"
    r"(?P<to>[^,;，；。\n]{{1,64}}?)(?=$|[,;，；。\n}}]|\.(?:\s|$)|\b(?:and|or)\b|[和且或]|\s(?:is|since|because|as)\b)"
)
TURNED = r"(?<![\w.*/^)+-])(?P<to>-?\d+(?:\.\d+)?)\s{{0,3}}=\s{{0,3}}{name}(?![\w(])"
RELATED = re.compile(r"[A-Za-z]\s{0,3}[-+*/^\d()\s]{0,16}[=<>≠]")  # an unknown, and something after it
PAIR = re.compile(r"[(（]\s*(-?[\d./]+)\s*[,，]\s*(-?[\d./]+)\s*[)）]")


ANY = re.compile(
    r"\banything\b|\bany (?:real |whole )?(?:number|value)|\binfinitely many\b|\bno solution|任意|任何数|无数|无解"
    r"|\b(?:is|are)(?: not|n't)\b[^\n.]{0,12}\b(?:solution|answer|correct|right)|不是[^\n。]{0,4}解",
    re.I,
)


def solves(problem: Problem, reply: str) -> Found:
    """Verifier: the reply gives each unknown one value, the right one; with one unknown the number alone will do."""
    solution: dict[str, int] = problem.facts["solution"]
    said = "\n".join(marked(reply)) or unasking(reply[-4_096:])
    if ANY.search(said):
        return NOTHING
    said, reply = undenied(said), undenied(reply)
    given = {name: _assigned(name, said) for name in solution}
    if len(solution) > 1 and not any(given.values()) and len(boxed(reply)) > 1:  # each in a box of its own
        given = {
            name: _assigned(name, re.sub(r"\\boxed\s*\{([^{}]{0,64})\}", r"\1", reply[-4_096:])) for name in solution
        }
    if len(solution) > 1 and not any(given.values()):
        given = _paired(said, list(solution))
    if len(solution) == 1 and not any(given.values()):
        if RELATED.search(plain(said).replace("!=", "≠")):
            return NOTHING  # 2x=8 gives x no value
        (wanted,) = solution.values()
        return number(Problem(problem.question, wanted), reply)
    if any(len(values) > 1 for values in given.values()):
        return SEVERAL
    if not all(given.values()):
        return NOTHING
    bared = re.sub(rf"(?<![A-Za-z])(?:{'|'.join(solution)})\s?[=＝]\s?", " ", reply)
    if any(doubted(values[0], bared) for values in given.values()):
        return NOTHING
    read = ", ".join(f"{name}={values[0]}" for name, values in given.items())
    return (
        right(read) if all(same(given[name][0], solution[name], problem.question) for name in solution) else wrong(read)
    )


EXPRESSED = r"-?\d{1,9}\s?[-+]\s?\d{0,9}[a-z]|-?\d{0,9}[a-z]\s?[-+]\s?\d{1,9}"


def _assigned(name: str, said: str) -> list[str]:
    """The different values that a text gives an unknown; x=8/2=4 gives it one."""
    text = re.sub(r"(?m)^\s*[-*•]\s+(?=[A-Za-z]\s*[=:])", "", bare(said))
    found: list[str] = ["or"] if re.search(rf"{name}\s*=\s*(?:±|\\pm)", said) else []
    for pattern in (ASSIGNED, TURNED):
        for match in re.finditer(pattern.format(name=name), text, re.I):
            if re.search(rf"(?<![A-Za-z]){name}\s*=", match["to"], re.I):
                found.append("or")  # x=3 x=4 x=5
            to = match["to"].rpartition("=")[2] if "=" in match["to"] else match["to"]
            if re.search(r"\d(?:\s?[(]|\s?[A-Za-z](?![A-Za-z])|[A-Za-z])", to):
                found.append(to.strip())  # x=4y is no value
                continue
            if found and re.fullmatch(EXPRESSED, found[-1]) and spoken(to):
                found.pop()  # y=14-3x, and then y=20
            found += spoken(to)
    if re.search(rf"{name}\s*(?:=|is)[^=\n]{{1,20}}(?:\bor\b|或)", text):
        found.append("or")
    return list({worth(n): n for n in found}.values())


def _paired(said: str, names: list[str]) -> dict[str, list[str]]:
    """The values of (3, 4)."""
    pairs = list(dict.fromkeys(PAIR.findall(said)))
    return {name: [pair[i] for pair in pairs] for i, name in enumerate(names)}


TASK = Task(
    "equations", make, about="linear equations in one unknown, then two", ability="mathematics", levels=6, usual=(1, 2)
)
