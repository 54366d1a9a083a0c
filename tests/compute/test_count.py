"""Counting a model: exact parameters and cached elements of published models, and the work to learn a token."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.compute.count import Shape, parameters, training_flops
from firesteel.core import presets, scale
from firesteel.core.config import ModelSettings

TOTALS = {  # parameters of the main model as published, the correction biases of its routers among them
    "deepseek-v2-lite": 15_706_484_224, "deepseek-v2": 235_741_434_880, "deepseek-v3": 671_026_419_200,
    "deepseek-r1": 671_026_419_200, "moonlight-16b-a3b": 15_960_110_208, "kimi-k2": 1_026_408_232_448,
    "llama-3.1-8b": 8_030_261_248, "qwen2.5-7b": 7_615_616_512, "qwen3-0.6b": 596_049_920,
    "qwen3-8b": 8_190_735_360, "qwen3-30b-a3b": 30_532_122_624, "smollm2-135m": 134_515_008,
}  # fmt: skip
ELEMENTS = {  # KV elements a token
    "deepseek-v2-lite": 15_552, "deepseek-v2": 34_560, "deepseek-v3": 35_136, "moonlight-16b-a3b": 15_552,
    "kimi-k2": 35_136, "llama-3.1-8b": 65_536, "smollm2-135m": 11_520,
}  # fmt: skip
SIZES = {
    "vocab_size": 1000,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}


def preset(name: str, **changes: Any) -> Shape:
    return Shape.of({"vocab_size": presets.config(name)["vocab_size"]} | ModelSettings(preset=name).shape() | changes)


def test_every_preset_has_its_published_total() -> None:
    assert list(TOTALS) and sorted(TOTALS) == presets.names()


@pytest.mark.parametrize("name", TOTALS)
def test_published_models_have_their_published_number_of_parameters(name: str) -> None:
    counts = parameters(preset(name))
    assert counts.total + counts.biases == TOTALS[name]


def test_only_routers_that_balance_without_loss_have_biases() -> None:
    biases = {name: parameters(preset(name)).biases for name in TOTALS}
    assert (
        biases["deepseek-v3"] == 58 * 256 and biases["kimi-k2"] == 60 * 384 and biases["moonlight-16b-a3b"] == 26 * 64
    )
    assert not any(biases[name] for name in ("deepseek-v2", "deepseek-v2-lite", "qwen3-30b-a3b", "llama-3.1-8b"))


def test_a_token_meets_the_published_number_of_parameters() -> None:
    """37 B of V3 (36.7 without one of its two tables), 21 B of V2, 32 B of Kimi-K2, 3.3 B of Qwen3-30B-A3B."""
    active = {name: parameters(preset(name)).active / 1e9 for name in TOTALS}
    assert (round(active["deepseek-v3"], 1), round(active["deepseek-v2"]), int(active["kimi-k2"])) == (37.6, 21, 32)
    assert active["qwen3-30b-a3b"] == 3.353032704 and active["llama-3.1-8b"] == 8.030261248


def test_the_prediction_module_of_v3_has_its_published_size() -> None:
    """The released weights hold 684.5 B numbers: model, module, and its copies of the embedding and the head."""
    counts = parameters(preset("deepseek-v3"))
    assert counts.mtp == 11_610_067_968
    assert round((counts.total + counts.mtp + 2 * counts.embedding) / 1e9, 1) == 684.5
    two = parameters(preset("deepseek-v3", num_nextn_predict_layers=2))
    assert (two.total, two.mtp, two.mtp_matrices) == (counts.total, 2 * counts.mtp, 2 * counts.mtp_matrices)


@pytest.mark.parametrize(("name", "gflops"), [("deepseek-v2", 155), ("deepseek-v3", 250)])
def test_training_a_token_costs_what_the_makers_say(name: str, gflops: int) -> None:
    """ISCA 2025, Table 2: training GFLOP a token at 4096, causal."""
    assert round(training_flops(preset(name), 4096, mtp=False) / 1e9) == gflops


def test_training_a_token_of_a_dense_model_costs_what_the_same_table_says() -> None:
    """Llama-3.1-405B: 2448 GFLOP; the table's way of counting attention is not told, hence the tolerance."""
    sizes = {"hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126, "num_attention_heads": 128}
    shape = preset("llama-3.1-8b", **sizes)
    assert parameters(shape).total == 405_853_388_800
    assert training_flops(shape, 4096) / 1e9 == pytest.approx(2448, rel=0.04)


@pytest.mark.parametrize("name", ELEMENTS)
def test_cache_elements_are_those_of_the_reports(name: str) -> None:
    assert preset(name).cache_elements == ELEMENTS[name]


def test_what_latent_attention_saves() -> None:
    """Bytes a token in bfloat16 (ISCA 2025, Table 1), and the plain attention of V2's shape (DeepSeek-V2, Table 1)."""
    grouped = {"attention": "gqa", "num_key_value_heads": 8, "head_dim": 128}
    qwen = Shape.of(SIZES | grouped | {"num_hidden_layers": 80})
    llama = Shape.of(SIZES | grouped | {"num_hidden_layers": 126})
    assert [2 * s.cache_elements for s in (preset("deepseek-v3"), qwen, llama)] == [70_272, 327_680, 516_096]
    plain = preset("deepseek-v2", attention="gqa", num_key_value_heads=128, head_dim=128)
    assert plain.cache_elements == 1_966_080


@pytest.mark.parametrize(("changes", "more"), [
    ({"qkv_bias": True}, 4 * (4 + 2 * 2) * 16),
    ({"o_bias": True}, 4 * 64),
    ({"mlp_bias": True}, 4 * (2 * 128 + 64)),
    ({"qk_norm": True}, 4 * 2 * 16),
    ({"tie_word_embeddings": True}, -1000 * 64),
    ({"num_key_value_heads": 4}, 4 * 2 * 2 * 16 * 64),
])  # fmt: skip
def test_each_field_adds_its_vectors(changes: dict[str, Any], more: int) -> None:
    plain = SIZES | {"attention": "gqa", "num_key_value_heads": 2, "head_dim": 16}
    assert parameters(Shape.of(plain | changes)).total - parameters(Shape.of(plain)).total == more


def test_every_scale_is_larger_than_the_last_in_every_count() -> None:
    counts = [
        parameters(Shape.of(ModelSettings(scale=n).shape(), vocab_size=4096)) for n in range(1, scale.MAX_SCALE + 1)
    ]
    for name in ("total", "active", "mtp"):
        sizes = [getattr(one, name) for one in counts]
        assert sizes == sorted(set(sizes)), name
    assert 0.4e6 < counts[0].total < 1e6 and 8e9 < counts[-1].total < 16e9


@pytest.mark.parametrize(("page", "units"), [
    ("train.md", {"M": 1e6, "B": 1e9}), ("train.zh.md", {"万": 1e4, "亿": 1e8}),
])  # fmt: skip
def test_the_table_in_the_guide_is_right(page: str, units: dict[str, float]) -> None:
    text = (Path(__file__).parents[2] / "docs/guides" / page).read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if re.match(r"\| \d+ \|", line)
    ]
    assert len(rows) == 8
    for n, hidden, layers, experts, total, active, elements in rows:
        shape = Shape.of(ModelSettings(scale=int(n)).shape(), vocab_size=4096)
        counts = parameters(shape)
        assert (int(hidden), int(layers)) == (shape.hidden_size, shape.num_hidden_layers)
        assert re.split(r", |，", experts) == [str(shape.n_routed_experts), str(shape.num_experts_per_tok)]
        assert int(elements.replace(",", "")) == shape.cache_elements
        for said, counted in ((total, counts.total), (active, counts.active)):
            number, unit = said.split()
            assert float(number) * units[unit] == pytest.approx(counted, rel=0.05 if counted > 1e6 else 0.2), said


@given(st.integers(1, scale.MAX_SCALE))
def test_every_width_of_a_scale_fits_the_blocks_of_a_quantised_file(n: int) -> None:
    shape = scale.shape(n)
    rows = [shape[name] for name in ("hidden_size", "kv_lora_rank", "intermediate_size", "moe_intermediate_size")]
    rows += [shape["num_attention_heads"] * shape["v_head_dim"], shape["qk_nope_head_dim"], shape["qk_rope_head_dim"]]
    assert not any(row % 32 for row in rows)
    assert 2.6 < shape["intermediate_size"] / shape["hidden_size"] < 3.1
