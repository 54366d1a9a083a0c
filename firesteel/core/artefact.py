"""Artefacts: folders with a `manifest.json`. This file is the only reader and writer of that manifest.

A folder is written under a temporary name beside its place, its files are hashed, the manifest is written last, and the
folder is renamed into place; so a folder that exists under its own name is complete.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from firesteel.core.errors import ArtefactError, MachineError

MANIFEST = "manifest.json"
FORMATS = {
    "documents": 1, "tokenizer": 1, "tokens": 1, "checkpoint": 1, "model": 1,
    "rollouts": 1, "report": 1, "run": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """What a folder is, what is in it, what it was made from, and by what."""

    kind: str
    format: int
    files: dict[str, dict[str, Any]]  # relative path -> {"bytes": int, "sha256": hex}
    inputs: dict[str, str]  # role -> id of the artefact (or hash of the thing) it was made from
    settings: dict[str, Any]
    code: str  # hash of the code that made it
    stats: dict[str, Any] = field(default_factory=dict)  # facts with units in their names
    created: str = ""  # ISO 8601, UTC; not part of the id

    @property
    def id(self) -> str:
        """sha256 of what the artefact is: kind, files, inputs and settings; not of when or how fast it was made."""
        return digest({"kind": self.kind, "format": self.format, "files": self.files, "key": self.key})

    @property
    def key(self) -> str:
        """sha256 of what the artefact was made from: a stage whose key is unchanged need not run again."""
        return stage_key(self.inputs, self.settings, self.code)


@dataclass
class Draft:
    """A folder under construction: write files into `path`, facts into `stats`."""

    path: Path
    stats: dict[str, Any]


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def stage_key(inputs: Mapping[str, str], settings: Mapping[str, Any], code: str) -> str:
    """The identity of a stage's work before it is done."""
    return digest({"inputs": dict(inputs), "settings": dict(settings), "code": code})


def file_hash(path: Path) -> str:
    """sha256 of a file's bytes, read in 1 MiB pieces."""
    h = hashlib.sha256()
    with path.open("rb") as f:
        while piece := f.read(1 << 20):
            h.update(piece)
    return h.hexdigest()


def code_version(*rooms: str) -> str:
    """sha256 of the sources of the named rooms of this package (`"core"`, `"model"`, ...): the code a stage depends on."""
    root = Path(__file__).parent.parent
    h = hashlib.sha256()
    for room in sorted(set(rooms)):
        for source in sorted((root / room).rglob("*.py")):
            h.update(str(source.relative_to(root)).encode() + b"\0" + source.read_bytes())
    return h.hexdigest()


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_text(path: Path, text: str) -> None:
    """Replace a single file atomically (temporary name, fsync, rename)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise disk_error(e, path) from e


def disk_error(e: OSError, path: Path) -> Exception:
    """A full disk or a forbidden place as one clear error; any other OSError unchanged."""
    if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MachineError(
            "the disk is full", value=path, why=str(e.strerror),
            hint="free some space and run the same command again; finished stages and checkpoints are kept",
        )  # fmt: skip
    if e.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return MachineError("cannot write", value=path, why=str(e.strerror), hint="choose another place with --out")
    return e


def temporary_name(path: Path) -> Path:
    """Where an artefact is built before it is renamed to `path`; the same name every time, so that leftovers are found."""
    return path.with_name(f".{path.name}.partial")


@contextlib.contextmanager
def writing(
    path: Path | str, kind: str, *, inputs: Mapping[str, str] | None = None, settings: Mapping[str, Any] | None = None,
    code: str = "",
) -> Iterator[Draft]:  # fmt: skip
    """Build an artefact of `kind` at `path`; nothing appears there until the block ends without an exception.

    An artefact already at `path` stays until the new one is complete. Raises ArtefactError where something else lies there.
    """
    path = Path(path)
    assert kind in FORMATS, kind
    _check_replaceable(path)
    draft = Draft(temporary_name(path), {})
    try:
        shutil.rmtree(draft.path, ignore_errors=True)
        draft.path.mkdir(parents=True)
        yield draft
        _seal(draft, Manifest(kind, FORMATS[kind], {}, dict(inputs or {}), dict(settings or {}), code))
        _move_into_place(draft.path, path)
    except OSError as e:
        raise disk_error(e, path) from e
    finally:
        shutil.rmtree(draft.path, ignore_errors=True)


def _seal(draft: Draft, manifest: Manifest) -> None:
    """Hash every file, flush it to the disk, and write the manifest last."""
    files = {}
    for file in sorted(p for p in draft.path.rglob("*") if p.is_file()):
        _fsync(file)
        files[file.relative_to(draft.path).as_posix()] = {"bytes": file.stat().st_size, "sha256": file_hash(file)}
    _write_manifest(draft.path, replace(manifest, files=files, stats=draft.stats))


def _write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    dated = replace(manifest, created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    write_text(folder / MANIFEST, json.dumps(asdict(dated), indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    return dated


def seal(folder: Path, kind: str, names: list[str], *, inputs: Mapping[str, str]) -> Manifest:
    """Write a manifest over some files of a folder that is not built in one go (a run). Returns it."""
    facts = {n: {"bytes": (folder / n).stat().st_size, "sha256": file_hash(folder / n)} for n in names}
    return _write_manifest(folder, Manifest(kind, FORMATS[kind], facts, dict(inputs), {}, ""))


def publish(
    path: Path, kind: str, files: Mapping[str, dict[str, Any]], *, inputs: Mapping[str, str], stats: Mapping[str, Any]
) -> Manifest:
    """The end of `writing` for an artefact that several processes built in `temporary_name(path)`; one of them calls it.

    `files` are the facts (bytes, sha256) that each writer took of what it wrote and flushed. Raises MachineError when a
    file is not to be seen here: the processes do not share the folder.
    """
    built = temporary_name(path)
    for name, fact in files.items():
        if not (built / name).is_file() or (built / name).stat().st_size != fact["bytes"]:
            raise MachineError(
                "a file that another process wrote is not to be seen here", value=built / name,
                why="the folder is not the same one for every process",
                hint="put the run's folder (--out) on storage that all machines share",
            )  # fmt: skip
    manifest = _write_manifest(built, Manifest(kind, FORMATS[kind], dict(files), dict(inputs), {}, "", dict(stats)))
    _move_into_place(built, path)
    return manifest


def remove(path: Path) -> None:
    """Delete an artefact so that it is never seen in part: it loses its name first."""
    gone = temporary_name(path)
    shutil.rmtree(gone, ignore_errors=True)
    os.rename(path, gone)
    shutil.rmtree(gone, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left in `folder`: half-built artefacts, and old ones that had stepped aside.

    An old one whose successor never took its place gets its name back. Call it while nobody else writes there.
    """
    for partial in folder.glob(".*.partial"):
        shutil.rmtree(partial, ignore_errors=True)
    for old in folder.glob(".*.old"):
        path = old.with_name(old.name[1:].removesuffix(".old"))
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(old, path)


def _is_artefact(path: Path) -> bool:
    """Whether a manifest of ours lies there; other programs have a manifest.json, too."""
    try:
        said = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("kind") in FORMATS and "files" in said


def _check_replaceable(path: Path) -> None:
    """Only an artefact gives way to another: somebody's own files are not ours to remove."""
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not _is_artefact(path)):
        raise ArtefactError(
            "the place is taken", value=path, why="what lies there is no artefact, and is not replaced",
            hint="move it away, or choose another place with --out",
        )  # fmt: skip


def _move_into_place(built: Path, path: Path) -> None:
    _check_replaceable(path)
    _fsync(built)
    if path.exists():  # a folder cannot replace a full one in one call: the old one steps aside first
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(path, old)
        os.rename(built, path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(built, path)
    _fsync(path.parent)


def read(path: Path | str, kind: str | None = None, *, verify: bool = False) -> Manifest:
    """The manifest of the artefact at `path`.

    Checks that it is there, readable, of the `kind` and format asked for, and that every file has its recorded size;
    with `verify` also every sha256. Raises ArtefactError.
    """
    path = Path(path)
    file = path / MANIFEST
    if not file.is_file():
        raise ArtefactError(
            f"not a finished {kind or 'artefact'}", value=path, why=f"there is no {MANIFEST} in it",
            hint="make it with 'firesteel run', or check the path",
        )  # fmt: skip
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        manifest = Manifest(**fields)
    except (ValueError, TypeError) as e:
        raise ArtefactError("the manifest is damaged", value=file, why=str(e), hint="make the artefact again") from e
    if kind is not None and manifest.kind != kind:
        raise ArtefactError("wrong kind of artefact", value=path, why=f"it is a '{manifest.kind}', not a '{kind}'")
    if manifest.format != FORMATS.get(manifest.kind):
        raise ArtefactError(
            "unknown artefact format", value=f"{manifest.kind} {manifest.format}",
            why=f"this version reads {manifest.kind} {FORMATS.get(manifest.kind)}", hint="upgrade, or make it again",
        )  # fmt: skip
    check_files(path, manifest.files, verify=verify)
    return manifest


def check_files(path: Path, files: Mapping[str, dict[str, Any]], *, verify: bool) -> None:
    """That `files` of a manifest are inside `path` and have their recorded size; with `verify` also their sha256.

    Raises ArtefactError. Several processes can share the reading, each with its part of the files.
    """
    for name, fact in files.items():
        file = path / name
        if not file.resolve().is_relative_to(path.resolve()):
            raise ArtefactError("a manifest names a file outside its folder", value=name)
        if not file.is_file() or file.stat().st_size != fact["bytes"]:
            size = file.stat().st_size if file.is_file() else "missing"
            why = f"recorded {fact['bytes']} bytes, found {size}"
            hint = f"remove {path} and run the same command again"
            raise ArtefactError("a file is missing or truncated", value=file, why=why, hint=hint)
        if verify and file_hash(file) != fact["sha256"]:
            why = "its sha256 is not the recorded one"
            hint = f"remove {path} and run the same command again"
            raise ArtefactError("a file is damaged", value=file, why=why, hint=hint)
