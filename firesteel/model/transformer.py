"""The whole model, and the two ways through it: whole sequences, and extension of a cache.

B batch, T tokens, D hidden, V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from firesteel.core.errors import UserError
from firesteel.kernels.linear import FEW, product_dtype
from firesteel.kernels.table import kernel
from firesteel.model.attention import Part, gathered, own
from firesteel.model.block import Block
from firesteel.model.cache import CacheView
from firesteel.model.config import ModelConfig
from firesteel.model.initial import initial_weight
from firesteel.model.layers import Embedding, Linear, RMSNorm
from firesteel.model.moe import MoE, Routing
from firesteel.model.mtp import MTP
from firesteel.model.rope import Rope


class Layers(nn.Module):
    """Blocks under their numbers in the whole model, in order; a part of a model has some of them."""

    def __init__(self, config: ModelConfig, numbers: range) -> None:
        super().__init__()
        for i in numbers:
            self.add_module(str(i), Block(config, i))

    def __iter__(self) -> Iterator[Block]:
        return self.children()  # type: ignore[return-value]

    def __getitem__(self, number: int) -> Block:
        return self.get_submodule(str(number))  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._modules)


class Transformer(nn.Module):
    """A decoder-only language model; the same module trains, samples, serves and is exported.

    A new one's weights are unset memory until `initialise` or a file fills them. With `layers`, it is only that part of a
    model, under the names of the whole: a part without the first layer takes hidden states in place of tokens, one without
    the last returns states that are not normed, and has no heads.
    """

    def __init__(self, config: ModelConfig, layers: range | None = None) -> None:
        super().__init__()
        c = self.config = config
        own = range(c.num_hidden_layers) if layers is None else layers
        self.first, self.last = own.start == 0, own.stop == c.num_hidden_layers
        modules = c.num_nextn_predict_layers if self.last else 0
        tables = self.first or (self.last and (c.tie_word_embeddings or modules > 0))
        self.embed_tokens = Embedding(c.vocab_size, c.hidden_size) if tables else None
        self.layers = Layers(c, own)
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps) if self.last else None
        self.mtp = nn.ModuleList(MTP(c, c.num_hidden_layers + k) for k in range(modules))
        head = self.last and not c.tie_word_embeddings
        self.lm_head = Linear(c.hidden_size, c.vocab_size, bias=False) if head else None
        self.rope = Rope(c)
        self.head_op = "linear"  # of kernels.table (exact.py)
        self.context: Any = None  # train/parallel/context.py, where several processes share each sequence

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are stored in; routers may be wider."""
        return next(p.dtype for name, p in self.named_parameters() if not name.endswith("gate.weight"))

    def forward(self, tokens: Tensor, segments: Tensor | None = None, routing: Routing | None = None) -> Tensor:
        """tokens [B, T] -> normed final states [B, T, D]; each token sees itself and earlier ones.

        `segments` [B, T] (integers): a token sees only tokens of its own segment. That keeps packed documents apart, and
        padding on either side out: give it a segment of its own. Padding on the right needs nothing. Rotary attention
        depends on distances alone, so positions run through from 0. Raises UserError past max_position_embeddings.

        `routing`: experts that are chosen already, for the layers that have some, and which tokens are padding; for a whole
        model in which each process sees whole sequences.
        """
        table, mask = self._places(tokens, segments)
        x = self._embedded(own(tokens, mask)) if self.first else own(tokens, mask)
        known = self._known(routing)
        for block in self.layers:
            x = block(x, table, mask, routing=known.get(block.layer))
        return gathered(x if self.norm is None else self.norm(x), mask)

    def logits(self, hidden: Tensor) -> Tensor:
        """States [..., D] -> float32 logits [..., V]."""
        head = self.lm_head or self.embed_tokens
        assert head is not None, "this part of the model has no head"
        weight = head.weight
        logits: Tensor = kernel(self.head_op, hidden.device.type)(hidden, weight)
        return logits.float()

    def predict_further(self, hidden: Tensor, tokens: Tensor, segments: Tensor | None = None) -> list[Tensor]:
        """States of each MTP module (V3 report eq. 21-23). hidden [B, T, D] from `forward(tokens, segments)`.

        Of module k = 1, 2, ...: [B, T-k, D], whose state i knows tokens up to i+k and predicts token i+k+1.
        """
        states = []
        for k, module in enumerate(self.mtp, start=1):
            T = tokens.shape[1] - k
            if T <= 0:
                break
            table, mask = self._places(tokens[:, :T], None if segments is None else segments[:, :T])
            following = self._embedded(own(tokens[:, k:], mask))
            hidden = gathered(module(own(hidden[:, :T], mask), following, table, mask), mask)
            states.append(hidden)
        return states

    @torch.no_grad()
    def extend(self, tokens: Tensor, view: CacheView) -> Tensor:
        """Continue rows whose earlier tokens are cached; writes the new ones into the cache.

        tokens [N], one rectangle of `view` after the other (any shape of as many). Returns logits [R, V] after the last real
        token of each row. Logits of a row do not depend on the padding.
        """
        return self.logits(self.extended(tokens, view)[view.last])

    @torch.no_grad()
    def extended(self, tokens: Tensor, view: CacheView) -> Tensor:
        """The same, but normed final states [N, D] of all new tokens; those of padding mean nothing."""
        assert self.embed_tokens is not None and self.norm is not None, "a part of a model cannot be extended"
        tokens = tokens.reshape(1, -1)
        wide = (
            tokens.numel() >= FEW and self.head_op == "linear"
        )  # see kernels/linear.py; exact.py wants one way for all
        x = self._embedded(tokens) if wide else self.embed_tokens(tokens)
        table = self.rope(view.positions[None])
        for block in self.layers:
            x = block(x, table, view=view)
        out: Tensor = self.norm(x)[0]
        return out.to(self.embed_tokens.weight.dtype)

    @torch.no_grad()
    def drafted(self, hidden: Tensor, following: Tensor, view: CacheView) -> Tensor:
        """States [N, D] of the first MTP module, which predict the token after `following` [N], the one after each state.

        hidden [N, D] from `extended`, or from this; writes into the cache's layer for that module (V3 report eq. 21-23).
        """
        assert self.embed_tokens is not None
        table = self.rope(view.positions[None])
        states: Tensor = self.mtp[0](hidden[None], self.embed_tokens(following[None]), table, view=view)
        return states[0]

    def _embedded(self, tokens: Tensor) -> Tensor:
        """Embeddings [B, T, D], in the dtype that this machine computes activations in (kernels/linear.py)."""
        assert self.embed_tokens is not None, "this part of the model has no embeddings"
        x: Tensor = self.embed_tokens(tokens)
        return x.to(product_dtype(x))

    def _places(self, tokens: Tensor, segments: Tensor | None) -> tuple[Tensor, Tensor | Part | None]:
        """Rotary table [1, T, 2, R/2], and who sees whom [B, 1, T, T] where causality alone does not say it."""
        T, longest = tokens.shape[1], self.config.max_position_embeddings
        if T > longest:
            raise UserError(
                "a sequence is longer than the model's context", value=T, why=f"the model has {longest} positions"
            )
        if self.context is not None:
            part: Part = self.context.part(T, segments, tokens.device)
            return self.rope(part.positions[None]), part
        position = torch.arange(T, device=tokens.device)
        table = self.rope(position[None])
        if segments is None:
            return table, None
        together = segments[:, :, None] == segments[:, None, :]
        return table, (together & (position[:, None] >= position)).unsqueeze(1)

    def _known(self, routing: Routing | None) -> dict[int, Routing]:
        """Each layer's part of a routing, by its number."""
        if routing is None:
            return {}
        assert self.first and self.last and self.context is None, (
            "a routing goes with whole sequences and a whole model"
        )
        numbers = [block.layer for block in self.layers if isinstance(block.mlp, MoE)]
        found = None if routing.experts is None else routing.experts.shape[2]
        assert found in (None, len(numbers)), f"experts of {found} layers for a model with {len(numbers)}"
        return {number: routing.layer(i) for i, number in enumerate(numbers)}

    def moe_layers(self) -> list[MoE]:
        """Every mixture-of-experts layer, the MTP modules' included."""
        return [m for m in self.modules() if isinstance(m, MoE)]

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Random weights (initial.py) that the generator's seed decides."""
        for name, p in self.named_parameters():
            p.copy_(initial_weight(name, p.shape, layers=self.config.num_hidden_layers, seed=generator.initial_seed()))
