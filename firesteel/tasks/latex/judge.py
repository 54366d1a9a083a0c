"""The program that asks math-verify whether two LaTeX texts mean the same; run alone, in a process that may be ended.

Reads lines {"gold": ..., "said": ...} and writes lines {"equal": true | false | null}; null: the gold cannot be read.
math-verify stops itself by SIGALRM, which works in a main thread only and takes away another's alarm; here it is told not to,
and whoever started this process ends it. Imports nothing of ours, so that it starts quickly.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from typing import Any

MEMORY = 2 << 30  # bytes


def equal(gold: str, said: str) -> bool | None:
    """Whether `said` means what `gold` does; None where the gold itself cannot be read."""
    from math_verify import parse, verify

    wanted = _mathematics(parse(f"${gold}$", parsing_timeout=None))
    if not wanted:
        return None
    found = _mathematics(parse(f"${said}$", parsing_timeout=None))
    return bool(found) and bool(verify(wanted, found, timeout_seconds=None))


def _mathematics(parsed: list[Any]) -> list[Any]:
    """What was understood; math-verify also returns the text itself, and compares texts where mathematics failed."""
    return [one for one in parsed if not isinstance(one, str)]


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.set_int_max_str_digits(4300)
    logging.disable(logging.CRITICAL)
    equal("1", "1")  # the first comparison imports most of sympy
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            found = equal(asked["gold"], asked["said"])
        except (Exception, RecursionError, MemoryError):
            found = False
        print(json.dumps({"equal": found}), flush=True)


if __name__ == "__main__":
    main()
