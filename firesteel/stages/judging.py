"""Evaluation, compression, safety and release: the stages that judge a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from firesteel.compress.quantise import save_int8
from firesteel.core import artefact
from firesteel.core.config import EvalSettings
from firesteel.core.shards import TokenShards
from firesteel.core.stats import Estimate, paired_difference
from firesteel.core.tokenizer import Tokenizer
from firesteel.core.tokenizer_files import copy_tokenizer
from firesteel.model.perplexity import perplexity
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_model
from firesteel.ops.gate import check_release, require
from firesteel.ops.release import write_release
from firesteel.safety.guard import Guard
from firesteel.safety.report import assess
from firesteel.serve.engine import Engine
from firesteel.stages.stage import Job
from firesteel.tasks.evaluate import evaluate

Cases = list[dict[str, Any]]  # one a question: question, reply, correct, ...
SEQUENCES = 512  # answers decoded together


def judge_model(
    model: Transformer, tokenizer: Tokenizer, settings: EvalSettings, *, seed: int, temperature: float
) -> dict[str, Any]:
    """Accuracy on the tasks' test questions (see tasks.evaluate), at one temperature; 0 is greedy."""
    engine = Engine(
        model, tokenizer, max_sequences=SEQUENCES, cache_tokens=SEQUENCES * (settings.max_new_tokens + 128),
    )  # fmt: skip
    return evaluate(
        engine, tokenizer, settings.tasks, samples=settings.samples, seed=seed,
        max_new_tokens=settings.max_new_tokens, temperature=temperature,
    )  # fmt: skip


def evaluation(job: Job) -> None:
    """Every model of the run on the same held-out questions and text, and the gains between them in pairs.

    Judged as the server samples (`eval.temperature`) and, beside it, greedily.
    """
    settings = job.recipe.eval
    shards = TokenShards(job.input("tokens") / "heldout")
    models: dict[str, Any] = {}
    cases: dict[str, Cases] = {}
    stages = job.recipe.model_stages
    for stage in stages:
        folder = job.input(stage)
        model, tokenizer = load_model(folder, device=job.run.device), Tokenizer.load(folder)
        result = judge_model(model, tokenizer, settings, seed=job.recipe.seed, temperature=settings.temperature)
        greedy = judge_model(model, tokenizer, settings, seed=job.recipe.seed, temperature=0.0)
        cases[stage], cases[f"{stage}-greedy"] = result.pop("cases"), greedy.pop("cases")
        text = perplexity(model, shards, tokens=settings.perplexity_tokens)
        models[stage] = {"id": artefact.read(folder, "model").id, "perplexity": text, "greedy": greedy} | result
        accuracy, other = Estimate(**result["all"]), Estimate(**greedy["all"])
        job.run.log.say(f"  {stage}: accuracy {accuracy}, greedy {other.value:.1%}, perplexity {text['value']:.1f}")
    gains = {
        f"{after}-over-{before}{way}": gain(cases[before + way], cases[after + way])
        for way in ("", "-greedy")
        for before, after in zip(stages, stages[1:], strict=False)
    }
    for name, own in cases.items():
        write_cases(job.draft.path / f"cases-{name}.jsonl", own)
    report = {
        "models": models, "gains": {k: g.as_dict() for k, g in gains.items()},
        "decoding": {"temperature": settings.temperature, "max_new_tokens": settings.max_new_tokens, "seed": job.recipe.seed},
        "command": f"firesteel run RECIPE --only eval  # {job.recipe.name}",
    }  # fmt: skip
    write_json(job.draft.path / "report.json", report)
    job.draft.stats |= {"questions": len(cases[stages[-1]])}
    if "grpo" in stages:
        by = f"grpo-over-{job.recipe.before('grpo')}"
        job.draft.stats |= {"gain": gains[by].as_dict()}
        job.run.log.say(f"  gain by reinforcement learning: {gains[by]}; greedy {gains[f'{by}-greedy']}")


def gain(before: Cases, after: Cases) -> Estimate:
    """Change of accuracy on the same questions."""
    assert [c["question"] for c in before] == [c["question"] for c in after]
    return paired_difference([c["correct"] for c in before], [c["correct"] for c in after])


def compress(job: Job) -> None:
    """int8 weights, stored, read back, and judged on the same questions and text as the model they came from."""
    folder, target, settings, last = job.base, job.draft.path, job.recipe.eval, job.base.name
    counts = save_int8(target, load_model(folder))
    copy_tokenizer(folder, target)
    text = f"# {job.recipe.name}, int8 weights\n\nWeight-only int8, one scale an output row.\n"
    (target / "card.md").write_text(text, encoding="utf-8")
    shards = TokenShards(job.input("tokens") / "heldout")
    small = load_model(target, device=job.run.device)
    result = judge_model(
        small, Tokenizer.load(target), settings, seed=job.recipe.seed, temperature=settings.temperature
    )
    before = json.loads((job.input("eval") / "report.json").read_text(encoding="utf-8"))["models"][last]
    with (job.input("eval") / f"cases-{last}.jsonl").open(encoding="utf-8") as f:
        old_cases = [json.loads(line) for line in f]
    difference = gain(old_cases, result["cases"])
    was = _facts(folder, before["perplexity"], before["all"])
    now = _facts(target, perplexity(small, shards, tokens=settings.perplexity_tokens), result["all"])
    report = {
        "id": artefact.read(folder, "model").id, "before": was, "after": now,
        "difference": difference.as_dict(), "tensors": counts,
    }  # fmt: skip
    write_json(target / "report.json", report)
    write_cases(target / "cases.jsonl", result["cases"])
    job.draft.stats |= {"bytes": now["bytes"], "ratio": now["bytes"] / was["bytes"]}
    job.run.log.say(f"  {was['bytes'] / 2**20:.1f} -> {now['bytes'] / 2**20:.1f} MiB, accuracy change {difference}")


def _facts(folder: Path, ppl: dict[str, float], accuracy: dict[str, Any]) -> dict[str, Any]:
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return {"bytes": weights, "perplexity": ppl["value"], "accuracy": accuracy}


def safety(job: Job) -> None:
    """The guard that stands around the server, on its labelled cases."""
    report = assess(Guard.from_settings(job.recipe.safety), job.recipe.safety)
    report["id"] = artefact.read(job.base, "model").id
    write_json(job.draft.path / "report.json", report)
    job.draft.stats |= {name: report[name] for name in ("block_rate", "false_block_rate") if name in report}


def release(job: Job) -> None:
    """The folder to hand over, if every gate is passed."""
    reports = {name: job.input(name) / "report.json" for name in ("eval", "compress", "safety")}
    contents = {name: json.loads(file.read_text(encoding="utf-8")) for name, file in reports.items()}
    gates = check_release(contents, job.recipe)
    for g in gates:
        job.run.log.say(f"  {'[green]pass[/green]' if g.passed else '[red]FAIL[/red]'} {g}")
    require(gates)
    source = job.input("compress") if job.recipe.release.weights == "int8" else job.base
    job.draft.stats |= write_release(
        job.draft.path, model_folder=source, reports=reports, data_card=job.input("data") / "data_card.md",
        run_dir=job.run.folder, recipe=job.recipe.model_dump(mode="json"), lineage=lineage(job),
    )  # fmt: skip


def lineage(job: Job) -> list[dict[str, Any]]:
    """Every artefact of the run up to here: stage, kind, id, inputs, code."""
    rows = []
    for folder in sorted(p.parent for p in job.run.folder.glob(f"*/{artefact.MANIFEST}")):
        m = artefact.read(folder)
        if folder.name != job.name:
            rows.append({"stage": folder.name, "kind": m.kind, "id": m.id, "inputs": m.inputs, "code": m.code})
    return rows


def write_json(file: Path, value: Any) -> None:
    """Indented UTF-8 JSON."""
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_cases(file: Path, cases: Cases) -> None:
    """One case a line."""
    file.write_text("".join(json.dumps(c, ensure_ascii=False) + "\n" for c in cases), encoding="utf-8")
