"""Checkpoints that say one thing and hold another: computed as transformers does, said aloud, or refused by name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from firesteel.core.errors import ArtefactError
from firesteel.model import families, lora
from firesteel.model.weights import load_model, save_model
from tests.model.zoo import checkpoint

transformers = pytest.importorskip("transformers")


def change(folder, tensors=None, **fields):
    """Rewrite a folder's weights by a function, and fields of its config; None takes a field out."""
    file = folder / "model.safetensors"
    if tensors:
        held = load_file(file)
        tensors(held)
        save_file({n: t.contiguous() for n, t in held.items()}, file)
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps({n: v for n, v in config.items() if v is not None}))


@torch.no_grad()
def logits(model):
    tokens = torch.randint(0, 61, (2, 15), generator=torch.Generator().manual_seed(2))
    return model(tokens).logits if hasattr(model, "generate") else model.logits(model(tokens))


@pytest.mark.parametrize("family", ["qwen2", "deepseek_v3"])
def test_a_tied_config_beside_two_different_tables_is_not_tied(tmp_path, family):
    theirs = checkpoint(family, 11, tmp_path)
    change(tmp_path, lambda held: held.update({"lm_head.weight": torch.randn(theirs.lm_head.weight.shape)}),
           tie_word_embeddings=True)  # fmt: skip
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    with pytest.warns(UserWarning, match="untied"):
        ours = load_model(tmp_path)
    assert not ours.config.tie_word_embeddings
    torch.testing.assert_close(logits(ours), logits(theirs), atol=1e-4, rtol=1e-4)


def test_a_tied_head_written_out_is_only_a_copy(tmp_path, toy_model):
    save_model(tmp_path, toy_model())
    change(tmp_path, lambda held: held.update({"lm_head.weight": held["model.embed_tokens.weight"].clone()}))
    assert load_model(tmp_path).lm_head is None


def test_a_router_in_float32_stays_so_in_a_bfloat16_model(tmp_path, toy_model):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    model = toy_model(num_nextn_predict_layers=0)
    save_model(tmp_path / "a", model, dtype=torch.bfloat16)
    gate = "model.layers.1.mlp.gate.weight"
    stored = load_file(tmp_path / "a/model.safetensors")
    assert stored[gate].dtype == torch.float32  # bfloat16 would round it
    kept = load_model(tmp_path / "a", dtype=None)
    assert kept.embed_tokens.weight.dtype == torch.bfloat16
    save_model(tmp_path / "b", kept)
    again = load_file(tmp_path / "b/model.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in stored.items())
    assert torch.equal(load_model(tmp_path / "b").layers[1].mlp.gate.weight, model.layers[1].mlp.gate.weight)


def test_the_widest_matrix_decides_the_dtype_that_is_kept(tmp_path, toy_model):
    save_model(tmp_path, toy_model())
    table = "model.embed_tokens.weight"
    change(tmp_path, lambda held: held.update({table: held[table].bfloat16()}))
    assert load_model(tmp_path, dtype=None).layers[0].self_attn.o_proj.weight.dtype == torch.float32


def test_wider_vectors_are_rounded_aloud(tmp_path, toy_model):
    save_model(tmp_path, toy_model(), dtype=torch.bfloat16)
    norm = "model.norm.weight"
    change(tmp_path, lambda held: held.update({norm: held[norm].float()}))
    with pytest.warns(UserWarning, match=norm):
        assert load_model(tmp_path, dtype=None).norm.weight.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("family", "field"),
    [("deepseek_v3", "routed_scaling_factor"), ("deepseek_v3", "n_group"), ("deepseek_v3", "topk_group"),
     ("deepseek_v2", "n_shared_experts"), ("deepseek_v2", "first_k_dense_replace"), ("qwen2", "num_key_value_heads"),
     ("qwen3", "num_key_value_heads"), ("glm4_moe", "rms_norm_eps"), ("glm4_moe", "head_dim")],
)  # fmt: skip
def test_a_field_whose_absence_means_another_number_in_each_family_must_be_said(tmp_path, family, field):
    checkpoint(family, 0, tmp_path)
    change(tmp_path, **{field: None})
    with pytest.raises(ArtefactError, match=field):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("family", "fields"),
    [("deepseek_v3", {"scoring_func": "softmax"}), ("deepseek_v2", {"scoring_func": "sigmoid"}),
     ("deepseek_v3", {"topk_method": "greedy"}), ("deepseek_v2", {"topk_method": "noaux_tc"}),
     ("llama2", {"rope_theta": 7.0}), ("llama3", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
     ("qwen2", {"rope_parameters": {"full_attention": {"rope_theta": 5.0}}}), ("qwen2", {"rope_parameters": [1]}),
     ("llama2", {"layer_types": 5}), ("llama2", {"layer_types": [["full_attention"]]}), ("llama2", {"model_type": ["llama"]}),
     ("llama2", {"vocab_size": "61"}), ("llama2", {"vocab_size": 61.0}), ("llama2", {"num_hidden_layers": 10**9}),
     ("llama2", {"intermediate_size": 10**30}), ("llama2", {"rms_norm_eps": "x"}), ("llama2", {"rms_norm_eps": -1.0}),
     ("llama2", {"rms_norm_eps": float("nan")}), ("llama2", {"tie_word_embeddings": "false"}),
     ("llama2", {"eos_token_id": "</s>"}), ("llama2", {"eos_token_id": {"a": 1}}), ("deepseek_v3", {"q_lora_rank": -18}),
     ("deepseek_v3", {"n_shared_experts": -1}), ("deepseek_v3", {"topk_group": 2.0}),
     ("deepseek_v3", {"num_experts_per_tok": "4"}), ("deepseek_v3", {"routed_scaling_factor": float("inf")}),
     ("llama2", {"quantization_config": "fp8"}), ("llama2", {"quantization_config": ["fp8"]}),
     ("llama2", {"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}}),
     ("llama2", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "beta_fast": -1, "rope_theta": 1e4}}),
     ("llama2", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "mscale": "1", "rope_theta": 1e4}}),
     ("llama2", {"rope_parameters": {"rope_type": "default", "rope_theta": 1.0}})],
)  # fmt: skip
def test_what_is_contradictory_garbled_or_not_computed_is_our_error(tmp_path, family, fields):
    checkpoint(family, 0, tmp_path)
    change(tmp_path, **fields)
    with pytest.raises(ArtefactError):
        load_model(tmp_path)


def test_json_without_end_is_our_error(tmp_path, toy_model):
    save_model(tmp_path, toy_model(), shard=30_000)
    (tmp_path / "model.safetensors.index.json").write_text("[" * 100_000)
    with pytest.raises(ArtefactError):
        load_model(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    (tmp_path / "config.json").write_text('{"a":' * 100_000)
    with pytest.raises(ArtefactError):
        load_model(tmp_path)


@pytest.mark.parametrize("kind", ["linear", "llama3"])
def test_the_softmax_scale_follows_mscale_all_dim_whatever_stretches_the_context(tmp_path, kind):
    checkpoint("deepseek_v3", 3, tmp_path)
    scaling = {"rope_type": kind, "factor": 4.0, "mscale_all_dim": 1.0, "rope_theta": 10000.0}
    scaling |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    change(tmp_path, rope_parameters=scaling)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    torch.testing.assert_close(logits(load_model(tmp_path)), logits(theirs), atol=1e-4, rtol=1e-4)


def test_a_beta_of_zero_means_the_default(tmp_path):
    checkpoint("qwen2_yarn", 3, tmp_path)
    yarn = {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 64,
        "rope_theta": 1e4,
        "beta_fast": 0,
    }
    change(tmp_path, rope_parameters=yarn)
    assert load_model(tmp_path).config.rope_scaling.beta_fast == 32


@pytest.mark.parametrize(("weight", "scale"), [("model.norm.weight", "_scale"),
                                               ("model.layers.0.self_attn.o_proj.weight", "_scale_inv")])  # fmt: skip
def test_the_scale_of_a_weight_that_needs_none_is_surplus(tmp_path, toy_model, weight, scale):
    save_model(tmp_path, toy_model())
    change(tmp_path, lambda held: held.update({weight + scale: torch.ones(1, 1)}))
    with pytest.raises(ArtefactError, match="surplus"):
        load_model(tmp_path)


def test_mtp_copies_that_are_no_copies_are_refused(tmp_path, toy_model):
    save_model(tmp_path, toy_model())
    copy = {"model.layers.3.embed_tokens.weight": "model.embed_tokens.weight"}
    change(tmp_path, lambda held: held.update({n: held[source].clone() for n, source in copy.items()}))
    load_model(tmp_path)
    change(tmp_path, lambda held: held["model.layers.3.embed_tokens.weight"].add_(1))
    with pytest.raises(ArtefactError, match=r"layers.3.embed_tokens[\s\S]*copy"):
        load_model(tmp_path)


def test_numbers_that_are_none_are_named(tmp_path, toy_model):
    save_model(tmp_path, toy_model())
    name = "model.layers.1.mlp.experts.2.up_proj.weight"
    change(tmp_path, lambda held: held[name].view(-1)[3:4].fill_(float("nan")))
    with pytest.raises(ArtefactError, match=f"(?s)finite.*{name}"):
        load_model(tmp_path)
    change(tmp_path, lambda held: held[name].fill_(1e6))
    load_model(tmp_path)
    with pytest.raises(ArtefactError, match="float16"):
        load_model(tmp_path, dtype=torch.float16)


def test_a_dense_deepseek_that_announces_mtp_modules_can_be_exported(tmp_path):
    checkpoint("deepseek_v3", 5, tmp_path)  # transformers announces a module in each
    (tmp_path / "dense").mkdir(), (tmp_path / "out").mkdir()
    config = transformers.DeepseekV3Config.from_pretrained(tmp_path)
    config.first_k_dense_replace = config.num_hidden_layers
    theirs = transformers.DeepseekV3ForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path / "dense")
    with pytest.warns(UserWarning, match="MTP"):
        ours = load_model(tmp_path / "dense")
    save_model(tmp_path / "out", ours)
    back = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", attn_implementation="eager").eval()
    torch.testing.assert_close(logits(back), logits(theirs), atol=1e-4, rtol=1e-4)


def test_what_transformers_cannot_run_is_not_written_for_it(toy_config):
    shape = {"attention": "gqa", "num_key_value_heads": 2, "head_dim": 8, "num_nextn_predict_layers": 0}
    dense = toy_config(**shape, qkv_bias=True, qk_norm=True, n_routed_experts=0)
    softmax = toy_config(
        num_nextn_predict_layers=0, scoring_func="softmax", norm_topk_prob=False
    )  # with bias: noaux_tc
    assert not families.transformers_loads(dense) and not families.transformers_loads(softmax)


@pytest.mark.parametrize("field", [{"use_rslora": True}, {"use_dora": True}, {"alpha_pattern": {"q_proj": 3}},
                                   {"layers_to_transform": [0]}, {"bias": "all"}])  # fmt: skip
def test_adapters_that_compute_something_else_are_refused(tmp_path, toy_model, field):
    model = toy_model()
    lora.attach(model, lora.LoRA(rank=2))
    lora.save(tmp_path, model, lora.LoRA(rank=2))
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | field))
    with pytest.raises(ArtefactError, match=next(iter(field))):
        lora.load(tmp_path, toy_model())


def test_a_damaged_adapter_leaves_the_model_alone(tmp_path, toy_model):
    model = toy_model()
    lora.attach(model, lora.LoRA(rank=2))
    lora.save(tmp_path, model, lora.LoRA(rank=2))
    file = tmp_path / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-50])
    other = toy_model()
    with pytest.raises(ArtefactError):
        lora.load(tmp_path, other)
    assert not list(lora.adapters(other)) and all(p.requires_grad for p in other.parameters())
