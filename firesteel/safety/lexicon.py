"""The word library: the small built-in sample with roles, and files of the operator's own words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from firesteel.core.errors import SourceError

BUILT_IN = Path(__file__).with_name("lexicon.toml")
COMMON_ROLES = ("how", "request", "makes", "safe", "benign")
CATEGORY_ROLES = ("phrases", "deeds", "goods", "objects", "acts", "claims", "safe", "context")
OWN = "own"  # the role of an operator's word: it stops a text wherever it stands
MAX_FILE_BYTES, MAX_WORD = 64 << 20, 100


@dataclass(frozen=True)
class Entry:
    """A word of the library: what it means (`role`), for which category ("" = all). A final `*` is any ending."""

    word: str
    role: str
    category: str


def load_library(files: Iterable[str | Path] = ()) -> list[Entry]:
    """The built-in sample and the words of `files`. Raises SourceError."""
    return [*read_lexicon(BUILT_IN), *(entry for file in files for entry in read_words(Path(file)))]


def read_lexicon(file: Path) -> list[Entry]:
    """Entries of a lexicon in the format of lexicon.toml."""
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    entries = [Entry(word, role, "") for role in COMMON_ROLES for word in raw[role]]
    for category in raw["category"]:
        entries += [Entry(word, role, category["name"]) for role in CATEGORY_ROLES for word in category.get(role, ())]
    return entries


def read_words(file: Path) -> list[Entry]:
    """An operator's words: 'category<TAB>word' lines, '#' begins a comment. Raises SourceError with the line."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise SourceError("the keyword file is too large", value=file, why=f"over {MAX_FILE_BYTES >> 20} MiB")
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as e:
        raise SourceError("the keyword file is not UTF-8 text", value=file, why=str(e), hint="save it as UTF-8") from e
    except OSError as e:
        raise SourceError("the keyword file cannot be read", value=file, why=str(e.strerror)) from e
    return [
        _own_word(line, f"{file}:{n}") for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    ]


def _own_word(line: str, place: str) -> Entry:
    category, tab, word = line.partition("\t")
    category, word = category.strip(), word.strip()
    checks = {
        "has no tab": not tab,
        "lacks its category": not category,
        "lacks its word": not any(c.isalnum() for c in word),
        f"is longer than {MAX_WORD} characters": max(len(category), len(word)) > MAX_WORD,
    }
    for fault, present in checks.items():
        if present:
            raise SourceError(
                f"a keyword line {fault}", value=place, why=repr(line[:60]), hint="write: category<TAB>word"
            )
    return Entry(word, OWN, category)
