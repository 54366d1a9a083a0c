"""One process of a training stage that [parallel] parts among several: python -m firesteel.stages.worker FILE.

FILE says which stage of which run this is; together.py wrote it, and reads what is written beside it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from firesteel.compute.launch import die_with_parent
from firesteel.compute.mesh import joined
from firesteel.core.artefact import Draft, write_text
from firesteel.core.config import parse_recipe
from firesteel.core.errors import FiresteelError, told
from firesteel.core.log import RunLog
from firesteel.stages.stage import Job, Run
from firesteel.stages.team import own_device
from firesteel.stages.together import ERROR, STATS


def work(description: dict[str, Any], make: Callable[[Job], None]) -> None:
    """This process's part of a stage: join the others, do it, and (the first one) tell the statistics.

    An error that is not a lost neighbour's is written down, so that nobody starts the job again for it.
    """
    recipe, folder = parse_recipe(description["recipe"]), Path(description["work"])
    try:
        with joined(recipe.parallel, own_device(recipe)) as mesh:
            log = RunLog(Path(description["folder"]), Console(highlight=False), first=mesh.first)
            run = Run(recipe, Path(description["folder"]), log, mesh.device, mesh)
            job = Job(run, description["stage"], description["key"], folder, Draft(Path(description["draft"]), {}))
            make(job)
            if mesh.first:
                log.close()
                write_text(folder / STATS, json.dumps(job.draft.stats))
            mesh.barrier()
    except FiresteelError as e:
        write_text(folder / ERROR, json.dumps(told(e)))
        raise SystemExit(e.exit_code) from e


def main() -> None:
    """Do the part of the stage that the file and the launcher's environment name."""
    die_with_parent()
    description = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    from firesteel.stages.table import STAGES

    work(description, STAGES[description["stage"]].make)


if __name__ == "__main__":
    main()
