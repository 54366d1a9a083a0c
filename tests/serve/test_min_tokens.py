"""min_tokens: no stop id before so many tokens; in batches, with drafts and beside guides as the plain sampler has it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.plain import plain_sample
from firesteel.serve.sampling import adjust
from firesteel.serve.sequence import Sampling, Sequence
from tests.serve.test_speculation import TEXTS
from tests.serve.test_speculation import foresighted as foresighted

MANY = tuple(range(20, 120))  # so many stop ids that a warm model soon says one


class Allowing:
    """A guide that allows two words, then nothing but the end."""

    def __init__(self, size: int, words: tuple[int, ...], end: int) -> None:
        self._size, self._words, self._end, self._said = size, words, end, 0

    def allowed(self) -> npt.NDArray[np.bool_] | None:
        mask = np.zeros(self._size, np.bool_)
        mask[list(self._words) if self._said < 2 else [self._end]] = True
        if self._said == 1:
            mask[self._end] = True  # it may end here, too
        return mask

    def push(self, token: int) -> None:
        self._said += 1


def run(engine: Engine, sequences: list[Sequence]) -> None:
    for sequence in sequences:
        engine.submit(sequence)
    while engine.busy:
        engine.step()


def test_the_engine_equals_the_plain_sampler(model: Transformer, tokenizer: Tokenizer) -> None:
    asked = [
        Sampling(30, 1.0, seed=i, stop_ids=MANY, min_tokens=least, frequency_penalty=0.5 * (i % 2))
        for i, least in enumerate((0, 1, 2, 7, 12, 30))
    ]
    sequences = [Sequence(str(i), [130 + i, 131, 132], s) for i, s in enumerate(asked)]
    run(Engine(model, tokenizer, max_sequences=4, cache_tokens=512, block_size=4), sequences)
    for s in sequences:
        twin = plain_sample(model, s.prompt, s.sampling)
        assert (s.ids, s.finish_reason) == (twin.ids, twin.finish_reason)
        assert s.logprobs == pytest.approx(twin.logprobs, abs=1e-4)
        assert not set(s.ids[: s.sampling.min_tokens]) & set(MANY)
    assert len(sequences[0].ids) < 7 and len(sequences[3].ids) > 7, "the settings were meant to matter"
    assert sequences[-1].finish_reason == "length"


def test_alternatives_do_not_hold_what_cannot_be_said(model: Transformer, tokenizer: Tokenizer) -> None:
    sequence = Sequence("a", [130], Sampling(6, 1.0, seed=3, stop_ids=MANY, min_tokens=6, top_logprobs=5))
    run(Engine(model, tokenizer, max_sequences=1, cache_tokens=64), [sequence])
    for token, logprob, top in zip(sequence.ids, sequence.logprobs, sequence.tops, strict=True):
        assert not {id for id, _ in top} & set(MANY)
        assert dict(top).get(token, logprob) == logprob


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_drafts_change_nothing(foresighted: Transformer, tokenizer: Tokenizer, temperature: float) -> None:
    stops = tuple({text[25] for text in TEXTS})
    asked = [Sampling(25, temperature, seed=i, stop_ids=stops, min_tokens=3 * i) for i in range(len(TEXTS))]
    sequences = [Sequence(str(i), text[:21], s) for i, (text, s) in enumerate(zip(TEXTS, asked, strict=True))]
    e = Engine(foresighted, tokenizer, max_sequences=3, cache_tokens=1024, block_size=4, speculate=3)
    run(e, sequences)
    for s in sequences:
        twin = plain_sample(foresighted, s.prompt, s.sampling)
        assert (s.ids, s.finish_reason) == (twin.ids, twin.finish_reason)
    assert e.stats.accepted > 0, "these sequences were meant to be drafted"


def test_a_draft_behind_the_last_forbidden_place_may_end_it(foresighted: Transformer, tokenizer: Tokenizer) -> None:
    for text in TEXTS:  # the model knows what comes, so what it drafts holds: the stop id is the first allowed token
        sampling = Sampling(25, 0.0, stop_ids=(text[26],), min_tokens=5)
        free = plain_sample(foresighted, text[:21], Sampling(6, 0.0)).ids
        sequence = Sequence("a", text[:21], sampling)
        run(Engine(foresighted, tokenizer, max_sequences=1, cache_tokens=256, speculate=3), [sequence])
        assert sequence.ids == plain_sample(foresighted, text[:21], sampling).ids
        if free == text[21:27] and text[26] not in free[:5]:
            assert (len(sequence.ids), sequence.finish_reason) == (6, "stop")


def test_a_guide_that_is_through_ends_the_answer_all_the_same(model: Transformer, tokenizer: Tokenizer) -> None:
    V, end = model.config.vocab_size, 25
    sampling = Sampling(20, 1.0, seed=1, stop_ids=(end, 26), min_tokens=10)
    sequence = Sequence("a", [130], sampling, Allowing(V, (200, 201), end))
    run(Engine(model, tokenizer, max_sequences=1, cache_tokens=64), [sequence])
    assert len(sequence.ids) == 3 and sequence.ids[-1] == end and sequence.finish_reason == "stop"
    assert sequence.ids == plain_sample(model, [130], sampling, Allowing(V, (200, 201), end)).ids


def test_rows_of_one_sequence_are_for_tokens_one_after_the_other() -> None:
    sequence = Sequence("a", [1], Sampling(9, stop_ids=(0, 99), min_tokens=2))
    other = Sequence("b", [1], Sampling(9, stop_ids=(1,), min_tokens=1))
    logits = torch.zeros(5, 4)
    adjust(logits, [(0, sequence), (1, sequence), (2, sequence), (3, other), (4, other)])
    held = [[j for j in range(4) if logits[i, j] == -math.inf] for i in range(5)]
    assert held == [[0], [0], [], [1], []]
