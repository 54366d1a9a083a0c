"""All that training changes: weights, float32 masters, optimiser state, moving average. What a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from firesteel.compute.mesh import Mesh
from firesteel.core.config import OptimSettings
from firesteel.model.transformer import Transformer
from firesteel.train.clip import clip_gradients
from firesteel.train.flat import flat_state
from firesteel.train.optim import make_optimisers
from firesteel.train.parallel.data import sum_gradients
from firesteel.train.parallel.parts import sum_twins, twins
from firesteel.train.parallel.shard import local
from firesteel.train.precision import PRECISIONS, Masters
from firesteel.train.shards import Layout

# Before the names of what lies beside a weight in a checkpoint.
MASTER, AVERAGE, OBJECTIVE = "master/", "average/", "objective/"


class State:
    """The parts of a model that this process holds, and what their optimisers keep for them."""

    def __init__(
        self, parts: Sequence[Transformer], settings: OptimSettings, mesh: Mesh,
        beside: Callable[[], Mapping[str, Tensor]] = dict,
    ) -> None:  # fmt: skip
        """`beside`: the objective's own tensors, which only checkpoints touch."""
        self.parts, self.settings, self.mesh, self.beside = parts, settings, mesh, beside
        narrow = torch.float32 if mesh.settings.zero else PRECISIONS[settings.precision].weights
        self.masters = [Masters(part, narrow) for part in parts]  # FSDP2 keeps float32 shards itself
        self.named: dict[str, Tensor] = {name: p for masters in self.masters for name, p in masters.named.items()}
        self.optimisers = make_optimisers(self.named.items(), settings)
        self.average = {name: p.detach().clone() for name, p in self.named.items()} if settings.ema_decay else {}

    def set_rate(self, rate: float) -> None:
        """Give every group its learning rate: the schedule's times the group's own scale."""
        for group in (g for o in self.optimisers for g in o.param_groups):
            group["lr"] = rate * group.get("scale", 1.0)

    def clip(self) -> float:
        """Finish the sums of gradients over processes, and bound their global norm; returns what it was."""
        config, mesh = self.parts[0].config, self.mesh
        sum_gradients(self.named, mesh)
        sum_twins(self.named, config, mesh)
        doubled = twins(self.named, config, mesh)
        return float(clip_gradients(self.named.values(), self.settings.grad_clip, mesh, twice=doubled))

    @torch.no_grad()
    def update(self) -> None:
        """One step of every optimiser, the masters' rounding into the model, and the moving average."""
        for optimiser in self.optimisers:
            optimiser.step()
        self._publish()
        if self.average:
            now = [local(self.named[name]) for name in self.average]
            torch._foreach_lerp_([local(t) for t in self.average.values()], now, 1 - self.settings.ema_decay)

    def forget_gradients(self) -> None:
        """After an update, and after one that was skipped."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)

    def tensors(self, saved: Layout | None = None) -> dict[str, Tensor]:
        """Everything by name; `saved`: what a checkpoint holds, so that optimisers make room for it."""
        extra = {MASTER + name: t for masters in self.masters for name, t in masters.state().items()}
        extra |= {AVERAGE + name: t for name, t in self.average.items()}
        extra |= {OBJECTIVE + name: t for name, t in self.beside().items()}
        return flat_state(self.parts, self.named, self.optimisers, extra, saved)

    def restored(self) -> None:
        """After a checkpoint has been read into `tensors`: the model computes with the masters' rounding."""
        self._publish()

    @torch.no_grad()
    def finish(self) -> None:
        """The last word: the moving average takes the weights' place, if there is one; the model stands alone again."""
        for name, value in self.average.items():
            self.named[name].copy_(value)
        self._publish()
        for masters in self.masters:
            masters.close()

    def _publish(self) -> None:
        for masters in self.masters:
            masters.publish()
