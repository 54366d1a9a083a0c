"""Documents -> token shards for training and for the held-out split: texts begun and ended as the model's are, back to back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from firesteel.core.config import TokensSettings
from firesteel.core.errors import ArtefactError
from firesteel.core.shards import Entry, write_shards
from firesteel.core.tokenizer import Tokenizer
from firesteel.data.fim import cut, marker_ids, rearranged
from firesteel.data.mixture import Mixture, label_of, mix
from firesteel.data.store import read_documents

BATCH_TEXTS, BATCH_CHARS = 256, 1 << 20  # a batch ends at whichever comes first
SPLITS: tuple[Literal["train", "heldout"], ...] = ("train", "heldout")
Record = Mapping[str, Any]


def pack(
    documents_folder: Path, tokenizer: Tokenizer, settings: TokensSettings, folder: Path, *,
    seed: int = 0, say: Callable[[str], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Encode both splits of a `documents` artefact into `folder/train` and `folder/heldout`; returns counts.

    The training text is mixed (`tokens.mixture`) and rearranged (`tokens.fim_rate`) as asked; the held-out text never is.
    Streams in batches: memory holds one batch of texts and one shard of tokens. Raises ArtefactError if a split is empty,
    and RecipeError for a mixture that cannot be.
    """
    start = time.perf_counter()
    mixture = _mixture(documents_folder, settings, seed)
    for warning in mixture.warnings() if mixture else ():
        if say:
            say(f"  [yellow]{warning}[/yellow]")
    stats: dict[str, Any] = {}
    for split in SPLITS:
        train = split == "train"
        work = _Work(tokenizer, settings.fim_rate if train else 0.0, mixture if train else None, seed)
        records = mixed(documents_folder, mixture) if train and mixture else _once(documents_folder, split)
        counts = write_shards(
            folder / split, work.entries(records), vocab_size=tokenizer.vocab_size, shard_tokens=settings.shard_tokens,
            sources=work.sources,
        )  # fmt: skip
        if counts["documents"] == 0:
            raise ArtefactError(
                "a split has no documents", value=f"{documents_folder} {split}", hint="make the documents again"
            )
        stats[split] = counts | work.facts(counts)
    mixed_stats = {"mixture": mixture.report(stats["train"]["source_bytes"])} if mixture else {}
    return {**stats, **mixed_stats, "seconds": round(time.perf_counter() - start, 3)}


def _mixture(documents: Path, settings: TokensSettings, seed: int) -> Mixture | None:
    """The mixture that was asked for; measuring the sources takes a pass of its own."""
    if not settings.mixture:
        return None
    size: Counter[str] = Counter()
    for record in read_documents(documents, "train"):
        size[label_of(_source(record), settings.mixture)] += len(record["text"].encode())
    return mix(size, settings.mixture, seed=seed)


def _source(record: Record) -> str:
    return str(record.get("source", ""))


def _once(documents: Path, split: Literal["train", "heldout"]) -> Iterator[tuple[Record, int]]:
    return ((record, 0) for record in read_documents(documents, split))


def mixed(documents: Path, mixture: Mixture) -> Iterator[tuple[Record, int]]:
    """The training documents as often as the mixture says, each with the number of its copy; copies lie far apart."""
    for number in range(mixture.passes):
        for record in read_documents(documents, "train"):
            copy = mixture.copy_in(record, number)
            if copy is not None:
                yield record, copy


class _Work:
    """Records to entries, and the counts of what flows past. `sources` grows with the labels that are met."""

    def __init__(self, tokenizer: Tokenizer, fim_rate: float, mixture: Mixture | None, seed: int) -> None:
        self._tokenizer, self._rate, self._seed = tokenizer, fim_rate, seed
        self._asked = mixture.shares if mixture else {}
        self._markers = marker_ids(tokenizer) if fim_rate else (0, 0, 0)
        self.sources: list[str] = []
        self._bytes: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._filled = 0

    def entries(self, records: Iterable[tuple[Record, int]]) -> Iterator[Entry]:
        """Each document as the ids of a document (`Tokenizer.document`) with the number of its source."""
        numbers: dict[str, int] = {}
        for batch in _batches(records):
            plain = self._tokenizer.encode_batch([record["text"] for record, _ in batch])
            for (record, copy), ids in zip(batch, plain, strict=True):
                label = label_of(_source(record), self._asked)
                if label not in numbers:
                    numbers[label] = len(numbers)
                    self.sources.append(label)
                document = self._tokenizer.document(self._rearranged(record, copy, ids))
                self._bytes[label] += len(record["text"].encode())
                self._tokens[label] += len(document)
                yield Entry(document, None, numbers[label])

    def _rearranged(self, record: Record, copy: int, ids: list[int]) -> list[int]:
        if not self._rate:
            return ids
        parts = cut(record["text"], f"{record['id']}/{copy}", self._rate, seed=self._seed)
        if parts is None:
            return ids
        self._filled += 1
        return rearranged(parts, self._tokenizer.encode, self._markers)

    def facts(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """What to note beside the counts of a split."""
        size = self._bytes.total()
        added = len(self._tokenizer.document([])) * counts["documents"] + 3 * self._filled
        facts = {
            "mb": round(size / 1e6, 3), "bytes_per_token": round(size / max(1, counts["tokens"] - added), 3),
            "source_bytes": dict(sorted(self._bytes.items())), "source_tokens": dict(sorted(self._tokens.items())),
        }  # fmt: skip
        return facts | ({"fim_documents": self._filled} if self._rate else {})


def encode(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Each text as the ids of a document (`Tokenizer.document`); special tokens written in a text are plain text."""
    work = _Work(tokenizer, 0.0, None, 0)
    return (list(entry.ids) for entry in work.entries(({"id": "", "text": text}, 0) for text in texts))


def _batches(records: Iterable[tuple[Record, int]]) -> Iterator[list[tuple[Record, int]]]:
    batch: list[tuple[Record, int]] = []
    held = 0
    for record in records:
        batch.append(record)
        held += len(record[0]["text"])
        if len(batch) == BATCH_TEXTS or held >= BATCH_CHARS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
