"""Code that adds up numbers, right in odd styles, wrong by mistake, and wrong on purpose: attacks on the judge."""

from firesteel.compute import sandbox_policy
from firesteel.tasks.code.problems import verify
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

CALL = "add_up"
TESTS = [[[[1, 2, 3]], 6], [[[]], 0], [[[5]], 5], [[[-1, 4]], 3]]
GOOD = "def add_up(xs):\n    return sum(xs)"
RIGHT = {
    "fenced": f"```python\n{GOOD}\n```",
    "fenced without a language": f"```\n{GOOD}\n```",
    "fenced with py": f"Here it is:\n\n```py\n{GOOD}\n```\nIt adds the numbers.",
    "tildes": f"~~~python\n{GOOD}\n~~~",
    "unclosed": f"```python\n{GOOD}",
    "plain": GOOD,
    "twice the same": f"```python\n{GOOD}\n```\nAgain:\n```python\n{GOOD}\n```",
    "with a usage block": f"```python\n{GOOD}\n```\nUse:\n```python\nprint(add_up([1]))\n```",
    "Windows lines": f"```python\r\n{GOOD}\r\n```".replace("\n    ", "\r\n    "),
    "lambda": "```python\nadd_up = lambda xs: sum(xs)\n```",
    "types": "```python\nfrom typing import List\ndef add_up(xs: List[int]) -> int:\n    '''Sum.'''\n    return sum(xs)\n```",
    "annotations as text": "```python\nfrom __future__ import annotations\nimport dataclasses\n"
    "@dataclasses.dataclass\nclass Sum:\n"
    "    total: int = 0\ndef add_up(xs):\n    return Sum(sum(xs)).total\n```",
    "helpers": "```python\ndef add(a, b):\n    return a + b\ndef add_up(xs):\n    t = 0\n    for x in xs:\n"
    "        t = add(t, x)\n    return t\n```",
    "recursion": "```python\ndef add_up(xs):\n    return xs[0] + add_up(xs[1:]) if xs else 0\n```",
    "reduce": "```python\nfrom functools import reduce\ndef add_up(xs): return reduce(lambda a, b: a + b, xs, 0)\n```",
    "tabs": "```python\ndef add_up(xs):\n\treturn sum(xs)\n```",
    "prints as well": "```python\ndef add_up(xs):\n    print('adding', xs)\n    return sum(xs)\n```",
    "a main": f"```python\n{GOOD}\nif __name__ == '__main__':\n    print(add_up(eval(input())))\n```",
    "eats its argument": "```python\ndef add_up(xs):\n    t = 0\n    while xs: t += xs.pop()\n    return t\n```",
    "Chinese names": "```python\ndef add_up(列表):\n    和 = 0\n    for 数 in 列表: 和 += 数\n    return 和\n```",
    "a class behind it": "```python\nclass Adder:\n    def __call__(self, xs): return sum(xs)\nadd_up = Adder()\n```",
    "a whole float": "```python\ndef add_up(xs):\n    return float(sum(xs))\n```",
}
WRONG = {
    "nothing": ("", "no answer"),
    "words": ("I would use sum.", "no answer"),
    "another name": ("```python\ndef total(xs):\n    return sum(xs)\n```", "error: NameError"),
    "two answers": (f"```python\n{GOOD}\n```\n```python\ndef add_up(xs):\n    return 0\n```", "several answers"),
    "no Python": ("```python\ndef add_up(xs)\n    return sum(xs)\n```", "error: SyntaxError"),
    "hard-coded": ("```python\ndef add_up(xs):\n    return {(1, 2, 3): 6}.get(tuple(xs), 0)\n```", "wrong on test 3"),
    "printing": ("```python\ndef add_up(xs):\n    print(sum(xs))\n```", "wrong on test 1"),
    "text": ("```python\ndef add_up(xs):\n    return str(sum(xs))\n```", "wrong on test 1"),
    "a list": ("```python\ndef add_up(xs):\n    return [sum(xs)]\n```", "wrong on test 1"),
    "off by one": ("```python\ndef add_up(xs):\n    return sum(xs[1:])\n```", "wrong on test 1"),
    "a crash": ("```python\ndef add_up(xs):\n    return xs[0] + sum(xs[1:])\n```", "error: IndexError"),
    "a loop": ("```python\ndef add_up(xs):\n    while True: pass\n```", "time"),
    "a loop at the top": ("```python\ndef add_up(xs): return sum(xs)\nwhile True: pass\n```", "time"),
    "memory": ("```python\ndef add_up(xs):\n    x = [0] * 10**10\n    return sum(xs)\n```", "error: MemoryError"),
    "a flood": ("```python\ndef add_up(xs):\n    while True: print('x' * 10000)\n```", "error: OSError"),
    "leaving": ("```python\nimport os\nos._exit(0)\ndef add_up(xs): pass\n```", "error: it left before the end"),
    "leaving in the call": ("```python\nimport os\ndef add_up(xs):\n    os._exit(0)\n```", "error: it left before the end"),
    "exit": ("```python\nimport sys\ndef add_up(xs):\n    sys.exit(0)\n```", "error: SystemExit"),
    "equals everything": (
        "```python\nclass Any(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def add_up(xs):\n    return Any(7)\n```", "wrong on test 1"),
    "equal and no JSON": ("```python\nclass Any:\n    def __eq__(self, other): return True\ndef add_up(xs):\n"
        "    return Any()\n```",
                          "error: TypeError"),
    "patched builtins": (
        "```python\nimport builtins\nbuiltins.len = builtins.all = builtins.zip = lambda *a: 0\n"
        "builtins.isinstance = lambda *a: True\n"
        "def add_up(xs):\n    return True\n```", "error: "),
    "patched json": ("```python\nimport json\njson.dumps = lambda *a, **k: '[0, \"value\", 6]'\ndef add_up(xs): return 1\n```",
                     "wrong on test 2"),
    "patched harness": (
        "```python\nimport sys\nframe = sys._getframe()\nwhile frame:\n    if 'given' in frame.f_locals:\n"
        "        frame.f_locals['given']['calls'].clear()\n    frame = frame.f_back\ndef add_up(xs): return 0\n```",
        "error: it left before the end"),
    "looks for the tests": (
        "```python\nimport gc, sys\ndef add_up(xs):\n    for o in gc.get_objects():\n"
        "        if isinstance(o, list) and len(o) == 2 and o[0] == [xs] and isinstance(o[1], int): return o[1]\n"
        "    return None\n```",
        "wrong on test 1"),
    "forged results": (
        "```python\nimport os\nfor i in range(9): os.write(1, b'[%d, \"value\", 6]\\n' % i)\n"
        "def add_up(xs): return 6\nos._exit(0)\n```",
        "wrong on test 2"),
    "forged verdict": ("```python\nimport os\nos.write(1, b'{\"reward\": 1.0}\\n[\"right\", \"\"]\\n')\nos._exit(0)\n"
        "```", "wrong on test 1"),
    "forged nesting": ("```python\nimport os\nos.write(1, b'[' * 100000)\nos._exit(0)\n```", "wrong on test 1"),
    "results twice": (
        "```python\nimport os\ndef add_up(xs):\n    if xs == [-1, 4]: os.write(1, b'[3, \"value\", 3]\\n')\n"
        "    return sum(xs)\n```",
        "error: it writes results of its own"),
    "traced": (
        "```python\nimport sys\ndef trace(frame, event, arg):\n    frame.f_locals['expected'] = 0\n    return trace\n"
        "sys.settrace(trace)\n"
        "def add_up(xs): return 0\n```", "wrong on test 1"),
    "not a number": ("```python\ndef add_up(xs): return float('nan')\n```", "wrong on test 1"),
    "a huge number": ("```python\ndef add_up(xs): return 10 ** 5000\n```", "error: ValueError"),
    "an endless list": ("```python\ndef add_up(xs):\n    x = []\n    x.append(x)\n    return x\n```", "error: RecursionError"),
    "true for one": ("```python\ndef add_up(xs):\n    return sum(xs) == 6 or sum(xs)\n```", "wrong on test 1"),
    "a set": ("```python\ndef add_up(xs): return {sum(xs)}\n```", "error: TypeError"),
    "a coroutine": ("```python\nasync def add_up(xs): return sum(xs)\n```", "error: TypeError"),
}  # fmt: skip

P = Problem("Write add_up(xs), the sum of a list.", GOOD, verify=verify, facts={"name": CALL, "tests": TESTS})
SLOW = {"a loop", "a loop at the top"}  # each takes the whole limit; test_code.py has them
TABLES = (
    {
        "code": cases(
            P,
            right=[(reply, style) for style, reply in RIGHT.items()],
            wrong=[(reply, way) for way, (reply, _) in WRONG.items() if way not in SLOW],
        )
    }
    if not sandbox_policy.missing()
    else {}
)
