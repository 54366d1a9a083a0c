"""Checkpoints: a resumed loop equals an uninterrupted one bit for bit; damage falls back aloud, never silently."""

import shutil

import pytest
import torch
import torch.nn.functional as F

from firesteel.core.config import ModelSettings, OptimSettings
from firesteel.core.errors import ArtefactError, FiresteelError
from firesteel.core.log import RunLog
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.loop import Loop, Piece

SETTINGS = OptimSettings(checkpoint_every=3, learning_rate=1e-2, warmup_steps=2)


class Memorise:
    """Next-token loss on random tokens that depend on the step alone; stops by exception where told to."""

    def __init__(self, model, stop_at=None):
        self.model, self.stop_at = model, stop_at

    def pieces(self, step):
        if step == self.stop_at:
            raise KeyboardInterrupt
        tokens = torch.randint(0, 40, (2, 12), generator=torch.Generator().manual_seed(step))
        logits = self.model.logits(self.model(tokens))[:, :-1]
        yield Piece(F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()), tokens.numel(), {"loss": 1.0})


def fresh():
    model = Transformer(ModelConfig.from_settings(ModelSettings(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=8, kv_lora_rank=8, qk_nope_head_dim=4,
        qk_rope_head_dim=4, v_head_dim=8, intermediate_size=16, moe_intermediate_size=8, n_routed_experts=4,
    ), 40))  # fmt: skip
    model.initialise(torch.Generator().manual_seed(1))
    return model


def run(folder, stop_at=None, optimiser="muon"):
    model, log = fresh(), RunLog(folder)
    settings = SETTINGS.model_copy(update={"optimiser": optimiser})
    try:
        Loop("t", folder / "work", "key", settings, 10, 1e-3, log).run(model, Memorise(model, stop_at))
    except KeyboardInterrupt:
        pass
    return model.state_dict(), log


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
@pytest.mark.parametrize("stops", [[1], [3], [4, 8], [2, 5, 6, 9]])
def test_a_resumed_loop_is_the_uninterrupted_one_bit_for_bit(tmp_path, stops, optimiser):
    whole, _ = run(tmp_path / "a", optimiser=optimiser)
    for stop in stops:
        run(tmp_path / "b", stop, optimiser)
    pieces, log = run(tmp_path / "b", optimiser=optimiser)
    assert all(torch.equal(whole[k], pieces[k]) for k in whole)
    assert [r["step"] for r in log.records("t")] == list(range(1, 11))


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(tmp_path, capsys):
    whole, _ = run(tmp_path / "a")
    run(tmp_path / "b", 8)
    newest = tmp_path / "b" / "work" / "step-000006" / "model.safetensors"
    newest.write_bytes(newest.read_bytes()[:-7])
    said = []
    model, log = fresh(), RunLog(tmp_path / "b")
    log.say = said.append
    Loop("t", tmp_path / "b" / "work", "key", SETTINGS, 10, 1e-3, log).run(model, Memorise(model))
    assert any("step-000006" in s and "damaged" in s for s in said) and any("after step 3" in s for s in said)
    assert all(torch.equal(whole[k], v) for k, v in model.state_dict().items())


def test_when_every_checkpoint_is_damaged_nothing_starts_over_silently(tmp_path):
    run(tmp_path, 8)
    for folder in (tmp_path / "work").glob("step-*"):
        (folder / "optimiser.safetensors").unlink()
    with pytest.raises(ArtefactError, match="every checkpoint"):
        run(tmp_path)


def test_only_the_newest_two_are_kept(tmp_path):
    run(tmp_path)
    assert sorted(p.name for p in (tmp_path / "work").iterdir()) == ["step-000006", "step-000009"]
    shutil.rmtree(tmp_path / "work")


def test_divergence_stops_with_a_hint(tmp_path):
    model = fresh()

    class Broken:
        def pieces(self, step):
            yield Piece(model.embed_tokens.weight.sum() * float("nan"), 1)

    with pytest.raises(FiresteelError, match="diverged"):
        Loop("t", tmp_path / "w", "k", SETTINGS, 5, 0.0, RunLog(tmp_path)).run(model, Broken())
