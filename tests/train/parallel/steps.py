"""Toy models, and a training step of theirs on one process or on many; what the tests of parallelism compare."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from firesteel.compute.mesh import Mesh
from firesteel.model.config import ModelConfig
from firesteel.model.initial import initial_weight
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.clip import clip_gradients
from firesteel.train.losses import NextToken
from firesteel.train.parallel.context import own_targets
from firesteel.train.parallel.data import sum_gradients
from firesteel.train.parallel.place import fill, place
from firesteel.train.parallel.shard import local, whole

MLA: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "q_lora_rank": 12,
    "kv_lora_rank": 10, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 8, "intermediate_size": 40,
    "first_k_dense_replace": 1, "moe_intermediate_size": 12, "n_routed_experts": 8, "num_experts_per_tok": 3,
    "n_shared_experts": 1, "routed_scaling_factor": 1.5, "num_nextn_predict_layers": 1, "max_position_embeddings": 64,
    "n_group": 2, "topk_group": 1,
}  # fmt: skip
GQA: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "attention": "gqa",
    "num_key_value_heads": 2, "head_dim": 6, "qk_norm": True, "qkv_bias": True, "o_bias": True, "mlp_bias": True,
    "intermediate_size": 40, "max_position_embeddings": 64, "tie_word_embeddings": True, "rope_interleave": False,
}  # fmt: skip
CONFIGS = {"mla": MLA, "gqa": GQA}
ROWS, TOKENS, ALPHA, BOUND = 6, 18, 0.05, 0.05


def config(name: str) -> ModelConfig:
    return ModelConfig(**CONFIGS[name])


def weight(model: ModelConfig) -> Callable[[str, torch.Size], Tensor]:
    """Initial weights; biases of all kinds are numbers, so that forgetting one shows."""

    def make(name: str, shape: torch.Size) -> Tensor:
        if name.endswith("bias"):
            return 0.1 * torch.sin(torch.arange(shape[0]) + len(name))
        return initial_weight(name, shape, layers=model.num_hidden_layers, seed=3)

    return make


def make_batch(seed: int, *, segments: bool) -> Batch:
    """A whole step's rows, of which not all tokens are learnt."""
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 61, (ROWS, TOKENS), generator=g)
    learn = torch.rand(ROWS, TOKENS, generator=g) < 0.8
    apart = (torch.arange(TOKENS) >= torch.randint(4, TOKENS - 2, (ROWS, 1), generator=g)).long() if segments else None
    return Batch(tokens, learn, OBJECTIVE.counts(learn, apart), segments=apart)


OBJECTIVE = NextToken(0.3, 1)
DENSE = NextToken()


class Root(nn.Module):
    """What is called in training."""

    def __init__(self, model: Transformer, mesh: Mesh) -> None:
        super().__init__()
        self.model, self.mesh = model, mesh

    def forward(self, batch: Batch) -> Tensor:
        objective = OBJECTIVE if len(self.model.mtp) else DENSE
        hidden = self.model(batch.tokens, batch.segments)
        return objective(self.model, hidden, own_targets(batch, self.mesh))[0]


@dataclass
class Trained:
    """What a model and its steps come to."""

    losses: list[float]
    norms: list[float]
    grads: dict[str, Tensor]  # of the first step, whole
    loads: list[Tensor]
    weights: str = ""  # in the end, whole, as a hash


def built(name: str, mesh: Mesh, dtype: torch.dtype = torch.float32) -> Root:
    """A filled model on its processes."""
    shape = config(name)
    with torch.device("meta"):
        root = Root(Transformer(shape), mesh)
    place(root, mesh, dtype)
    fill(root.model, weight(shape), buffers=True)
    root.train()
    return root


def digest(*tensors: Tensor) -> str:
    """A hash of their bits and shapes."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(str(list(tensor.shape)).encode() + tensor.detach().contiguous().numpy().tobytes())
    return found.hexdigest()


def train(name: str, mesh: Mesh, *, steps: int = 2, segments: bool = False, micro: int = 2) -> Trained:
    """Some steps of AdamW on this process's rows, in micro-batches of `micro` rows."""
    root = built(name, mesh)
    named = dict(root.model.named_parameters())
    shards = [
        nn.Parameter(local(p.detach())) for p in named.values()
    ]  # AdamW goes by elements; DTensor would take as long
    optimiser = torch.optim.AdamW(shards, lr=3e-3)  # as all the rest to find that out, for every mesh anew
    result = Trained([], [], {}, [])
    share = Share(mesh.index("data"), mesh.count("data"))
    for step in range(steps):
        loss = learn(root, make_batch(step, segments=segments), share, micro)
        sum_gradients(named, mesh)
        if not step:
            result.grads = {n: whole(p.grad).clone() for n, p in named.items() if p.grad is not None}
            result.loads = [mesh.sum(moe.load.clone(), "tokens") for moe in root.model.moe_layers()]
        result.norms.append(float(clip_gradients(named.values(), BOUND, mesh)))
        result.losses.append(float(mesh.sum(loss, "tokens")))
        for shard, p in zip(shards, named.values(), strict=True):
            shard.grad, p.grad = None if p.grad is None else local(p.grad), None
        optimiser.step()
    result.weights = digest(*(whole(p) for p in named.values()))
    return result


def learn(root: Root, batch: Batch, share: Share, micro: int) -> Tensor:
    """Forward and backward of a process's rows; as many pieces on every process."""
    rows = share.rows(len(batch))
    most = math.ceil(len(batch) / share.of)
    pieces = math.ceil(most / micro)
    own = replace(batch.part(rows.start, rows.stop), totals=batch.counts)
    for moe in root.model.moe_layers():
        moe.balance_weight = ALPHA / len(batch)
    total = torch.zeros(())
    for part in own.split(pieces):
        loss = root(part)
        loss.backward()
        total += loss.detach()
    return total
