"""config.json in and out: what is written reads as the same, and where transformers differs from DeepSeek's own code."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firesteel.core.errors import ArtefactError
from firesteel.model import families
from firesteel.model.config import ModelConfig, RopeScaling
from firesteel.model.moe import Router

HEADS = st.sampled_from([1, 2, 4])
SCALING = st.one_of(
    st.none(), st.builds(RopeScaling, st.just("linear"), st.sampled_from([2.0, 4.0])),
    st.builds(RopeScaling, st.just("llama3"), st.sampled_from([8.0, 32.0]), st.just(64), low_freq_factor=st.just(1.5)),
    st.builds(RopeScaling, st.just("yarn"), st.sampled_from([4.0, 40.0]), st.just(64), mscale=st.sampled_from([0.0, 1.0]),
              mscale_all_dim=st.sampled_from([0.0, 0.707]), truncate=st.booleans()),
)  # fmt: skip


@st.composite
def configs(draw):
    """Any shape that this model computes."""
    own = {
        "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 3, "intermediate_size": 48,
        "max_position_embeddings": 256, "num_nextn_predict_layers": draw(st.integers(0, 2)),
        "tie_word_embeddings": draw(st.booleans()), "rope_scaling": draw(SCALING), "rope_theta": 5e4,
        "rope_interleave": draw(st.booleans()), "mlp_bias": draw(st.booleans()), "qkv_bias": draw(st.booleans()),
        "o_bias": draw(st.booleans()), "rms_norm_eps": 1e-5, "bos_token_id": draw(st.sampled_from([None, 1])),
        "eos_token_id": draw(st.sampled_from([None, 2, (2, 3)])),
    }  # fmt: skip
    if draw(st.booleans()):
        own |= {
            "attention": "mla",
            "num_attention_heads": draw(HEADS),
            "q_lora_rank": draw(st.sampled_from([None, 12])),
        }
        own |= {"kv_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 10}
    else:
        groups = draw(HEADS)
        own |= {"attention": "gqa", "num_key_value_heads": groups, "num_attention_heads": groups * draw(HEADS)}
        own |= {"head_dim": 8, "qk_norm": draw(st.booleans())}
    if draw(st.booleans()):
        own |= {"n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
        own |= {"n_shared_experts": draw(st.integers(0, 2)), "first_k_dense_replace": draw(st.integers(0, 3))}
        own |= {"scoring_func": draw(st.sampled_from(["sigmoid", "softmax"])), "norm_topk_prob": draw(st.booleans())}
        own |= {"topk_method": draw(st.sampled_from(["noaux_tc", "greedy", "group_limited_greedy"]))}
        own |= {"routed_scaling_factor": 2.5, "n_group": draw(st.sampled_from([1, 4])), "topk_group": 1}
    return ModelConfig(**own)


@settings(max_examples=100, deadline=None)
@given(configs())
def test_what_is_written_reads_as_the_same(config):
    fields = json.loads(json.dumps(families.to_hf(config)))
    assert families.from_hf(fields) == config


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["vocab_size", "num_attention_heads", "hidden_size", "rope_scaling", "head_dim",
       "num_key_value_heads", "n_routed_experts", "kv_lora_rank", "n_group", "eos_token_id", "mlp_only_layers"]),
       st.one_of(st.none(), st.integers(-3, 3), st.text(max_size=3), st.lists(st.integers(), max_size=2), st.floats()),
       min_size=1), st.sampled_from(["deepseek_v3", "deepseek_v2", "llama", "qwen2", "qwen3_moe", "firesteel"]))  # fmt: skip
def test_garbage_in_config_json_is_our_error(garbage, kind):
    base = {"model_type": kind, "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    try:
        families.from_hf(base | garbage)
    except ArtefactError:
        pass


def test_a_missing_field_is_named():
    with pytest.raises(ArtefactError, match="vocab_size"):
        families.from_hf({"model_type": "llama", "hidden_size": 32, "num_attention_heads": 2})
    with pytest.raises(ArtefactError, match=r"known: .*deepseek_v3"):
        families.from_hf({"model_type": "mamba"})


@pytest.mark.parametrize(("field", "value"), [("use_sliding_window", True), ("layer_types", ["sliding_attention"]),
                                              ("partial_rotary_factor", 0.5), ("decoder_sparse_step", 2)])  # fmt: skip
def test_what_is_not_computed_is_refused_by_name(field, value):
    fields = families.to_hf(ModelConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, qk_norm=True,
        max_position_embeddings=64, attention="gqa", num_key_value_heads=2, head_dim=8, rope_interleave=False,
    ))  # fmt: skip
    with pytest.raises(ArtefactError, match=field):
        families.from_hf(fields | {field: value})


def _router(**changes):
    shape = {
        "vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 64, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8,
        "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 8,
    }  # fmt: skip
    router = Router(ModelConfig(**shape | changes))
    torch.nn.init.normal_(router.weight, generator=torch.Generator().manual_seed(0))
    return router


def test_v2_scales_its_gates_only_where_they_are_not_renormalised():
    """DeepSeek-V2's own code: with norm_topk_prob the gates sum to 1 and routed_scaling_factor is not applied.
    transformers' DeepseekV2 never renormalises and always scales, so such a config is not written as deepseek_v2."""
    v2 = {
        "model_type": "deepseek_v2",
        "scoring_func": "softmax",
        "topk_method": "greedy",
        "routed_scaling_factor": 16.0,
    }
    base = families.to_hf(_router(scoring_func="softmax", topk_method="greedy").config) | v2
    plain, renormalised = (families.from_hf(base | {"norm_topk_prob": norm}) for norm in (False, True))
    x = torch.randn(20, 16)
    for config, expected in ((plain, None), (renormalised, 1.0)):
        gates, experts, scores = _router(**vars(config))(x)
        total = gates.sum(-1)
        wanted = 16 * scores.gather(1, experts).sum(-1) if expected is None else torch.full_like(total, expected)
        torch.testing.assert_close(total, wanted)
    assert families.to_hf(plain)["model_type"] == "deepseek_v2"
    assert not families.transformers_loads(renormalised)


def test_v2_judges_a_group_by_its_best_expert_and_v3_by_its_two_best():
    scores = torch.tensor([[0.9, 0.0, 0.5, 0.45, 0.1, 0.2, 0.3, 0.05]])
    v2, v3 = (_router(n_group=4, topk_group=1, topk_method=m) for m in ("group_limited_greedy", "noaux_tc"))
    assert v2._within_groups(scores).argmax() == 0  # the group of 0.9
    assert v3._within_groups(scores).argmax() == 2  # 0.5 + 0.45 beats 0.9 + 0


def test_a_softmax_router_has_no_correction_bias():
    assert _router(scoring_func="softmax", topk_method="greedy").e_score_correction_bias is None
    assert _router().e_score_correction_bias is not None
