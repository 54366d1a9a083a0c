"""docs/model.md: every place that it names exists, its figures are what the code says, its example runs."""

import importlib
import re
from pathlib import Path

import pytest
import torch

from firesteel.core import presets
from firesteel.model.cache import PagedCache
from firesteel.model.config import ModelConfig
from firesteel.model.families import FAMILIES, from_hf

PAGE = (Path(__file__).parent.parent / "docs/model.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`([a-z_]+(?:\.\w+)+)`", PAGE.split("## Each equation")[1].split("## Families")[0])))


@pytest.mark.parametrize("place", PLACES)
def test_a_place_on_the_page_exists(place):
    module, *names = place.split(".")
    if names == ["py"]:
        pytest.skip("a file")
    found = importlib.import_module(f"firesteel.model.{module}")
    for name in names:
        found = getattr(found, name)
    assert found.__doc__


def test_the_page_names_every_family():
    table = PAGE.split("## Families")[1].split("A family holds")[0]
    assert set(re.findall(r"`(\w+)`", table)) - {"model_type", "kimi_k2"} == set(FAMILIES) - {"firesteel"}


@pytest.mark.parametrize(("name", "row"), [("deepseek-v3", "DeepSeek-V3"), ("deepseek-v2-lite", "DeepSeek-V2-Lite")])
def test_cache_figures_are_those_of_the_code(name, row):
    _check(from_hf(presets.config(name)), row)


def test_cache_figures_of_a_gqa_model_are_those_of_the_code():
    shape = {"vocab_size": 8, "hidden_size": 8192, "num_attention_heads": 64, "intermediate_size": 8}
    _check(ModelConfig(**shape, num_hidden_layers=80, max_position_embeddings=8, attention="gqa", num_key_value_heads=8,
                       head_dim=128), "Qwen2.5-72B")  # fmt: skip


def _check(config, row):
    cells = [
        c.strip().replace(",", "") for c in re.search(rf"\| {row}.*", PAGE.split("## The cache")[1])[0].split("|")[2:5]
    ]
    paged = (PagedCache(config, num_blocks=1, block_size=1, dtype=torch.bfloat16, int8=int8) for int8 in (False, True))
    assert [int(c) for c in cells] == [config.cache_width, *(cache.bytes_per_token for cache in paged)]


def test_the_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    values: dict = {}
    exec(compile(example, "docs/model.md", "exec"), values)  # noqa: S102 - our own page
    assert values["logits"].shape == (2, 10, 512) and values["last"].shape == (2, 512)
