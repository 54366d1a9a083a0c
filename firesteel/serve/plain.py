"""The plain sampler: one sequence, the whole forward pass for every token, a cumulative sum in double precision.

The slow twin of the engine, and its oracle in tests.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from firesteel.model.transformer import Transformer
from firesteel.serve.sampling import uniforms
from firesteel.serve.sequence import Completion, Sampling


@torch.inference_mode()
def plain_sample(model: Transformer, prompt: list[int], sampling: Sampling) -> Completion:
    """Continue a prompt exactly as the engine must."""
    device = model.device
    ids: list[int] = []
    logprobs: list[float] = []
    for position in range(sampling.max_new_tokens):
        states = model(torch.tensor([prompt + ids], device=device))
        token, logprob = _choose(model.logits(states[0, -1]).double().cpu().numpy(), ids, sampling, position)
        ids.append(token)
        logprobs.append(logprob)
        if token in sampling.stop_ids:
            return Completion(ids, logprobs, "stop")
    return Completion(ids, logprobs, "length")


def _choose(logits: np.ndarray, ids: list[int], s: Sampling, position: int) -> tuple[int, float]:
    for id, count in Counter(ids).items():
        logits[id] -= s.presence_penalty + s.frequency_penalty * count
    for id, bias in s.logit_bias:
        logits[id] += bias
    logits = logits / (s.temperature or 1.0)
    logprobs = logits - logits.max()
    logprobs = logprobs - np.log(np.exp(logprobs).sum())
    if s.temperature == 0:
        token = int(logprobs.argmax())
        return token, float(logprobs[token])
    p = np.exp(logprobs)
    if s.top_p < 1:
        p = _nucleus(p, s.top_p)
    u = float(uniforms(np.array([s.seed & (2**64 - 1)], np.uint64), np.array([position], np.uint64))[0])
    token = int(np.searchsorted(np.cumsum(p), u * p.sum(), side="right"))
    return token, float(logprobs[token])


def _nucleus(p: np.ndarray, top_p: float) -> np.ndarray:
    kept = np.zeros_like(p)
    mass = 0.0
    for token in np.argsort(-p, kind="stable"):
        if mass >= top_p:
            break
        kept[token] = p[token]
        mass += p[token]
    return kept
