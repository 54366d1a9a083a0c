"""Loading: shards, indexes, and how much memory it takes beside the weights themselves."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from firesteel.core.errors import ArtefactError
from firesteel.model.weights import load_model, save_model

MEASURE = """
import os, sys, torch
from firesteel.model.weights import load_model
import firesteel.model.lora  # whatever loading imports, before counting
def read(key):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(key)) * 1024
for case in sys.argv[1:]:  # a fork for each: loading torch takes longer than all of them
    if os.fork():
        assert not os.wait()[1]
        continue
    torch.zeros(4, 4) @ torch.zeros(4, 4)
    folder, _, dtype = case.rpartition(":")
    before = read("VmRSS")
    open("/proc/self/clear_refs", "w").write("5")
    model = load_model(folder, dtype=getattr(torch, dtype))
    kept = sum(p.nbytes for p in model.parameters())
    print(kept, read("VmHWM") - before, flush=True)
    os._exit(0)
"""
KINDS = [("bfloat16", "bfloat16"), ("bfloat16", "float32"), ("float32", "bfloat16")]  # stored, kept


@pytest.fixture(scope="module")
def measured(tmp_path_factory, toy_model):
    """(stored, kept) -> bytes of the weights, and what loading them takes at its peak."""
    shape = {"attention": "gqa", "num_key_value_heads": 4, "head_dim": 64, "num_attention_heads": 8, "hidden_size": 512}
    sizes = {
        "vocab_size": 60_000,
        "moe_intermediate_size": 512,
        "intermediate_size": 2048,
        "num_nextn_predict_layers": 0,
    }
    model = toy_model(**shape, **sizes, n_routed_experts=24, num_hidden_layers=4)  # a third of it is one table
    folders = {stored: tmp_path_factory.mktemp(stored) for stored, _ in KINDS}
    for stored, folder in folders.items():
        save_model(folder, model, dtype=getattr(torch, stored), shard=40 << 20)
        assert len(list(folder.glob("model-*.safetensors"))) > 2
    del model
    cases = [f"{folders[stored]}:{kept}" for stored, kept in KINDS]
    done = subprocess.run([sys.executable, "-c", MEASURE, *cases], capture_output=True, text=True, check=True)
    for folder in folders.values():
        shutil.rmtree(folder)
    return {kind: tuple(map(int, line.split())) for kind, line in zip(KINDS, done.stdout.splitlines(), strict=True)}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("stored", "kept"), KINDS)
def test_peak_memory_stays_within_1_3_times_the_weights_kept(measured, stored, kept):
    weights, peak = measured[stored, kept]
    assert weights > 150e6
    assert peak < 1.3 * weights, f"{peak / weights:.2f}"


def test_shards_equal_one_file(tmp_path, toy_model):
    model = toy_model()
    save_model(tmp_path, model, shard=30_000)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    files = sorted(p.name for p in tmp_path.glob("*.safetensors"))
    assert sorted(set(index["weight_map"].values())) == files and len(files) > 3
    again = load_model(tmp_path)
    for (name, a), (_, b) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_a_missing_shard_is_named(tmp_path, toy_model):
    save_model(tmp_path, toy_model(), shard=30_000)
    gone = sorted(tmp_path.glob("model-*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(ArtefactError, match=gone.name):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", 3])
def test_an_index_cannot_point_out_of_its_folder(tmp_path, toy_model, name):
    save_model(tmp_path, toy_model(), shard=30_000)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"model.norm.weight": name}}))
    with pytest.raises(ArtefactError, match="index"):
        load_model(tmp_path)


def test_a_tensor_in_two_files_is_an_error(tmp_path, toy_model):
    save_model(tmp_path, toy_model(), shard=30_000)
    (tmp_path / "model.safetensors.index.json").unlink()
    first = sorted(tmp_path.glob("model-*.safetensors"))[0]
    (tmp_path / "copy.safetensors").write_bytes(first.read_bytes())
    with pytest.raises(ArtefactError, match="twice"):
        load_model(tmp_path)


def test_announced_but_absent_mtp_modules_are_left_out_aloud(tmp_path, toy_model):
    model = toy_model(num_nextn_predict_layers=0)
    save_model(tmp_path, model)
    fields = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(fields | {"num_nextn_predict_layers": 1}))
    with pytest.warns(UserWarning, match="MTP"):
        assert load_model(tmp_path).config.num_nextn_predict_layers == 0


def test_a_half_written_mtp_module_is_an_error(tmp_path, toy_model):
    from safetensors.torch import load_file, save_file

    save_model(tmp_path, toy_model())
    tensors = load_file(tmp_path / "model.safetensors")
    save_file({n: t for n, t in tensors.items() if "eh_proj" not in n}, tmp_path / "model.safetensors")
    with pytest.raises(ArtefactError, match="layers.3.eh_proj"):
        load_model(tmp_path)
