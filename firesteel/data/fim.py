"""Fill in the middle: a share of documents is cut in three and rearranged, so that a model learns to fill gaps.

Order PSM, cuts at random characters of the whole document (Bavarian et al. 2022, arXiv:2207.14255); DeepSeek-V3 does so with
a tenth of its documents (arXiv:2412.19437, section 4.1). What is cut, and where, follows from the document's id alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from firesteel.core.errors import ArtefactError
from firesteel.core.tokenizer import Tokenizer


class Cut(NamedTuple):
    """A text in three parts; any of them may be empty."""

    prefix: str
    middle: str
    suffix: str


def cut(text: str, id: str, rate: float, *, seed: int) -> Cut | None:
    """The parts of a document that is among the chosen `rate` of all; None for the others."""
    raw = hashlib.blake2b(f"{seed}:fim:{id}".encode(), digest_size=24).digest()
    chosen, *places = (int.from_bytes(raw[i : i + 8], "big") for i in (0, 8, 16))
    if chosen >= rate * 2**64:
        return None
    first, second = sorted(place % (len(text) + 1) for place in places)
    return Cut(text[:first], text[first:second], text[second:])


def rearranged(parts: Cut, encode: Callable[[str], list[int]], ids: tuple[int, int, int]) -> list[int]:
    """The parts as tokens in the order prefix, suffix, middle; `ids` begin the prefix, the middle and the suffix."""
    prefix, middle, suffix = ids
    return [prefix, *encode(parts.prefix), suffix, *encode(parts.suffix), middle, *encode(parts.middle)]


def marker_ids(tokenizer: Tokenizer) -> tuple[int, int, int]:
    """The tokens for prefix, middle and suffix. Raises ArtefactError if the tokenizer has none."""
    if tokenizer.fim_ids is None:
        raise ArtefactError(
            "the tokenizer has no tokens for fill-in-the-middle", value="<|fim_prefix|>, <|fim_middle|>, <|fim_suffix|>",
            hint="set tokens.fim_rate = 0, or make the tokenizer again: new ones have them",
        )  # fmt: skip
    return tokenizer.fim_ids
