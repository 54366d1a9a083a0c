"""The user's own conversations for supervised fine-tuning: read and checked before hours of training, packed once.

They are packed where the fine-tuning stage works, not into the `tokens` artefact: pretraining is made from that one, and
would have to start over whenever a conversation is mended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from firesteel.core.errors import SourceError
from firesteel.core.shards import Entry, TokenShards, write_shards
from firesteel.core.thoughts import spoken
from firesteel.core.tokenizer import Rendered, Tokenizer
from firesteel.data.instructions import Conversation, Pair, read_instructions

SHARD_TOKENS = 1 << 22


def read_conversations(files: Sequence[str]) -> Iterator[Conversation]:
    """Every conversation of the files, in order; any shape of instructions.py. Raises SourceError naming file and line."""
    count = 0
    for file in files:
        for item in read_instructions([file]):
            if isinstance(item, Pair):
                why = "chosen and rejected answers teach by comparison, which fine-tuning on conversations does not do"
                hint = "pairs are learnt from preference.sources"
                raise SourceError("a file of sft.sources holds preference pairs", value=file, why=why, hint=hint)
            count += 1
            yield item
    if not count:
        raise SourceError("no conversations in the files", value=", ".join(files))


def check_conversations(files: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> None:
    """Read everything and render until something fits, so that a mistake is found early. Raises UserError."""
    fits = not files
    for conversation in read_conversations(files) if files else ():
        fits = (
            fits
            or len(tokenizer.render(spoken(tokenizer, conversation.messages), tools=conversation.tools).ids)
            <= max_tokens
        )
    if not fits:
        raise _all_too_long(max_tokens)


def pack_conversations(files: Sequence[str], tokenizer: Tokenizer, folder: Path) -> PackedConversations:
    """Write the files' conversations into `folder` as token shards with loss masks; one that is there is whole, and kept."""
    if not (folder / "index.json").is_file():
        rendered = (tokenizer.render(spoken(tokenizer, c.messages), tools=c.tools) for c in read_conversations(files))
        entries = (Entry(r.ids, r.mask) for r in rendered)
        write_shards(folder, entries, vocab_size=tokenizer.vocab_size, shard_tokens=SHARD_TOKENS, masks=True)
    return PackedConversations(folder)


class PackedConversations:
    """Packed conversations as an endless stream; memory holds where each begins."""

    def __init__(self, folder: Path) -> None:
        self._shards = TokenShards(folder)
        self.lengths = np.diff(self._shards.documents, append=len(self._shards))

    def stream(self, max_tokens: int) -> PackedStream:
        """Those of at most `max_tokens`, over and over. Raises SourceError if there is none."""
        fitting = np.flatnonzero(self.lengths <= max_tokens)
        if not len(fitting):
            raise _all_too_long(max_tokens)
        return PackedStream(self._shards, fitting)


class PackedStream:
    """Number -> conversation (train.sft.Conversations)."""

    def __init__(self, shards: TokenShards, numbers: np.ndarray) -> None:
        self._shards, self._numbers = shards, numbers

    def __call__(self, number: int) -> Rendered:
        """The conversation that has this number, counted around."""
        start, length = self._shards.document(int(self._numbers[number % len(self._numbers)]))
        return Rendered(self._shards.slice(start, length).tolist(), self._shards.mask(start, length).tolist())


def _all_too_long(max_tokens: int) -> SourceError:
    return SourceError("no conversation is short enough to learn from", value=f"sft.max_tokens = {max_tokens}")
