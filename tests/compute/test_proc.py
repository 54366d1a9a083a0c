"""Reading the operating system: this process and its children, and the limits of a container's control groups."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firesteel.compute import proc

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
FILL = "hold = bytearray(64 << 20); hold[::4096] = b'1' * len(hold[::4096])"  # touches every page
HOLD = f"import sys; {FILL}; print('up', flush=True); sys.stdin.read()"


@contextmanager
def child(code: str = HOLD) -> Iterator[int]:
    """A living child process that has said that it is up; it ends with its input."""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate()


def group(root: Path, path: str, **files: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def membership(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    real = proc.read
    monkeypatch.setattr(proc, "read", lambda path: text if str(path) == "/proc/self/cgroup" else real(path))


def test_own_memory_is_between_nothing_and_all() -> None:
    total, available = proc.memory_total(), proc.memory_available()
    assert total and available and 0 < proc.resident(os.getpid()) < total and available < total


def test_children_count_with_their_memory_and_are_gone_afterwards() -> None:
    with child() as pid:
        assert {os.getpid(), pid} <= set(proc.family(os.getpid()))
        assert proc.resident(pid) > 64 << 20
    assert pid not in proc.family(os.getpid()) and proc.resident(pid) == 0 and proc.cpu_seconds(pid) == 0


def test_processor_time_of_ended_children_stays_counted() -> None:
    before = proc.cpu_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    assert proc.cpu_seconds(os.getpid()) - before >= 0.25  # counted in ticks of 10 ms


def test_peak_catches_memory_that_is_already_given_back() -> None:
    if not proc.reset_peak():
        pytest.skip("the kernel does not let this process reset its peak")
    low = proc.peak()
    with mmap.mmap(-1, 128 << 20) as hold:  # not from the allocator, which may keep what it was given back
        for page in range(0, len(hold), 4096):
            hold[page] = 1
    assert proc.peak() - low > 100 << 20
    assert proc.reset_peak() and proc.peak() - low < 100 << 20


def test_the_tightest_limit_of_nested_groups_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    membership(monkeypatch, "0::/pod/box\n")
    group(tmp_path, "pod", memory__max="1000", cpu__max="150000 100000")
    group(tmp_path, "pod/box", memory__max="2000", cpu__max="max 100000", memory__current="300")
    assert proc.memory_limit(tmp_path) == 1000 and proc.cpu_limit(tmp_path) == 1.5
    assert proc.memory_used_by_group(tmp_path) == 300
    (tmp_path / "pod/box/memory.stat").write_text("anon 100\ninactive_file 180\n")
    assert proc.memory_used_by_group(tmp_path) == 120  # the kernel gives cached files back when memory is asked for


def test_version_1_groups_are_read_and_their_huge_number_means_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    membership(monkeypatch, "5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n")
    group(tmp_path, "memory", memory__limit_in_bytes=str((1 << 63) - 4096))
    group(tmp_path, "memory/a/b", memory__limit_in_bytes="5000")
    group(tmp_path, "cpu/a", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    assert proc.memory_limit(tmp_path) == 5000 and proc.cpu_limit(tmp_path) == 0.5
    (tmp_path / "memory/a/b/memory.limit_in_bytes").write_text(str((1 << 63) - 4096))
    assert proc.memory_limit(tmp_path) is None


def test_without_groups_there_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    membership(monkeypatch, "0::/\n")
    assert proc.memory_limit(tmp_path) is None and proc.cpu_limit(tmp_path) is None
    assert proc.memory_used_by_group(tmp_path) is None


def test_cores_follow_the_quota_but_never_reach_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    own = len(os.sched_getaffinity(0))
    for limit, want in ((None, own), (0.5, 1), (own + 0.9, own)):
        monkeypatch.setattr(proc, "cpu_limit", lambda limit=limit: limit)
        assert proc.cores() == want
