"""Options of the commands `serve` and `chat`, and what they mean. Loads no heavy library: `--help` stays quick."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firesteel.core.errors import RecipeError

if TYPE_CHECKING:
    from firesteel.core.config import ServeSettings

SETTINGS = (  # of [serve]; the settings themselves are not loaded for --help
    "host, port, max_sequences, max_queued, context, max_new_tokens, cache_gb, dtype, step_tokens, prefix_cache, speculate, "
    "batch_invariant, allow_origins"
)

Host = Annotated[
    str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; 0.0.0.0 opens it to the network.")
]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=0, max=65535, help="Port, 8000 if left out; 0 takes a free one."),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help="Hashes of API keys, one a line; without it nobody needs a key."),
]
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="What clients call the model; its folder's name if left out.")
]
Adapters = Annotated[
    list[str] | None,
    typer.Option(
        "--adapter", metavar="NAME=FOLDER", help="A LoRA adapter, a model of its own for clients; may be repeated."
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        "--context", metavar="N", min=0, help="Longest prompt and reply together, tokens; 0 = all the model can."
    ),
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", metavar="FILE", help="Take the settings of this recipe's [serve] table.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help=f"A setting of [serve], may be repeated: {SETTINGS}."),
]
Origins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin", metavar="ORIGIN",
        help="Web pages that may ask from a browser: https://chat.example.org, or * for all; may be repeated.",
    ),
]  # fmt: skip
OpenMetrics = Annotated[bool, typer.Option("--open-metrics", help="Let /metrics be read without a key.")]


def settings_of(
    recipe: Path | None, given: list[str] | None, origins: list[str] | None = None, context: int | None = None
) -> ServeSettings:
    """[serve] of a recipe, or the defaults, with `--set` on top, and then the options that have a name. Raises RecipeError."""
    from firesteel.core.config import load_recipe, parse_recipe

    items = [item.removeprefix("serve.") for item in given or ()]
    items += [f"allow_origins={json.dumps(origins)}"] if origins else []
    items += [] if context is None else [f"context={context}"]
    if recipe is not None:
        return load_recipe(recipe, tuple(f"serve.{item}" for item in items)).serve
    return parse_recipe({"name": "serve", "serve": dict(map(_pair, items))}).serve


def _pair(item: str) -> tuple[str, object]:
    key, sign, text = item.partition("=")
    if not sign or not key.strip():
        raise RecipeError("--set needs key=value", value=item, hint="for example --set cache_gb=4")
    try:
        return key.strip(), tomllib.loads(f"v = {text.strip()}")["v"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text.strip()


def adapters_of(given: list[str] | None) -> dict[str, Path]:
    """--adapter NAME=FOLDER as name -> folder. Raises RecipeError."""
    found: dict[str, Path] = {}
    for item in given or ():
        name, sign, folder = item.partition("=")
        if not (name and sign and folder):
            hint = "for example --adapter law=runs/law/adapter"
            raise RecipeError("--adapter needs NAME=FOLDER", value=item, hint=hint)
        if name in found:
            raise RecipeError("two adapters have one name", value=name, hint="give each its own: --adapter NAME=FOLDER")
        found[name] = Path(folder)
    return found
