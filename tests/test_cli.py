"""The command line: quick help, one place for errors, exit codes, and what goes to which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from firesteel import __version__, cli
from firesteel.core import artefact
from firesteel.core.errors import FiresteelError, GateError

ROOT = Path(__file__).parent.parent
VERBS = ("doctor", "plan", "run", "import", "export", "eval", "task", "serve", "chat", "show")
FACTS = ("doctor", "plan", "eval", "task", "show")


def firesteel(*arguments: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; `code` is run first in that process."""
    script = f"{code}\nfrom firesteel.cli import main\nmain()"
    variables = {**os.environ, "COLUMNS": "100", "FIRESTEEL_DEBUG": "", **environment}
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, timeout=120, check=False)


def failing_verb(error: str) -> str:
    """Code that makes a verb end in an exception."""
    return f"import firesteel.cli as c\ndef _before(): raise {error}\nc._before_torch = _before"


def test_help_lists_every_verb_with_its_purpose() -> None:
    done = firesteel("--help")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.split("Commands:")[1].splitlines() if line.startswith("  ")]
    assert listed[: len(VERBS)] == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    done = firesteel(verb, "--help")
    assert done.returncode == 0
    assert f"Example: firesteel {verb} " in done.stdout
    assert ("--json" in done.stdout) == (verb in FACTS)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("doctor", "--help")])
def test_help_loads_no_heavy_library(arguments: tuple[str, ...]) -> None:
    code = (
        "import atexit, sys\nheavy = {'torch', 'rich', 'numpy', 'fastapi', 'tokenizers', 'firesteel.core.config'}\n"
        "atexit.register(lambda: print(sorted(heavy & sys.modules.keys()), file=sys.stderr))"
    )
    assert firesteel(*arguments, code=code).stderr == "[]\n"


def test_version() -> None:
    assert firesteel("--version").stdout == f"firesteel {__version__}\n"


def test_a_misspelt_verb_gets_the_nearest_one() -> None:
    done = firesteel("evl")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean" in done.stderr and "'eval'" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("export", "m", "o", "--format", "onnx"), ("run",), ("serve", "m", "--port", "x")]
)
def test_wrong_usage_is_exit_2_on_stderr(arguments: tuple[str, ...]) -> None:
    done = firesteel(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error:" in done.stderr


MISTAKES = {  # command line -> how the message starts, and a part of the way out
    "run no-such.toml": ("no such recipe: no-such.toml", "hint: see recipes/"),
    "run recipes": ("a recipe is a TOML file, not a folder: recipes", ""),
    "run recipes/toy.toml --set pretrain.stepz=3": (
        "unknown key in the recipe: pretrain.stepz",
        "did you mean 'steps'?",
    ),
    "run recipes/toy.toml --set pretrain.steps=many": ("a recipe value does not fit: pretrain.steps = 'many'", "why: "),
    "run recipes/toy.toml --only stf": ("unknown stage: stf", "did you mean 'sft'?"),
    "run recipes/toy.toml --from sft --to data": ("no stage to run: --from sft --to data", "why: "),
    "plan no-such.toml": ("no such recipe: no-such.toml", "hint: see recipes/"),
    "plan recipes/toy.toml --machine h1000": ("unknown machine: h1000", "did you mean 'h100'?"),
    "plan recipes/toy.toml --set data.sources=[]": ("the recipe names no sources: data.sources", "hint: for example"),
    'plan recipes/toy.toml --set data.sources=["nowhere"]': ("no such file or folder: ", "relative to the recipe"),
    "import nowhere {tmp}/model": ("no such model: nowhere", "hint: "),
    "export nowhere {tmp}/out --format hf": ("no weights to load: nowhere", "why: "),
    "eval nowhere --task arithmetic": ("there is no such model: nowhere", "hint: "),
    "serve nowhere": ("not a finished model: nowhere", "hint: make it with 'firesteel run'"),
    "chat nowhere --question x": ("not a finished model: nowhere", "hint: make it with 'firesteel run'"),
    "show nowhere": ("no such folder: ", "hint: "),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_readers_mistake_is_exit_2_with_a_way_out(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["firesteel", *line.format(tmp=tmp_path).split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, error = capfd.readouterr()
    assert (ended.value.code, out) == (2, ""), error
    start, way_out = MISTAKES[line]
    assert error.startswith(f"error: {start}") and way_out in error and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_closed_gate_has_what_why_and_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = GateError(
        "the release gate is closed", value="accuracy 0.2", why="at least 0.5 was asked", hint="train longer"
    )
    assert _exit_code_of(monkeypatch, error) == 2
    captured = capsys.readouterr()
    expected = "error: the release gate is closed: accuracy 0.2\nwhy: at least 0.5 was asked\nhint: train longer\n"
    assert (captured.out, captured.err) == ("", expected)


def test_our_own_mistake_is_exit_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(cli.DEBUG, raising=False)
    assert _exit_code_of(monkeypatch, FiresteelError("the engine stopped")) == 1
    assert capsys.readouterr().err == "error: the engine stopped\n"


def test_an_unexpected_exception_is_one_line_and_the_way_to_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(cli.DEBUG, raising=False)
    assert _exit_code_of(monkeypatch, KeyError("lost")) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: KeyError: 'lost'\n") and cli.DEBUG in error and "Traceback" not in error


def _exit_code_of(monkeypatch: pytest.MonkeyPatch, error: Exception) -> object:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.mark.parametrize("how", [{"arguments": ("--debug",)}, {"environment": {"FIRESTEEL_DEBUG": "1"}}])
def test_debugging_shows_the_traceback(how: dict) -> None:
    arguments = (*how.get("arguments", ()), "doctor")
    done = firesteel(*arguments, code=failing_verb("KeyError('lost')"), **how.get("environment", {}))
    assert done.returncode == 1 and "Traceback" in done.stderr and "KeyError: 'lost'" in done.stderr


def test_an_interrupt_is_one_line_and_exit_130() -> None:
    done = firesteel("doctor", code=failing_verb("KeyboardInterrupt"))
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("interrupted: ") and done.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        command = [sys.executable, "-m", "firesteel", "--help"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"")


def test_doctor_prints_facts_as_json() -> None:
    done = firesteel("doctor", "--json")
    assert done.returncode in (0, 2), done.stderr  # 2 where something needed is missing
    facts = json.loads(done.stdout)
    assert {"name", "ok", "value", "why", "hint"} <= facts["findings"][0].keys()


def test_plan_prints_every_stage_and_the_resolved_recipe_as_json() -> None:
    facts = json.loads(firesteel("plan", "recipes/toy.toml", "--machine", "h100", "--json").stdout)
    assert {"data", "pretrain", "grpo", "release"} <= facts["stages"].keys()
    assert all(stage["seconds"] > 0 and stage["how"] for stage in facts["stages"].values())
    assert facts["recipe"]["pretrain"]["steps"] == 8 and facts["machine"]["name"] == "h100"


def test_show_tells_what_an_artefact_is(tmp_path: Path) -> None:
    with artefact.writing(tmp_path / "thing", "report", settings={"n": 3}) as draft:
        (draft.path / "note.txt").write_text("hello")
    manifest = artefact.read(tmp_path / "thing")
    facts = json.loads(firesteel("show", str(tmp_path / "thing"), "--json").stdout)
    assert (facts["kind"], facts["id"], facts["settings"]) == ("report", manifest.id, {"n": 3})
    assert "note.txt" in firesteel("show", str(tmp_path / "thing")).stdout


def test_the_console_script_is_main() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert table["project"]["scripts"] == {"firesteel": "firesteel.cli:main"}
