"""Keeps one process of judge.py, asks it, and ends it when it takes too long."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

from firesteel.core.errors import FiresteelError, RecipeError

START = 120.0  # seconds; importing sympy takes 2 on an idle machine
LIMIT = 5.0  # seconds for one comparison


class Judge:
    """Whether two LaTeX texts mean the same, asked of another process; safe in threads and after a fork."""

    def __init__(self, limit: float = LIMIT) -> None:
        self.limit, self.owner = limit, 0
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()

    def equal(self, gold: str, said: str) -> bool | None:
        """True, False, or None where the gold cannot be read. What takes too long or too much memory is not equal."""
        with self.lock:
            process = self._started()
            assert process.stdin is not None
            try:
                process.stdin.write(json.dumps({"gold": gold, "said": said}).encode() + b"\n")
                process.stdin.flush()
                line = self._line(process, self.limit)
            except BrokenPipeError:
                line = b""
            if not line:
                self.close()
                return False
            found = json.loads(line)["equal"]
            return None if found is None else bool(found)

    def close(self) -> None:
        """End the process, if there is one of ours."""
        process, self.process = self.process, None
        if process is not None and self.owner == os.getpid():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is not None and self.owner == os.getpid() and self.process.poll() is None:
            return self.process
        self.close()
        program = [sys.executable, "-I", str(Path(__file__).with_name("judge.py"))]
        self.process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self.owner = os.getpid()
        if self._line(self.process, START) != b"ready\n":
            self.close()
            raise FiresteelError("the process that compares LaTeX did not start", value=program[-1])
        return self.process

    @staticmethod
    def _line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
        """One line, or nothing when the time is over or the process has ended."""
        assert process.stdout is not None
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(process.stdout.fileno(), 65_536) if ready else b""
            if not piece:
                return b""
            line += piece
        return line


@functools.cache
def judge() -> Judge:
    """The process of this program, started when it is first asked. Raises RecipeError without math-verify."""
    need()
    one = Judge()
    atexit.register(one.close)
    return one


@functools.cache
def need() -> None:
    """Raises RecipeError where math-verify is not installed."""
    if importlib.util.find_spec("math_verify") is None:
        raise RecipeError("the task latex needs math-verify", hint="pip install math-verify==0.9.0")
