"""DeepSeekMoE with loss-free balancing (DeepSeek-V3 report §2.1.2, eq. 12-20).

B batch, T tokens, N = B*T, D hidden, E routed experts, K experts a token, I expert width, G groups
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firesteel.kernels.table import kernel
from firesteel.model.config import ModelConfig
from firesteel.model.layers import SwiGLU


class Router(nn.Module):
    """Affinities of tokens to experts, in float32 whatever the model's dtype (V3 eq. 13-16, V2 eq. 20-22).

    A correction bias, where there is one, steers the choice of experts, never the gate's value.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        self.e_score_correction_bias: Tensor | None
        bias = torch.zeros(config.n_routed_experts) if config.topk_method == "noaux_tc" else None
        self.register_buffer("e_score_correction_bias", bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [N, D] -> gates [N, K], chosen experts [N, K], affinities [N, E]."""
        c = self.config
        logits = F.linear(x.float(), self.weight.float())
        scores = torch.sigmoid(logits) if c.scoring_func == "sigmoid" else torch.softmax(logits, dim=-1)
        choice = scores.detach()
        if self.e_score_correction_bias is not None:
            choice = choice + self.e_score_correction_bias
        if c.n_group > 1 and c.topk_method != "greedy":
            choice = self._within_groups(choice)
        experts = choice.topk(c.num_experts_per_tok, dim=-1, sorted=False).indices
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


class _Restore(torch.autograd.Function):
    """Rows sorted by expert [N*K, D] -> rows by token; a permutation both ways."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return y.index_select(0, inverse)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None, None]:
        (order,) = ctx.saved_tensors
        return d.index_select(0, order), None, None


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
        self.load: Tensor  # tokens each expert got since the last balance step, [E]
        self.register_buffer("load", torch.zeros(c.n_routed_experts), persistent=False)
        self.balance_loss: Tensor | None = None  # of the last training forward

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, D] -> [B, T, D]."""
        flat = x.reshape(-1, x.shape[-1])
        gates, experts, scores = self.gate(flat)
        N, K = experts.shape
        order = experts.view(-1).argsort(stable=True)
        inverse = torch.empty_like(order).scatter_(0, order, torch.arange(N * K, device=x.device))
        counts = torch.bincount(experts.view(-1), minlength=self.config.n_routed_experts)
        rows = self._experts(_Dispatch.apply(flat, order, inverse, K), counts.tolist())
        y = _Restore.apply(rows, order, inverse).view(N, K, -1)
        routed = torch.bmm(gates[:, None].to(y.dtype), y)[:, 0].view_as(x)  # sum_k g_k FFN_k(x)
        if self.training and torch.is_grad_enabled():
            self.load += counts
            self.balance_loss = sequence_balance(scores.view(*x.shape[:2], -1), experts.view(*x.shape[:2], K))
        return routed if self.shared_experts is None else routed + self.shared_experts(x)

    def _experts(self, rows: Tensor, counts: list[int]) -> Tensor:
        """SwiGLU of each expert on its own rows. rows [N*K, D] sorted by expert -> [N*K, D]."""
        linear, swiglu = kernel("grouped_linear", rows.device.type), kernel("swiglu", rows.device.type)
        hidden = linear(rows, self.gate_up, counts)  # [N*K, 2I]
        if self.adapter is not None:
            hidden = hidden + self.adapter.gate_up(rows, counts)
        act = swiglu(hidden)
        y: Tensor = linear(act, self.down, counts)
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


def sequence_balance(scores: Tensor, experts: Tensor) -> Tensor:
    """Sequence-wise balance loss, before its weight alpha (eq. 17-20). scores [B, T, E], experts [B, T, K] -> scalar.

    f counts the chosen experts; the report counts the unbiased top-k, which differs only while a bias overrules it.
    """
    B, T, E = scores.shape
    K = experts.shape[-1]
    row = torch.arange(B, device=scores.device)[:, None] * E
    chosen = torch.bincount((experts.view(B, T * K) + row).view(-1), minlength=B * E).view(B, E)
    f = chosen.to(scores.dtype) * (E / (K * T))
    P = (scores / scores.sum(dim=-1, keepdim=True)).mean(dim=1)  # [B, E]
    return (f * P).sum(dim=-1).mean()
