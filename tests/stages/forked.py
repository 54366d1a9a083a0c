"""Runs of the command line that are forked from one process: it has loaded everything, which takes longer than a toy's stages.

python -m tests.stages.forked     for each line of stdin, [arguments of firesteel, file for its output, seconds it may take],
                                  prints the exit status
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]


class Commands:
    """Runs the command line, one run at a time. After `with`, none of its processes is left."""

    def __enter__(self) -> Commands:
        self.loaded = subprocess.Popen(
            [sys.executable, "-m", "tests.stages.forked"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}, start_new_session=True,
        )  # fmt: skip
        assert self.loaded.stdout is not None and self.loaded.stdout.readline() == b"loaded\n"
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self.loaded.pid, signal.SIGKILL)
        self.loaded.communicate()

    def run(self, *arguments: str, log: Path, seconds: float = 240) -> int:
        """Exit status of a run, whose output is added to `log`; -9 if it was killed (SIGKILL) after so many seconds."""
        assert self.loaded.stdin is not None and self.loaded.stdout is not None
        self.loaded.stdin.write(json.dumps([arguments, str(log), seconds]).encode() + b"\n")
        self.loaded.stdin.flush()
        assert select.select([self.loaded.stdout], [], [], seconds + 60)[0], "no answer"
        return int(self.loaded.stdout.readline())


def main() -> None:
    """Load everything; then for each line fork a run, kill it if it takes too long, and print its exit status."""
    import firesteel.stages
    from firesteel.cli import main as command

    for module in ("firesteel.ops.report_page", "torch._dynamo", "torch.distributed.checkpoint"):
        importlib.import_module(module)  # loaded when first used otherwise, by every run again
    assert firesteel.stages.run_recipe and len(os.listdir("/proc/self/task")) == 1, "a fork takes no threads along"
    print("loaded", flush=True)
    for line in sys.stdin:
        arguments, log, seconds = json.loads(line)
        child = os.fork() or _run(command, arguments, log)
        end, done = time.monotonic() + seconds, (0, 0)
        while not done[0]:
            time.sleep(0.005)
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
            done = os.waitpid(child, os.WNOHANG)
        print(os.waitstatus_to_exitcode(done[1]), flush=True)


def _run(command: Any, arguments: list[str], log: str) -> NoReturn:
    """What `python -m firesteel` does, in this fork."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = ["firesteel", *arguments]
    code: Any = 1
    try:
        command()
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(bool(e.code))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
