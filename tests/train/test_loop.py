"""The loop when things go wrong, and what it leaves behind: bad batches, spikes, moving averages, adapters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from firesteel.core.config import ModelSettings, OptimSettings, WatchSettings
from firesteel.core.errors import FiresteelError
from firesteel.core.log import RunLog
from firesteel.model import lora
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.train.batch import Batch, Share
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.objective import Metrics, Objective

SETTINGS = OptimSettings(checkpoint_every=5, learning_rate=3e-3, warmup_steps=2)


class Rows(Objective):
    """Next-token loss on rows that depend on their number alone; some are planted."""

    def __init__(self, planted: dict[int, float] | None = None) -> None:
        self.planted, self.seen = planted or {}, list[int]()

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        self.seen.append(step)
        tokens = torch.randint(0, 40, (2, 12), generator=torch.Generator().manual_seed(step))
        factor = torch.full((2, 1), self.planted.get(step, 1.0))
        yield [
            Batch(tokens, torch.ones_like(tokens, dtype=torch.bool), torch.tensor([22.0]).double(), extra={"x": factor})
        ]

    def loss(self, head: Transformer, hidden: Tensor, batch: Batch) -> tuple[Tensor, Metrics]:
        assert batch.totals is not None
        logits = head.logits(hidden)[:, :-1].flatten(0, 1)
        loss = F.cross_entropy(logits, batch.tokens[:, 1:].flatten(), reduction="sum") / batch.totals[0].item()
        loss = loss * batch.extra["x"].mean()
        return loss, {"loss": loss.detach()}


def fresh() -> Transformer:
    model = Transformer(ModelConfig.from_settings(ModelSettings(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=8, kv_lora_rank=8, qk_nope_head_dim=4,
        qk_rope_head_dim=4, v_head_dim=8, intermediate_size=16, moe_intermediate_size=8, n_routed_experts=4,
    ), 40))  # fmt: skip
    model.initialise(torch.Generator().manual_seed(1))
    return model


def train(
    folder: Path, objective: Objective, steps: int = 30, model: Transformer | None = None,
    settings: OptimSettings = SETTINGS, **watch: object,
) -> tuple[Transformer, list[dict[str, object]]]:  # fmt: skip
    model, log = model or fresh(), RunLog(folder)
    loop = Loop("t", folder / "work", "key", settings, steps, log, 1e-3, watch=WatchSettings(**watch))  # type: ignore[arg-type]
    try:
        loop.run(Whole(model), objective)
    finally:
        log.close()
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return model, [json.loads(line) for line in lines]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_batch_that_is_no_number_stops_the_run_before_it_touches_the_weights(tmp_path: Path, value: float) -> None:
    with pytest.raises(FiresteelError, match="diverged") as caught:
        train(tmp_path, Rows({12: value}))
    assert "step 13" in str(caught.value) and "watch.on_nan" in caught.value.hint
    assert (tmp_path / "work" / "step-000010").is_dir()


def test_or_is_skipped_and_everything_goes_on(tmp_path: Path) -> None:
    model, records = train(tmp_path, Rows({12: float("nan")}), on_nan="skip")
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert [r["step"] for r in records if r.get("skipped")] == [13]
    assert [r["step"] for r in records if "lr" in r] == list(range(1, 31))
    assert [r["alarm"] for r in records if "alarm" in r] == ["nan"]


def test_a_run_of_nothing_but_bad_batches_ends(tmp_path: Path) -> None:
    with pytest.raises(FiresteelError, match="does not recover"):
        train(tmp_path, Rows(dict.fromkeys(range(5, 30), float("nan"))), on_nan="skip", max_skips=4)


def test_a_spike_takes_training_back_to_a_checkpoint_and_past_the_rows_that_led_to_it(tmp_path: Path) -> None:
    objective = Rows({27: 50.0})
    model, records = train(tmp_path, objective, 40, on_spike="rewind")
    # the rows 25 to 27 after the checkpoint of 25 steps are left out: step 26 learns row 28
    assert objective.seen == [*range(28), *range(28, 43)]
    assert [r["step"] for r in records if "lr" in r] == list(range(1, 41))
    assert [r["alarm"] for r in records if "alarm" in r] == ["spike"]
    straight, _ = train(tmp_path / "straight", Shifted(), 40)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), straight.parameters(), strict=True))


class Shifted(Rows):
    """The same rows as they are learnt when 25 to 27 are passed over."""

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        yield from super().updates(step + 3 if step >= 25 else step, share)


def test_a_loss_that_need_not_fall_has_no_spikes(tmp_path: Path) -> None:
    objective = Rows({27: 50.0})
    objective.falls = False
    _, records = train(tmp_path, objective, 40, on_spike="rewind")
    assert [r["alarm"] for r in records if r.get("alarm") == "spike" and "loss" in r.get("text", "")] == []
    with pytest.raises(FiresteelError):  # what is no number is still seen
        bad = Rows({3: float("nan")})
        bad.falls = False
        train(tmp_path / "bad", bad)


def test_a_spike_before_any_checkpoint_is_an_error_with_a_hint(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"checkpoint_every": 100})
    with pytest.raises(FiresteelError, match="no checkpoint to go back to"):
        train(tmp_path, Rows({27: 50.0}), settings=settings, on_spike="rewind")


def test_the_result_may_be_a_moving_average(tmp_path: Path) -> None:
    plain, _ = train(tmp_path / "plain", Rows(), 6)
    decay, expected = 0.5, [p.detach().clone() for p in fresh().parameters()]
    for steps in range(1, 7):  # the schedule of six steps, stopped after each
        stopped = Stopped(steps)
        model = fresh()
        with pytest.raises(KeyboardInterrupt) if steps < 6 else pytest.MonkeyPatch.context():
            train(tmp_path / f"{steps}", stopped, 6, model)
        expected = [decay * e + (1 - decay) * p.detach() for e, p in zip(expected, model.parameters(), strict=True)]
    averaged, _ = train(tmp_path / "average", Rows(), 6, settings=SETTINGS.model_copy(update={"ema_decay": decay}))
    for got, want in zip(averaged.parameters(), expected, strict=True):
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-5)
    assert not torch.equal(averaged.embed_tokens.weight, plain.embed_tokens.weight)  # type: ignore[union-attr]


class Stopped(Rows):
    """Ends after some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def updates(self, step: int, share: Share) -> Iterator[list[Batch]]:
        if step == self.steps:
            raise KeyboardInterrupt
        yield from super().updates(step, share)


def test_adapters_learn_and_the_base_stays(tmp_path: Path) -> None:
    model = fresh()
    lora.attach(model, lora.LoRA(rank=2))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(tmp_path, Rows(), 8, model)
    after = dict(model.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in before.items() if ".adapter." not in name)
    assert any(not torch.equal(after[name], value) for name, value in before.items() if ".adapter." in name)
    resumed = fresh()
    lora.attach(resumed, lora.LoRA(rank=2))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", Stopped(6), 8, resumed)
    again = fresh()
    lora.attach(again, lora.LoRA(rank=2))
    train(tmp_path / "b", Rows(), 8, again)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))


def test_every_step_tells_what_a_watcher_wants_to_know(tmp_path: Path) -> None:
    _, records = train(tmp_path, Rows(), 3)
    wanted = {"loss", "lr", "grad_norm", "tokens_per_s", "seconds", "learning_seconds", "expert_load", "dead_experts",
              "expert_load_max", "resident_bytes", "peak_bytes"}  # fmt: skip
    assert all(wanted <= record.keys() for record in records)
