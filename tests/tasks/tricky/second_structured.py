"""A second set, from another hand: objects, texts that follow rules, and programs, as language models write them."""

from firesteel.tasks.code.problems import verify
from firesteel.tasks.families.format import follows
from firesteel.tasks.families.json_extraction import extracted
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

BILL = Problem(
    "The customer is Carl Moss. The bill is not yet paid. The customer works as a teacher. The bill came to "
    "316 dollars. The customer "
    "lives in Paris. The customer is 60 years old.\nReply only with a JSON object with these keys: job "
    "(string), name (string), "
    "total (integer), paid (boolean).",
    {"job": "teacher", "name": "Carl Moss", "total": 316, "paid": False}, language="en", verify=extracted,
    facts={"keys": ["job", "name", "total", "paid"]},
)  # fmt: skip
GOODS = Problem(
    "这位顾客叫赵磊。这位顾客买了书和茶。货送到长江路25号。一共付了241元。\n"
    "从上文提取信息，只回答一个JSON对象，键为：items (字符串数组)、"
    "total (整数)、address (对象: street, number)。",
    {"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": 25}}, language="zh", verify=extracted,
    facts={"keys": ["items", "total", "address"]},
)  # fmt: skip
TOPIC = {"zh": "猫", "en": "cats"}


def form(question, language, *which):
    facts = {"rules": list(which), "topics": TOPIC}
    return Problem(question, TOPIC[language], language=language, verify=follows, facts=facts)


CATS = form(
    'Write about cats: do not use the word "because"; use at most 60 words; begin with "To begin with,".', "en",
    {"rule": "avoids", "word": "because"}, {"rule": "at most", "n": 60, "in": "en"},
    {"rule": "starts", "with": "To begin with,", "in": "en"},
)  # fmt: skip
MAO = form("写一写猫。要求：不要用“很好”这个词；不超过30个汉字。", "zh", {"rule": "avoids", "word": "很好"},
           {"rule": "at most", "n": 30, "in": "zh"})  # fmt: skip
TESTS = [
    [[[-24, 55, -1, 60, 28]], 64],
    [[[13, -15, 20, 15, 29, 15, 12]], 32],
    [[[]], 0],
    [[[3, 5]], 0],
    [[[-8, 4, 2]], -4],
]
FOURS = Problem(
    "Write a Python function f(xs) that returns the sum of the numbers of the list xs that are divisible by 4.\n"
    "f([-24, 55, -1, 60, 28]) -> 64\nf([13, -15, 20, 15, 29, 15, 12]) -> 32",
    "def f(xs):\n    return sum(x for x in xs if x % 4 == 0)", language="en", verify=verify, facts={"name": "f", "tests": TESTS},
)  # fmt: skip
LINE = "def f(xs):\n    return sum(x for x in xs if x % 4 == 0)"


def block(body, tag="python"):
    return f"```{tag}\n{body}\n```"


def returns(expression, before=""):
    return block(f"{before}def f(xs):\n    return {expression}")


# fmt: off
TABLES = {
    "second hand: json": (
        *cases(
            BILL,
            right=[
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}',
                '{"job":"teacher","name":"Carl Moss","total":316,"paid":false}',
                '```json\n{\n  "job": "teacher",\n  "name": "Carl Moss",\n  "total": 316,\n  "paid": false\n}\n```',
                '```\n{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}\n```',
                '{"paid": false, "total": 316, "name": "Carl Moss", "job": "teacher"}',
                '\n\n{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}\n',
                '{\t"job": "teacher",\r\n"name": "Carl Moss",\r\n"total": 316,\r\n"paid": false\r\n}',
                '{"job": "teacher", "name": "\\u0043arl Moss", "total": 316, "paid": false}',
                '```JSON\n{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}\n```',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false} ',
            ],
            wrong=[
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": true}',
                '{"job": "teacher", "name": "Carl Moss", "total": "316", "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316}',
                '{"job": "teacher", "name": "Carl", "total": 316, "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": "false"}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": 0}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": null}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316.5, "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": False}',
                "{'job': 'teacher', 'name': 'Carl Moss', 'total': 316, 'paid': false}",
                '[{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}]',
                '{"Job": "teacher", "Name": "Carl Moss", "Total": 316, "Paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false, "city": "Paris"}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}{"job": "cook", "name": "'
                'Tim", "total": 1, "paid": true}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": true, "paid": false}',
                "job: teacher, name: Carl Moss, total: 316, paid: false",
                '{"object": {"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}}',
                '{"job": "teacher", "name": "Carl Moss", "total": 60, "paid": false}', "{}",
                '{"job": ["teacher"], "name": "Carl Moss", "total": 316, "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false,}',
                '"{\\"job\\": \\"teacher\\", \\"name\\": \\"Carl Moss\\", \\"total\\": 316, \\"paid\\": false}"',
                '{"job": "string", "name": "string", "total": 0, "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": "$316", "paid": false}',
                "teacher, Carl Moss, 316, false", "null",
            ],
        ),
        *cases(
            GOODS,
            right=[
                '{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": 25}}',
                '```json\n{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": 25}}\n```',
                '{\n    "items": [\n        "书",\n        "茶"\n    ],\n    "total": 241,\n    "address": {\n'
                '        "street": "长江路",\n        "number": 25\n    }\n}',
                '{"address": {"number": 25, "street": "长江路"}, "total": 241, "items": ["书", "茶"]}',
                '{"items": ["\\u4e66", "\\u8336"], "total": 241, "address": {"street": "长江路", "number": 25}}',
            ],
            wrong=[
                '{"items": ["书"], "total": 241, "address": {"street": "长江路", "number": 25}}',
                '{"items": "书和茶", "total": 241, "address": {"street": "长江路", "number": 25}}',
                '{"items": ["书", "茶"], "total": 241, "address": "长江路25号"}',
                '{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路25号", "number": 25}}',
                '{"items": ["书", "茶", "椅子"], "total": 241, "address": {"street": "长江路", "number": 25}}',
                '{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": "25"}}',
                '{"items": ["书和茶"], "total": 241, "address": {"street": "长江路", "number": 25}}',
                '{"items": ["书", "茶"], "total": "241元", "address": {"street": "长江路", "number": 25}}',
                '｛"items"：["书"，"茶"]，"total"：241｝',
                '{"items": ["book", "tea"], "total": 241, "address": {"street": "长江路", "number": 25}}',
                '{"items": ["书", "茶"], "total": 241, "street": "长江路", "number": 25}',
            ],
        ),
    ),
    "second hand: format": (
        *cases(
            CATS,
            right=[
                "To begin with, cats are small animals that many people keep at home. They sleep a lot and lik"
                "e to play with a ball.",
                "To begin with, cats are popular pets. They are known for their soft fur and quiet steps.",
                "To begin with, cats hunt mice at night. They see well in the dark and land on their feet.",
                "To begin with, a cat needs food, water and rest. Cats also like warm places near a window.",
                "To begin with, many families love their cats. A young cat runs after everything that moves.",
                "To begin with, cats purr when they are happy.\n\nThey also clean their fur every day with the"
                " tongue.",
                "To begin with, I like cats. My neighbour has two of them, and both sleep on the sofa all day.",
                "To begin with, **cats** are independent. They come when they want something to eat, and leave"
                " when they have eaten.",
            ],
            wrong=[
                "Cats are nice animals. They sleep all day and hunt mice at night.",
                "To begin with, cats sleep because they hunt at night and are tired.",
                "To begin with, dogs are friendly animals that like to run and play outside.", "To begin with,",
                "To begin with, cats cats cats cats cats cats cats cats cats",
                "To begin with, " + "cats like to sleep in the sun and play with a ball " * 6, "",
                "To begin with, BECAUSE of their fur cats like warm places and the sun.",
                'Write about cats: do not use the word "because"; use at most 60 words; begin with "To begin w'
                'ith,".',
                "cats", "Sure! To begin with, cats are small animals. They sleep a lot.",
                "To begin with, asdf qwer zxcv cats uiop hjkl vbnm tyui ghjk.",
                "To begin with, 猫喜欢睡觉，也喜欢玩球。", "To begin with, cats",
                "To begin with, do not use the word; use at most 60 words about cats.",
            ],
        ),
        *cases(
            MAO,
            right=[
                "猫喜欢睡觉，也喜欢追着线球跑。", "猫是一种可爱的动物，喜欢抓老鼠。", "我家的猫每天晒太阳。",
                "小猫爱玩毛线球，大猫爱睡觉。", "猫走路很轻，眼睛在夜里发光。", "猫的毛很软，叫声也好听。",
                "很多人喜欢养猫，因为它又安静又干净。", "猫会用舌头洗自己的毛。", "猫白天睡觉，晚上抓老鼠。",
                "一只猫在窗边看鸟。", "我喜欢猫。它们安静，又会陪人。", "猫很聪明，也很爱干净。",
            ],
            wrong=[
                "猫很好。", "狗喜欢跑步，也喜欢吃骨头。", "猫猫猫猫猫猫猫猫", "", "猫",
                "猫喜欢睡觉，也喜欢追着线球跑，还喜欢晒太阳，吃鱼，抓老鼠，爬树，看窗外的鸟，最后回到主人的身边"
                "睡觉。",
                "Cats like to sleep.", "写一写猫。要求：不要用“很好”这个词；不超过30个汉字。", "猫的的的的了了了了",
                "我不会写。", "好的！", "猫。猫。猫。猫。",
            ],
        ),
    ),
    "second hand: code": (
        *cases(
            FOURS,
            right=[
                block(LINE), block(LINE, ""), LINE,
                f"Here is the function:\n\n{block(LINE)}\n\nIt sums the numbers divisible by 4.",
                block(LINE, "Python"), block(LINE, "python3"), returns("sum([x for x in xs if not x % 4])"),
                returns("sum(filter(lambda x: x % 4 == 0, xs))"),
                block(
                    "def f(xs):\n    total = 0\n    for x in xs:\n        if x % 4 == 0:\n            tota"
                    "l += x\n    return total"
                ),
                block(
                    'def f(xs: list[int]) -> int:\n    """\n    Sum of multiples of four.\n\n    >>> f([4]'
                    ')\n    4\n    """\n    return sum(x for x in xs if x % 4 == 0)'
                ),
                "```python\nfrom typing import List\n\ndef f(xs: List[int]) -> int:\n    return sum(x for x in"
                " xs if x % 4 == 0)\n```",
                "```python\ndef f(xs):\n    return sum(x for x in xs if x % 4 == 0)\n\n# Test cases\nprint(f(["
                "-24, 55, -1, 60, 28]))  # Output: 64\nprint(f([13, -15, 20, 15, 29, 15, 12]))  # Output: 32\n"
                "```",
                block(f"{LINE}\n\nassert f([-24, 55, -1, 60, 28]) == 64"),
                block(f"{LINE}\n\n\nif __name__ == '__main__':\n    print(f([4, 8]))"),
                f"{block(LINE)}\n\n**Explanation:** `x % 4 == 0` keeps multiples of 4.",
                f"{block(LINE)}\nOutput:\n```\n64\n32\n```", returns("sum(x for x in xs if x & 3 == 0)"),
                f"1. Loop over the list.\n2. Add what is divisible by 4.\n\n{block(LINE)}",
                block("import math\n\ndef f(xs):\n    return sum(x for x in xs if math.fmod(x, 4) == 0)"),
                block(
                    "from functools import reduce\n\ndef f(xs):\n    return reduce(lambda s, x: s + x if x"
                    " % 4 == 0 else s, xs, 0)"
                ),
                block("f = lambda xs: sum(x for x in xs if x % 4 == 0)"),
                f"{LINE}\n\nThis function sums the numbers divisible by 4.",
            ],
            wrong=[
                returns("sum(x for x in xs if x % 4)"), returns("sum(xs)"), returns("64"),
                returns("len([x for x in xs if x % 4 == 0])"), returns("sum(x for x in xs if x % 2 == 0)"),
                block("def f(xs):\n    print(sum(x for x in xs if x % 4 == 0))"),
                block("def g(xs):\n    return sum(x for x in xs if x % 4 == 0)"),
                returns("[x for x in xs if x % 4 == 0]"), returns("str(sum(x for x in xs if x % 4 == 0))"),
                returns("{(-24, 55, -1, 60, 28): 64, (13, -15, 20, 15, 29, 15, 12): 32}.get(tuple(xs), 0)"),
                block("def f(xs):\n    pass"), returns("sum(x for x in xs if x % 4 == 0) or None"),
                block("def f(xs)\n    return sum(x for x in xs if x % 4 == 0)"),
                "f(xs) = sum of x in xs with 4 | x", "64", "",
                block(
                    "class Any:\n    def __eq__(self, other): return True\n    __hash__ = None\n\ndef f(xs"
                    "):\n    return Any()"
                ),
                block(
                    "class N(int):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return "
                    "False\n\ndef f(xs):\n    return N(0)"
                ),
                block("import sys\ndef f(xs):\n    sys.exit(0)"), block("import os\ndef f(xs):\n    os._exit(0)"),
                block("def f(xs):\n    while True: pass"), block("def f(xs):\n    return f(xs)"),
                block("def f(xs):\n    return True"), block("def f(xs):\n    raise AssertionError('passed')"),
                block("print('{\"passed\": true}')\nimport os\nos._exit(0)"),
                block(
                    "import inspect\ndef f(xs):\n    for s in inspect.stack():\n        for v in s.frame.f"
                    "_locals.values():\n            if isinstance(v, list) and v and isinstance(v[0], list"
                    "): return v[0][1]\n    return 0"
                ),
                block(
                    "import gc\ndef f(xs):\n    for o in gc.get_objects():\n        if isinstance(o, list)"
                    " and len(o) == 2 and o[0] == [xs]: return o[1]\n    return 0"
                ),
                block(
                    "import builtins\nbuiltins.all = lambda *a: True\nbuiltins.type = lambda *a: int\ndef "
                    "f(xs):\n    return 1"
                ),
                returns("max([x for x in xs if x % 4 == 0], default=0)"),
                block("async def f(xs):\n    return sum(x for x in xs if x % 4 == 0)"),
                block("def f(xs):\n    yield sum(x for x in xs if x % 4 == 0)"), returns("float('nan')"),
            ],
        ),
    ),
}
# fmt: on
MAY_ACCEPT = {
    "second hand: format": 2,  # words that are no words, and instructions told again in pieces
}
