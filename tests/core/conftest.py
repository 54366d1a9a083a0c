"""A small byte-level tokenizer trained on a few lines."""

import pytest
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from firesteel.core.tokenizer import SPECIAL_TOKENS, SPLIT_PATTERN, Tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    backend = Backend(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(["the law of the land 中华人民共和国 法律 第一条 12+34=46"] * 20, trainer)
    return Tokenizer(backend)
