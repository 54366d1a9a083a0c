"""[model]: published shapes and the dial fill in what is not given, and what does not fit together is named at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firesteel.core import presets, scale
from firesteel.core.config import ModelSettings, load_recipe, parse_recipe
from firesteel.core.errors import RecipeError

ROOT = Path(__file__).parent.parent.parent


def recipe(**model: Any) -> Any:
    return parse_recipe({"name": "a", "model": model})


def test_a_preset_gives_the_shape_and_its_vocabulary() -> None:
    found = recipe(preset="deepseek-v3")
    assert (found.model.hidden_size, found.model.n_routed_experts, found.model.n_group) == (7168, 256, 8)
    assert (found.model.rope_scaling, found.model.rope_scaling_factor) == ("yarn", 40)
    assert found.tokenizer.vocab_size == 129_280
    given = parse_recipe({"name": "a", "model": {"preset": "deepseek-v3"}, "tokenizer": {"vocab_size": 4096}})
    assert given.tokenizer.vocab_size == 4096


def test_a_dial_on_the_command_line_replaces_the_shape_of_the_file() -> None:
    file = ROOT / "recipes/toy.toml"
    found = load_recipe(file, ("model.num_hidden_layers=2", "model.preset=deepseek-v3"))
    shape = recipe(preset="deepseek-v3", num_hidden_layers=2).model
    assert (found.model, found.tokenizer.vocab_size) == (shape, 129_280)
    assert load_recipe(file, ("model.preset=kimi-k2", "tokenizer.vocab_size=2048")).tokenizer.vocab_size == 2048
    small = load_recipe(file, ("model.scale=3",))
    assert small.model.shape() == recipe(scale=3, max_position_embeddings=256).model.shape()  # the file's own context
    assert small.tokenizer.vocab_size == 1024


def test_a_scale_on_the_command_line_replaces_another_kind_of_model(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(
        'name = "a"\n[model]\nattention = "gqa"\nnum_key_value_heads = 2\nn_routed_experts = 0\nrope_theta = 5e5\n'
    )
    assert load_recipe(file, ("model.scale=1",)).model == recipe(scale=1, rope_theta=5e5).model
    file.write_text('name = "a"\n[model]\npreset = "kimi-k2"\n')
    assert load_recipe(file, ("model.scale=1",)).model == recipe(scale=1).model


@pytest.mark.parametrize("dial", [{"preset": "deepseek-v2-lite"}, {"scale": 3}])
def test_a_given_key_is_stronger_than_the_dial(dial: dict[str, Any]) -> None:
    plain, own = recipe(**dial).model, recipe(**dial, hidden_size=96, n_routed_experts=0).model
    assert (own.hidden_size, own.n_routed_experts) == (96, 0) and own.num_hidden_layers == plain.num_hidden_layers


@pytest.mark.parametrize("model", [{"preset": name} for name in presets.names()] + [{"scale": 1}, {"scale": 32}, {}])
def test_a_recipe_that_is_written_out_reads_as_the_same(model: dict[str, Any]) -> None:
    found = recipe(**model)
    assert parse_recipe(found.model_dump(mode="json")) == found


def test_the_dial_gives_every_key_that_decides_the_size() -> None:
    sizes = {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "moe_intermediate_size"}
    assert sizes < scale.shape(1).keys() < ModelSettings.model_fields.keys()
    assert {name: getattr(recipe(scale=7).model, name) for name in scale.shape(7)} == scale.shape(7)


def test_a_shape_has_only_what_its_kind_uses() -> None:
    latent, grouped = recipe().model.shape(), recipe(attention="gqa", n_routed_experts=0).model.shape()
    assert "kv_lora_rank" in latent and "num_key_value_heads" not in latent and "scale" not in latent
    assert (grouped["num_key_value_heads"], grouped["head_dim"]) == (4, 32)
    assert not {"kv_lora_rank", "num_experts_per_tok", "routed_scaling_factor", "bias_update_speed"} & grouped.keys()
    assert recipe(q_lora_rank=0).model.shape()["q_lora_rank"] is None


def test_stretched_positions() -> None:
    yarn = {"rope_scaling": "yarn", "rope_scaling_factor": 4.0, "original_max_position_embeddings": 512}
    latent, grouped = recipe(**yarn).model.shape(), recipe(**yarn, attention="gqa").model.shape()
    assert latent["rope_scaling"]["mscale_all_dim"] == 1.0 and "mscale_all_dim" not in grouped["rope_scaling"]
    assert recipe().model.shape()["rope_scaling"] is None


@pytest.mark.parametrize(("model", "words"), [
    ({"preset": "deepseek-v4"}, ["model.preset = 'deepseek-v4'", "no such preset", "did you mean 'deepseek-v3'"]),
    ({"preset": "deepseek-v3", "scale": 3}, ["model.scale = 3", "preset = 'deepseek-v3'", "leave one"]),
    ({"preset": 3}, ["model.preset = 3"]),
    ({"scale": 33}, ["model.scale = 33", "32"]),
    ({"scale": "large"}, ["model.scale = 'large'"]),
    ({"attention": "mha"}, ["model.attention = 'mha'"]),
    ({"attention": "gqa", "num_key_value_heads": 3}, ["num_key_value_heads = 3", "num_attention_heads = 4"]),
    ({"attention": "gqa", "head_dim": 33}, ["head_dim = 33", "even"]),
    ({"attention": "gqa", "hidden_size": 130}, ["head_dim = 0", "hidden_size = 130", "give head_dim"]),
    ({"num_key_value_heads": 2}, ["num_key_value_heads = 2", 'attention = "gqa"']),
    ({"qk_norm": True}, ["qk_norm = True", 'attention = "gqa"']),
    ({"qk_rope_head_dim": 15}, ["qk_rope_head_dim = 15", "even"]),
    ({"num_experts_per_tok": 17}, ["num_experts_per_tok = 17", "n_routed_experts = 16"]),
    ({"n_group": 3}, ["n_group = 3", "n_routed_experts = 16"]),
    ({"n_group": 4, "topk_group": 5}, ["topk_group = 5", "n_group = 4"]),
    ({"n_group": 8, "num_experts_per_tok": 3}, ["topk_group = 1", "num_experts_per_tok = 3"]),
    ({"n_group": 16, "topk_group": 4}, ["n_group = 16", "two best"]),
    ({"rope_scaling": "yarn", "rope_scaling_factor": 4.0}, ["original_max_position_embeddings = 0", "yarn"]),
    ({"rope_scaling_factor": 4.0}, ["rope_scaling_factor = 4.0", 'rope_scaling = "yarn"']),
    ({"num_nextn_predict_layers": 9}, ["num_nextn_predict_layers = 9"]),
    ({"n_shared_expert": 1}, ["model.n_shared_expert", "did you mean 'n_shared_experts'"]),
])  # fmt: skip
def test_what_does_not_fit_is_named(model: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(RecipeError) as e:
        recipe(**model)
    assert all(word in str(e.value) for word in words), str(e.value)


def test_an_unknown_preset_is_named_with_its_neighbour() -> None:
    with pytest.raises(RecipeError, match="did you mean 'kimi-k2'"):
        presets.config("kimi-k3")
