"""The pages are held to the code: commands exist, recipes parse, links lead somewhere, both languages say as much."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from firesteel import cli
from firesteel.core.config import load_recipe, parse_recipe

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/**/*.md")])
BILINGUAL = [
    ROOT / "README.md",
    ROOT / "docs/concepts.md",
    *(page for page in PAGES if page.parent.name == "guides" and ".zh" not in page.suffixes),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
COMMANDS = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]


def name(page: Path) -> str:
    """A page's path from the top, for test names."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(*found) for found in BLOCK.findall(page.read_text(encoding="utf-8"))]


def command_lines(page: Path) -> Iterator[list[str]]:
    """Every `firesteel ...` command of a page, in blocks and in running text, as words."""
    text = page.read_text(encoding="utf-8")
    lines = [
        line
        for block in blocks(page)
        if block.language in ("", "bash", "sh", "console")
        for line in block.text.splitlines()
    ]
    lines += re.findall(r"`((?:[\w./]*/)?firesteel [a-z][^`]*)`", BLOCK.sub("", text))
    for line in lines:
        line = re.sub(
            r"\s{2,}.*$|\s#.*$|[\[\]]", "", line.strip().removeprefix("$ ")
        )  # notes at the end; [optional] parts
        if re.match(r"([\w./]*/)?firesteel( |$)", line):
            yield shlex.split(line)


def mistake(words: list[str]) -> str:
    """What is wrong with a command line, or nothing."""
    arguments = words[1:]
    options = {option for command in COMMANDS.values() for param in command.params for option in param.opts}
    if not arguments or arguments[0].startswith("--"):
        return ""
    command = COMMANDS.get(arguments[0])
    if command is None:
        return f"there is no verb {arguments[0]}"
    options = {"--help", *(option for param in command.params for option in (*param.opts, *param.secondary_opts))}
    unknown = [word for word in arguments[1:] if word.startswith("--") and word.split("=")[0] not in options]
    return f"{arguments[0]} has no {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_on_a_page_exist(page: Path) -> None:
    wrong = [f"{shlex.join(words)}: {found}" for words in command_lines(page) if (found := mistake(words))]
    assert not wrong


def test_wrong_commands_are_caught(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Use `firesteel rum x`.\n```\n$ firesteel run x --form data  # y\n.venv/bin/firesteel show x [--json]\n```\n"
    )
    assert [mistake(words) for words in command_lines(page)] == ["run has no --form", "", "there is no verb rum"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_recipes_on_a_page_parse(page: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            parse_recipe({"name": "page"} | tomllib.loads(block.text))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_programs_on_a_page_compile(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, name(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_on_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:\$ )?make ([\w-]+)", text, flags=re.MULTILINE)) | set(
        re.findall(r"`make ([\w-]+)", text)
    )
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_on_a_page_lead_somewhere(page: Path) -> None:
    targets = [a or b for a, b in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))]
    local = [target.split("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert not [target for target in local if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_nothing_on_a_page_waits_to_be_measured(page: Path) -> None:
    assert "<!-- measured" not in page.read_text(encoding="utf-8"), "put the figure in, and its record in docs/log.md"


@pytest.mark.parametrize("page", BILINGUAL, ids=name)
def test_the_chinese_page_has_the_same_parts(page: Path) -> None:
    def parts(one: Path) -> list[str]:
        outline = BLOCK.sub(lambda block: f"\n```{block[1]}\n", one.read_text(encoding="utf-8"))
        return re.findall(r"^(#+ |```\w*$)", outline, flags=re.MULTILINE)

    assert parts(page) == parts(page.with_suffix(".zh.md"))


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=name)
def test_every_recipe_parses_and_is_named_after_its_file(path: Path) -> None:
    assert load_recipe(path).name == path.stem


def test_the_reference_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert (ROOT / "docs/reference.md").read_text(encoding="utf-8") == maker.page(), "run: make docs"
