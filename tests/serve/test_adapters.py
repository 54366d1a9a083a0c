"""What is said about a LoRA adapter that cannot be served: its name, what is wrong with it, what to do."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from firesteel.core.errors import ArtefactError, RecipeError, UserError
from firesteel.model import lora
from firesteel.model.transformer import Transformer
from firesteel.serve.adapters import Adapters, check
from firesteel.serve.options import adapters_of


@pytest.fixture
def folder(model: Transformer, tmp_path: Path) -> Path:
    """An adapter of rank 4."""
    own, what = copy.deepcopy(model), lora.LoRA(rank=4)
    lora.attach(own, what)
    path = tmp_path / "law"
    path.mkdir()
    lora.save(path, own, what)
    return path


def written(folder: Path, **fields: object) -> None:
    path = folder / lora.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def cut(folder: Path, change: Callable[[str, torch.Tensor], torch.Tensor | None]) -> None:
    path = folder / lora.FILE
    changed = {name: change(name, tensor) for name, tensor in load_file(path).items()}
    save_file({name: t.contiguous() for name, t in changed.items() if t is not None}, path)


def refused(model: Transformer, folder: Path) -> UserError:
    """The error, which names the adapter; the model is as it was."""
    own = copy.deepcopy(model)
    with pytest.raises(UserError, match="adapter 'law'") as e:
        Adapters(own, {"law": folder})
    assert not list(lora.adapters(own)) and e.value.value
    return e.value


def test_names_are_seen_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="called as the model") as e:
        check({"law": tmp_path}, "law")
    assert "--name" in e.value.hint
    with pytest.raises(RecipeError, match="two adapters have one name: law"):
        adapters_of(["law=a", "law=b"])


def test_files_that_are_not_there_are_named(folder: Path) -> None:
    check({"law": folder}, "base")
    with pytest.raises(ArtefactError, match="'law' cannot be found") as e:
        check({"law": folder / "none"}, "base")
    assert "no such folder" in e.value.why
    with pytest.raises(ArtefactError, match="'law' cannot be found") as e:
        check({"law": folder / lora.FILE}, "base")
    assert "no folder" in e.value.why
    with pytest.raises(ArtefactError, match="'law' is no LoRA adapter") as e:
        check({"law": folder.parent}, "base")
    assert lora.CONFIG in e.value.why and f"did you mean {folder}?" in e.value.hint
    (folder / lora.FILE).rename(folder / "adapter_model.bin")
    with pytest.raises(ArtefactError, match="'law' is no LoRA adapter") as e:
        check({"law": folder}, "base")
    assert lora.FILE in e.value.why and "pickle" in e.value.hint


def test_a_rank_that_the_matrices_do_not_have(model: Transformer, folder: Path) -> None:
    written(folder, r=8)
    error = refused(model, folder)
    assert "r = 8" in error.why and "rank 4" in error.why and "together" in error.hint


def test_another_models_adapter_says_where_it_differs(model: Transformer, folder: Path) -> None:
    written(folder, base_model_name_or_path="acme/law-7b")
    cut(folder, lambda name, t: torch.cat([t, t], dim=1) if name.endswith("lora_A.weight") else t)
    error = refused(model, folder)
    assert "lora_A.weight is [4, " in error.why and "this model's would be [4, " in error.why
    assert "trained on 'acme/law-7b'" in error.hint


def test_other_layers_are_counted(model: Transformer, folder: Path) -> None:
    dropped = next(iter(load_file(folder / lora.FILE)))
    cut(folder, lambda name, t: None if name == dropped else t)
    error = refused(model, folder)
    assert "lacks 1 tensors" in error.why and dropped.removeprefix(lora.PREFIX) in error.why
    more = load_file(folder / lora.FILE) | {f"{lora.PREFIX}model.layers.99.mlp.up_proj.lora_A.weight": torch.ones(4, 4)}
    save_file(more, folder / lora.FILE)
    assert "no place for 1 of its tensors, such as model.layers.99" in refused(model, folder).why


def test_what_the_config_asks_for_and_is_not_computed(model: Transformer, folder: Path) -> None:
    written(folder, use_dora=True)
    assert "use_dora" in refused(model, folder).why
    written(folder, use_dora=False, target_modules=["no_proj"])
    error = refused(model, folder)
    assert error.value == "no_proj" and "'o_proj'" in error.hint


def test_a_damaged_file(model: Transformer, folder: Path) -> None:
    (folder / lora.FILE).write_bytes(b"\x00" * 40)
    assert lora.FILE in str(refused(model, folder))
