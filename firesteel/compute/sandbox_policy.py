"""What a caged program may ask of the Linux kernel: an allow-list in BPF, and whether this machine can hold it.

The list is what a running Python interpreter needs once all its modules are loaded: memory, clocks, signals of its own, and
reading and writing files that are open already. Everything else is denied by default: opening or looking at any file,
sockets, starting processes or threads, signalling, tracing, mounting, new namespaces, loading code into the kernel.

Sources: Linux Documentation/userspace-api/{seccomp_filter,landlock}.rst, include/uapi/linux/{seccomp,audit,filter}.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

# name: (x86_64, aarch64); None: that machine type has no such call
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62),
    "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "brk": (12, 214),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "pause": (34, None), "alarm": (37, None), "getitimer": (36, 102), "setitimer": (38, 103),
    "futex": (202, 98), "sched_yield": (24, 124), "exit": (60, 93), "exit_group": (231, 94),
    "getpid": (39, 172), "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176),
    "getegid": (108, 177), "getrandom": (318, 278), "time": (201, None), "gettimeofday": (96, 169), "times": (100, 153),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "getrusage": (98, 165),
}  # fmt: skip
DENIED_AS: dict[str, tuple[int, int, int]] = {  # a call that is denied in another word than "not permitted"
    "ioctl": (16, 29, errno.ENOTTY),  # no file here is a terminal
    "clone3": (
        435,
        435,
        errno.ENOSYS,
    ),  # its flags cannot be read by a filter; libc goes back to clone, which is denied
}
MACHINES: dict[str, tuple[int, int]] = {  # machine type: (column above, AUDIT_ARCH)
    "x86_64": (0, 0xC000003E),
    "aarch64": (1, 0xC00000B7),
}
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
KILL, ERRNO, ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000  # SECCOMP_RET_*
NUMBER_AT, ARCH_AT = 0, 4  # bytes into struct seccomp_data

PR_SET_SECCOMP, MODE_FILTER = 22, 2
LANDLOCK_CREATE, LANDLOCK_VERSION = 444, 1
LEAST_LANDLOCK = 1  # ABI


def seccomp_program(machine: str) -> bytes:
    """The filter as an array of struct sock_filter for a machine type of MACHINES.

    A call by another machine type's numbering (32-bit on x86_64) kills; x32 numbers are on no list, so they are denied.
    """
    column, arch = MACHINES[machine]
    allowed = [n for n in (pair[column] for pair in ALLOWED.values()) if n is not None]
    special = [(one[column], one[2]) for one in DENIED_AS.values()]
    head = [(LOAD, 0, 0, ARCH_AT), (EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER_AT)]
    denials = [line for n, code in special for line in ((EQUAL, 0, 1, n), (RETURN, 0, 0, ERRNO | code))]
    tail = [(RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ALLOW)]
    steps = len(allowed) + len(denials) + 1  # from the first comparison to the last line, which allows
    tests = [(EQUAL, steps - i - 1, 0, n) for i, n in enumerate(allowed)]
    assert steps < 256, "a jump in BPF is one byte"
    return b"".join(struct.pack("=HBBI", *line) for line in [*head, *tests, *denials, *tail])


def landlock_abi(libc: ctypes.CDLL) -> int:
    """The version of Landlock that the kernel offers; 0: none."""
    return max(0, int(libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), LANDLOCK_VERSION)))


def missing() -> str:
    """What this machine lacks for the sandbox, in words; empty where it lacks nothing."""
    if sys.platform != "linux":
        return f"the sandbox needs Linux (seccomp and Landlock); this is {sys.platform}"
    if platform.machine() not in MACHINES or sys.maxsize < 2**32:
        return f"the sandbox knows the system calls of 64-bit {' and '.join(MACHINES)}; this is {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_SECCOMP, MODE_FILTER, None)  # without a filter it cannot succeed: EFAULT where filters are known
    if ctypes.get_errno() != errno.EFAULT:
        return f"the kernel has no seccomp filters ({os.strerror(ctypes.get_errno())})"
    if landlock_abi(libc) < LEAST_LANDLOCK:
        return "the kernel has no Landlock (Linux 5.13 or later, with landlock among the lsm= of its command line)"
    if not hasattr(os, "pidfd_open") or not hasattr(os, "memfd_create"):
        return "this Python was built without pidfd_open or memfd_create"
    return ""
