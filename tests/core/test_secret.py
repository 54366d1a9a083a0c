"""The secret under the tags: made once, for its owner alone, and told apart without being told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firesteel.core.errors import RecipeError, UserError
from firesteel.core.secret import default_path, fingerprint, privacy_key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


def test_a_key_is_made_once_for_its_owner_alone(home: Path) -> None:
    key = privacy_key("")
    path = home / "firesteel" / "privacy.key"
    assert key == path.read_bytes() == privacy_key("") and len(key) == 32 and path == default_path()
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["privacy.key"]


def test_processes_that_start_together_agree(home: Path) -> None:
    code = "from firesteel.core.secret import *; print(fingerprint(privacy_key('')))"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {p.communicate()[0].strip() for p in started} == {fingerprint(privacy_key(""))}


def test_a_named_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"0123456789abcdef")
    file.chmod(0o600)
    assert privacy_key(str(file)) == b"0123456789abcdef"


@pytest.mark.parametrize("content", [None, b"short", b"x" * 5000])
def test_a_named_file_that_cannot_serve_is_a_recipe_error(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    with pytest.raises(RecipeError, match="hint: "):
        privacy_key(str(file))
    with pytest.raises(RecipeError):
        privacy_key(str(tmp_path))


def test_a_key_that_others_can_read_is_refused(home: Path) -> None:
    privacy_key("")
    default_path().chmod(0o640)
    with pytest.raises(UserError, match=r"others can read(.|\n)*chmod 600"):
        privacy_key("")


def test_a_home_that_cannot_be_written_says_what_to_do(home: Path) -> None:
    home.write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"data\.privacy_key"):
        privacy_key("")


def test_a_relative_config_home_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    assert default_path() == Path(os.path.expanduser("~")) / ".config/firesteel/privacy.key"


def test_a_fingerprint_tells_keys_apart() -> None:
    assert fingerprint(b"a" * 32) != fingerprint(b"b" * 32) and len(fingerprint(b"a" * 32)) == 64
    assert b"a" * 4 not in bytes.fromhex(fingerprint(b"a" * 32))
