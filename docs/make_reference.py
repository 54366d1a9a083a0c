"""Write docs/reference.md from the code: every key of a recipe, and every verb's help. `make docs` runs it."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

import typer
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from firesteel import cli
from firesteel.core.config import Recipe

PAGE = Path(__file__).parent / "reference.md"
HEAD = """# Reference

Made from the code by `make docs`; a test fails when it is out of date. Guides say how, [concepts](concepts.md) say why.

## Recipe

`name` (letters, digits, `.`, `_`, `-`) and `seed` (an integer, 0 by default) stand at the top. The rest is in tables,
and each may be left out.
"""
SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}


def kind(annotation: Any) -> str:
    """A type as a reader of TOML knows it."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(toml(part) for part in parts)
    if origin is tuple:
        return f"list of {kind(parts[0])}"
    if origin is dict:
        return f"table of {kind(parts[1])}s"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind(part) for part in parts if part is not type(None))
    return {int: "integer", float: "number", str: "text", bool: "true or false"}[annotation]


def toml(value: Any) -> str:
    """A default as it would stand in a recipe."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def row(key: str, field: FieldInfo) -> str:
    """One key as a row of its table."""
    bounds = [
        f"{sign} {getattr(one, name):g}"
        for one in field.metadata
        for cls, (name, sign) in SIGNS.items()
        if isinstance(one, cls)
    ]
    takes = ", ".join([kind(field.annotation), *bounds])
    return f"| `{key}` | `{toml(field.default)}` | {takes} | {field.description or ''} |"


def recipe_tables() -> str:
    """Every table of a recipe, key by key."""
    out = []
    for name, field in Recipe.model_fields.items():
        model: Any = field.annotation
        if not hasattr(model, "model_fields"):
            continue
        purpose = (model.__doc__ or "").split(": ", 1)[-1]
        rows = [row(key, one) for key, one in model.model_fields.items()]
        out += [
            f"### `[{name}]`",
            "",
            purpose[0].upper() + purpose[1:],
            "",
            "| key | default | takes | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    return "\n".join(out)


def verbs() -> str:
    """The help of every verb, as the terminal shows it."""
    group: Any = typer.main.get_command(cli.app)
    settings = group.context_settings | {"terminal_width": 100, "max_content_width": 100}
    out = ["## Commands", ""]
    for name, command in group.commands.items():
        context = group.context_class(command, info_name=f"firesteel {name}", **settings)
        out += [f"### `firesteel {name}`", "", "```text", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(out)


def page() -> str:
    """The whole page."""
    return f"{HEAD}\n{recipe_tables()}\n{verbs()}".rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
