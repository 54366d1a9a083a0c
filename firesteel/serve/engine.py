"""The inference engine: continuous batching over a paged cache. Sequence in, `step`, events out.

    engine = Engine(model, tokenizer, max_sequences=512, cache_tokens=100_000)
    completions = engine.sample(prompts, max_new_tokens=64, temperature=1.0, seed=0, stop_ids=tokenizer.stop_ids)

One engine belongs to one thread. `EngineLoop` (loop.py) is that thread for a server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.blocks import BlockPool
from firesteel.serve.runner import Runner
from firesteel.serve.scheduler import Scheduler
from firesteel.serve.sequence import Completion, Event, Sampling, Sequence, split_seed

PREFILL_ONLINE = 512  # prompt tokens a step while others wait for their next token
PREFILL_BATCH = 8192  # the same when nobody watches: larger batches waste less
SCORES = 1 << 27  # attention scores of one layer that a prompt chunk may need at once, elements (512 MiB in float32)


class Engine:
    """Model + cache + scheduler. `cache_tokens` bounds the memory: cache.bytes_per_token each, rounded up to blocks."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, *, max_sequences: int, cache_tokens: int, block_size: int = 16
    ) -> None:
        self.model, self.tokenizer = model, tokenizer
        pool = BlockPool(-(-cache_tokens // block_size), block_size)
        self.scheduler = Scheduler(pool, max_sequences)
        self.runner = Runner(model, max_sequences=max_sequences, num_blocks=pool.count + 1, block_size=block_size)
        self._live: dict[str, Sequence] = {}

    @property
    def context(self) -> int:
        """Longest prompt + reply, tokens: what the positions and the whole cache can hold."""
        pool = self.scheduler.pool
        return min(self.model.config.max_position_embeddings, pool.count * pool.block_size)

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return self.scheduler.busy

    @property
    def cache_use(self) -> float:
        """Share of cache blocks in use, 0..1."""
        pool = self.scheduler.pool
        return 1 - pool.free / pool.count

    def submit(self, sequence: Sequence) -> None:
        """Queue a sequence. Raises UserError if it can never fit, or holds ids outside the vocabulary."""
        self.check(sequence)
        assert sequence.id not in self._live, sequence.id
        self.scheduler.add(sequence)
        self._live[sequence.id] = sequence

    def check(self, sequence: Sequence) -> None:
        """Raise UserError for a sequence that could never run; safe to call from another thread."""
        asked = len(sequence.prompt) + sequence.sampling.max_new_tokens
        if not sequence.prompt or sequence.sampling.max_new_tokens < 1:
            raise UserError("a sequence needs at least one prompt token and one new token", value=sequence.id)
        if asked > self.context:
            raise UserError(
                "the request is longer than the context", value=f"{len(sequence.prompt)} prompt tokens + "
                f"{sequence.sampling.max_new_tokens} new", why=f"the model and cache hold {self.context}",
                hint="shorten the prompt or ask for fewer new tokens",
            )  # fmt: skip
        if min(sequence.prompt) < 0 or max(sequence.prompt) >= self.model.config.vocab_size:
            raise UserError("a token id is outside the vocabulary", value=max(sequence.prompt, key=abs))

    def step(self, prefill_tokens: int = PREFILL_ONLINE) -> list[Event]:
        """One scheduling step: an event for every sequence that got a token; the finished leave."""
        touched = self._advance(prefill_tokens, patience=1)
        return [Event(s.id, s.ids[-1], s.logprobs[-1], s.tops[-1] if s.tops else [], s.finish_reason) for s in touched]

    def abort(self, id: str) -> None:
        """Drop a sequence wherever it is and free its blocks; unknown ids (finished meanwhile) are ignored."""
        sequence = self._live.get(id)
        if sequence is not None:
            self._forget(sequence)

    def sample(
        self, prompts: list[list[int]], *, max_new_tokens: int, temperature: float, top_p: float = 1.0, seed: int,
        stop_ids: tuple[int, ...],
    ) -> list[Completion]:  # fmt: skip
        """Complete all prompts; results in their order. Nothing else may be in flight.

        Prompt i draws from split_seed(seed, i), so a result depends on its own prompt, index and settings only. Where a
        prompt leaves less room than `max_new_tokens`, the completion ends with "length" at the context's end.
        """
        assert not self.busy, "sample() needs the engine for itself"
        sequences = [
            Sequence(str(i), prompt, Sampling(
                max_new_tokens=min(max_new_tokens, max(1, self.context - len(prompt))), temperature=temperature,
                top_p=top_p, seed=split_seed(seed, i), stop_ids=stop_ids,
            ))
            for i, prompt in enumerate(prompts)
        ]  # fmt: skip
        for sequence in sequences:
            self.check(sequence)
        try:
            for sequence in sorted(sequences, key=lambda s: len(s.prompt)):  # alike lengths pad little
                self.submit(sequence)
            with _evaluating(self.model):
                while self.busy:
                    self._advance(PREFILL_BATCH, patience=max(1, self.scheduler.max_sequences // 8))
        finally:
            for sequence in list(self._live.values()):
                self._forget(sequence)
        return [Completion(s.ids, s.logprobs, s.finish_reason or "length") for s in sequences]

    @torch.inference_mode()
    def _advance(self, prefill_tokens: int, patience: int) -> list[Sequence]:
        """Schedule, run, retire. Returns the sequences that got a token, finished ones included."""
        most = max(16, SCORES // (self.model.config.num_attention_heads * self.context))
        plan = self.scheduler.schedule(min(prefill_tokens, most), patience)
        for sequence in plan.preempted:
            self.runner.leave(sequence)
        for sequence in plan.decode:
            if sequence.row < 0:
                self.runner.join(sequence)
        for sequence in plan.grown:
            self.runner.grow(sequence)
        touched = self.runner.decode() if plan.decode else []
        if plan.chunks:
            touched += self.runner.prefill(plan.chunks)
        for sequence in touched:
            if sequence.finish_reason:
                self._forget(sequence)
        return touched

    def _forget(self, sequence: Sequence) -> None:
        self.runner.leave(sequence)
        self.scheduler.remove(sequence)
        del self._live[sequence.id]


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; a trainer's model goes back to training."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
