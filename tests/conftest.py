"""What every test stands on: a repeatable environment, no network, and skips for hardware that is not here."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import sys
from typing import Any

import pytest

from firesteel.compute.device import environment

for name, value in environment().items():  # before any test loads torch: its libraries read these once
    os.environ.setdefault(name, value)
for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[name] = "1"
# Images often forbid bytecode; then each of the many processes that tests start compiles the package anew, for a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to any other machine fails the test: nothing here may need the network."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Path of a Chromium; tests that ask for it are skipped where there is none."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


@pytest.fixture(scope="session")
def accelerator() -> Any:
    """The accelerator's torch.device; tests that ask for it are skipped where there is none."""
    import torch

    if not torch.accelerator.is_available():
        pytest.skip("no accelerator that torch can use")
    return torch.accelerator.current_accelerator()
