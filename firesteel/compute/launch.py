"""Starting a training job in many processes: torchrun on this machine, Ray actors on several. Restarts what dies.

Every process runs `python -m MODULE ARGUMENT` with torchrun's environment (RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, ...).
A job that loses a worker is ended and started again from its last checkpoint; that loop is ours, not torchrun's, because a
mistake of the user's must not be tried three times.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from firesteel.compute import proc
from firesteel.compute.device import environment
from firesteel.core.config import ParallelSettings
from firesteel.core.errors import MachineError

Say = Callable[[str], None]
PARENT = "FIRESTEEL_PARENT"  # variable with the id of the process that starts another
GRACE = 10.0  # seconds that workers have to end after an interrupt


class Launcher(Protocol):
    """Runs a module in all processes of a job once."""

    def run(self, module: str, argument: str) -> int:
        """0 when every process ended well, else the exit code of one that did not."""
        ...


def launch(launcher: Launcher, module: str, argument: str, *, error: Path, restarts: int, say: Say) -> None:
    """Run a job until it ends well; `error` is a file that a worker writes when starting again would not help.

    Raises MachineError when workers died more than `restarts` times. The caller reads `error`.
    """
    for attempt in range(restarts + 1):
        code = launcher.run(module, argument)
        if code == 0 or error.is_file():
            return
        died = f"signal {signal.Signals(code - 128).name}" if 128 < code < 160 else f"exit code {code}"
        if attempt < restarts:
            say(
                f"  [yellow]a worker died ({died}); going on from the last checkpoint ({attempt + 1} of {restarts})[/yellow]"
            )
    raise MachineError(
        "workers of a training job keep dying", value=died, why=f"{restarts} restarts did not help",
        hint="what they said is above; the last checkpoint is kept, the same command goes on from there",
    )  # fmt: skip


class Torchrun:
    """All processes on this machine, by torchrun's agent."""

    def __init__(self, settings: ParallelSettings) -> None:
        self.processes = settings.processes

    def run(self, module: str, argument: str) -> int:
        """See Launcher."""
        command = [sys.executable, "-m", "firesteel.compute.agent", str(self.processes), module, argument]
        threads = str(max(1, proc.cores() // self.processes))
        child = subprocess.Popen(command, env={"OMP_NUM_THREADS": threads} | os.environ | environment() | own_id())
        try:
            return child.wait()
        except BaseException:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
            raise


class RayActors:
    """Processes spread over the nodes of a Ray cluster that share the run's folder (extra `cluster`)."""

    def __init__(self, settings: ParallelSettings) -> None:
        from firesteel.compute.ray_cluster import RayCluster

        self._settings, self._cluster = settings, RayCluster(settings.cluster)

    def run(self, module: str, argument: str) -> int:
        """See Launcher."""
        import ray
        from ray.util.placement_group import placement_group, remove_placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        nodes, each = self._settings.nodes, self._settings.processes // self._settings.nodes
        group = placement_group([{"CPU": each}] * nodes, strategy="STRICT_SPREAD" if nodes > 1 else "PACK")
        try:
            ray.get(group.ready(), timeout=60)
        except ray.exceptions.GetTimeoutError as e:
            have = ray.cluster_resources().get("CPU", 0)
            why = f"it has {have:g} processors in all; {nodes} nodes with {each} free ones each are needed"
            raise MachineError("the Ray cluster has no room for the job", value=self._settings.cluster, why=why) from e
        actor: Any = ray.remote(num_cpus=1, max_restarts=0)(_Worker)
        workers: list[Any] = [
            actor.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group, rank // each)).remote()
            for rank in range(nodes * each)
        ]
        try:
            address, port = ray.get(workers[0].meeting_place.remote())
            running = [
                worker.run.remote(module, argument, {
                    "RANK": rank, "WORLD_SIZE": nodes * each, "LOCAL_RANK": rank % each, "LOCAL_WORLD_SIZE": each,
                    "MASTER_ADDR": address, "MASTER_PORT": port,
                })
                for rank, worker in enumerate(workers)
            ]  # fmt: skip
            return self._wait(running)
        finally:
            for worker in workers:
                ray.kill(worker)
            remove_placement_group(group)

    def _wait(self, running: list[Any]) -> int:
        """The first bad exit code, or 0 when all have ended; a lost actor counts as one that died."""
        import ray

        while running:
            done, running = ray.wait(running, num_returns=1)
            try:
                code = int(ray.get(done[0]))
            except ray.exceptions.RayError:
                return 1
            if code:
                return code
        return 0


class _Worker:
    """One process of a job, on whichever node Ray put it."""

    def meeting_place(self) -> tuple[str, int]:
        """This node's address and a port that is free on it."""
        import socket

        import ray

        with socket.socket() as s:
            s.bind(("", 0))
            return ray.util.get_node_ip_address(), int(s.getsockname()[1])

    def run(self, module: str, argument: str, variables: dict[str, Any]) -> int:
        """Run the module to its end; it does not outlive this actor (agent.die_with_parent)."""
        env = os.environ | environment() | {name: str(value) for name, value in variables.items()} | own_id()
        if not env.get("CUDA_VISIBLE_DEVICES", "-"):
            del env["CUDA_VISIBLE_DEVICES"]  # Ray hides the cards from actors that asked for none; LOCAL_RANK picks one
        return subprocess.run([sys.executable, "-m", module, argument], env=env, check=False).returncode


def launcher(settings: ParallelSettings) -> Launcher:
    """Who starts this job."""
    return RayActors(settings) if settings.cluster else Torchrun(settings)


def die_with_parent() -> None:
    """End this process when the one that started it is gone, however it ended: nobody would read its work.

    PARENT in the environment says who that is: it may be gone before this process has come so far as to ask.
    """
    threading.Thread(target=_watch, args=(int(os.environ[PARENT]),), daemon=True).start()


def own_id() -> dict[str, str]:
    """What die_with_parent of a process that is started now has to know."""
    return {PARENT: str(os.getpid())}


def _watch(parent: int) -> None:
    import time

    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def torchrun_arguments(processes: int, module: str, arguments: Sequence[str]) -> list[str]:
    """What torchrun is told: processes of this machine that meet on loopback."""
    return [
        "--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}", "--max-restarts=0", "-m", module,
        *arguments,
    ]  # fmt: skip
