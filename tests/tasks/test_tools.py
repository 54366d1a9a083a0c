"""Tools for models: the calculator knows its arithmetic and its bounds, programs run in the sandbox, faults come back as text."""

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.compute import sandbox_policy
from firesteel.compute.sandbox import Ran
from firesteel.tasks import tools
from firesteel.tasks.tools import OUTPUT, TOOLS, python

calculator = TOOLS["calculator"]


def value(expression):
    return calculator.run({"expression": expression})


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1+2*3", "7"), ("(1+2)*3", "9"), ("2**3**2", "512"), ("-2**2", "-4"), ("2**-1", "0.5"), ("7//2", "3"), ("-7//2", "-4"),
        ("-7 % 3", "2"), ("6/4", "1.5"), ("6/3", "2"), ("0.1+0.2", "0.3"), (".5*4", "2"), ("--3", "3"),
        ("3 × 4 ÷ 2", "6"), ("（1＋2）*2", "6"), ("10**40", "1" + "0" * 40), ("1/3", "0.333333333333"), (" 5 ", "5"),
        ("9-3-2", "4"),
        ("8/4/2", "1"), ("2 * -3", "-6"), ("1e3".replace("e", "*10**"), "1000"), ("007", "7"),
    ],
)  # fmt: skip
def test_it_works_out_what_python_would(expression, result):
    assert value(expression) == result


@pytest.mark.parametrize(
    "expression",
    [
        "", "1+", "(1", "1)", "2 3", "a", "1/0", "5%0", "5//0", "9**9**9", "10**10**10", "2**5000", "(2**4000)*(2**4000)",
        "1.5**99999",
        "(-8)**0.5", "0**-1", "__import__('os')", "1" * 500, "(" * 100 + "1" + ")" * 100, "-" * 300 + "1", "1;2",
        "2**(2**(2**(2**9)))",
        "10**308*10.0**308", "1..2", "²", "1,000",
    ],
)  # fmt: skip
def test_what_cannot_be_worked_out_is_told_at_once(expression):
    begun = time.perf_counter()
    assert value(expression).startswith("error: ")
    assert time.perf_counter() - begun < 10.0


whole = st.integers(-999, 999)


@given(whole, whole, whole, st.sampled_from("+-*"), st.sampled_from("+-*"))
def test_it_agrees_with_integers(a, b, c, first, second):
    signs = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    inner = signs[second](b, c)
    assert value(f"({a}) {first} ({b}{second}({c}))") == str(signs[first](a, inner))


@given(st.text("0123456789+-*/%(). ", max_size=40))
def test_any_text_gives_a_number_or_an_error(text):
    said = value(text)
    assert said.startswith("error: ") or float(said) is not None


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
@pytest.mark.parametrize(
    "arguments", [{}, {"other": "1"}, {"expression": 1, "code": 1}, {"expression": "1", "code": "1", "x": "1"}]
)
def test_arguments_that_do_not_fit_are_told(tool, arguments):
    assert tool.run(arguments).startswith("error: the arguments are ")


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_schemas_are_as_openai_has_them(tool):
    schema = json.loads(json.dumps(tool.schema()))
    assert schema["type"] == "function" and schema["function"]["name"] == tool.name
    assert schema["function"]["parameters"]["required"] == list(schema["function"]["parameters"]["properties"])


@pytest.mark.skipif(bool(sandbox_policy.missing()), reason=sandbox_policy.missing() or "-")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print(6 * 7)", "42"), ("6 * 7", "(no output; print what you want to "
            "see)"), ("print(1)\n1/0", "ZeroDivisionError: division by zero"),
        ("open('/etc/passwd')", "PermissionError: [Errno 1] Operation not permitted: "
            "'/etc/passwd'"), ("while True: pass", "error: time"),
        ("while True: print('x' * 100)", "error: too much output"), ("print('早')", "早"),
    ],
)  # fmt: skip
def test_programs_run_in_the_sandbox(code, said, monkeypatch):
    monkeypatch.setattr(tools, "LIMITS", replace(tools.LIMITS, cpu_seconds=1))
    result = TOOLS["python"].run({"code": code})
    assert result.endswith(said) and len(result) < OUTPUT + 100


def test_long_results_are_cut_and_say_so():
    tool = python(lambda source, stdin=b"", limits=None: Ran("done", "x" * 5000, ""))
    said = tool.run({"code": "-"})
    assert said == "x" * OUTPUT + "\n[cut: 3000 more characters]"
