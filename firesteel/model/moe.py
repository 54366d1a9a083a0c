"""DeepSeekMoE with loss-free balancing (DeepSeek-V3 report §2.1.2, eq. 12-20).

B batch, T tokens, N = B*T, D hidden, E routed experts, K experts a token, I expert width, G groups, L layers with experts
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firesteel.kernels.exact import linear_exact
from firesteel.kernels.table import kernel
from firesteel.model.config import ModelConfig
from firesteel.model.layers import SwiGLU


@dataclass(frozen=True)
class Routing:
    """What is known of the tokens' way through the experts before they go: routing replay (DeepSeek-V3.2 §3.1), and padding."""

    experts: Tensor | None = None  # [B, T, L, K] integers: chosen already, layer by layer; -1: the router chooses
    real: Tensor | None = None  # [B, T] bool: tokens that count in the experts' load; the others are padding

    def layer(self, number: int) -> Routing:
        """That of one of the L layers: experts [B, T, K]."""
        return self if self.experts is None else Routing(self.experts[:, :, number], self.real)


class Router(nn.Module):
    """Affinities of tokens to experts, in float32 whatever the model's dtype (V3 eq. 13-16, V2 eq. 20-22).

    A correction bias, where there is one, steers the choice of experts, never the gate's value.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, self.exact = config, False  # exact.py
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        self.e_score_correction_bias: Tensor | None
        bias = torch.zeros(config.n_routed_experts) if config.topk_method == "noaux_tc" else None
        self.register_buffer("e_score_correction_bias", bias)

    def forward(self, x: Tensor, chosen: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """x [N, D] -> gates [N, K], chosen experts [N, K], affinities [N, E].

        `chosen` [N, K]: experts to take in place of the best ones, with the gates that they have now; -1: choose.
        """
        c = self.config
        product = linear_exact if self.exact else F.linear
        logits = product(x.float(), self.weight.float())
        scores = torch.sigmoid(logits) if c.scoring_func == "sigmoid" else torch.softmax(logits, dim=-1)
        choice = scores.detach()
        if self.e_score_correction_bias is not None:
            choice = choice + self.e_score_correction_bias
        if c.n_group > 1 and c.topk_method != "greedy":
            choice = self._within_groups(choice)
        experts = choice.topk(c.num_experts_per_tok, dim=-1, sorted=False).indices
        if chosen is not None:
            experts = torch.where(chosen >= 0, chosen.to(experts.dtype), experts)
        gates = scores.gather(1, experts)
        if c.norm_topk_prob:
            gates = gates / (gates.sum(dim=-1, keepdim=True) + 1e-20)
        return gates * c.routed_scaling_factor, experts, scores

    def _within_groups(self, choice: Tensor) -> Tensor:
        """Keep the topk_group best groups; the rest become -inf, as in DeepSeek's code.

        A group is judged by the sum of its two best experts (V3), or by its best (V2, group_limited_greedy).
        """
        c = self.config
        grouped = choice.view(choice.shape[0], c.n_group, -1)  # [N, G, E/G]
        judged = min(2 if c.topk_method == "noaux_tc" else 1, grouped.shape[-1])
        best = grouped.topk(judged, dim=-1).values.sum(dim=-1).topk(c.topk_group, dim=-1).indices
        keep = torch.zeros(grouped.shape[:2], dtype=torch.bool, device=choice.device).scatter_(1, best, True)
        return grouped.masked_fill(~keep[..., None], float("-inf")).flatten(1)


class _Dispatch(torch.autograd.Function):
    """x [N, D] -> rows sorted by expert [N*K, D]. Backward gathers instead of scattering: deterministic and fast."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor, K: int) -> Tensor:
        ctx.save_for_backward(inverse)
        ctx.K = K
        return x.index_select(0, order.div(K, rounding_mode="floor"))

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None, None, None]:
        (inverse,) = ctx.saved_tensors
        return d.index_select(0, inverse).view(-1, ctx.K, d.shape[1]).sum(dim=1), None, None, None


def permuted(rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Rows [M, D] as `inverse` says, a permutation whose own inverse is `order`; neither way adds anything up."""
    out: Tensor = _Permuted.apply(rows, order, inverse)
    return out


class _Permuted(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return y.index_select(0, inverse)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None, None]:
        (order,) = ctx.saved_tensors
        return d.index_select(0, order), None, None


class _Attach(torch.autograd.Function):
    """y as it is; going backward through it also goes backward from `loss`, as if that had been added to the total.

    So a layer needs nobody to collect its loss, which in a pipeline another process would have to do.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, loss: Tensor) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, Tensor]:
        return d, d.new_ones((), dtype=torch.float32)


class MoE(nn.Module):
    """Shared experts see every token, routed experts the tokens that chose them; no token is dropped (eq. 12)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = self.config = config
        self.gate = Router(c)
        self.gate_up = nn.Parameter(torch.empty(c.n_routed_experts, 2 * c.moe_intermediate_size, c.hidden_size))
        self.down = nn.Parameter(torch.empty(c.n_routed_experts, c.hidden_size, c.moe_intermediate_size))
        shared = c.n_shared_experts * c.moe_intermediate_size  # n shared experts are one n times as wide
        self.shared_experts = SwiGLU(c.hidden_size, shared, bias=c.mlp_bias) if shared else None
        self.adapter: Any = None  # lora.ExpertsAdapter, where there is one
        self.op = "grouped_linear"  # of kernels.table; training may choose another (train/precision.py)
        self.exact = False  # exact.py
        self.spread: Any = None  # train/parallel/expert.py, where experts live on several processes
        self.whole: Callable[[Tensor], Tensor] | None = (
            None  # context.py: counts [B, E] of whole sequences from parts of them
        )
        self.load: Tensor  # tokens each expert got since the last balance step, [E]
        self.register_buffer("load", torch.zeros(c.n_routed_experts), persistent=False)
        self.balance_weight = 0.0  # of the balance loss in training: alpha over the rows of the whole step

    def forward(self, x: Tensor, routing: Routing | None = None) -> Tensor:
        """x [B, T, D] -> [B, T, D]. `routing`: this layer's, where the choice is made already or rows are padded."""
        flat = x.reshape(-1, x.shape[-1])
        chosen = None if routing is None or routing.experts is None else routing.experts.flatten(0, 1)
        gates, experts, scores = self.gate(flat, chosen)
        counts = torch.bincount(experts.view(-1), minlength=self.config.n_routed_experts)
        routed = (self.spread or self.routed)(flat, gates, experts, counts).view_as(x)
        if self.training and torch.is_grad_enabled():
            self.load += counts if routing is None else self._real(experts, routing.real, counts)
            if self.balance_weight:
                rows = x.shape[:2]
                loss = sequence_balance(scores.unflatten(0, rows), experts.unflatten(0, rows), self.whole)
                routed = _Attach.apply(routed, self.balance_weight * loss)
        return routed if self.shared_experts is None else routed + self.shared_experts(x)

    def _real(self, experts: Tensor, real: Tensor | None, counts: Tensor) -> Tensor:
        """The counts [E] without those of padding."""
        return counts if real is None else torch.bincount(experts[real.flatten()].view(-1), minlength=len(counts))

    def routed(
        self, x: Tensor, gates: Tensor, experts: Tensor, counts: Tensor,
        compute: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:  # fmt: skip
        """sum_k g_k FFN_k(x): x [N, D], gates and experts [N, K], counts [E] of each expert's rows -> [N, D].

        `compute`(rows [N*K, D] sorted by expert, counts) in place of this process's own experts.
        """
        N, K = experts.shape
        order = experts.view(-1).argsort(stable=True)
        inverse = torch.empty_like(order).scatter_(0, order, torch.arange(N * K, device=x.device))
        rows = _Dispatch.apply(x, order, inverse, K)
        done = self.experts(rows, counts.tolist()) if compute is None else compute(rows, counts)
        y = permuted(done, order, inverse).unflatten(0, (N, K))
        if self.exact:
            return torch.einsum("nk,nkd->nd", gates.double(), y.double()).to(x.dtype)
        return torch.bmm(gates[:, None].to(y.dtype), y)[:, 0]

    def experts(self, rows: Tensor, counts: list[int]) -> Tensor:
        """SwiGLU of each expert on its own rows. rows [M, D] sorted by expert -> [M, D]."""
        return self.feed_forward(rows, counts, self.gate_up, self.down)

    def feed_forward(self, rows: Tensor, counts: list[int], gate_up: Tensor, down: Tensor) -> Tensor:
        """The same with the weights of these experts: gate_up [e, 2I, D], down [e, D, I]."""
        linear, swiglu = kernel(self.op, rows.device.type), kernel("swiglu", rows.device.type)
        hidden = linear(rows, gate_up, counts)  # [M, 2I]
        if self.adapter is not None:
            hidden = hidden + self.adapter.gate_up(rows, counts)
        act = swiglu(hidden)
        y: Tensor = linear(act, down, counts)
        return y if self.adapter is None else y + self.adapter.down(act, counts)

    @torch.no_grad()
    def balance(self, speed: float) -> Tensor:
        """Move each bias one step against its overload (eq. 16 and Moonlight App. C: mean-free); returns shares of load [E]."""
        share = self.load / self.load.sum().clamp(min=1)
        step = torch.sign(share.mean() - share)
        if self.gate.e_score_correction_bias is not None:
            self.gate.e_score_correction_bias += speed * (step - step.mean())
        self.load.zero_()
        return share


def sequence_balance(scores: Tensor, experts: Tensor, whole: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Sequence-wise balance loss summed over rows, before its weight (eq. 17-20). scores [B, T, E], experts [B, T, K] -> scalar.

    f counts the chosen experts; the report counts the unbiased top-k, which differs only while a bias overrules it. Of parts of
    sequences, `whole` makes counts [B, E] those of the whole ones; the result is then these tokens' share of the loss.
    """
    B, T, E = scores.shape
    K = experts.shape[-1]
    row = torch.arange(B, device=scores.device)[:, None] * E
    chosen = torch.bincount((experts.view(B, T * K) + row).view(-1), minlength=B * E).view(B, E)
    chosen = chosen if whole is None else whole(chosen)
    T = T if whole is None or not B else int(chosen[0].sum()) // K
    f = chosen.to(scores.dtype) * (E / (K * T))
    P = (scores / scores.sum(dim=-1, keepdim=True)).sum(dim=1) / T  # [B, E]
    return (f * P).sum()
