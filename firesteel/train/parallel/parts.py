"""The parts of a model that one process of a pipeline has, and the weights that two of them share.

Apart from pipeline.py, so that training in one process does not load torch.distributed.pipelining.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor

from firesteel.compute.mesh import Mesh
from firesteel.core.config import ParallelSettings
from firesteel.core.errors import RecipeError
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.parallel.shard import local
from firesteel.train.parallel.stages import ORDERS, own_layers

TABLE = "embed_tokens.weight"


def own_parts(config: ModelConfig, settings: ParallelSettings, index: int) -> list[Transformer]:
    """The parts of the model that process `index` of a pipeline has, unfilled. Raises RecipeError for too few layers.

    Where the first and the last part meet in one process, they have one embedding table (DeepSeek-V3 report §3.2.3). Raises
    RecipeError also where that table would have to be sharded.
    """
    parts = [Transformer(config, layers) for layers in own_layers(config, settings, index)]
    order, twice = ORDERS[settings.schedule], config.tie_word_embeddings or config.num_nextn_predict_layers > 0
    if settings.pipeline > 1 and order.v and settings.zero and twice:
        raise RecipeError(
            "parallel.zero does not go with this schedule", value=f"zero = {settings.zero}, {settings.schedule}",
            why="the first and the last stage share one embedding table, which cannot be sharded for both",
            hint="take zero = 0, or another schedule",
        )  # fmt: skip
    if parts[0].first and parts[-1].last and twice:
        parts[-1].embed_tokens = parts[0].embed_tokens
    return parts


def twins(named: Mapping[str, Tensor], config: ModelConfig, mesh: Mesh) -> list[Tensor]:
    """Of a process's trainable weights by name, those that another process of its pipeline has, too: an embedding table.

    The last part needs it for a tied head and for multi-token prediction. Processes that share one table have no twins.
    """
    last = mesh.count("pipeline") - 1
    twice = config.tie_word_embeddings or config.num_nextn_predict_layers
    if not twice or not last or ORDERS[mesh.settings.schedule].v or mesh.index("pipeline") not in (0, last):
        return []
    return [named[TABLE]] if TABLE in named else []


@torch.no_grad()
def sum_twins(named: Mapping[str, Tensor], config: ModelConfig, mesh: Mesh) -> None:
    """Add up the gradients of both copies of a weight (`twins`), so that they stay equal.

    Call it when gradients are already summed over data-parallel processes: those sums are not rounded alike at both ends of
    the pipeline. Here each adds the other's gradient to its own, and both get the same bits.
    """
    for table in twins(named, config, mesh):
        if table.grad is None:
            table.grad = torch.zeros_like(table)
        own, other = local(table.grad), mesh.count("pipeline") - 1 - mesh.index("pipeline")
        theirs, group = torch.empty_like(own), mesh.group("pipeline")
        send = dist.P2POp(dist.isend, own, group=group, group_peer=other)
        receive = dist.P2POp(dist.irecv, theirs, group=group, group_peer=other)
        for work in dist.batch_isend_irecv([send, receive]):
            work.wait()
        own.add_(theirs)
