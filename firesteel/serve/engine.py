"""The inference engine: continuous batching over a paged cache. Sequence in, `step`, events out.

    engine = Engine(model, tokenizer, max_sequences=512, cache_tokens=100_000)
    completions = engine.sample(prompts, max_new_tokens=64, temperature=1.0, seed=0, stop_ids=tokenizer.stop_ids)

One engine belongs to one thread. `EngineLoop` (loop.py) is that thread for a server.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.exact import use_exact_sums
from firesteel.model.transformer import Transformer
from firesteel.serve.adapters import Adapters
from firesteel.serve.blocks import BlockPool
from firesteel.serve.rectangles import Ints
from firesteel.serve.routing import RoutingStore
from firesteel.serve.runner import Runner
from firesteel.serve.scheduler import Chunk, Plan, Scheduler
from firesteel.serve.sequence import Completion, Event, Sampling, Sequence, split_seed
from firesteel.serve.speculation import Speculation

BATCH_TOKENS = 8192  # tokens of a step when nobody watches: larger batches waste less
SCORES = 1 << 27  # attention scores of one layer that a prompt chunk may need at once, elements (512 MiB in float32)
DRAFTS = 3  # most tokens to draft at once


@dataclass
class Stats:
    """What the engine has done since it was made."""

    steps: int = 0
    prompt_tokens: int = 0  # of sequences that were read, those found in the cache included
    prefix_hit_tokens: int = 0
    new_tokens: int = 0
    drafted: int = 0
    accepted: int = 0


class Engine:
    """Model + cache + scheduler.

    `cache_tokens` bounds the memory: cache.bytes_per_token each, rounded up to blocks. `step_tokens`: prompt and answer tokens
    of one step. `prefix_cache`: keep what was computed, for sequences that begin alike. `speculate`: draft with the model's MTP
    module, if it has one, as far as it pays; a number: always so many drafts. `batch_invariant`: see model/exact.py.
    `adapters`: LoRA folders by the names that sequences choose them by.
    """

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, *, max_sequences: int, cache_tokens: int, block_size: int = 16,
        step_tokens: int = 512, prefix_cache: bool = True, speculate: bool | int = False, batch_invariant: bool = False,
        adapters: Mapping[str, Path] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.tokenizer, self.step_tokens = model, tokenizer, step_tokens
        if batch_invariant:
            use_exact_sums(model)
        self.adapters = Adapters(model, adapters or {})
        pool = BlockPool(-(-cache_tokens // block_size), block_size)
        self.scheduler = Scheduler(pool, max_sequences, prefix_cache)
        most = 0 if not speculate or not model.mtp else DRAFTS if speculate is True else speculate
        self.speculation = Speculation(most, None if speculate is True else most)
        self.runner = Runner(
            model, max_sequences=max_sequences, num_blocks=pool.count + 1, block_size=block_size, drafts=most
        )
        self.stats = Stats()
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
        if not sequence.prompt:
            raise UserError("a sequence needs at least one prompt token", value=sequence.id)
        if sequence.sampling.max_new_tokens < 0:
            raise UserError("a sequence cannot have less than no new tokens", value=sequence.sampling.max_new_tokens)
        if asked > self.context:
            raise UserError(
                "the request is longer than the context", value=f"{len(sequence.prompt)} prompt tokens + "
                f"{sequence.sampling.max_new_tokens} new", why=f"the model and cache hold {self.context}",
                hint="shorten the prompt or ask for fewer new tokens",
            )  # fmt: skip
        if min(sequence.prompt) < 0 or max(sequence.prompt) >= self.model.config.vocab_size:
            raise UserError("a token id is outside the vocabulary", value=max(sequence.prompt, key=abs))
        if sequence.adapter and sequence.adapter not in self.adapters.names:
            raise UserError("there is no such adapter", value=sequence.adapter)

    def step(self, step_tokens: int | None = None) -> list[Event]:
        """One scheduling step: an event for every new token; the finished leave."""
        events = []
        for s, n in self._advance(step_tokens or self.step_tokens, patience=1):
            if not n:
                events.append(Event(s.id, -1, 0.0, [], s.finish_reason))
            first = len(s.ids) - n
            for i in range(first, len(s.ids)):
                reason = s.finish_reason if i + 1 == len(s.ids) else None
                events.append(Event(s.id, s.ids[i], s.logprobs[i], s.tops[i] if s.tops else [], reason))
        return events

    def abort(self, id: str) -> None:
        """Drop a sequence wherever it is and free its blocks; unknown ids (finished meanwhile) are ignored."""
        sequence = self._live.get(id)
        if sequence is not None:
            self._forget(sequence)

    def sample(
        self, prompts: list[list[int]], *, max_new_tokens: int, temperature: float, top_p: float = 1.0, seed: int,
        stop_ids: tuple[int, ...], routing: bool = False,
    ) -> list[Completion]:  # fmt: skip
        """Complete all prompts; results in their order. Nothing else may be in flight.

        Prompt i draws from split_seed(seed, i), so a result depends on its own prompt, index and settings only. Where a
        prompt leaves less room than `max_new_tokens`, the completion ends with "length" at the context's end. `routing`: tell
        which experts each token went through.
        """
        assert not self.busy, "sample() needs the engine for itself"
        self.scheduler.pool.forget()  # the weights may be others than last time
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
            with _evaluating(self.model), self._recording(routing):
                while self.busy:
                    self._advance(BATCH_TOKENS, patience=max(1, self.scheduler.max_sequences // 8))
        finally:
            for sequence in list(self._live.values()):
                self._forget(sequence)
        return [Completion(s.ids, s.logprobs, s.finish_reason or "length", s.routing) for s in sequences]

    @contextlib.contextmanager
    def _recording(self, wanted: bool) -> Iterator[None]:
        """Record the experts of all tokens for a while, if that is wanted."""
        if not wanted:
            yield
            return
        size = self.scheduler.pool.block_size
        store = RoutingStore(self.model, (self.scheduler.pool.count + 1) * size, size)
        with store.listening():
            self.runner.routing = store
            try:
                yield
            finally:
                self.runner.routing = None

    @torch.inference_mode()
    def _advance(self, step_tokens: int, patience: int) -> list[tuple[Sequence, int]]:
        """Schedule, run, retire. Returns the sequences that got tokens and how many, finished ones included."""
        most = max(16, SCORES // (self.model.config.num_attention_heads * self.context))
        drafts = self.speculation.drafts(len(self.runner.rows)) if self.speculation.most else 0
        plan = self.scheduler.schedule(min(step_tokens, most), patience, drafts)
        self._arrange(plan)
        if not plan.decode and not plan.chunks:
            return []
        began = time.perf_counter()
        advanced: list[tuple[Sequence, int]] = []
        for name, rows, chunks in self._by_adapter(plan):
            self.adapters.use(name)
            advanced += self.runner.step(chunks, drafts, rows)
        if not plan.chunks:
            tokens = sum(n for _, n in advanced)
            self.speculation.record(len(plan.decode), drafts, tokens, time.perf_counter() - began)
        self._retire(plan, advanced)
        return advanced

    def _arrange(self, plan: Plan) -> None:
        """Rows of the decode batch as the plan says."""
        for sequence in plan.preempted:
            self.runner.leave(sequence)
        for sequence in plan.decode:
            if sequence.row < 0:
                self.runner.join(sequence)
        for sequence in plan.grown:
            if sequence.row >= 0:
                self.runner.grow(sequence)

    def _by_adapter(self, plan: Plan) -> Iterator[tuple[str, Ints | None, list[Chunk]]]:
        """One pass for each adapter in use: its name, its rows (None: all) and its chunks."""
        if not self.adapters.names:
            yield "", None, plan.chunks
            return
        rows = self.runner.rows.sequences
        for name in sorted({s.adapter for s in rows} | {c.sequence.adapter for c in plan.chunks}):
            own = np.array([s.row for s in rows if s.adapter == name], np.int64)
            yield name, own, [c for c in plan.chunks if c.sequence.adapter == name]

    def _retire(self, plan: Plan, advanced: list[tuple[Sequence, int]]) -> None:
        """Name what is in the cache now, count, and let the finished go."""
        self.stats.steps += 1
        self.stats.drafted, self.stats.accepted = self.runner.drafted, self.runner.accepted
        for sequence in plan.decode:
            self.scheduler.record(sequence)
        for chunk in plan.chunks:
            self.scheduler.record(chunk.sequence)
        for sequence, n in advanced:
            self.stats.new_tokens += n
            if len(sequence.ids) <= n:  # its first
                self.stats.prompt_tokens += len(sequence.prompt)
                self.stats.prefix_hit_tokens += sequence.prefix_hits
            if sequence.finish_reason:
                if self.runner.routing is not None:
                    sequence.routing = self.runner.routing.of(sequence)
                self._forget(sequence)

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
