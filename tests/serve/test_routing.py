"""The experts that an answer went through, recorded beside the cache: the same that the whole model chooses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from firesteel.core.config import ModelSettings
from firesteel.model.config import ModelConfig
from firesteel.model.moe import MoE
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine

V = 50


class Ids:
    """A vocabulary of bare ids."""

    stop_ids, vocab_size = (2,), V


def built(**more) -> Transformer:
    settings = ModelSettings(**{
        "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "q_lora_rank": 16, "kv_lora_rank": 16,
        "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "intermediate_size": 64, "moe_intermediate_size": 16,
        "n_routed_experts": 8, "num_experts_per_tok": 2, "max_position_embeddings": 512, "num_nextn_predict_layers": 0,
    } | more)  # fmt: skip
    model = Transformer(ModelConfig.from_settings(settings, V))
    model.initialise(torch.Generator().manual_seed(0))
    return model.eval()


@torch.no_grad()
def chosen(model: Transformer, ids: list[int]) -> np.ndarray:
    """[T, L, K]: what the whole model chooses for a text; experts of a token in the order of their numbers."""
    heard = []
    layers = [block.mlp for block in model.layers if isinstance(block.mlp, MoE)]
    hooks = [moe.gate.register_forward_hook(lambda _, args, out: heard.append(out[1])) for moe in layers]
    model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return torch.stack(heard, dim=1).sort(dim=-1).values.numpy()


PROMPTS = [[1, *range(3, 3 + n)] for n in (1, 5, 20, 20, 33, 2)]  # two alike, all with one beginning
WAYS = {
    "roomy": {"max_sequences": 8, "cache_tokens": 1024},
    "two at a time": {"max_sequences": 2, "cache_tokens": 1024},
    "crowded": {"max_sequences": 8, "cache_tokens": 112},  # some are pre-empted and begin again
    "small blocks": {"max_sequences": 4, "cache_tokens": 512, "block_size": 4},
    "nothing shared": {"max_sequences": 8, "cache_tokens": 1024, "prefix_cache": False},
    "drafts": {"max_sequences": 8, "cache_tokens": 1024, "speculate": 2},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_record_is_what_the_whole_model_chooses(way):
    model = built(num_nextn_predict_layers=1 if way == "drafts" else 0)
    engine = Engine(model, Ids(), **WAYS[way])
    done = engine.sample(PROMPTS, max_new_tokens=20, temperature=1.0, seed=1, stop_ids=(2,), routing=True)
    for prompt, one in zip(PROMPTS, done, strict=True):
        expected = chosen(model, prompt + one.ids)[:-1]
        assert one.routing.dtype == np.int16 and one.routing.shape == expected.shape
        assert np.array_equal(np.sort(one.routing, axis=-1), expected)
    assert way != "crowded" or engine.scheduler.preemptions
    assert way != "drafts" or engine.stats.accepted or engine.stats.drafted


def test_asking_for_the_record_changes_no_answer_and_leaves_nothing_behind():
    model = built()
    engine = Engine(model, Ids(), max_sequences=8, cache_tokens=1024)
    how = {"max_new_tokens": 12, "temperature": 1.0, "seed": 4, "stop_ids": (2,)}
    plain, told = engine.sample(PROMPTS, **how), engine.sample(PROMPTS, **how, routing=True)
    assert [(c.ids, c.logprobs) for c in plain] == [(c.ids, c.logprobs) for c in told]
    assert all(c.routing is None for c in engine.sample(PROMPTS, **how))
    assert engine.runner.routing is None
    assert not any(module._forward_hooks for module in model.modules())


def test_a_dense_model_has_a_record_without_layers():
    model = built(n_routed_experts=0)
    (one,) = Engine(model, Ids(), max_sequences=1, cache_tokens=64).sample(
        [[1, 3]], max_new_tokens=3, temperature=1.0, seed=0, stop_ids=(), routing=True
    )
    assert one.routing.shape == (4, 0, 0)
