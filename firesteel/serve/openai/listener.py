"""The socket that a server listens on, made before the model is loaded: a taken port is known at once."""

from __future__ import annotations

import errno
import socket

from firesteel.core.errors import MachineError


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises MachineError with what to do when the port is taken or the address is not this machine's."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        listener = socket.socket(family, kind)
    except OSError as e:
        raise MachineError("no such address", value=host, why=str(e), hint="try --host 127.0.0.1") from e
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        return listener
    except OSError as e:
        listener.close()
        raise _cannot_listen(e, host, port) from e


def _cannot_listen(e: OSError, host: str, port: int) -> MachineError:
    hints = {
        errno.EADDRINUSE: f"another program listens there; choose another port: --port {port + 1 if port < 65535 else 8000}",
        errno.EACCES: "ports below 1024 belong to the administrator; choose another: --port 8000",
        errno.EADDRNOTAVAIL: "this machine does not have that address; try --host 127.0.0.1 or --host 0.0.0.0",
    }
    return MachineError(
        "cannot listen", value=f"{host}:{port}", why=e.strerror or str(e), hint=hints.get(e.errno or 0, "")
    )


def url_of(listener: socket.socket) -> str:
    """http://ADDRESS:PORT of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_local(host: str) -> bool:
    """Whether only this machine can reach the address."""
    return host in ("localhost", "::1") or host.startswith("127.")
