"""The arrows of import: reads every import of the package, also those inside functions, and holds the design's map."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BELOW_MODEL = {"kernels", "compute", "core"}
STAGES = {"data", "train", "compress", "serve", "safety", "tasks"}
EVERYTHING = {*STAGES, *BELOW_MODEL, "model", "ops", "scenarios", "stages", "commands", "cli"}
ALLOWED = {
    "core": set(),
    "compute": {"core"},
    "kernels": {"compute", "core"},
    "model": BELOW_MODEL,
    "train": {"model", *BELOW_MODEL},
    "compress": {"model", *BELOW_MODEL},
    "serve": {"model", *BELOW_MODEL},
    "data": {"core"},
    "safety": {"core"},
    "tasks": {"core"},
    "ops": {"core"},
    "scenarios": {*STAGES, "core"},
    "stages": EVERYTHING - {"commands", "cli"},
    "commands": EVERYTHING - {"cli"},
    "cli": EVERYTHING,
    "__main__": EVERYTHING,
    "__init__": set(),
}
EXCEPTIONS = {  # (who, whom): one file may do what its room may not
    ("ops.flywheel", room) for room in STAGES
} | {(who, "compute.sandbox") for who in ("tasks.code.problems", "tasks.code.judge", "tasks.code.files", "tasks.tools")}
TORCH_FREE = ("core", "data", "safety", "tasks", "ops", "commands", "cli", "__main__")
POLICIES = ("serve.scheduler", "serve.blocks", "serve.sequence", "compute.plan", "compute.proc")
TORCH = {"torch", "transformers", "torchvision", "triton"}


def imports(file: Path, package: str) -> Iterator[str]:
    """Absolute dotted names that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(root: Path) -> list[str]:
    """Imports under the package folder `root` that go against the map."""
    found = []
    for file in sorted(root.rglob("*.py")):
        who = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        names = set(imports(file, ".".join(["firesteel", *file.relative_to(root).parent.parts])))
        found += [f"{who} -> {name}" for name in sorted(names) if not _may(who, name)]
    return found


def _may(who: str, name: str) -> bool:
    room, top = who.split(".")[0], name.split(".")[0]
    if top in TORCH or name.startswith("safetensors.torch"):
        return room not in TORCH_FREE and who not in POLICIES
    if top != "firesteel" or name in ("firesteel", "firesteel.__version__"):
        return True
    whom = name.removeprefix("firesteel.")
    if room not in ALLOWED:
        return False  # a new room needs its arrow first
    allowed = {room, *ALLOWED[room]} | {exception for one, exception in EXCEPTIONS if one == who}
    return any(whom == one or whom.startswith(f"{one}.") for one in allowed)


def test_rooms_import_only_what_the_map_allows() -> None:
    assert not violations(ROOT / "firesteel")


PLANTED = {
    "core/a.py": ("from firesteel.model import layers", "core.a -> firesteel.model"),
    "train/a.py": ("def f():\n    from firesteel.serve.engine import Engine", "train.a -> firesteel.serve.engine"),
    "data/a.py": ("def f():\n    import torch.nn", "data.a -> torch.nn"),
    "serve/scheduler.py": ("import torch", "serve.scheduler -> torch"),
    "tasks/a.py": ("from ..data import read", "tasks.a -> firesteel.data"),
    "safety/a.py": ("from firesteel import data", "safety.a -> firesteel.data"),
    "cellar/a.py": ("import firesteel.core", "cellar.a -> firesteel.core"),
    "compute/a.py": ("if TYPE_CHECKING:\n    from firesteel.kernels import table", "compute.a -> firesteel.kernels"),
}


@pytest.mark.parametrize("path", PLANTED)
def test_a_planted_violation_is_caught(tmp_path: Path, path: str) -> None:
    code, expected = PLANTED[path]
    file = tmp_path / path
    file.parent.mkdir()
    file.write_text(code)
    assert expected in violations(tmp_path)


def test_what_the_map_allows_is_not_a_violation(tmp_path: Path) -> None:
    (tmp_path / "serve").mkdir()
    (tmp_path / "serve/engine.py").write_text("import torch\nfrom firesteel.model import cache\nfrom . import blocks\n")
    (tmp_path / "tasks/code").mkdir(parents=True)
    (tmp_path / "tasks/code/problems.py").write_text("from firesteel.compute.sandbox import run\n")
    assert violations(tmp_path) == []


def modules(*rooms: str) -> list[str]:
    """Dotted names of the modules in rooms of the package that exist."""
    files = [file for room in rooms for file in sorted((ROOT / "firesteel" / room).rglob("*.py"))]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]


def test_rooms_without_torch_do_not_load_it_by_any_path() -> None:
    policies = [name for name in POLICIES if (ROOT / "firesteel" / f"{name.replace('.', '/')}.py").is_file()]
    names = [*modules("core", "data", "safety", "tasks", "ops"), *(f"firesteel.{name}" for name in policies)]
    code = (
        f"import importlib, sys\nfor name in {names!r}:\n    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\nprint(len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
