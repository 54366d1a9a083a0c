"""GRPO with the serving engine as its sampler: one numerics path, and exact resumption while it really learns."""

import pytest
import torch

from firesteel.core.config import GrpoSettings, ModelSettings
from firesteel.core.log import RunLog
from firesteel.core.tokenizer import Rendered
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Question, Verdict

SETTINGS = GrpoSettings(
    prompts=4, group_size=8, max_new_tokens=8, learning_rate=5e-3, warmup_steps=0, checkpoint_every=2, max_logprob_gap=1e-3,
    minibatches=2,
)  # fmt: skip
STEPS = 7


class Ids:
    """A vocabulary of bare ids."""

    pad_id, stop_ids, vocab_size = 0, (2,), 40

    def render(self, messages):
        return Rendered(messages, [True] * len(messages))


def fresh():
    settings = ModelSettings(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=8, qk_nope_head_dim=8,
        qk_rope_head_dim=8, v_head_dim=8, intermediate_size=32, moe_intermediate_size=16, n_routed_experts=4,
    )  # fmt: skip
    model = Transformer(ModelConfig.from_settings(settings, Ids.vocab_size))
    model.initialise(torch.Generator().manual_seed(0))
    return model


def likes_small_ids(ids, stopped):
    return Verdict(len(ids), sum(i < 20 for i in ids) > len(ids) / 2, False)


def run(folder, stop_at=None, steps=STEPS):
    model, log = fresh(), RunLog(folder)
    engine = Engine(model, Ids(), max_sequences=32, cache_tokens=2048)

    def questions(start, count):
        if stop_at is not None and start // SETTINGS.prompts == stop_at:
            raise KeyboardInterrupt
        return [Question([1, 3 + (start + i) % 30], likes_small_ids) for i in range(count)]

    objective = Grpo(Ids(), Rollouts(model, Ids(), engine, questions, SETTINGS, seed=3), SETTINGS)
    try:
        Loop("grpo", folder / "work", "k", SETTINGS, steps, log).run(Whole(model), objective)
    except KeyboardInterrupt:
        pass
    return model.state_dict(), list(log.records("grpo"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("stops", [[1], [3, 6], pytest.param([2, 4, 5], marks=pytest.mark.slow)])
def test_resumed_reinforcement_learning_is_bit_identical(whole, tmp_path, stops):
    for stop in stops:
        run(tmp_path, stop)
    weights, records = run(tmp_path)
    assert all(torch.equal(weights[k], whole[0][k]) for k in weights)
    assert [r["reward"] for r in records] == [r["reward"] for r in whole[1]]


def test_the_sampler_and_the_trainer_agree(whole):
    """They share the model; only cached against full attention differs, so the gap is rounding."""
    assert all(0 < r["logprob_gap"] < 1e-5 for r in whole[1])


def test_reward_rises(tmp_path):
    _, records = run(tmp_path, steps=25)
    rewards = [r["reward"] for r in records]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.15, rewards
