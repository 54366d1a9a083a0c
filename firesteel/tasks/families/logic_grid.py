"""Who has what: small logic grids (zebra puzzles) in Chinese and English, solved by crossing out.

Clues are added until crossing out (`solve`) fills the grid, then those that are not needed go. Crossing out removes only
what cannot be, so a grid that it fills has one solution; `solutions` searches all of them and is its slow twin.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.grid_words import KINDS, NAMES, Kind, clue_text, intro
from firesteel.tasks.families.naming import assignment, one_of
from firesteel.tasks.task import Draw, Problem, Task

Clue = tuple[str, ...]  # its sort, then people, kinds and values, see RULES
Cell = tuple[str, str]  # kind, person
Open = dict[Cell, set[str]]  # what each cell can still be
Truth = dict[Cell, str]
SIZES = {1: ((2, 1), (3, 1)), 2: ((3, 2),), 3: ((4, 2),), 4: ((4, 3),), 5: ((5, 3),)}  # level -> (people, kinds)
AT_ONCE = 4  # clues added before it is tried whether they do
WHOLE = 3  # level from which on the whole grid may be asked


@dataclass(frozen=True)
class Grid:
    """People, the kinds of things that each has one of, and their values in order."""

    people: tuple[str, ...]
    kinds: dict[str, tuple[str, ...]]

    def cells(self) -> Open:
        """Everything possible."""
        return {(kind, person): set(values) for kind, values in self.kinds.items() for person in self.people}


# --- what each sort of clue crosses out, and when it holds -------------------------------------------------------------


def _is(grid: Grid, cells: Open, person: str, kind: str, value: str) -> Iterator[tuple[Cell, str]]:
    yield from (((kind, person), other) for other in grid.kinds[kind] if other != value)


def _not(grid: Grid, cells: Open, person: str, kind: str, value: str) -> Iterator[tuple[Cell, str]]:
    yield (kind, person), value


def _either(grid: Grid, cells: Open, person: str, kind: str, one: str, two: str) -> Iterator[tuple[Cell, str]]:
    yield from (((kind, person), other) for other in grid.kinds[kind] if other not in (one, two))


def _same(grid: Grid, cells: Open, kind: str, value: str, other: str, its: str) -> Iterator[tuple[Cell, str]]:
    for person in grid.people:
        if value not in cells[kind, person]:
            yield (other, person), its
        if its not in cells[other, person]:
            yield (kind, person), value


def _differ(grid: Grid, cells: Open, kind: str, value: str, other: str, its: str) -> Iterator[tuple[Cell, str]]:
    one, two = {value}, {its}
    for person in grid.people:
        if cells[kind, person] == one:
            yield (other, person), its
        if cells[other, person] == two:
            yield (kind, person), value


def _before(grid: Grid, cells: Open, kind: str, first: str, second: str) -> Iterator[tuple[Cell, str]]:
    order = grid.kinds[kind]
    earliest = min(map(order.index, cells[kind, first]))
    latest = max(map(order.index, cells[kind, second]))
    for i, value in enumerate(order):
        if i >= latest:
            yield (kind, first), value
        if i <= earliest:
            yield (kind, second), value


RULES: dict[str, Callable[..., Iterator[tuple[Cell, str]]]] = {
    "is": _is, "not": _not, "either": _either, "same": _same, "differ": _differ, "before": _before,
}  # fmt: skip


def holds(grid: Grid, clue: Clue, truth: Truth) -> bool:
    """Whether a clue is true."""
    sort, *args = clue
    if sort == "before":
        order = grid.kinds[args[0]]
        return order.index(truth[args[0], args[1]]) < order.index(truth[args[0], args[2]])
    if sort in ("same", "differ"):
        kind, value, other, its = args
        owner = next(p for p in grid.people if truth[kind, p] == value)
        return (truth[other, owner] == its) == (sort == "same")
    person, kind, *values = args
    return (truth[kind, person] in values) == (sort != "not")


# --- solving -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Something found while crossing out: by a clue (its number, from 1) or because nothing else is left (0)."""

    clue: int
    kind: str
    person: str
    value: str
    is_it: bool

    def __str__(self) -> str:
        return (f"({self.clue})" if self.clue else "") + f"{self.person}{'=' if self.is_it else '≠'}{self.value}"


def solve(grid: Grid, clues: Sequence[Clue], cells: Open | None = None) -> tuple[Open, list[Step]]:
    """Cross out what the clues exclude until nothing changes: what is left of each cell, and how it went.

    It goes on from `cells` (and changes them), or begins with everything possible.
    """
    cells, steps = grid.cells() if cells is None else cells, list[Step]()
    before = -1
    while before != (left := sum(map(len, cells.values()))) > len(cells):
        before = left
        for i, (sort, *args) in enumerate(clues, 1):
            for cell, value in list(RULES[sort](grid, cells, *args)):
                if value in cells[cell]:  # mostly it is not: asked here, it costs no call
                    _cross(grid, cells, cell, value, i, steps)
    return cells, steps


def _cross(grid: Grid, cells: Open, cell: Cell, value: str, clue: int, steps: list[Step]) -> None:
    """Cross a value out, and what follows from everybody having a different one."""
    if value not in cells[cell] or len(cells[cell]) == 1:
        return
    kind, person = cell
    cells[cell].discard(value)
    if clue:
        steps.append(Step(clue, kind, person, value, False))
    if len(cells[cell]) == 1:
        _settle(grid, cells, cell, steps)
    able = [p for p in grid.people if value in cells[kind, p]]
    if len(able) == 1 and len(cells[kind, able[0]]) > 1:
        cells[kind, able[0]] = {value}
        _settle(grid, cells, (kind, able[0]), steps)


def _settle(grid: Grid, cells: Open, cell: Cell, steps: list[Step]) -> None:
    kind, person = cell
    (value,) = cells[cell]
    steps.append(Step(0, kind, person, value, True))
    for other in grid.people:
        if other != person:
            _cross(grid, cells, (kind, other), value, 0, steps)
    for each in grid.kinds[kind]:  # a value that only one person can still have
        able = [p for p in grid.people if each in cells[kind, p]]
        if len(able) == 1 and len(cells[kind, able[0]]) > 1:
            cells[kind, able[0]] = {each}
            _settle(grid, cells, (kind, able[0]), steps)


def solutions(grid: Grid, clues: Sequence[Clue]) -> Iterator[Truth]:
    """Every grid that the clues allow, by trying all."""
    for orders in itertools.product(*(itertools.permutations(values) for values in grid.kinds.values())):
        truth = {
            (k, p): v
            for k, order in zip(grid.kinds, orders, strict=True)
            for p, v in zip(grid.people, order, strict=True)
        }
        if all(holds(grid, clue, truth) for clue in clues):
            yield truth


# --- drawing -----------------------------------------------------------------------------------------------------------


def drawn(rng: random.Random, language: str, level: int) -> tuple[Grid, Truth, list[Clue]]:
    """A grid, its only solution, and clues of which none can be spared."""
    count, width = rng.choice(SIZES[level])
    people = tuple(rng.sample(NAMES[language], count))
    kinds = rng.sample(sorted(KINDS), width)
    grid = Grid(people, {kind: _chosen(rng, KINDS[kind], language, count) for kind in kinds})
    truth = {(k, p): v for k in kinds for p, v in zip(people, rng.sample(grid.kinds[k], count), strict=True)}
    pool, cells = list(dict.fromkeys(_true_clues(rng, grid, truth, level))), grid.cells()
    for end in range(1, len(pool) + AT_ONCE, AT_ONCE):
        if _full(solve(grid, pool[:end], cells)[0]):
            return grid, truth, _needed(grid, pool[:end])
    raise AssertionError("who does not have what fills every grid")


def _chosen(rng: random.Random, kind: Kind, language: str, count: int) -> tuple[str, ...]:
    values = kind.values[language]
    return tuple(values[i] for i in sorted(rng.sample(range(len(values)), count)))


def _full(cells: Open) -> bool:
    return all(len(values) == 1 for values in cells.values())


def _needed(grid: Grid, clues: list[Clue]) -> list[Clue]:
    """Without the clues that cross nothing out, then without each that the others can spare."""
    active = {step.clue for step in solve(grid, clues)[1]}
    clues = [clue for i, clue in enumerate(clues, 1) if i in active]
    for clue in list(clues):
        fewer = [c for c in clues if c != clue]
        if _full(solve(grid, fewer)[0]):
            clues = fewer
    return clues


def _true_clues(rng: random.Random, grid: Grid, truth: Truth, level: int) -> list[Clue]:
    """True clues in random order, those that say more than one thing first; plain ones only on easy levels."""
    direct = [("is", p, k, truth[k, p]) for k, p in truth]
    least = [("not", p, k, v) for k, p in truth for v in grid.kinds[k] if v != truth[k, p]]
    pairs = [("either", p, k, *_both(rng, truth[k, p], v)) for k, p in truth for v in grid.kinds[k] if v != truth[k, p]]
    links: list[Clue] = []
    for (k, p), (o, q) in itertools.permutations(truth, 2):
        if k < o:
            links.append(("same" if p == q else "differ", k, truth[k, p], o, truth[o, q]))
        if k == o and KINDS[k].ordered and grid.kinds[k].index(truth[k, p]) < grid.kinds[k].index(truth[o, q]):
            links.append(("before", k, p, q))
    for clues in (direct, least, pairs, links):
        rng.shuffle(clues)
    if len(grid.people) == 2:
        return [*least, *links]  # with two people "one or the other" says nothing
    some = [*direct[:1], *least[:3], *pairs[:2]] if level <= 2 else [*least[:4], *pairs[:3]]
    mixed = [*some, *links[: 4 * len(grid.people)]]
    rng.shuffle(mixed)
    return [*mixed, *(links if level > 2 else ()), *least]


def _both(rng: random.Random, one: str, two: str) -> tuple[str, str]:
    return (one, two) if rng.random() < 0.5 else (two, one)


def make(draw: Draw) -> Problem:
    """One puzzle; from level 3 on the whole grid is asked half of the time, else one cell."""
    rng, language = draw.rng, draw.language()
    grid, truth, clues = drawn(rng, language, draw.level)
    lines = [f"{i}. {clue_text(clue, language)}" for i, clue in enumerate(clues, 1)]
    told = "\n".join([draw.wording(*intro(grid.people, grid.kinds, language)), *lines])
    steps = solve(grid, clues)[1]
    facts = {
        "people": list(grid.people),
        "kinds": [list(v) for v in grid.kinds.values()],
        "clues": [list(c) for c in clues],
    }
    if draw.level >= WHOLE and rng.random() < 0.5:
        answer = {p: [truth[k, p] for k in grid.kinds] for p in grid.people}
        said = ("；" if language == "zh" else "; ").join(_row(p, v, language) for p, v in answer.items())
        form = _row({"zh": "名字", "en": "Name"}[language], [KINDS[k].noun[language] for k in grid.kinds], language)
        ask = {
            "zh": f"每个人各是什么？请写成“{form}；……”。",
            "en": f'What does everybody have? Answer as "{form}; ...".',
        }
        return Problem(
            f"{told}\n{ask[language]}", answer, ";".join(map(str, steps)), f"{said}{'。' if language == 'zh' else '.'}",
            language, draw.level, assignment, facts,
        )  # fmt: skip
    kind, person = rng.choice(sorted(truth))
    who = rng.random() < 0.5
    ask_one = KINDS[kind].who if who else KINDS[kind].what
    answer_one = person if who else truth[kind, person]
    facts["choices"] = list(grid.people) if who else list(grid.kinds[kind])
    question = f"{told}\n{ask_one[language].format(p=person, v=truth[kind, person])}"
    work = ";".join(map(str, _up_to(steps, kind, person)))
    return Problem(
        question, answer_one, work, REPLIES[language].format(answer_one), language, draw.level, one_of, facts
    )


def _row(person: str, values: Sequence[str], language: str) -> str:
    return f"{person}：{'、'.join(values)}" if language == "zh" else f"{person}: {', '.join(values)}"


def _up_to(steps: list[Step], kind: str, person: str) -> list[Step]:
    """The steps until a cell is known."""
    last = next(i for i, s in enumerate(steps) if s.is_it and (s.kind, s.person) == (kind, person))
    return steps[: last + 1]


TASK = Task("logic-grid", make, about="who has what, from clues with exactly one solution", levels=5, usual=(1, 2))
