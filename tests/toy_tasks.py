"""A task that a model learns in a few steps, so that toy runs of the recipes have right answers to go on with."""

from __future__ import annotations

from firesteel.tasks.task import Draw, Problem


def seven(draw: Draw) -> Problem:
    """Whatever is asked, the answer is 7."""
    a, b = draw.rng.randint(0, 99), draw.rng.randint(0, 99)
    return Problem(f"{a} {b}?", 7, reasoning="3+4=7", reply="The answer is 7.", language="en")
