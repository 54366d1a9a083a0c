"""Progress of a stage: about ten lines in a file, a live area on a terminal, and never the end of the training."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from firesteel.core.live import Eta, Lines, Sparkline, View, clock_time, progress

METRICS: dict[str, Any] = {
    "loss": 2.5, "mtp_loss": 3.1, "lr": 2e-3, "grad_norm": 0.4, "tokens_per_s": 9012.3, "mfu": 0.31,
    "resident_bytes": 2**30, "dead_experts": 2, "expert_load": [0.5, 0.5], "loss_by_source": {"web": 2.0}, "note": "x",
}  # fmt: skip


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def terminal(width: int = 100) -> Console:
    """A console that takes a buffer for a terminal."""
    return Console(file=io.StringIO(), force_terminal=True, force_interactive=True, width=width, color_system=None)


def text_of(console: Console) -> str:
    """What was written to a buffer's console."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_file_gets_about_ten_lines_a_stage() -> None:
    console = Console(file=io.StringIO(), width=100)
    with progress(console, "sft", 0, 200) as bar:
        for step in range(1, 201):
            bar.update(step, METRICS)
    lines = text_of(console).splitlines()
    assert len(lines) == 11 and lines[0].startswith("  sft     1/200  loss 2.5  mtp_loss 3.1  tokens_per_s 9012")
    assert lines[0].endswith("left") and "left" not in lines[-1]


def test_the_rest_is_foretold_from_the_last_steps_and_not_the_first() -> None:
    clock = Clock()
    eta = Eta(10, 20, clock)
    assert eta.left() is None
    clock.now = 100.0  # loading and compiling
    eta.update(11)
    assert eta.left() == pytest.approx(900)  # all that is known
    for step in (12, 13, 14):
        clock.now += 2
        eta.update(step)
    assert eta.left() == pytest.approx(12)
    eta.update(12)  # back to a checkpoint
    assert eta.left() is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-:--"), (5, "0:05"), (245, "4:05"), (3723, "1:02:03"), (183_600, "2 d 03:00")]
)
def test_times_look_like_a_clock(seconds: float | None, text: str) -> None:
    assert clock_time(seconds) == text


def test_a_sparkline_stays_short_and_shows_the_course() -> None:
    spark = Sparkline()
    for i in range(1000):
        spark.add(1000.0 - i)
    drawn = spark.draw()
    assert len(drawn) < 64 and drawn[0] == "█" and drawn[-1] == "▁" and list(drawn) == sorted(drawn, reverse=True)
    assert set(spark.draw(ascii_only=True)) <= set("_.-:=+*#")
    assert Sparkline().draw() == ""


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_shows_it_all_within_its_width(width: int) -> None:
    console, clock = terminal(width), Clock()
    view = View(console, "pretrain", 0, 1000, clock)
    for step in range(1, 412):
        clock.now += 1.0
        view.update(step, METRICS | {"loss": 3 + math.exp(-step / 50)})
    view.alarm("step 311: loss 7.2 is far above")
    with console.capture() as captured:
        console.print(view.render())
    view.close()
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    shown = "\n".join(lines)
    assert "loss 3" in shown and "▁" in shown and "! step 311" in shown
    if width >= 80:
        assert "411/1,000  41 %  6:51 gone, 9:49 left" in shown
        assert "tokens/s 9,012   MFU 31 %   memory 1.00 GiB   dead experts 2" in shown


def test_the_area_goes_and_one_line_stays() -> None:
    console = terminal()
    with progress(console, "sft", 0, 5) as bar:
        assert isinstance(bar, View)
        bar.update(1, METRICS)
    assert text_of(console).splitlines()[-1].endswith("loss 2.5  mtp_loss 3.1  tokens_per_s 9012  0:00 left")
    assert text_of(console).rindex("\x1b[?25h") > text_of(console).rindex("\x1b[?25l")  # the cursor is there again


@pytest.fixture
def dumb(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal that cannot move its cursor."""
    monkeypatch.setenv("TERM", "dumb")
    yield


@pytest.mark.usefixtures("dumb")
def test_a_dumb_terminal_gets_lines() -> None:
    with progress(Console(file=io.StringIO(), force_terminal=True), "sft", 0, 5) as bar:
        assert type(bar) is Lines


def test_a_metric_that_cannot_be_shown_does_not_end_the_training() -> None:
    console = terminal()
    with progress(console, "sft", 0, 5) as bar:
        bar.update(1, {"loss": math.nan, "tokens_per_s": math.inf, "grad_norm": None, "dead_experts": math.nan})
        assert isinstance(bar, View)
        with console.capture() as captured:
            console.print(bar._safely())
        assert "sft" in captured.get()


def test_a_mistake_in_the_view_is_shown_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(View, "render", lambda self: 1 / 0)
    console = terminal()
    with progress(console, "sft", 0, 5) as bar:
        bar.update(1, METRICS)
        bar._live.refresh()  # type: ignore[attr-defined]
    assert "sft 1/5 (view: ZeroDivisionError" in text_of(console)


def test_a_terminal_that_has_gone_does_not_end_the_training() -> None:
    console = terminal()
    with progress(console, "sft", 0, 5) as bar:
        bar.update(1, METRICS)
        console.file.close()
        bar.update(2, METRICS)
        bar._live.refresh()  # type: ignore[attr-defined]
