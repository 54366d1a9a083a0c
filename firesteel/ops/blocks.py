"""What a report page is built of; templates/report.html.jinja knows how each looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Words:
    """The same words in English and in Chinese."""

    en: str
    zh: str


@dataclass(frozen=True)
class Cell:
    """A table cell. `look`: "", "code", "pass", "fail", "strong", "drop"; `bar`: a share 0..1 drawn under the text;
    `was`: what it is compared with, set before it.
    """

    text: str
    look: str = ""
    bar: float | None = None
    was: str = ""


Row = list[Cell | str]


@dataclass(frozen=True)
class Table:
    """Rows under heads; `align` has l, r or c for each column."""

    heads: Sequence[Words]
    rows: Sequence[Row]
    align: str
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Figure:
    """An inline SVG and what it shows."""

    svg: str
    caption: Words
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    items: Sequence[tuple[Words, str]]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Note:
    """A sentence."""

    words: Words
    kind: str = field(default="note", init=False)


@dataclass(frozen=True)
class Listing:
    """Preformatted text that opens when asked for."""

    title: Words
    text: str
    kind: str = field(default="listing", init=False)


@dataclass(frozen=True)
class Answer:
    """What a model answered: whether it is right, what was said of it, facts, and its parts under their names."""

    good: bool
    verdict: str
    facts: str
    parts: Sequence[tuple[Words, str]]


@dataclass(frozen=True)
class Answers:
    """Some answers under a title that opens them; `open`: they are open from the start."""

    title: Words
    items: Sequence[Answer]
    open: bool = False
    kind: str = field(default="answers", init=False)


Block = Table | Figure | Facts | Note | Listing | Answers
NOT_RUN = Note(Words("This stage was not run.", "该阶段未运行。"))


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    anchor: str
    title: Words
    blocks: Sequence[Block]


STAGE_NAMES = {
    "data": "理数据", "tokenizer": "分词器", "tokens": "打包", "pretrain": "预训练", "extend": "长上下文",
    "sft": "监督微调", "distil": "蒸馏", "preference": "偏好学习", "grpo": "强化学习",
    "rejection": "拒绝采样", "grpo_all": "全场景强化学习", "eval": "评测", "compress": "压缩",
    "safety": "安全", "release": "发布",
}  # fmt: skip


def stage_cell(name: str) -> Cell:
    """A stage's name in both languages."""
    return Cell(f"{name} {STAGE_NAMES.get(name, '')}".strip(), "strong")
