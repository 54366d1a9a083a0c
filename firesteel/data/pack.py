"""Documents -> token shards for training and for the held-out split: texts begun and ended as the model's are, back to back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from firesteel.core.config import TokensSettings
from firesteel.core.errors import ArtefactError
from firesteel.core.shards import write_shards
from firesteel.core.tokenizer import Tokenizer
from firesteel.data.store import read_documents

BATCH_TEXTS, BATCH_CHARS = 256, 1 << 20  # a batch ends at whichever comes first
SPLITS: tuple[Literal["train", "heldout"], ...] = ("train", "heldout")


def pack(documents_folder: Path, tokenizer: Tokenizer, settings: TokensSettings, folder: Path) -> dict[str, Any]:
    """Encode both splits of a `documents` artefact into `folder/train` and `folder/heldout`; returns counts.

    Streams in batches: memory holds one batch of texts and one shard of tokens. Raises ArtefactError if a split is
    empty.
    """
    start = time.perf_counter()
    stats: dict[str, Any] = {}
    for split in SPLITS:
        size = _Size()
        texts = size.watch(document["text"] for document in read_documents(documents_folder, split))
        counts = write_shards(
            folder / split,
            encode(texts, tokenizer),
            vocab_size=tokenizer.vocab_size,
            shard_tokens=settings.shard_tokens,
        )
        if counts["documents"] == 0:
            raise ArtefactError(
                "a split has no documents", value=f"{documents_folder} {split}", hint="make the documents again"
            )
        text_tokens = max(1, counts["tokens"] - len(tokenizer.document([])) * counts["documents"])
        stats[split] = counts | {
            "mb": round(size.bytes / 1e6, 3),
            "bytes_per_token": round(size.bytes / text_tokens, 3),
        }
    return {**stats, "seconds": round(time.perf_counter() - start, 3)}


def encode(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Each text as the ids of a document (`Tokenizer.document`); special tokens written in a text are plain text."""
    for batch in _batches(texts):
        for ids in tokenizer.encode_batch(batch):
            yield tokenizer.document(ids)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    held = 0
    for text in texts:
        batch.append(text)
        held += len(text)
        if len(batch) == BATCH_TEXTS or held >= BATCH_CHARS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


class _Size:
    """Counts the UTF-8 bytes that flow past."""

    def __init__(self) -> None:
        self.bytes = 0

    def watch(self, texts: Iterable[str]) -> Iterator[str]:
        """The same texts."""
        for text in texts:
            self.bytes += len(text.encode())
            yield text
