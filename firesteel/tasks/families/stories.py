"""The verifier of questions for one number: in no unit of its own, and of the things that a story asks for."""

from __future__ import annotations

import re

from firesteel.tasks.answers import CLAIM, DIGIT, LONGEST, SEVERAL, Found, marked, number, with_claim, wrong
from firesteel.tasks.families.numbers import ALTERNATIVE, all_numbers, bare, plain, value
from firesteel.tasks.task import Problem

UNITS = (  # what a count of things is not
    "元|块钱?|角|美元|美分|人|岁|倍|次|度|°|斤|吨|亿|万|米|厘米|千米|公里|千克|公斤|克|升|毫升|秒|分钟|小时|天|年|%"
    r"|(?:dollars?|cents?|euros?|yuan|people|persons|years?|days?|hours?|minutes?|seconds?|kilograms?|grams?|met(?:er|re)s?"
    r"|kilomet(?:er|re)s?|lit(?:er|re)s?|thousand|million|times|kg|km|cm|mm|ml|m)\b"
)
REMAINS = re.compile(r"剩|\bleft\b|\bremain", re.I)
LEFT = re.compile(
    r"(?:剩[下余]?了?[^\d\n。，,；;]{0,6}|\b(?:leaves|leaving|left with|left:)\s)(?P<zh>-?\d[\d,]{0,24})"
    r"|(?<![\d,])(?P<en>-?\d[\d,]{0,24})[^\d\n.,;]{0,24}\b(?:left\b|remain)",
    re.I,
)
STEPS = re.compile(r"(?<![\d.])\d[\d.]{0,24}(?:\s?[-+*/×÷]\s?\d[\d.]{0,24}){1,6}\s?=\s?(?=-?\d)")
OTHERS = re.compile(  # words after a number that name no other thing
    r"(?:i|wa|ha|a|thi|thu|doe|plu|minu|time|leave|give|make|equal|remain|les|item|thing|piece|unit|object)s"
)
DONE = r"(?:bought|given|sold|sent|used|taken|added|lost)\b"
ELSEWHERE = re.compile(  # said of what was given or bought; CLAIM is the claim
    rf"(?<![{DIGIT}.,]){CLAIM}[^{DIGIT}\n.]{{0,24}}\b(?:were|was|are|been)\s+{DONE}"
    rf"|\b(?:gave|gives?|bought|buys?|sold|sells?|sent|sends?|lost|had|used)\s(?:away |off |out )?{CLAIM}"
    rf"(?![{DIGIT},]|[^\n.]*\b(?:left|remain))"
    rf"|(?:送(?:给|出|走|掉|了)[^{DIGIT}\n。，]{{0,4}}|买[了进]?|卖[掉出]?了?|运走了?)\s?{CLAIM}(?![{DIGIT}])",
    re.I,
)
MONEY = re.compile(
    rf"[¥€£]\s?{CLAIM}(?![{DIGIT}])|(?<!\$)\$\s?{CLAIM}(?![{DIGIT}])(?![^\n]*\$)"
)  # a second $ ends a formula
FUNCTION = re.compile(rf"\b(?:sin|cos|tan|log|ln|exp|sqrt)\s?\(?\s?{CLAIM}(?![{DIGIT}])", re.I)
THING = re.compile(rf"(?<![{DIGIT}.]){CLAIM}\s(?P<thing>[a-z]{{2,16}}s)\b")
UNIT = re.compile(rf"(?<![{DIGIT}.]){CLAIM}\s?(?P<unit>{UNITS})", re.I)
SAID = re.compile(rf"(?<![{DIGIT}.,]){CLAIM}(?![{DIGIT}%])")


def told(problem: Problem, reply: str) -> Found:
    """Verifier: a number by value, without a unit that the question does not know; where a story asks what is left,
    not one that is said of what was given or bought."""
    found = number(problem, reply)
    reply = reply[-LONGEST:]
    if found == SEVERAL and REMAINS.search(problem.question) and not marked(reply):
        found = _last_left(problem, reply) or found
    if not found.reward or found.parsed is None:
        return found
    strange = _strange(found.parsed, reply, problem.question)
    return wrong(found.parsed) if strange or _of_another(found.parsed, bare(reply), problem.question) else found


def _last_left(problem: Problem, reply: str) -> Found | None:
    """What a reply with several numbers is worth that says of its last one, and of no other, that it is left."""
    said, last = {value(each) for each in _left(bare(reply))}, all_numbers(reply)[-1:]
    if not last or said != {value(last[0])} or ALTERNATIVE.search(plain(reply)):
        return None
    return number(problem, last[0])


def _left(text: str) -> set[str]:
    """The numbers of which a text says that they are left."""
    return {(m["zh"] or m["en"]).rstrip(",") for m in LEFT.finditer(STEPS.sub("", text))}


def _strange(claim: str, reply: str, question: str) -> bool:
    """Whether a claim comes with a unit of its own (money, people, a measure), or is what a function is taken of."""
    if MONEY.search(with_claim(claim, reply)) and not re.search(r"[$¥€£元]", question):
        return True
    text = with_claim(claim, bare(reply))
    if FUNCTION.search(text):
        return True
    thing = THING.search(text)
    known = thing is None or thing["thing"] in question or OTHERS.fullmatch(thing["thing"])
    if not known and REMAINS.search(question) and question.isascii():
        return True
    unit = UNIT.search(text)
    return unit is not None and unit["unit"].casefold().removesuffix("s") not in question.replace("别人", "").casefold()


def _of_another(claim: str, text: str, question: str) -> bool:
    """Where a story asks what is left: whether a reply says that something else is, or the claim of another thing."""
    if not REMAINS.search(question):
        return False
    left = {value(each) for each in _left(text)}
    marked_text = with_claim(claim, text)
    said, done = len(SAID.findall(marked_text)), len(ELSEWHERE.findall(marked_text))
    return (bool(left) and value(claim) not in left) or 0 < said <= done
