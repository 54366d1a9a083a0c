"""Code problems from a user's file: JSON lines of {prompt, tests} as HumanEval has them, judged so that no answer can fake it.

    {"prompt": "def add(a, b):\\n", "entry_point": "add", "test": "def check(candidate):\\n assert candidate(1, 2) == 3"}
    {"prompt": "Write add(a, b).", "entry_point": "add", "tests": ["assert add(1, 2) == 3"]}

`prompt` is the question; `tests` (or `test`, `test_list`) asserts about `candidate` or the function itself. The tests and the
answer run in different cages. Where a test calls the function, the call's arguments go to the answer's cage and its result
comes back as text; so the answer never sees a test, and the tests never share a process with what they judge. Arguments and
results are copies, of what Python literals can write. Each round of calls starts the answer anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firesteel.compute.sandbox import run as run_in_sandbox
from firesteel.core.errors import SourceError
from firesteel.tasks.answers import Found
from firesteel.tasks.code.judge import LIMITS, Runner, extract
from firesteel.tasks.task import Problem

ROUNDS = 200  # of calls that the tests make one after another, each knowing what the last one gave
ANSWER = """
import json, os, sys, types
def main():
    given = json.load(sys.stdin)
    sys.stdout = sys.stderr
    sys.modules["answer"] = types.ModuleType("answer")
    space = sys.modules["answer"].__dict__
    exec(compile(given["code"], "answer.py", "exec"), space)
    from ast import literal_eval
    for text in given["calls"]:
        args, named = literal_eval(text)
        try:
            line = ["value", repr(space[given["name"]](*args, **named))]
        except Exception as e:
            line = ["error", type(e).__name__]
        os.write(1, (json.dumps(line) + "\\n").encode())
main()
"""
TESTS = """
import ast, builtins, json, os, sys
class Unknown(BaseException): pass
def main():
    given = json.load(sys.stdin)
    sys.stdout = sys.stderr
    name, known, asked = given["name"], given["known"], []
    def say(*line):
        os.write(1, json.dumps(line).encode())
        os._exit(0)
    def candidate(*args, **named):
        key = repr((args, named))
        if key not in known:
            asked.append(key)
            raise Unknown
        kind, text = known[key]
        if kind == "error":
            error = vars(builtins).get(text)
            raise (error if isinstance(error, type) and issubclass(error, Exception) else RuntimeError)(text)
        return ast.literal_eval(text)
    tree = ast.parse(given["tests"])
    if not known:  # calls of constants are known before anything runs, so that most tests need one round
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in (name, "candidate"):
                try:
                    args = tuple(ast.literal_eval(each) for each in node.args)
                    asked.append(repr((args, {each.arg: ast.literal_eval(each.value) for each in node.keywords})))
                except ValueError:
                    pass
        if asked:
            say("calls", asked)
    space = {"__name__": "tests", name: candidate, "candidate": candidate}
    try:
        exec(compile(tree, "tests.py", "exec"), space)
        if "check" in space:
            space["check"](candidate)
    except Unknown:
        say("calls", asked)
    except AssertionError as e:
        say("wrong", str(e)[:100])
    except BaseException as e:
        say("error", f"{type(e).__name__}: {e}"[:200])
    say("calls", asked) if asked else say("right", "")
main()
"""


def read(path: str | Path) -> list[Problem]:
    """The problems of a file of JSON lines. Raises SourceError with the line that is none."""
    path = Path(path)
    if not path.is_file():
        raise SourceError("no such file of code problems", value=path)
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_problem(f"{path}:{i}", line) for i, line in enumerate(lines, 1) if line.strip()]


def _problem(where: str, line: str) -> Problem:
    try:
        row = json.loads(line)
        prompt = str(row["prompt"])
        tests = next(row[key] for key in ("tests", "test", "test_list") if key in row)
        name = row["entry_point"]
    except (ValueError, KeyError, TypeError, StopIteration) as e:
        hint = 'each line is {"prompt": ..., "entry_point": the function\'s name, "tests": asserts}'
        raise SourceError("not a code problem", value=where, why=f"{type(e).__name__}: {e}", hint=hint) from e
    tests = tests if isinstance(tests, str) else "\n".join(tests)
    if "assert" not in tests or not prompt:
        raise SourceError("a code problem asks nothing, or asserts nothing", value=where)
    solution = str(row.get("canonical_solution", ""))
    return Problem(prompt, solution, verify=verify, facts={"name": name, "tests": tests, "prompt": prompt})


def verify(problem: Problem, reply: str, run: Runner = run_in_sandbox) -> Found:
    """Verifier: all asserts hold of the function in the reply. Raises MachineError where untrusted code cannot run."""
    name, prompt = problem.facts["name"], str(problem.facts["prompt"])
    code = extract(reply, name)
    if isinstance(code, Found):
        return code
    if prompt.lstrip().startswith(("def ", "from ", "import ", "@", "class ")) and f"def {name}" not in code:
        code = prompt + code  # the prompt is the head of the function, and the reply goes on from it
    elif "import " in prompt and prompt.lstrip().startswith(("from ", "import ")):
        head = [line for line in prompt.splitlines() if line.startswith(("from ", "import "))]
        code = "\n".join([*head, code])  # what the head imports is there for the function as well
    return check(code, name, problem.facts["tests"], run)


def check(code: str, name: str, tests: str, run: Runner = run_in_sandbox) -> Found:
    """Run tests in one cage against the function in another; the reasons are those of judge.judge."""
    known: dict[str, Any] = {}
    for _ in range(ROUNDS):
        ran = run(TESTS, json.dumps({"name": name, "known": known, "tests": tests}).encode(), LIMITS)
        if ran.outcome != "done" or not ran.stdout:
            return Found(0.0, f"error: the tests do not run: {ran.why}", code)
        kind, said = json.loads(
            ran.stdout
        )  # written by our own text, with nothing of the answer in its process but literals
        if kind == "right":
            return Found(1.0, "right", code)
        if kind != "calls":
            return Found(0.0, "wrong" if kind == "wrong" else f"error: {said}", code)
        calls = [call for call in dict.fromkeys(said) if call not in known]
        answers = _answers(code, name, calls, run)
        if isinstance(answers, Found):
            return answers
        known |= answers
    return Found(0.0, "error: the tests call the function too often", code)


def _answers(code: str, name: str, calls: Sequence[str], run: Runner) -> dict[str, Any] | Found:
    """What the function gave for each call, as text; or why it did not."""
    ran = run(ANSWER, json.dumps({"code": code, "name": name, "calls": calls}).encode(), LIMITS)
    lines = ran.stdout.splitlines()
    if ran.outcome != "done" or len(lines) != len(calls):
        return Found(0.0, {"time": "time", "output": "too much output"}.get(ran.outcome, f"error: {ran.why}"), code)
    try:
        found = [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        found = []
    if not found or not all(
        isinstance(f, list) and [type(x) for x in f] == [str, str] and f[0] in ("value", "error") for f in found
    ):
        return Found(0.0, "error: it writes results of its own", code)
    return dict(zip(calls, found, strict=True))
