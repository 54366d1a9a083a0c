"""Personal data out of a whole record: its text, the name of its file, and every text in its meta."""

from __future__ import annotations

from typing import Any

from firesteel.core import pii


def protect(record: dict[str, Any], seed: int) -> dict[str, int]:
    """Replace personal data in a document's record, in place; how many of each kind there were in its text."""
    salt = f"firesteel-documents-{seed}"
    record["text"], found = pii.redact(record["text"], salt)
    for key in ("source", "meta"):
        record[key] = _cleaned(record[key], salt)
    return found


def _cleaned(value: Any, salt: str) -> Any:
    if isinstance(value, str):
        return pii.redact(value, salt)[0]
    if isinstance(value, dict):
        return {_cleaned(key, salt): _cleaned(item, salt) for key, item in value.items()}
    return [_cleaned(item, salt) for item in value] if isinstance(value, list) else value
