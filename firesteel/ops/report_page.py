"""The report of a run: one HTML file that opens from the disk, without scripts, network or fonts of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from firesteel import __version__
from firesteel.core.artefact import write_text
from firesteel.core.page import style
from firesteel.ops import page_quality, page_record, page_reinforcement, units
from firesteel.ops.blocks import Words
from firesteel.ops.gate import NEWEST_FIRST, judged
from firesteel.ops.run_folder import QUANTITIES, RunFolder, read_run

TEMPLATES = Path(__file__).with_name("templates")
NO_MODEL = Words("This run has not trained a model yet.", "该运行尚未训练出模型。")
SECTIONS = (
    page_quality.gates, page_quality.accuracy, page_quality.training, page_reinforcement.reinforcement, page_quality.experts,
    page_record.costs, page_record.data, page_quality.compression, page_quality.safety, page_record.machine,
    page_record.lineage, page_record.recipe,
)  # fmt: skip


def write_report(run_dir: Path, file: Path) -> None:
    """Write the page of the run in `run_dir`, finished or not, to `file`. Raises ArtefactError for a damaged file."""
    write_text(file, page(read_run(run_dir)))


def page(run: RunFolder) -> str:
    """The HTML of a run; every value in it is escaped, only the figures are not."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.jinja")
    return template.render(
        name=run.name, version=__version__, style=style(), verdict=verdict(run), tiles=tiles(run), summary=summary(run),
        sections=[section(run) for section in SECTIONS],
        made=max((m.created for m in run.manifests.values()), default=""),
    )  # fmt: skip


def verdict(run: RunFolder) -> tuple[str, Words]:
    """How the page looks at the run ("pass", "fail" or "open"), and the words for it."""
    gates = judged(run.recipe, run.reports)
    failed = [gate for gate in gates if not gate.passed]
    if not gates:
        return "open", Words("not judged yet", "尚未评判")
    if failed:
        words = Words(
            f"{len(failed)} of {len(gates)} gates not passed", f"{len(gates)} 道门槛中 {len(failed)} 道未通过"
        )
        return "fail" if len(run.reports) == 3 else "open", words
    return "pass", Words(f"all {len(gates)} gates passed", f"{len(gates)} 道门槛全部通过")


def newest(run: RunFolder) -> tuple[str, dict[str, Any]]:
    """The last stage of training that was judged, and its evaluation; ("", {}) if there is none."""
    models = run.reports.get("eval", {}).get("models", {})
    name = next((n for n in NEWEST_FIRST if n in models), "")
    return name, models.get(name, {})


def summary(run: RunFolder) -> Words:
    """The run in one sentence."""
    kept, (_, model) = run.stats("data").get("kept"), newest(run)
    who = (
        Words(f"A model trained on {kept:,} documents", f"由 {kept:,} 篇文档训练的模型")
        if kept
        else Words("A model", "模型")
    )
    if not model.get("all"):
        return Words(f"{who.en}, not evaluated yet.", f"{who.zh}，尚未评测。") if run.metrics else NO_MODEL
    e = model["all"]
    value, low, high = (units.percent(e[key]) for key in ("value", "low", "high"))
    return Words(
        f"{who.en} answers {value} of {e['n']:,} held-out questions correctly (95 % interval {low} to {high}).",
        f"{who.zh}，在 {e['n']:,} 道留出题上答对 {value}（95 % 区间 {low} 至 {high}）。",
    )


def tiles(run: RunFolder) -> list[tuple[Words, str, str]]:
    """What the reader wants first: name, value, and what stands behind it."""
    report, (_, model) = run.reports.get("eval", {}), newest(run)
    gain = next((found for name, found in report.get("gains", {}).items() if name.startswith("grpo-over-")), None)
    small = run.reports.get("compress", {}).get("after", {})
    accuracy, last = model.get("all") or {}, model.get("perplexity") or {}
    seconds, peak, kwh, grams, cost = (run.total("actual", quantity) for quantity in QUANTITIES)
    rows = [
        (Words("accuracy", "准确率"), units.percent(accuracy.get("value")), _range(accuracy)),
        (Words("gain by RL", "强化增益"), units.points((gain or {}).get("value")), _range(gain, signed=True)),
        (
            Words("perplexity", "困惑度"),
            units.number(last.get("value")),
            f"{last.get('n', 0):,} tokens" if last else "",
        ),
        (Words("int8 size", "压缩后"), units.size(small.get("bytes")), _ratio(run)),
        (Words("time", "时间"), units.duration(seconds), _guess(run, "seconds")),
        (Words("peak memory", "峰值内存"), units.size(peak), _guess(run, "peak_bytes")),
        (Words("energy", "电量"), units.energy(kwh), f"{units.mass(grams)} CO₂e"),
        (Words("cost", "费用"), f"{units.number(cost)} {run.currency}", _guess(run, "cost")),
    ]
    return [row for row in rows if not row[1].startswith(units.DASH)]


def _range(estimate: dict[str, Any] | None, *, signed: bool = False) -> str:
    if not estimate:
        return ""
    low, high = (units.points(estimate[k]) if signed else units.percent(estimate[k]) for k in ("low", "high"))
    return f"{low.removesuffix(' pp')} to {high.removesuffix(' pp')}, n={estimate['n']:,}"


def _ratio(run: RunFolder) -> str:
    before = run.reports["compress"].get("before", {}).get("bytes") if "compress" in run.reports else None
    return f"from {units.size(before)}" if before else ""


def _guess(run: RunFolder, quantity: str) -> str:
    guess = run.total("estimate", quantity)
    return "" if guess is None else f"estimate {page_record.SHOWN[quantity](guess)}"
