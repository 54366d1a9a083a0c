"""How much memory a server takes: weights, and a KV cache out of what they leave. What does not fit is refused, with numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from firesteel.compute.count import Shape, parameters
from firesteel.core.config import ServeSettings
from firesteel.core.errors import MachineError, RecipeError
from firesteel.model.config import ModelConfig

GB = 1 << 30
SHARE = 4  # a cache that nobody sized takes at most one part in so many of the free memory
SHORTEST = 64  # tokens of a context that is worth serving
WORK = 8  # one part in so many stays for what a step computes


@dataclass(frozen=True)
class Plan:
    """What will be taken: bytes of the weights and of one cached token, tokens of cache, and the longest context in tokens."""

    weights: int
    per_token: int
    tokens: int
    context: int
    free: int  # bytes before anything was loaded

    @property
    def contexts(self) -> float:
        """How many requests of full length the cache holds."""
        return self.tokens / self.context

    def __str__(self) -> str:
        return (
            f"memory: weights {size(self.weights)} + cache {size(self.tokens * self.per_token)} of {size(self.free)} free; "
            f"the cache holds {self.tokens} tokens of {size(self.per_token)} = {self.contexts:.3g} full contexts "
            f"of {self.context}"
        )


def plan(settings: ServeSettings, config: ModelConfig, dtype: torch.dtype, free_bytes: int) -> Plan:
    """Weights and cache for a machine with so many free bytes. Raises MachineError or RecipeError with what would fit."""
    weights = weight_bytes(config, dtype)
    left = free_bytes - weights
    if left < free_bytes // WORK:
        raise MachineError(
            "the model does not fit into the memory", value=f"{size(weights)} of weights",
            why=f"{size(free_bytes)} are free", hint="serve a smaller model, or stop what else uses the memory",
        )  # fmt: skip
    tokens = cache_tokens(settings, config, dtype, left)
    per_token = bytes_per_token(config, dtype, drafts=settings.speculate)
    return Plan(weights, per_token, tokens, config.max_position_embeddings, free_bytes)


def cache_tokens(settings: ServeSettings, config: ModelConfig, dtype: torch.dtype, free_bytes: int) -> int:
    """Tokens of KV cache: `cache_gb` of them, or full contexts of all requests within a quarter of what is free.

    Never less than one full context. Raises RecipeError for a cache smaller than that, MachineError for one that the
    memory does not hold; both name the nearest setting that does.
    """
    each = bytes_per_token(config, dtype, drafts=settings.speculate)
    context = config.max_position_embeddings
    most = (free_bytes - free_bytes // WORK) // each
    asked = int(settings.cache_gb * GB) // each
    tokens = asked or max(context, min(context * settings.max_sequences, free_bytes // SHARE // each))
    if settings.cache_gb and tokens < context:
        raise RecipeError(
            "the KV cache is smaller than one full context", value=f"cache_gb = {settings.cache_gb:g}",
            why=f"{context} tokens of {size(each)} take {size(context * each)}",
            hint=_ways(context, each, most, tokens),
        )  # fmt: skip
    if tokens > most:
        what = "the KV cache" if settings.cache_gb else "the KV cache of one full context"
        raise MachineError(
            f"{what} does not fit into the memory", value=size(tokens * each),
            why=f"{size(free_bytes)} are free beside the weights, and 1/{WORK} of that stays for computing",
            hint=_ways(context, each, most, tokens),
        )  # fmt: skip
    return tokens


def bytes_per_token(config: ModelConfig, dtype: torch.dtype, *, drafts: bool = False) -> int:
    """Bytes of cache that one token takes over all layers; `drafts`: that of the MTP module that guesses among them."""
    layers = config.num_hidden_layers + min(drafts, config.num_nextn_predict_layers)
    return layers * config.cache_width * dtype.itemsize


def weight_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
    """Bytes of a loaded model."""
    counts = parameters(Shape.of(vars(config)))
    return (counts.total + counts.mtp) * dtype.itemsize


def size(count: float) -> str:
    """Bytes for people: 45.0 KiB, 513 MiB, 1.5 GiB."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"


def _ways(context: int, each: int, most: int, wanted: int) -> str:
    """The nearest settings that work where the memory holds `most` tokens of cache and the user thought of `wanted`."""
    ways, shorter = [], min(wanted, most) // 16 * 16
    if context <= most:
        thousandths = GB // 1000
        least, largest = -(-context * each // thousandths), most * each // thousandths
        ways.append(f"--set cache_gb={min(max(wanted * each // thousandths, least), largest) / 1000:g}")
    if SHORTEST <= shorter < context:
        ways.append(f"--context {shorter}")
    return ", or ".join(ways) or "serve a smaller model, or stop what else uses the memory"
