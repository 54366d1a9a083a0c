"""Curves: smoothing, charts of characters, two runs over each other, and the page of all of them."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from firesteel.cli import app
from firesteel.core.errors import ArtefactError, UserError
from firesteel.ops import chart, curves, show_curves, tree
from firesteel.ops.curves import Curve

NUMBERS = st.floats(-1e6, 1e6)


def rising(n: int) -> Curve:
    """A straight line."""
    return Curve("loss", list(range(1, n + 1)), [float(i) for i in range(n)])


@pytest.fixture
def other(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A second run, whose losses are those of the first and one more, with losses by source."""
    shutil.copytree(finished, tmp_path / "other")
    file = tmp_path / "other/metrics.jsonl"
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for record in records:
        if "loss" in record:
            record["loss"] += 1
            record["loss_by_source"] = {"web": record["loss"], "own <b>": record["loss"] / 2}
    file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    yield tmp_path / "other"


def drawn(paths: list[Path], *wanted: str, width: int = 80) -> str:
    """What the terminal shows."""
    out = io.StringIO()
    show_curves.draw(paths, wanted, Console(file=out, width=width))
    return out.getvalue()


@given(st.lists(NUMBERS, min_size=1, max_size=300))
def test_smoothing_stays_within_what_was_recorded(values: list[float]) -> None:
    smooth = Curve("x", list(range(len(values))), values).smooth()
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert len(smooth.values) == len(values)
    assert all(min(values) - slack <= v <= max(values) + slack for v in smooth.values)


def test_smoothing_takes_noise_away_and_does_not_lag() -> None:
    rng = random.Random(0)
    noisy = Curve("x", list(range(600)), [i / 100 + rng.gauss(0, 1) for i in range(600)])
    errors = [v - i / 100 for i, v in enumerate(noisy.smooth().values)]
    assert max(map(abs, errors)) < 1.0 and abs(sum(errors[100:500]) / 400) < 0.1
    line = rising(300).smooth().values
    assert all(abs(v - i) < 1e-6 for i, v in list(enumerate(line))[100:200])


def test_thinning_keeps_the_ends() -> None:
    thin = rising(10_000).thin(100)
    assert 100 <= len(thin.steps) <= 102 and (thin.steps[0], thin.steps[-1]) == (1, 10_000)


def test_every_number_is_a_curve_and_parts_go_together() -> None:
    records = [
        {"stage": "sft", "step": 1, "time": 1.0, "loss": 2.0, "loss_by_source": {"web": 1.0}, "expert_load": [1.0]},
        {"stage": "sft", "step": 2, "time": 2.0, "loss": None, "loss_by_source": {"own": 3.0}, "note": "x"},
    ]
    assert curves.metrics(records) == {"loss": ["loss"], "loss_by_source": ["loss_by_source/web", "loss_by_source/own"]}
    assert curves.curve(records, "loss") == Curve("loss", [1], [2.0])
    assert curves.curve(records, "loss_by_source/own") == Curve("loss_by_source/own", [2], [3.0])


@settings(max_examples=40, deadline=None)
@example([-3.5e-265], 30, 4, False)
@given(st.lists(NUMBERS, min_size=1, max_size=50), st.integers(30, 130), st.integers(4, 20), st.booleans())
def test_a_chart_fits_whatever_it_shows(values: list[float], width: int, height: int, ascii_only: bool) -> None:
    one = Curve("x", list(range(len(values))), values)
    lines = [line.plain for line in chart.chart([one, one], width, height, ascii_only=ascii_only)]
    assert len(lines) == height + 2 and max(map(len, lines)) <= width
    assert not ascii_only or all(line.isascii() for line in lines[height:])


def test_a_line_goes_from_corner_to_corner() -> None:
    lines = [line.plain for line in chart.chart([rising(200)], 51, 5)]
    rows = [line[chart.LABEL + 2 :] for line in lines[:5]]
    first = [len(row) - len(row.lstrip(" ")) for row in rows]
    assert first == sorted(first, reverse=True) and first[-1] == 0 and rows[0].rstrip() and len(rows[0].rstrip()) == 40


def test_a_run_is_drawn_in_one_column_or_in_two(finished: Path) -> None:
    narrow, wide = drawn([finished]), drawn([finished], width=120)
    for text, width in ((narrow, 80), (wide, 120)):
        assert max(map(len, text.splitlines())) <= width
        assert "pretrain: loss" in text and "grad_norm" in text and "grpo: reward" in text and "grpo: length" in text
    assert len(wide.splitlines()) < len(narrow.splitlines()) * 0.6


def test_two_runs_differ_without_colour(finished: Path, other: Path) -> None:
    text = drawn([finished, other], "loss")
    assert "⠒⠒⠒ quickstart  " in text and "⠒x⠒ other  " in text and text.count("x") > 10
    assert drawn([finished], "loss").count("x") == 0


def test_runs_of_one_name_are_told_apart(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "b" / finished.name)
    runs = show_curves.open_runs([finished, tmp_path / "b" / finished.name])
    assert show_curves.labels(runs) == [f"{finished.parent.name}/{finished.name}", f"b/{finished.name}"]


def test_parts_of_a_metric_share_a_chart_or_are_named(other: Path) -> None:
    assert "web" in drawn([other], "loss_by_source") and "own <b>" in drawn([other], "loss_by_source")
    assert "pretrain: loss_by_source/web" in drawn([other], "loss_by_source/web")


def test_what_was_not_recorded_is_an_error_with_the_nearest_name(finished: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'grad_norm'"):
        drawn([finished], "gradnorm")
    with pytest.raises(ArtefactError, match=rf"hint: give the folder of a run, such as {re.escape(str(finished))}$"):
        drawn([finished / "sft"])


def test_the_page_holds_the_curves_and_nothing_foreign(finished: Path, other: Path, tmp_path: Path) -> None:
    page = tmp_path / "curves.html"
    some = ["--metric", "loss", "--metric", "loss_by_source", "--metric", "entropy"]
    done = CliRunner().invoke(app, ["show", str(finished), "--with", str(other), "--html", str(page), *some])
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    for name in ("loss", "loss_by_source", "entropy"):
        assert f'<figure aria-label="{name}">' in text
    assert "own <b>" not in text and "<script" not in text and not re.search(r'(src|href)="(?!#)', text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_unless_some_are_named_the_page_holds_every_curve(other: Path) -> None:
    panels = show_curves.panels(show_curves.open_runs([other]), everything=True)
    found = [(p.stage, p.metric) for p in panels]
    assert len(found) == len(set(found)) and {s for s, _ in found} == {"pretrain", "sft", "grpo"}
    names = [metric for stage, metric in found if stage == "sft"]
    assert names == ["loss", "grad_norm", "tokens_per_s", "lr", "mtp_loss", "loss_by_source"]


def test_the_command_draws_only_what_was_asked_for(finished: Path) -> None:
    run = CliRunner()
    whole, part = (run.invoke(app, ["show", str(finished), *more]).output for more in ([], ["--metric", "lr"]))
    assert "what it took" in whole and "pretrain: loss" in whole
    assert "what it took" not in part and "pretrain: lr" in part and "loss" not in part
    assert json.loads(run.invoke(app, ["show", str(finished), "--json"]).stdout)["kind"] == "run"


def test_nested_facts_become_rows() -> None:
    facts = {
        "a": 1234, "yes": True, "none": {}, "b": {"c": {"d": 0.5}, "e": [1, 2]}, "f": [{"g": 1}, "h"],
        "many": {str(i): i for i in range(tree.MANY + 3)}, "rate": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10},
    }  # fmt: skip
    rows = list(tree.rows(facts))
    assert rows[:3] == [("a", "1,234"), ("yes", "yes"), ("none", "–")]
    assert rows[3:7] == [("b", ""), ("  c", ""), ("    d", "0.5"), ("  e", "1, 2")]
    assert rows[7:10] == [("f", ""), ("  1", ""), ("    g", "1")] and rows[10] == ("  2", "h")
    assert ("  and 3 more", "") in rows and rows[-1] == ("rate", "50.0% [40.0, 60.0] n=10")
