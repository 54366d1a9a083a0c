"""One worker of the sandbox: the process that forks caged children, seen from outside, and what a program is and may use.

Input and output are files in memory that belong to the owner; a file that grows past its bound fails to grow, so output
needs nobody to drain it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from firesteel.compute import sandbox_policy
from firesteel.core.errors import MachineError

Outcome = Literal["done", "error", "time", "output", "killed"]
CHILD = Path(__file__).with_name("sandbox_child.py")
START_SECONDS = 60.0  # a keeper loads its modules in a fraction of one; a loaded machine may take longer
SLACK_SECONDS = 10.0  # past the wall limit, until the keeper itself is held for dead


@dataclass(frozen=True)
class Limits:
    """What one program may use; past a limit it ends, or its call fails."""

    cpu_seconds: int = 4  # whole: the kernel counts so
    wall_seconds: float = 8.0
    memory_bytes: int = 512 << 20  # of address space, the interpreter's own (about 60 MB) among it
    output_bytes: int = 64 << 10  # of stdout, and of stderr


@dataclass(frozen=True)
class Program:
    """Python text, and what it reads."""

    source: str
    stdin: bytes = b""


@dataclass(frozen=True)
class Ran:
    """What became of a program.

    done: it ended by itself with code 0. error: another code, or a signal of its own making (code < 0). time, output: it
    met that limit. killed: something else ended it, and perhaps its keeper; memory of the machine, most of the time.
    """

    outcome: Outcome
    stdout: str
    stderr: str
    code: int = 0
    cut: bool = False  # stdout or stderr was longer; the rest is lost
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_bytes: int = 0  # resident, at most

    @property
    def why(self) -> str:
        """In a few words why it did not end well: the last line of its traceback, mostly."""
        if self.outcome != "error":
            return {"done": "", "time": "time", "output": "too much output", "killed": "killed"}[self.outcome]
        if self.code < 0:
            return f"crashed ({signal.Signals(-self.code).name})"
        lines = self.stderr.strip().splitlines()
        return (lines[-1] if lines else f"exit code {self.code}")[:200]


@dataclass
class Keeper:
    """One worker: a process that forks caged children, and the socket that it listens to."""

    process: subprocess.Popen[bytes]
    control: socket.socket

    @classmethod
    def start(cls) -> Keeper:
        """Start one and wait until it is caged. Raises MachineError if it does not come to that."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        libc = ctypes.CDLL(None, use_errno=True)
        abi = str(sandbox_policy.landlock_abi(libc))
        filters = sandbox_policy.seccomp_program(platform.machine()).hex()
        # -I would also ignore the one variable it gets: with it the same program meets the same order of sets each time
        options = ["-P", "-s", "-S", "-B", "-X", "utf8"]
        with theirs:
            process = subprocess.Popen(
                [sys.executable, *options, str(CHILD), str(theirs.fileno()), abi, filters],
                pass_fds=(theirs.fileno(),), env={"PYTHONHASHSEED": "0"}, cwd="/", start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
        keeper = cls(process, ours)
        ours.settimeout(START_SECONDS)
        if not keeper._heard():
            process.kill()
            said = process.communicate()[1].decode(errors="replace").strip().splitlines()
            keeper.end()
            raise MachineError("the sandbox does not start", why=said[-1] if said else "it ended without a word")
        return keeper

    def _heard(self) -> dict[str, Any]:
        try:
            message = self.control.recv(4096)
        except (TimeoutError, ConnectionError):
            return {}
        return dict(json.loads(message)) if message else {}

    def run(self, program: Program, limits: Limits) -> Ran | None:
        """What became of the program; None: the keeper is dead, or seems to be."""
        with contextlib.ExitStack() as stack:
            files = [
                stack.enter_context(_file(data)) for data in (program.source.encode("utf-8", "replace"), program.stdin)
            ]
            files += [stack.enter_context(_file(None)) for _ in range(2)]
            # one byte more than the bound may be written, which is how a cut is known
            asked = {"cpu": limits.cpu_seconds, "wall": limits.wall_seconds, "memory": limits.memory_bytes}
            message = json.dumps(asked | {"output": limits.output_bytes + 1}).encode()
            self.control.settimeout(limits.wall_seconds + SLACK_SECONDS)
            try:
                socket.send_fds(self.control, [message], files)
            except OSError:
                return None
            report = self._heard()
            return (
                _ran(report, [os.pread(fd, limits.output_bytes + 1, 0) for fd in files[2:]], limits) if report else None
            )

    def end(self) -> None:
        """Kill and reap it; its child is killed by the kernel with it."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


@contextlib.contextmanager
def _file(data: bytes | None) -> Iterator[int]:
    """A file in memory: to be read alone, with `data` in it, or to be written."""
    import fcntl  # not on every system that may read this file

    fd = os.memfd_create("sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        if data is not None:
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            os.lseek(fd, 0, os.SEEK_SET)
            seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        yield fd
    finally:
        os.close(fd)


def _ran(report: dict[str, Any], outputs: Sequence[bytes], limits: Limits) -> Ran:
    cut = any(len(data) > limits.output_bytes for data in outputs)
    code, cpu = int(report["code"]), float(report["cpu"])
    outcome: Outcome = "done" if code == 0 else "error"
    # the kernel's limit counts ticks, its report counts time: on a busy machine they differ
    if report["late"] or (code == -signal.SIGKILL and cpu >= limits.cpu_seconds / 2):
        outcome = "time"
    elif cut:
        outcome = "output"
    elif code == -signal.SIGKILL:
        outcome = "killed"
    stdout, stderr = (data[: limits.output_bytes].decode("utf-8", "replace") for data in outputs)
    return Ran(outcome, stdout, stderr, code, cut, cpu, float(report["wall"]), int(report["memory"]))
