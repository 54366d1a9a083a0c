"""Train the tokenizer: byte-level BPE over a fair sample of the texts, the same for the same texts in any order."""

from __future__ import annotations

import hashlib
import heapq
import re
import time
from collections import Counter
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
MEASURED = 2_000_000  # bytes of held-out text on which compression is measured
CODE_SIGNS = re.compile(r"[{}()\[\]<>=;_#*/\\|&+$@`]")
CODE_SHARE = 0.05  # of what is not blank: 98 % of Python's library has more, of encyclopaedia articles fewer than 0.1 %
AWKWARD = ("", " ", "\n\n", "龘𠮷👩‍👩‍👧", "a\tb\r\n  c", "<|bos|>", "\x00\x7f", "١٢٣ 123 一二三", "ÀÉÎ ﬁ e\u0301")


def train_tokenizer(
    texts: Iterable[str], settings: TokenizerSettings, folder: Path, *, heldout: Iterable[str] = ()
) -> dict[str, Any]:
    """Train on `settings.sample_mb` of `texts` and save the tokenizer artefact's files into `folder`; returns facts.

    `heldout`: texts on which compression is measured; those that are in the sample too are passed over. Raises SourceError
    if there is no text, ArtefactError if a text does not come back from its tokens.
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
    measured = compression(saved, _unseen(heldout, sample))
    return {
        "vocab_size": saved.vocab_size, "special_tokens": len(SPECIAL_TOKENS),
        "texts_seen": seen, "texts_sampled": len(sample),
        "sample_mb": round(sum(len(t.encode()) for t in sample) / 1e6, 3),
        "compression": measured, "bytes_per_token": {name: facts["bytes_per_token"] for name, facts in measured.items()},
        "seconds": round(time.perf_counter() - start, 3),
    }  # fmt: skip


def _unseen(heldout: Iterable[str], sample: Sequence[str]) -> list[str]:
    """Held-out texts that the tokenizer was not trained on, up to MEASURED bytes, whatever their order."""
    taken = {_rank(text) for text in sample}
    return _sample((text for text in heldout if _rank(text) not in taken), MEASURED)[0]


def _rank(text: str) -> int:
    """A uniform number that depends on the text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _sample(texts: Iterable[str], limit: int) -> tuple[list[str], int]:
    """Texts with the lowest hashes, up to `limit` bytes: a uniform choice that does not depend on their order."""
    heap: list[tuple[int, str]] = []
    held = seen = 0
    for text in texts:
        if not text:
            continue
        seen += 1
        heapq.heappush(heap, (-_rank(text), text))
        held += len(text.encode())
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


def compression(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """UTF-8 bytes, tokens and bytes per token of the Chinese, English, program and other texts among these."""
    size: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        kind = kind_of(text)
        size[kind] += len(text.encode())
        tokens[kind] += len(ids)
    return {
        kind: {"bytes": size[kind], "tokens": tokens[kind], "bytes_per_token": round(size[kind] / tokens[kind], 3)}
        for kind in sorted(size) if tokens[kind]
    }  # fmt: skip


def kind_of(text: str) -> str:
    """`zh`, `en` (prose in Latin letters), `code` or `other`: a rough sorting, for statistics only."""
    found = script(class_counts(codes_of(text)))
    if found != "latin":
        return "zh" if found == "zh" else "other"
    solid = len(text) - sum(map(text.count, " \n\t\r"))
    return "code" if len(CODE_SIGNS.findall(text)) > CODE_SHARE * solid else "en"
