"""What becomes of a worker's end: a mistake of the user's is told once, anything else is tried again.

With real processes: test_parallel_run.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from firesteel.core.artefact import Draft
from firesteel.core.config import load_recipe
from firesteel.core.errors import MachineError, RecipeError
from firesteel.core.log import RunLog
from firesteel.stages import together
from firesteel.stages.stage import Job, Run
from firesteel.stages.worker import work

TOY = Path(__file__).parents[2] / "recipes" / "toy.toml"


class Here:
    """Launches nothing: the worker's part is done in this process, again and again until it is done."""

    def __init__(self, make: Callable[[Job], None]) -> None:
        self.make, self.started = make, 0

    def run(self, module: str, argument: str) -> int:
        """See Launcher."""
        self.started += 1
        assert module == "firesteel.stages.worker"
        try:
            work(json.loads(Path(argument).read_text(encoding="utf-8")), self.make)
        except SystemExit as e:
            assert isinstance(e.code, int)
            return e.code
        except OSError:
            return 128 + 9
        return 0


@pytest.fixture
def together_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Here, Job, list[str]]]:
    def together_by(make: Callable[[Job], None]) -> tuple[Here, Job, list[str]]:
        here, said = Here(make), list[str]()
        monkeypatch.setattr(together, "launcher", lambda settings: here)
        log = RunLog(tmp_path)
        monkeypatch.setattr(log, "say", said.append)
        for name in ("work", "draft"):
            (tmp_path / name).mkdir()
        run = Run(load_recipe(TOY), tmp_path, log, torch.device("cpu"))
        return here, Job(run, "pretrain", "k", tmp_path / "work", Draft(tmp_path / "draft", {})), said

    return together_by


def test_a_mistake_of_the_users_is_told_once_and_not_tried_again(together_by) -> None:
    def make(job: Job) -> None:
        raise RecipeError("parallel.tensor does not fit the model", value=2, why="one head", hint="two heads")

    here, job, said = together_by(make)
    with pytest.raises(RecipeError, match=r"parallel\.tensor does not fit") as told:
        together.make_together(job)
    assert (told.value.exit_code, told.value.why, told.value.hint) == (2, "one head", "two heads")
    assert here.started == 1 and "a worker died" not in "".join(said)


def test_what_died_is_started_again_and_its_statistics_are_taken_over(together_by) -> None:
    def make(job: Job) -> None:
        if here.started < 3:
            raise OSError("killed")
        job.draft.stats["steps"] = 6

    here, job, said = together_by(make)
    together.make_together(job)
    assert here.started == 3 and job.draft.stats == {"steps": 6}
    assert sum("a worker died (signal SIGKILL)" in line for line in said) == 2


def test_what_keeps_dying_is_given_up(together_by) -> None:
    def make(job: Job) -> None:
        raise OSError("killed")

    here, job, _ = together_by(make)
    with pytest.raises(MachineError, match="keep dying"):
        together.make_together(job)
    assert here.started == 1 + job.recipe.parallel.max_restarts
