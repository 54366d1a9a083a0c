"""Reading: short texts of our own with a question about who, where and when, about what follows, and about what a word means.

level 1   a fact that one sentence of the text states
level 2   what a pronoun stands for, where only the meaning tells
level 3   whether a statement follows from the text: yes, no, or it does not say
level 4   a fact after changes: who has the thing now, where somebody is now
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from firesteel.tasks.answers import NOTHING, Found, choice, named
from firesteel.tasks.families.naming import one_of
from firesteel.tasks.families.reading_words import (
    ACTS,
    ASKED,
    CARRY,
    FOLLOWS,
    JUDGED,
    NAMES,
    PLACES,
    REFERENCES,
    STATES,
    THINGS,
    TIMES,
    WHO_HAS,
)  # fmt: skip
from firesteel.tasks.task import Draw, Problem, Task

REPLIES = {"zh": "答案是{}。", "en": "The answer is {}."}
JOINED = {"zh": "", "en": " "}
Fact = dict[str, str]  # name, place, thing, time, act of one person


def _people(rng: random.Random, language: str, count: int) -> list[Fact]:
    """Different people, each with a place, a thing and a time of their own."""
    columns = {
        "name": NAMES[language], "place": PLACES[language], "thing": THINGS[language], "time": TIMES[language],
        "act": ACTS[language],
    }  # fmt: skip
    drawn = {key: rng.sample(values, count) for key, values in columns.items()}
    return [{key: values[i] for key, values in drawn.items()} for i in range(count)]


def _text(rng: random.Random, language: str, people: list[Fact]) -> list[str]:
    return [rng.choice(STATES[language]).format(**fact) for fact in people]


def _fact(draw: Draw, language: str) -> Problem:
    """One of name, place, thing or time is asked, by another of them."""
    rng = draw.rng
    people = _people(rng, language, 3)
    lines = _text(rng, language, people)
    i = rng.randrange(3)
    wanted = rng.choice(sorted(ASKED[language]))
    seen, unseen = ASKED[language][wanted]
    question = draw.wording(seen, unseen).format(**people[i])
    return _problem(language, lines, question, people[i][wanted], [p[wanted] for p in people], lines[i])


def _reference(draw: Draw, language: str) -> Problem:
    """Two sentences alike but for one word, which decides whom the pronoun means."""
    rng = draw.rng
    first, second = rng.sample(NAMES[language], 2)
    text, question, right = rng.choice(REFERENCES[language])
    answer = first if right == 1 else second
    names = {"a": first, "b": second}
    return _problem(
        language, [text.format(**names)], question.format(**names), answer, [first, second], text.format(**names)
    )


def _follows(draw: Draw, language: str) -> Problem:
    """A statement that the text says, contradicts, or leaves open."""
    rng = draw.rng
    people = _people(rng, language, 4)
    told, stranger = people[:3], people[3]
    lines = _text(rng, language, told)
    i, verdict = rng.randrange(3), rng.randrange(3)
    wrong = told[(i + 1) % 3]
    known = told[i]
    fact = (known, {**known, "place": wrong["place"]}, {**stranger, "place": wrong["place"]})[verdict]
    statement = draw.wording(FOLLOWS[language][:2], FOLLOWS[language][2:]).format(**fact)
    answer = JUDGED[language][verdict]
    line = lines[i] if verdict < 2 else ("文中没有提到。" if language == "zh" else "The text does not mention that.")
    return replace(_problem(language, lines, statement, answer, list(JUDGED[language]), line), verify=judged)


def judged(problem: Problem, reply: str) -> Found:
    """Verifier of level 3: one of the verdicts; 不对 is one of its own, not 对."""
    said = re.sub(r"不对|不正确", "错", re.sub(r"没有?错|不错", "对", reply))
    said = re.sub(
        r"\bno (?:idea|way|one|doubts?|information|mention|evidence|indication|clues?)\b", " ", said, flags=re.I
    )
    if not named(said, problem.facts["choices"]):
        said = re.sub(r"^\W*false\b", "no", re.sub(r"^\W*true\b", "yes", said, flags=re.I), flags=re.I)
    return choice(problem, said)


def chosen(problem: Problem, reply: str) -> Found:
    """Verifier of the other levels: one of the choices, of whom or what is asked, and not that nobody did it."""
    if re.search(r"\bnobody\b|\bno one\b|没有?人", reply, re.I):
        return NOTHING
    sorts = [list(words.get(problem.language, ())) for words in (NAMES, PLACES, THINGS, TIMES)]
    return one_of(replace(problem, facts={**problem.facts, "kinds": sorts}), reply)


def _changes(draw: Draw, language: str) -> Problem:
    """A thing is handed on; who has it at the end."""
    rng = draw.rng
    names, thing = rng.sample(NAMES[language], 4), rng.choice(THINGS[language])
    holders = names[:2]
    for _ in range(
        rng.randint(1, 3)
    ):  # it may come back, or whoever is named last for the first time would be the answer
        holders.append(rng.choice([name for name in names[:3] if name != holders[-1]]))
    begin, hand = CARRY[language]
    lines = [begin.format(a=holders[0], thing=thing)]
    lines += [rng.choice(hand).format(a=a, b=b, thing=thing) for a, b in pairwise(holders)]
    question = draw.wording(WHO_HAS[language][:2], WHO_HAS[language][2:]).format(thing=thing)
    return _problem(language, lines, question, holders[-1], list(dict.fromkeys(holders)), " -> ".join(holders))


def _problem(language: str, lines: list[str], question: str, answer: str, choices: list[str], working: str) -> Problem:
    asked = JOINED[language].join(lines) + "\n" + question
    return Problem(
        asked,
        answer,
        working,
        REPLIES[language].format(answer),
        language,
        verify=chosen,
        facts={"choices": list(dict.fromkeys(choices))},
    )


KINDS: tuple[Callable[[Draw, str], Problem], ...] = (_fact, _reference, _follows, _changes)  # by level


def make(draw: Draw) -> Problem:
    """One text and one question about it."""
    return KINDS[draw.level - 1](draw, draw.language())


TASK = Task(
    "reading", make, about="a short text and a question: a fact, a pronoun, what follows, who has it now",
    ability="understanding", levels=4, usual=(1, 4),
)  # fmt: skip
