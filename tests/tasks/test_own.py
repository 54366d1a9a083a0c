"""A newcomer's task: ten lines that work, and a sentence that helps for each mistake."""

import json

import pytest
from typer.testing import CliRunner

from firesteel.core.errors import RecipeError, UserError
from firesteel.tasks.table import get_task

HEAD = "import random\nfrom firesteel.tasks import Draw, Found, Problem, Task\n"
BOXES = HEAD + (
    "def boxes(draw):\n    '''Pens in boxes.'''\n    n, each = draw.rng.randint(2, 9 * draw.level), draw.rng.randint(2, 9)\n"
    "    return Problem(f'There are {n} boxes with {each} pens each. How many pens?', answer=n * each)\n"
)
NEW = "{draw.rng.randint(1, 999)}?"
PLAIN = f"def boxes(draw):\n    return Problem(f'{NEW}', 1)\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "my_tasks.py"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_ten_lines_make_a_task(write):
    task = get_task(write(BOXES) + ":boxes@2")
    assert (task.name, task.about, task.usual) == ("my_tasks:boxes", "Pens in boxes.", (2, 2))
    (problem,) = task.problems("test", 0, 0, 1)
    assert problem.verify(problem, str(problem.answer)).reward == 1
    assert task.problems("train", 0, 0, 20) == task.problems("train", 0, 0, 20)


def test_what_it_says_of_itself(write):
    file = write(
        BOXES
        + "boxes.levels = 3\nboxes.usual = (1, 3)\nboxes.languages = ('en',)\nALL = Task('all', boxes, levels=2)\n"
    )
    task = get_task(f"{file}:boxes")
    assert (task.levels, task.usual, task.languages) == (3, (1, 3), ("en",))
    assert get_task(f"{file}:ALL").levels == 2
    with pytest.raises(RecipeError, match="levels 1 to 2"):
        get_task(f"{file}:ALL@3")


def test_a_verifier_of_ones_own_may_say_true_or_false(write):
    even = "def boxes(draw):\n    return Problem(f'An even number above {draw.rng.randint(1, 999)}?', answer=None, verify=even)\n"
    task = get_task(
        write(HEAD + even + "def even(problem, reply):\n    return reply.isdigit() and int(reply) % 2 == 0\n")
        + ":boxes"
    )
    problem = task.problem("train", 0, 0)
    assert [problem.verify(problem, reply).reward for reply in ("4", "5", "x")] == [1, 0, 0]


@pytest.mark.parametrize(
    "body,message",
    [
        ("def boxes():\n    return 1", "called with one argument"),
        ("def boxes(draw, more):\n    return 1", "called with one argument"),
        ("def boxes(draw):\n    return 'How many?'", "returned str"),
        ("def boxes(draw):\n    pass", "returned NoneType"),
        ("def boxes(draw):\n    return 1 / 0", r"ZeroDivisionError.*my_tasks.py, line 4"),
        ("def boxes(draw):\n    return Problem('', 1)", "question is not a text"),
        ("def boxes(draw):\n    return Problem(5, 1)", "question is not a text"),
        ("def boxes(draw):\n    return Problem('?', None)", "NoneType None"),
        ("def boxes(draw):\n    return Problem('?', True)", "bool True"),
        ("def boxes(draw):\n    return Problem('?', {1, 2})", "cannot be written as JSON"),
        ("def boxes(draw):\n    return Problem('?', [1, 2])", "list \\[1, 2\\]"),
        ("def boxes(draw):\n    return Problem('?', float('nan'))", "cannot be written as JSON"),
        ("def boxes(draw):\n    return Problem('?', '')", "does not accept the task's own answer"),
        ("def boxes(draw):\n    return Problem('One?', 1)", r"gave 1 different ones.*tests"),
        ("def boxes(draw):\n    return Problem(f'{draw.rng.randint(1, 9)}?', 1)", "too few different questions"),
        ("def boxes(draw):\n    return Problem(f'{random.random()}?', 1)", "draw.rng is the only source of chance"),
        (
            "def boxes(draw):\n    return Problem(f'{draw.rng.random()}?', 1, verify=lambda p, r: r[5])",
            "verifier fails",
        ),
        (
            "def boxes(draw):\n    return Problem(f'{draw.rng.random()}?', 1, verify=lambda p, r: 'yes')",
            "does not return a Found",
        ),
        ("import sys\ndef boxes(draw):\n    sys.exit(0)", "the task fails.*SystemExit"),
        ("raise SystemExit(0)", "cannot be run.*SystemExit"),
        (
            f"def boxes(draw):\n    return Problem(f'{NEW}', 1, verify=quit)\ndef quit(p, r):\n    exit()",
            "verifier fails",
        ),
        (f"def boxes(draw):\n    return Problem(f'\\ud800 {NEW}', 1)", "cannot be written as UTF-8"),
        (
            f"def boxes(draw):\n    return Problem(f'{NEW}', 1, reply='It is 2.')",
            "worked solution is not right.*'It is 2.'",
        ),
        (f"def boxes(draw):\n    return Problem(f'{NEW}', 1, tools='calculator')", "tools are a tuple of names"),
        (
            f"def boxes(draw):\n    return Problem(f'{NEW}', 1, tools=('calculator',), calls=('2*3',))",
            "not made of texts",
        ),
        (
            "from firesteel.tasks import Called\ndef boxes(draw):\n"
            f"    call = Called('calculator', {{'expression': '2*3'}}, '5')\n"
            f"    return Problem(f'{NEW}', 6, 'x', '6', tools=('calculator',), calls=(call,))",
            "another result.*says '6', not '5'",
        ),
        (f"{PLAIN}boxes.levels = 0", "levels are a number from 1 on"),
        (f"{PLAIN}boxes.levels = '3'", "levels are a number from 1 on"),
        (f"{PLAIN}boxes.usual = 2", r"usual levels are two.*usual = \(1, 99\)"),
        (f"{PLAIN}boxes.levels, boxes.usual = 3, (3, 1)", "usual levels are two"),
        (f"{PLAIN}boxes.languages = 'zh'", "languages are a tuple of names"),
        (f"{PLAIN}boxes.level = 3", "no such thing.*did you mean 'levels'"),
        ("boxes = 5", "defines no function"),
        ("def boxs(draw):\n    return 1", "did you mean 'boxs'"),
        ("def def", "cannot be run: .*my_tasks.py\nwhy: SyntaxError"),
        ("import not_there", "ModuleNotFoundError"),
    ],
)
def test_a_newcomers_mistake_is_explained(write, body, message):
    with pytest.raises(RecipeError, match=f"(?s){message}") as told:
        get_task(write(HEAD + body + "\n") + ":boxes").problems("train", 0, 0, 3)
    assert told.value.exit_code == 2


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match="relative to the recipe's folder"):
        get_task(f"{tmp_path}/none.py:boxes")


def test_more_questions_than_there_are(write):
    small = HEAD + "def boxes(draw):\n    return Problem(f'{draw.rng.randint(1, 30)}?', 1)\n"
    with pytest.raises(UserError, match="ask for fewer"):
        get_task(write(small) + ":boxes").distinct("test", 0, 50)


def shown(*arguments):
    from firesteel.cli import app

    return CliRunner().invoke(app, ["task", *arguments])


def test_the_command_shows_a_task_and_judges_an_answer(write):
    file = write(BOXES)
    found = shown(f"{file}:boxes", "--count", "1", "--level", "3", "--answer", "The answer is 7.", "--json")
    assert found.exit_code == 0, found.output
    facts = json.loads(found.stdout)
    (problem,) = facts["problems"]
    assert problem["level"] == 3 and problem["judged"] == {
        "reward": 0,
        "reason": "wrong",
        "parsed": "7",
        "trick": False,
    }
    page = shown("knights/en", "--level", "2", "--count", "2").stdout
    assert page.count("worked: ") == 2 and "level 2" in page and page.count("it earns 1: right") == 2
    assert "logic-grid" in shown().stdout
