"""`firesteel run`: every stage in order, skipping what is already made, measured against its estimate.

A stage is a function of (inputs, settings, code). Its key is the hash of these; an artefact with the same key is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from firesteel.compute import machine
from firesteel.compute.device import set_up
from firesteel.compute.fit import check_fit
from firesteel.compute.mesh import joined
from firesteel.compute.meter import Meter, append_ledger, ledger_record
from firesteel.compute.plan import plan, rates_of
from firesteel.core import artefact
from firesteel.core.config import Recipe, load_recipe
from firesteel.core.errors import ArtefactError, GateError, RecipeError, UserError, nearest
from firesteel.core.log import RunLog
from firesteel.stages.checks import check_tasks
from firesteel.stages.stage import Job, Run, Stage
from firesteel.stages.summary import print_summary
from firesteel.stages.table import STAGES
from firesteel.stages.team import Team, own_device, started_together
from firesteel.stages.together import make_together


def run_recipe(
    path: Path, *, out: Path | None = None, only: str | None = None, from_stage: str | None = None,
    to_stage: str | None = None, overrides: tuple[str, ...] = (), console: Console | None = None,
) -> None:  # fmt: skip
    """Run the recipe at `path` into `out` (default `runs/NAME`). Raises UserError for what the user can mend."""
    recipe = load_recipe(path, overrides)
    chosen = choose(recipe, only, from_stage, to_stage)
    check_tasks(recipe)
    folder = (out or Path("runs") / recipe.name).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as e:
        raise RecipeError("results need a folder, and this is a file", value=folder, hint="choose another --out") from e
    except OSError as e:
        raise artefact.disk_error(e, folder) from e
    if not started_together():
        with locked(folder):
            _run(Run(recipe, folder, RunLog(folder, console), set_up(recipe.machine, recipe.seed)), chosen)
        return
    with joined(recipe.parallel, own_device(recipe)) as mesh:
        team, run = Team(mesh, folder), Run(recipe, folder, RunLog(folder, console, first=mesh.first), mesh.device)
        if mesh.first:
            with team.leading(), locked(folder):
                _run(run, chosen, team)
        else:
            team.follow(run, {name: stage.make for name, stage in STAGES.items()})


def _run(run: Run, chosen: list[Stage], team: Team | None = None) -> None:
    """The chosen stages one after the other, the report, and the tables at the end."""
    recipe, folder = run.recipe, run.folder
    run.log.say(f"[bold]{recipe.name}[/bold]  {folder}  on {run.device}")
    facts = machine.facts(folder)
    _write(folder / "recipe.json", recipe.model_dump(mode="json"))
    _write(folder / "machine.json", facts)
    inputs = _inputs(run, chosen[0])  # what is missing is said before the machine is measured
    estimates = _estimates(run, facts)
    meter = Meter(recipe.machine, facts)
    try:
        for stage in chosen:
            _stage(run, stage, inputs or _inputs(run, stage), meter, estimates.get(stage.name), team)
            inputs = {}
    except GateError:
        _close(run)  # the page says which gate and why
        run.log.say(f"report: {folder / 'report.html'}")
        raise
    _close(run)
    print_summary(run, [stage.name for stage in chosen])


def choose(recipe: Recipe, only: str | None, from_stage: str | None, to_stage: str | None) -> list[Stage]:
    """The stages between two names, or the one. Raises RecipeError for an unknown name or an empty span."""
    names = [name for name, stage in STAGES.items() if stage.wanted(recipe)]
    if only and (from_stage or to_stage):
        raise RecipeError("--only cannot be combined with --from or --to", value=only)
    for name in (only, from_stage, to_stage):
        if name is not None and name not in STAGES:
            raise RecipeError("unknown stage", value=name, hint=nearest(name, names))
        if name is not None and name not in names:
            raise RecipeError(
                "the recipe leaves this stage out", value=name, hint=f"its table, [{name}], says what brings it in"
            )
    first, last = only or from_stage or names[0], only or to_stage or names[-1]
    span = names[names.index(first) : names.index(last) + 1]
    if not span:
        raise RecipeError("no stage to run", value=f"--from {first} --to {last}", why=f"'{first}' comes after '{last}'")
    return [STAGES[name] for name in span]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; the lock goes away with the process, however it ends."""
    try:
        file = (folder / ".lock").open("w")
    except OSError as e:
        raise artefact.disk_error(e, folder) from e
    with file as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise UserError(
                "another run works in this folder", value=folder, hint="wait for it, or choose another place with --out"
            ) from e
        yield


def _stage(
    run: Run, stage: Stage, inputs: dict[str, str], meter: Meter, estimate: dict[str, float] | None, team: Team | None
) -> None:
    """Make one stage's artefact, or say that it is already made."""
    settings, code = stage.settings(run.recipe), artefact.code_version(*stage.rooms)
    key, folder = artefact.stage_key(inputs, settings, code), run.stage(stage.name)
    if _made(folder, stage.kind, key):
        run.log.say(f"[green]✓[/green] {stage.name}: already made")
        _forget_work(run, stage)  # a run that was killed between the last rename and here left it
        return
    run.log.say(f"[bold]▸ {stage.name}[/bold]")
    work = run.folder / ".work" / f"{stage.name}-{key[:16]}"
    (run.folder / ".work").mkdir(mode=0o700, exist_ok=True)  # texts lie here before personal data is taken out
    work.mkdir(exist_ok=True)
    with meter.stage(stage.name, carry=work / "spent.json") as measured:
        with artefact.writing(folder, stage.kind, inputs=inputs, settings=settings, code=code) as draft:
            _make(stage, Job(run, stage.name, key, work, draft), team)
    append_ledger(run.folder / "ledger.jsonl", ledger_record(stage.name, estimate, measured))
    _forget_work(run, stage)
    actual = measured.actual
    run.log.say(
        f"[green]✓[/green] {stage.name}: {actual['seconds']:.1f} s, peak {actual['peak_bytes'] / 2**20:.0f} MiB"
    )


def _make(stage: Stage, job: Job, team: Team | None) -> None:
    """Here, or together with the processes that are there already, or with some that are started for it."""
    if job.recipe.parallel.processes == 1 or not stage.parted(job.recipe):
        stage.make(job)
    elif team is not None:
        team.make(job, stage.make)
    else:
        make_together(job)


def _forget_work(run: Run, stage: Stage) -> None:
    for old in (run.folder / ".work").glob(f"{stage.name}-*"):
        shutil.rmtree(old, ignore_errors=True)


def _inputs(run: Run, stage: Stage) -> dict[str, str]:
    """Ids of the artefacts a stage reads and hashes of its outside inputs. Raises ArtefactError if one is not made yet."""
    ids = {}
    for need in stage.inputs(run.recipe):
        try:
            ids[need] = artefact.read(run.stage(need), STAGES[need].kind).id
        except ArtefactError as e:
            e.hint = f"the stage '{need}' comes first: run it with --from {need}, or run the whole recipe"
            raise
    return ids | stage.outside(run.recipe)


def _made(folder: Path, kind: str, key: str) -> bool:
    """Whether the artefact of this very work is there and whole; damaged files are an error, not a reason to start over."""
    if not (folder / artefact.MANIFEST).is_file():
        return False
    return artefact.read(folder, kind, verify=True).key == key


def _estimates(run: Run, facts: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The plan before the run; written once so that a resumed run is still compared with what was first said."""
    file, key = run.folder / "plan.json", artefact.digest(run.recipe.model_dump(mode="json"))
    with contextlib.suppress(OSError, ValueError, KeyError):
        recorded = json.loads(file.read_text(encoding="utf-8"))
        if recorded["recipe"] == key:
            stages: dict[str, dict[str, float]] = recorded["stages"]
            return stages
    run.log.say("  estimating time, memory and energy of each stage")
    stages = plan(run.recipe, facts)
    if run.device.type == "cpu":  # an accelerator's memory is its own to refuse
        check_fit(run.recipe, rates_of(run.recipe, facts), run.recipe.machine.memory_gb * 2**30)
    _write(file, {"recipe": key, "stages": stages})
    return stages


def _close(run: Run) -> None:
    """The run's own manifest and its report page."""
    from firesteel.ops.report_page import write_report  # matplotlib: slow to import, needed once

    run.log.close()
    write_report(run.folder, run.folder / "report.html")
    files = ["recipe.json", "machine.json", "plan.json", "metrics.jsonl", "ledger.jsonl", "report.html"]
    inputs = {
        name: artefact.read(run.stage(name)).id for name in STAGES if (run.stage(name) / artefact.MANIFEST).is_file()
    }
    artefact.seal(run.folder, "run", [f for f in files if (run.folder / f).is_file()], inputs=inputs)


def _write(file: Path, value: Any) -> None:
    artefact.write_text(file, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
