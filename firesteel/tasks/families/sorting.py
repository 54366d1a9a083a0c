"""Sort or reverse a list of numbers or words, or say its k-th largest or its median; worked by putting in one at a time."""

from __future__ import annotations

import bisect
import random
import re
from collections.abc import Sequence

from firesteel.tasks.answers import SENTENCE, Found, compared, letters, marked, number, sure, unwrapped, wrong
from firesteel.tasks.families.arithmetic import REPLIES
from firesteel.tasks.families.numbers import bare, plain, value
from firesteel.tasks.task import Draw, Problem, Task

QUESTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "zh": {
        "up": ("把{s}从小到大排列。", "将下列各项按升序排列：{s}。"),
        "down": ("把{s}从大到小排列。", "将下列各项按降序排列：{s}。"),
        "reverse": ("把{s}的顺序倒过来。", "倒序写出：{s}。"),
        "words": ("把{s}按字母顺序排列。", "按字母顺序写出：{s}。"),
        "k": ("{s}中第{k}大的数是多少？", "求{s}里第{k}大的数。"),
        "median": ("{s}的中位数是多少？", "求{s}的中位数。"),
    },
    "en": {
        "up": ("Sort {s} from smallest to largest.", "Put these in ascending order: {s}."),
        "down": ("Sort {s} from largest to smallest.", "Put these in descending order: {s}."),
        "reverse": ("Reverse the order of {s}.", "Write this list backwards, item by item: {s}."),
        "words": ("Sort {s} alphabetically.", "Put these in alphabetical order: {s}."),
        "k": (
            "What is the number {k} from the top when {s} are sorted?",
            "Find number {k}, counted from the largest, of {s}.",
        ),
        "median": ("What is the median of {s}?", "Find the median of {s}."),
    },
}
UNSEEN: dict[str, dict[str, tuple[str, ...]]] = {
    "zh": {
        "up": ("{s}：小的在前，大的在后，怎样排？",), "down": ("{s}：大的在前，小的在后，怎样排？",),
        "reverse": ("从最后一个往前写：{s}。",), "words": ("字典里{s}的先后次序是什么？",),
        "k": ("若把{s}由大到小排队，排在{k}号位的是谁？",), "median": ("{s}排好后正中间的数是哪个？",),
    },
    "en": {
        "up": ("Line up {s}, the smallest first.",), "down": ("Line up {s}, the largest first.",),
        "reverse": ("Say {s} again, beginning with the last.",), "words": ("In which order would a dictionary have {s}?",),
        "k": ("Rank {s} downwards. Which holds place {k}?",), "median": ("Once {s} are in order, which stands in the middle?",),
    },
}  # fmt: skip
WORDS = (
    "apple arrow bread brick chair cloud dance delta eagle earth flame flute grape green house honey igloo iron jelly "
    "juice kite knife lemon light mango music night north ocean onion paper piano queen quiet river robot sheep stone "
    "table tiger uncle under video voice water wheel yacht yellow zebra zero"
).split()
LENGTHS = {1: (3, 4), 2: (4, 6), 3: (6, 8), 4: (8, 11), 5: (11, 15)}  # level -> items
LARGEST = {1: 20, 2: 99, 3: 99, 4: 999, 5: 999}
KINDS = ("up", "down", "reverse", "words", "k", "median")


def make(draw: Draw) -> Problem:
    """A list of the level's length and size, and one of the kinds, uniform."""
    rng, level = draw.rng, draw.level
    kind, count = rng.choice(KINDS), rng.randint(*LENGTHS[level])
    count += kind == "median" and count % 2 == 0
    if kind == "words" or (kind == "reverse" and rng.random() < 0.5):
        items: list[str] = rng.sample(WORDS, count)
    else:
        items = [str(n) for n in _spread(rng, LARGEST[level], count)]
    k = rng.randint(1, count)
    ordered, steps = _worked(items, kind)
    language = draw.language()
    joint = "、" if language == "zh" else ", "
    if kind in ("k", "median"):
        place = k if kind == "k" else count // 2 + 1
        answer: int | str = int(ordered[place - 1])
        steps += "\n" + ";".join(f"{i}:{n}" for i, n in enumerate(ordered[:place], 1)) + f"\n={answer}"
    else:
        answer = ", ".join(ordered)
    question = draw.wording(QUESTIONS[language][kind], UNSEEN[language][kind]).format(s=joint.join(items), k=k)
    reply = REPLIES[language].format(answer)
    verify = placed if kind in ("k", "median") else lists
    return Problem(question, answer, steps, reply, language, verify=verify, facts={"kind": kind})


def _spread(rng: random.Random, most: int, count: int) -> list[int]:
    return rng.sample(range(1, most + 1), count)


def _worked(items: Sequence[str], kind: str) -> tuple[list[str], str]:
    """The ordered items, and the list as it grows: each item is put where it belongs."""
    ordered: list[str] = []
    lines = []
    for item in items:
        if kind == "reverse":
            ordered.insert(0, item)
        elif kind == "words":
            bisect.insort(ordered, item)
        else:
            bisect.insort(ordered, item, key=lambda n: int(n) if kind == "up" else -int(n))
        lines.append(" ".join(ordered))
    return ordered, "\n".join(lines)


APART = re.compile(r"\s*(?:[,;、|]|\s|<|>|→|->|\band\b|和)+\s*")


def lists(problem: Problem, reply: str) -> Found:
    """Verifier: the reply claims the answer's items, all of them, in its order, and nothing else."""
    wanted = _items(str(problem.answer))
    reply = FENCED.sub(r"\1", reply.strip())
    if not marked(reply) and "\n" in reply:
        reply = _last_list(problem, reply, wanted)
    return compared(problem, reply, lambda said: wanted in (_items(said), _items(_listed(said))))


DENIES = re.compile(r"\b(?:not|neither|never|wrong|incorrect|or)\b|n't|[不非错或]", re.I)
FENCED = re.compile(r"^```[a-z]*\n([^`]*?)\n?```$", re.I)


def _last_list(problem: Problem, reply: str, wanted: list[object]) -> str:
    """The last line of a reply, where it alone is a list of the items; the question's own order may stand before it."""
    lines = [(line, _items(_listed(line))) for line in reply.splitlines() if line.strip()]
    lists = [(line, items) for line, items in lines if len(items) >= len(wanted) and set(wanted) <= set(items)]
    asked = _items(_listed(plain(problem.question)))
    others = [items for _, items in lists[:-1] if items != lists[-1][1] and not _within(items, asked)]
    before = reply.strip().rpartition("\n")[0]
    sure = lists and lists[-1] == lines[-1] and not others and not DENIES.search(before)
    return lines[-1][0] if sure else reply


def _within(items: list[object], asked: list[object]) -> bool:
    """Whether items stand side by side in the question."""
    return any(asked[i : i + len(items)] == items for i in range(len(asked) - len(items) + 1))


def placed(problem: Problem, reply: str) -> Found:
    """Verifier: the number that the reply claims; after a sorted list, the one that its last sentence ends with."""
    found = number(problem, reply)
    if found.reward and MEAN.search(reply) and not MEDIAN.search(reply):
        return wrong(str(found.parsed))
    if found.parsed is None and not marked(reply) and not DENIES.search(reply):
        ends = [m[1] for line in SENTENCE.findall(plain(reply)) if (m := ENDING.search(bare(line)))]
        if len(set(ends)) == 1:
            return sure(number(problem, ends[0]), reply)
    return found


MEAN, MEDIAN = re.compile(r"\b(?:mean|average)\b|平均", re.I), re.compile(r"\bmedian\b|中位", re.I)
ENDING = re.compile(r"(?:\bis|[是为])\s*(\d+)[^\d\n]{0,24}$", re.I)
INTRODUCED = re.compile(r"^(?P<head>[^\n:：]{1,80})[:：](?P<list>.+)$", re.S)
BECOMES = re.compile(r"^(?P<head>[^\n,，、]{1,80}?)(?:(?:依次)?[是为]|\b(?:is|are)\b)(?P<list>.+)$", re.S)


def _listed(text: str) -> str:
    """What follows a colon, or else what "is" the list, unless what is before it denies."""
    match = INTRODUCED.match(text.strip()) or BECOMES.match(text.strip())
    return match["list"] if match and not DENIES.search(match["head"]) else text


def _items(text: str) -> list[object]:
    """The items of a list, numbers by value; a list may stand in brackets, one item a line, numbered or not."""
    if "<" in text and ">" in text.replace("->", ""):
        return []
    text = re.sub(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+", " ", plain(unwrapped(text)), flags=re.M)
    text = re.sub(r"\\[,; ]|\\(?:left|right|lt|gt)\b|[\[\](){}【】\"'`*$]", " ", text)
    parts = [part for part in APART.split(text.strip(" \t\n.,;:。")) if part]
    return [_item(part) for part in parts]


def _item(part: str) -> object:
    digits = re.fullmatch(r"\d{1,12}(?:\.\d{1,6})?", part)
    found = value(part) if digits else None
    return letters(part) if found is None else found


TASK = Task(
    "sorting", make, about="sort or reverse a list, or find its k-th largest or median", ability="reasoning", levels=5,
    usual=(1, 2),
)  # fmt: skip
