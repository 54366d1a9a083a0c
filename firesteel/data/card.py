"""`data_card.md`: what the documents are, where they come from, what was dropped and changed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from firesteel.core import pii
from firesteel.core.config import DataSettings
from firesteel.data.filters.judge import Judge


def write_card(folder: Path, settings: DataSettings, stats: Mapping[str, Any]) -> None:
    """Write the card from the stage's statistics."""
    sections = (_summary, _sources, _dropped, _changes, _privacy, _questions, _rules, _limits)
    text = "# Data card 数据卡\n\n" + "\n".join(section(settings, stats) for section in sections)
    (folder / "data_card.md").write_text(text, encoding="utf-8")


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *([_cell(value) for value in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _summary(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    languages = _pairs(stats["languages"])
    rows = (
        ("read 读入", stats["in"]), ("kept for training 用于训练", f"{stats['kept']} ({stats['kept_mb']} MB)"),
        ("held out 留作检验", f"{stats['heldout']} ({stats['heldout_mb']} MB)"),
        ("dropped 剔除", sum(stats["dropped"].values())), ("languages 语言", languages),
    )  # fmt: skip
    return "## Documents 文档\n\n" + _table(("", "documents 篇数"), rows)


def _sources(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    rows = (
        (label, s["read"], s["found"], s["licence"], s["origin"], _pairs(s["skipped_files"]))
        for label, s in stats["sources"].items()
    )
    heads = ("source 来源", "read 读入", "found 共有", "licence 许可", "origin 出处", "files not read 未读文件")
    return "## Sources 来源\n\n" + _table(heads, rows)


def _dropped(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    note = (
        "Every dropped document is kept in `dropped/` with the rule and the value it was judged by.\n"
        "每一篇被剔除的文档连同所依规则与数值都保存在 `dropped/` 中。\n\n"
    )
    return "## Dropped 剔除\n\n" + note + _table(("rule 规则", "documents 篇数"), stats["dropped"].items())


def _changes(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    rows = ((rule, n["documents"], n["places"]) for rule, n in stats["changes"].items())
    return "## Changed 改动\n\n" + _table(("rule 规则", "documents 篇数", "places 处数"), rows)


def _privacy(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    if not settings.redact:
        body = "Personal data was not looked for (`data.redact = false`). 未作个人信息处理。\n"
    else:
        rows = ((f"{pii.KINDS[kind][1]} {pii.KINDS[kind][0]}", n) for kind, n in stats["personal_data"].items())
        body = "Replaced by typed placeholders. 以类型占位符替换。\n\n" + _table(("kind 种类", "places 处数"), rows)
    return "## Personal data 个人信息\n\n" + body


def _questions(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    rows = (
        (task, n["questions"] - n["too_short"], n["too_short"], n["documents"])
        for task, n in stats["contamination"].items()
    )
    heads = ("task 任务", "questions looked for 查找的题目", "too short 过短不查", "documents dropped 剔除文档")
    return "## Test questions 考题\n\n" + _table(heads, rows)


def _rules(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    lines = (
        f"rule sets {', '.join(settings.rules) or 'none'} 规则集",
        f"duplicates that are dropped: {', '.join(settings.duplicates) or 'none'} 去重",
        f"near duplicate from similarity {settings.near_duplicate} 近似重复",
        f"boilerplate: lines in {settings.boilerplate:.0%} of a source's documents 样板行" if settings.boilerplate else
        "boilerplate lines stay 样板行保留",
    )  # fmt: skip
    rows = (row[:-1] for row in rule_rows(settings))
    heads = (
        "rule 规则",
        "languages 语言",
        "statistic 统计量",
        "at least 不低于",
        "at most 不高于",
        "from characters 起始字数",
    )
    return "## Rules 规则\n\n" + "".join(f"- {line}\n" for line in lines) + "\n" + _table(heads, rows)


def rule_rows(settings: DataSettings) -> list[tuple[str, ...]]:
    """The rules as text: name, languages, statistic, at least, at most, from how many characters, source."""
    return [
        (
            r["rule"], ", ".join(r["languages"]) or "all", r["statistic"], _bound(r["low"] or math.inf), _bound(r["high"]),
            str(r["from_chars"] or ""), r["source"],
        )
        for r in Judge.of(settings).describe()
    ]  # fmt: skip


def _bound(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else ""


def _limits(settings: DataSettings, stats: Mapping[str, Any]) -> str:
    return (
        "## Limits 局限\n\n"
        "Rules see form, not truth: a clean sentence may be wrong or out of date. Personal data is found by its form and\n"
        "the words around it, so some stays, names of persons most of all.\n"
        "规则只看形式，不辨真伪：通顺的句子也可能有错或已过时。个人信息按形式与上下文识别，难免遗漏，人名尤甚。\n"
    )
