"""The user's own conversations for supervised fine-tuning: jsonl files of {"messages": [{"role", "content"}, ...]}."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from firesteel.core.errors import SourceError
from firesteel.core.tokenizer import ROLES, Message

MAX_BYTES = 1 << 30


def read_conversations(files: Sequence[str]) -> list[list[Message]]:
    """Every conversation of the files, in order. Raises SourceError naming file and line."""
    found = []
    for file in files:
        if Path(file).stat().st_size > MAX_BYTES:
            raise SourceError(
                "the file is too large", value=file, why=f"more than {MAX_BYTES >> 20} MiB", hint="split it"
            )
        with open(file, "rb") as f:
            found += [_conversation(raw, f"{file}:{number}") for number, raw in enumerate(f, 1) if raw.strip()]
    if not found:
        raise SourceError("no conversations in the files", value=", ".join(files))
    return found


def _conversation(raw: bytes, place: str) -> list[Message]:
    try:
        messages = json.loads(raw.decode("utf-8"))["messages"]
        fits = bool(messages) and all(m["role"] in ROLES and isinstance(m["content"], str) for m in messages)
    except (ValueError, KeyError, TypeError) as e:
        raise SourceError(
            "not a conversation", value=place, why=str(e), hint='a line is {"messages": [...]} in UTF-8'
        ) from e
    if not fits or not any(m["role"] == "assistant" for m in messages):
        raise SourceError(
            "not a conversation", value=place, why="it needs known roles, text content and an assistant turn"
        )
    return list(messages)
