"""The one training loop: resume, learning rate, forward and backward, clip, update, balance, log, checkpoint.

An objective gives rows and their loss, a learner goes through the model with them; everything else is here, once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firesteel.compute.mesh import Mesh
from firesteel.core.config import OptimSettings, WatchSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.log import RunLog
from firesteel.train.batch import Batch, Share
from firesteel.train.checkpoint import Checkpoints
from firesteel.train.facts import ExpertWatch, Memory, known_rate
from firesteel.train.learner import Learner
from firesteel.train.objective import Objective
from firesteel.train.replicas import check_replicas, fingerprint
from firesteel.train.schedule import learning_rate
from firesteel.train.state import State
from firesteel.train.watch import Verdict, Watch

Metrics = dict[str, Any]


@dataclass(frozen=True)
class Loop:
    """Where and how often: a stage's name, its work folder and key, and the settings that all stages share."""

    stage: str
    work: Path
    key: str
    settings: OptimSettings
    steps: int
    log: RunLog
    balance_speed: float = 0.0  # gamma of loss-free balancing; 0 leaves the router's biases alone
    mesh: Mesh = field(default_factory=Mesh)
    watch: WatchSettings = field(default_factory=WatchSettings)
    token_flops: float = 0.0  # to learn from one token; 0 = not known

    def run(self, learner: Learner, objective: Objective) -> None:
        """Train the learner's parts in place up to `steps`, from the newest checkpoint if there is one."""
        Training(self, learner, objective).run()


class Training:
    """One run of a loop: its state, and what it remembers from step to step."""

    def __init__(self, loop: Loop, learner: Learner, objective: Objective) -> None:
        self.loop, self.learner, self.objective, self.mesh = loop, learner, objective, loop.mesh
        self.state = State(learner.parts, loop.settings, loop.mesh, objective.tensors)
        objective.begin(learner.parts)
        self.watch = Watch(loop.watch, loop.stage, lambda *alarm: loop.log.alarm(loop.stage, *alarm))
        self.experts, self.rate = ExpertWatch(), known_rate(loop.settings.precision)
        self.memory = Memory(learner.parts[0].device)
        self.checkpoints = Checkpoints(
            loop.work, loop.key, loop.mesh, newest=loop.settings.checkpoints,
            keep_every=loop.settings.checkpoint_keep_every, say=loop.log.say,
        )  # fmt: skip
        self.done = 0  # steps
        self.left_out = 0  # steps whose rows were passed over after going back: step i learns rows i + left_out

    def run(self) -> None:
        """Every step that is left; the moving average in the end."""
        loop = self.loop
        self._restore(self.checkpoints.load(self.state.tensors))
        if self.done:
            loop.log.say(f"  {loop.stage}: resuming after step {self.done} of {loop.steps}")
        for part in self.learner.parts:
            part.train()
        try:
            self._steps()
        finally:  # a write in flight is brought to its end, whatever happened
            self.checkpoints.finish()
        self.state.finish()
        for part in self.learner.parts:
            part.eval()

    def _steps(self) -> None:
        loop, log = self.loop, self.loop.log
        with self.watch.stalls() as stalls, log.progress(loop.stage, self.done, loop.steps) as progress:
            while self.done < loop.steps:
                with stalls.step(self.done + 1):
                    metrics = self._step()
                if metrics is None:
                    self._go_back()
                    continue
                self.done += 1
                log.metrics(loop.stage, self.done, **metrics)
                progress.update(self.done, metrics)
                self._after_step()

    def _step(self) -> Metrics | None:
        """One step; None if it is to be undone by going back to a checkpoint."""
        began, loop = time.perf_counter(), self.loop
        rate = learning_rate(self.done, loop.settings, loop.steps)
        self.state.set_rate(rate)
        updates: list[Metrics] = []
        tokens = learning = 0.0
        share = Share(self.mesh.index("data"), self.mesh.count("data"))
        for batches in self.objective.updates(self.done + self.left_out, share):
            tokens += self._total(batches)
            entered = time.perf_counter()
            found = self._update(batches)
            learning += time.perf_counter() - entered
            if found is None:
                return None
            updates.append(found)
        metrics = self.objective.summary(updates) | {"lr": rate} | self._balance()
        seconds = time.perf_counter() - began
        metrics |= {
            "tokens_per_s": round(tokens / seconds, 1),
            "seconds": round(seconds, 4),
            "learning_seconds": round(learning, 4),
        }
        if self.rate and loop.token_flops:  # model FLOPs utilisation (PaLM, Chowdhery et al. 2022, app. B)
            metrics["mfu"] = round(tokens * loop.token_flops / (seconds * self.rate * self.mesh.size), 4)
        return metrics | dict(self.memory.facts())

    def _total(self, batches: Sequence[Batch]) -> float:
        """Fill in what the losses of an update are divided by, over all processes; returns its tokens."""
        own = [torch.cat((b.counts, torch.tensor([len(b), b.tokens.numel()], dtype=torch.float64))) for b in batches]
        lengths = [len(counts) for counts in own]
        sums = self._sum(torch.cat(own), "data").split(lengths)
        for batch, counts in zip(batches, sums, strict=True):
            batch.totals, batch.total_rows = counts[:-2], float(counts[-2])
        return sum(float(counts[-1]) for counts in sums)

    def _update(self, batches: Sequence[Batch]) -> Metrics | None:
        """Learn from an update's batches; None if the watch wants to go back."""
        metrics: Metrics = {name: value for batch in batches for name, value in batch.facts.items()}
        batches = [batch for batch in batches if batch.total_rows]
        if not batches:  # nothing to learn, only facts
            return metrics
        metrics |= self._metrics(self.learner.learn(batches, self.objective))
        norm = self.state.clip()
        self.objective.check(metrics)
        loss = metrics.get("loss", 0.0) * (
            1.0 if self.objective.falls else 0.0
        )  # 0 tells nothing, no number stays none
        verdict = self.watch.judge(self.done + 1, loss, norm)
        if verdict is Verdict.fine:
            self.state.update()
        self.state.forget_gradients()
        if verdict is Verdict.rewind:
            return None
        skipped = {} if verdict is Verdict.fine else {"skipped": 1}
        return metrics | {"grad_norm": round(norm, 4)} | skipped

    def _metrics(self, shares: Mapping[str, Tensor]) -> Metrics:
        """Metrics of all processes from each one's shares; `group/name` becomes an entry of the table `group`."""
        names = sorted(shares)
        if self.mesh.count("pipeline") > 1:  # only the last stage has any
            names = sorted({name for own in self.mesh.everyone(names) for name in own})
        zero = torch.zeros((), dtype=torch.float64)
        values = torch.stack([shares.get(name, zero).double().cpu() for name in names]) if names else zero[None]
        values = self._sum(values, "tokens", "pipeline")
        found: Metrics = {}
        for name, value in zip(names, values.tolist(), strict=False):
            group, _, entry = name.partition("/")
            if entry:
                found.setdefault(group, {})[entry] = round(value, 5)
            else:
                found[name] = value
        return found

    def _balance(self) -> Metrics:
        """Move the routers' biases against the load of the step, over all processes; how evenly experts are used."""
        layers = [moe for part in self.learner.parts for moe in part.moe_layers()]
        if layers:
            loads = self.mesh.sum(torch.stack([moe.load for moe in layers]), "tokens")
            for moe, load in zip(layers, loads, strict=True):
                moe.load.copy_(load)
        shares = [moe.balance(self.loop.balance_speed).tolist() for moe in layers]
        if self.mesh.count("pipeline") > 1:  # each stage's layers, from the first of those that have them
            alike = self.mesh.index("data", "context", "tensor")
            shares = [layer for same, own in self.mesh.everyone([alike, shares]) if same == 0 for layer in own]
        facts = self.experts.facts(shares)
        if news := self.experts.news():
            self.loop.log.alarm(self.loop.stage, self.done + 1, "experts", news)
        return dict(facts)

    def _after_step(self) -> None:
        """What is due every so many steps: comparing replicas, writing a checkpoint."""
        every, settings = self.loop.watch.check_replicas_every, self.loop.settings
        if every and self.done % every == 0:
            self._compare_replicas()
        if self.done % settings.checkpoint_every == 0 and self.done < self.loop.steps:
            self.loop.log.flush()
            self.checkpoints.save(self.done, self.state.tensors(), self._facts())

    def _compare_replicas(self) -> None:
        """Raise FiresteelError if processes that should hold the same weights do not."""
        if self.mesh.settings.zero or self.mesh.count("copies") == 1:
            return
        names, own = fingerprint(*self.learner.parts)
        mine = [self.mesh.index(axis) for axis in ("pipeline", "expert", "tensor")]
        rows = [row for same, row in self.mesh.everyone([mine, own.tolist()]) if same == mine]
        check_replicas(names, torch.tensor(rows), self.done)

    def _facts(self) -> dict[str, Any]:
        """What a checkpoint has to tell beside tensors."""
        return {
            "step": self.done, "left_out": self.left_out, "watch": self.watch.state(), "experts": self.experts.state(),
            "objective": self.objective.state(), "processes": self.mesh.size,
        }  # fmt: skip

    def _restore(self, facts: Mapping[str, Any] | None) -> None:
        """Go on from what a checkpoint told, if there was one."""
        if facts is not None:
            self.done, self.left_out = int(facts["step"]), int(facts["left_out"])
            self.watch.load(facts["watch"])
            self.experts.load(facts["experts"])
            self.objective.load(facts["objective"])
            self.state.restored()
        self.loop.log.rewind(self.loop.stage, self.done)

    def _go_back(self) -> None:
        """To the newest checkpoint, and on with the rows after those that led to the spike (PaLM, §5.1)."""
        failed = self.done
        facts = self.checkpoints.load(self.state.tensors)
        if facts is None:
            raise FiresteelError(
                "there is no checkpoint to go back to", value=f"a spike at step {failed + 1}",
                hint=f"lower {self.loop.stage}.checkpoint_every, or set watch.on_spike = \"skip\"",
            )  # fmt: skip
        self.watch.rewind(facts["watch"])
        self.left_out += failed + 1 - int(facts["step"])
        self._restore(facts | {"watch": self.watch.state(), "left_out": self.left_out})
        for moe in (layer for part in self.learner.parts for layer in part.moe_layers()):
            moe.load.zero_()  # of the step that is undone

    def _sum(self, values: Tensor, *axes: str) -> Tensor:
        """Numbers of the host added up over processes, on the device that they talk through."""
        if self.mesh.alone:
            return values
        exact = torch.float32 if self.mesh.device.type == "mps" else torch.float64
        return self.mesh.sum(values.to(self.mesh.device, exact), *axes).double().cpu()
