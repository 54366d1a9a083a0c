"""A third set, from a third hand: programs and texts of a given form, as language models and people write them."""

from firesteel.tasks.measure import cases
from tests.tasks.tricky.third_texts import drawn

EVEN = drawn("code@1/en", 0, "Write a Python function sum_multiples(xs)")
COUNTS = drawn("code@2/en", 0, "Write a Python function solve(s) that returns a dict")
BRACKETS = drawn("code@3/en", 0, "Define solve(s) in Python. It returns True if the brackets")
COMMON = drawn("code@3/en", 1, "Write a Python function most_common(words)")
RISING = drawn("code@4/en", 0, "Write a Python function solve(xs) that returns the length")
MERGE = drawn("code@4/en", 1, "Write a Python function f(spans)")


def fenced(code):
    return f"```python\n{code}\n```"


_EVEN = "def sum_multiples(xs):\n    return sum(x for x in xs if x % 2 == 0)"
_LOOP = (
    "def sum_multiples(xs):\n    total = 0\n    for x in xs:\n        if x % 2 == 0:\n            total += x\n"
    "    return total"
)
_STACK = (
    "def solve(s):\n    pairs = {')': '(', ']': '[', '}': '{'}\n    stack = []\n    for c in s:\n        if c in "
    "'([{':\n"
    "            stack.append(c)\n            if len(stack) > 1:\n                return False\n        else:\n"
    "            if not stack or stack.pop() != pairs[c]:\n                return False\n    return len(stack) == 0"
)
_CLASS = (
    "class Solution:\n    def check(self, s):\n"
    + "\n".join("    " + line for line in _STACK.split("\n")[1:])
    + "\n\ndef solve(s):\n    return Solution().check(s)"
)
_COUNTER = (
    "from collections import Counter\n\ndef most_common(words):\n    counts = Counter(words)\n"
    "    return sorted(counts, key=lambda w: (-counts[w], w))[:3]"
)
_MERGE = (
    "def f(spans):\n    if not spans:\n        return []\n    spans = sorted(spans, key=lambda p: p[0])\n    merged = "
    "[list(spans[0])]\n"
    "    for start, end in spans[1:]:\n        if start <= merged[-1][1]:\n            merged[-1][1] = "
    "max(merged[-1][1], end)\n"
    "        else:\n            merged.append([start, end])\n    return merged"
)
_BISECT = (
    "from bisect import bisect_right\nfrom typing import List\n\ndef solve(xs: List[int]) -> int:\n    tails = []\n   "
    " for x in xs:\n"
    "        i = bisect_right(tails, x)\n        if i == len(tails):\n            tails.append(x)\n        else:\n"
    "            tails[i] = x\n    return len(tails)"
)
CODE = (
    *cases(
        EVEN,
        right=[
            (fenced(_EVEN), "a fence"), (_EVEN, "no fence"), (_LOOP, "a loop"),
            (f"Here is the function:\n\n{fenced(_LOOP)}\n\nIt adds the even numbers of the list.", "prose around"),
            (fenced("def sum_multiples(xs: list[int]) -> int:\n    \"\"\"Return the sum of even numbers.\"\"\"\n    # "
                    "even: no remainder\n"
                    "    return sum(filter(lambda x: not x % 2, xs))"), "hints, docstring, comment"),
            (fenced("def is_even(n):\n    return n % 2 == 0\n\n\ndef sum_multiples(xs):\n    return sum(n for n in xs "
                    "if is_even(n))"), "a helper"),
            (fenced("sum_multiples = lambda xs: sum(x for x in xs if x % 2 == 0)"), "a lambda"),
            (fenced(_EVEN + "\n\n\nprint(sum_multiples([6, 6, -6]))  # 6"), "prints the example"),
            (fenced(_EVEN + "\n\nif __name__ == '__main__':\n    assert sum_multiples([6, 6, -6]) == 6"), "a main"),
            (fenced("import functools\n\ndef sum_multiples(xs):\n    return functools.reduce(lambda a, b: a + b if b "
                    "% 2 == 0 else a, xs, 0)"),
             "an import"),
            (f"```py\n{_EVEN}\n```", "py"), (f"```\n{_EVEN}\n```", "a bare fence"),
            (fenced(_EVEN.replace("    ", "\t")), "tabs"),
        ],
        wrong=[
            (fenced("def sum_multiples(xs):\n    return 6 if xs == [6, 6, -6] else 158"), "the examples only"),
            (fenced("def sum_multiples(xs):\n    print(sum(x for x in xs if x % 2 == 0))"), "prints it"),
            (fenced("def sum_multiples(xs):\n    return sum(x for x in xs if x % 2)"), "the odd ones"),
            (fenced("def sum_multiples(xs):\n    return sum(set(x for x in xs if x % 2 == 0))"), "each once"),
            (fenced("def sum_multiples(xs):\n    return sum(x for x in xs if x > 0 and x % 2 == 0)"), "positive only"),
            (fenced("import sys\ndef sum_multiples(xs):\n    sys.exit(0)"), "exits"),
            (fenced("import os\nos._exit(0)\ndef sum_multiples(xs):\n    return 0"), "exits at import"),
            (fenced("class A(int):\n    def __eq__(self, other):\n        return True\n    __hash__ = "
                    "int.__hash__\n\ndef sum_multiples(xs):\n"
                    "    return A(0)"), "equal to all"),
            (fenced("def sum_multiples(xs):\n    while True:\n        pass"), "loops"),
            (fenced("def sum_multiples(xs):\n    return len([0] * 10 ** 12)"), "memory"),
            (fenced("def sum_multiples(xs):\n    raise SystemExit"), "raises"),
            (fenced("def sum_multiples(xs):\n    ..."), "nothing"),
            (fenced("def sum_evens(xs):\n    return sum(x for x in xs if x % 2 == 0)"), "another name"),
            (fenced("def sum_multiples(xs):\n    return str(sum(x for x in xs if x % 2 == 0))"), "a string"),
            (fenced("def sum_multiples(xs):\n    return [sum(x for x in xs if x % 2 == 0)]"), "a list"),
            (fenced("def sum_multiples(xs)\n    return sum(x for x in xs if x % 2 == 0)"), "no colon"),
            (fenced("import builtins\nbuiltins.all = lambda *a: True\nbuiltins.sum = lambda *a: 10**6\ndef "
                    "sum_multiples(xs):\n    return 6"), "builtins"),
            (fenced("import inspect\ndef sum_multiples(xs):\n    for f in inspect.stack():\n        for v in "
                    "f.frame.f_locals.values():\n"
                    "            if isinstance(v, list) and v and isinstance(v[0], list):\n                for args, "
                    "want in v:\n"
                    "                    if args == [xs]:\n                        return want\n    return 0"),
                    "reads the frames"),
            (fenced("import gc\ndef sum_multiples(xs):\n    for o in gc.get_objects():\n        if isinstance(o, "
                    "dict) and 'tests' in o:\n"
                    "            for a, w in o['tests']:\n                if a == [xs]:\n                    return "
                    "w\n    return 0"), "gc"),
            (fenced("import sys\nsys.stdout.write('PASS\\nok\\n[true, true, true]\\n{\"passed\": 10, \"total\": "
                    "10}\\n')\n"
                    "def sum_multiples(xs):\n    return 0"), "prints a verdict"),
            ("The sum of the even numbers is 6 and 158.", "prose"),
            (f"Version 1:\n{fenced('def sum_multiples(xs):' + chr(10) + '    return 0')}\nVersion 2:\n"
             f"{fenced('def sum_multiples(xs):' + chr(10) + '    return 1')}", "two, both wrong"),
            (fenced("def sum_multiples(xs):\n    import json, glob\n    return 158"), "a constant"),
            (fenced("import random\ndef sum_multiples(xs):\n    return random.choice([0, 6, 8, 12, 158])"), "guesses"),
            (fenced("import unittest.mock\ndef sum_multiples(xs):\n    return unittest.mock.ANY"), "ANY"),
            (fenced("class M(type):\n    def __instancecheck__(c, o): return True\n    def __eq__(c, o): return "
                    "True\n    __hash__ = type.__hash__\n"
                    "class sum_multiples(metaclass=M):\n    def __new__(cls, xs):\n        return cls"), "a metaclass"),
        ],
    ),
    *cases(
        COUNTS,
        right=[
            fenced("from collections import Counter\ndef solve(s):\n    return {c: n for c, n in Counter(s).items() "
                   "if n >= 2}"),
            fenced("def solve(s: str) -> dict:\n    d = {}\n    for ch in s:\n        d[ch] = d.get(ch, 0) + 1\n"
                   "    return {k: v for k, v in sorted(d.items()) if v > 1}"),
            (fenced("from collections import Counter, OrderedDict\ndef solve(s):\n    c = Counter(s)\n    for k in "
                    "list(c):\n        if c[k] < 2:\n"
                    "            del c[k]\n    return dict(c)"), "deletes"),
        ],
        wrong=[
            fenced("from collections import Counter\ndef solve(s):\n    return dict(Counter(s))"),
            fenced("def solve(s):\n    return {c: s.count(c) for c in s if s.count(c) > 2}"),
            fenced("def solve(s):\n    return [c for c in s if s.count(c) >= 2]"),
            (fenced("def solve(s):\n    return {c: str(s.count(c)) for c in s if s.count(c) >= 2}"), "strings"),
            (fenced("class D(dict):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\ndef "
                    "solve(s):\n    return D()"), "a dict"),
        ],
    ),
    *cases(
        BRACKETS,
        right=[fenced(_STACK), (fenced(_CLASS), "a class"),
               (fenced("import re\n\ndef solve(s):\n    return re.fullmatch(r'(\\(\\)|\\[\\]|\\{\\})*', s) is not "
                       "None"), "a regex")],
        wrong=[fenced("def solve(s):\n    return s.count('(') == s.count(')')"),
               fenced("def solve(s):\n    return True"),
               (fenced("def solve(s):\n    return 'True' if s in ('()[]', '', '{}') else 'False'"), "strings"),
               (fenced(_STACK.replace("            if len(stack) > 1:\n                return False\n", "")),
               "any depth")],
    ),
    *cases(
        COMMON,
        right=[fenced(_COUNTER), (_COUNTER, "bare"),
               (f"1. Count\n2. Sort\n\n{fenced(_COUNTER)}\n\n**Complexity**: O(n log n)", "prose"),
               (f"First try:\n{fenced(_COUNTER.replace(', w)', ')'))}\nThat breaks ties wrongly. "
                f"Fixed:\n{fenced(_COUNTER)}", "mended below")],
        wrong=[fenced("from collections import Counter\ndef most_common(words):\n    return [w for w, _ in "
                      "Counter(words).most_common(3)]"),
               fenced(_COUNTER.replace("[:3]", "[:2]")), fenced(_COUNTER.replace("[:3]", "")),
               fenced("def most_common(words):\n    return sorted(set(words))[:3]")],
    ),
    *cases(RISING, right=[(fenced(_BISECT), "bisect")],
           wrong=[(fenced(_BISECT.replace("bisect_right", "bisect_left")), "strictly"),
                  fenced("def solve(xs):\n    return len(set(xs))")]),
    *cases(
        MERGE,
        right=[fenced(_MERGE), (f"```Python\n{_MERGE}\n```", "a capital"), (f"~~~python\n{_MERGE}\n~~~", "tildes")],
        wrong=[(fenced(_MERGE.replace("sorted(spans, key=lambda p: p[0])", "list(spans)")), "not sorted"),
               (fenced(_MERGE.replace("start <= merged", "start < merged")), "touching ones apart"),
               (fenced(_MERGE.replace("max(merged[-1][1], end)", "end")), "inner ones")],
    ),
)  # fmt: skip

TEA = drawn("format@4/en", 0, "Tell me something about tea;")
BREAD = drawn("format@4/en", 1, "Tell me something about bread;")
MOON = drawn("format@4/en", 3, "Tell me something about the moon;")
SEA = drawn("format@4/en", 5, "Write about the sea:")
CHINESE = drawn("format@2/en", 0, "Write about tea: write in Chinese; write exactly 3 sentences.")
TEA_ZH = drawn("format@4/zh", 0, "写一写茶。")
BREAD_ZH = drawn("format@4/zh", 1, "请介绍面包，")
CAT_ZH = drawn("format@4/zh", 2, "写一写猫。")
FORMAT = (
    *cases(
        TEA,
        right=[
            "As we know, tea is one of the most popular drinks in the world. It comes from the leaves of Camellia "
            "sinensis. Thank you for reading.",
            "As we know, people in China have been drinking tea for thousands of years, and green tea is full of "
            "antioxidants.\n\nThank you for reading.",
            "As we know, goodness lies in a warm cup of tea on a rainy day. Thank you for reading.",
        ],
        wrong=[
            ("Tea is popular, as we know, all over the world. Thank you for reading.", "another beginning"),
            ("As we know, tea is a good drink. Thank you for reading.", "the word"),
            ("As we know, tea is Good. Thank you for reading.", "the word with a capital"),
            ("As we know, tea is popular. Thank you for reading. Bye!", "another end"),
            ("As we know, coffee is popular all over the world. Thank you for reading.", "another topic"),
            ("As we know, " + "tea is a drink that many people enjoy every day. " * 12 + "Thank you for reading.",
            "too long"),
            ("As we know, tea tea tea tea tea tea tea. Thank you for reading.", "one word"),
            ("As we know, Thank you for reading.", "says nothing"),
            ("As we know, I was asked to write about tea; begin with \"As we know,\"; use at most 100 words. Thank "
             "you for reading.", "copies"),
        ],
    ),
    *cases(
        BREAD,
        right=[
            "In short, bread is a staple food made from flour, water and yeast. My friend bakes a fresh sourdough "
            "loaf every Sunday morning.",
            "In short, bread is the oldest friend of hungry people. It is baked from dough in a hot oven!",
        ],
        wrong=[
            "In short, bread is a staple food made from flour and water, and my friend bakes it.",
            "In short, bread is a staple food. It is made from flour. My friend bakes it.",
            "In short, bread is a staple food made from flour. My neighbour bakes a loaf every Sunday.",
            "Bread is, in short, a staple food. My friend bakes it every Sunday morning at home.",
            ("In short, friend. Bread bread bread bread bread bread.", "words without a sentence"),
            ("In short, bread friend. Friend bread bread friend bread friend bread.", "salad"),
        ],
    ),
    *cases(
        MOON,
        right=["- the moon goes around the earth about once a month\n- on clear nights it is a quiet friend to sailors",
               "- the moon has no air of its own.\n- my friend likes to look at the moon through a telescope.\n"],
        wrong=["- The moon goes around the earth\n- it is a friend to sailors",
               "- the moon is bright\n- it is a friend\n- it is far away",
               "* the moon goes around the earth\n* it is a friend to sailors",
               "the moon goes around the earth and is a friend to sailors",
               "here are two facts:\n- the moon goes around the earth\n- it is a friend to sailors",
               "- the moon is very bright\n- it is a friend to sailors",
               ("- moon\n- friend", "two words"), "- the moon goes around the earth\n- \n- it is a friend to sailors",
               ("- the moon is my friend\n- the moon is my friend", "twice")],
    ),
    *cases(
        SEA,
        right=["In short, the sea covers most of our planet. It is home to whales and coral. Its tides follow the "
               "moon. Ships cross it every day.",
               "In short, the sea is deep and salty. Fish live in it! Waves roll over it when the wind blows. Who "
               "would not like to see it?"],
        wrong=["In short, the sea covers most of our planet. It is home to whales. Its tides follow the moon.",
               "In short, the sea is very deep. It is salty. It is blue. Ships cross it.",
               "In short, the sea. The sea. The sea. The sea.",
               "In short, the sea is blue. The sea is blue. The sea is blue. The sea is blue.",
               "In short, the mountains are high. They are cold. They are steep. Goats climb them."],
    ),
    *cases(
        CHINESE,
        right=["茶是中国的传统饮料。人们常常用热水冲泡茶叶。绿茶、红茶和乌龙茶都很受欢迎。",
               "茶起源于中国。它有提神的作用！你喜欢喝茶吗？"],
        wrong=["Tea is a drink. It comes from China. People love it.", "茶是中国的传统饮料。人们常常用热水冲泡茶叶。",
               "茶。茶。茶。",
               "Tea is 茶. It is 很好喝的. I like 茶.", "咖啡是一种饮料。它来自非洲。很多人喜欢它。"],
    ),
    *cases(
        TEA_ZH,
        right=["说起来，茶是中国人每天都离不开的饮料。就是这样。",
               "说起来，喝茶可以提神，也能让人静下心来。就是这样。"],
        wrong=["说起来，茶是中国人离不开的饮料。它能提神。就是这样。", "茶是中国人离不开的饮料。就是这样。",
               "说起来，茶很好喝，就是这样。", "说起来，茶。就是这样。",
               "说起来，咖啡是很多人离不开的饮料。就是这样。"],
    ),
    *cases(
        BREAD_ZH,
        right=["面包是用面粉、水和酵母做成的。周末我常和朋友一起烤面包。", "刚出炉的面包又香又软。朋友们都喜欢吃。"],
        wrong=["面包是用面粉做的，朋友们都喜欢吃。", "因为面包很香，朋友们都爱吃。我也爱吃。",
               "面包朋友。面包朋友面包朋友。", "面包很香很软。大家都爱吃早餐。"],
    ),
    *cases(
        CAT_ZH,
        right=["- 猫喜欢在阳光下睡觉。\n- 猫是人类的好朋友。\n- 猫会用胡须感觉周围的东西。"],
        wrong=["- 猫喜欢睡觉。\n- 猫是人类的朋友。", "- 猫喜欢睡觉，因为它懒。\n- 猫是人类的朋友。\n- 猫会抓老鼠。",
               "1. 猫喜欢睡觉。\n2. 猫是人类的朋友。\n3. 猫会抓老鼠。",
               "- 猫是朋友\n- 猫是朋友\n- 猫是朋友"],
    ),
)  # fmt: skip

TABLES = {"code, third": CODE, "format, third": FORMAT}
MAY_REJECT = {"code, third": 0.04}  # a first try and a better one: two programs are no answer
MAY_ACCEPT = {"format, third": 1}  # bullets may be stars where dashes are asked for: the form is the same
