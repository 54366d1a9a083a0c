"""SentencePiece's BPE as GGUF files hold it: tokens with scores and no merges, spaces as U+2581, bytes for what is unknown."""

from __future__ import annotations

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers

SPACE = "\u2581"  # a low line that stands for a space inside tokens


def merges_of(tokens: list[str], scores: list[float], silent: set[str]) -> list[tuple[str, str]]:
    """The merges that scores imply: each pair of tokens that makes a third, best score first.

    SentencePiece joins the neighbours whose union has the best score. `silent` tokens are never the result or part of a
    merge: text cannot become a control token. Ties go as in Hugging Face's converters, the longer left part first.
    """
    ids = {token: id for id, token in enumerate(tokens) if token not in silent}
    found = []
    for token, id in ids.items():
        cuts = [(token[:at], token[at:]) for at in range(1, len(token))]
        pairs = [(left, right) for left, right in cuts if left in ids and right in ids]
        pairs.sort(key=lambda pair: (ids[pair[0]], ids[pair[1]]))
        found += [(scores[id], pair) for pair in pairs]
    found.sort(key=lambda entry: (entry[0], len(entry[1][0]), len(entry[1][1])), reverse=True)
    return [pair for _, pair in found]


def scored_backend(tokens: list[str], merges: list[tuple[str, str]], unknown: str | None, spaced: bool) -> Backend:
    """The tokenizer of a vocabulary; `spaced`: a space is put before text, and taken from what begins an answer."""
    vocabulary = {token: id for id, token in enumerate(tokens)}
    backend = Backend(models.BPE(vocab=vocabulary, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    replace = normalizers.Replace(" ", SPACE)
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), replace] if spaced else [replace])
    strip = [decoders.Strip(" ", 1, 0)] if spaced else []
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    backend.decoder = decoders.Sequence(steps)
    return backend
