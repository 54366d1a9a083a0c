"""The words of logic grids: names, kinds of things, clues and questions in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NAMES = {"zh": ("小明", "小红", "李华", "王芳", "张伟", "刘洋"), "en": ("Anna", "Ben", "Carl", "Dora", "Eric", "Fay")}


@dataclass(frozen=True)
class Kind:
    """Something that everybody has a different one of. Texts have places for a person {p} and a value {v}."""

    noun: dict[str, str]
    values: dict[str, tuple[str, ...]]
    has: dict[str, str]
    lacks: dict[str, str]
    owner: dict[str, str]  # "the one with the cat"
    what: dict[str, str]
    who: dict[str, str]
    ordered: bool = False


KINDS = {
    "pet": Kind(
        {"zh": "宠物", "en": "pet"},
        {"zh": ("猫", "狗", "鸟", "鱼", "兔子"), "en": ("cat", "dog", "bird", "fish", "rabbit")},
        {"zh": "{p}养{v}", "en": "{p} has the {v}"},
        {"zh": "{p}不养{v}", "en": "{p} does not have the {v}"},
        {"zh": "养{v}的人", "en": "the one with the {v}"},
        {"zh": "{p}养什么？", "en": "Which pet does {p} have?"},
        {"zh": "谁养{v}？", "en": "Who has the {v}?"},
    ),
    "drink": Kind(
        {"zh": "饮料", "en": "drink"},
        {"zh": ("茶", "咖啡", "牛奶", "果汁", "可乐"), "en": ("tea", "coffee", "milk", "juice", "water")},
        {"zh": "{p}喝{v}", "en": "{p} drinks {v}"},
        {"zh": "{p}不喝{v}", "en": "{p} does not drink {v}"},
        {"zh": "喝{v}的人", "en": "the one who drinks {v}"},
        {"zh": "{p}喝什么？", "en": "What does {p} drink?"},
        {"zh": "谁喝{v}？", "en": "Who drinks {v}?"},
    ),
    "colour": Kind(
        {"zh": "颜色", "en": "colour"},
        {"zh": ("红色", "蓝色", "绿色", "白色", "黑色"), "en": ("red", "blue", "green", "white", "black")},
        {"zh": "{p}穿{v}", "en": "{p} wears {v}"},
        {"zh": "{p}不穿{v}", "en": "{p} does not wear {v}"},
        {"zh": "穿{v}的人", "en": "the one who wears {v}"},
        {"zh": "{p}穿什么颜色？", "en": "Which colour does {p} wear?"},
        {"zh": "谁穿{v}？", "en": "Who wears {v}?"},
    ),
    "day": Kind(
        {"zh": "日子", "en": "day"},
        {
            "zh": ("周一", "周二", "周三", "周四", "周五"),
            "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
        },
        {"zh": "{p}{v}来", "en": "{p} comes on {v}"},
        {"zh": "{p}不在{v}来", "en": "{p} does not come on {v}"},
        {"zh": "{v}来的人", "en": "the one who comes on {v}"},
        {"zh": "{p}哪天来？", "en": "On which day does {p} come?"},
        {"zh": "谁{v}来？", "en": "Who comes on {v}?"},
        ordered=True,
    ),
}
INTRO = {  # places: people {p}, kinds with their values {k}
    "zh": ("{p}各有不同的{k}。", "{p}每人一样，互不相同：{k}。"),
    "en": ("{p} each have a different {k}.", "{p} share these out, one each: {k}."),
}
UNSEEN_INTRO = {"zh": ("有{p}这些人，他们的{k}都不一样。",), "en": ("No two of {p} have the same {k}.",)}


def intro(
    people: Sequence[str], kinds: Mapping[str, Sequence[str]], language: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Wordings of who there is and what can be had: those of training, and those of tests alone."""
    comma = "、" if language == "zh" else ", "
    listed = [
        f"{KINDS[k].noun[language]}{'（' if language == 'zh' else ' ('}{comma.join(v)}{'）' if language == 'zh' else ')'}"
        for k, v in kinds.items()
    ]
    words = {"p": comma.join(people), "k": comma.join(listed)}
    return tuple(t.format(**words) for t in INTRO[language]), tuple(t.format(**words) for t in UNSEEN_INTRO[language])


def clue_text(clue: tuple[str, ...], language: str) -> str:
    """A clue as a sentence."""
    sort, *args = clue
    chinese = language == "zh"
    if sort == "before":
        _, first, second = args
        text = f"{first}比{second}早来" if chinese else f"{first} comes earlier than {second}"
    elif sort in ("same", "differ"):
        kind, value, other, its = args
        owner = KINDS[kind].owner[language].format(v=value)
        verb = KINDS[other].has if sort == "same" else KINDS[other].lacks
        text = verb[language].format(p=owner, v=its)
    elif sort == "either":
        person, kind, one, two = args
        text = KINDS[kind].has[language].format(p=person, v=f"{one}或{two}" if chinese else f"{one} or {two}")
    else:
        person, kind, value = args
        text = (KINDS[kind].has if sort == "is" else KINDS[kind].lacks)[language].format(p=person, v=value)
    return text[0].upper() + text[1:] + ("。" if chinese else ".")
