"""`datasheet.html`: the documents as a page for people (after Gebru et al. 2018, "Datasheets for Datasets")."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from firesteel.core import pii
from firesteel.core.config import DataSettings
from firesteel.core.page import style
from firesteel.data.card import rule_rows
from firesteel.data.flow.tally import Tally

TEMPLATE = "datasheet.html.jinja"


def write_datasheet(folder: Path, settings: DataSettings, stats: Mapping[str, Any], tally: Tally) -> None:
    """Write the page from the stage's statistics and samples; every value in it is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    rows = rule_rows(settings)
    gone = sum(stats["dropped"].values())
    samples = {name: [record for _, record in held] for name, held in tally.samples.items()}
    page = environment.get_template(TEMPLATE).render(
        style=style(), stats=stats, gone=gone, tiles=_tiles(stats, gone, settings.redact), sources=_sources(stats),
        languages=_languages(stats),
        lengths=[(language, _bars(counts)) for language, counts in stats["lengths"].items()],
        dropped=_bars(dict(sorted(stats["dropped"].items(), key=lambda one: -one[1])), stats["in"], "drop"),
        dropped_samples=[(rule, samples[f"dropped: {rule}"]) for rule in stats["dropped"] if f"dropped: {rule}" in samples],
        changes=[(rule, _number(n["documents"]), _number(n["places"])) for rule, n in stats["changes"].items()],
        redact=settings.redact, private=[(" ".join(pii.KINDS[k]), _number(n)) for k, n in stats["personal_data"].items()],
        contamination=[
            (task, _number(n["questions"] - n["too_short"]), _number(n["too_short"]), _number(n["documents"]))
            for task, n in stats["contamination"].items()
        ],
        rules=[row[:-1] for row in rows], rule_sources=list(dict.fromkeys(row[-1] for row in rows)),
        kept=samples.get("kept", []), steps=_steps(stats),
    )  # fmt: skip
    (folder / "datasheet.html").write_text(page, encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,}"


def _tiles(stats: Mapping[str, Any], gone: int, redact: bool) -> list[tuple[str, str, str, str]]:
    read = max(1, stats["in"])
    return [
        ("kept for training", "用于训练", _size(stats["kept_mb"]), f"{stats['kept']:,}"),
        ("held out", "留作检验", _size(stats["heldout_mb"]), f"{stats['heldout']:,}"),
        ("dropped", "剔除", f"{100 * gone / read:.1f} %", f"{gone:,}"),
        ("personal data", "个人信息", _number(sum(stats["personal_data"].values())), "replaced 处已替换")
        if redact else ("personal data", "个人信息", "–", "not looked for 未处理"),
    ]  # fmt: skip


def _size(mb: float) -> str:
    return f"{mb:,.1f} MB" if mb >= 1 else f"{1000 * mb:,.0f} kB"


def _bar(share: float, look: str = "") -> Markup:
    return Markup('<span class="track"><span class="bar {}" style="width: {:.2f}%"></span></span>').format(
        look, 100 * share
    )


def _bars(counts: Mapping[str, int], whole: int = 0, look: str = "") -> list[tuple[object, ...]]:
    """Rows of name, number and a bar: of the largest, or (with `whole`) of the whole."""
    most = whole or max(counts.values(), default=1)
    return [(name, _number(n), _bar(n / max(1, most), look)) for name, n in counts.items()]


def _sources(stats: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [
        (
            label, s["licence"], s["origin"], _number(s["found"]), _number(s["read"]), _number(s["kept"]), f"{s['mb']:,.2f}",
            ", ".join(f"{suffix} {n}" for suffix, n in s["skipped_files"].items()),
        )
        for label, s in stats["sources"].items()
    ]  # fmt: skip


def _languages(stats: Mapping[str, Any]) -> list[tuple[object, ...]]:
    whole = sum(stats["language_mb"].values()) or 1
    return [
        (name, _number(stats["languages"].get(name, 0)), f"{mb:,.2f}", _bar(mb / whole))
        for name, mb in stats["language_mb"].items()
    ]


def _steps(stats: Mapping[str, Any]) -> list[tuple[object, ...]]:
    return [
        (name, _number(s["documents_in"]), _number(s["documents_out"]), s["million_chars_in"], s["seconds"])
        for name, s in stats["stages"].items()
    ]
