"""Verdicts on losses: what is a spike and what is noise, what is done about it, and a memory that survives checkpoints."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.config import WatchSettings
from firesteel.core.errors import FiresteelError
from firesteel.train.watch import NEEDED, WINDOW, Verdict, Watch

Alarms = list[tuple[int, str, str]]


def watching(**values: object) -> tuple[Watch, Alarms]:
    """A watch with these settings, and the list that its alarms go to."""
    said: Alarms = []
    return Watch(WatchSettings.model_validate(values), "pretrain", lambda *alarm: said.append(alarm)), said


def feed(watch: Watch, losses: Iterable[float], start: int = 1) -> list[Verdict]:
    """Judge losses as steps `start`, `start` + 1, ..."""
    return [watch.judge(step, loss, 1.0) for step, loss in enumerate(losses, start)]


def level(n: int, seed: int = 0, noise: float = 0.05) -> list[float]:
    """Losses around 2.5 with normal noise."""
    rng = random.Random(seed)
    return [2.5 + rng.gauss(0, noise) for _ in range(n)]


CURVES: dict[str, Callable[[int, random.Random], float]] = {
    "falls": lambda t, rng: 2.5 + 5.5 * math.exp(-t / 60) + rng.gauss(0, 0.08),
    "hardly noisy": lambda t, rng: 2.5 + 5.5 * math.exp(-t / 60) + rng.gauss(0, 0.002),
    "small batches": lambda t, rng: (2.5 + 5.5 * math.exp(-t / 60)) * rng.lognormvariate(0, 0.15),
    "rises slowly": lambda t, rng: 2.5 + 0.003 * t + rng.gauss(0, 0.03),
    "goes up and down": lambda t, rng: 2.5 + 0.5 * math.sin(t / 40) + rng.gauss(0, 0.03),
    "of both signs": lambda t, rng: rng.gauss(0, 0.01),
    "constant": lambda t, rng: 2.5,
    "mixture changes": lambda t, rng: 2.5 + (0.1 if t > 300 else 0.0) + rng.gauss(0, 0.04),
}


@pytest.mark.parametrize("name", CURVES)
def test_ordinary_losses_raise_no_alarm(name: str) -> None:
    watch, said = watching()
    for seed in range(5):
        rng = random.Random(seed)
        assert set(feed(watch, (CURVES[name](t, rng) for t in range(600)))) == {Verdict.fine}
        watch.rewind(None)
    assert not said


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 20), st.floats(1e-3, 0.2), st.floats(-2e-3, 2e-3))
def test_neither_level_nor_noise_nor_trend_is_a_spike(seed: int, height: float, noise: float, slope: float) -> None:
    rng = random.Random(seed)
    watch, said = watching(spike_sigmas=8.0)
    feed(watch, (height * (1 + slope * t + rng.gauss(0, noise)) for t in range(300)))
    assert not said


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 20), st.floats(1e-3, 0.1), st.integers(100, 200))
def test_a_spike_is_seen_at_any_level(seed: int, height: float, noise: float, where: int) -> None:
    rng = random.Random(seed)
    losses = [height * (1 + rng.gauss(0, noise)) for _ in range(where)]
    watch, said = watching()
    feed(watch, losses)
    watch.judge(where + 1, height * (1 + 11 * max(noise, 0.01)), 1.0)
    assert [(step, kind) for step, kind, _ in said] == [(where + 1, "spike")]


def test_nothing_is_a_spike_before_there_is_a_history() -> None:
    watch, said = watching(on_spike="skip")
    assert set(feed(watch, [*level(NEEDED - 1), 1e6])) == {Verdict.fine} and not said


def test_warning_goes_on_and_speaks_once_an_episode() -> None:
    watch, said = watching(on_spike="warn")
    verdicts = feed(watch, [*level(100), 9.0, 9.0, 8.0, *level(20), 9.0])
    assert set(verdicts) == {Verdict.fine}
    assert [step for step, _, _ in said] == [101, 124]
    assert "deviations above 2.49, the usual" in said[0][2]


def test_a_level_that_stays_becomes_the_usual_one() -> None:
    watch, said = watching(on_spike="warn")
    feed(watch, [*level(100), *(x + 3 for x in level(3 * WINDOW))])
    before = len(said)
    feed(watch, (x + 3 for x in level(50, seed=1)), start=600)
    assert len(said) == before and watch.judge(700, 11.0) is Verdict.fine and len(said) == before + 1


def test_skipped_losses_are_not_remembered() -> None:
    watch, said = watching(on_spike="skip", max_skips=50)
    feed(watch, level(100))
    before = watch.state()["losses"]
    assert set(feed(watch, [9.0] * 40, start=101)) == {Verdict.skip}
    assert watch.state()["losses"] == before and len(said) == 40


def test_too_many_skips_in_a_row_end_the_run() -> None:
    watch, _ = watching(on_spike="skip", max_skips=3)
    feed(watch, [*level(100), 9.0, 9.0, 2.5, 9.0, 9.0])
    with pytest.raises(
        FiresteelError, match=r"3 bad updates in a row, the last at step 106(.|\n)*hint: lower pretrain"
    ):
        watch.judge(106, 9.0)


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (2.0, math.nan), (2.0, math.inf)])
def test_what_is_no_number_stops_or_is_skipped(loss: float, norm: float) -> None:
    with pytest.raises(FiresteelError, match="training diverged"):
        watching(on_nan="stop")[0].judge(5, loss, norm)
    watch, said = watching(on_nan="skip")
    assert watch.judge(5, loss, norm) is Verdict.skip and said[0][:2] == (5, "nan")


def test_a_rewind_forgets_losses_but_not_how_often_it_happened() -> None:
    watch, _ = watching(on_spike="rewind", max_skips=3)
    feed(watch, level(90))
    checkpoint = watch.state()
    for _ in range(2):
        verdicts = feed(watch, [*level(10, seed=1), 9.0], start=91)
        assert verdicts == [Verdict.fine] * 10 + [Verdict.rewind]
        watch.rewind(checkpoint)
        assert watch.state()["losses"] == checkpoint["losses"]
    with pytest.raises(FiresteelError, match="does not recover"):
        feed(watch, [*level(10, seed=1), 9.0], start=91)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 100) | st.just(math.nan), max_size=200), st.integers(0, 200))
def test_going_on_from_a_checkpoint_gives_the_same_verdicts(losses: list[float], cut: int) -> None:
    whole, _ = watching(on_nan="skip", on_spike="skip", max_skips=10**6)
    first, _ = watching(on_nan="skip", on_spike="skip", max_skips=10**6)
    second, _ = watching(on_nan="skip", on_spike="skip", max_skips=10**6)
    done = feed(first, losses[:cut])
    second.load(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert feed(whole, losses) == done + feed(second, losses[cut:], start=len(done) + 1)
    assert second.state() == whole.state()
