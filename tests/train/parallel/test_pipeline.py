"""A pipeline of processes learns what one process learns, whatever the order of passes, and fails as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.errors import RecipeError
from firesteel.train.parallel.stages import (
    layers_of_stages,
)  # fmt: skip
from tests.train.parallel.pipelines import toy

PROGRAMS = "tests.train.parallel.pipelines"
EXACT = 1e-5  # relative distance of gradients and metrics, float32
DRIFT = 1e-3  # of weights after a few steps of AdamW, which divides small gradients by their own size


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_layer_is_in_one_stage_and_no_stage_is_empty(layers: int, stages: int, modules: int, tied: bool) -> None:
    config = toy(layers, modules, tied)
    if layers < stages:
        with pytest.raises(RecipeError, match="too few layers"):
            layers_of_stages(config, stages)
        return
    parts = layers_of_stages(config, stages)
    assert [i for part in parts for i in part] == list(range(layers)) and len(parts) == stages
    assert all(len(part) for part in parts)
