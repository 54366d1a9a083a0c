"""What a server takes: the cache's size, what is refused and with which way out, and that memory is taken as it is used."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from firesteel.core.artefact import writing
from firesteel.core.config import ServeSettings
from firesteel.core.errors import MachineError, RecipeError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.cache import PagedCache
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import save_model
from firesteel.serve import options
from firesteel.serve.load import Phases, load
from firesteel.serve.memory import GB, bytes_per_token, cache_tokens, plan, size, weight_bytes

F32 = torch.float32
CONFIG = ModelConfig(  # 30 layers of 384 numbers: 45 KiB a token, 360 MiB a context
    vocab_size=49_152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, intermediate_size=1536,
    max_position_embeddings=8192, attention="gqa", num_key_value_heads=3, head_dim=64, tie_word_embeddings=True,
)  # fmt: skip
ONE = 8192 * 45 * 1024  # bytes of one context


def test_the_sums_are_those_of_the_real_things(model: Transformer) -> None:
    for config, drafts in (
        (CONFIG, 0),
        (model.config, 0),
        (dataclasses.replace(CONFIG, num_nextn_predict_layers=2), 1),
    ):
        cache = PagedCache(config, num_blocks=1, device="meta", dtype=torch.bfloat16, drafts=drafts)
        assert bytes_per_token(config, torch.bfloat16, drafts=bool(drafts)) == cache.bytes_per_token
    held = sum(p.numel() for p in model.parameters()) * 4
    assert weight_bytes(model.config, F32) == held


def test_by_default_all_requests_fit_in_full_up_to_a_quarter_of_what_is_free() -> None:
    two = ServeSettings(max_sequences=2)
    assert cache_tokens(two, CONFIG, F32, 100 * ONE) == 2 * 8192
    assert cache_tokens(two, CONFIG, F32, 6 * ONE) == 6 * 8192 // 4
    assert cache_tokens(two, CONFIG, F32, 2 * ONE) == 8192, "never less than one context"
    assert cache_tokens(two, CONFIG, torch.bfloat16, 6 * ONE) == 2 * 8192


def test_cache_gb_is_taken_at_its_word() -> None:
    assert cache_tokens(ServeSettings(cache_gb=1), CONFIG, F32, 2 * GB) == GB // (45 * 1024)


def test_what_does_not_fit_is_refused_with_a_setting_that_does() -> None:
    cases = [
        (ServeSettings(cache_gb=0.1), GB, RecipeError, "smaller than one full context"),
        (ServeSettings(cache_gb=2), GB, MachineError, "does not fit"),
        (ServeSettings(), ONE // 2, MachineError, "one full context does not fit"),
    ]
    for settings, free, kind, what in cases:
        with pytest.raises(kind, match=what) as e:
            cache_tokens(settings, CONFIG, F32, free)
        gb, context = (re.search(rf"{name}[= ]([\d.]+)", e.value.hint) for name in ("--set cache_gb", "--context"))
        assert bool(gb) == (free > ONE) and bool(context) == (settings.cache_gb < 1), e.value.hint
        if gb:
            assert cache_tokens(ServeSettings(cache_gb=float(gb[1])), CONFIG, F32, free) >= 8192
        if context:
            shorter = CONFIG.replace(max_position_embeddings=int(context[1]))
            assert cache_tokens(settings, shorter, F32, free) >= int(context[1])
        assert "iB" in f"{e.value.value} {e.value.why}"
    with pytest.raises(MachineError, match="model does not fit") as e:
        plan(ServeSettings(), CONFIG, F32, weight_bytes(CONFIG, F32) * 11 // 10)
    assert "513 MiB" in str(e.value)


def test_the_sum_is_told() -> None:
    told = str(plan(ServeSettings(max_sequences=4), CONFIG, F32, 16 * GB))
    assert told.startswith("memory: weights 513 MiB + cache 1.41 GiB of 16 GiB free; ")
    assert told.endswith("the cache holds 32768 tokens of 45 KiB = 4 full contexts of 8192")
    assert [size(n) for n in (0, 900, 46_080, 1.5 * GB)] == ["0 B", "900 B", "45 KiB", "1.5 GiB"]


GROWTH = """
import os, sys
import torch
from firesteel.compute.proc import resident
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.cache import PagedCache
from firesteel.model.config import ModelConfig
CONFIG = ModelConfig(**{config})
def grown(): return (resident(os.getpid()) - before) >> 20
before = resident(os.getpid())
cache = PagedCache(CONFIG, num_blocks=2048, dtype=torch.float32)
slots = torch.arange(16, 16 + 2048)
new = torch.ones(2048, CONFIG.cache_width)
made = grown()
for layer in range(30):
    cache.write(layer, slots, new)
print(cache.data.numel() * 4 >> 20, made, grown(), float(cache.data[:, 4000:5000].abs().max()))
"""


def test_the_caches_memory_is_taken_as_it_is_used() -> None:
    out = subprocess.run(
        [sys.executable, "-c", GROWTH.replace("{config}", repr(vars(CONFIG)))],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    whole, made, used, rest = map(float, out.stdout.split())
    assert whole == 1440 and made < 60 and 80 < used < 250, (made, used)
    assert rest == 0


def test_the_context_can_be_shortened_and_not_stretched(folder: Path) -> None:
    loaded = load(folder, ServeSettings(max_sequences=2), "cpu", {}, 128, "m", phases := Phases(imports=1.5))
    assert loaded.engine.context == 128 and loaded.plan.tokens == 256
    by_recipe = load(folder, ServeSettings(max_sequences=2, context=128), "cpu", {}, 0, "m", Phases())
    assert by_recipe.engine.context == 128 and by_recipe.plan.tokens == 256
    assert str(phases).startswith("imports 1.5 s, tokenizer ") and str(phases).endswith(" s in all")
    with pytest.raises(RecipeError, match="longer than the model's") as e:
        load(folder, ServeSettings(), "cpu", {}, 1024, "m", Phases())
    assert "512" in e.value.hint


def test_settings_come_from_a_recipe_and_the_command_line(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "r"\n[serve]\nmax_sequences = 7\ncache_gb = 2\n', encoding="utf-8")
    assert options.settings_of(None, None) == ServeSettings()
    found = options.settings_of(recipe, ["cache_gb=3.5", "serve.speculate=false"])
    assert found == ServeSettings(max_sequences=7, cache_gb=3.5, speculate=False)
    assert options.settings_of(recipe, ["context=64"]).context == 64
    assert options.settings_of(recipe, ["context=64"], context=0).context == 0, "the option that has a name comes last"
    assert options.settings_of(None, ["prefix_cache = false"]) == ServeSettings(prefix_cache=False)
    assert options.SETTINGS.split(", ") == list(ServeSettings.model_fields)
    for given, what in (("cache_db=3", "did you mean 'cache_gb'"), ("cache_gb", "key=value"), ("=3", "key=value")):
        with pytest.raises(UserError, match=what):
            options.settings_of(None, [given])


def test_adapters_are_named_folders() -> None:
    assert options.adapters_of(["law=a/b", "ward=c=d"]) == {"law": Path("a/b"), "ward": Path("c=d")}
    assert options.adapters_of(None) == {}
    for given in (["law"], ["=folder"], ["law="], ["law=a", "law=b"]):
        with pytest.raises(RecipeError):
            options.adapters_of(given)


@pytest.mark.parametrize("native", [True, False])
def test_weights_are_held_as_they_are_stored_where_the_machine_can_multiply_them_so(
    model: Transformer, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr("firesteel.serve.load.multiplies", lambda dtype, kind: native)
    with writing(tmp_path / "m", "model", settings={"made": "by a test"}) as draft:
        save_model(draft.path, model, dtype=torch.bfloat16)
        tokenizer.save(draft.path)

    def held(dtype: str) -> tuple[torch.dtype, torch.dtype]:
        settings = ServeSettings(max_sequences=2, dtype=dtype)  # type: ignore[arg-type]
        engine = load(tmp_path / "m", settings, "cpu", {}, 0, "m", Phases()).engine
        return engine.model.dtype, engine.runner.cache.data.dtype

    assert held("auto") == ((torch.bfloat16,) * 2 if native else (torch.float32,) * 2)
    assert held("bfloat16") == (torch.bfloat16,) * 2 and held("float32") == (torch.float32,) * 2
