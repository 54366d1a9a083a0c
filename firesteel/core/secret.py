"""The secret under the tags of personal data: a file of the user's, or one made once for this user of this machine."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from pathlib import Path

from firesteel.core.errors import RecipeError, UserError

MIN_BYTES, MAX_BYTES = 16, 4096
_HINT = "set data.privacy_key to a file of at least 16 random bytes that only you can read (chmod 600)"


def privacy_key(file: str = "") -> bytes:
    """The secret in `file` (16 to 4096 bytes), or with "" that of `~/.config/firesteel/privacy.key`, made when missing.

    RecipeError for a named file that cannot be read, is too short or too long, UserError for one that others can read
    and where the home cannot be written. Processes that start together agree on one secret.
    """
    path = Path(file).expanduser() if file else default_path()
    if not file and not os.path.lexists(path):
        _make(path)
    return _read(path, named=bool(file))


def default_path() -> Path:
    """Where the secret of this user lives; `$XDG_CONFIG_HOME` moves it, if it is absolute."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path(os.path.expanduser("~")) / ".config"
    return base / "firesteel" / "privacy.key"


def fingerprint(key: bytes) -> str:
    """64 hexadecimal digits that tell one key from another and nothing else about it; safe to store in a manifest."""
    return hashlib.sha256(
        hashlib.blake2b(b"fingerprint", key=_sized(key), person=b"firesteel.key").digest()
    ).hexdigest()


def _sized(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _read(path: Path, named: bool) -> bytes:
    error = RecipeError if named else UserError
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            state = os.fstat(stream.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise error("the privacy key is not a file", value=path, hint=_HINT)
            if state.st_mode & 0o077:
                raise UserError(
                    "others can read the privacy key", value=path, why=f"its mode is {stat.S_IMODE(state.st_mode):o}",
                    hint=f"chmod 600 {path}; whoever has read it can recognise persons in texts already protected by it",
                )  # fmt: skip
            key = stream.read(MAX_BYTES + 1)
    except OSError as wrong:
        raise error(
            "the privacy key cannot be read", value=path, why=wrong.strerror or str(wrong), hint=_HINT
        ) from wrong
    if not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise error(
            "the privacy key is too short" if len(key) < MIN_BYTES else "the privacy key is too long",
            value=path, why=f"{MIN_BYTES} to {MAX_BYTES} bytes are needed", hint=_HINT,
        )  # fmt: skip
    return key


def _make(path: Path) -> None:
    """Write a new secret beside `path` and link it there: whole or not at all, and never over another's."""
    mine = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "wb") as stream:
                stream.write(secrets.token_bytes(32))
                stream.flush()
                os.fsync(stream.fileno())
            os.link(mine, path)
        except FileExistsError:
            pass  # another process was first: its secret is ours
        finally:
            os.unlink(mine)
    except OSError as wrong:
        raise UserError(
            "no privacy key can be made", value=path, why=wrong.strerror or str(wrong), hint=_HINT
        ) from wrong
