"""Published models by name, to plan with: their config.json from presets.toml, and what it means in a recipe's [model].

`model.families` reads the same fields into a model; a test holds the two readings together.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from firesteel.core.errors import RecipeError, nearest

Fields = dict[str, Any]

ALIASES = {"deepseek-r1": "deepseek-v3"}  # the same shape under another name
GQA: Fields = {"attention": "gqa", "n_routed_experts": 0, "num_nextn_predict_layers": 0}
V2: Fields = {
    "attention": "mla", "q_lora_rank": 0, "scoring_func": "softmax", "topk_method": "greedy",
    "num_nextn_predict_layers": 0,
}  # fmt: skip
V3: Fields = {"attention": "mla", "q_lora_rank": 0, "num_nextn_predict_layers": 0}
MEANING: dict[str, Fields] = {  # model_type -> what it implies and where a field is absent, in [model]'s words
    "deepseek_v2": V2, "deepseek_v3": V3, "kimi_k2": V3, "llama": GQA,
    "qwen2": GQA | {"qkv_bias": True},
    "qwen3": GQA | {"qk_norm": True},
    "qwen3_moe": GQA | {
        "qk_norm": True, "scoring_func": "softmax", "topk_method": "greedy", "n_shared_experts": 0,
        "first_k_dense_replace": 0, "routed_scaling_factor": 1.0,
    },
}  # fmt: skip
OTHERWISE = {"num_experts": "n_routed_experts"}  # config.json's word -> [model]'s
SCALING = {"factor": "rope_scaling_factor"}  # the same within rope_scaling
UNSAID = ("mscale", "low_freq_factor", "high_freq_factor")  # as mscale_all_dim; always 1; always 4


@cache
def _file() -> dict[str, Fields]:
    return tomllib.loads((Path(__file__).parent / "presets.toml").read_text(encoding="utf-8"))


def names() -> list[str]:
    """Every preset's name."""
    return sorted([*_file(), *ALIASES])


def config(name: str) -> Fields:
    """The fields of the published config.json. Raises RecipeError with the nearest name."""
    found = _file().get(ALIASES.get(name, name))
    if found is None:
        raise RecipeError("unknown preset", value=name, hint=nearest(name, names()))
    return {key: value for key, value in found.items() if key != "source"}


def settings(name: str) -> Fields:
    """The same in the keys of [model], and `vocab_size`. Raises RecipeError."""
    return meaning(config(name))


def meaning(fields: Fields) -> Fields:
    """The fields of a config.json in the keys of [model], and `vocab_size`. Raises KeyError for a family that is not known."""
    fields = dict(fields)
    own: Fields = dict(MEANING[fields.pop("model_type")])
    scaling: Fields = dict(fields.pop("rope_scaling", None) or {})
    if own["attention"] == "mla":  # what latent attention has no use for stands in these files all the same
        fields = {key: value for key, value in fields.items() if key not in ("num_key_value_heads", "head_dim")}
    kind = scaling.pop("type", None) or scaling.pop("rope_type", None)
    if kind not in (None, "default"):
        own["rope_scaling"] = kind
        own |= {SCALING.get(key, key): value for key, value in scaling.items() if key not in UNSAID}
    return own | {OTHERWISE.get(key, key): value for key, value in fields.items()}
