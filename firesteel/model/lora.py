"""Low-rank adapters (LoRA, Hu et al. 2021, eq. 3): y = W x + (alpha / r) B A x, with W frozen; for routed experts too.

Adapters are files of their own in PEFT's layout, and can be merged into the weights.

I in, O out, r rank, E experts, M rows sorted by expert
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from firesteel.core.errors import ArtefactError, UserError, nearest
from firesteel.kernels.table import kernel
from firesteel.model.initial import initial_weight
from firesteel.model.layers import Linear
from firesteel.model.moe import MoE
from firesteel.model.transformer import Transformer
from firesteel.model.weight_files import WeightFiles
from firesteel.model.weights import hf_name, write_tensors

EXPERTS = "experts"  # the target that stands for every routed expert's three matrices
PLAIN = (  # fields of PEFT's config that change what an adapter computes; all of them off here
    "use_rslora", "use_dora", "fan_in_fan_out", "alpha_pattern", "rank_pattern", "layers_to_transform", "modules_to_save",
    "lora_bias", "bias", "exclude_modules", "layer_replication", "megatron_config", "trainable_token_indices",
)  # fmt: skip
FILE, CONFIG, PREFIX = "adapter_model.safetensors", "adapter_config.json", "base_model.model."


@dataclass(frozen=True)
class LoRA:
    """What is adapted, and how strongly."""

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ()  # names of linear maps (q_proj, ..., experts); none: all of them in the layers

    @property
    def scale(self) -> float:
        """alpha / r, what an adapter's output is multiplied by."""
        return self.alpha / self.rank


class LinearAdapter(nn.Module):
    """The low-rank part of one linear map: `a` [r, I], `b` [O, r], which starts at zero."""

    def __init__(self, base: Linear, lora: LoRA) -> None:
        super().__init__()
        like: dict[str, Any] = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.scale, self.op = lora.scale, base.op
        self.a = nn.Parameter(torch.empty(lora.rank, base.in_features, **like))
        self.b = nn.Parameter(torch.zeros(base.out_features, lora.rank, **like))

    def forward(self, x: Tensor) -> Tensor:
        """x [..., I] -> [..., O]."""
        linear = kernel(self.op, x.device.type)
        out: Tensor = linear(linear(x, self.a), self.b)
        return out * self.scale

    def delta(self) -> Tensor:
        """What merging adds to the weight, [O, I]."""
        return self.b @ self.a * self.scale

    def named(self, stem: str) -> Iterator[tuple[str, Tensor]]:
        """The matrices under PEFT's names."""
        yield f"{stem}.lora_A.weight", self.a
        yield f"{stem}.lora_B.weight", self.b


class ExpertsAdapter(nn.Module):
    """The low-rank parts of every routed expert, applied to rows sorted by expert; none of an idle expert is computed."""

    def __init__(self, base: MoE, lora: LoRA) -> None:
        super().__init__()
        E, D, inner = base.down.shape
        like: dict[str, Any] = {"device": base.down.device, "dtype": base.down.dtype}
        self.scale, self.rank, self.inner, self.op = lora.scale, lora.rank, inner, base.op
        self.gate_up_a = nn.Parameter(torch.empty(E, 2 * lora.rank, D, **like))  # the gate's rows, then up's
        self.gate_up_b = nn.Parameter(torch.zeros(E, 2 * inner, lora.rank, **like))
        self.down_a = nn.Parameter(torch.empty(E, lora.rank, inner, **like))
        self.down_b = nn.Parameter(torch.zeros(E, D, lora.rank, **like))

    def gate_up(self, rows: Tensor, counts: list[int]) -> Tensor:
        """rows [M, D] -> [M, 2I], to be added to the projections of gate and up."""
        linear = kernel(self.op, rows.device.type)
        low = linear(rows, self.gate_up_a, counts).chunk(2, dim=-1)
        parts = [linear(x, b, counts) for x, b in zip(low, self.gate_up_b.chunk(2, dim=1), strict=True)]
        return torch.cat(parts, dim=-1) * self.scale

    def down(self, act: Tensor, counts: list[int]) -> Tensor:
        """act [M, I] -> [M, D], to be added to the projection down."""
        linear = kernel(self.op, act.device.type)
        out: Tensor = linear(linear(act, self.down_a, counts), self.down_b, counts)
        return out * self.scale

    def deltas(self) -> tuple[Tensor, Tensor]:
        """What merging adds to gate_up [E, 2I, D] and down [E, D, I]."""
        pairs = zip(self.gate_up_b.chunk(2, dim=1), self.gate_up_a.chunk(2, dim=1), strict=True)
        gate_up = torch.cat([torch.bmm(b, a) for b, a in pairs], dim=1)
        return gate_up * self.scale, torch.bmm(self.down_b, self.down_a) * self.scale

    def named(self, stem: str) -> Iterator[tuple[str, Tensor]]:
        """The matrices of each expert under PEFT's names."""
        for e in range(len(self.down_a)):
            (gate_a, up_a), (gate_b, up_b) = self.gate_up_a[e].chunk(2), self.gate_up_b[e].chunk(2)
            parts = {"gate": (gate_a, gate_b), "up": (up_a, up_b), "down": (self.down_a[e], self.down_b[e])}
            for part, (a, b) in parts.items():
                yield f"{stem}.experts.{e}.{part}_proj.lora_A.weight", a
                yield f"{stem}.experts.{e}.{part}_proj.lora_B.weight", b


def attach(model: Transformer, lora: LoRA, seed: int = 0) -> None:
    """Freeze the model and give every target an adapter that changes nothing yet. Raises UserError for an unknown target."""
    assert not any(True for _ in adapters(model)), "there are adapters already"
    places = dict(_places(model))
    names = {_leaf(name) for name in places}
    unknown = [t for t in lora.targets if t not in names]
    if unknown:
        raise UserError("no such linear map to adapt", value=unknown[0], hint=nearest(unknown[0], sorted(names)))
    model.requires_grad_(False)
    for name, module in places.items():
        if lora.targets and _leaf(name) not in lora.targets:
            continue
        module.adapter = ExpertsAdapter(module, lora) if isinstance(module, MoE) else LinearAdapter(module, lora)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.requires_grad and not p.is_meta:
                p.copy_(initial_weight(name, p.shape, layers=model.config.num_hidden_layers, seed=seed))


def adapters(model: Transformer) -> Iterator[tuple[str, LinearAdapter | ExpertsAdapter]]:
    """Every adapter, under the name of what it adapts."""
    for name, module in _places(model):
        if module.adapter is not None:
            yield name, module.adapter


@torch.no_grad()
def merge(model: Transformer) -> None:
    """Fold the adapters into the weights and remove them; the model computes the same, and can be trained whole again."""
    for _, module in _places(model):
        if module.adapter is None:
            continue
        if isinstance(module, MoE):
            gate_up, down = module.adapter.deltas()
            module.gate_up.add_(gate_up)
            module.down.add_(down)
        else:
            module.weight.add_(module.adapter.delta())
    remove(model)


def remove(model: Transformer) -> None:
    """Take the adapters off; the base model is as it was."""
    for _, module in _places(model):
        module.adapter = None
    model.requires_grad_(True)


def save(folder: Path, model: Transformer, lora: LoRA) -> None:
    """Write adapter_config.json and adapter_model.safetensors into an existing folder."""
    tensors = {name: t.detach().contiguous() for name, t in _tensors(model)}
    write_tensors(folder / FILE, tensors)
    names = sorted({_leaf(name) for name, _ in adapters(model)})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": 0.0,
        "bias": "none", "target_modules": names,
    }  # fmt: skip
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


@torch.no_grad()
def load(folder: Path | str, model: Transformer) -> LoRA:
    """Attach the adapters of a folder to their base model. Raises ArtefactError where they do not belong to it."""
    folder = Path(folder)
    try:
        fields = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        lora = LoRA(int(fields["r"]), float(fields["lora_alpha"]), tuple(fields["target_modules"]))
        assert fields.get("peft_type") == "LORA" and lora.rank > 0, "this is no LoRA adapter"
        for name in PLAIN:
            assert fields.get(name) in (None, False, {}, [], "none"), f"{name} = {fields[name]!r} is not computed here"
    except (OSError, ValueError, TypeError, KeyError, AttributeError, AssertionError, RecursionError) as e:
        raise ArtefactError("the adapter's config cannot be read", value=folder / CONFIG, why=str(e)) from e
    attach(model, lora)
    try:
        _fill(folder, dict(_tensors(model)))
    except BaseException:
        remove(model)
        raise
    return lora


def _fill(folder: Path, targets: dict[str, Tensor]) -> None:
    with WeightFiles(folder, names=(FILE,)) as files:
        wrong = sorted(set(targets) ^ set(files.names()))
        wrong = wrong or [n for n, t in targets.items() if files.shape(n) != list(t.shape)]
        if wrong:
            raise ArtefactError(
                "the adapter does not belong to this model", value=wrong[0], why=f"{len(wrong)} tensors differ"
            )
        for name, target in targets.items():
            files.fill(name, target)


def _places(model: Transformer) -> Iterator[tuple[str, Linear | MoE]]:
    """Everything in the layers that can be adapted."""
    for name, module in model.named_modules():
        if isinstance(module, Linear | MoE) and re.match(r"(layers|mtp)\.", name):
            yield name, module


def _leaf(name: str) -> str:
    leaf = name.rsplit(".", 1)[-1]
    return EXPERTS if leaf == "mlp" else leaf


def _tensors(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    for name, adapter in adapters(model):
        yield from adapter.named(PREFIX + hf_name(name, model.config.num_hidden_layers))
