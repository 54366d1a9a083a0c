"""What a request may want of its prompt itself: the logprob of each token, and one vector for the whole text.

D hidden, V vocabulary
"""

from __future__ import annotations

import torch
from torch import Tensor

from firesteel.model.transformer import Transformer
from firesteel.serve.scheduler import Chunk
from firesteel.serve.sequence import Alternatives, Sequence

SLICE = 128  # positions whose logits are computed together: SLICE x V floats


class Reading:
    """Gathers over the chunks of a prompt what its sequence asked for."""

    def __init__(self, model: Transformer) -> None:
        self.model = model
        self._sums: dict[Sequence, Tensor] = {}

    def read(self, chunk: Chunk, states: Tensor) -> None:
        """The final states [count, D] of a chunk."""
        sequence = chunk.sequence
        if sequence.sampling.prompt_logprobs is not None:
            self._logprobs(chunk, states, sequence.sampling.prompt_logprobs)
        if sequence.pooled:
            part = states[: max(len(sequence.prompt) - chunk.start, 0)].float().sum(dim=0)
            self._sums[sequence] = part if chunk.start == 0 else self._sums[sequence] + part
            if chunk.start + chunk.count >= len(sequence.prompt):
                mean = self._sums.pop(sequence)
                sequence.embedding = (mean / mean.norm().clamp(min=1e-12)).tolist()

    def forget(self, sequence: Sequence) -> None:
        """A sequence is over, or will begin anew."""
        self._sums.pop(sequence, None)

    def _logprobs(self, chunk: Chunk, states: Tensor, alternatives: int) -> None:
        """Logprobs of the tokens after those of the chunk: the model's own, whatever the temperature."""
        sequence = chunk.sequence
        if chunk.start == 0:
            sequence.prompt_logprobs, sequence.prompt_ranks = [], []  # it may have begun before, and been pre-empted
        following = sequence.prompt[chunk.start + 1 : chunk.start + chunk.count + 1]
        for at in range(0, len(following), SLICE):
            targets = torch.tensor(following[at : at + SLICE], device=states.device)
            logprobs = torch.log_softmax(self.model.logits(states[at : at + len(targets)]), dim=-1)
            own = logprobs.gather(1, targets[:, None])
            sequence.prompt_ranks += ((logprobs > own).sum(dim=-1) + 1).tolist()
            sequence.prompt_logprobs += zip(own[:, 0].tolist(), _likeliest(logprobs, alternatives), strict=True)


def _likeliest(logprobs: Tensor, count: int) -> list[Alternatives]:
    """The likeliest tokens of each row of [N, V]."""
    if not count:
        return [[] for _ in range(len(logprobs))]
    values, ids = logprobs.topk(min(count, logprobs.shape[1]))
    return [list(zip(i, v, strict=True)) for i, v in zip(ids.tolist(), values.tolist(), strict=True)]
