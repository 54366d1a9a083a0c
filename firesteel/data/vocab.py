"""Train the tokenizer: byte-level BPE over a fair sample of the texts, the same for the same texts in any order."""

from __future__ import annotations

import hashlib
import heapq
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.config import TokenizerSettings
from firesteel.core.errors import ArtefactError, SourceError
from firesteel.core.tokenizer import SPECIAL_TOKENS, SPLIT_PATTERN, Tokenizer
from firesteel.data.han import class_counts, codes_of, script

CHECKED = 512  # texts of the sample that must come back from their tokens unchanged
AWKWARD = ("", " ", "\n\n", "龘𠮷👩‍👩‍👧", "a\tb\r\n  c", "<|bos|>", "\x00\x7f", "١٢٣ 123 一二三", "ÀÉÎ ﬁ e\u0301")


def train_tokenizer(texts: Iterable[str], settings: TokenizerSettings, folder: Path) -> dict[str, Any]:
    """Train on `settings.sample_mb` of `texts` and save the tokenizer artefact's files into `folder`; returns facts.

    Raises SourceError if there is no text, ArtefactError if a text does not come back from its tokens.
    """
    start = time.perf_counter()
    sample, seen = _sample(texts, int(settings.sample_mb * 1e6))
    if not sample:
        raise SourceError("there is no text to train the tokenizer on", hint="check the data stage's data_card.md")
    backend = _backend()
    backend.train_from_iterator(sample, _trainer(settings.vocab_size), length=len(sample))
    tokenizer = Tokenizer(backend)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    saved = Tokenizer.load(folder)
    _check_round_trip(saved, [*AWKWARD, *sample[:CHECKED]])
    return {
        "vocab_size": saved.vocab_size, "special_tokens": len(SPECIAL_TOKENS),
        "texts_seen": seen, "texts_sampled": len(sample),
        "sample_mb": round(sum(len(t.encode()) for t in sample) / 1e6, 3),
        "bytes_per_token": bytes_per_token(saved, sample[:CHECKED]),
        "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip


def _sample(texts: Iterable[str], limit: int) -> tuple[list[str], int]:
    """Texts with the lowest hashes, up to `limit` bytes: a uniform choice that does not depend on their order."""
    heap: list[tuple[int, str]] = []
    held = seen = 0
    for text in texts:
        if not text:
            continue
        seen += 1
        raw = text.encode()
        heapq.heappush(heap, (-int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big"), text))
        held += len(raw)
        while len(heap) > 1 and held > limit:
            held -= len(heapq.heappop(heap)[1].encode())
    return [text for _, text in sorted(heap, reverse=True)], seen


def _backend() -> Backend:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    backend.decoder = decoders.ByteLevel()
    return backend


def _trainer(vocab_size: int) -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, show_progress=False,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip


def _check_round_trip(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        if tokenizer.decode(ids) != text:
            raise ArtefactError("the tokenizer does not give a text back", value=repr(text[:80]), why="a fault of ours")


def bytes_per_token(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, float]:
    """UTF-8 bytes per token in Chinese (`zh`) and other (`en`) texts; a language without text is left out."""
    size: dict[str, int] = {}
    tokens: dict[str, int] = {}
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        language = "zh" if script(class_counts(codes_of(text))) == "zh" else "en"
        size[language] = size.get(language, 0) + len(text.encode())
        tokens[language] = tokens.get(language, 0) + len(ids)
    return {language: round(size[language] / tokens[language], 3) for language in sorted(size) if tokens[language]}
