"""Knights, who always tell the truth, and knaves, who always lie: who is which, from what they say of each other."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from firesteel.tasks.families.naming import assignment, one_of
from firesteel.tasks.task import Draw, Problem, Task

NAMES = {"zh": ("小明", "小红", "李华", "王芳", "张伟", "刘洋"), "en": ("Anna", "Ben", "Carl", "Dora", "Eric", "Fay")}
KIND = {"zh": ("无赖", "骑士"), "en": ("knave", "knight")}  # a lie, a truth
LETTER = ("N", "K")  # in workings: knave, knight
REPLIES = {"zh": "答案是{}。", "en": "The answer is {}."}
INTRO = {
    "zh": ("骑士总说真话，无赖总说假话。", "岛上骑士只说真话，无赖只说假话。"),
    "en": ("Knights always tell the truth, knaves always lie.", "A knight never lies and a knave always lies."),
}
UNSEEN_INTRO = {
    "zh": ("这里的人不是骑士就是无赖：前者句句为真，后者句句为假。",),
    "en": ("Here everybody is a knight, whose words are all true, or a knave, whose words are all false.",),
}
SAYS = {"zh": "{p}说：“{s}”", "en": '{p} says: "{s}"'}
Says = tuple[str, int, tuple[int, ...]]  # sort of statement, speaker, what it speaks of (people, then a count or kind)
TEXTS: dict[str, dict[str, str]] = {  # places: people {a} {b}, kinds {k} {l}, a count {n}
    "is": {"zh": "{a}是{k}。", "en": "{a} is a {k}."},
    "same": {"zh": "{a}和{b}是同一种人。", "en": "{a} and {b} are of the same kind."},
    "differ": {"zh": "{a}和{b}不是同一种人。", "en": "{a} and {b} are of different kinds."},
    "both": {"zh": "{a}是{k}，而且{b}是{l}。", "en": "{a} is a {k} and {b} is a {l}."},
    "either": {"zh": "{a}是{k}，或者{b}是{l}。", "en": "{a} is a {k} or {b} is a {l}."},
    "if": {"zh": "如果{a}是{k}，那么{b}是{l}。", "en": "If {a} is a {k}, then {b} is a {l}."},
    "exactly": {"zh": "我们当中正好有{n}个骑士。", "en": "Exactly {n} of us are knights."},
    "at least": {"zh": "我们当中至少有{n}个无赖。", "en": "At least {n} of us are knaves."},
}
MEANS: dict[str, Callable[[Sequence[int], tuple[int, ...]], bool]] = {  # who is a knight, what is spoken of -> truth
    "is": lambda w, x: w[x[0]] == x[1],
    "same": lambda w, x: w[x[0]] == w[x[1]],
    "differ": lambda w, x: w[x[0]] != w[x[1]],
    "both": lambda w, x: w[x[0]] == x[2] and w[x[1]] == x[3],
    "either": lambda w, x: w[x[0]] == x[2] or w[x[1]] == x[3],
    "if": lambda w, x: w[x[0]] != x[2] or w[x[1]] == x[3],
    "exactly": lambda w, x: sum(w) == x[0],
    "at least": lambda w, x: len(w) - sum(w) >= x[0],
}
LEVELS: dict[int, tuple[int, tuple[str, ...]]] = {  # level -> people, sorts of statement
    1: (2, ("is", "same", "differ", "at least", "exactly", "both")),
    2: (3, ("is", "is", "same", "differ")),
    3: (4, ("is", "same", "differ", "both", "exactly")),
    4: (5, ("same", "differ", "both", "either", "exactly", "at least")),
    5: (6, ("same", "differ", "either", "if", "both", "exactly", "at least")),
}


def possible(said: Sequence[Says], people: int) -> Iterator[tuple[int, ...]]:
    """Every way to be knights (1) and knaves (0) in which knights alone tell the truth, by trying all."""
    for who in itertools.product((1, 0), repeat=people):
        if all(who[speaker] == MEANS[sort](who, about) for sort, speaker, about in said):
            yield who


def drawn(rng: random.Random, level: int) -> tuple[list[Says], tuple[int, ...]]:
    """A statement of everybody with exactly one solution, and the solution."""
    people, sorts = LEVELS[level]
    while True:
        said = [_statement(rng, rng.choice(sorts), speaker, people) for speaker in range(people)]
        found = list(itertools.islice(possible(said, people), 2))
        if len(found) == 1:
            return said, found[0]


def _statement(rng: random.Random, sort: str, speaker: int, people: int) -> Says:
    if sort in ("exactly", "at least"):
        return sort, speaker, (rng.randint(1, people - 1),)
    others = [p for p in range(people) if p != speaker]
    a = rng.choice(others)
    if sort == "is":
        return sort, speaker, (a, rng.randint(0, 1))
    b = rng.choice([p for p in range(people) if p != a])
    return sort, speaker, (a, b) if sort in ("same", "differ") else (a, b, rng.randint(0, 1), rng.randint(0, 1))


def working(said: Sequence[Says], names: Sequence[str], kinds: Sequence[str]) -> str:
    """Try kinds person by person (K knight, N knave); what somebody's statement contradicts is marked by their number.

    `KN!1` : the first a knight, the second a knave, whatever the others are: not so, by what person 1 says.
    """
    lines: list[str] = []
    found = _try((), said, len(names), lines)
    assert found is not None
    return ";".join([*lines, *(f"{name}={kinds[kind]}" for name, kind in zip(names, found, strict=True))])


def _try(who: tuple[int, ...], said: Sequence[Says], people: int, lines: list[str]) -> tuple[int, ...] | None:
    """Go on from kinds known so far, depth first, until all are found."""
    written = "".join(LETTER[w] for w in who)
    for sort, speaker, about in said:
        if speaker < len(who) and _fails(who, sort, speaker, about, people):
            lines.append(f"{written}!{speaker + 1}")
            return None
    if len(who) == people:
        return who
    ways = (_try((*who, kind), said, people, lines) for kind in (1, 0))
    return next((way for way in ways if way is not None), None)


def _fails(who: tuple[int, ...], sort: str, speaker: int, about: tuple[int, ...], people: int) -> bool:
    """Whether a statement cannot be what its speaker would say, however the rest turn out."""
    rest = itertools.product((0, 1), repeat=people - len(who))
    return all(MEANS[sort]((*who, *more), about) != who[speaker] for more in rest)


def make(draw: Draw) -> Problem:
    """One puzzle: everybody's kind is asked, at the two easy levels sometimes one person's."""
    rng, language = draw.rng, draw.language()
    said, who = drawn(rng, draw.level)
    names = rng.sample(NAMES[language], len(who))
    kinds = KIND[language]
    lines = [SAYS[language].format(p=names[s[1]], s=_text(s, names, language)) for s in said]
    told = "\n".join([draw.wording(INTRO[language], UNSEEN_INTRO[language]), *lines])
    work = working(said, names, kinds)
    facts = {"people": names, "kinds": [list(kinds)], "said": [list(s) for s in said]}
    if draw.level <= 2 and rng.random() < 0.25:
        i = rng.randrange(len(names))
        ask = {"zh": "{p}是骑士还是无赖？", "en": "Is {p} a knight or a knave?"}[language].format(p=names[i])
        kind, facts = kinds[who[i]], facts | {"choices": list(kinds)}
        given = REPLIES[language].format(kind)
        return Problem(f"{told}\n{ask}", kind, work, given, language, draw.level, one_of, facts)
    ask = {
        "zh": "每个人各是什么？请写成“名字：骑士，名字：无赖”。",
        "en": 'Who is what? Answer as "name: knight, name: knave".',
    }[language]
    answer = {name: [kinds[w]] for name, w in zip(names, who, strict=True)}
    mark, comma = ("：", "，") if language == "zh" else (": ", ", ")
    given = REPLIES[language].format(comma.join(f"{name}{mark}{kind}" for name, (kind,) in answer.items()))
    return Problem(f"{told}\n{ask}", answer, work, given, language, draw.level, assignment, facts)


def _text(said: Says, names: Sequence[str], language: str) -> str:
    sort, speaker, about = said
    if sort in ("exactly", "at least"):
        words = {"n": str(about[0])}
    else:
        people = about[: 1 if sort == "is" else 2]
        a, b = (_person(p, speaker, names, language) for p in (people[0], people[-1]))
        kinds = [KIND[language][kind] for kind in about[len(people) :]] or [""]
        words = {"a": a, "b": b, "k": kinds[0], "l": kinds[-1]}
    text = TEXTS[sort][language].format(**words)
    if language == "en":
        text = text.replace("I is a", "I am a").replace("Exactly 1 of us are knights", "Exactly 1 of us is a knight")
        text = text.replace("At least 1 of us are knaves", "At least 1 of us is a knave")
    return text


def _person(person: int, speaker: int, names: Sequence[str], language: str) -> str:
    return {"zh": "我", "en": "I"}[language] if person == speaker else names[person]


TASK = Task("knights", make, about="who always tells the truth and who always lies", levels=5, usual=(1, 2))
