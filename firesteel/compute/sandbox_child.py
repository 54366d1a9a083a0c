"""The sandbox's inside: a keeper that loads what programs may import, cages itself, and forks one caged child per program.

It is started as a script by compute.sandbox (never imported), with the standard library alone. The keeper runs no untrusted
code and parses none: a child reads its program only once the cage is shut. A child has no secrets to find: no environment,
no arguments, no expectations of a test, no open file but its own input and output.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import linecache
import os
import random
import resource
import select
import signal
import socket
import sys
import time
import traceback
import types
from typing import Any

MODULES = """
abc argparse array ast base64 binascii bisect calendar cmath codecs collections collections.abc contextlib copy csv ctypes
dataclasses datetime decimal difflib enum errno fractions functools gc graphlib hashlib heapq html html.parser inspect io
itertools json keyword linecache locale logging math numbers operator pprint queue random re reprlib secrets shlex signal
statistics string stringprep struct sys textwrap threading time timeit tokenize traceback types typing unicodedata unittest
uuid warnings weakref xml.etree.ElementTree zlib _strptime
encodings.ascii encodings.latin_1 encodings.utf_8_sig encodings.utf_16 encodings.utf_16_le encodings.utf_16_be
encodings.utf_32 encodings.gbk encodings.gb2312 encodings.gb18030 encodings.big5 encodings.cp1252 encodings.hex_codec
encodings.base64_codec encodings.rot_13 encodings.punycode encodings.idna encodings.raw_unicode_escape
encodings.unicode_escape
""".split()
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
MODE_FILTER = 2
FILES = 4  # of a request: program, stdin, stdout, stderr
FULL = 4096  # bytes of a request


class Instructions(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("count", ctypes.c_ushort), ("lines", ctypes.c_void_p))


class Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def shut_landlock(libc: ctypes.CDLL, abi: int) -> None:
    """Nothing on any file system, no TCP port, and (ABI 6) no signal or abstract socket out of the cage: no rule allows any."""
    rights = 13 + (abi >= 2) + (abi >= 3) + (abi >= 5)  # one bit each: 13 of ABI 1, refer, truncate, ioctl of devices
    rules = Ruleset((1 << rights) - 1, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    fd = libc.syscall(444, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    _must(fd, "landlock_create_ruleset")
    _must(libc.syscall(446, fd, 0), "landlock_restrict_self")
    os.close(fd)


def drop_capabilities(libc: ctypes.CDLL) -> None:
    """All of them, for good: root's madvise could take pages of memory out of the machine's use, for one."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, of this process
    _must(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")  # effective, permitted, inheritable: 64 bits each


def _must(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    """Argument: the control socket's number, Landlock's ABI, and the seccomp program in hex."""
    control = socket.socket(fileno=int(sys.argv[1]))
    code = bytes.fromhex(sys.argv[3])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    lines = ctypes.create_string_buffer(code, len(code))
    filters = Instructions(len(code) // 8, ctypes.cast(lines, ctypes.c_void_p))
    for name in MODULES:
        importlib.import_module(name)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace" if stream is sys.stdin else "backslashreplace")  # type: ignore[union-attr]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who stops the work closes the socket, and that ends this process
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, this goes first, and not who judges or trains
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    drop_capabilities(libc)
    _must(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")  # no core, and no tracing by others of the same user
    shut_landlock(libc, int(sys.argv[2]))
    sys.argv[:] = ["program"]
    gc.collect()
    gc.freeze()  # so that a child's collections do not copy the keeper's pages
    control.send(b'{"ready": true}')
    while True:
        message, files, _, _ = socket.recv_fds(control, FULL, FILES)
        if not message:
            return  # the owner is gone
        report = _one(libc, filters, control, json.loads(message), files)
        control.send(json.dumps(report).encode())


def _one(
    libc: ctypes.CDLL, filters: Instructions, control: socket.socket, limits: dict[str, Any], files: list[int]
) -> dict[str, Any]:
    """Run one program to its end or its wall limit; what became of it."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            _child(libc, filters, limits, files)
        finally:
            os._exit(70)  # the cage could not be shut: nothing was run
    for fd in files:
        os.close(fd)
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.register(control, select.POLLHUP | select.POLLRDHUP)
        ended = poll.poll(limits["wall"] * 1000)
    finally:
        os.close(handle)
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        _, status, used = os.wait4(pid, 0)
    return {
        "code": os.waitstatus_to_exitcode(status), "late": not ended, "wall": time.monotonic() - begun,
        "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss * 1024,
    }  # fmt: skip


def _child(libc: ctypes.CDLL, filters: Instructions, limits: dict[str, Any], files: list[int]) -> None:
    """Shut the cage, then read the program and run it."""
    keeper = os.getppid()
    _must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "pdeathsig")
    if os.getppid() != keeper:
        return
    for to, fd in enumerate(files[1:]):  # their numbers are above 2: those were taken when the keeper started
        os.dup2(fd, to, inheritable=False)
    program = os.dup2(files[0], 3, inheritable=False) if files[0] != 3 else 3
    os.closerange(4, 1 << 20)
    bounds = {
        "CPU": limits["cpu"], "AS": limits["memory"], "FSIZE": limits["output"], "NOFILE": 4, "NPROC": 0, "CORE": 0,
        "MEMLOCK": 0, "MSGQUEUE": 0, "STACK": 8 << 20,
    }  # fmt: skip
    for name, bound in bounds.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, bound))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed(0)  # the same program does the same twice
    gc.enable()
    _must(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filters)), "seccomp")
    source = b"".join(iter(lambda: os.read(program, 1 << 16), b""))
    os.close(program)
    os._exit(_run(source))


def _run(source: bytes) -> int:
    """Run a program as Python runs a script; its exit code."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    exit_code = 0
    text = source.decode("utf-8", "replace")
    linecache.cache["program.py"] = (len(text), None, text.splitlines(keepends=True), "program.py")  # for tracebacks
    try:
        exec(compile(source, "program.py", "exec"), module.__dict__)  # noqa: S102 - what the cage is for
    except SystemExit as e:
        exit_code = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
        if exit_code == 1 and not isinstance(e.code, int):
            print(e.code, file=sys.stderr)
    except BaseException as e:
        exit_code = 1
        behind = e.__traceback__.tb_next if e.__traceback__ else None
        traceback.print_exception(type(e), e, behind)
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        exit_code = exit_code or 1
    return exit_code & 0xFF


if __name__ == "__main__":
    main()
