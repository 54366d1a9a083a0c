"""Cached decoding against the full forward pass: both attentions, both caches, float and int8 storage; what a token costs."""

import pytest
import torch

from firesteel.model.cache import ContiguousCache, PagedCache
from firesteel.model.config import RopeScaling

YARN = RopeScaling("yarn", 8.0, 32, mscale=1.0, mscale_all_dim=1.0)
GQA = {"attention": "gqa", "num_key_value_heads": 2, "head_dim": 8, "num_attention_heads": 6}
VARIANTS = [
    {}, {"q_lora_rank": None, "rope_scaling": YARN}, {"v_head_dim": 24, "rope_interleave": False}, GQA,
    GQA | {"num_attention_heads": 2, "qk_norm": True, "qkv_bias": True, "rope_interleave": False},
    GQA | {"rope_scaling": YARN, "n_routed_experts": 0},
]  # fmt: skip
PIECES = ([5, 1, 8], [1, 1, 1], [7, 3, 2], [1, 6, 1])


def _views(kind, config, **options):
    """cached, new, T -> view, over a cache of one kind."""
    if kind == "contiguous":
        cache = ContiguousCache(config, rows=4, length=40, **options)
        return cache, cache.view
    cache = PagedCache(config, num_blocks=31, block_size=4, **options)
    tables = torch.randperm(30).view(3, 10) + 1
    return cache, lambda cached, new, T: cache.view(cached, new, T, tables)


def _decoded(model, tokens, view):
    """Logits after each piece of uneven pieces, and where each stands in its row."""
    cached = torch.zeros(3, dtype=torch.long)
    for new in PIECES:
        n = torch.tensor(new)
        piece = torch.zeros(3, max(new), dtype=torch.long)
        for row in range(3):
            piece[row, : new[row]] = tokens[row, cached[row] : cached[row] + n[row]]
        logits = model.extend(piece, view(cached, n, max(new)))
        cached = cached + n
        yield logits, cached - 1


@pytest.mark.parametrize("kind", ["paged", "contiguous"])
@pytest.mark.parametrize("changes", VARIANTS)
def test_cached_extension_equals_the_full_forward(toy_model, changes, kind):
    """Absorbed MLA and GQA over a cache, rows of different lengths, in uneven pieces, blocks out of order."""
    model = toy_model(**changes)
    tokens = torch.randint(0, 97, (3, 40))
    full = model.logits(model(tokens)).detach()
    _, view = _views(kind, model.config)
    for logits, at in _decoded(model, tokens, view):
        torch.testing.assert_close(logits, full[torch.arange(3), at], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["paged", "contiguous"])
@pytest.mark.parametrize("changes", [{}, GQA])
def test_an_int8_cache_is_near(toy_model, changes, kind):
    model = toy_model(**changes, n_routed_experts=0)  # a router turns small differences into other experts
    tokens = torch.randint(0, 97, (3, 40))
    full = model.logits(model(tokens)).detach()
    cache, view = _views(kind, model.config, int8=True)
    assert cache.data.dtype == torch.int8
    worst = max(float((logits - full[torch.arange(3), at]).abs().max()) for logits, at in _decoded(model, tokens, view))
    assert 0 < worst < 0.1 * float(full.std())


def test_int8_restores_each_group_within_half_a_step(toy_config):
    config = toy_config()
    cache = ContiguousCache(config, rows=1, length=6, int8=True)
    new = torch.randn(1, 6, config.cache_width) * torch.logspace(-3, 3, config.cache_width)
    view = cache.view(torch.tensor([0]), torch.tensor([6]), 6)
    view.write(0, new[0])
    back = view.parts[0].context(0, torch.float32)
    groups = new.unflatten(-1, (-1, cache.group))
    step = groups.abs().amax(-1, keepdim=True) / 127
    error = (back - new).unflatten(-1, (-1, cache.group)).abs()
    assert (error <= 0.5 * step * 1.02).all()  # 2 %: the scale itself is a bfloat16


def test_padding_never_reaches_another_row(toy_model):
    model = toy_model()
    for kind in ("paged", "contiguous"):
        cache, view = _views(kind, model.config)
        tokens = torch.randint(0, 97, (3, 9))
        model.extend(tokens, view(torch.tensor([0, 0, 0]), torch.tensor([9, 9, 9]), 9))
        before = cache.data.clone()
        model.extend(tokens, view(torch.tensor([9, 9, 9]), torch.tensor([1, 1, 1]), 9))
        changed = (cache.data != before).any(-1).any(0)  # slots
        scrap = slice(0, cache.block_size) if kind == "paged" else slice(-1, None)
        changed[scrap] = False
        assert int(changed.sum()) == 3


@pytest.mark.parametrize(
    ("shape", "layers", "elements"),
    [
        ({"kv_lora_rank": 512, "qk_rope_head_dim": 64}, 27, 15_552),  # V2-Lite, Moonlight
        ({"kv_lora_rank": 512, "qk_rope_head_dim": 64}, 60, 34_560),  # V2
        ({"kv_lora_rank": 512, "qk_rope_head_dim": 64}, 61, 35_136),  # V3, R1, Kimi-K2
        ({"attention": "gqa", "num_key_value_heads": 8, "head_dim": 128, "num_attention_heads": 64}, 80, 163_840),
        ({"attention": "gqa", "num_key_value_heads": 128, "head_dim": 128, "num_attention_heads": 128}, 60, 1_966_080),
    ],
)
def test_elements_per_token_are_the_published_ones(toy_config, shape, layers, elements):
    config = toy_config(**shape, num_hidden_layers=layers)
    assert config.cache_width * layers == elements
    for cache in (PagedCache(config, num_blocks=2, block_size=2, dtype=torch.bfloat16),
                  ContiguousCache(config, rows=1, length=2, dtype=torch.bfloat16)):  # fmt: skip
        assert cache.bytes_per_token == 2 * elements
        assert cache.data.numel() * 2 == cache.bytes_per_token * cache.data.shape[1]


def test_v3_caches_576_elements_a_layer_and_int8_halves_them(toy_config):
    config = toy_config(kv_lora_rank=512, qk_rope_head_dim=64, num_hidden_layers=61)
    assert config.cache_width == 576
    int8 = PagedCache(config, num_blocks=2, block_size=2, int8=True)
    assert int8.bytes_per_token == 61 * (576 + 2 * 9)  # a bfloat16 scale for each 64 elements
    assert int8.bytes_per_token * 1.9 < 70_272 < int8.bytes_per_token * 2
