"""Ray as an Executor: the same tasks on many machines that share the folders of the run (extra `cluster`)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from firesteel.core.errors import MachineError
from firesteel.core.work import Crash

AHEAD = 2  # tasks under way for each processor of the cluster


class RayCluster:
    """An Executor over the processors of a Ray cluster; leaves a cluster that it did not start as it was.

    `address`: "auto" (the cluster that this machine belongs to) or "host:port" of its head. Every node needs Firesteel
    and the run's folder and sources under the same paths. Raises MachineError if Ray is missing or does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError as e:
            hint = "pip install 'firesteel[cluster]'"
            raise MachineError("machine.cluster needs Ray", value=address, why=str(e), hint=hint) from e
        self.address = address
        self._ray, self._mine = ray, not ray.is_initialized()
        if self._mine:
            try:
                _knock(address)
                ray.init(address=address, log_to_driver=False, configure_logging=False)
            except (OSError, RuntimeError, ValueError) as e:
                hint = "start it with 'ray start --head', and 'ray start --address HOST:6379' on each other machine"
                why = str(e).splitlines()[0] if str(e) else type(e).__name__
                raise MachineError("the Ray cluster does not answer", value=address, why=why, hint=hint) from e
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See core.work.Executor. A task whose machine is lost goes to another one, three times."""
        ray = self._ray
        remote = ray.remote(num_cpus=1, max_retries=3)(function)
        waiting = list(range(len(tasks)))[::-1]
        under_way: dict[Any, int] = {}
        while waiting or under_way:
            while waiting and len(under_way) < AHEAD * self.workers:
                i = waiting.pop()
                under_way[remote.remote(tasks[i])] = i
            done, _ = ray.wait(list(under_way), num_returns=1)
            for reference in done:
                i = under_way.pop(reference)
                try:
                    yield i, ray.get(reference)
                except ray.exceptions.RayTaskError as e:
                    raise e.cause from e
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as e:
                    yield i, Crash(f"its process died: {type(e).__name__}")

    def close(self) -> None:
        """Leave the cluster, if this object joined it."""
        if self._mine:
            self._ray.shutdown()


def _knock(address: str) -> None:
    """Ray itself waits minutes for a head that is not there. Raises OSError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()
