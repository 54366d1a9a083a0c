"""The report page's sections on what went in, what it took, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from firesteel.core.artefact import Manifest
from firesteel.ops import units
from firesteel.ops.blocks import (
    NOT_RUN,
    Block,
    Cell,
    Facts,
    Figure,
    Listing,
    Note,
    Row,
    Section,
    Table,
    Words,
    stage_cell,
)
from firesteel.ops.run_folder import QUANTITIES, RunFolder

SHOWN = {
    "seconds": units.duration, "peak_bytes": units.size, "kwh": units.energy, "co2e_g": units.mass,
    "cost": units.number,
}  # fmt: skip


def costs(run: RunFolder) -> Section:
    """Estimate against actual: time, memory, energy, carbon, money."""
    from firesteel.ops import figures  # matplotlib: slow to import, and the model card needs only SHOWN

    title = Words("What it took: estimate and actual", "消耗：预估与实际")
    if not run.ledger:
        return Section("costs", title, [NOT_RUN])
    heads = (
        Words("stage", "阶段"), Words("time", "时间"), Words("peak memory", "峰值内存"), Words("energy", "电量"),
        Words("carbon", "碳排"), Words(f"cost, {run.currency}" if run.currency else "cost", "费用"),
    )  # fmt: skip
    rows: list[Row] = [
        [stage_cell(name), *(_pair(r.get("estimate"), r.get("actual"), quantity) for quantity in QUANTITIES)]
        for name, r in run.ledger.items()
    ]
    planned, spent = ({q: run.total(which, q) for q in QUANTITIES} for which in ("estimate", "actual"))
    rows.append([Cell("all 合计", "strong"), *(_pair(planned, spent, quantity) for quantity in QUANTITIES)])
    methods = "; ".join(dict.fromkeys(str(r["method"]) for r in run.ledger.values() if r.get("method"))) or units.DASH
    caption = Words("Estimated before the run; then measured.", "先预估，后实测。")
    blocks: list[Block] = [
        Figure(figures.costs(run.ledger, run.currency), caption),
        Table(heads, rows, "lrrrrr"), Note(Words(f"Method: {methods}.", f"方法：{methods}。")),
    ]  # fmt: skip
    return Section("costs", title, blocks)


def _pair(estimate: Mapping[str, Any] | None, actual: Mapping[str, Any] | None, quantity: str) -> Cell:
    guess, value = (estimate or {}).get(quantity), (actual or {}).get(quantity)
    return Cell(SHOWN[quantity](value), was="" if guess is None else SHOWN[quantity](guess))


def data(run: RunFolder) -> Section:
    """What came in, what was dropped by which rule, what is left."""
    title, stats = Words("Data", "数据"), run.stats("data")
    if not stats:
        return Section("data", title, [NOT_RUN])
    heads = (Words("documents", "文档"), Words("number", "篇数"), Words("share", "占比"))
    return Section("data", title, [Table(heads, _funnel(stats), "lrr"), Facts(_text(run)), *_sources(stats)])


def _funnel(stats: Mapping[str, Any]) -> list[Row]:
    total = stats.get("in") or 1
    flow = {"read 读入": "in", "kept for training 用于训练": "kept", "held out for tests 留作检验": "heldout"}
    rows: list[Row] = [
        [
            Cell(name, "strong"),
            Cell(units.number(stats[key]), bar=stats[key] / total),
            units.percent(stats[key] / total),
        ]
        for name, key in flow.items()
        if key in stats
    ]
    dropped = sorted(stats.get("dropped", {}).items(), key=lambda item: -item[1])
    rows += [
        [f"dropped 剔除: {rule}", Cell(units.number(n), "drop", bar=n / total), units.percent(n / total)]
        for rule, n in dropped
    ]
    return rows


def _text(run: RunFolder) -> list[tuple[Words, str]]:
    stats, tokenizer = run.stats("data"), run.stats("tokenizer")
    return [
        (Words("size kept", "保留大小"), f"{units.number(stats.get('kept_mb'))} MB"),
        (Words("languages", "语言"), _counts(stats.get("languages"))),
        (Words("personal data replaced", "替换的个人信息"), _counts(stats.get("personal_data"))),
        (Words("vocabulary", "词表"), units.number(tokenizer.get("vocab_size"))),
        (Words("bytes a token", "每词元字节数"), _counts(tokenizer.get("bytes_per_token"))),
    ]


def _counts(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {units.number(v)}" for k, v in value.items()) or "0"
    return units.number(value)


def _sources(stats: Mapping[str, Any]) -> list[Block]:
    heads = (
        Words("source", "来源"), Words("read", "读入"), Words("found", "共有"), Words("licence", "许可"),
        Words("origin", "出处"),
    )  # fmt: skip
    rows: list[Row] = [
        [
            Cell(label, "code"), units.number(s.get("read")), units.number(s.get("found")),
            str(s.get("licence", "")), str(s.get("origin", "")),
        ]
        for label, s in stats.get("sources", {}).items()
    ]  # fmt: skip
    return [Table(heads, rows, "lrrll")] if rows else []


def machine(run: RunFolder) -> Section:
    """The machine that the run was made on."""
    title, m = Words("Machine", "机器"), run.machine
    if not m:
        return Section("machine", title, [NOT_RUN])
    cards = ", ".join(str(card) for card in m.get("accelerators") or ()) or "none 无"
    facts = [
        (Words("processor", "处理器"), f"{m.get('cpu', units.DASH)} ({m.get('cores', '?')} cores)"),
        (Words("instruction sets", "指令集"), ", ".join(m.get("isa") or ()) or units.DASH),
        (Words("memory", "内存"), units.size(m.get("memory_bytes"))),
        (Words("accelerators", "加速器"), cards),
        (Words("system", "系统"), str(m.get("os", units.DASH))),
        (Words("software", "软件"), f"Python {m.get('python', '?')}, torch {m.get('torch', '?')}"),
    ]
    return Section("machine", title, [Facts(facts)])


def lineage(run: RunFolder) -> Section:
    """Every artefact with its id and those of what it was made from."""
    title = Words("Lineage", "谱系")
    if not run.manifests:
        return Section("lineage", title, [NOT_RUN])
    heads = (
        Words("artefact", "产物"), Words("kind", "类别"), Words("id", "标识"), Words("made from", "来自"),
        Words("code", "代码"), Words("size", "大小"), Words("made", "时间"),
    )  # fmt: skip
    rows = [_artefact(name, manifest) for name, manifest in run.manifests.items()]
    note = Note(Words(
        "An id is the sha256 of what an artefact is: equal ids are equal contents. Times are UTC.",
        "标识是产物内容的 sha256：标识相同即内容相同。时间为 UTC。",
    ))  # fmt: skip
    return Section("lineage", title, [Table(heads, rows, "lllllrr"), note])


def _artefact(name: str, manifest: Manifest) -> Row:
    inputs = ", ".join(f"{role} {value[:8]}" for role, value in manifest.inputs.items()) or units.DASH
    size = sum(fact["bytes"] for fact in manifest.files.values())
    made = manifest.created.replace("T", " ").removesuffix("Z")
    ids = (manifest.id[:12], inputs, manifest.code[:8])
    return [stage_cell(name), manifest.kind, *(Cell(i, "code") for i in ids), units.size(size), made]


def recipe(run: RunFolder) -> Section:
    """The settings that the run was made with, all of them."""
    title = Words("Recipe", "配方")
    if not run.recipe:
        return Section("recipe", title, [NOT_RUN])
    text = json.dumps(run.recipe, indent=2, ensure_ascii=False)
    return Section("recipe", title, [Listing(Words("every setting, with defaults", "全部设置，含默认值"), text)])
