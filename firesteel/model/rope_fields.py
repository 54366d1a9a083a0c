"""Rotary settings in config.json: transformers 5's `rope_parameters`, and the older `rope_theta` with `rope_scaling`."""

from __future__ import annotations

import dataclasses
from typing import Any

from firesteel.core.errors import ArtefactError
from firesteel.model.config import ModelConfig, RopeScaling

Fields = dict[str, Any]


def unsupported(name: str, value: Any, why: str, hint: str = "") -> ArtefactError:
    """The error for a field whose value this version does not compute."""
    return ArtefactError("this model's architecture is not supported", value=f"{name} = {value!r}", why=why, hint=hint)


def read_rope(fields: Fields) -> Fields:
    """ModelConfig's rotary fields. Raises ArtefactError for what is not computed, or said in two ways."""
    given = rope_fields(fields)
    own: Fields = {"rope_theta": float(given.get("rope_theta") or 10_000.0)}
    kind = given.get("rope_type", "default")
    if given.get("partial_rotary_factor", 1.0) != 1.0:
        raise unsupported("partial_rotary_factor", given["partial_rotary_factor"], "only whole heads are rotated here")
    if kind == "default":
        return own
    known = {f.name for f in dataclasses.fields(RopeScaling)}
    settings = {name: value for name, value in given.items() if name in known and value is not None}
    settings = {
        name: value for name, value in settings.items() if value or not name.startswith("beta_")
    }  # 0: as absent
    if kind != "linear":
        settings.setdefault("original_max_position_embeddings", fields.get("max_position_embeddings", 0))
    try:
        return own | {"rope_scaling": RopeScaling(kind=str(kind), **settings)}
    except (AssertionError, TypeError) as e:
        raise unsupported("rope_scaling", given, str(e)) from e


def rope_fields(fields: Fields) -> Fields:
    """What a config says of its rotary positions, in one spelling. Raises ArtefactError where it says two things."""
    found: Fields = {}
    top = {"rope_theta": fields["rope_theta"]} if fields.get("rope_theta") is not None else {}
    for said in (top, fields.get("rope_scaling") or {}, fields.get("rope_parameters") or {}):
        if not isinstance(said, dict) or any(isinstance(value, dict) for value in said.values()):
            raise unsupported("rope_parameters", said, "one flat table for all layers is read")
        one = {"rope_type" if name == "type" else name: value for name, value in said.items()}
        for name in one.keys() & found.keys():
            if one[name] != found[name]:
                raise unsupported(name, one[name], f"the config also says {found[name]!r}")
        found |= one
    return found


def write_rope(config: ModelConfig) -> Fields:
    """Both spellings, for old readers and new."""
    scaling = config.rope_scaling
    if scaling is None:
        parameters: Fields = {"rope_type": "default"}
    else:
        kept = {f.name: f.default for f in dataclasses.fields(scaling)}
        values = dataclasses.asdict(scaling)
        parameters = {n: v for n, v in values.items() if n != "kind" and v != kept[n]} | {"rope_type": scaling.kind}
        if scaling.kind == "llama3":  # transformers wants these said
            parameters |= {n: values[n] for n in ("low_freq_factor", "high_freq_factor")}
    old = None if scaling is None else parameters | {"type": scaling.kind}
    parameters = parameters | {"rope_theta": config.rope_theta}
    return {"rope_theta": config.rope_theta, "rope_scaling": old, "rope_parameters": parameters}
