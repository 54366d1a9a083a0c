"""Weights stored in fewer bits: DeepSeek's block-scaled FP8, and what does not fit."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from firesteel.core.errors import ArtefactError
from firesteel.model.weight_files import WeightFiles, unblock
from firesteel.model.weights import load_model, save_model

BLOCK = (16, 8)  # 128 x 128 in DeepSeek's files; here small enough that toy matrices have several, and ragged ones


def block_fp8(weight, block, ue8m0=False):
    """DeepSeek-V3's storage, block by block in plain Python: s = amax / 448; returns stored e4m3 and weight_scale_inv."""
    rows, columns = weight.shape
    scale = torch.empty(math.ceil(rows / block[0]), math.ceil(columns / block[1]))
    stored = torch.empty(weight.shape, dtype=torch.float8_e4m3fn)
    value = torch.empty_like(weight)
    for i in range(scale.shape[0]):
        for j in range(scale.shape[1]):
            at = (slice(i * block[0], (i + 1) * block[0]), slice(j * block[1], (j + 1) * block[1]))
            s = max(float(weight[at].abs().max()), 1e-4) / 448
            s = 2.0 ** math.ceil(math.log2(s)) if ue8m0 else s
            scale[i, j] = s
            stored[at] = (weight[at] / scale[i, j]).to(torch.float8_e4m3fn)
            value[at] = stored[at].float() * scale[i, j]
    return stored, scale, value


def _store(folder, ue8m0=False):
    """Rewrite a saved model as FP8; returns the values that the file now holds."""
    tensors, values = load_file(folder / "model.safetensors"), {}
    for name, tensor in list(tensors.items()):
        if tensor.ndim == 2 and "proj" in name and "eh_proj" not in name:
            stored, scale, values[name] = block_fp8(tensor, BLOCK, ue8m0)
            tensors[name], tensors[f"{name}_scale_inv"] = stored, scale.to(torch.float8_e8m0fnu) if ue8m0 else scale
    save_file(tensors, folder / "model.safetensors")
    fields = json.loads((folder / "config.json").read_text())
    fields["quantization_config"] = {
        "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": list(BLOCK),
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(fields))
    return values


@pytest.fixture
def stored(tmp_path, toy_model):
    save_model(tmp_path, toy_model())
    return tmp_path


@pytest.mark.parametrize("ue8m0", [False, True])
def test_block_scaled_fp8_is_what_was_stored(stored, ue8m0):
    values = _store(stored, ue8m0)
    model = load_model(stored)
    assert torch.equal(model.layers[0].self_attn.kv_b_proj.weight, values["model.layers.0.self_attn.kv_b_proj.weight"])
    gate, up = model.layers[1].mlp.gate_up[3].chunk(2)
    assert torch.equal(gate, values["model.layers.1.mlp.experts.3.gate_proj.weight"])
    assert torch.equal(up, values["model.layers.1.mlp.experts.3.up_proj.weight"])
    mtp = model.mtp[0].block.mlp.down[0]
    assert torch.equal(mtp, values["model.layers.3.mlp.experts.0.down_proj.weight"])


def test_fp8_is_kept_as_bfloat16_where_no_dtype_is_asked_for(stored):
    values = _store(stored)
    tensors = load_file(stored / "model.safetensors")
    save_file({n: t.bfloat16() if t.dtype == torch.float32 and "scale" not in n else t for n, t in tensors.items()},
              stored / "model.safetensors")  # fmt: skip
    model = load_model(stored, dtype=None)
    weight = model.layers[0].self_attn.o_proj.weight
    assert weight.dtype == torch.bfloat16
    assert torch.equal(weight, values["model.layers.0.self_attn.o_proj.weight"].bfloat16())
    assert model.layers[1].mlp.gate.weight.dtype == torch.float32  # routing is decided by small differences


def test_a_weight_read_in_pieces_equals_the_whole(tmp_path, monkeypatch):
    weight = torch.randn(150, 33)
    stored, scale, value = block_fp8(weight, BLOCK)
    save_file({"w.weight": stored, "w.weight_scale_inv": scale}, tmp_path / "model.safetensors")
    monkeypatch.setattr("firesteel.model.weight_files.PIECE", 1000)
    target = torch.empty(150, 33)
    with WeightFiles(tmp_path, {"quant_method": "fp8", "weight_block_size": list(BLOCK)}) as files:
        assert files.names() == ["w.weight"]
        files.fill("w.weight", target)
    assert torch.equal(target, value) and torch.equal(unblock(stored, scale, BLOCK), value)


def test_published_blocks_are_128_by_128_with_ragged_ends():
    weight = torch.randn(300, 200)
    stored, scale, value = block_fp8(weight, (128, 128))
    assert scale.shape == (3, 2)
    assert torch.equal(unblock(stored, scale, (128, 128)), value)
    assert float((value - weight).abs().max()) < float(weight.abs().max()) / 16


def _without(folder, name):
    tensors = load_file(folder / "model.safetensors")
    del tensors[name]
    save_file(tensors, folder / "model.safetensors")


def test_a_weight_without_its_scale_is_named(stored):
    _store(stored)
    _without(stored, "model.layers.0.self_attn.o_proj.weight_scale_inv")
    with pytest.raises(ArtefactError, match="layers.0.self_attn.o_proj"):
        load_model(stored)


def test_scales_that_do_not_fit_are_named_with_both_shapes(stored):
    _store(stored)
    fields = json.loads((stored / "config.json").read_text())
    fields["quantization_config"]["weight_block_size"] = [128, 128]
    (stored / "config.json").write_text(json.dumps(fields))
    with pytest.raises(ArtefactError, match=r"scale_inv[\s\S]*needs scales of \[1, 1\]"):
        load_model(stored)


@pytest.mark.parametrize("how", [{"quant_method": "gptq", "bits": 4}, {"quant_method": "fp8"}, {"quant_method": "awq"}])
def test_other_quantisations_are_refused_by_name(stored, how):
    fields = json.loads((stored / "config.json").read_text())
    (stored / "config.json").write_text(json.dumps(fields | {"quantization_config": how}))
    with pytest.raises(ArtefactError, match=how["quant_method"]):
        load_model(stored)
