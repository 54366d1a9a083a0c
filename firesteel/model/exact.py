"""Batch-invariant computation: the same bits for a token alone, in any batch, in any piece of its prompt.

Every sum over more than a few numbers is taken in double precision and rounded once (kernels/exact.py), and attention always
goes through the cache, in one form. What remains works on one element or one row at a time. Meant for answers that must not
depend on who else asks; it costs a multiple of the time (benchmarks/serve.py --exactness).
"""

from __future__ import annotations

from firesteel.model.attention import GQA
from firesteel.model.layers import Linear
from firesteel.model.mla import MLA
from firesteel.model.moe import MoE, Router
from firesteel.model.transformer import Transformer


def use_exact_sums(model: Transformer) -> None:
    """From now on the model computes like this, for inference only; its weights stay as they are."""
    model.head_op = "linear_exact"
    for module in model.modules():
        if isinstance(module, Linear):
            module.op = "linear_exact"
        elif isinstance(module, MoE):
            module.op, module.exact = "grouped_linear_exact", True
        elif isinstance(module, GQA | MLA | Router):
            module.exact = True
