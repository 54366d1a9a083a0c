"""Several processes of one program on this machine, which talk over loopback; none of them outlives the test."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[3]
LIMIT = 240.0  # seconds until processes that have not ended are killed


def launch(size: int, program: str, *arguments: Any, folder: Path) -> list[Any]:
    """What `size` processes of `program` (module:function, called with `arguments`) return, in order of rank, through JSON.

    One process loads the program and forks the others: loading torch takes each of them longer than most of their work.
    Fails with the output of every process if one fails or takes longer than LIMIT.
    """
    common = os.environ | {
        "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT), "TORCH_CPP_LOG_LEVEL": "ERROR",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.train.parallel.harness", program, json.dumps(arguments), folder]
    with (folder / "all.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=common, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LIMIT)
        logs = (folder / "all.log", *(folder / f"{rank}.log" for rank in range(size)))
        said = "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}" for log in logs if log.is_file())
        assert process.returncode == 0, said
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the forked ones, too, whatever happened
        process.wait()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _fork(size: int, work: Callable[[], Any], folder: Path) -> int:
    """Exit status of so many processes that do the work: 1 as soon as one of them fails, and then the others are killed."""
    left = {os.fork() or _child(rank, work, folder) for rank in range(size)}
    failed = False
    while left:
        child, status = os.wait()
        left.discard(child)
        if status and not failed:
            failed = True
            for other in left:
                os.kill(other, signal.SIGKILL)
    return int(failed)


def _child(rank: int, work: Callable[[], Any], folder: Path) -> NoReturn:
    """A process of this rank: what it says goes to a log of its own, what it returns to a file."""
    code = 1
    try:
        log = os.open(folder / f"{rank}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        (folder / f"{rank}.json").write_text(json.dumps(work()))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    module, _, function = sys.argv[1].partition(":")
    program = getattr(importlib.import_module(module), function)
    asked = json.loads(sys.argv[2])
    sys.exit(_fork(int(os.environ["WORLD_SIZE"]), lambda: program(*asked), Path(sys.argv[3])))
