"""What a weights folder must be: complete, rightly shaped, never pickled."""

import errno
import json

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from firesteel.compress.quantise import quantise_rows, save_int8
from firesteel.core.errors import ArtefactError
from firesteel.model.weights import load_model, save_model, write_tensors


@pytest.fixture
def saved(tmp_path, toy_model):
    save_model(tmp_path, toy_model())
    return tmp_path


def _change(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_a_missing_tensor_is_named(saved):
    _change(saved, lambda t: t.pop("model.norm.weight"))
    with pytest.raises(ArtefactError, match="model.norm.weight"):
        load_model(saved)


def test_a_surplus_tensor_is_named(saved):
    _change(saved, lambda t: t.update(extra=torch.zeros(1)))
    with pytest.raises(ArtefactError, match="extra"):
        load_model(saved)


def test_a_wrong_shape_is_named_with_both_shapes(saved):
    _change(saved, lambda t: t.update({"model.norm.weight": torch.zeros(5)}))
    with pytest.raises(ArtefactError, match=r"model.norm.weight[\s\S]*\[32\][\s\S]*\[5\]"):
        load_model(saved)


def test_pickled_weights_are_refused_with_the_reason(saved):
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(ArtefactError, match="pickled"):
        load_model(saved)


def test_a_truncated_file_is_an_error(saved):
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtefactError, match="damaged"):
        load_model(saved)


@pytest.mark.parametrize(
    ("field", "value"),
    [("model_type", "mamba"), ("hidden_act", "gelu"), ("rope_parameters", {"rope_type": "dynamic", "factor": 2.0})],
)
def test_an_architecture_that_we_do_not_compute_is_refused(saved, field, value):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(ArtefactError, match=field.replace("parameters", "scaling")):
        load_model(saved)


def test_int8_weights_load_as_what_was_stored_and_are_near(tmp_path, toy_model):
    model = toy_model()
    save_int8(tmp_path, model)
    small = load_model(tmp_path)
    weight = model.layers[0].self_attn.o_proj.weight.detach()
    q, scale = quantise_rows(weight)
    assert torch.equal(small.layers[0].self_attn.o_proj.weight, q.float() * scale)
    assert float((q.float() * scale - weight).abs().max()) <= float(scale.max()) / 2 + 1e-7
    assert torch.equal(small.layers[1].mlp.gate.weight, model.layers[1].mlp.gate.weight)  # the router stays exact


def test_half_of_an_int8_pair_is_an_error(tmp_path, toy_model):
    save_int8(tmp_path, toy_model())
    _change(tmp_path, lambda t: t.pop("model.layers.0.self_attn.o_proj.weight_scale"))
    with pytest.raises(ArtefactError, match="o_proj"):
        load_model(tmp_path)


def test_a_full_disk_keeps_its_number_through_the_library(tmp_path, monkeypatch):
    """The library's error says only '(os error 28)'; whoever writes artefacts must see ENOSPC."""

    def full(*args, **kwargs):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("firesteel.model.weights.save_file", full)
    with pytest.raises(OSError) as e:
        write_tensors(tmp_path / "x.safetensors", {})
    assert e.value.errno == errno.ENOSPC
