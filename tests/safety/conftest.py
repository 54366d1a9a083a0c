"""One guard for all safety tests: it holds no state between texts."""

from __future__ import annotations

import pytest

from firesteel.safety.guard import Guard


@pytest.fixture(scope="session")
def guard() -> Guard:
    """The guard with the built-in words."""
    return Guard.default()
