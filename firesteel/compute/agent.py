"""torchrun's agent as a process that ends with its parent: python -m firesteel.compute.agent PROCESSES MODULE ARGUMENT."""

from __future__ import annotations

import logging
import os
import sys

from firesteel.compute.launch import die_with_parent, own_id, torchrun_arguments


def main() -> None:
    """Start the workers, wait for them, and end with the exit code of one that died; they have said why themselves."""
    die_with_parent()
    os.environ |= own_id()  # of the workers' parent
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    processes, module, *arguments = sys.argv[1:]
    try:
        run.main(torchrun_arguments(int(processes), module, arguments))
    except ChildFailedError as e:
        code = e.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 128 - code)


if __name__ == "__main__":
    main()
