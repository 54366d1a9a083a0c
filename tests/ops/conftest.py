"""A run folder as `firesteel run` leaves it, with plausible numbers from a seed: what ops reads, made in a moment."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from firesteel.core import artefact
from firesteel.core.config import parse_recipe
from firesteel.core.stats import paired_difference, wilson

TASKS = ("arithmetic", "word-problems")
RECIPE = {"name": "quickstart", "data": {"sources": ["documents"]}, "machine": {"price_per_hour": 1.2}}


def write_json(file: Path, value: Any) -> None:
    """A JSON file, with its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def write_lines(file: Path, records: list[Mapping[str, Any]]) -> None:
    """A jsonl file."""
    file.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")


def safetensors(values: int) -> bytes:
    """A weights file of one float32 tensor."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * values)


def _metrics(rng: random.Random) -> list[Mapping[str, Any]]:
    records: list[Mapping[str, Any]] = []
    for stage, steps, top, bottom in (("pretrain", 300, 8.3, 3.1), ("sft", 600, 2.4, 0.21)):
        for step in range(1, steps + 1):
            loss = bottom + (top - bottom) * math.exp(-6 * step / steps) + rng.gauss(0, 0.03 * top / 4)
            load = [max(0.01, 1 / 16 + rng.gauss(0, 0.045 * math.exp(-4 * step / steps) + 0.004)) for _ in range(16)]
            records.append({
                "stage": stage, "step": step, "time": 1.7e9 + step, "lr": 2e-3, "loss": max(0.05, loss), "mtp_loss": loss + 0.6,
                "grad_norm": 0.4 + abs(rng.gauss(0, 0.1)), "tokens_per_s": 9000 + rng.gauss(0, 300),
                "expert_load": [round(x / sum(load), 4) for x in load],
            })  # fmt: skip
    for step in range(1, 31):
        right = 0.55 + 0.3 * (1 - math.exp(-step / 9)) + rng.gauss(0, 0.02)
        records.append({
            "stage": "grpo", "step": step, "time": 1.7e9 + step, "reward": right + 0.097, "accuracy": right,
            "length": 34 + step / 4, "entropy": 0.42 * math.exp(-step / 25), "kl": 0.0007 * step,
            "logprob_gap": 2e-6 + abs(rng.gauss(0, 1e-6)),
            "tokens_per_s": 2100.0, "expert_load": [1 / 16] * 16, "truncated": 0.04 / step, "distinct": 0.95, "used": 0.5,
            "no_signal": 0.6 - 0.01 * step, "all_right": 0.3, "all_wrong": 0.3 - 0.01 * step,
            "length_right": 33 + step / 4, "length_wrong": 44 + step / 4, "clipped_low": 0.002, "clipped_high": 0.004,
            "reward_by_task": {TASKS[0]: right + 0.12, TASKS[1]: right - 0.1},
        })  # fmt: skip
    return records


def _ledger(rng: random.Random) -> list[Mapping[str, Any]]:
    seconds = {
        "data": 21, "tokenizer": 6, "tokens": 4, "pretrain": 140, "sft": 205, "grpo": 260, "eval": 95, "compress": 44,
        "safety": 2, "release": 1.4,
    }  # fmt: skip
    records: list[Mapping[str, Any]] = []
    for stage, s in seconds.items():
        costs = []
        for share in (rng.uniform(0.85, 1.2), 1.0):
            kwh = s * share * 45 / 3.6e6
            costs.append({
                "seconds": s * share, "peak_bytes": int((400 + 3 * s) * share * 2**20), "kwh": kwh, "co2e_g": kwh * 556,
                "cost": s * share / 3600 * 1.2,
            })  # fmt: skip
        records.append({
            "stage": stage, "estimate": costs[0], "actual": costs[1], "currency": "CNY",
            "method": "modelled from CPU time; 556 g CO2e/kWh (CHN, 2024)",
        })  # fmt: skip
    return records


def evaluation() -> dict[str, Any]:
    """An evaluation of three models on two tasks in two languages."""
    correct = {"pretrain": 0.01, "sft": 0.61, "grpo": 0.83}
    models = {}
    for i, (name, share) in enumerate(correct.items()):
        tasks = {}
        for j, task in enumerate(TASKS):
            by = {
                lang: wilson(round(500 * max(0, share - 0.06 * j - 0.02 * k)), 500).as_dict()
                for k, lang in enumerate(("en", "zh"))
            }
            tasks[task] = wilson(round(1000 * max(0, share - 0.06 * j)), 1000).as_dict() | {"by": by}
        models[name] = {
            "id": f"{i}" * 64, "tasks": tasks, "all": wilson(round(2000 * share), 2000).as_dict(),
            "perplexity": {"value": 24.7 + i, "n": 20000},
        }  # fmt: skip
    cases = {name: [i < round(2000 * share) for i in range(2000)] for name, share in correct.items()}
    gains = {
        "sft-over-pretrain": paired_difference(cases["pretrain"], cases["sft"]).as_dict(),
        "grpo-over-sft": paired_difference(cases["sft"], cases["grpo"]).as_dict(),
    }
    return {"models": models, "gains": gains, "decoding": {"temperature": 0.0, "max_new_tokens": 128, "seed": 0}}


def compression() -> dict[str, Any]:
    """A compression report that passes its gates."""
    sides = [
        {"bytes": b, "perplexity": p, "accuracy": wilson(n, 2000).as_dict()}
        for b, p, n in ((5_312_000, 26.70, 1660), (1_455_000, 26.76, 1656))
    ]
    change = {"value": -0.002, "low": -0.0054, "high": 0.0014, "n": 2000}
    return {"id": "2" * 64, "before": sides[0], "after": sides[1], "difference": change}


def safety() -> dict[str, Any]:
    """A safety report that passes its gates."""

    def rates(blocked: int, veiled: int, wrongly: int, n: int) -> dict[str, Any]:
        shares = {"block_rate": blocked, "veiled_block_rate": veiled, "false_block_rate": wrongly}
        return {name: wilson(k, n).as_dict() for name, k in shares.items()}

    return {
        **rates(119, 78, 2, 121), "by_language": {"en": rates(50, 30, 1, 51), "zh": rates(69, 48, 1, 70)},
        "by_side": {"input": rates(99, 60, 2, 101)}, "by_category": {"weapons": rates(11, 7, 0, 11)},
        "latency_ms": {"p50": 0.2, "p95": 0.4, "n": 641, "characters": 22.0},
        "latency_long_ms": {"p50": 11.2, "p95": 14.9, "n": 20, "characters": 2000},
    }  # fmt: skip


DATA_STATS = {
    "in": 4210, "kept": 3144, "heldout": 65, "kept_mb": 9.84, "heldout_mb": 0.2,
    "dropped": {"exact duplicate": 311, "near duplicate": 402, "too short": 96, "test question": 12, "mostly symbols": 180},
    "languages": {"zh": 2410, "en": 799}, "personal_data": {"mobile": 41, "email": 17},
    "sources": {"documents": {"licence": "CC BY 4.0", "origin": "made up", "found": 4210, "read": 4210, "skipped_files": {}}},
}  # fmt: skip
TOKENIZER_STATS = {"vocab_size": 4096, "bytes_per_token": {"en": 3.71, "zh": 4.02}}


def make_run(folder: Path, *, until: str = "compress", seed: int = 0) -> Path:
    """A run folder with every stage up to and with `until`; safety is not a stage that needs a model, so it comes too."""
    rng = random.Random(seed)
    names = ["data", "tokenizer", "tokens", "pretrain", "sft", "grpo", "eval", "compress", "safety"]
    names = names[: names.index(until) + 1] + (["safety"] if until == "compress" else [])
    write_json(folder / "recipe.json", parse_recipe(RECIPE).model_dump(mode="json"))
    write_json(folder / "machine.json", {
        "cpu": "A processor", "cores": 2, "isa": ["avx2", "avx512"], "memory_bytes": 8 << 30, "accelerators": {},
        "os": "Linux 6.1", "python": "3.11.7", "torch": "2.13.0",
    })  # fmt: skip
    write_lines(folder / "metrics.jsonl", [r for r in _metrics(rng) if r["stage"] in names])
    write_lines(folder / "ledger.jsonl", [r for r in _ledger(rng) if r["stage"] in names])
    ids: dict[str, str] = {}
    for name in names:
        ids[name] = _stage(folder / name, name, {k: ids[k] for k in list(ids)[-2:]})
    if "grpo" in names:
        with artefact.writing(folder / "rollouts-grpo", "rollouts", inputs={"base": ids["sft"]}) as draft:
            write_lines(draft.path / "samples.jsonl", samples())
    return folder


def _stage(folder: Path, name: str, inputs: dict[str, str]) -> str:
    kinds = {"data": "documents", "tokenizer": "tokenizer", "tokens": "tokens", "eval": "report", "safety": "report"}
    stats = {"data": DATA_STATS, "tokenizer": TOKENIZER_STATS}.get(name, {})
    with artefact.writing(
        folder, kinds.get(name, "model"), inputs=inputs, settings={"of": name}, code="c" * 64
    ) as draft:
        draft.stats |= stats
        reports = {"eval": evaluation, "compress": compression, "safety": safety}
        if name in reports:
            write_json(draft.path / "report.json", reports[name]())
        if name == "data":
            (draft.path / "data_card.md").write_text("# Data card 数据卡\n", encoding="utf-8")
        if kinds.get(name, "model") == "model":
            write_model(draft.path)
    return artefact.read(folder).id


def samples() -> list[Mapping[str, Any]]:
    """Answers for people, of some steps of reinforcement learning."""
    one = {"task": "arithmetic", "level": 2, "tokens": 34, "stopped": True, "called": [], "text": "", "trick": False}
    right = {
        "question": "What is 34 + 17?", "thought": "4+7=11;\n3+1+1=5", "reply": "The answer is 51.", "reward": 1.1,
        "reason": "right",
    }  # fmt: skip
    wrong = {
        "question": "小明有8个苹果，又买了15个，还剩多少个？",
        "thought": None,
        "reply": "答案是23。",
        "reward": 0.0,
    }
    return [
        {"step": step} | one | more
        for step in (1, 10, 20, 30)
        for more in (right | {"correct": True}, wrong | {"correct": False, "trick": True, "reason": "no thought"})
    ]


def write_model(folder: Path, values: int = 16) -> None:
    """The files of a model in Hugging Face layout."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", {"model_type": "deepseek_v3", "hidden_size": 128, "num_hidden_layers": 4})
    write_json(folder / "tokenizer.json", {})
    write_json(folder / "tokenizer_config.json", {})
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(safetensors(values))
    (folder / "card.md").write_text("# a stage's own card\n", encoding="utf-8")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every stage but the release; tests only read it."""
    return make_run(tmp_path_factory.mktemp("runs") / "quickstart")
