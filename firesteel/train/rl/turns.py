"""Answers of one turn or several: sample, let tools speak, sample on.

Ids stay as they were sampled; a tool's words are only appended, as the template writes them, and are never learnt. All
turns and tool's words together are an answer of at most `max_new_tokens`.

P prompt tokens, T tokens of an answer, L layers with experts, K experts a token
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from firesteel.core.config import GrpoSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.sampler import Completion, Sampler
from firesteel.train.rl.sampled import Question, Reply, Sampled, Verdict

Each = Callable[[Callable[["Draft"], Reply | None], Iterable["Draft"]], Iterable[Reply | None]]  # as `map` does


@dataclass
class Draft:
    """An answer that is being given."""

    question: Question
    most: int  # tokens that it may have
    ids: list[int] = field(default_factory=list)  # [T]
    logprobs: list[float] = field(default_factory=list)  # [T]
    said: list[bool] = field(default_factory=list)  # [T]
    turns: list[list[int]] = field(default_factory=list)
    called: tuple[str, ...] = ()
    stopped: bool = False
    routing: npt.NDArray[np.int16] | None = None  # [P+T-1, L, K]

    @property
    def left(self) -> int:
        """Tokens that it may still have."""
        return self.most - len(self.ids)

    def say(self, done: Completion, routed: npt.NDArray[np.int16] | None) -> None:
        """Take the model's next turn. Where it is longer than what is left, it is cut."""
        left, known = self.left, len(self.question.prompt) + len(self.ids)
        turn = done.ids[:left]
        self.stopped = done.finish_reason == "stop" and len(done.ids) <= left
        self.ids += turn
        self.logprobs += done.logprobs[: len(turn)]
        self.said += [True] * len(turn)
        self.turns.append(turn)
        if routed is not None:  # of what stood before, the record of when it was sampled; not that of reading it again
            kept = routed[: known + len(turn) - 1]
            own = self.routing
            self.routing = kept if own is None else np.concatenate((own, kept[len(own) :]))

    def hear(self, reply: Reply) -> bool:
        """Append what tools said; False if no room is left to answer it, and then the answer is cut short."""
        self.called += reply.called
        if len(reply.ids) >= self.left:
            self.stopped = False
            return False
        self.ids += reply.ids
        self.logprobs += [0.0] * len(reply.ids)
        self.said += [False] * len(reply.ids)
        return True


def drafts(
    sampler: Sampler, questions: Sequence[Question], settings: GrpoSettings, *, seeds: Callable[[int], int],
    stop_ids: tuple[int, ...], longest: int, each: Each = map,
) -> list[Draft]:  # fmt: skip
    """An answer to every question, whole. `seeds`: number of the turn -> seed; `longest`: context of the model, tokens."""
    every = [Draft(q, max(1, min(settings.max_new_tokens, longest - len(q.prompt)))) for q in questions]
    extra: dict[str, Any] = {"routing": True} if settings.routing_replay else {}
    speaking = every
    for turn in range(settings.max_turns):
        done = sampler.sample(
            [d.question.prompt + d.ids for d in speaking], max_new_tokens=max(d.left for d in speaking),
            temperature=settings.temperature, seed=seeds(turn), stop_ids=stop_ids, **extra,
        )  # fmt: skip
        for draft, completion in zip(speaking, done, strict=True):
            draft.say(completion, _routing(completion) if extra else None)
        if turn + 1 == settings.max_turns:
            break
        asked = [d for d in speaking if d.stopped and d.question.dialogue is not None]
        replies = zip(asked, each(_reply, asked), strict=True)
        speaking = [d for d, reply in replies if reply is not None and d.hear(reply)]
        if not speaking:
            break
    return every


def sampled(draft: Draft, verdict: Verdict) -> Sampled:
    """The finished answer."""
    routing = None if draft.routing is None else torch.from_numpy(draft.routing)
    said = [] if all(draft.said) else draft.said
    return Sampled(
        draft.question, draft.ids, draft.logprobs, draft.stopped, verdict, said, routing, draft.called,
    )  # fmt: skip


def judged(draft: Draft) -> Verdict:
    """The verifier's word on an answer; its lengths and steps are those of the whole answer."""
    dialogue = draft.question.dialogue
    if dialogue is None or len(draft.turns) == 1:
        return draft.question.judge(draft.ids, draft.stopped)
    verdict = dialogue.judge(draft.turns, draft.stopped)
    before = len(draft.ids) - len(draft.turns[-1])
    steps = tuple((before + end, right) for end, right in verdict.steps)
    return replace(verdict, length=len(draft.ids), steps=steps)


def _reply(draft: Draft) -> Reply | None:
    dialogue = draft.question.dialogue
    return None if dialogue is None else dialogue.respond(draft.turns[-1])


def _routing(completion: Completion) -> npt.NDArray[np.int16]:
    routing: npt.NDArray[np.int16] | None = getattr(completion, "routing", None)
    if routing is None:
        raise FiresteelError("the sampler does not tell which experts it chose", hint="set grpo.routing_replay = false")
    return routing
