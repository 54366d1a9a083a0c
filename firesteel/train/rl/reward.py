"""What an answer earns in all: the verifier's reward, a little for form and language, and what its length costs."""

from __future__ import annotations

from firesteel.core.config import GrpoSettings
from firesteel.train.rl.sampled import Sampled


def reward(answer: Sampled, settings: GrpoSettings) -> float:
    """The number that answers of a group are compared by; an answer cut at the bound earns as `overlong` says."""
    if settings.overlong == "zero" and not answer.stopped:
        return 0.0
    earned = answer.verdict.reward(settings.format_reward, settings.language_reward)
    return earned - overlong_penalty(len(answer.ids), settings) if settings.overlong == "soft" else earned


def beside(answer: Sampled, settings: GrpoSettings) -> float:
    """The part of the reward that no step decides: its language, and what its length costs. Form is a matter of steps."""
    if settings.overlong == "zero" and not answer.stopped:
        return 0.0
    earned = settings.language_reward * answer.verdict.language
    return earned - overlong_penalty(len(answer.ids), settings) if settings.overlong == "soft" else earned


def overlong_penalty(length: int, settings: GrpoSettings) -> float:
    """From 0, `overlong_buffer` tokens before the bound, to 1 at the bound (DAPO eq. 13)."""
    start = settings.max_new_tokens - settings.overlong_buffer
    return min(max((length - start) / settings.overlong_buffer, 0.0), 1.0)
