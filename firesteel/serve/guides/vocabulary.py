"""A tokenizer as llguidance sees it: the bytes behind each id, control tokens apart, and masks that guides share.

V vocabulary
"""

from __future__ import annotations

import time
from functools import cached_property

import numpy as np
import numpy.typing as npt
from llguidance import LLTokenizer

from firesteel.core.errors import UserError
from firesteel.core.speech import THINK
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.tags import tags_are_tokens, tags_in_template

Mask = npt.NDArray[np.bool_]
NUMERIC = b"0123456789.eE+-"  # what a JSON number is made of


class Vocabulary:
    """One tokenizer's; built once (0.3 s for 49 thousand tokens), and only read afterwards. `seconds` tells how long it took.

    Control tokens are no text to a grammar: it must name them by id. Raises UserError if nothing ends the model's turn.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        start = time.perf_counter()
        if not tokenizer.stop_ids:
            hint = "put the model's eos_token into its tokenizer_config.json"
            raise UserError(
                "this model's output cannot follow a grammar", why="it has no token that ends a turn", hint=hint
            )
        self.tokenizer, self.size = tokenizer, tokenizer.vocab_size
        self.pieces, self.manner, self.stop_ids = tokenizer.pieces, tokenizer.manner, tokenizer.stop_ids
        self.control = {id: name for name, id in tokenizer.special.items()}
        self.control |= {id: f"<|stop {id}|>" for id in self.stop_ids if id not in self.control}
        table = self.pieces.table
        self.ll = self._built(table)
        lead = {"kept": None, "one space": _one_space, "first token": _all_spaces}[self.pieces.lead]
        self.beginning = None if lead is None else [lead(piece) for piece in table]  # what a text's first token says
        self.ll_beginning = None if self.beginning is None else self._built(self.beginning)
        self.seconds = time.perf_counter() - start

    def _built(self, table: list[bytes]) -> LLTokenizer:
        tokens = [self.control[id].encode() if id in self.control else piece for id, piece in enumerate(table)]
        return LLTokenizer(_Table(tokens, sorted(self.control), self.stop_ids[0]), eos_token=list(self.stop_ids))  # type: ignore[arg-type]

    def mask(self, ids: object = ()) -> Mask:
        """A fresh mask [V] that allows these ids only."""
        out = np.zeros(self.size, np.bool_)
        out[list(ids)] = True  # type: ignore[call-overload]
        return out

    @cached_property
    def ends(self) -> Mask:
        """The tokens that end a turn."""
        return self.mask(id for id in self.stop_ids if id < self.size)

    @cached_property
    def halts(self) -> Mask:
        """The tokens that end a turn, and those that no answer can hold."""
        return self.mask(id for id in self.tokenizer.halt_ids if id < self.size)

    @cached_property
    def numeric(self) -> Mask:
        """Tokens that would go on with a number."""
        return self.mask(id for id, piece in enumerate(self.pieces.table) if piece[:1] and piece[0] in NUMERIC)

    @cached_property
    def breaks(self) -> Mask:
        """Tokens of line breaks alone."""
        return self.mask(id for id, piece in enumerate(self.pieces.table) if piece and not piece.strip(b"\n"))

    @cached_property
    def blank_beginnings(self) -> Mask:
        """Tokens that say nothing where a text begins: a lone space of the kind that is dropped there."""
        said = zip(self.pieces.table, self.beginning or [], strict=False)
        return self.mask(id for id, (piece, there) in enumerate(said) if piece and not there)

    @cached_property
    def tags(self) -> bool:
        """Whether the model may think aloud at all, with tags that are tokens or text."""
        return self.tags_are_tokens or tags_in_template(self.tokenizer)

    @cached_property
    def tag_parts(self) -> list[int]:
        """Tokens of which <think> may be made as text; the last may hold what comes after it."""
        tag = THINK.encode()
        parts = {tag[i:j] for i in range(len(tag)) for j in range(i + 1, len(tag) + 1)}
        ends = tuple(tag[i:] for i in range(len(tag)))
        return [
            id for id, piece in enumerate(self.pieces.table)
            if id not in self.control and (piece in parts or piece.partition(b">")[0] + b">" in ends)
        ]  # fmt: skip

    @cached_property
    def closers(self) -> list[int]:
        """Tokens that may close </think> as text and say something more."""
        return [
            id for id, piece in enumerate(self.pieces.table) if piece.rpartition(b">")[2].strip(b"\n") and b">" in piece
        ]

    @property
    def tags_are_tokens(self) -> bool:
        """Whether <think> and </think> are looked for as ids, as core/speech.py does."""
        return tags_are_tokens(self.manner)


class _Table:
    """The interface that llguidance wants of a tokenizer. It is never asked to encode: we push the model's own tokens."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, tokens: list[bytes], special: list[int], eos: int) -> None:
        self.tokens, self.special_token_ids, self.eos_token_id = tokens, special, eos

    def __call__(self, text: str | bytes) -> list[int]:
        return []


def _one_space(piece: bytes) -> bytes:
    return piece.removeprefix(b" ")


def _all_spaces(piece: bytes) -> bytes:
    return piece.lstrip(b" ")
