"""What sampling answers asks of a machine: of evaluation, of reinforcement learning, of a teacher that writes."""

from __future__ import annotations

from firesteel.compute.calibration import CALIBRATION
from firesteel.compute.count import Shape
from firesteel.compute.work import FLOAT, Work, extending


def sampling(shape: Shape, rows: int, limit: int, *, stops: bool = True) -> tuple[Work, float, float]:
    """Sampling an answer for each of `rows` prompts: work, tokens made, plain Python.

    A model that has not learnt to stop fills the limit.
    """
    prompt = CALIBRATION["prompt"]
    answer, steps = (min(CALIBRATION[name], limit) if stops else limit for name in ("answer", "longest_answer"))
    active = max(1, round(rows * answer / steps))  # rows leave as they finish
    one = extending(shape, active, 1, prompt + answer / 2)
    made = rows * answer
    return extending(shape, rows, round(prompt), prompt) + one * steps, made, CALIBRATION["sampled_token"] * made


def cache_bytes(shape: Shape, rows: int, new: int) -> float:
    """KV cache of as many rows, each with room for `new` tokens and a prompt."""
    return FLOAT * shape.cache_elements * rows * (new + 128)
