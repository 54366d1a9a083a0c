"""`firesteel eval`: a model folder, a server or an earlier report judged on tasks, alone or against another."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from firesteel.compute.device import set_up
from firesteel.core import artefact
from firesteel.core.config import MachineSettings
from firesteel.core.errors import ArtefactError, SourceError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.weights import load_model
from firesteel.stages.contamination import contamination, texts_of
from firesteel.stages.judging import engine_for, write_cases, write_json
from firesteel.stages.models import identity_of
from firesteel.tasks.judging.abilities import all_tasks, by_ability
from firesteel.tasks.judging.answering import Answerer, Asking, Local, shows_thoughts
from firesteel.tasks.judging.compare import compare, is_report, read_cases
from firesteel.tasks.judging.evaluate import Case, accuracy, by_question, judged, tabled
from firesteel.tasks.judging.http import Limits, Server, is_url
from firesteel.tasks.judging.remote import Journal, Remote
from firesteel.tasks.table import get_task

Say = Callable[[str], None]
NEW_TOKENS = {"here": 256, "there": 2048}  # of an answer, unless somebody says: of a model here, behind a URL


@dataclass(frozen=True)
class Candidate:
    """Who is judged: a model folder, the base URL of a server, or an earlier report; `key` and `name` are for a URL."""

    where: str
    key: str = field(default="", repr=False)
    name: str = ""


@dataclass(frozen=True)
class Exam:
    """What is asked, and how."""

    tasks: tuple[str, ...]
    samples: int = 1000  # questions a task
    repeats: int = 1
    temperature: float = 1.0
    max_new_tokens: int | None = None  # None: NEW_TOKENS
    seed: int = 0
    think: bool | None = None  # an answer without a thought earns nothing; None: of models that always think
    abilities: bool = False
    concurrency: int = 8  # questions under way at once, at a URL
    seconds: float = 600.0  # for one answer, at a URL
    max_turns: int = 4  # of an answer whose problem has tools; 1: without them

    def __post_init__(self) -> None:
        if self.repeats > 1 and not self.temperature:
            why = "greedy answers to one question are all the same"
            raise UserError("--repeats needs a temperature above 0", value=self.repeats, why=why)


@dataclass(frozen=True)
class Judged:
    """One candidate's cases, what they amount to, and who it is."""

    label: str
    cases: list[Case]
    facts: dict[str, Any]  # of the report: model, weights_sha256 or url and model_id, ...
    result: dict[str, Any] | None = None  # tasks and all; None: it was read from a report
    inputs: dict[str, str] = field(default_factory=dict)


def evaluate_model(
    model: Candidate, exam: Exam, *, against: Candidate | None = None, data: tuple[Path, ...] = (), out: Path | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:  # fmt: skip
    """Judge a model; with `against` compare it with another, with `data` look for its questions in documents.

    With `out` a report artefact with every case is written there. Nothing is asked over the network unless a URL is named.
    Raises UserError for what the reader can mend.
    """
    if exam.abilities:
        exam = replace(exam, tasks=tuple(dict.fromkeys((*exam.tasks, *all_tasks()))))
    _check_places(data, out)
    _check(exam, [c for c in (model, against) if c is not None])
    journals = [_journal(out, which) for which in ("", "-against")]
    after = _judge(model, exam, journals[0], say)
    before = None if against is None else _judge(against, exam, journals[1], say)
    report = _report(after, exam)
    if before is not None:
        report |= _comparison(before, after)
    if data:
        report["contamination"] = contamination(after.cases, data)
    if out is not None:
        _write(out, report, exam, after, before)
        for journal in journals:
            if journal.file is not None:
                journal.file.unlink(missing_ok=True)
    return report


def _check(exam: Exam, candidates: list[Candidate]) -> None:
    """Say what is wrong with the questions before a model is loaded."""
    for task in exam.tasks:
        get_task(task)
    if not exam.tasks and not all(is_report(c.where) for c in candidates):
        raise UserError("no task to judge by", hint="for example --task arithmetic, or --abilities")
    remote = [c for c in candidates if is_url(c.where)]
    for c in candidates:
        if c.name and c not in remote:
            raise UserError("a model's name is for a URL", value=c.name, why=f"{c.where} is none")
        if c not in remote and not Path(c.where).exists():
            hint = "a model's folder, the report of an earlier evaluation, or a URL"
            raise SourceError("there is no such model", value=c.where, hint=hint)


def _check_places(data: Sequence[Path], out: Path | None) -> None:
    """Documents are there, and the report's place is free: nothing that lies there is ever replaced."""
    if out is not None and out.exists():
        raise ArtefactError("the place is taken", value=out, hint="choose a folder for --out that does not exist yet")
    if data and not any(next(texts_of(source), None) for source in data):
        raise SourceError("no documents to look into", value=", ".join(map(str, data)))


def _journal(out: Path | None, which: str) -> Journal:
    """What a server answered, until the report is written."""
    return Journal(None if out is None else out.with_name(f".{out.name}.answers{which}.jsonl"))


def _judge(candidate: Candidate, exam: Exam, journal: Journal, say: Say) -> Judged:
    if is_url(candidate.where):
        return _judge_there(candidate, exam, journal, say)
    return _read(candidate) if is_report(candidate.where) else _judge_here(candidate, exam, say)


def _judge_here(candidate: Candidate, exam: Exam, say: Say) -> Judged:
    """A model folder, in an engine of this process."""
    folder = Path(candidate.where)
    model = load_model(folder, device=set_up(MachineSettings(), exam.seed))
    tokenizer, tokens = Tokenizer.load(folder), exam.max_new_tokens or NEW_TOKENS["here"]
    think = shows_thoughts(tokenizer) if exam.think is None else exam.think
    answerer = Local(engine_for(model, tokenizer, tokens), tokenizer)
    identity = identity_of(folder)
    facts = {"model": candidate.where, "weights_sha256": identity}
    found = _ask(answerer, exam, tokens, think, folder.resolve().name, facts, say)
    del model, answerer
    gc.collect()  # the next model may need the room
    return replace(found, inputs={"model": identity})


def _judge_there(candidate: Candidate, exam: Exam, journal: Journal, say: Say) -> Judged:
    """The model behind a URL."""
    server = Server(candidate.where, candidate.key, Limits(seconds=exam.seconds), say)
    if server.exposed:
        say(
            f"{server.url} is not encrypted: questions, answers{' and the key' if server.key else ''} can be read on the way"
        )
    remote = Remote(
        server,
        candidate.name,
        concurrency=exam.concurrency,
        journal=journal,
        shorten=exam.max_new_tokens is None,
        say=say,
    )
    facts = {"model": remote.name, "url": server.url, "model_id": remote.name}
    tokens = exam.max_new_tokens or NEW_TOKENS["there"]
    return _ask(remote, exam, tokens, bool(exam.think), remote.name, facts, say)


def _ask(
    answerer: Answerer, exam: Exam, tokens: int, think: bool, label: str, facts: dict[str, Any], say: Say
) -> Judged:
    asking = Asking(tokens, exam.temperature, exam.seed, exam.max_turns)
    result = judged(
        answerer, exam.tasks, asking, samples=exam.samples, repeats=exam.repeats, think=think,
        done=lambda task, found: say(f"{label}: {task} {found['value']:.1%} of {found['n']}"),
    )  # fmt: skip
    cases = result.pop("cases")
    refused = [c for c in cases if "refused" in c]
    if refused:
        say(
            f"{label}: the server refused {len(refused)} of {len(cases)} questions, such as with {refused[0]['refused']}"
        )
    return Judged(label, cases, facts | {"think": think, "decoding": asdict(asking)}, result)


def _read(candidate: Candidate) -> Judged:
    """An earlier report."""
    path = Path(candidate.where)
    cases = read_cases(candidate.where)
    folder = path if path.is_dir() else path.parent
    facts: dict[str, Any] = {"report": str(path)}
    try:
        inputs = {"report": artefact.read(folder).id}
        said = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        facts |= {key: said[key] for key in ("think", "decoding") if path.is_dir() and key in said}
    except (ArtefactError, OSError, ValueError):
        inputs = {}  # a file of cases alone
    label = path.name if path.is_dir() else path.stem.removeprefix("cases-")
    return Judged(label, cases, facts, None, inputs)


def _report(own: Judged, exam: Exam) -> dict[str, Any]:
    """`tasks` and `all` of what was judged; `models` and `gains` are what report pages look for."""
    report: dict[str, Any] = own.facts | {"seed": exam.seed, "samples": exam.samples, "repeats": exam.repeats}
    if own.result is None:
        return own.facts | tabled(own.cases)
    report |= own.result
    if exam.abilities:
        report["abilities"] = by_ability(own.cases)
    return report | {"models": {own.label: _row(own)}}


def _row(own: Judged) -> dict[str, Any]:
    identity = own.facts.get("weights_sha256") or own.facts.get("model_id", "")
    return {"id": identity, "all": accuracy(own.cases).as_dict()}


def _comparison(before: Judged, after: Judged) -> dict[str, Any]:
    """The same questions asked of both; a gain is that of `after`."""
    other = before.label + ("" if before.label != after.label else " (2)")
    found = compare(before.cases, after.cases)
    unlike = _unlike(before, after)
    against = before.facts | ({} if before.result is None else before.result)
    return {
        "against": against, "comparison": {"of": after.label, "against": other, "unlike": unlike, **found},
        "models": {after.label: _row(after), other: _row(before)},
        "gains": {f"{after.label}-over-{other}": found["difference"]},
    }  # fmt: skip


def _unlike(before: Judged, after: Judged) -> list[str]:
    """In what the two were asked differently; such a comparison is of more than the models."""
    found = []
    if all("think" in side.facts and "decoding" in side.facts for side in (before, after)):
        ways = [{"think": side.facts["think"], **side.facts["decoding"]} for side in (before, after)]
        both = [key for key in ways[0] if key in ways[1]]
        found = [f"{key}: {ways[1][key]} against {ways[0][key]}" for key in both if ways[0][key] != ways[1][key]]
    repeats = [max(len(own) for own in by_question(side.cases).values()) for side in (before, after)]
    return found + ([f"answers a question: {repeats[1]} against {repeats[0]}"] if repeats[0] != repeats[1] else [])


def _write(out: Path, report: dict[str, Any], exam: Exam, after: Judged, before: Judged | None) -> None:
    """The report as an artefact. It names the hashes of the weights, or the URL and the model's id there."""
    inputs = dict(after.inputs)
    if before is not None:
        inputs |= {f"against {name}": id for name, id in before.inputs.items()}
    with artefact.writing(out, "report", inputs=inputs, settings=asdict(exam) | {"of": after.facts}) as draft:
        write_json(draft.path / "report.json", report)
        write_cases(draft.path / "cases.jsonl", after.cases)
        if before is not None and before.result is not None:
            write_cases(draft.path / "against-cases.jsonl", before.cases)
        draft.stats |= {"questions": len(by_question(after.cases)), "answers": len(after.cases)}
