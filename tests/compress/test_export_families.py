"""GGUF files of every family: what comes back is what went in, llama.cpp computes the same, and the rest is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader

from firesteel.compress.export import export
from firesteel.compress.gguf import main_model, tensors_of
from firesteel.compress.gguf_keys import architecture_of
from firesteel.core.errors import ArtefactError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.config import ModelConfig, RopeScaling
from firesteel.model.gguf.config import config_of
from firesteel.model.gguf.file import open_gguf
from firesteel.model.gguf.importer import load_gguf
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from tests.compress.conftest import TOY, random_model

GQA: dict[str, Any] = {
    "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 32, "intermediate_size": 96, "max_position_embeddings": 256, "attention": "gqa", "rope_interleave": False,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": True,
}  # fmt: skip
EXPERTS = (
    "n_routed_experts",
    "num_experts_per_tok",
    "n_shared_experts",
    "moe_intermediate_size",
    "first_k_dense_replace",
)
MLA = TOY | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "num_nextn_predict_layers": 0}
DENSE_MLA = {name: value for name, value in MLA.items() if name not in (*EXPERTS, "routed_scaling_factor")}
SOFTMAX = {"scoring_func": "softmax", "topk_method": "greedy"}
MOE = {"n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32} | SOFTMAX
YARN = RopeScaling("yarn", 4.0, 64, mscale=0.707, mscale_all_dim=0.707)
LITE = (
    MLA
    | {"num_hidden_layers": 27, "q_lora_rank": None, "norm_topk_prob": False, "routed_scaling_factor": 1.0}
    | SOFTMAX
)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "v3": ("deepseek2", MLA),
    "v3, groups and yarn": (
        "deepseek2",
        MLA | {"n_routed_experts": 8, "n_group": 4, "topk_group": 2, "rope_scaling": YARN},
    ),
    "v3, gates as they are": ("deepseek2", MLA | {"norm_topk_prob": False}),
    "dense MLA": ("deepseek2", DENSE_MLA),
    "v2 lite": ("deepseek2", LITE),
    "llama": ("llama", GQA),
    "llama 3.1": ("llama", GQA | {"rope_theta": 500000.0, "rope_scaling": RopeScaling("llama3", 8.0, 64)}),
    "llama, linear": ("llama", GQA | {"rope_scaling": RopeScaling("linear", 2.0, 256)}),
    "llama, biases": ("llama", GQA | {"qkv_bias": True, "o_bias": True, "mlp_bias": True}),
    "qwen2": ("qwen2", GQA | {"qkv_bias": True, "head_dim": 16, "tie_word_embeddings": False}),
    "qwen3, yarn": ("qwen3", GQA | {"qk_norm": True, "rope_scaling": RopeScaling("yarn", 4.0, 64)}),
    "qwen3moe": ("qwen3moe", GQA | MOE | {"qk_norm": True}),
}
Folder = Callable[[dict[str, Any]], tuple[Path, Transformer]]


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Tokenizer) -> Folder:
    """Makes a model folder of a shape."""

    def make(shape: dict[str, Any], dtype: torch.dtype | None = None) -> tuple[Path, Transformer]:
        model, place = random_model(ModelConfig(**shape)), tmp_path / "model"
        place.mkdir()
        save_model(place, model, dtype=dtype)
        tokenizer.save(place)
        return place, model

    return make


def silent(text: str) -> None:
    pass


@pytest.mark.parametrize("case", CASES)
def test_a_file_comes_back_bit_by_bit(folder: Folder, tmp_path: Path, case: str) -> None:
    architecture, shape = CASES[case]
    place, model = folder(shape)
    facts = export(place, tmp_path / "m.gguf", "gguf", say=silent)
    file = open_gguf(tmp_path / "m.gguf")
    assert file.architecture == architecture and facts["logit_difference"] == 0 and config_of(file) == model.config
    back = load_gguf(file).state_dict()
    assert back.keys() == model.state_dict().keys()
    assert all(torch.equal(tensor, back[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("case", CASES)
def test_llama_cpp_itself_continues_a_text_as_we_do(
    folder: Folder, tmp_path: Path, tokenizer: Tokenizer, case: str
) -> None:
    llama = pytest.importorskip("xllamacpp")  # prebuilt llama.cpp; not among our test packages
    place, model = folder(CASES[case][1])
    export(place, tmp_path / "m.gguf", "gguf", say=silent)
    params = llama.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.warmup = str(tmp_path / "m.gguf"), 256, 1, False
    params.cache_type_k = params.cache_type_v = llama.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED  # it rounds to half precision
    ids = torch.randint(0, 300, (1, 90), generator=torch.Generator().manual_seed(1))
    letter = [[tokenizer.encode("a")[0], 100.0]]  # it tells no probabilities of half a character; they are before bias
    asked = {"prompt": ids[0].tolist(), "n_predict": 2, "temperature": 0, "n_probs": 320, "logit_bias": letter}
    found = llama.Server(params).handle_completions(asked)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    with torch.no_grad():
        ours = torch.log_softmax(model.logits(model(ids))[0, -1], -1)
    assert all(abs(ours[one["id"]] - one["logprob"]) < 1e-4 for one in found) and len(found) == 320


def test_rows_of_queries_and_keys_are_in_llama_cpps_order_for_llama_alone() -> None:
    model = random_model(ModelConfig(**GQA))
    rows = model.layers[0].self_attn.q_proj.weight
    stored = tensors_of(model, "llama")["blk.0.attn_q.weight"].tensor()
    assert torch.equal(stored[0], rows[0]) and torch.equal(stored[1], rows[16]) and torch.equal(stored[2], rows[1])
    assert torch.equal(tensors_of(model, "qwen2")["blk.0.attn_q.weight"].tensor(), rows)
    assert torch.equal(
        tensors_of(model, "llama")["blk.0.attn_v.weight"].tensor(), model.layers[0].self_attn.v_proj.weight
    )


REFUSED: list[tuple[dict[str, Any], str]] = [
    (MLA | {"q_lora_rank": None}, "no query latent .q_lora_rank. unless there are 26 or 27 layers"),
    (MLA | {"num_hidden_layers": 27, "n_routed_experts": 2}, "a query latent[\\s\\S]*takes for V2-Lite"),
    (MLA | {"n_shared_experts": 0}, "experts of which none is shared"),
    (MLA | {"num_nextn_predict_layers": 2}, "more than one multi-token prediction module"),
    (MLA | {"rope_scaling": RopeScaling("yarn", 4.0, 64, mscale=1.0, mscale_all_dim=0.5)}, "mscale unlike mscale_all_dim"),
    (MLA | {"qkv_bias": True}, "biases in MLA"),
    (LITE | {"topk_method": "group_limited_greedy", "n_group": 2}, "groups of experts judged by their best"),
    (GQA | {"rope_interleave": True}, "rotary pairs of neighbours"),
    (GQA | {"qk_norm": True, "qkv_bias": True}, "biases with a norm"),
    (GQA | {"rope_scaling": RopeScaling("llama3", 8.0, 64, low_freq_factor=2.0)}, "Llama 3.1's rule with other wavelengths"),
    (GQA | {"qk_norm": True, "rope_scaling": RopeScaling("llama3", 8.0, 64)}, "Llama 3.1's rotary scaling[\\s\\S]*'qwen3'"),
    (GQA | MOE | {"qk_norm": True, "norm_topk_prob": False}, "gates that are scaled or do not sum to 1"),
    (GQA | MOE | {"qk_norm": True, "n_shared_experts": 1}, "shared experts[\\s\\S]*'qwen3moe' is the nearest"),
    (GQA | {"rope_scaling": RopeScaling("yarn", 4.0, 64, truncate=False)}, "YaRN without whole dimensions"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "message"), REFUSED)
def test_models_that_llama_cpp_does_not_compute_are_refused_by_name(shape: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtefactError, match=f"llama.cpp would not load this model: {message}"):
        architecture_of(ModelConfig(**shape))


def test_nothing_is_written_of_a_model_that_is_refused(folder: Folder, tmp_path: Path) -> None:
    place, _ = folder(GQA | {"rope_interleave": True})
    with pytest.raises(ArtefactError, match="hint: export to hf"):
        export(place, tmp_path / "m.gguf", "gguf", say=silent)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("dtype", "kind", "worst"), [("bf16", "BF16", 0.1), ("f16", "F16", 0.02), ("q8_0", "Q8_0", 0.5)]
)
def test_smaller_number_formats_of_llama(folder: Folder, tmp_path: Path, dtype: str, kind: str, worst: float) -> None:
    place, _ = folder(GQA)
    facts = export(place, tmp_path / "m.gguf", "gguf", dtype=dtype, say=silent)
    kinds = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "m.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == kind and kinds["blk.0.attn_norm.weight"] == "F32"
    assert 0 < facts["logit_difference"] < worst


def test_a_folder_keeps_its_dtype_and_its_settings_for_generation(folder: Any, tmp_path: Path) -> None:
    place, _ = folder(GQA, torch.bfloat16)
    (place / "generation_config.json").write_text('{"eos_token_id": [2, 3]}')
    export(place, tmp_path / "hf", "hf", say=silent)
    assert load_model(tmp_path / "hf", dtype=None).embed_tokens.weight.dtype == torch.bfloat16
    assert (tmp_path / "hf/generation_config.json").read_text() == '{"eos_token_id": [2, 3]}'


def test_a_model_without_its_prediction_modules_has_all_of_its_other_weights() -> None:
    model = random_model(ModelConfig(**(MLA | {"num_nextn_predict_layers": 1})))
    plain = main_model(model)
    assert len(plain.mtp) == 0 and not any(b.is_meta for b in [*plain.buffers(), *plain.parameters()])
    assert plain.embed_tokens.weight.data_ptr() == model.embed_tokens.weight.data_ptr(), "shared, not copied"
