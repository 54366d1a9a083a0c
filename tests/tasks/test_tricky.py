"""Every verifier against its table of tricky answers: nothing wrong is rewarded, and little that is right is refused."""

import functools
import importlib
from pathlib import Path

import pytest

from firesteel.tasks.answers import exact
from firesteel.tasks.measure import cases, rates, table
from firesteel.tasks.task import Problem

FOLDER = Path(__file__).parent / "tricky"
MODULES = [importlib.import_module(f"tests.tasks.tricky.{file.stem}") for file in sorted(FOLDER.glob("*.py"))]
TABLES = {name: found for module in MODULES for name, found in module.TABLES.items()}
MAY_REJECT = {name: share for module in MODULES for name, share in getattr(module, "MAY_REJECT", {}).items()}
MAY_ACCEPT = {name: most for module in MODULES for name, most in getattr(module, "MAY_ACCEPT", {}).items()}
LEAST = 15  # cases of each side


@functools.cache
def rated(name):
    """The rates of a table; once, for programs and formulas take seconds."""
    return rates(TABLES[name])


@pytest.mark.parametrize("name", TABLES)
def test_a_verifier_rewards_nothing_wrong_and_refuses_little_that_is_right(name):
    found = rated(name)
    assert len(found.accepted) <= MAY_ACCEPT.get(name, 0), [(c.reply, c.problem.answer, c.note) for c in found.accepted]
    share = len(found.rejected) / found.right
    assert share <= MAY_REJECT.get(name, 0), [(c.reply, c.problem.answer, c.note) for c in found.rejected]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_enough_cases_and_none_twice(name):
    found = rated(name)
    assert found.right >= LEAST and found.wrong >= LEAST, (found.right, found.wrong)
    seen = [(c.problem.question, str(c.problem.answer), c.reply) for c in TABLES[name]]
    assert len(set(seen)) == len(seen), [s for s in seen if seen.count(s) > 1]


def test_the_rates_print_as_a_table():
    print("\n" + table({name: rated(name) for name in TABLES}))
    sure = cases(Problem("1+1=?", 2, verify=exact), right=["2", ("a pair", "in other words")], wrong=["3", "2 or 3"])
    found = rates(sure)
    assert (len(found.accepted), [c.reply for c in found.rejected]) == (0, ["a pair"])
    assert "| sums | 2 | 1 (50.0 %" in table({"sums": found})


def test_a_table_names_no_verifier_that_another_file_has():
    names = [name for module in MODULES for name in module.TABLES]
    assert len(set(names)) == len(names)
