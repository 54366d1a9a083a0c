"""The house style that a program can hold: small rooms, described doors, dependencies that are accounted for."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
MAX_FILE, MAX_FUNCTION = 400, 60
Function = ast.FunctionDef | ast.AsyncFunctionDef


def too_long(root: Path) -> list[str]:
    """Files over MAX_FILE lines and functions over MAX_FUNCTION lines under `root`."""
    found = []
    for file in sorted(root.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        lines = text.count("\n")
        found += [f"{file.relative_to(root)}: {lines} lines"] if lines > MAX_FILE else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                found += [f"{file.relative_to(root)}: {node.name}: {length} lines"] if length > MAX_FUNCTION else []
    return found


def undocumented(root: Path) -> list[str]:
    """Modules, public classes, functions and methods without a docstring under `root`."""
    found = []
    for file in sorted(root.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found += [] if ast.get_docstring(tree) else [str(file.relative_to(root))]
        found += [f"{file.relative_to(root)}: {name}" for name, node in _public(tree) if not ast.get_docstring(node)]
    return found


def _public(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not _spoken_for(node):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{node.name}.")


def _spoken_for(node: Function | ast.ClassDef) -> bool:
    """A class's docstring speaks for its `forward`, and a protocol's for its empty methods."""
    body = node.body[0]
    return node.name == "forward" or (isinstance(body, ast.Expr) and getattr(body.value, "value", None) is ...)


@pytest.mark.parametrize("folder", ["firesteel", "tests", "benchmarks"])
def test_files_and_functions_are_short(folder: str) -> None:
    assert not too_long(ROOT / folder), (
        "look for the second idea hiding there, and give it a file or function of its own"
    )


def test_a_long_file_and_a_long_function_are_caught(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("\n" * (MAX_FILE + 1))
    (tmp_path / "function.py").write_text("def f():\n" + "    pass\n" * MAX_FUNCTION)
    (tmp_path / "fits.py").write_text("def f():\n" + "    pass\n" * (MAX_FUNCTION - 1))
    assert too_long(tmp_path) == ["file.py: 401 lines", "function.py: f: 61 lines"]


def test_every_public_name_has_a_docstring() -> None:
    assert not undocumented(ROOT / "firesteel")


def test_a_missing_docstring_is_caught(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("class A:\n    'a'\n    def f(self): pass\n    def _g(self): pass\n")
    assert undocumented(tmp_path) == ["m.py", "m.py: A.f"]


def unshipped(root: Path, patterns: list[str]) -> list[str]:
    """Files under `root` that are neither code nor matched by a pattern relative to the package folder above them."""
    found = []
    for file in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        package = next(folder for folder in file.parents if (folder / "__init__.py").exists() or folder == root)
        relative = file.relative_to(package)
        if file.suffix != ".py" and not any(
            relative.match(p) and len(Path(p).parts) == len(relative.parts) for p in patterns
        ):
            found.append(file.relative_to(root).as_posix())
    return found


def test_every_file_of_the_package_is_shipped() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert not unshipped(ROOT / "firesteel", table["*"])


def test_a_file_left_out_of_the_package_is_caught(tmp_path: Path) -> None:
    (tmp_path / "room/web").mkdir(parents=True)
    for name in ("room/__init__.py", "room/words.toml", "room/page.html", "room/web/page.html"):
        (tmp_path / name).touch()
    assert unshipped(tmp_path, ["*.toml", "web/*"]) == ["room/page.html"]


def project() -> dict[str, list[str]]:
    """Lists of requirements by name: `run` and the extras."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"run": table["dependencies"], **table["optional-dependencies"]}


def test_every_dependency_admits_the_version_it_was_tested_with() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))
    pins = {name.replace("_", "-"): Version(version) for name, version in pins.items()}
    for need in (Requirement(text) for texts in project().values() for text in texts):
        pin = pins.get(need.name.lower())
        assert pin is not None, f"{need.name} is not in constraints.txt"
        assert need.specifier.contains(pin), f"{need} does not admit {pin}"


def test_every_runtime_dependency_is_accounted_for() -> None:
    text = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE))
    assert listed == {Requirement(text).name for text in project()["run"]}
