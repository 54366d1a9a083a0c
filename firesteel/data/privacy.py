"""Personal data out of a whole record: its text, the name of its file, and every text in its meta."""

from __future__ import annotations

from typing import Any

from firesteel.core import pii


def protect(record: dict[str, Any], key: bytes | int, *, names: bool = False) -> dict[str, int]:
    """Replace personal data in a document's record, in place; how many of each kind there were in its text.

    `key` is the secret of the tags (`core.secret.privacy_key`); a number makes one that is no secret.
    """
    secret = f"firesteel-documents-{key}" if isinstance(key, int) else key
    record["text"], found = pii.redact(record["text"], secret, names=names)
    for part in ("source", "meta"):
        record[part] = _cleaned(record[part], secret, names)
    return found


def _labelled(label: Any, value: Any, key: bytes | str, names: bool) -> Any:
    """A value that its label explains: {"姓名": "张三"} is read as 姓名: 张三."""
    if isinstance(label, str) and isinstance(value, str):
        prefix = f"{label}: "
        whole = pii.redact(prefix + value, key, names=names)[0]
        value = whole[len(prefix) :] if whole.startswith(prefix) else value
    return _cleaned(value, key, names)


def _cleaned(value: Any, key: bytes | str, names: bool) -> Any:
    if isinstance(value, str):
        return pii.redact(value, key, names=names)[0]
    if isinstance(value, dict):
        return {_cleaned(name, key, names): _labelled(name, item, key, names) for name, item in value.items()}
    return [_cleaned(item, key, names) for item in value] if isinstance(value, list) else value
