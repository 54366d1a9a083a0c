"""The sides of serve.py seen from outside: start one, ask it, hold it still while another works; and the figures of rounds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from firesteel.compute.device import environment

SIDE = Path(__file__).with_name("serve_side.py")
TICK = os.sysconf("SC_CLK_TCK")
Answer = dict[str, Any]


class LeftOut(Exception):
    """A side whose process ended or took too long; the message has the end of what it printed."""


class Side:
    """One engine's process group. Between its turns it is stopped (SIGSTOP), so that it can take nothing from the others."""

    def __init__(self, label: str, kind: str, python: str, plan: Mapping[str, Any], place: Path, limit: float) -> None:
        self.label, self.limit, self.how = label, limit, ""
        place.mkdir(parents=True, exist_ok=True)
        file, self.errors = place / "plan.json", place / "errors.txt"
        file.write_text(json.dumps(dict(plan)), encoding="utf-8")
        ours = environment() if kind.startswith("ours") else {}
        with self.errors.open("w") as errors:
            began = time.perf_counter()
            self.process = subprocess.Popen(
                [python, str(SIDE), kind, str(file)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, start_new_session=True, env=os.environ | ours | {"HF_HUB_OFFLINE": "1"},
            )  # fmt: skip
        self.how = self._answer()["how"]
        self.start = time.perf_counter() - began  # seconds until its first token
        self._signal(signal.SIGSTOP)

    def ask(self, requests: list[dict[str, Any]]) -> Answer:
        """Let it work on these requests (serve_side.py says what they are); its answer, with the processor seconds it took."""
        assert self.process.stdin is not None
        self._signal(signal.SIGCONT)
        before = self._processor()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(requests) + "\n")
            self.process.stdin.flush()
        answer = self._answer()
        answer["processor"] = self._processor() - before
        self._signal(signal.SIGSTOP)
        return answer

    def end(self) -> None:
        """End its whole group."""
        self._signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(timeout=10)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _answer(self) -> Answer:
        assert self.process.stdout is not None
        timer = threading.Timer(self.limit, self._signal, [signal.SIGKILL])
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            self._signal(signal.SIGKILL)
            self.process.wait()
            raise LeftOut(
                f"its process ended, or took more than {self.limit:.0f} s:\n{self.errors.read_text()[-1500:]}"
            )
        answer: Answer = json.loads(line)
        return answer

    def _signal(self, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, which)

    def _processor(self) -> float:
        """Processor seconds that the group's living processes have taken so far."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rsplit(")", 1)[1].split()
                if int(fields[2]) == self.process.pid:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK


def leave_out(sides: dict[str, Side], label: str, why: object) -> None:
    """Go on without a side, aloud."""
    sides.pop(label).end()
    print(f"{label} is left out: {why}", file=sys.stderr, flush=True)


def new_tokens(answer: Answer) -> int:
    """Tokens that were generated."""
    return sum(len(r["times"]) for r in answer["requests"])


def decode_rate(answer: Answer) -> float:
    """Tokens/s from the moment when every stream has its first token until the last token."""
    firsts = max(r["times"][0] for r in answer["requests"] if r["times"])
    times = [t for r in answer["requests"] for t in r["times"] if t > firsts]
    return float(len(times) / (max(times) - firsts))


def summary(values: Iterable[float]) -> dict[str, Any]:
    """Median and range."""
    found = list(values)
    return {"median": _short(statistics.median(found)), "range": [_short(min(found)), _short(max(found))]}


def _short(value: float) -> float:
    return float(round(value)) if value >= 1000 else float(f"{value:.4g}")
