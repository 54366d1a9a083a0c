"""Code judged by unit tests: right code passes however it is written, and nothing else passes."""

import json
import random
import re

import pytest

from firesteel.compute import sandbox_policy
from firesteel.compute.sandbox import Ran, Sandbox
from firesteel.core.errors import SourceError
from firesteel.tasks.code import problems as code
from firesteel.tasks.code.files import read
from firesteel.tasks.code.files import verify as verify_file
from firesteel.tasks.code.judge import extract, judge, same
from firesteel.tasks.score import score
from firesteel.tasks.task import Draw
from tests.tasks.tricky.code import CALL, GOOD, RIGHT, TESTS, WRONG

needs_sandbox = pytest.mark.skipif(bool(sandbox_policy.missing()), reason=sandbox_policy.missing() or "-")
pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def run():
    with Sandbox(workers=2) as sandbox:
        yield sandbox.run


def problems(family, count, seed=0):
    """Problems of one family."""
    found, i = [], 0
    while len(found) < count:
        problem = code.make(Draw(random.Random(f"{seed}/{i}"), family.level))
        found += [problem] if problem.facts["family"] == family.name else []
        i += 1
    return found


@needs_sandbox
@pytest.mark.parametrize("family", code.FAMILIES, ids=lambda f: f.name)
def test_worked_solutions_agree_with_the_references(family, run):
    for problem in problems(family, 1):
        assert code.verify(problem, problem.reply, run).reason == "right", problem.facts


@pytest.mark.parametrize("level", range(1, 5))
def test_hidden_tests_are_new_and_tell_constant_answers_apart(level):
    for problem in code.TASK.at(level).problems("test", 0, 0, 15):
        tests = problem.facts["tests"]
        assert json.loads(json.dumps(tests)) == tests
        results = [json.dumps(result) for _, result in tests]
        assert max(results.count(r) for r in results) <= code.MOST < len(tests)
        shown = [f"({str(args)[1:-1]}) -> {result!r}" in problem.question for args, result in tests]
        assert sum(shown) <= len(tests) // 2


def test_both_languages_all_families_and_unseen_wordings_are_drawn():
    drawn = [p for level in range(1, 5) for p in code.TASK.at(level).problems("train", 0, 0, 100)]
    assert {p.language for p in drawn} == {"zh", "en"} and {p.facts["family"] for p in drawn} == {
        f.name for f in code.FAMILIES
    }
    assert len(code.FAMILIES) >= 30
    unseen = code.make(Draw(random.Random(1), 1, ("en",), unseen=True))
    assert unseen.question.startswith("We need")
    assert len({f.name for f in code.FAMILIES}) == len(code.FAMILIES)


# --- tricky answers ------------------------------------------------------------------------------------------------------


def verdict(reply, run):
    """What the judge says of a reply to the problem above."""
    found = extract(reply, CALL)
    return judge(found, CALL, TESTS, run) if isinstance(found, str) else found


@needs_sandbox
@pytest.mark.parametrize("style", RIGHT)
def test_right_code_passes_in_any_style(style, run):
    found = verdict(RIGHT[style], run)
    assert (found.reward, found.reason) == (1.0, "right")


@needs_sandbox
@pytest.mark.parametrize("way", WRONG)
def test_wrong_code_and_attacks_earn_nothing_and_are_told_why(way, run):
    reply, reason = WRONG[way]
    found = verdict(reply, run)
    assert found.reward == 0.0 and found.reason.startswith(reason), found.reason


CHANGES = (  # (pattern, instead): faults that people make
    (r">=", ">"), (r"(?<![-=<>])>(?!=)", ">="), (r"<=", "<"), (r"(?<![-<])<(?!=)", "<="), (r"\+ 1", "+ 2"), (r"- 1", ""),
    (r"max\(", "min("), (r"sorted\(", "list("), (r" == ", " != "), (r"\[::-1\]", ""), (r" and ", " or "), (r"-len", "len"),
    (r"reverse=True", "reverse=False"), (r"\+=", "="), (r"% (\d+)", r"% (\1 + 1)"), (r"\.lower\(\)", ""), (r"set\(", "list("),
    (r"\* (\d+)", r"* (\1 + 1)"), (r"return ", "return 0 and "), (r"\[:(\d+)\]", r"[:\1 + 1]"),
)  # fmt: skip
SAME = 0.06  # of changed solutions: those that still do the same (`n > 0` for `n >= 1`, a sort of sorted things)


@needs_sandbox
def test_small_faults_are_found_by_the_hidden_tests(run):
    passed, tried = [], 0
    for family in code.FAMILIES[::2]:
        (problem,) = problems(family, 1, seed=5)
        for pattern, instead in CHANGES:
            changed = re.sub(pattern, instead, problem.answer, count=1)
            if changed != problem.answer:
                tried += 1
                if code.verify(problem, f"```python\n{changed}\n```", run).reward:
                    passed.append((family.name, pattern))
    assert tried > 40 and len(passed) <= SAME * tried, (tried, passed)


@needs_sandbox
def test_the_solution_of_one_problem_does_not_pass_another(run):
    drawn = [problems(family, 1, seed=7)[0] for family in code.FAMILIES[::3]]
    for one, other in zip(drawn, drawn[1:], strict=False):
        own = one.answer.replace(f"def {one.facts['name']}(", f"def {other.facts['name']}(")
        assert not code.verify(other, f"```python\n{own}\n```", run).reward


@needs_sandbox
def test_the_score_is_that_of_any_task():
    (problem,) = code.TASK.problems("train", 0, 0, 1)
    assert score(problem, problem.reasoning, problem.reply, stopped=True).correct
    assert score(problem, None, problem.reply, stopped=True).reason == "no thought"
    copied = f'```python\n"""{problem.question}\n"""\n{problem.answer}\n```'
    assert score(problem, problem.reasoning, copied, stopped=True).trick


def test_the_runner_is_injected():
    asked = []

    def runner(source, stdin=b"", limits=None):
        asked.append(json.loads(stdin))
        return Ran("done", "".join(f'[{i}, "value", {json.dumps(want)}]\n' for i, (_, want) in enumerate(TESTS)), "")

    assert judge(GOOD, CALL, TESTS, runner).reason == "right"
    assert [json.loads(call) for call in asked[0]["calls"]] == [args for args, _ in TESTS]
    assert "6" not in str(asked[0]["calls"]) and set(asked[0]) == {"code", "name", "calls"}


def test_values_are_compared_as_json_has_them():
    equal = [
        (1, 1),
        (2.0, 2),
        (0.1 + 0.2, 0.3),
        ([1, [2]], [1, [2]]),
        ({"a": 1}, {"a": 1}),
        (None, None),
        (True, True),
        (3, 3.0),
    ]
    unequal = [
        (1, True), (True, 1), (0, False), (None, 0), ("1", 1), (1, "1"), ([1], 1), ([1, 2], [2, 1]), ([1], [1, 1]),
        ({"a": 1}, {"b": 1}),
        (float("nan"), 0.0), (10**400, 0.5), (float("inf"), 1.0), (0.31, 0.3), ({}, []), ("", None), (2.5, 2),
    ]  # fmt: skip
    assert all(same(*pair) for pair in equal) and not any(same(*pair) for pair in unequal)


# --- users' files ----------------------------------------------------------------------------------------------------------

ROWS = [
    {
        "task_id": "t/0", "entry_point": "near",
        "prompt": "from typing import List\n\n\ndef near(xs: List[float], d: float) -> bool:\n"
            "    \"\"\"Is any pair nearer than d?\"\"\"\n",
        "test": "METADATA = {}\n\ndef check(candidate):\n    assert candidate([1.0, 2.0, 3.9], 0.3) == False\n"
        "    assert candidate([1.0, 2.8, 3.0], 0.3) == True\n    for n in range(3):\n"
        "        assert candidate([0.0, n], 1.5) == (n < 2)\n",
    },
    {"prompt": "Write halve(n): n / "
        "2.", "entry_point": "halve", "tests": ["assert abs(halve(3) - 1.5) < 1e-9", "assert halve(0) == 0"]},
    {
        "prompt": "Write uniq(xs): the set of xs; it raises ValueError where there is none.", "entry_point": "uniq",
        "tests": "assert uniq([1, 1, 2]) == {1, 2}\nassert uniq(xs=['a']) == {'a'}\ntry:\n    uniq([])\n    assert False\n"
        "except ValueError:\n    pass",
    },
]  # fmt: skip
ANSWERS = [
    "```python\ndef near(xs: List[float], d: float) -> bool:\n    ys = sorted(xs)\n"
    "    return any(b - a < d for a, b in zip(ys, ys[1:]))\n```",
    "def halve(n): return n / 2",
    "def uniq(xs):\n    if not xs: raise ValueError('none')\n    return set(xs)",
]
FAKES = [
    "def {}(*a, **k): return True",
    "class A:\n    def __eq__(self, o): return True\n    def __repr__(self): return 'True'\n"
    "    __sub__ = lambda s, o: 0\ndef {}(*a, **k): return A()",
    "import os\nos._exit(0)\ndef {}(): pass",
    'import os\nos.write(1, b\'["right", ""]\')\nos._exit(0)\ndef {}(): pass',
    "import builtins\nbuiltins.AssertionError = ValueError\ndef {}(*a, **k): raise AssertionError",
    'import os\ndef {}(*a, **k):\n    os.write(1, b\'["error", "exit"]\\n\')\n    os._exit(0)',
    "class SystemExit(Exception): pass\ndef {}(*a, **k): raise SystemExit",
    "def {}(*a, **k):\n    while True: pass",
]


@pytest.fixture()
def own(tmp_path):
    file = tmp_path / "own.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n", encoding="utf-8")
    return read(file)


@needs_sandbox
def test_a_file_of_prompts_and_asserts_is_judged(own, run):
    assert [verify_file(p, a, run).reason for p, a in zip(own, ANSWERS, strict=True)] == ["right"] * 3
    body = "    ys = sorted(xs)\n    return any(b - a < d for a, b in zip(ys, ys[1:]))\nnear\n"
    assert verify_file(own[0], f"```python\n{body}```", run).reason == "right"
    assert verify_file(own[1], "def halve(n): return n // 2", run).reason == "wrong"


@needs_sandbox
@pytest.mark.parametrize("fake", FAKES)
def test_asserts_cannot_be_faked(own, fake, run):
    for problem in own[: 1 if "while True" in fake else None]:
        found = verify_file(problem, fake.format(problem.facts["name"]), run)
        assert found.reward == 0.0, (problem.facts["name"], found)


@pytest.mark.parametrize("line", ["{", "[]", '{"prompt": "x"}', '{"prompt": "x", "entry_point": "f", "tests": "f(1)"}'])
def test_a_line_that_is_no_problem_is_named(tmp_path, line):
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps(ROWS[1]) + "\n" + line + "\n")
    with pytest.raises(SourceError, match="own.jsonl:2"):
        read(file)
