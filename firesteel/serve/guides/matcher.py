"""A guide that follows a compiled grammar, token by token. Whatever goes wrong in it ends the answer; it never raises.

V vocabulary
"""

from __future__ import annotations

import logging

import numpy as np
from llguidance import LLMatcher

from firesteel.serve.guides.compiler import reason
from firesteel.serve.guides.vocabulary import NUMERIC, Mask, Vocabulary

_log = logging.getLogger(__name__)
MAX_NUMBER = 32  # characters of a JSON number; a schema such as {} would let a model write digits for ever


class GrammarGuide:
    """One sequence's. Stop ids are allowed exactly where the grammar may end; after an error nothing else is."""

    def __init__(self, vocabulary: Vocabulary, matcher: LLMatcher, first: LLMatcher | None, *, json: bool) -> None:
        """`first`: the same grammar over what tokens say at the beginning of a text, where that differs."""
        self._v, self._matcher, self._first = vocabulary, matcher, first
        self._number = _NumberLength() if json else None
        self._mask: Mask | None = None  # computed once per token
        self.failure = ""  # why it cannot go on

    def allowed(self) -> Mask:
        """Which tokens may come next, [V]."""
        if self._mask is None:
            self._mask = self._computed()
        return self._mask

    def push(self, token: int) -> None:
        """Take the token that was chosen."""
        self._mask = None
        if token in self._v.stop_ids or self.failure:
            return
        try:
            self._consume(token)
        except Exception as e:  # the engine's thread must live
            self._fail(str(e))

    def _computed(self) -> Mask:
        if self.failure:
            return self._v.ends
        try:
            mask = self._of_grammar()
        except Exception as e:
            return self._fail(str(e))
        if self._matcher.is_error():
            return self._fail(self._matcher.get_error())
        return mask if mask.any() else self._fail("no token can follow")

    def _of_grammar(self) -> Mask:
        source = self._matcher if self._first is None else self._first
        bits = np.frombuffer(source.compute_bitmask(), np.uint8)
        mask = np.unpackbits(bits, count=self._v.size, bitorder="little").view(np.bool_)
        if self._first is not None:
            mask |= self._v.blank_beginnings
        mask[self._v.ends] = self._matcher.is_accepting()
        if self._number is not None and self._number.length >= MAX_NUMBER:
            shorter = mask & ~self._v.numeric
            mask = shorter if shorter.any() else mask  # a number such as "1." cannot end yet
        return mask

    def _consume(self, token: int) -> None:
        piece, ids = self._v.pieces.of(token), [token]
        if self._first is not None:
            assert self._v.beginning is not None
            first, self._first = self._v.beginning[token], None
            if first != piece and token not in self._v.control:
                ids, piece = (self._v.ll.greedy_tokenize(first.decode()) if first else []), first
        if not all(self._matcher.consume_token(id) for id in ids):
            self._fail(self._matcher.get_error())
        elif self._number is not None:
            self._number.push(piece)

    def _fail(self, error: str) -> Mask:
        self.failure = reason(error)
        _log.warning("an answer was ended because its grammar could not go on: %s", self.failure)
        return self._v.ends


class _NumberLength:
    """How long the number is that the JSON text so far ends with, in bytes."""

    def __init__(self) -> None:
        self.length = 0
        self._quoted = self._escaped = False

    def push(self, piece: bytes) -> None:
        for byte in piece:
            if self._quoted:
                self._quoted = self._escaped or byte != 0x22
                self._escaped = byte == 0x5C and not self._escaped
            else:
                self._quoted = byte == 0x22
                self.length = self.length + 1 if byte in NUMERIC else 0
