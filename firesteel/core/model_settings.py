"""[model]: the shape of a model from nothing, key by key, from one dial, or a published model's.

Keys have the names of the Hugging Face configs. What does not fit together is said when the recipe is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from firesteel.core import presets, scale
from firesteel.core.errors import nearest
from firesteel.core.table import Table, misfit

DIALS = {"preset", "scale"}  # where keys come from; the rest of the table says all
TRAINING = {"bias_update_speed", "seq_aux_alpha"}  # how routers learn, not what is computed
MLA = {"q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"}
GQA = {"num_key_value_heads", "head_dim", "qk_norm"}
EXPERTS = {
    "first_k_dense_replace", "moe_intermediate_size", "n_routed_experts", "num_experts_per_tok", "n_shared_experts",
    "scoring_func", "topk_method", "norm_topk_prob", "n_group", "topk_group", "routed_scaling_factor",
}  # fmt: skip
SCALING = {
    "rope_scaling", "rope_scaling_factor", "original_max_position_embeddings", "beta_fast", "beta_slow",
    "mscale_all_dim",
}  # fmt: skip
VARIANT = {"preset", "attention", "qkv_bias"} | MLA | GQA | EXPERTS | scale.shape(1).keys()  # what a scale decides


class ModelSettings(Table):
    """[model]: the shape; field names are DeepSeek-V3's in the Hugging Face config."""

    preset: str = Field("", description="a published model, to plan with: its shape, for the keys that are not given")
    scale: int = Field(
        0,
        ge=0,
        le=scale.MAX_SCALE,
        description="one dial for the whole shape, for the keys that are not given; 0 = none",
    )
    hidden_size: int = Field(128, ge=16)
    num_hidden_layers: int = Field(4, ge=1)
    num_attention_heads: int = Field(4, ge=1)
    attention: Literal["mla", "gqa"] = Field("mla", description="latent attention, or grouped-query attention")
    q_lora_rank: int = Field(
        64, ge=0, description="MLA: width of the query latent; 0 = queries straight from the hidden state"
    )
    kv_lora_rank: int = Field(32, ge=4, description="MLA: width of the cached key/value latent")
    qk_nope_head_dim: int = Field(32, ge=2, description="MLA: content part of a query or key of one head")
    qk_rope_head_dim: int = Field(16, ge=2, description="MLA: its rotary part; even")
    v_head_dim: int = Field(32, ge=2, description="MLA: width of one head's value")
    num_key_value_heads: int = Field(
        0, ge=0, description="GQA: heads with keys and values of their own; 0 = one for each head"
    )
    head_dim: int = Field(0, ge=0, description="GQA: width of a head, even; 0 = hidden_size / num_attention_heads")
    qk_norm: bool = Field(False, description="GQA: a norm on each query and key head, as in Qwen3")
    qkv_bias: bool = Field(
        False, description="biases in GQA's q, k, v, as in Qwen2, or on the way down to MLA's latents"
    )
    intermediate_size: int = Field(384, ge=8, description="width of a dense feed-forward layer")
    first_k_dense_replace: int = Field(1, ge=0, description="leading layers that are dense")
    moe_intermediate_size: int = Field(64, ge=8, description="width of one expert")
    n_routed_experts: int = Field(16, ge=0, description="0 = every layer is dense")
    num_experts_per_tok: int = Field(2, ge=1)
    n_shared_experts: int = Field(1, ge=0, description="experts that see every token")
    scoring_func: Literal["sigmoid", "softmax"] = Field("sigmoid", description="what the router makes of its logits")
    topk_method: Literal["noaux_tc", "greedy", "group_limited_greedy"] = Field(
        "noaux_tc", description="noaux_tc = with a bias that balances the load (V3); the others have none (V2)"
    )
    norm_topk_prob: bool = Field(True, description="the gates of a token's experts sum to one")
    n_group: int = Field(1, ge=1, description="groups that the experts are parted into")
    topk_group: int = Field(1, ge=1, description="groups that a token may choose from")
    routed_scaling_factor: float = Field(
        0.0, ge=0, description="0 = computed for (experts, top-k) so that routed output keeps its norm"
    )
    bias_update_speed: float = Field(1e-3, ge=0, description="gamma of loss-free balancing")
    seq_aux_alpha: float = Field(1e-4, ge=0, description="alpha of the sequence-wise balance loss (0 = none)")
    num_nextn_predict_layers: int = Field(
        1, ge=0, le=8, description="multi-token prediction modules, each a token further"
    )
    rope_theta: float = Field(10_000.0, gt=0)
    rope_scaling: Literal["none", "linear", "llama3", "yarn"] = Field(
        "none", description="how rotary positions are stretched to a longer context"
    )
    rope_scaling_factor: float = Field(1.0, ge=1, description="how many times longer")
    original_max_position_embeddings: int = Field(
        0, ge=0, description="yarn, llama3: context before stretching, tokens"
    )
    beta_fast: float = Field(32.0, gt=0, description="yarn: pairs that turn more often within that context stay")
    beta_slow: float = Field(1.0, gt=0, description="yarn: pairs that turn less often are slowed by the factor")
    mscale_all_dim: float = Field(
        1.0, ge=0, description="yarn with MLA: how much sharper scores become; 0 = not at all"
    )
    max_position_embeddings: int = Field(1024, ge=16, description="longest context, tokens")
    rms_norm_eps: float = Field(1e-6, gt=0, lt=1)
    tie_word_embeddings: bool = True

    @model_validator(mode="before")
    @classmethod
    def _from_dial(cls, given: Any) -> Any:
        """Keys of the preset or the scale, then those that are given."""
        if not isinstance(given, dict):
            return given
        name, size = given.get("preset"), given.get("scale")
        if name and size:
            raise misfit("scale", size, f"preset = {name!r} gives the whole shape, too", "leave one of the two out")
        if name and isinstance(name, str):
            if name not in presets.names():
                raise misfit("preset", name, "there is no such preset", nearest(name, presets.names()))
            found = presets.settings(name)
            return {key: value for key, value in found.items() if key != "vocab_size"} | given
        if isinstance(size, int) and 1 <= size <= scale.MAX_SCALE:
            return scale.shape(size) | given
        return given

    @model_validator(mode="after")
    def _fits(self) -> ModelSettings:
        for mistake in _mistakes(self):
            raise mistake
        return self

    def shape(self) -> dict[str, Any]:
        """What is computed, under the names of `model.config.ModelConfig`, without what this attention or feed-forward
        does not use. `routed_scaling_factor` 0 still means that it has to be computed.
        """
        gqa = self.attention == "gqa"
        unused = (MLA if gqa else GQA) | (set() if self.n_routed_experts else EXPERTS)
        own = self.model_dump(exclude=DIALS | TRAINING | SCALING | unused)
        if gqa:
            own["num_key_value_heads"] = self.num_key_value_heads or self.num_attention_heads
            own["head_dim"] = self.head_dim or self.hidden_size // self.num_attention_heads
        else:
            own["q_lora_rank"] = self.q_lora_rank or None
        return own | {"rope_interleave": not gqa, "rope_scaling": self._scaling()}

    def _scaling(self) -> dict[str, Any] | None:
        kind = self.rope_scaling
        if kind == "none":
            return None
        own: dict[str, Any] = {"kind": kind, "factor": self.rope_scaling_factor}
        own["original_max_position_embeddings"] = self.original_max_position_embeddings
        if kind == "yarn":
            own |= {"beta_fast": self.beta_fast, "beta_slow": self.beta_slow}
            if self.attention == "mla":
                own |= {"mscale": self.mscale_all_dim, "mscale_all_dim": self.mscale_all_dim}
        return own


def _mistakes(s: ModelSettings) -> Iterator[PydanticCustomError]:
    """Keys that do not fit together."""
    yield from _gqa_mistakes(s) if s.attention == "gqa" else _mla_mistakes(s)
    if s.n_routed_experts:
        yield from _expert_mistakes(s)
    if s.rope_scaling == "none" and s.rope_scaling_factor != 1:
        why = "without rope_scaling nothing is stretched"
        yield misfit("rope_scaling_factor", s.rope_scaling_factor, why, 'add rope_scaling = "yarn"')
    if s.rope_scaling in ("llama3", "yarn") and not s.original_max_position_embeddings:
        yield misfit("original_max_position_embeddings", 0, f"{s.rope_scaling} needs the context before stretching")


def _gqa_mistakes(s: ModelSettings) -> Iterator[PydanticCustomError]:
    heads, own = s.num_attention_heads, s.num_key_value_heads
    if own and heads % own:
        yield misfit("num_key_value_heads", own, f"it does not divide num_attention_heads = {heads}")
    if not s.head_dim and s.hidden_size % heads:
        why = f"num_attention_heads = {heads} does not divide hidden_size = {s.hidden_size}"
        yield misfit("head_dim", 0, why, "give head_dim")
    width = s.head_dim or s.hidden_size // heads
    if width % 2 or not width:
        yield misfit("head_dim", width, "rotary positions turn pairs, so the width must be even")


def _mla_mistakes(s: ModelSettings) -> Iterator[PydanticCustomError]:
    for key in ("num_key_value_heads", "head_dim", "qk_norm"):
        if value := getattr(s, key):
            yield misfit(key, value, "latent attention has no such thing", 'add attention = "gqa", or leave it out')
    if s.qk_rope_head_dim % 2:
        yield misfit("qk_rope_head_dim", s.qk_rope_head_dim, "rotary positions turn pairs, so the width must be even")


def _expert_mistakes(s: ModelSettings) -> Iterator[PydanticCustomError]:
    experts, chosen, groups, kept = s.n_routed_experts, s.num_experts_per_tok, s.n_group, s.topk_group
    if chosen > experts:
        yield misfit("num_experts_per_tok", chosen, f"there are only n_routed_experts = {experts}")
    if experts % groups:
        yield misfit("n_group", groups, f"n_routed_experts = {experts} cannot be parted into as many equal groups")
    if kept > groups:
        yield misfit("topk_group", kept, f"there are only n_group = {groups}")
    size = experts // groups
    if groups > 1 and kept * size < chosen:
        yield misfit("topk_group", kept, f"{kept} groups of {size} have no num_experts_per_tok = {chosen} experts")
    if groups > 1 and size < 2 and s.topk_method == "noaux_tc":
        yield misfit("n_group", groups, "noaux_tc judges a group by its two best experts, and these have one")
