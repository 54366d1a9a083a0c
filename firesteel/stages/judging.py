"""Evaluation, compression, safety and release: the stages that judge a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from firesteel.compress.quantise import save_int8
from firesteel.core import artefact
from firesteel.core.config import EvalSettings
from firesteel.core.shards import TokenShards
from firesteel.core.stats import Estimate
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
from firesteel.serve.memory import bytes_per_token
from firesteel.stages.stage import PROMPT, Job
from firesteel.tasks.judging.compare import compare
from firesteel.tasks.judging.evaluate import evaluate
from firesteel.tasks.table import get_task

Cases = list[dict[str, Any]]  # one an answer: question, reply, correct, ...
SEQUENCES = 512  # answers decoded together
CACHE = 2 << 30  # bytes of cache that are enough: with large models fewer answers are decoded together


def engine_for(model: Transformer, tokenizer: Tokenizer, max_new_tokens: int) -> Engine:
    """An engine that judges: as many answers together as are quick, within a bound of memory."""
    each = bytes_per_token(model.config, model.dtype)
    most = max(CACHE // each, min(model.config.max_position_embeddings, 4 * max_new_tokens))
    return Engine(
        model, tokenizer, max_sequences=SEQUENCES, cache_tokens=min(SEQUENCES * (max_new_tokens + PROMPT), most)
    )


def judge_model(
    model: Transformer, tokenizer: Tokenizer, settings: EvalSettings, *, seed: int, temperature: float,
    tasks: tuple[str, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    """Accuracy on test questions of `tasks`, or those of the settings (see tasks.evaluate), at one temperature; 0 is greedy."""
    return evaluate(
        engine_for(model, tokenizer, settings.max_new_tokens), tokenizer, tasks or settings.tasks, seed=seed,
        samples=settings.samples, max_new_tokens=settings.max_new_tokens, temperature=temperature,
        repeats=settings.repeats if temperature else 1, max_turns=settings.max_turns,
    )  # fmt: skip


def evaluation(job: Job) -> None:
    """Every model of the run on the same held-out questions and text, and the gains between them in pairs.

    Judged as the server samples (`eval.temperature`) and, beside it, greedily; on tasks of `eval.other` as the server samples,
    and without a model that was pretrained here from nothing: nobody has taught it to answer.
    """
    settings, seed = job.recipe.eval, job.recipe.seed
    for task in (*settings.tasks, *settings.other):
        get_task(task)  # a misspelt one is said before any model is judged
    shards = TokenShards(job.input("tokens") / "heldout")
    models: dict[str, Any] = {}
    cases: dict[str, Cases] = {}
    others: dict[str, Cases] = {}
    stages = job.recipe.model_stages
    for stage in stages:
        folder = job.input(stage)
        model, tokenizer = load_model(folder, device=job.run.device), Tokenizer.load(folder)
        result = judge_model(model, tokenizer, settings, seed=seed, temperature=settings.temperature)
        greedy = judge_model(model, tokenizer, settings, seed=seed, temperature=0.0)
        cases[stage], cases[f"{stage}-greedy"] = result.pop("cases"), greedy.pop("cases")
        if settings.other and (stage != "pretrain" or job.recipe.pretrain.start_from):
            further = judge_model(
                model, tokenizer, settings, seed=seed, temperature=settings.temperature, tasks=settings.other
            )
            others[stage], result["other"] = further.pop("cases"), further
        text = perplexity(model, shards, tokens=settings.perplexity_tokens)
        models[stage] = {"id": artefact.read(folder, "model").id, "perplexity": text, "greedy": greedy} | result
        accuracy, other = Estimate(**estimate(result["all"])), Estimate(**estimate(greedy["all"]))
        job.run.log.say(f"  {stage}: accuracy {accuracy}, greedy {other.value:.1%}, perplexity {text['value']:.1f}")
    gains = {
        f"{after}-over-{before}{way}": gain(cases[before + way], cases[after + way])
        for way in ("", "-greedy")
        for before, after in zip(stages, stages[1:], strict=False)
    }
    _write_evaluation(job, models, gains, cases, others)
    if "grpo" in stages:
        by = f"grpo-over-{job.recipe.before('grpo')}"
        job.draft.stats |= {"gain": gains[by].as_dict()}
        job.run.log.say(f"  gain by reinforcement learning: {gains[by]}; greedy {gains[f'{by}-greedy']}")


def _write_evaluation(
    job: Job, models: dict[str, Any], gains: dict[str, Estimate], cases: dict[str, Cases], others: dict[str, Cases]
) -> None:
    """The report, and every case of it. `other_gains` are those on tasks of `eval.other`, by task."""
    settings, stages = job.recipe.eval, job.recipe.model_stages
    for name, own in cases.items():
        write_cases(job.draft.path / f"cases-{name}.jsonl", own)
    for name, own in others.items():
        write_cases(job.draft.path / f"other-cases-{name}.jsonl", own)
    other_gains = {
        f"{after}-over-{before}": compare(others[before], others[after])["tasks"]
        for before, after in zip(stages, stages[1:], strict=False)
        if before in others and after in others
    }
    report = {
        "models": models, "gains": {k: g.as_dict() for k, g in gains.items()},
        **({"other_gains": other_gains} if other_gains else {}),
        "decoding": {
            "temperature": settings.temperature, "max_new_tokens": settings.max_new_tokens, "seed": job.recipe.seed,
            "repeats": settings.repeats, "max_turns": settings.max_turns,
        },
        "command": f"firesteel run RECIPE --only eval  # {job.recipe.name}",
    }  # fmt: skip
    write_json(job.draft.path / "report.json", report)
    job.draft.stats |= {"questions": models[stages[-1]]["all"]["n"]}


def estimate(figures: dict[str, Any]) -> dict[str, Any]:
    """The fields of an Estimate among others."""
    return {key: figures[key] for key in ("value", "low", "high", "n")}


def gain(before: Cases, after: Cases) -> Estimate:
    """Change of accuracy on the same questions."""
    assert [c["question"] for c in before] == [c["question"] for c in after]
    return Estimate(**compare(before, after)["difference"])


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
