"""Personal data out of a whole record: its text, the name of its file, and every text in its meta."""

from __future__ import annotations

import functools
from typing import Any

from firesteel.core import pii

_SHORT = 64  # characters of what may be remembered: sources, languages, authors and years come again and again


def protect(record: dict[str, Any], key: bytes | int, *, names: bool = False) -> dict[str, int]:
    """Replace personal data in a document's record, in place; how many of each kind there were in its text.

    With `names`, names that its text confirms are replaced in the name of its file and its meta, too. `key` is the
    secret of the tags (`core.secret.privacy_key`); a number makes one that is no secret.
    """
    secret = f"firesteel-documents-{key}" if isinstance(key, int) else key
    met: set[str] = set()
    record["text"], found = pii.redact(record["text"], secret, names=names, met=met)
    for part in ("source", "meta"):
        record[part] = _cleaned(record[part], secret, names, met)
    return found


def _cleaned(value: Any, key: bytes | str, names: bool, met: set[str]) -> Any:
    if isinstance(value, str):
        return _text(value, key, names, met)
    if isinstance(value, dict):
        return dict(_item(label, item, key, names, met) for label, item in value.items())
    return [_cleaned(item, key, names, met) for item in value] if isinstance(value, list) else value


def _item(label: Any, value: Any, key: bytes | str, names: bool, met: set[str]) -> tuple[Any, Any]:
    if not (isinstance(label, str) and isinstance(value, str)):
        return _cleaned(label, key, names, met), _cleaned(value, key, names, met)
    if len(label) + len(value) > _SHORT or _holds(label, met) or _holds(value, met):
        return _labelled(label, value, key, names, met)
    return _remembered_item(label, value, key, names)


def _labelled(label: str, value: str, key: bytes | str, names: bool, met: set[str]) -> tuple[str, str]:
    """A label, and a value that it explains: {"姓名": "张三"} is read as 姓名: 张三."""
    prefix = f"{label}: "
    whole = _text(prefix + value, key, names, met)
    value = whole[len(prefix) :] if whole.startswith(prefix) else value
    return _text(label, key, names, met), _text(value, key, names, met)


def _text(text: str, key: bytes | str, names: bool, met: set[str]) -> str:
    if _holds(text, met):
        return pii.redact(text, key, names=names, met=set(met))[0]
    return _remembered(text, key, names) if len(text) <= _SHORT else pii.redact(text, key, names=names)[0]


def _holds(text: str, met: set[str]) -> bool:
    return bool(met) and any(name in text for name in met)


@functools.lru_cache(4096)
def _remembered(text: str, key: bytes | str, names: bool) -> str:
    return pii.redact(text, key, names=names)[0]


@functools.lru_cache(4096)
def _remembered_item(label: str, value: str, key: bytes | str, names: bool) -> tuple[str, str]:
    return _labelled(label, value, key, names, set())
