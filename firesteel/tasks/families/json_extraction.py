"""A short text into a JSON object with the keys and types that are asked for."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from firesteel.tasks.answers import NOTHING, Found, plain, right
from firesteel.tasks.task import Draw, Problem, Task

BIGGEST = 4_096  # characters of a reply that is read; what is longer is no extraction from a short text
PARTLY = 0.5  # what all but one of very many right keys would earn
FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```", re.S | re.I)
TYPES: dict[str, dict[str, str]] = {
    "string": {"zh": "字符串", "en": "string"}, "integer": {"zh": "整数", "en": "integer"},
    "boolean": {"zh": "布尔值", "en": "boolean"}, "strings": {"zh": "字符串数组", "en": "array of strings"},
    "object": {"zh": "对象", "en": "object"},
}  # fmt: skip
NAMES = {
    "zh": ("王芳", "李华", "张伟", "刘洋", "陈静", "赵磊"),
    "en": ("Anna Lee", "Ben Roth", "Carl Moss", "Dora Hunt", "Eric Vale"),
}
CITIES = {"zh": ("北京", "上海", "广州", "成都", "西安"), "en": ("Paris", "Rome", "Oslo", "Cairo", "Lima")}
JOBS = {"zh": ("医生", "教师", "司机", "厨师", "律师"), "en": ("doctor", "teacher", "driver", "cook", "lawyer")}
THINGS = {
    "zh": ("茶", "书", "灯", "椅子", "雨伞", "相机"),
    "en": ("tea", "books", "lamps", "chairs", "umbrellas", "cameras"),
}
STREETS = {"zh": ("长江路", "解放路", "人民路"), "en": ("Oak Street", "Mill Lane", "High Street")}
KEYS: dict[str, tuple[str, dict[str, str]]] = {  # key -> type, sentence with a place for the value and the person {p}
    "name": ("string", {"zh": "这位顾客叫{v}。", "en": "The customer is {v}."}),
    "age": ("integer", {"zh": "{p}今年{v}岁。", "en": "{p} is {v} years old."}),
    "city": ("string", {"zh": "{p}住在{v}。", "en": "{p} lives in {v}."}),
    "job": ("string", {"zh": "{p}的职业是{v}。", "en": "{p} works as a {v}."}),
    "items": ("strings", {"zh": "{p}买了{v}。", "en": "{p} bought {v}."}),
    "total": ("integer", {"zh": "一共付了{v}元。", "en": "The bill came to {v} dollars."}),
    "paid": ("boolean", {"zh": "", "en": ""}),
    "address": ("object", {"zh": "货送到{v}。", "en": "The goods go to {v}."}),
}
PAID = {
    "zh": {True: "钱已经付清。", False: "钱还没有付。"},
    "en": {True: "The bill is paid.", False: "The bill is not yet paid."},
}
NOISE = {
    "zh": ("店里那天有{n}位客人。", "外面下着雨，气温{n}度。", "店员小周工作了{n}年。"),
    "en": (
        "There were {n} people in the shop that day.",
        "It rained, and it was {n} degrees outside.",
        "The clerk, Tim, has worked there for {n} years.",
    ),
}
LEVELS = {  # level -> keys that may be asked, how many, sentences of noise
    1: (("name", "age", "city", "job"), (2, 2), 0),
    2: (("name", "age", "city", "job", "total", "paid"), (3, 4), 1),
    3: (("name", "age", "city", "job", "total", "paid", "items"), (4, 6), 2),
    4: (tuple(KEYS), (6, 8), 3),
}
ASK = {
    "zh": ("从上文提取信息，只回答一个JSON对象，键为：{k}。", "把上面的内容写成一个JSON对象，键为：{k}。只写JSON。"),
    "en": (
        "Extract a JSON object with the keys: {k}. Reply with the JSON alone.",
        "Reply only with a JSON object with these keys: {k}.",
    ),
}
UNSEEN_ASK = {
    "zh": ("请整理成JSON，恰好包含这些键：{k}，不要写别的。",),
    "en": ("Turn this into JSON, nothing else, with exactly these keys: {k}.",),
}


def extracted(problem: Problem, reply: str) -> Found:
    """Verifier: the reply is one JSON object, perhaps in a code fence, equal to `answer` in keys, types and values.

    Some of the keys right earn up to PARTLY by their share, extra keys counting as wrong ones; yes-or-no values, which can
    be guessed, earn nothing of their own.
    """
    found = read(reply)
    if found is None:
        return NOTHING
    wanted: dict[str, Any] = problem.answer
    parsed = json.dumps(found, ensure_ascii=False)[:500]
    good = [key for key in wanted if key in found and same(found[key], wanted[key])]
    extra = len(found.keys() - wanted.keys())
    if len(good) == len(wanted) and not extra:
        return right(parsed)
    earned = [key for key in good if not isinstance(wanted[key], bool)]
    share = len(good) / (len(wanted) + extra) if earned else 0.0
    return Found(PARTLY * share, f"{len(good)} of {len(wanted)} keys" + (f", {extra} extra" if extra else ""), parsed)


def read(reply: str) -> dict[str, Any] | None:
    """The JSON object that a reply is, or that its only code fence holds; None where there is none."""
    if len(reply) > BIGGEST:
        return None
    fences = FENCE.findall(reply)
    if len(fences) > 1 or (fences and "{" in FENCE.sub("", reply)):
        return None  # several objects: a list of guesses
    try:
        found = json.loads(fences[0] if fences else reply, object_pairs_hook=_once, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, unless it has a key twice."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def same(one: Any, other: Any) -> bool:
    """Equal in type and value; texts but for width and spaces, arrays of texts but for order."""
    if type(one) is not type(other):
        return False  # true is not 1, and 3.0 is not an integer
    if isinstance(one, str):
        return " ".join(plain(one).split()) == " ".join(plain(other).split())
    if isinstance(one, list):
        if len(one) != len(other) or not all(isinstance(x, str) for x in one):
            return False
        return sorted(" ".join(plain(x).split()) for x in one) == sorted(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in other)
    return bool(one == other)


def _value(rng: random.Random, key: str, language: str) -> Any:
    """A value, as JSON has it."""
    pools: dict[str, Any] = {"name": NAMES, "city": CITIES, "job": JOBS}
    if key in pools:
        return rng.choice(pools[key][language])
    if key == "items":
        return rng.sample(THINGS[language], rng.randint(2, 3))
    if key == "paid":
        return rng.random() < 0.5
    if key == "address":
        return {"street": rng.choice(STREETS[language]), "number": rng.randint(1, 99)}
    return rng.randint(18, 80) if key == "age" else rng.randint(100, 999)


def _sentence(key: str, value: Any, person: str, language: str) -> str:
    if key == "paid":
        return PAID[language][value]
    if key == "items":
        text = "和".join(value) if language == "zh" else " and ".join([", ".join(value[:-1]), value[-1]])
    elif key == "address":
        text = f"{value['street']}{value['number']}号" if language == "zh" else f"{value['number']} {value['street']}"
    else:
        text = str(value)
    return KEYS[key][1][language].format(v=text, p=person)


def _asked(key: str, language: str) -> str:
    text = f"{key} ({TYPES[KEYS[key][0]][language]}"
    return text + (": street, number)" if key == "address" else ")")


def make(draw: Draw) -> Problem:
    """One text; more is told than is asked for."""
    rng, language = draw.rng, draw.language()
    pool, (low, high), noise = LEVELS[draw.level]
    told = {key: _value(rng, key, language) for key in pool}
    keys = rng.sample(list(pool), min(rng.randint(low, high), len(pool)))
    person = {"zh": "这位顾客", "en": "The customer"}[language]
    sentences = [_sentence(key, value, person, language) for key, value in told.items() if key != "name"]
    sentences += [text.format(n=rng.randint(2, 40)) for text in rng.sample(NOISE[language], noise)]
    rng.shuffle(sentences)
    sentences.insert(0, _sentence("name", told["name"], person, language))
    ask = draw.wording(ASK[language], UNSEEN_ASK[language])
    listed = ("、" if language == "zh" else ", ").join(_asked(key, language) for key in keys)
    answer = {key: told[key] for key in keys}
    question = f"{('' if language == 'zh' else ' ').join(sentences)}\n{ask.format(k=listed)}"
    work = "\n".join(f"{key}: {_sentence(key, told[key], person, language)}" for key in keys)
    reply = json.dumps(answer, ensure_ascii=False)
    return Problem(question, answer, work, reply, language, draw.level, extracted, {"keys": keys})


TASK = Task(
    "json-extraction", make, about="a short text into a JSON object with given keys and types", ability="understanding",
    levels=4, usual=(1, 2),
)  # fmt: skip
