"""Exports: what others load computes the same, what was written comes back, and what cannot be written is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firesteel.compress.export import export
from firesteel.compress.gguf import chat_template
from firesteel.compress.quantise import save_int8
from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.gguf.file import open_gguf
from firesteel.model.gguf.importer import import_gguf, load_gguf
from firesteel.model.gguf.tokenizer import read_tokenizer
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from tests.compress.conftest import toy
from tests.compress.reference import Reference

Folder = Callable[..., tuple[Path, Transformer]]
VARIANTS: list[dict[str, Any]] = [
    {}, {"tie_word_embeddings": False, "n_shared_experts": 2}, {"num_nextn_predict_layers": 0, "first_k_dense_replace": 0},
]  # fmt: skip
MESSAGES = [{"role": "user", "content": "12+34 <|eos|>"}, {"role": "assistant", "content": "46"}]


def silent(text: str) -> None:
    pass


def logits(model: Transformer, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model(tokens))


def tokens(count: int = 40) -> torch.Tensor:
    return torch.randint(0, 300, (2, count), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("changes", VARIANTS)
def test_transformers_computes_the_same_from_an_exported_folder(folder: Folder, tmp_path: Path, changes: Any) -> None:
    transformers = pytest.importorskip("transformers")
    place, model = folder(**changes)
    export(place, tmp_path / "hf", "hf", say=silent)
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf", attn_implementation="eager").eval()
    assert type(other).__name__ == "DeepseekV3ForCausalLM"
    with torch.no_grad():
        torch.testing.assert_close(other(tokens()).logits, logits(model, tokens()), atol=1e-4, rtol=1e-4)


def test_transformers_renders_conversations_to_the_same_tokens(
    folder: Folder, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    transformers = pytest.importorskip("transformers")
    place, _ = folder()
    export(place, tmp_path / "hf", "hf", say=silent)
    other = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    plain = [{"role": "user", "content": "the law 12+34"}]
    ids = other.apply_chat_template(plain, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert ids == tokenizer.render(plain, add_generation_prompt=True).ids


def test_an_int8_model_is_exported_as_the_floats_it_stands_for(folder: Folder, tmp_path: Path) -> None:
    place, model = folder()
    save_int8(place, model)
    facts = export(place, tmp_path / "hf", "hf", say=silent)
    assert facts["logit_difference"] == 0 and "quantization_config" not in (tmp_path / "hf/config.json").read_text()
    torch.testing.assert_close(
        logits(load_model(tmp_path / "hf"), tokens()), logits(load_model(place), tokens()), atol=0, rtol=0
    )
    assert artefact.read(tmp_path / "hf", "model", verify=True)


@pytest.mark.parametrize("changes", VARIANTS)
def test_a_gguf_file_computes_the_same_in_another_implementation(folder: Folder, tmp_path: Path, changes: Any) -> None:
    place, model = folder(**changes)
    export(place, tmp_path / "m.gguf", "gguf", say=silent)
    ids = tokens(12)[:1]
    other = Reference(tmp_path / "m.gguf").logits(ids[0].tolist())
    np.testing.assert_allclose(other, logits(model, ids)[0].numpy(), atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("changes", VARIANTS)
@pytest.mark.parametrize("mtp", [True, False])
def test_a_gguf_file_comes_back_bit_by_bit(
    folder: Folder, tmp_path: Path, tokenizer: Tokenizer, changes: Any, mtp: bool
) -> None:
    place, model = folder(**changes)
    export(place, tmp_path / "m.gguf", "gguf", mtp=mtp, say=silent)
    (tmp_path / "back").mkdir()
    import_gguf(tmp_path / "m.gguf", tmp_path / "back")
    back = load_model(tmp_path / "back")
    kept = {name: t for name, t in model.state_dict().items() if mtp or not name.startswith("mtp.")}
    assert kept.keys() == back.state_dict().keys()
    assert all(torch.equal(tensor, back.state_dict()[name]) for name, tensor in kept.items())
    assert len(back.mtp) == (mtp and model.config.num_nextn_predict_layers)
    other = Tokenizer.load(tmp_path / "back")
    assert other.special == tokenizer.special
    for text in ("the law 第一条 12+34", "a\tb\r\n  c", "<think>not special</think>", "龘𠮷"):
        assert other.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize(("dtype", "worst", "size"), [("f16", 0.02, 0.6), ("q8_0", 2.0, 0.45)])
def test_smaller_number_formats_stay_close_and_are_smaller(
    folder: Folder, tmp_path: Path, dtype: str, worst: float, size: float
) -> None:
    place, model = folder(kv_lora_rank=32)
    heard: list[str] = []
    whole = export(place, tmp_path / "m.gguf", "gguf", say=silent)
    small = export(place, tmp_path / "s.gguf", "gguf", dtype=dtype, say=heard.append)
    weights = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("mtp"))
    assert 0 < small["logit_difference"] < worst and whole["bytes"] - small["bytes"] > (1 - size) * 4 * weights * 0.8
    wide = [line for line in heard if "instead of q8_0" in line]
    assert bool(wide) == (dtype == "q8_0") and all(f"{small['kept_wide']} tensors" in line for line in wide)


def test_the_router_and_the_norms_stay_exact(folder: Folder, tmp_path: Path) -> None:
    place, _ = folder()
    export(place, tmp_path / "m.gguf", "gguf", dtype="q8_0", say=silent)
    kinds = {t.name: t.tensor_type.name for t in GGUFReader(tmp_path / "m.gguf").tensors}
    exact = [n for n in kinds if "norm" in n or n.endswith(("ffn_gate_inp.weight", "exp_probs_b.bias"))]
    assert exact and all(kinds[name] == "F32" for name in exact) and kinds["token_embd.weight"] == "Q8_0"


def test_keys_describe_the_model_as_llama_cpp_runs_it(folder: Folder, tmp_path: Path, tokenizer: Tokenizer) -> None:
    place, _ = folder()
    export(place, tmp_path / "m.gguf", "gguf", mtp=True, say=silent)
    keys = {name: field.contents() for name, field in GGUFReader(tmp_path / "m.gguf").fields.items()}
    want = {
        "general.architecture": "deepseek2", "deepseek2.block_count": 4, "deepseek2.nextn_predict_layers": 1,
        "deepseek2.attention.head_count": 2, "deepseek2.attention.head_count_kv": 1,
        "deepseek2.attention.key_length": 24, "deepseek2.attention.value_length": 16,
        "deepseek2.attention.key_length_mla": 20, "deepseek2.attention.value_length_mla": 16,
        "deepseek2.rope.dimension_count": 8, "deepseek2.expert_gating_func": 2, "deepseek2.expert_weights_norm": True,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.bos_token_id": tokenizer.bos_id, "tokenizer.ggml.eos_token_id": tokenizer.eos_id,
    }  # fmt: skip
    assert {name: keys[name] for name in want} == want
    assert len(keys["tokenizer.ggml.tokens"]) == 320 and keys["tokenizer.ggml.token_type"][-1] == 5  # spare rows
    shapes = {t.name: [int(n) for n in reversed(t.shape)] for t in GGUFReader(tmp_path / "m.gguf").tensors}
    assert shapes["blk.1.attn_k_b.weight"] == [2, 16, 12] and shapes["blk.1.attn_v_b.weight"] == [2, 16, 16]
    assert shapes["blk.1.ffn_up_exps.weight"] == [6, 32, 32] and shapes["blk.3.nextn.eh_proj.weight"] == [32, 64]


def test_the_chat_template_keeps_its_meaning_without_training_tags(tokenizer: Tokenizer) -> None:
    jinja2 = pytest.importorskip("jinja2")
    template = chat_template(tokenizer)
    assert template is not None and "generation %}" not in template and "add_generation_prompt" in template
    text = jinja2.Template(template).render(messages=MESSAGES, add_generation_prompt=True)
    assert text == "<|bos|><|user|>12+34 <|eos|><|assistant|>46<|eos|><|assistant|>"


def test_what_is_left_out_is_said_aloud(folder: Folder, tmp_path: Path) -> None:
    place, _ = folder()
    heard: list[str] = []
    export(place, tmp_path / "m.gguf", "gguf", say=heard.append)
    assert any("left out: the multi-token prediction module" in line for line in heard)
    export(place, tmp_path / "hf", "hf", say=heard.append)
    assert "does not read the multi-token prediction module" in heard[-1]


def test_nothing_is_left_behind_when_an_export_fails(folder: Folder, tmp_path: Path) -> None:
    place, model = folder()
    model.embed_tokens.weight.data[0, 0] = 1e6
    from firesteel.model.weights import save_model

    save_model(place, model)
    with pytest.raises(ArtefactError, match="too large for f16: token_embd.weight"):
        export(place, tmp_path / "m.gguf", "gguf", dtype="f16", say=silent)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("hff",), UserError, "did you mean 'hf'"),
        (("gguf", "q4"), UserError, "unknown number format"),
    ],
)
def test_unknown_formats_are_named(
    folder: Folder, tmp_path: Path, arguments: tuple[str, ...], error: type, message: str
) -> None:
    place, _ = folder()
    with pytest.raises(error, match=message):
        export(place, tmp_path / "x", arguments[0], dtype=(*arguments, "f32")[1], say=silent)


def test_a_taken_place_is_left_alone(folder: Folder, tmp_path: Path) -> None:
    place, _ = folder()
    (tmp_path / "m.gguf").write_text("mine")
    with pytest.raises(ArtefactError, match="the place is taken"):
        export(place, tmp_path / "m.gguf", "gguf", say=silent)
    assert (tmp_path / "m.gguf").read_text() == "mine"


def test_a_tokenizer_that_llama_cpp_would_split_differently_is_refused(folder: Folder, tmp_path: Path) -> None:
    place, _ = folder()
    text = (place / "tokenizer.json").read_text(encoding="utf-8")
    (place / "tokenizer.json").write_text(text.replace(r"\\p{N}", r"\\p{N}{1,3}"), encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"cannot be written to a GGUF file[\s\S]*qwen2"):
        export(place, tmp_path / "m.gguf", "gguf", say=silent)


def test_toys_differ_by_seed() -> None:
    assert not torch.equal(toy(0).embed_tokens.weight, toy(1).embed_tokens.weight)


def damaged(folder: Folder, tmp_path: Path) -> Path:
    place, _ = folder()
    export(place, tmp_path / "m.gguf", "gguf", say=silent)
    return tmp_path / "m.gguf"


@pytest.mark.parametrize("cut", [0, 3, 20, 1000, 0.5, 0.99])
def test_a_truncated_gguf_file_is_an_error_that_names_it(folder: Folder, tmp_path: Path, cut: float) -> None:
    file = damaged(folder, tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(cut * len(content)) if 0 < cut < 1 else int(cut)])
    with pytest.raises(ArtefactError, match="m.gguf"):
        import_gguf(file, tmp_path)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_header_never_does_more_than_raise_our_error(header: tuple[bytes, Path], data: st.DataObject) -> None:
    content, place = header
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, 12_000))] = data.draw(st.sampled_from([0, 1, 8, 9, 127, 255]))
    (place / "x.gguf").write_bytes(damaged)
    try:
        file = open_gguf(place / "x.gguf")
        read_tokenizer(file)
        load_gguf(file)
    except ArtefactError:
        pass


@pytest.fixture
def header(folder: Folder, tmp_path: Path) -> tuple[bytes, Path]:
    return damaged(folder, tmp_path).read_bytes(), tmp_path


def other_file(path: Path, architecture: str, **keys: str) -> Path:
    writer = GGUFWriter(path, architecture)
    for name, value in keys.items():
        writer.add_string(name, value)
    writer.add_tensor("token_embd.weight", np.zeros((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_another_architecture_is_refused_with_what_is_supported(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="another architecture: mamba[\\s\\S]*deepseek2"):
        import_gguf(other_file(tmp_path / "x.gguf", "mamba"), tmp_path)


def test_a_file_without_our_keys_names_the_first(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="lacks a key: deepseek2.context_length"):
        import_gguf(other_file(tmp_path / "x.gguf", "deepseek2"), tmp_path)


def test_unreadable_number_formats_are_named(tmp_path: Path) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    writer = GGUFWriter(tmp_path / "x.gguf", "deepseek2")
    data = quantize(np.zeros((2, 256), np.float32), GGMLQuantizationType.TQ1_0)
    writer.add_tensor("t", data, raw_dtype=GGMLQuantizationType.TQ1_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(
        ArtefactError,
        match="unreadable number format[\\s\\S]*TQ1_0[\\s\\S]*F32, F16, BF16, Q8_0, Q4_0[\\s\\S]*llama-quantize",
    ):
        import_gguf(tmp_path / "x.gguf", tmp_path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no such file"):
        import_gguf(tmp_path / "none.gguf", tmp_path)


def test_a_shape_that_transformers_does_not_compute_is_said(tmp_path: Path) -> None:
    model = Transformer(ModelConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=64, attention="gqa", num_key_value_heads=2, head_dim=8, rope_interleave=True,
    ))  # fmt: skip
    model.initialise(torch.Generator().manual_seed(0))
    (tmp_path / "model").mkdir()
    save_model(tmp_path / "model", model)
    said: list[str] = []
    export(tmp_path / "model", tmp_path / "out", "hf", say=said.append)
    assert any("no architecture in transformers" in line for line in said)
