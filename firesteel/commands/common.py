"""What commands share. Loads no heavy library: `--help` stays quick."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import typer


def before_torch() -> None:
    """Set what bit-exact results need in the environment; torch's libraries read it once, when they load."""
    from firesteel.compute.device import environment

    for name, value in environment().items():
        os.environ.setdefault(name, value)


def print_json(facts: Any) -> None:
    """Facts as JSON on stdout."""
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str))


def aloud(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)
