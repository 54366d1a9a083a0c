"""What every table of a recipe is: frozen, and closed to unknown keys."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Table(BaseModel):
    """A recipe table: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


def misfit(key: str, value: Any, why: str, hint: str = "") -> PydanticCustomError:
    """The mistake of a key that does not fit with the others of its table; `parse_recipe` makes a RecipeError of it."""
    return PydanticCustomError(
        "misfit", "{key} = {value}: {why}", {"key": key, "value": value, "why": why, "hint": hint}
    )
