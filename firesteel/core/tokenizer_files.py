"""The files of a tokenizer in Hugging Face layout: what a folder says about special tokens, template and ends of turns."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from firesteel.core.errors import ArtefactError
from firesteel.core.tiktoken import read_tiktoken

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
NAMED = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
_READY = "PreTrainedTokenizerFast"  # what transformers calls a tokenizer that tokenizer.json describes wholly


@dataclass(frozen=True)
class Description:
    """What a folder says about its tokenizer, besides tokenizer.json."""

    config: dict[str, Any]  # tokenizer_config.json
    chat_template: str | None
    named: dict[str, str]  # bos_token, eos_token, ... -> text
    end_ids: tuple[int, ...]  # eos_token_id of generation_config.json and config.json


def read_backend(folder: Path, config: dict[str, Any]) -> Backend:
    """`tokenizer.json`, or what stands for it, with the tokens that `config` adds. Raises ArtefactError."""
    file = folder / "tokenizer.json"
    if not file.is_file() and (folder / "tiktoken.model").is_file():
        return read_tiktoken(folder / "tiktoken.model", config)
    if not file.is_file():
        raise ArtefactError(
            "this model came without a tokenizer", value=folder, why="there is no tokenizer.json or tiktoken.model",
            hint="it can be exported and evaluated by ids, not served; put its tokenizer's files into the folder",
        )  # fmt: skip
    try:
        backend = Backend.from_file(str(file))
    except Exception as e:  # the library raises plain Exception for malformed files
        raise ArtefactError("the tokenizer cannot be read", value=file, why=str(e)) from e
    known = {token.content for token in backend.get_added_tokens_decoder().values()}
    added = sorted(config.get("added_tokens_decoder", {}).items(), key=lambda item: int(item[0]))
    backend.add_tokens([added_token(entry) for _, entry in added if entry["content"] not in known])
    return backend


def added_token(entry: Mapping[str, Any]) -> AddedToken:
    """An added token as JSON describes it."""
    flags = {flag: bool(entry[flag]) for flag in _FLAGS if flag in entry}
    return AddedToken(entry["content"], special=bool(entry.get("special", False)), **flags)


def read_description(folder: Path) -> Description:
    """What the folder's other files say; each may be absent. Raises ArtefactError for one that is damaged."""
    config = _read(folder / "tokenizer_config.json")
    _check_added(folder, config.get("added_tokens_decoder", {}))
    older = _read(folder / "special_tokens_map.json")
    named = {name: text for name in NAMED if (text := _text(config.get(name) or older.get(name)))}
    ends = [_read(folder / name).get("eos_token_id") for name in ("generation_config.json", "config.json")]
    ids = [id for end in ends for id in (end if isinstance(end, list) else [end]) if isinstance(id, int)]
    return Description(config, _template(folder, config), named, tuple(dict.fromkeys(ids)))


def write_files(folder: Path, backend: Backend, config: dict[str, Any], template: str | None) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and, if there is a template, `chat_template.jinja`."""
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy what a folder has of the tokenizer's files, and how generation ends."""
    for name in (*TOKENIZER_FILES, "generation_config.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def config_of(config: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    """A `tokenizer_config.json` for a tokenizer whose every fact is in `tokenizer.json` and these."""
    kept = {key: value for key, value in config.items() if key not in ("auto_map", "tokenizer_file", "name_or_path")}
    kept = {"tokenizer_class": _READY, "clean_up_tokenization_spaces": False} | kept
    if "auto_map" in config:  # its class is a program of its own, which nobody should have to run
        kept["tokenizer_class"] = _READY
    return kept | {name: text for name, text in named.items() if _text(kept.get(name)) != text}


def unique(ids: Iterable[int | None]) -> tuple[int, ...]:
    """Each id once, in order."""
    return tuple(dict.fromkeys(id for id in ids if id is not None))


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as e:
        raise ArtefactError("a file of the tokenizer cannot be read", value=file, why=str(e)) from e
    if not isinstance(value, dict):
        raise ArtefactError("a file of the tokenizer cannot be read", value=file, why="it does not hold a table")
    return value


def _check_added(folder: Path, added: Any) -> None:
    whole = isinstance(added, dict) and all(
        id.isdecimal() and isinstance(entry, dict) and isinstance(entry.get("content"), str)
        for id, entry in added.items()
    )
    if not whole:
        why = "added_tokens_decoder must be a table from ids to tokens with their content"
        raise ArtefactError("a file of the tokenizer cannot be read", value=folder / "tokenizer_config.json", why=why)


def _text(value: Any) -> str | None:
    """A named token: text, or a table with its text."""
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None


def _template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The default template: its own file first, then tokenizer_config.json, where it may be one of several."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None
