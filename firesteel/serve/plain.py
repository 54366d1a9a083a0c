"""The plain sampler: one sequence, the whole forward pass for every token, a cumulative sum in double precision.

The slow twin of the engine, and its oracle in tests.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from firesteel.model.transformer import Transformer
from firesteel.serve.sampling import uniforms
from firesteel.serve.sequence import Alternatives, Completion, Guide, Sampling


@torch.inference_mode()
def plain_sample(model: Transformer, prompt: list[int], sampling: Sampling, guide: Guide | None = None) -> Completion:
    """Continue a prompt exactly as the engine must."""
    ids: list[int] = []
    logprobs: list[float] = []
    for _ in range(sampling.max_new_tokens):
        logits = model.logits(_states(model, prompt + ids)[-1]).double().cpu().numpy()
        token, logprob = plain_choose(logits, prompt, ids, sampling, guide)
        ids.append(token)
        logprobs.append(logprob)
        if guide is not None:
            guide.push(token)
        if token in sampling.stop_ids:
            return Completion(ids, logprobs, "stop")
    return Completion(ids, logprobs, "length")


@torch.inference_mode()
def plain_prompt_logprobs(model: Transformer, prompt: list[int], alternatives: int) -> list[tuple[float, Alternatives]]:
    """The logprob in nats of each of prompt[1:], and so many likeliest tokens in its place, from the model's own logits."""
    states = _states(model, prompt)
    found = []
    for i in range(1, len(prompt)):
        logprobs = _log_softmax(model.logits(states[i - 1]).double().cpu().numpy())
        order = np.argsort(-logprobs, kind="stable")[:alternatives]
        found.append((float(logprobs[prompt[i]]), [(int(id), float(logprobs[id])) for id in order]))
    return found


@torch.inference_mode()
def plain_prompt_ranks(model: Transformer, prompt: list[int]) -> list[int]:
    """Of each of prompt[1:], how many tokens are likelier in its place, plus one."""
    logits = [model.logits(state).double().cpu().numpy() for state in _states(model, prompt)[:-1]]
    return [1 + int((row > row[id]).sum()) for row, id in zip(logits, prompt[1:], strict=True)]


@torch.inference_mode()
def plain_embedding(model: Transformer, prompt: list[int]) -> list[float]:
    """Mean over positions of the normed final states, brought to length 1. [D]"""
    mean = _states(model, prompt).double().mean(dim=0).cpu().numpy()
    return [float(x) for x in mean / np.sqrt((mean * mean).sum())]


def plain_choose(
    logits: np.ndarray, prompt: list[int], ids: list[int], s: Sampling, guide: Guide | None = None
) -> tuple[int, float]:
    """The token after `ids` and its logprob in nats. logits [V] float64, overwritten."""
    _adjust(logits, prompt, ids, s, guide)
    logprobs = _log_softmax(logits / (s.temperature or 1.0))
    if s.temperature == 0:
        token = int(logprobs.argmax())
        return token, float(logprobs[token])
    p = plain_cut(np.exp(logprobs), s)
    u = float(uniforms(np.array([s.seed & (2**64 - 1)], np.uint64), np.array([len(ids)], np.uint64))[0])
    token = int(np.searchsorted(np.cumsum(p), u * p.sum(), side="right"))
    return token, float(logprobs[token])


def plain_cut(p: np.ndarray, s: Sampling) -> np.ndarray:
    """Probabilities [V] with those of tokens that top_k, top_p or min_p cut off set to 0."""
    kept = np.zeros_like(p)
    mass = 0.0
    for rank, token in enumerate(np.argsort(-p, kind="stable")):
        beyond_k = s.top_k > 0 and rank >= s.top_k
        beyond_p = s.top_p < 1 and mass >= s.top_p
        if beyond_k or beyond_p or p[token] < s.min_p * p.max():
            break
        kept[token] = p[token]
        mass += p[token]
    return kept


def _states(model: Transformer, tokens: list[int]) -> torch.Tensor:
    """Normed final states [T, D]."""
    states: torch.Tensor = model(torch.tensor([tokens], device=model.device))[0]
    return states


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    logprobs: np.ndarray = shifted - np.log(np.exp(shifted).sum())
    return logprobs


def _adjust(logits: np.ndarray, prompt: list[int], ids: list[int], s: Sampling, guide: Guide | None) -> None:
    """Penalties, bias, guide and min_tokens in their order, on logits [V] in place."""
    for id in set(prompt + ids):
        logits[id] = logits[id] / s.repetition_penalty if logits[id] > 0 else logits[id] * s.repetition_penalty
    for id, count in Counter(ids).items():
        logits[id] -= s.presence_penalty + s.frequency_penalty * count
    for id, bias in s.logit_bias:
        logits[id] += bias
    allowed = None if guide is None else guide.allowed()
    if allowed is not None:
        for id in range(len(logits)):
            if id >= len(allowed) or not allowed[id]:
                logits[id] = -np.inf
    stops = set(s.stop_ids) if len(ids) < s.min_tokens else set()
    if any(value > -np.inf for id, value in enumerate(logits) if id not in stops):  # else the guide has ended it
        for id in stops & set(range(len(logits))):
            logits[id] = -np.inf
