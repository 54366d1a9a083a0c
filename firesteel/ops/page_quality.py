"""The report page's sections on how good the model is; a stage that was not run is said to be so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from firesteel.core.config import placeless
from firesteel.ops import figures, units
from firesteel.ops.blocks import NOT_RUN, STAGE_NAMES, Block, Cell, Figure, Note, Row, Section, Table, Words, stage_cell
from firesteel.ops.gate import judged
from firesteel.ops.page_beyond import beyond_chance, carried, voted
from firesteel.ops.run_folder import REPORTS, RunFolder

MAX_ALARMS = 20  # of a stage, the newest


def gates(run: RunFolder) -> Section:
    """Each gate with its value and bound."""
    title = Words("Release gates", "发布门槛")
    rows: list[Row] = [
        [
            Cell("pass 通过" if gate.passed else "fail 未过", "pass" if gate.passed else "fail"),
            Cell(gate.name, "code"), units.number(gate.value, 4), units.number(gate.bound), gate.why,
        ]
        for gate in judged(run.recipe, run.reports)
    ]  # fmt: skip
    if not rows:
        return Section("gates", title, [NOT_RUN])
    heads = (Words("", ""), Words("gate", "门槛"), Words("value", "值"), Words("bound", "界"), Words("what", "含义"))
    blocks: list[Block] = [Table(heads, rows, "llrrl")]
    if waiting := ", ".join(name for name in REPORTS if name not in run.reports):
        blocks.append(Note(Words(f"Not passed for want of a report: {waiting}.", f"尚无报告，因而未通过：{waiting}。")))
    return Section("gates", title, blocks)


def accuracy(run: RunFolder) -> Section:
    """Before and after: every model on the same held-out questions, with intervals."""
    title, report = Words("Accuracy, before and after", "准确率：前后对照"), run.reports.get("eval", {})
    models = {name: m for name, m in report.get("models", {}).items() if name in figures.MODELS}
    if not models:
        return Section("accuracy", title, [NOT_RUN])
    tasks = dict.fromkeys(task for m in models.values() for task in m["tasks"])
    heads = (Words("", ""), *(Words(name, STAGE_NAMES.get(name, "")) for name in models))
    rows: list[Row] = [
        [Cell(placeless(task), "code"), *_shares(m["tasks"].get(task) for m in models.values())] for task in tasks
    ]
    greedy = [(m.get("greedy") or {}).get("all") for m in models.values()]
    perplexities = [(m.get("perplexity") or {}).get("value") for m in models.values()]
    rows.append(
        [Cell("all 总计", "strong"), *(Cell(s, "strong") for s in _shares(m.get("all") for m in models.values()))]
    )
    if any(greedy):
        rows.append(["all, greedy 贪心", *_shares(greedy)])
    rows.append(["perplexity 困惑度", *map(units.number, perplexities)])
    caption = Words(
        "Share of held-out questions answered correctly, with 95 % intervals.", "留出题的正确率与 95 % 区间。"
    )
    blocks: list[Block] = [
        Figure(figures.accuracy(report), caption),
        Table(heads, rows, "l" + "r" * len(models)),
    ]
    blocks += [*_gains(report), Note(_decoding(report)), *voted(report), *carried(report)]
    return Section("accuracy", title, blocks)


def _shares(estimates: Iterable[Any]) -> list[str]:
    return [units.interval(estimate) for estimate in estimates]


def _gains(report: Mapping[str, Any]) -> list[Block]:
    rows: list[Row] = [
        [name.replace("-", " "), Cell(units.interval(gain, signed=True), "strong"), beyond_chance(gain)]
        for name, gain in report.get("gains", {}).items()
    ]
    heads = (Words("gain", "增益"), Words("on the same questions", "同题配对"), Words("beyond chance", "超出偶然"))
    return [Table(heads, rows, "lrl")] if rows else []


def _decoding(report: Mapping[str, Any]) -> Words:
    facts = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in report.get("decoding", {}).items()) or units.DASH
    command = f" Command: {report['command']}" if report.get("command") else ""
    return Words(f"Decoding: {facts}.{command}", f"解码设置：{facts}。")


def training(run: RunFolder) -> Section:
    """Loss curves, and what each stage took to draw them."""
    title = Words("Learning", "训练曲线")
    stages = figures.learning(run.metrics)
    if not stages:
        return Section("training", title, [NOT_RUN])
    heads = (
        Words("stage", "阶段"), Words("steps", "步数"), Words("loss", "损失"), Words("tokens/s", "词元/秒"),
        Words("gradient norm", "梯度范数"),
    )  # fmt: skip
    caption = Words(
        "Lower is better; how low it can get depends on the text. Strong lines are smoothed.",
        "越低越好；能低到多少取决于语料。深色线经过平滑。",
    )
    table = Table(heads, [_learned(run, stage) for stage in stages], "lrrrr")
    return Section("training", title, [Figure(figures.losses(run.metrics), caption), table, *_alarms(run)])


def _alarms(run: RunFolder) -> list[Block]:
    """What the watch called out while training, if anything."""
    heads = (Words("stage", "阶段"), Words("step", "步"), Words("alarm", "警报"), Words("", ""))
    rows: list[Row] = [
        [stage_cell(stage), units.number(alarm["step"]), Cell(alarm["alarm"], "strong"), alarm.get("text", "")]
        for stage, alarms in run.alarms.items()
        for alarm in alarms[-MAX_ALARMS:]
    ]
    return [Table(heads, rows, "lrll")] if rows else []


def _learned(run: RunFolder, stage: str) -> Row:
    records = run.metrics[stage]
    speeds = sorted(r["tokens_per_s"] for r in records if "tokens_per_s" in r)
    losses = [units.number(r.get("loss")) for r in (records[0], records[-1])]
    return [
        stage_cell(stage), units.number(records[-1]["step"]), " → ".join(losses),
        units.number(speeds[len(speeds) // 2] if speeds else None), units.number(records[-1].get("grad_norm")),
    ]  # fmt: skip


def experts(run: RunFolder) -> Section:
    """How evenly the experts are used."""
    title = Words("Expert load", "专家负载")
    if not any(r.get("expert_load") for stage in figures.MODELS for r in run.metrics.get(stage, ())):
        return Section("experts", title, [Note(Words("No expert load was recorded.", "没有专家负载记录。"))])
    caption = Words(
        "A mixture of experts learns best when no expert is idle and none is flooded.",
        "专家既不闲置也不过载时，混合专家学得最好。",
    )
    return Section("experts", title, [Figure(figures.experts(run.metrics), caption)])


def compression(run: RunFolder) -> Section:
    """Size and quality before and after the weights were made smaller."""
    title, report = Words("Compression", "压缩"), run.reports.get("compress", {})
    before, after = report.get("before"), report.get("after")
    if not before or not after:
        return Section("compression", title, [NOT_RUN])
    heads = (Words("", ""), Words("before", "压缩前"), Words("after", "压缩后"), Words("change", "变化"))
    size, perplexity = ([side.get(key) for side in (before, after)] for key in ("bytes", "perplexity"))
    change = units.interval(report.get("difference"), signed=True)
    rows: list[Row] = [
        ["weights 权重", *map(units.size, size), _times(*size)],
        ["perplexity 困惑度", *(units.number(p, 4) for p in perplexity), _times(*perplexity)],
        ["accuracy 准确率", *(units.interval(side.get("accuracy")) for side in (before, after)), change],
    ]
    return Section("compression", title, [Table(heads, rows, "lrrr")])


def _times(before: float | None, after: float | None) -> str:
    return f"× {after / before:.3f}" if before and after is not None else units.DASH


def safety(run: RunFolder) -> Section:
    """How often the guard stops what it should, and what it should not."""
    title, report = Words("Safety", "安全"), run.reports.get("safety", {})
    if not report:
        return Section("safety", title, [NOT_RUN])
    heads = (
        Words("cases", "用例"), Words("harmful, stopped", "有害，拦下"), Words("veiled, stopped", "隐晦，拦下"),
        Words("harmless, stopped", "无害，误拦"),
    )  # fmt: skip
    groups = [("all 总计", report)]
    for key in ("by_language", "by_side", "by_category"):
        groups += report.get(key, {}).items()
    shares = ("block_rate", "veiled_block_rate", "false_block_rate")
    rows: list[Row] = [
        [Cell(name, "" if group is not report else "strong"), *(units.interval(group.get(share)) for share in shares)]
        for name, group in groups
    ]
    return Section("safety", title, [Table(heads, rows, "lrrr"), Note(_guard(report))])


def _guard(report: Mapping[str, Any]) -> Words:
    short, long = report.get("latency_ms", {}), report.get("latency_long_ms", {})
    question, both = units.number(short.get("p95")), units.number(long.get("p95"))
    size = units.number(long.get("characters"))
    return Words(
        "Judged on the half of the cases that the rules were not tuned on. The guard takes "
        f"{question} ms for a question, and {both} ms for {size} characters in and out (95th percentile).",
        f"在未用于调整规则的一半用例上评判。95 分位耗时：一问 {question} 毫秒；{size} 字一进一出 {both} 毫秒。",
    )
