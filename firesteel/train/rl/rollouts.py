"""Where the answers of a step come from: questions, an inference engine that answers them, verifiers that judge.

Questions are answered in pieces. A piece on the disk (store.py) stands for itself, so a step is the same whether it was
sampled in one go or by runs that were killed on the way. Of several processes each answers its share of the questions;
of what it was told they only need to know what a step's facts and the next questions depend on.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from firesteel.compute.mesh import Mesh
from firesteel.core.artefact import digest
from firesteel.core.config import GrpoSettings
from firesteel.core.sampler import Sampler
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Share
from firesteel.train.replicas import fingerprint
from firesteel.train.rl.reward import reward
from firesteel.train.rl.sampled import Group, Question, Sampled
from firesteel.train.rl.step_facts import Facts, facts, has_signal, told
from firesteel.train.rl.store import Store, shown
from firesteel.train.rl.turns import drafts, judged, sampled

A = TypeVar("A")
B = TypeVar("B")
Questions = Callable[[int, int], Sequence[Question]]  # (first number, how many) -> questions
SHOWN_EVERY = 10  # steps
# What a kill may cost: FLOPs of a piece's answers, some seconds of a processor or an accelerator; and how many these are at
# least and at most. Fewer together are slower: on a processor, of a 2 M model, 128 at a time took 1.6 times as long as 384.
WORK, WORK_ACCELERATOR = 1e12, 1e16
FEWEST, MOST = 64, 1024
ALL = Share()


def piece_of(model: Transformer, settings: GrpoSettings) -> int:
    """Answers that are sampled, judged and stored together, in whole groups: a function of the model's size and its device."""
    each = 2 * sum(p.numel() for p in model.parameters()) * settings.max_new_tokens
    answers = int((WORK if model.device.type == "cpu" else WORK_ACCELERATOR) / each)
    size = settings.group_size
    return max(min(max(answers, FEWEST), MOST, settings.prompts * size) // size, 1) * size


class Memory(Protocol):
    """What is remembered of how questions were answered, and decides which come next (tasks.curriculum)."""

    def observe(self, answers: Iterable[tuple[str, int, bool]]) -> None: ...  # a step's (task, level, right)
    def state(self) -> dict[str, Any]: ...
    def load(self, state: Mapping[str, Any]) -> None: ...


class Rollouts:
    """Groups of judged answers, a function of the weights, the seed, the step, and what `memory` holds.

    `store`: where answers are kept, and looked for; processes of one `mesh` share it. `piece`: answers a piece; 0 = as
    `piece_of` says.
    """

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, sampler: Sampler, questions: Questions, settings: GrpoSettings, *,
        seed: int, store: Store | None = None, memory: Memory | None = None, piece: int = 0, mesh: Mesh | None = None,
    ) -> None:  # fmt: skip
        self.model, self.tokenizer, self.sampler, self.questions = model, tokenizer, sampler, questions
        self.settings, self.seed, self.store, self.memory = settings, seed, store, memory
        self.piece = max(1, (piece or piece_of(model, settings)) // settings.group_size)  # groups
        self.mesh = mesh or Mesh()
        self._seconds = {"sampling_seconds": 0.0, "judging_seconds": 0.0}

    def __call__(self, step: int, share: Share = ALL) -> tuple[list[Group], Facts]:
        """This process's share of `prompts` groups of `group_size` answers of step number `step`, from 0; facts of all.

        With `resample`, groups that teach nothing give their places to new questions, as often as that.
        """
        s, policy = self.settings, self._policy() if self.store else ""
        if self.store and self.mesh.first:
            self.store.begin(step, policy)
        self.mesh.barrier()
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        groups: dict[int, Group] = {}
        every: list[Group] = []
        places = own = list(share.rows(s.prompts))
        for turn in range(s.resample + 1):
            found = list(self._round(step, turn, places, policy))
            every += found
            groups |= dict(zip(places, found, strict=True))
            places = [at for at in places if not has_signal(groups[at], s)]
            if not places:
                break
        if self.store and self.mesh.first:
            some = shown(every, s.samples_shown) if step == 0 or (step + 1) % SHOWN_EVERY == 0 else []
            self.store.end(step, [(a, reward(a, s)) for a in some])
        return [groups[at] for at in own], self._facts(every)

    def state(self) -> dict[str, Any]:
        """What is kept between steps, plain JSON: a checkpoint holds it."""
        return {"memory": {} if self.memory is None else self.memory.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        if self.memory is not None:
            self.memory.load(state["memory"])

    def _facts(self, groups: Sequence[Group]) -> Facts:
        """What all processes have to say of a step; what is remembered is told of it, too."""
        everyone = self.mesh.everyone([[told(group, self.settings) for group in groups], self._seconds])
        every = [group for own, _ in everyone for group in own]
        if self.memory is not None:
            self.memory.observe((a["task"], a["level"], a["right"]) for group in every for a in group)
        seconds = {name: round(max(spent[name] for _, spent in everyone), 4) for name in self._seconds}
        return facts(every, self.settings) | seconds

    def _round(self, step: int, turn: int, places: Sequence[int], policy: str) -> Iterator[Group]:
        """The groups of a step's round number `turn`: one for each place, whose question keeps to the place's task."""
        first = (step * (self.settings.resample + 1) + turn) * self.settings.prompts
        size = self.settings.group_size
        for start in range(0, len(places), self.piece):
            own = places[start : start + self.piece]
            asked = [q for at in own for q in [*self.questions(first + at, 1)] * size]
            answers = self._piece(step, (turn, own[0]), asked, policy)
            yield from (answers[i : i + size] for i in range(0, len(answers), size))

    def _piece(self, step: int, piece: tuple[int, int], asked: list[Question], policy: str) -> list[Sampled]:
        """The answers to some questions, from the disk if they are there. `piece`: its round, and the place of its first."""
        if self.store is None:
            return self._answers(step, piece, asked)
        s, name = self.settings, f"{piece[0]}-{piece[1]:05d}"
        head: dict[str, Any] = {
            "policy": policy, "round": piece[0], "first": piece[1], "group_size": s.group_size, "seed": self._seed(step, *piece),
            "temperature": s.temperature, "max_new_tokens": s.max_new_tokens, "max_turns": s.max_turns,
        }  # fmt: skip
        head["key"] = digest(head | {"prompts": [q.prompt for q in asked], "routing": s.routing_replay})
        found = self.store.load(step, name, head["key"], asked)
        if found is None:
            found = self._answers(step, piece, asked)
            self.store.save(step, name, head, found, [reward(a, s) for a in found])
        return found

    def _answers(self, step: int, piece: tuple[int, int], asked: list[Question]) -> list[Sampled]:
        """Sample and judge, in order; whoever waits for another process waits beside others."""
        began = time.perf_counter()
        self.model.eval()
        try:
            said = drafts(
                self.sampler, asked, self.settings, seeds=lambda turn: self._seed(step, *piece, turn),
                stop_ids=self.tokenizer.stop_ids, longest=self.model.config.max_position_embeddings, each=_together,
            )  # fmt: skip
        finally:
            self.model.train()
        between = time.perf_counter()
        slow = [d for d in said if d.question.slow]
        waited = dict(zip(map(id, slow), _together(judged, slow), strict=True))
        done = [sampled(d, waited[id(d)] if id(d) in waited else judged(d)) for d in said]
        self._seconds["sampling_seconds"] += between - began
        self._seconds["judging_seconds"] += time.perf_counter() - between
        return done

    def _seed(self, step: int, turn: int, piece: int, spoken: int = 0) -> int:
        """Of a round, a piece of it, and a turn of its answers."""
        base = self.seed * 1_000_003 + step
        if not (turn or piece or spoken):
            return base
        told = hashlib.sha256(f"{base}/{turn}/{piece}/{spoken}".encode()).digest()
        return int.from_bytes(told[:8], "big")

    def _policy(self) -> str:
        """sha256 of what decides what the model says: every bit of its weights."""
        names, bits = fingerprint(self.model)
        return hashlib.sha256("\n".join(names).encode() + bits.cpu().numpy().tobytes()).hexdigest()


def _together(act: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """As `map`, with threads: for work that other processes do."""
    known = list(items)
    if not known:
        return []
    with ThreadPoolExecutor(max_workers=min(len(known), os.cpu_count() or 1)) as pool:
        return list(pool.map(act, known))
