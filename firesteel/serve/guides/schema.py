"""JSON schemas as llguidance takes them: bounded, with our own spacing; what it cannot enforce is refused or named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from firesteel.core.errors import UserError
from firesteel.serve.guides.compiler import bounded, bounded_depth

# At most one space, or one line break and its indentation, between the parts of JSON: no runs to max_tokens in blanks.
WHITESPACE = r" |\r?\n[ ]{0,8}|\r?\n\t{0,4}"
ANSWER = {"whitespace_pattern": WHITESPACE}
CALL = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}  # as templates' `tojson` writes


def schema_text(schema: Mapping[str, Any] | bool, spacing: Mapping[str, Any], *, strict: bool) -> str:
    """A schema with the compiler's options in it, as JSON text. Raises UserError for one that is none, or too large.

    `strict`: keywords that cannot be enforced are errors; otherwise they are left out, and the compiler warns of them; and
    oneOf is then anyOf, where its options may overlap.
    """
    if not isinstance(schema, Mapping | bool):
        raise UserError("a JSON schema must be a table", value=repr(schema)[:80])
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}, "enum": []}
    bounded_depth(dict(schema))
    options = {"x-guidance": {**spacing, "lenient": not strict, "coerce_one_of": not strict}}
    return bounded(json.dumps({**schema, **options}, ensure_ascii=False))


def arguments_schema(parameters: Any) -> dict[str, Any]:
    """The schema of a call's arguments, which are always a table; a tool without parameters takes none."""
    if not parameters:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    if not isinstance(parameters, Mapping) or parameters.get("type", "object") != "object":
        raise UserError("a tool's parameters must be a schema of an object", value=repr(parameters)[:80])
    return {**parameters, "type": "object"}
