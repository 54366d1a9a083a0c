"""A tokenizer of bare bytes with our special tokens, and turns written as text."""

from __future__ import annotations

import re

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from firesteel.core.tokenizer import SPECIAL_TOKENS, Tokenizer


def letters() -> Tokenizer:
    """The tokenizer."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    backend.train_from_iterator(["the answer is 5"], trainer)
    return Tokenizer(backend)


def said(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a turn; the names of special tokens in it become these."""
    names = "|".join(map(re.escape, SPECIAL_TOKENS))
    parts = re.split(f"({names})", text)
    return [
        id
        for part in parts
        for id in ([tokenizer.special[part]] if part in tokenizer.special else tokenizer.encode(part))
    ]
