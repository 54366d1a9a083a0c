"""Logits against transformers at toy size, every family, both directions, with padding on either side and without."""

import json
import random
import warnings

import pytest
import torch

from firesteel.model.weights import load_model, save_model
from tests.model.zoo import FAMILIES, checkpoint

transformers = pytest.importorskip("transformers")
NEAR = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture(autouse=True)
def quiet():
    """transformers announces MTP modules in every DeepSeek-V3 config that it saves, and saves none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "config.json announces MTP modules")
        yield


def _tokens(model, rows=3, length=23):
    return torch.randint(0, model.config.vocab_size, (rows, length), generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def _ours(model, tokens, segments=None):
    return model.logits(model(tokens, segments))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_of_an_imported_checkpoint_equal_transformers(tmp_path, family, seed):
    theirs = checkpoint(family, seed, tmp_path)
    ours, tokens = load_model(tmp_path), _tokens(theirs)
    with torch.no_grad():
        torch.testing.assert_close(_ours(ours, tokens), theirs(tokens).logits, **NEAR)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_on_either_side_changes_no_real_token(tmp_path, family, side):
    theirs = checkpoint(family, 3, tmp_path)
    ours, tokens = load_model(tmp_path), _tokens(theirs)
    real = torch.arange(23) < torch.tensor([23, 9, 16])[:, None]
    real = real.flip(1) if side == "left" else real
    with torch.no_grad():
        expected = theirs(tokens, attention_mask=real.long()).logits
    torch.testing.assert_close(_ours(ours, tokens, real.long())[real], expected[real], **NEAR)
    for row, keep in zip(tokens, real, strict=True):  # and without padding at all
        alone = _ours(ours, row[keep][None])[0]
        torch.testing.assert_close(alone, expected[(tokens == row).all(1)][0][keep], **NEAR)


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_loads_what_we_export(tmp_path, family):
    first, second = tmp_path / "theirs", tmp_path / "ours"
    second.mkdir()
    theirs = checkpoint(family, 4, first)
    ours, tokens = load_model(first), _tokens(theirs)
    save_model(second, ours, shard=20_000)
    assert (second / "model.safetensors.index.json").is_file()
    back, info = transformers.AutoModelForCausalLM.from_pretrained(
        second, attn_implementation="eager", output_loading_info=True, dtype=torch.float32
    )
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert type(back) is type(theirs)
    with torch.no_grad():
        torch.testing.assert_close(back.eval()(tokens).logits, theirs(tokens).logits, **NEAR)
    assert torch.equal(_ours(load_model(second), tokens), _ours(ours, tokens))


def test_kimi_k2_is_read_under_its_own_name(tmp_path):
    theirs = checkpoint("kimi_k2", 5, tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    old = fields.pop("rope_parameters")  # as Moonshot's own config.json has it
    fields |= {"model_type": "kimi_k2", "rope_theta": old.pop("rope_theta"), "rope_scaling": old | {"type": "yarn"}}
    fields |= {"scoring_func": "sigmoid", "topk_method": "noaux_tc", "moe_layer_freq": 1, "num_nextn_predict_layers": 0}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    tokens = _tokens(theirs)
    with torch.no_grad():
        torch.testing.assert_close(_ours(load_model(tmp_path), tokens), theirs(tokens).logits, **NEAR)


def test_packed_documents_do_not_see_each_other(tmp_path):
    checkpoint("deepseek_v3", 6, tmp_path)
    ours = load_model(tmp_path)
    tokens = _tokens(ours, rows=1, length=20)
    segments = torch.tensor([[0] * 8 + [1] * 12])
    packed = _ours(ours, tokens, segments)
    torch.testing.assert_close(packed[:, :8], _ours(ours, tokens[:, :8]), **NEAR)
    torch.testing.assert_close(packed[:, 8:], _ours(ours, tokens[:, 8:]), **NEAR)


def test_the_zoo_draws_different_shapes():
    assert len({str(FAMILIES["deepseek_v3"](random.Random(f"deepseek_v3/{s}"))) for s in range(3)}) == 3
