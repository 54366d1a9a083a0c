"""Every recipe of reinforcement learning runs to its end at toy size, on a task that is learnt in a few steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from firesteel.core import artefact
from firesteel.core.config import ModelSettings, load_recipe
from firesteel.core.tokenizer import Tokenizer
from firesteel.data.instructions import Conversation, read_instructions
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import save_model
from firesteel.tasks.table import get_task
from tests.stages.forked import Commands

RECIPES = Path(__file__).parents[1] / "recipes"
TASK = "../tests/toy_tasks.py:seven"
ASKED = [f"{table}.tasks=['{TASK}']" for table in ("sft", "grpo", "rejection", "grpo_all", "eval")]
TOY = [
    "machine.threads=1", "data.sources=['../docs/concepts.md', '../docs/concepts.zh.md']", "data.heldout=0.3",
    "tokens.shard_tokens=8192",
    "sft.steps=30", "sft.batch_size=16", "sft.replay=0", "grpo.steps=2", "grpo.prompts=4", "grpo.max_new_tokens=24",
    "eval.samples=6", "eval.max_new_tokens=24", "eval.perplexity_tokens=300", "eval.other=[]",
    "compress.max_perplexity_ratio=9.0", "compress.max_accuracy_drop=1.0", "release.require_rl_gain=false", *ASKED,
]  # fmt: skip
FRESH = [
    "tokenizer.vocab_size=1024", "tokenizer.sample_mb=0.2", "pretrain.steps=2", "pretrain.batch_size=2",
    "pretrain.sequence_length=32",
    "model.hidden_size=32", "model.num_hidden_layers=2", "model.num_attention_heads=2", "model.q_lora_rank=16",
    "model.kv_lora_rank=8", "model.qk_nope_head_dim=8", "model.qk_rope_head_dim=8", "model.v_head_dim=8",
    "model.intermediate_size=64", "model.moe_intermediate_size=16", "model.n_routed_experts=4",
]  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.timeout(170)]


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    with Commands() as found:
        yield found


def go(commands: Commands, name: str, out: Path, *sets: str, last: str = "eval") -> str:
    """Run a recipe with these values up to a stage; what it said."""
    log = out.parent / f"{out.name}.log"
    given = [word for item in (*TOY, *sets) for word in ("--set", item)]
    status = commands.run(
        "run", str(RECIPES / f"{name}.toml"), "--out", str(out), "--to", last, *given, log=log, seconds=150
    )
    said = log.read_text()
    assert status == 0, said
    return said


@pytest.fixture(scope="module")
def reason(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reason") / "run"
    go(commands, "reason", out, *FRESH, f"eval.other=['{TASK}@2']", last="release")
    return out


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "eval" / "report.json").read_text())
    return found


def test_reason(reason: Path) -> None:
    assert list(report(reason)["models"]) == ["pretrain", "sft", "grpo"]
    assert (reason / "release" / "model.safetensors").is_file()


def test_r1_pipeline(commands: Commands, tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = [
        "rejection.steps=40",
        "rejection.batch_size=16",
        "rejection.replay=1",
        "rejection.questions=24",
        "rejection.samples=2",
    ]
    some = [
        "rejection.keep=1",
        "rejection.max_new_tokens=24",
        "grpo_all.steps=1",
        "grpo_all.prompts=4",
        "grpo_all.max_new_tokens=24",
    ]
    said = go(commands, "r1-pipeline", out, *FRESH, *small, *some)
    assert list(report(out)["models"]) == ["pretrain", "sft", "grpo", "rejection", "grpo_all"]
    assert "rejection-over-grpo" in report(out)["gains"] and "answers of grpo:" in said
    made = artefact.read(out / "rejection", verify=True)
    assert {"pretrain", "grpo", "tokens"} <= set(made.inputs)
    counts = made.stats["answers"]["all"]
    kept = list(read_instructions([str(out / "rejection" / "conversations.jsonl")]))
    assert counts["right"] > 10 and len(kept) == counts["kept"] <= 24
    assert all(isinstance(c, Conversation) and c.messages[-1]["reasoning_content"] for c in kept)
    own = load_recipe(RECIPES / "r1-pipeline.toml")
    assert own.model_stages == ("pretrain", "sft", "grpo", "rejection", "grpo_all")


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_task_has_the_questions_that_its_examination_asks(recipe: str) -> None:
    settings = load_recipe(RECIPES / f"{recipe}.toml")
    for task in (*settings.eval.tasks, *settings.eval.other):
        assert len(get_task(task).distinct("test", settings.seed, settings.eval.samples)) == settings.eval.samples


@pytest.mark.parametrize("kind", ["sequences", "logits"])
def test_distil(commands: Commands, reason: Path, tmp_path: Path, kind: str) -> None:
    taught = [
        "distil.answers=24",
        "distil.steps=20",
        "distil.batch_size=8",
        "distil.max_tokens=64",
        f"distil.kind={kind}",
    ]
    shape = ["model.hidden_size=16", "model.num_hidden_layers=1", "sft.steps=0", "grpo.steps=0"]
    out = tmp_path / "run"
    go(commands, "distil", out, *FRESH, *taught, *shape, f"distil.teacher={reason / 'grpo'}")
    assert list(report(out)["models"]) == ["pretrain", "distil"]
    answers = artefact.read(out / "distil", verify=True).stats.get("answers", {})
    assert (answers["all"]["right"] > 4) if kind == "sequences" else not answers
    learnt = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    beside = "replay_divergence" if kind == "logits" else "replay_loss"
    assert all(beside in step for step in learnt if step["stage"] == "distil")  # documents are learnt, too
    sizes = [artefact.read(run / last).stats["parameters"] for run, last in ((out, "distil"), (reason, "grpo"))]
    assert sizes[0] < sizes[1]


def test_distil_against_reinforcement_learning_alone(commands: Commands, tmp_path: Path) -> None:
    go(commands, "distil", tmp_path / "run", *FRESH, "distil.teacher=")
    assert list(report(tmp_path / "run")["models"]) == ["pretrain", "sft", "grpo"]


CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def chatty(folder: Path) -> Path:
    """A tiny model as from elsewhere: a tokenizer without tokens for thoughts, and a ChatML template that knows of none."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE(vocab={sign: i for i, sign in enumerate(bytes_)}, merges=[]))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    backend.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    settings = ModelSettings(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, attention="gqa", intermediate_size=64, n_routed_experts=0,
        num_nextn_predict_layers=0,
    )  # fmt: skip
    model = Transformer(ModelConfig.from_settings(settings, backend.get_vocab_size()))
    model.initialise(torch.Generator().manual_seed(0))
    save_model(folder, model)
    Tokenizer(backend, chat_template=CHATML, eos_token="<|im_end|>", pad_token="<|endoftext|>").save(folder)
    return folder


def test_reason_smollm2(commands: Commands, tmp_path: Path) -> None:
    folder = tmp_path / "smollm2"
    folder.mkdir()
    quick = [
        "sft.learning_rate=2e-2",
        "sft.max_tokens=128",
        "grpo.max_new_tokens=48",
        "eval.max_new_tokens=48",
        "sft.steps=60",
    ]
    go(commands, "reason-smollm2", tmp_path / "run", f"pretrain.start_from={chatty(folder)}", *quick)
    assert list(report(tmp_path / "run")["models"]) == ["pretrain", "sft", "grpo"]
    assert report(tmp_path / "run")["models"]["sft"]["greedy"]["all"]["value"] > 0.9, (
        "its thoughts were learnt, and read"
    )
    assert (tmp_path / "run" / "grpo" / "adapter").is_dir()
