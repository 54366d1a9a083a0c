"""How single tokens are written where text must stand for them."""

from __future__ import annotations

from firesteel.core.tokenizer import Tokenizer


def token_name(tokenizer: Tokenizer, id: int) -> str:
    """A token as a string: its text, the name of a special token, or `bytes:\\x..` (OpenAI's way) for half a character."""
    raw = tokenizer.pieces.of(id)
    if not raw:
        return tokenizer.backend.id_to_token(id) or ""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)
