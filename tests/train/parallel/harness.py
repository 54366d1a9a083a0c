"""Several processes of one program on this machine, which talk over loopback; none of them outlives the test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
LIMIT = 240.0  # seconds until processes that have not ended are killed


def launch(size: int, program: str, *arguments: Any, folder: Path) -> list[Any]:
    """What `size` processes of `program` (module:function, called with `arguments`) return, in order of rank, through JSON.

    Fails with the output of every process if one fails or takes longer than LIMIT.
    """
    common = os.environ | {
        "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT), "TORCH_CPP_LOG_LEVEL": "ERROR",
    }  # fmt: skip
    files = [folder / f"{rank}.json" for rank in range(size)]
    logs = [folder / f"{rank}.log" for rank in range(size)]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(size):
            with logs[rank].open("wb") as log:
                command = [
                    sys.executable,
                    "-m",
                    "tests.train.parallel.harness",
                    program,
                    json.dumps(arguments),
                    files[rank],
                ]
                own = common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                processes.append(subprocess.Popen(command, cwd=ROOT, env=own, stdout=log, stderr=subprocess.STDOUT))
        _wait(processes)
        said = "\n".join(f"--- process {r}\n{log.read_text(errors='replace')[-6000:]}" for r, log in enumerate(logs))
        assert all(p.poll() == 0 for p in processes), said
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [json.loads(file.read_text()) for file in files]


def _wait(processes: list[subprocess.Popen[bytes]]) -> None:
    """Until all have ended, one has failed, or the time is up."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        codes = [p.poll() for p in processes]
        if None not in codes or any(codes):
            return
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


if __name__ == "__main__":
    import importlib

    module, _, function = sys.argv[1].partition(":")
    answer = getattr(importlib.import_module(module), function)(*json.loads(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(answer))
