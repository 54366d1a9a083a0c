"""What the operating system says about this process and its container: `/proc` and control groups. No psutil.

Every function returns None (or nothing) where the system does not tell, so that other systems than Linux still work.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100  # clock ticks a second
UNLIMITED = 1 << 60  # version 1 groups write "no limit" as a huge number of bytes


def read(path: str | Path) -> str | None:
    """Text of a small system file, or None."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def fields(path: str | Path) -> dict[str, str]:
    """`name: value` lines of a system file."""
    pairs = (line.split(":", 1) for line in (read(path) or "").splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def memory_total() -> int | None:
    """Bytes of memory in the machine."""
    value = fields("/proc/meminfo").get("MemTotal")
    if value:
        return int(value.split()[0]) * 1024
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * PAGE
    return None


def memory_available() -> int | None:
    """Bytes that could be used now without swapping, by the kernel's estimate; within the container's limit."""
    value = fields("/proc/meminfo").get("MemAvailable")
    free = int(value.split()[0]) * 1024 if value else None
    limit, used = memory_limit(), memory_used_by_group()
    if free is not None and limit is not None and used is not None:
        return max(0, min(free, limit - used))
    return free


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the control groups that bound this process, its own first, then each parent."""
    for line in (read("/proc/self/cgroup") or "").splitlines():
        _, names, path = line.split(":", 2)
        if names == "" or controller in names.split(","):
            top = root / controller if names else root
            own = top / path.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(top) and folder.is_dir())


def memory_limit(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The container's memory limit in bytes: the tightest of `memory.max` (v2) or `memory.limit_in_bytes` (v1)."""
    names = ("memory.max", "memory.limit_in_bytes")
    texts = (read(group / name) for group in _groups("memory", root) for name in names)
    limits = [int(text) for text in texts if text and text.strip().isdigit()]
    limits = [limit for limit in limits if limit < UNLIMITED]
    return min(limits, default=None)


def memory_used_by_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes charged to this process's control group, less the cached files that it gives back when asked for memory."""
    for group in _groups("memory", root):
        for name in ("memory.current", "memory.usage_in_bytes"):
            if (text := read(group / name)) and text.strip().isdigit():
                return max(0, int(text) - _idle_files(group))
    return None


def _idle_files(group: Path) -> int:
    lines = (line.split() for line in (read(group / "memory.stat") or "").splitlines())
    stat = {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdigit()}
    return stat.get("total_inactive_file", stat.get("inactive_file", 0))


def cpu_limit(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """CPUs that the container may use on average: the tightest of `cpu.max` (v2) or the CFS quota (v1)."""
    limits = []
    for group in _groups("cpu", root):
        quota, _, period = (read(group / "cpu.max") or "").strip().partition(" ")
        quota = quota or (read(group / "cpu.cfs_quota_us") or "").strip()
        period = period or (read(group / "cpu.cfs_period_us") or "").strip()
        if quota.isdigit() and period.isdigit() and int(period):
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def cores() -> int:
    """CPU cores this process may use: its affinity, and the container's quota rounded down (at least 1)."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cpu_limit()
    return max(1, min(own, int(limit))) if limit else own


def family(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{one}/task"):
                queue += [int(child) for child in (read(f"/proc/{one}/task/{task}/children") or "").split()]
    return found


def resident(pid: int) -> int:
    """Resident bytes of one process (VmRSS); 0 when it is gone."""
    value = fields(f"/proc/{pid}/status").get("VmRSS")
    return int(value.split()[0]) * 1024 if value else 0


def cpu_seconds(pid: int) -> float:
    """User and system seconds of one process and of its children that have ended."""
    text = read(f"/proc/{pid}/stat")
    if text is None:
        return sum(os.times()[:4]) if pid == os.getpid() else 0.0
    numbers = text.rpartition(")")[2].split()  # from field 3 on; the name before it may hold spaces
    return sum(int(ticks) for ticks in numbers[11:15]) / TICK


def return_freed_memory() -> None:
    """Ask glibc to give what is freed back to the system, so that a peak measured from now on is about what is used."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def reset_peak() -> bool:
    """Start the kernel's record of this process's peak resident memory afresh (Linux 4.0); whether it let us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak() -> int:
    """Peak resident bytes of this process (VmHWM) since the last `reset_peak`; 0 when unknown."""
    value = fields("/proc/self/status").get("VmHWM")
    return int(value.split()[0]) * 1024 if value else 0


def busy_seconds() -> float:
    """Seconds that all processors together have worked since the machine started, for anybody; 0 when unknown."""
    numbers = (read("/proc/stat") or "cpu").splitlines()[0].split()[1:]
    user_nice_system = numbers[:3]
    interrupts_steal = numbers[5:8]  # after idle and waiting for disks; "steal" is a neighbour on the same host
    return sum(int(n) for n in (*user_nice_system, *interrupts_steal)) / TICK
