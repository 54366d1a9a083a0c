"""The watchdog on slow steps: it speaks once, again when it goes on, not at all while paused, and it ends."""

from __future__ import annotations

import time

from firesteel.core.live import Eta
from firesteel.train.stall import NEEDED, Stall


def quick_steps(stalls: Stall, n: int = 8) -> None:
    """Steps of no length, so that the usual is known."""
    for number in range(1, n + 1):
        with stalls.step(number):
            pass


def test_a_slow_step_is_called_out_once_and_again_when_it_goes_on() -> None:
    said: list[tuple[int, str]] = []
    with Stall(10.0, lambda step, text: said.append((step, text)), least=0.1) as stalls:
        quick_steps(stalls)
        with stalls.step(9):
            time.sleep(0.55)  # 0.1, 0.2, 0.4
        quick_steps(stalls)
    assert [step for step, _ in said] == [9, 9, 9]
    assert said[0][1].startswith("has taken 0.1") and "usually" in said[0][1]


def test_where_the_training_thread_hangs_is_said() -> None:
    said: list[str] = []

    def clock() -> float:
        time.sleep(0.2)  # stands for a collective that waits; Firesteel's line that called it is what helps
        return 0.0

    with Stall(10.0, lambda step, text: said.append(text), least=0.05) as stalls:
        quick_steps(stalls)
        with stalls.step(9):
            Eta(0, 1, clock)
    assert "now in core/live.py, line" in said[0] and "(__init__)" in said[0]


def test_what_happens_between_steps_is_no_stall() -> None:
    said: list[int] = []
    with Stall(2.0, lambda step, text: said.append(step), least=0.05) as stalls:
        quick_steps(stalls)
        time.sleep(0.3)  # a checkpoint
        quick_steps(stalls)
    assert not said


def test_nothing_is_a_stall_while_nobody_knows_the_usual() -> None:
    said: list[int] = []
    with Stall(2.0, lambda step, text: said.append(step), least=0.05) as stalls:
        quick_steps(stalls, NEEDED - 1)
        with stalls.step(NEEDED):
            time.sleep(0.3)
    assert not said


def test_the_thread_ends_with_the_block_even_after_an_error() -> None:
    stalls = Stall(2.0, lambda step, text: None)
    began = time.monotonic()
    try:
        with stalls, stalls.step(1):
            raise ValueError
    except ValueError:
        pass
    assert not stalls._thread.is_alive() and time.monotonic() - began < 2
