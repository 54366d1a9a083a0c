"""GGUF in: models of every architecture compute what transformers computes, and what cannot be read is refused by name."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

from firesteel.core.errors import ArtefactError
from firesteel.model.config import RopeScaling
from firesteel.model.gguf import read as gguf_read
from firesteel.model.gguf.config import config_of
from firesteel.model.gguf.file import open_gguf
from firesteel.model.gguf.importer import import_gguf, kept_dtype, load_gguf
from firesteel.model.gguf.tokenizer import read_tokenizer
from tests.model.converted import convert

transformers = pytest.importorskip("transformers")
BASE: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
MLA: dict[str, Any] = BASE | {
    "num_key_value_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 32, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
    "v_head_dim": 16, "moe_intermediate_size": 32, "first_k_dense_replace": 1, "n_routed_experts": 8,
    "num_experts_per_tok": 3, "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.5,
}  # fmt: skip
V3, V2 = ("deepseek_v3", MLA), ("deepseek_v2", MLA | {"topk_method": "greedy"})
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 10000.0}
LLAMA31 = {
    "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 500000.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip
MOE = {"num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 32, "norm_topk_prob": True}
GROUPS = {"n_group": 4, "topk_group": 2}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", BASE | {"rms_norm_eps": 1e-5}),
    "llama tied, MHA": ("llama", BASE | {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    "llama 3.1": ("llama", BASE | {"head_dim": 32, "rope_parameters": LLAMA31}),
    "llama, linear": (
        "llama",
        BASE | {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}},
    ),
    "llama, biases": ("llama", BASE | {"attention_bias": True, "mlp_bias": True}),
    "qwen2": ("qwen2", BASE | {"tie_word_embeddings": True}),
    "qwen2, yarn": ("qwen2", BASE | {"rope_parameters": YARN}),
    "qwen3": ("qwen3", BASE | {"head_dim": 32}),
    "qwen3moe": ("qwen3_moe", BASE | MOE | {"head_dim": 32}),
    "v3": V3,
    "v3, groups and yarn": (
        "deepseek_v3",
        MLA | GROUPS | {"rope_parameters": YARN | {"mscale": 1.0, "mscale_all_dim": 1.0}},
    ),
    "moonlight": ("deepseek_v3", MLA | {"q_lora_rank": None}),
    "v2 lite": V2,
    "v2 lite, yarn": ("deepseek_v2", V2[1] | {"rope_parameters": YARN | {"mscale": 0.707, "mscale_all_dim": 0.707}}),
    "v2": ("deepseek_v2", MLA | GROUPS | {"topk_method": "group_limited_greedy"}),
}
Make = Callable[..., Path]


def checkpoint(kind: str, fields: dict[str, Any], folder: Path) -> Any:
    """A toy model with weights that matter, saved; returns the model."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **fields)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, p in [*model.named_parameters(), *model.named_buffers()]:
            if "inv_freq" not in name:
                flat = "e_score" in name or name.endswith("bias")
                p.normal_(std=0.2) if flat else p.normal_(1.0, 0.2) if p.ndim < 2 else p.normal_(
                    std=p.shape[-1] ** -0.5
                )
    model.save_pretrained(folder)
    return model


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a GGUF file of a case."""

    def one(case: str = "llama", **options: Any) -> Path:
        checkpoint(*CASES[case], tmp_path / "hf")
        return convert(tmp_path / "hf", tmp_path / "m.gguf", **options)

    return one


def tokens(count: int = 60) -> torch.Tensor:
    return torch.randint(0, 96, (2, count), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("case", CASES)
def test_a_file_computes_what_its_checkpoint_computes(tmp_path: Path, case: str) -> None:
    reference = checkpoint(*CASES[case], tmp_path / "hf")
    model = load_gguf(open_gguf(convert(tmp_path / "hf", tmp_path / "m.gguf")))
    with torch.no_grad():
        ours, theirs = model.logits(model(tokens())), reference(tokens()).logits
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("case", ["v3", "v2 lite, yarn"])
def test_files_from_before_the_split_of_kv_b_hold_the_same_model(tmp_path: Path, case: str) -> None:
    reference = checkpoint(*CASES[case], tmp_path / "hf")
    file = open_gguf(convert(tmp_path / "hf", tmp_path / "old.gguf", old=True))
    assert "blk.0.attn_kv_b.weight" in file.tensors and "deepseek2.expert_gating_func" not in file.keys
    new = open_gguf(convert(tmp_path / "hf", tmp_path / "new.gguf"))
    assert config_of(file) == config_of(new)
    with torch.no_grad():
        model = load_gguf(file)
        torch.testing.assert_close(model.logits(model(tokens())), reference(tokens()).logits, atol=2e-4, rtol=2e-4)


def test_keys_become_fields(make: Make) -> None:
    ids = {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 5, "tokenizer.ggml.eot_token_id": 7}
    config = config_of(open_gguf(make("llama", **ids)))
    assert config.vocab_size == 96, "from the embedding's rows: the file has no such key"
    assert config.rms_norm_eps == 1e-5, "not the float32 beside it"
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, (5, 7), None)
    assert not config.rope_interleave and not config.tie_word_embeddings and config.num_key_value_heads == 2


def test_a_yarn_file_says_deepseeks_temperature_once(make: Make) -> None:
    scaling = config_of(open_gguf(make("v2 lite, yarn"))).rope_scaling
    assert scaling == RopeScaling("yarn", 4.0, 32, mscale=0.707, mscale_all_dim=0.707)


def test_llama_3_1_is_recognised_by_its_factors(make: Make) -> None:
    assert config_of(open_gguf(make("llama 3.1"))).rope_scaling == RopeScaling("llama3", 32.0, 8192)


def test_factors_of_another_rule_are_refused(tmp_path: Path) -> None:
    kind, fields = CASES["llama 3.1"]
    odd = LLAMA31 | {"original_max_position_embeddings": 1024}
    checkpoint(kind, fields | {"rope_parameters": odd}, tmp_path / "hf")
    with pytest.raises(ArtefactError, match=r"rope_freqs.weight = '16 factors up to 32[\s\S]*Llama 3.1's rule"):
        config_of(open_gguf(convert(tmp_path / "hf", tmp_path / "m.gguf")))


@pytest.mark.parametrize(
    ("case", "keys", "message"),
    [
        ("llama", {"expert_count": 8}, "llama.expert_count = 8[\\s\\S]*Mixtral"),
        ("llama", {"attention__sliding_window": 4096}, "sliding_window = 4096[\\s\\S]*does not know what the key asks for"),
        ("llama", {"rope__scaling__type": "longrope", "rope__scaling__factor": 4.0}, "longrope[\\s\\S]*none, linear, yarn"),
        ("llama", {"rope__dimension_count": 8}, "rope.dimension_count = 8[\\s\\S]*only the width of a key, 16"),
        ("llama", {"attention__head_count_kv": [2, 1]}, "head_count_kv = \\[2, 1\\][\\s\\S]*the same in every layer"),
        ("llama", {"block_count": 1 << 20}, "larger model than the GGUF file holds"),
        ("llama", {"block_count": 3}, "a tensor is missing from the GGUF file: blk.2"),
        ("llama", {"block_count": 1}, "surplus tensors in the GGUF file: blk.1"),
        ("llama", {"feed_forward_length": 95}, "wrong shape: blk.0.ffn_gate.weight[\\s\\S]*\\[95, 64\\]"),
        ("llama", {"attention__head_count_kv": 3}, "do not fit together[\\s\\S]*must divide the heads"),
        ("llama", {"embedding_length": None}, "lacks a key: llama.embedding_length"),
        ("llama", {"context_length": "long"}, "llama.context_length = 'long'[\\s\\S]*a count was expected"),
        ("llama", {"general__architecture": "mamba"}, "another architecture: mamba[\\s\\S]*llama, qwen2, qwen3, qwen3moe"),
        ("llama", {"split__count": 3}, "one part of a model[\\s\\S]*llama-gguf-split --merge"),
        ("v3", {"expert_gating_func": 3}, "expert_gating_func = 3[\\s\\S]*softmax 1, sigmoid 2"),
        ("v3", {"expert_count": 1 << 20}, "expert_count = 1048576"),
        ("v3", {"attention__temperature_scale": 0.1}, "temperature_scale"),
    ],
)  # fmt: skip
def test_what_is_not_computed_is_refused_by_name(make: Make, case: str, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        load_gguf(open_gguf(make(case, **keys)))


def test_keys_that_are_off_or_say_nothing_are_passed_over(make: Make) -> None:
    off = {"expert_count": 0, "attention__sliding_window": 0, "tensor_data_layout": "Meta AI original pth"}
    assert config_of(open_gguf(make("llama", **off))).n_routed_experts == 0


def test_one_value_a_layer_is_one_value_when_all_are_the_same(make: Make) -> None:
    assert config_of(open_gguf(make("llama", attention__head_count_kv=[2, 2]))).num_key_value_heads == 2


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "BF16", "F16"])
@pytest.mark.parametrize("case", ["llama", "qwen3moe", "v3"])
def test_quantised_weights_are_the_floats_they_stand_for(
    make: Make, monkeypatch: pytest.MonkeyPatch, case: str, kind: str
) -> None:
    """Piece by piece into places in another order, and whole in the library: the same numbers in the exact model's places."""
    path = make(case, kind=kind)
    exact = dict(load_gguf(open_gguf(_dequantised(path))).state_dict())
    monkeypatch.setattr(gguf_read, "PIECE", 200)  # a few rows
    found = dict(load_gguf(open_gguf(path)).state_dict())
    assert found.keys() == exact.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, exact[name], atol=0, rtol=0)


def _dequantised(path: Path) -> Path:
    """The same file in F32, dequantised as a whole by the library."""
    from gguf import GGUFWriter

    reader = GGUFReader(path)
    writer = GGUFWriter(path.parent / "exact.gguf", reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1])
    for t in reader.tensors:
        shape = [int(n) for n in reversed(t.shape)]
        writer.add_tensor(t.name, dequantize(t.data, t.tensor_type).reshape(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.parent / "exact.gguf"


@pytest.mark.parametrize("case", ["llama", "qwen3moe", "v3"])
def test_no_more_than_a_piece_is_read_at_once(make: Make, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    read: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:  # type: ignore[override]
            read.append(size or 0)
            return super().read(size or 0)

    path = make(case)
    file = open_gguf(path)
    monkeypatch.setattr(gguf_read, "PIECE", 256)
    monkeypatch.setattr(type(path), "open", lambda self, mode: Counting(self, "r"))
    load_gguf(file)
    rows = max(4 * max(stored.shape[-1], 256) for stored in file.tensors.values())
    assert len(read) > 100 and 0 < max(read) <= rows


def test_the_dtype_that_keeps_the_weights(make: Make) -> None:
    assert kept_dtype(open_gguf(make("llama", kind="BF16"))) == torch.bfloat16
    assert kept_dtype(open_gguf(make("llama", kind="Q8_0"))) == torch.float32
    file = open_gguf(make("v3", kind="F16"))
    assert kept_dtype(file) == torch.float32, "activations may not fit into float16"
    model = load_gguf(file, torch.bfloat16)
    assert model.embed_tokens.weight.dtype == torch.bfloat16
    assert model.layers[1].mlp.gate.weight.dtype == torch.float32, "routing is decided by small differences"


def vocabulary(size: int) -> dict[str, Any]:
    """Keys of a tokenizer with three control tokens, bytes, and one merge."""
    tokens = [f"<|{i}|>" for i in range(3)] + [chr(0x21 + i) for i in range(size - 4)] + ["!!"]
    return {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 3 + [1] * (size - 3), "tokenizer.ggml.merges": ["! !"],
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.eot_token_id": 0,
    }  # fmt: skip


def test_an_import_is_a_folder_that_transformers_generates_with(make: Make, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = import_gguf(make("llama", **vocabulary(80)), tmp_path / "out")
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        torch.testing.assert_close(
            other(tokens()).logits, found.model.logits(found.model(tokens())), atol=2e-4, rtol=2e-4
        )
    assert other.generation_config.eos_token_id == [2, 0]
    assert found.facts["number_formats"].keys() == {"F32"}


def test_a_tokenizer_larger_than_the_model_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="97 tokens, 96 rows"):
        import_gguf(make("llama", **vocabulary(97)), tmp_path)


def test_a_file_cut_off_within_its_tensors_is_refused_when_it_is_opened(make: Make) -> None:
    path = make("llama")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match="cannot be read: .*m.gguf[\\s\\S]*ends 1 bytes after the file"):
        open_gguf(path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    checkpoint(*CASES["llama 3.1"], folder / "hf")
    path = convert(folder / "hf", folder / "m.gguf", **vocabulary(80))
    load_gguf(open_gguf(path))
    return path.read_bytes(), folder


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_does_no_more_than_raise_our_error(sound: tuple[bytes, Path], seed: int) -> None:
    """A hundred files each: cut off anywhere, or with bits and bytes of the header changed."""
    content, folder = sound
    rng, refused = random.Random(seed), 0
    start = min(stored.begin for stored in open_gguf(folder / "m.gguf").tensors.values())
    for number in range(100):
        damaged = bytearray(content)
        if number % 3 == 0:
            damaged = damaged[: rng.randrange(len(damaged))]
        else:
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(start)
                damaged[at] = rng.choice([damaged[at] ^ 1 << rng.randrange(8), 0, 255, 9, 8])
        (folder / "x.gguf").write_bytes(damaged)
        try:
            file = open_gguf(folder / "x.gguf")
            read_tokenizer(file)
            load_gguf(file)
        except ArtefactError:
            refused += 1
    assert refused > 33
