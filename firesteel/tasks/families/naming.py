"""Reading who is what: a reply that gives each of several people one value of each kind, `Anna: cat, tea; Ben: dog, milk`.

What a person is follows the person's name and ends at the next name. A reply that denies or doubts (not, or, 不, 可能)
claims nothing: `not a knave` must not earn what `a knave` would.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firesteel.tasks.answers import (
    LONGEST,
    NOT,
    NOTHING,
    SEVERAL,
    TAGGED,
    Found,
    boxed,
    conclusion,
    letters,
    named,
    plain,
    right,
    unasking,
    wrong,
)  # fmt: skip
from firesteel.tasks.task import Problem

DOUBT = re.compile(
    r"\b(?:not|no|never|neither|nor|nobody|cannot|either|or|maybe|perhaps|possibly|unknown|unless|if|other than|except"
    r"|could|might|may be|untrue that)\b"
    r"|\b(?:wrong|incorrect|false)\b|n't|[?？]|[不没非或错]|可能|未知|如果|也许",
    re.I,
)
TOLD = re.compile(r"(?:answers?|solution)\s*(?:is|are|:)+|(?:答案|答|结果)\s*(?:是|为|:)+", re.I)
JOINED = re.compile(r"[\s,、&*]*(?:and|both|和|与|都)?[\s,、&*]*", re.I)  # between names that share what follows
Read = dict[str, tuple[str, ...]]  # person -> one value of each kind


def assignment(problem: Problem, reply: str) -> Found:
    """Verifier: the reply gives every person of `answer` (person -> values) just those, of the kinds in facts["kinds"]."""
    people, kinds = list(problem.answer), problem.facts["kinds"]
    texts = claimed(reply)
    read = [_read(text, people, kinds) for text in texts]
    if len(texts) == 1 and read[0] is None:  # a paragraph or a conclusion of its own, after those that think
        parts = [part for part in texts[0].split("\n\n") if _read(part, people, kinds)]
        texts = parts or [conclusion(texts[0])]
        read = [_read(text, people, kinds) for text in texts]
    if not read or any(r is None for r in read):
        return NOTHING
    if any(r != read[0] for r in read):
        return SEVERAL
    said = texts[0].strip()[:200]
    wanted = {person: tuple(values) for person, values in problem.answer.items()}
    return right(said) if read[0] == wanted else wrong(said)


def one_of(problem: Problem, reply: str) -> Found:
    """Verifier: the reply names one of facts["choices"], the right one, and neither denies nor doubts it."""
    texts = claimed(unasking(reply))
    found = _one_of(problem, texts)
    if found.parsed is None and texts == [plain(unasking(reply)[:LONGEST])] and (end := conclusion(texts[0])):
        again = _one_of(problem, [end])
        return found if again.parsed is None else again
    return found


BESIDE = (  # the day after Wednesday is not Wednesday
    r"\b(?:before|after|until|(?:earlier|later) than)\s+(?:the\s+)?(?:{0})\b|(?:{0})(?:[之以][前后]|的?[前后]一?[天个位名])"
)
ALL_BUT = re.compile(r"\b(?:any\w{3,5}|every\w{3,5}|all)\s+but\b", re.I)
SHORT_DAY = re.compile(r"\b(mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)\b\.?", re.I)
LONG_DAYS = {day[:3]: day for day in "monday tuesday wednesday thursday friday saturday sunday".split()}


def _one_of(problem: Problem, texts: Sequence[str]) -> Found:
    choices = problem.facts["choices"]
    texts = [ALL_BUT.sub("except", text) for text in texts]
    names = "|".join(re.escape(plain(each)) for each in choices)
    if any(letters(each) in LONG_DAYS.values() or each.startswith(("周", "星期")) for each in choices):
        texts = [SHORT_DAY.sub(lambda m: LONG_DAYS[m[1][:3].lower()], text) for text in texts]
        texts = [re.sub(BESIDE.format(names), " ", text, flags=re.I) for text in texts]
    found = {name for text in texts for name in named(text, choices)}
    subject, others = _subject(problem)
    if subject and (len(found) > 1 or others):
        told = _told(texts, choices, subject, others)
        if told is None or (len(found) > 1 and len(told) != 1):
            return SEVERAL if len(found) > 1 else NOTHING
        doubtful, found = False, told or found
    else:
        denied = rf"{NOT}(?:{names})(?![A-Za-z])"  # not a knight but a knave
        doubtful = any(DOUBT.search(re.sub(denied, " ", plain(text), flags=re.I)) for text in texts)
    if len(found) > 1:
        return SEVERAL
    if not found or doubtful:
        return NOTHING
    name = found.pop()
    return right(name) if letters(name) == letters(str(problem.answer)) else wrong(name)


CLAUSE = re.compile(r"[.,;:!。，；：！\n]+|\b(?:and|so|but|because|since)\b|所以|因此|但")


def _subject(problem: Problem) -> tuple[str, list[str]]:
    """Whom or what the question's last line asks about, and the others of its sort; nothing where it does not say."""
    sorts = [problem.facts.get("people", []), *problem.facts.get("kinds", [])]
    last = problem.question.strip().rpartition("\n")[2]
    for sort in sorts:
        asked = named(last, sort) if sort else []
        if len(asked) == 1 and not set(sort) & set(problem.facts["choices"]):
            return asked[0], [each for each in sort if each != asked[0]]
    return "", []


def _told(texts: Sequence[str], choices: Sequence[str], subject: str, others: Sequence[str]) -> set[str] | None:
    """The choices that clauses give the subject; empty where no clause names it or another; None where only others get one.

    None, too, where a clause about the subject is in doubt, or a bare choice stands beside others.
    """
    found: set[str] = set()
    bare: set[str] = set()
    elsewhere = False
    for clause in (part for text in texts for part in CLAUSE.split(plain(text)) if part):
        own = named(clause, choices)
        if not own and not named(clause, [subject]):
            continue
        about, strangers = named(clause, [subject]), named(clause, others)
        if DOUBT.search(clause):
            if about or not strangers:
                return None
            continue
        if about and not strangers:
            found |= set(own)
        elif own and not strangers:
            bare |= set(own)
        elif own:
            elsewhere = True
    if bare - found and (found or len(bare) > 1):
        return None
    return None if elsewhere and not found and not bare else found | bare


def claimed(reply: str) -> list[str]:
    """What a reply marks as its answer, to the end of the text; without a mark the whole reply."""
    reply = plain(reply[:LONGEST])
    for found in (TAGGED.findall(reply), boxed(reply)):
        if found:
            return [str(text) for text in found]
    told = TOLD.split(reply)
    return told[1:] or [reply]


def _read(text: str, people: Sequence[str], kinds: Sequence[Sequence[str]]) -> Read | None:
    """One value of each kind for every person, or None where one is missing, doubtful or said twice differently."""
    if DOUBT.search(text) or not people:
        return None
    if len(kinds) == 1 and (sorted_ := _by_value(text, people, kinds[0])):
        return sorted_
    for value in (each for kind in kinds for each in kind if each.isascii()):
        text = re.sub(rf"\b({re.escape(value)})s\b", r"\1", text, flags=re.I)
    pattern = "|".join(rf"(?<![A-Za-z]){re.escape(p)}(?![A-Za-z])" if p.isascii() else re.escape(p) for p in people)
    names = list(re.finditer(pattern, text))
    if not names:
        return None
    ends = [m.start() for m in names[1:]] + [len(text)]
    out: Read = {}
    shared: tuple[str, ...] | None = None
    for name, end in reversed(list(zip(names, ends, strict=True))):
        segment = text[name.end() : end]
        values = shared if JOINED.fullmatch(segment) else _values(segment, kinds)
        if values is None or out.setdefault(name[0], values) != values:
            return None
        shared = values
    return out if len(out) == len(people) else None


def _by_value(text: str, people: Sequence[str], values: Sequence[str]) -> Read | None:
    """People listed under the values (`Knights: Anna, Ben`), each once; or one value that all of them have."""
    value = "|".join(re.escape(plain(each)) for each in values)
    all_ = re.fullmatch(
        rf"\W*(?:(?:all|every\s?one|everybody)(?: of them)?(?: {_count(people)})? (?:is|are)(?: an?)?|(?:所有人|每个人|大家"
        rf"|{_count(people)}个?人)(?:全都?|都)?是)\s*({value})s?\W*", text, re.I,
    )  # fmt: skip
    if all_:
        same = next(each for each in values if letters(each) == letters(all_[1]))
        return dict.fromkeys(people, (same,))
    heads = list(re.finditer(rf"^\W*({value})s?\W{{0,4}}:", text, re.I | re.M))
    if not heads or named(text[: heads[0].start()], people):
        return None
    out: Read = {}
    for head, end in zip(heads, [*(m.start() for m in heads[1:]), len(text)], strict=True):
        under, own = text[head.end() : end], next(each for each in values if letters(each) == letters(head[1]))
        if named(under, values) or any(person in out for person in named(under, people)):
            return None
        out |= dict.fromkeys(named(under, people), (own,))
    return {person: out[person] for person in people} if len(out) == len(people) else None


def _count(people: Sequence[str]) -> str:
    """How many they are, as one says it."""
    number = len(people)
    words = ("two", "three", "four", "five", "six", "seven", "eight")
    return rf"(?:{number}|{words[number - 2]}|{'两三四五六七八'[number - 2]})" if 2 <= number <= 8 else str(number)


def _values(segment: str, kinds: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    found = [named(segment, kind) for kind in kinds]
    return tuple(f[0] for f in found) if all(len(f) == 1 for f in found) else None
