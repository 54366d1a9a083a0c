"""Instructions about form that rules can check: counts, words, case, beginnings and ends, bullets, JSON, language.

The kinds of instruction are those of IFEval (Zhou et al. 2023, arXiv:2311.07911), with our own wording and checks. A reply
has to fulfil all of them, and to be about its topic: an empty pattern that fulfils the form alone earns nothing.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firesteel.tasks.answers import Found, plain, right
from firesteel.tasks.families.format_topics import TOPICS, Topic
from firesteel.tasks.families.json_extraction import read
from firesteel.tasks.task import Draw, Problem, Task

BIGGEST = 4_096  # characters of a reply that is read
VARIED = 0.5  # least share of a reply's words (Chinese: pairs of characters) that are different
SAID_AGAIN = 6  # characters of an instruction that a reply may not repeat
OWN = 3  # least number of different words (Chinese: characters) besides the topic and what the instructions hand out
SENTENCES = re.compile(r"[^.!?。！？\n]*[^\s.!?。！？\n][^.!?。！？\n]*(?:[.!?。！？]+|\n|$)")
BULLET = re.compile(r"^[ \t]*[-*•][ \t]+(\S.*)$", re.M)
WORDS = re.compile(r"[A-Za-z0-9]+(?:['’-][A-Za-z0-9]+)*")
HAN = re.compile(r"[\u4e00-\u9fff]")
STARTS = {"zh": ("大家知道，", "说起来，", "其实，"), "en": ("As we know,", "To begin with,", "In short,")}
ENDS = {"zh": ("就是这样。", "谢谢阅读。"), "en": ("That is all.", "Thank you for reading.")}
MUST = {"zh": ("生活", "朋友", "时间"), "en": ("life", "friend", "time")}
WITH = {"zh": "{t}和{w}分不开。", "en": "For me {t} and {w} go together."}
MUST_NOT = {"zh": ("很好", "非常", "因为"), "en": ("very", "because", "good")}
Args = dict[str, Any]  # of a rule: JSON


@dataclass(frozen=True)
class Rule:
    """An instruction: how it is drawn, said, checked, and followed by a worked solution."""

    draw: Callable[[random.Random, str], Args]
    say: dict[str, tuple[str, str]]  # language -> wording of training, wording of tests alone
    holds: Callable[[str, Args], bool]
    follow: Callable[[list[str], Args, Topic], list[str]]  # sentences -> sentences
    group: str  # rules of one group exclude each other


def sentences(reply: str) -> list[str]:
    """The sentences of a reply: to a full stop, which 3.5 and Dr. have not, or a line's end."""
    reply = re.sub(r"(?<=\d)\.(?=\d)|(?<=\b[DM]r)\.", "", reply)
    return [m[0].strip() for m in SENTENCES.finditer(reply) if WORDS.search(m[0]) or HAN.search(m[0])]


def length(reply: str, language: str) -> int:
    """Words of English, Chinese characters of Chinese."""
    return len(HAN.findall(reply)) if language == "zh" else len(WORDS.findall(reply))


def _as_is(text: list[str], args: Args, topic: Topic) -> list[str]:
    return text


def _said_in(reply: str, language: str) -> bool:
    """Whether a reply is written in a language: English has no Chinese characters, Chinese few Latin letters."""
    han, latin = len(HAN.findall(reply)), len(re.findall(r"[A-Za-z]", reply))
    return (han >= 4 and han >= latin) if language == "zh" else (han == 0 and latin >= 8)


def _bulleted(text: list[str], args: Args, topic: Topic) -> list[str]:
    return [f"- {sentence}" for sentence in text[: args["n"]]]


def _bullets_hold(reply: str, args: Args) -> bool:
    found = BULLET.findall(reply)
    lines = [line for line in reply.splitlines() if line.strip()]
    return (
        len(found) == args["n"] == len(lines)
        and len(set(found)) == len(found)
        and all(length(b, args["in"]) >= 2 for b in found)
    )


def _json_holds(reply: str, args: Args) -> bool:
    found = read(reply)
    if found is None or sorted(found) != ["text", "topic"]:
        return False
    return isinstance(found["text"], str) and found["topic"] == args["topic"] and bool(found["text"].strip())


def _in_json(text: list[str], args: Args, topic: Topic) -> list[str]:
    return [json.dumps({"topic": args["topic"], "text": text[0]}, ensure_ascii=False)]


RULES: dict[str, Rule] = {
    "sentences": Rule(
        lambda rng, lang: {"n": rng.randint(2, 4)},
        {
            "zh": ("正好写{n}句话", "句数须为{n}"),
            "en": ("write exactly {n} sentences", "the number of sentences must be {n}"),
        },
        lambda reply, a: len(sentences(reply)) == a["n"],
        lambda text, a, topic: text[: a["n"]],
        "shape",
    ),
    "bullets": Rule(
        lambda rng, lang: {"n": rng.randint(2, 4), "in": lang},
        {
            "zh": ("只写{n}行，每行以“- ”开头", "列{n}个要点，每点一行，用“- ”起头，此外什么也不写"),
            "en": (
                'write exactly {n} bullet lines that begin with "- ", and nothing else',
                'give {n} points, a line each after "- ", no other lines',
            ),
        },
        _bullets_hold,
        _bulleted,
        "shape",
    ),
    "json": Rule(
        lambda rng, lang: {},
        {
            "zh": (
                "只写一个JSON对象，键为topic（值为“{topic}”）和text",
                "整个回答是一个JSON对象，有topic（“{topic}”）和text两个键",
            ),
            "en": (
                'reply with only a JSON object with the keys topic ("{topic}") and text',
                'the whole reply is a JSON object whose keys are topic ("{topic}") and text',
            ),
        },
        _json_holds,
        _in_json,
        "shape",
    ),
    "at most": Rule(
        lambda rng, lang: {"n": rng.choice((60, 80, 100)), "in": lang},
        {"zh": ("不超过{n}个汉字", "汉字最多{n}个"), "en": ("use at most {n} words", "no more than {n} words")},
        lambda reply, a: length(reply, a["in"]) <= a["n"],
        _as_is,
        "most",
    ),
    "at least": Rule(
        lambda rng, lang: {"n": rng.choice((8, 10, 12)), "in": lang},
        {"zh": ("至少{n}个汉字", "汉字不少于{n}个"), "en": ("use at least {n} words", "no fewer than {n} words")},
        lambda reply, a: length(reply, a["in"]) >= a["n"],
        _as_is,
        "least",
    ),
    "contains": Rule(
        lambda rng, lang: {"word": rng.choice(MUST[lang]), "in": lang},
        {
            "zh": ("要用到“{word}”这个词", "文中须出现“{word}”"),
            "en": ('use the word "{word}"', 'the word "{word}" must occur'),
        },
        lambda reply, a: bool(_word(a["word"]).search(reply)),
        lambda text, a, topic: [WITH[a["in"]].format(t=topic.name[a["in"]], w=a["word"]), *text],
        "contains",
    ),
    "avoids": Rule(
        lambda rng, lang: {"word": rng.choice(MUST_NOT[lang])},
        {
            "zh": ("不要用“{word}”这个词", "文中不得出现“{word}”"),
            "en": ('do not use the word "{word}"', 'the word "{word}" must not occur'),
        },
        lambda reply, a: not _word(a["word"]).search(reply),
        _as_is,
        "avoids",
    ),
    "starts": Rule(
        lambda rng, lang: {"with": rng.choice(STARTS[lang]), "in": lang},
        {
            "zh": ("以“{with}”开头", "开头须是“{with}”"),
            "en": ('begin with "{with}"', 'the first words must be "{with}"'),
        },
        lambda reply, a: reply.strip().startswith(a["with"]),
        lambda text, a, topic: [a["with"] + (" " if a["in"] == "en" else "") + text[0], *text[1:]],
        "starts",
    ),
    "ends": Rule(
        lambda rng, lang: {"with": rng.choice(ENDS[lang]), "in": lang},
        {"zh": ("以“{with}”结尾", "最后须是“{with}”"), "en": ('end with "{with}"', 'the last words must be "{with}"')},
        lambda reply, a: reply.strip().endswith(a["with"]),
        lambda text, a, topic: [*text[:-1], a["with"]],
        "ends",
    ),
    "lower case": Rule(
        lambda rng, lang: {},
        {"zh": ("不用大写字母", "字母一律小写"), "en": ("use no capital letters", "write all in lower case")},
        lambda reply, a: reply == reply.lower(),
        lambda text, a, topic: [sentence.lower() for sentence in text],
        "case",
    ),
    "language": Rule(
        lambda rng, lang: {"other": "en" if lang == "zh" else "zh"},
        {"zh": ("用英文写", "写成英文"), "en": ("write in Chinese", "the reply must be in Chinese")},
        lambda reply, a: _said_in(reply, a["other"]),
        _as_is,
        "language",
    ),
}
CLASH = {  # rules that cannot stand together, beside those of one group
    frozenset(pair)
    for pair in (
        *(("json", other) for other in ("starts", "ends", "lower case", "language")),
        *(("bullets", other) for other in ("starts", "ends")),
        *(("lower case", other) for other in ("starts", "ends", "language")),
        *(("language", other) for other in ("starts", "ends", "contains", "avoids", "at most", "at least", "bullets")),
        ("json", "contains"),
        ("json", "at least"),
        ("ends", "at least"),
    )
}


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word), re.I)


def follows(problem: Problem, reply: str) -> Found:
    """Verifier: every instruction of facts["rules"] holds, and the reply says something about facts["topics"]."""
    said = reply.strip()
    if not said or len(reply) > BIGGEST:
        return Found(0.0, "too long" if said else "no answer")
    for rule in problem.facts["rules"]:
        if not RULES[rule["rule"]].holds(reply, rule):
            return Found(0.0, f"not followed: {rule['rule']}", said[:200])
    if why := _told(problem, said) or _empty(problem, said):
        return Found(0.0, why, said[:200])
    return right(said[:200])


def _told(problem: Problem, said: str) -> str:
    """Whether a reply repeats one of its instructions instead of following them."""
    words = [
        form.format(**{"topic": "", **rule})
        for rule in problem.facts["rules"]
        for form in _forms(rule, problem.language)
    ]
    return "repeats its instructions" if any(len(w) >= SAID_AGAIN and w in said for w in words) else ""


def _forms(rule: Args, language: str) -> tuple[str, str]:
    return RULES[rule["rule"]].say[language or "en"]


def _empty(problem: Problem, said: str) -> str:
    """Why a reply says nothing about its topic, or an empty text."""
    rules: list[Args] = problem.facts["rules"]
    language = next((r["other"] for r in rules if r["rule"] == "language"), problem.language)
    if not any(rule["rule"] == "language" for rule in rules) and not _said_in(said, language):
        return "another language"
    topic = problem.facts["topics"][language]
    if not _word(topic).search(said):
        return "not about the topic"
    rest = plain(said)
    for given in (
        *problem.facts["topics"].values(),
        *(str(r.get(k, "")) for r in rules for k in ("word", "with", "topic")),
    ):
        rest = re.sub(_word(plain(given).strip(" ,.!，。！")).pattern, " ", rest, flags=re.I) if given else rest
    units = (
        HAN.findall(rest)
        if language == "zh"
        else [w.lower() for w in WORDS.findall(rest) if w not in ("text", "topic")]
    )
    if len(set(units)) < OWN or (language == "en" and sum(len(u) > 1 for u in set(units)) < OWN):
        return "says nothing"
    whole = [s.lower() for s in sentences(said)]
    pairs = [a + b for a, b in zip(units, units[1:], strict=False)] or units
    if len(set(pairs)) < VARIED * len(pairs) or len(set(whole)) < len(whole):
        return "repeats itself"
    return ""


# --- drawing -----------------------------------------------------------------------------------------------------------

ASK = {
    "zh": ("写一写{t}。要求：{r}。", "请介绍{t}，{r}。"),
    "en": ("Write about {t}: {r}.", "Tell me something about {t}; {r}."),
}
UNSEEN_ASK = {"zh": ("关于{t}说几句，注意：{r}。",), "en": ("Say something on the subject of {t}. Please {r}.",)}


def _rules(rng: random.Random, language: str, count: int) -> list[str]:
    """Names of `count` rules that can stand together."""
    picked: list[str] = []
    names = [name for name in RULES if not (name == "lower case" and language == "zh")]
    for name in rng.sample(names, len(names)):
        fits = all(RULES[name].group != RULES[p].group and frozenset((name, p)) not in CLASH for p in picked)
        if fits and len(picked) < count:
            picked.append(name)
    return picked


def make(draw: Draw) -> Problem:
    """A topic and as many instructions as the level says."""
    rng, language = draw.rng, draw.language()
    topic = rng.choice(TOPICS)
    names: list[str] = []
    while len(names) < draw.level:
        names = _rules(rng, language, draw.level)
    name = topic.name[language]
    rules = [{"rule": n, "topic": name, **RULES[n].draw(rng, language)} for n in names]
    listed = [
        draw.wording(RULES[r["rule"]].say[language][:1], RULES[r["rule"]].say[language][1:]).format(**r) for r in rules
    ]
    ask = draw.wording(ASK[language], UNSEEN_ASK[language])
    question = ask.format(t=name, r=("；" if language == "zh" else "; ").join(listed))
    for rule in rules:
        rule.pop("topic") if rule["rule"] != "json" else None
    facts = {"rules": rules, "topics": topic.name}
    reply, work = _worked(rng, topic, language, rules), ";".join(f"{r['rule']}: {_short(r)}" for r in rules)
    return Problem(question, name, work, reply, language, draw.level, follows, facts)


def _short(rule: Args) -> str:
    """A rule's argument, for the working."""
    return str(next((rule[key] for key in ("n", "word", "with", "other", "topic") if key in rule), "yes"))


def _worked(rng: random.Random, topic: Topic, language: str, rules: list[Args]) -> str:
    """Sentences about the topic, changed rule by rule until all hold."""
    spoken = next((r["other"] for r in rules if r["rule"] == "language"), language)
    banned = [_word(r["word"]) for r in rules if r["rule"] == "avoids"]
    usable = [s for s in topic.sentences[spoken] if not any(b.search(s) for b in banned)]
    text = rng.sample(usable, 4)
    order = ("contains", "sentences", "bullets", "json", "starts", "ends", "lower case")
    known = {r["rule"]: r for r in rules}
    if not {"sentences", "bullets"} & known.keys():
        text = text[:3]
    for name in order:
        if name in known:
            text = RULES[name].follow(text, known[name], topic)
    return ("\n" if "bullets" in known else "" if spoken == "zh" else " ").join(text)


TASK = Task(
    "format",
    make,
    about="write about a topic and follow instructions about form",
    ability="text",
    levels=4,
    usual=(1, 2),
)
