"""Count letters in a word, words or characters in a sentence, or items of a kind in a list; worked by a running count."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from firesteel.tasks.answers import LONGEST, Found, number, plain, wrong
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.sorting import WORDS
from firesteel.tasks.task import Draw, Problem, Task

Texts = dict[str, dict[str, tuple[str, ...]]]
QUESTIONS: Texts = {
    "zh": {
        "letter": ("单词{s}里有几个字母{x}？", "数一数{s}中字母{x}出现了几次。"),
        "items": ("数一数：{s}。其中有几个{x}？", "{s}，这里面{x}有多少个？"),
        "length": ("“{s}”一共有几个汉字？", "数一数“{s}”有多少个字。"),
        "character": ("“{s}”里有几个“{x}”字？", "“{x}”字在“{s}”中出现了几次？"),
    },
    "en": {
        "letter": ("How many times does the letter {x} occur in {s}?", "Count the letter {x} in the word {s}."),
        "items": ("Count: {s}. How many are {x}?", "How many times is {x} in this list: {s}?"),
        "length": ("How many words are in this sentence: {s}", 'Count the words of "{s}"'),
        "character": ("How often does the word {x} occur here: {s}", 'Count the word {x} in "{s}"'),
    },
}
UNSEEN: Texts = {
    "zh": {
        "letter": ("{s}这个词要写几遍字母{x}？",), "items": ("在{s}当中，{x}一共露面几回？",),
        "length": ("写“{s}”要写多少个汉字？",), "character": ("读“{s}”时，会读到几个“{x}”？",),
    },
    "en": {
        "letter": ("When you spell {s}, how often do you say {x}?",), "items": ("Look at {s}. {x} turns up how often?",),
        "length": ("Reading {s} aloud, how many words do you say?",),
        "character": ("Reading {s} aloud, how often do you say {x}?",),
    },
}  # fmt: skip
LONG_WORDS = (
    "banana strawberry mississippi committee bookkeeper assessment parallel possession successful independence "
    "occurrence happiness tomorrow engineering international acceleration millennium address coffee balloon pepper letter"
).split()
THINGS = {
    "zh": ("苹果", "铅笔", "书", "猫", "狗", "花", "杯子", "鱼"),
    "en": ("apple", "pencil", "book", "cat", "dog", "flower", "cup", "fish"),
}
HAN = "天地人你我他日月水火山石田土风云雨雪花草树木鸟鱼牛马羊车门书"
SHORT = (
    "the a cat dog saw and red big one old man ran to by in see sun box hat pen cup tree house bird sings now".split()
)
LENGTHS = {1: (3, 5), 2: (5, 8), 3: (8, 12), 4: (12, 18), 5: (18, 26)}  # level -> what is gone through
Counted = tuple[str, str, Sequence[str]]  # as shown, what is counted ("": all), the pieces gone through


def _letter(rng: random.Random, language: str, count: int) -> Counted:
    """A word: a real one, or letters as they come, in which some come again."""
    word = rng.choice(LONG_WORDS + WORDS) if rng.random() < 0.5 else ""
    if abs(len(word) - count) > 2:
        few = rng.sample("abcdefghilmnoprstuw", max(2, count // 3))
        word = "".join(rng.choice(few) for _ in range(count))
    return word, rng.choice(sorted(set(word))), word


def _items(rng: random.Random, language: str, count: int) -> Counted:
    things = [rng.choice(rng.sample(THINGS[language], 3)) for _ in range(count)]
    joint = "、" if language == "zh" else ", "
    return joint.join(things), rng.choice(things), things


def _length(rng: random.Random, language: str, count: int) -> Counted:
    pieces = [rng.choice(HAN if language == "zh" else SHORT) for _ in range(count)]
    return ("" if language == "zh" else " ").join(pieces), "", pieces


def _character(rng: random.Random, language: str, count: int) -> Counted:
    few = rng.sample(HAN if language == "zh" else SHORT, max(2, count // 3))
    pieces = [rng.choice(few) for _ in range(count)]
    return ("" if language == "zh" else " ").join(pieces), rng.choice(pieces), pieces


KINDS: dict[str, Callable[[random.Random, str, int], Counted]] = {
    "letter": _letter, "items": _items, "length": _length, "character": _character,
}  # fmt: skip


def make(draw: Draw) -> Problem:
    """A kind, uniform, and as many pieces as the level has."""
    rng, language = draw.rng, draw.language()
    kind = rng.choice(sorted(KINDS))
    shown, what, pieces = KINDS[kind](rng, language, rng.randint(*LENGTHS[draw.level]))
    question = draw.wording(QUESTIONS[language][kind], UNSEEN[language][kind]).format(s=shown, x=what)
    answer, steps = 0, []
    for piece in pieces:
        answer += piece == what or not what
        steps.append(f"{piece}{answer}")
    facts = {"others": sorted(set(pieces) - {what}) if what else []}
    reply = REPLIES[language].format(answer)
    return Problem(question, answer, " ".join(steps) + f"\n={answer}", reply, language, verify=tally, facts=facts)


IN_ALL = r"(?! (?:total|all|the|this|it|that|your)\b)"  # "2 in total" where the words of a list have "in" among them
TIMES = {"once": "1 time", "twice": "2 times", "thrice": "3 times"}


def tally(problem: Problem, reply: str) -> Found:
    """Verifier: the number that the reply claims, once and twice too, and not of something that was not to be counted."""
    found = number(problem, reply)
    if found.parsed is None and not any(c.isdigit() for c in plain(reply)):
        said = re.sub(r"\b(?:once|twice|thrice)\b", lambda m: TIMES[m[0].lower()], reply[-LONGEST:], flags=re.I)
        found = number(problem, said)
    others = "|".join(re.escape(each) for each in problem.facts.get("others", ()))
    if found.reward and others:
        text, quote = plain(reply[-LONGEST:]).replace("**", ""), "[“”\"'「」]?"
        after = rf"(?<![a-z\d])\d+\s{{0,2}}(?:[个次只条本]|times\b)?\s{{0,2}}{quote}(?:{others})(?:'s|e?s\b|(?![a-z])){IN_ALL}"
        begins = rf"^\W*(?:the\s)?(?:(?:word|letter)\s)?{quote}(?:{others}){quote}\s?(?::|字?出现|(?:is|occurs|appears|comes)\b)"
        if re.search(f"{after}|{begins}", text, re.I):
            return wrong(str(found.parsed))
    return found


TASK = Task(
    "counting", make, about="letters in a word, words or characters in a sentence, items of a kind in a list",
    ability="reasoning", levels=5, usual=(1, 2),
)  # fmt: skip
