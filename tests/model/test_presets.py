"""Published models and the dial: the real model, built without memory, has the counted number of parameters."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest
import torch

from firesteel.compute.count import Shape, parameters
from firesteel.core import presets, scale
from firesteel.core.config import parse_recipe
from firesteel.model.config import ModelConfig, routed_scale
from firesteel.model.families import from_hf
from firesteel.model.transformer import Transformer
from tests.compute.test_count import ELEMENTS, TOTALS

NO_TOKENS = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))


def counted(config: ModelConfig) -> tuple[int, int, int]:
    """Parameters of the main model, its routers' biases, and the prediction modules' parameters."""
    with torch.device("meta"):
        model = Transformer(config)
    mtp = sum(p.numel() for p in model.mtp.parameters())
    biases = sum(b.numel() for n, b in model.named_buffers() if n.endswith("correction_bias") and "mtp" not in n)
    return sum(p.numel() for p in model.parameters()) - mtp, biases, mtp


@pytest.mark.parametrize("name", presets.names())
def test_a_published_config_makes_a_model_of_the_published_size(name: str) -> None:
    config = from_hf(presets.config(name))
    main, biases, mtp = counted(config)
    counts = parameters(Shape.of(asdict(config)))
    assert main + biases == TOTALS[name]
    assert (main, biases, mtp) == (counts.total, counts.biases, counts.mtp)
    assert config.cache_width * config.num_hidden_layers == ELEMENTS.get(name, Shape.of(asdict(config)).cache_elements)


@pytest.mark.parametrize("name", presets.names())
def test_a_recipe_with_a_preset_is_the_published_model(name: str) -> None:
    recipe = parse_recipe({"name": "a", "model": {"preset": name}})
    own = ModelConfig.from_settings(recipe.model, recipe.tokenizer.vocab_size)
    assert own.replace(**NO_TOKENS) == from_hf(presets.config(name))


def test_stretched_positions_of_the_presets() -> None:
    """Softmax scales by DeepSeek's own formula, 192^-0.5 m^2 with m = 0.1 x ln(factor) + 1."""
    scales = {name: from_hf(presets.config(name)).softmax_scale for name in presets.names()}
    assert scales["deepseek-v3"] == scales["deepseek-v2"] == pytest.approx(0.1352338, abs=1e-7)
    assert scales["deepseek-v2-lite"] == pytest.approx(0.1147214, abs=1e-7)
    assert scales["kimi-k2"] == pytest.approx(192**-0.5 * (0.1 * math.log(32) + 1) ** 2)
    assert scales["moonlight-16b-a3b"] == 192**-0.5 and scales["llama-3.1-8b"] == 128**-0.5


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 11, 12, 20, scale.MAX_SCALE])
def test_a_scale_makes_a_model_of_the_counted_size(n: int) -> None:
    settings = parse_recipe({"name": "a", "model": {"scale": n}}).model
    config = ModelConfig.from_settings(settings, 4096)
    counts = parameters(Shape.of(settings.shape(), vocab_size=4096))
    assert counted(config) == (counts.total, counts.biases, counts.mtp)


def test_the_routed_output_keeps_its_norm_whatever_the_router() -> None:
    """V2's 16 for softmax gates that are not renormalised is of that size (160 experts, 6 a token)."""
    assert routed_scale(64, 6) == pytest.approx(2.446, abs=0.01)
    assert routed_scale(64, 6, "softmax") == pytest.approx(2.34, abs=0.1)
    assert routed_scale(160, 6, "softmax", False) == pytest.approx(16, rel=0.3)
