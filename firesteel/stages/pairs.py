"""The user's preference pairs: read and checked before hours of training, packed once where the stage works."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from firesteel.core.artefact import write_text
from firesteel.core.errors import SourceError
from firesteel.core.shards import Entry, TokenShards, write_shards
from firesteel.core.tokenizer import Rendered, Tokenizer
from firesteel.data.instructions import Conversation, Pair, read_instructions

SHARD_TOKENS = 1 << 22
LEFT_OUT = "left_out.json"


def read_pairs(files: Sequence[str]) -> Iterator[Pair]:
    """Every pair of the files, in order; any shape of instructions.py. Raises SourceError naming file and line."""
    count = 0
    for file in files:
        for item in read_instructions([file]):
            if isinstance(item, Conversation):
                why = "comparison needs two answers to one prompt: prompt, chosen and rejected"
                hint = "conversations are learnt from sft.sources"
                raise SourceError("a file of preference.sources holds conversations", value=file, why=why, hint=hint)
            count += 1
            yield item
    if not count:
        raise SourceError("no preference pairs in the files", value=", ".join(files))


def check_pairs(files: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> None:
    """Read everything and render until something fits, so that a mistake is found early. Raises UserError."""
    fits = not files
    for pair in read_pairs(files) if files else ():
        fits = fits or (not useless(sides := render_pair(pair, tokenizer)) and longest(sides) <= max_tokens)
    if not fits:
        raise _none_left(max_tokens, Counter())


def render_pair(pair: Pair, tokenizer: Tokenizer) -> tuple[Rendered, Rendered]:
    """Chosen and rejected as tokens, each with the prompt before it; the masks are true on the answers alone."""
    earlier = sum(message["role"] == "assistant" for message in pair.prompt)
    rendered = (tokenizer.render([*pair.prompt, *side], tools=pair.tools) for side in (pair.chosen, pair.rejected))
    chosen, rejected = (Rendered(r.ids, _without_first(r.mask, earlier)) for r in rendered)
    return chosen, rejected


def useless(sides: tuple[Rendered, Rendered]) -> str:
    """Why nothing can be learnt from a pair ("identical", "empty"); nothing if something can."""
    if sides[0].ids == sides[1].ids:
        return "identical"
    return "" if all(any(side.mask) for side in sides) else "empty"


def longest(sides: tuple[Rendered, Rendered]) -> int:
    """Tokens of the longer side with its prompt."""
    return max(len(side.ids) for side in sides)


def pack_pairs(files: Sequence[str], tokenizer: Tokenizer, folder: Path) -> PackedPairs:
    """Write the files' pairs into `folder` as token shards with masks; what is there is whole, and kept."""
    if not (folder / "index.json").is_file():
        entries = _entries(files, tokenizer, folder)
        write_shards(folder, entries, vocab_size=tokenizer.vocab_size, shard_tokens=SHARD_TOKENS, masks=True)
    return PackedPairs(folder)


def _entries(files: Sequence[str], tokenizer: Tokenizer, folder: Path) -> Iterator[Entry]:
    """Chosen, rejected, chosen, ...; what was left out is written before the index, which stands for the whole folder."""
    reasons: Counter[str] = Counter()
    for pair in read_pairs(files):
        sides = render_pair(pair, tokenizer)
        if reason := useless(sides):
            reasons[reason] += 1
            continue
        yield from (Entry(side.ids, side.mask) for side in sides)
    write_text(folder / LEFT_OUT, json.dumps(reasons))


class PackedPairs:
    """Packed pairs. `longest` [N]: tokens of each one's longer side; `left_out`: how many more there were, by reason."""

    def __init__(self, folder: Path) -> None:
        self._shards = TokenShards(folder)
        self.longest = np.diff(self._shards.documents, append=len(self._shards)).reshape(-1, 2).max(axis=1)
        self.left_out: Counter[str] = Counter(json.loads((folder / LEFT_OUT).read_text(encoding="utf-8")))

    def usable(self, max_tokens: int) -> UsablePairs:
        """Those of at most `max_tokens`; `left_out` counts the others, too. Raises SourceError if there is none."""
        fitting = np.flatnonzero(self.longest <= max_tokens)
        left_out = self.left_out + Counter(too_long=len(self.longest) - len(fitting))
        if not len(fitting):
            raise _none_left(max_tokens, left_out)
        return UsablePairs(self._shards, fitting, left_out)


class UsablePairs:
    """Pairs by number (train.preference.Pairs); memory holds where each begins."""

    def __init__(self, shards: TokenShards, numbers: np.ndarray, left_out: Counter[str]) -> None:
        self._shards, self._numbers, self.left_out = shards, numbers, left_out

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int, /) -> tuple[Rendered, Rendered]:
        """The pair that has this number: chosen, rejected."""
        first = 2 * int(self._numbers[number])
        return self._side(first), self._side(first + 1)

    def _side(self, document: int) -> Rendered:
        start, length = self._shards.document(document)
        return Rendered(self._shards.slice(start, length).tolist(), self._shards.mask(start, length).tolist())


def _without_first(mask: Sequence[bool], runs: int) -> list[bool]:
    """A mask without its first runs of true: the assistant's turns that belong to the prompt."""
    out: list[bool] = []
    for value, group in groupby(mask):
        out += [value and runs <= 0] * len(list(group))
        runs -= value
    return out


def _none_left(max_tokens: int, left_out: Counter[str]) -> SourceError:
    return SourceError(
        "no preference pair can be learnt from", value=f"preference.max_tokens = {max_tokens}",
        why=", ".join(f"{reason.replace('_', ' ')}: {count}" for reason, count in left_out.items() if count),
    )  # fmt: skip
