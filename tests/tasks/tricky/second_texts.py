"""A second set, from another hand: names, objects, texts and programs, as language models write them."""

from firesteel.tasks.code import verify
from firesteel.tasks.format import follows
from firesteel.tasks.json_extraction import extracted
from firesteel.tasks.measure import cases
from firesteel.tasks.naming import assignment, one_of
from firesteel.tasks.task import Problem

FISH = Problem(
    "Carl, Dora, Fay each have a different pet (dog, bird, fish).\n1. Carl does not have the dog.\n2. Fay has the bird.\n"
    "Who has the fish?", "Carl", language="en", verify=one_of,
    facts={"people": ["Carl", "Dora", "Fay"], "kinds": [["dog", "bird", "fish"]], "choices": ["Carl", "Dora", "Fay"]},
)  # fmt: skip
YANG = Problem(
    "李华、王芳、刘洋各有不同的宠物（狗、鸟、鱼）。\n1. 李华不养狗。\n2. 刘洋养鸟。\n王芳养什么？", "狗", language="zh", verify=one_of,
    facts={"people": ["李华", "王芳", "刘洋"], "kinds": [["狗", "鸟", "鱼"]], "choices": ["狗", "鸟", "鱼"]},
)  # fmt: skip
ALL = Problem(
    "Anna and Ben each have a different pet (cat, dog), day (Monday, Friday).\nWhat does everybody have?",
    {"Anna": ["cat", "Friday"], "Ben": ["dog", "Monday"]}, language="en", verify=assignment,
    facts={"people": ["Anna", "Ben"], "kinds": [["cat", "dog"], ["Monday", "Friday"]]},
)  # fmt: skip
ISLAND = Problem(
    'Knights always tell the truth, knaves always lie.\nDora says: "Eric is a knave."\nBen says: "Dora and Eric are of the same '
    'kind."\nEric says: "Ben is a knight."\nWho is what? Answer as "name: knight, name: knave".',
    {"Dora": ["knight"], "Ben": ["knave"], "Eric": ["knave"]}, language="en", verify=assignment,
    facts={"people": ["Dora", "Ben", "Eric"], "kinds": [["knave", "knight"]]},
)  # fmt: skip
DAO = Problem(
    "骑士总说真话，无赖总说假话。\n王芳说：“我们当中正好有1个骑士。”\n刘洋说：“王芳是骑士。”\n每个人各是什么？请写成“名字：骑士，名字：无赖”。",
    {"王芳": ["无赖"], "刘洋": ["无赖"]}, language="zh", verify=assignment,
    facts={"people": ["王芳", "刘洋"], "kinds": [["无赖", "骑士"]]},
)  # fmt: skip
BILL = Problem(
    "The customer is Carl Moss. The bill is not yet paid. The customer works as a teacher. The bill came to 316 dollars. The customer "
    "lives in Paris. The customer is 60 years old.\nReply only with a JSON object with these keys: job (string), name (string), "
    "total (integer), paid (boolean).",
    {"job": "teacher", "name": "Carl Moss", "total": 316, "paid": False}, language="en", verify=extracted,
    facts={"keys": ["job", "name", "total", "paid"]},
)  # fmt: skip
GOODS = Problem(
    "这位顾客叫赵磊。这位顾客买了书和茶。货送到长江路25号。一共付了241元。\n从上文提取信息，只回答一个JSON对象，键为：items (字符串数组)、"
    "total (整数)、address (对象: street, number)。",
    {"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": 25}}, language="zh", verify=extracted,
    facts={"keys": ["items", "total", "address"]},
)  # fmt: skip
MARKET = Problem(
    "On Sunday Frank went to the market with the umbrella and waited for half an hour there. Clara took the bottle to the bakery on "
    "Tuesday and stayed all afternoon. It was Peter who carried the guitar to the post office on Friday; there Peter got lost.\n"
    "On which day did somebody go to the market?", "Sunday", language="en", facts={"choices": ["Sunday", "Tuesday", "Friday"]},
)  # fmt: skip
TRUE = Problem(
    "It was Anna who carried the guitar to the post office on Sunday. On Tuesday Peter went to the museum with the umbrella.\n"
    "Is it true that Peter went to the post office? Say yes, no, or unknown if the text does not tell.", "no", language="en",
    facts={"choices": ["yes", "no", "unknown"]},
)  # fmt: skip
SHEI = Problem("小明把书还给陈静，因为他已经看完了。\n看完书的是谁？", "小明", language="zh", facts={"choices": ["小明", "陈静"]})
DUI = Problem(
    "带着吉他去邮局的是小明，那天是星期日。星期二，小红带着雨伞去了电影院。\n“小红去的是邮局”：对、错，还是文中没说（不知道）？", "错",
    language="zh", facts={"choices": ["对", "错", "不知道"]},
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

TESTS = [[[[-24, 55, -1, 60, 28]], 64], [[[13, -15, 20, 15, 29, 15, 12]], 32], [[[]], 0], [[[3, 5]], 0], [[[-8, 4, 2]], -4]]
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


TABLES = {
    "second hand: logic grid": (
        *cases(
            FISH,
            right=[
                "Carl", "Carl has the fish.", "**Carl**", "Carl has the **fish**.", "The answer is Carl.", "carl", "\\boxed{\\text{Carl}}", "Answer: Carl",
                "Fay has the bird. Carl does not have the dog, so Carl has the fish.", "Carl.", "Therefore, Carl has the fish.",
                "Since Fay has the bird and Carl doesn't have the dog, Carl must have the fish.", "The fish belongs to Carl.", "It is Carl.",
                "| person | pet |\n|---|---|\n| Carl | fish |\n| Dora | dog |\n| Fay | bird |\n\nCarl has the fish.",
                "1. Fay has the bird.\n2. Carl does not have the dog.\n\nSo **Carl** has the fish.", "Carl has the fish, Dora has the dog, Fay has the bird.",
            ],
            wrong=[
                "Dora", "Fay", "Dora has the fish.", "Carl or Dora", "Not Carl.", "Carl does not have the fish.", "Carl, Dora, Fay", "fish", "Carl has the dog.",
                "Either Carl or Dora has the fish.", "Carla", "Fay has the bird.", "Carl's neighbour Dora", "nobody", "Carl Dora", "Dora has the fish, not Carl.",
                "Is it Carl?", "Someone other than Carl.", "Carl has the bird.",
            ],
        ),
        *cases(
            YANG,
            right=["狗", "王芳养狗。", "答案是狗。", "**狗**", "王芳养的是狗。", "刘洋养鸟，李华不养狗，所以李华养鱼，王芳养狗。", "答：王芳养狗。", "王芳养的宠物是狗",
                   "李华养鱼，王芳养狗，刘洋养鸟。", "因此，王芳养狗。"],
            wrong=["鱼", "鸟", "王芳养鱼。", "狗或鱼", "王芳不养狗。", "李华养狗。", "狗、鸟、鱼", "不是狗", "王芳", "李华养鱼，刘洋养鸟。", "可能是狗，也可能是鱼。"],
        ),
        *cases(
            ALL,
            right=["Anna: cat, Friday; Ben: dog, Monday", "Anna has the cat and comes on Friday. Ben has the dog and comes on Monday.",
                   "| name | pet | day |\n|---|---|---|\n| Anna | cat | Friday |\n| Ben | dog | Monday |", "- Anna: cat, Friday\n- Ben: dog, Monday",
                   "**Anna**: cat, Friday\n**Ben**: dog, Monday", "Anna - cat - Friday\nBen - dog - Monday", "1. Anna: cat, Friday\n2. Ben: dog, Monday"],
            wrong=["Anna: dog, Friday; Ben: cat, Monday", "Anna: cat, Monday; Ben: dog, Friday", "Anna: cat; Ben: dog", "Anna: cat, dog; Ben: Monday, Friday",
                   "Anna: cat, Friday", "Ben: cat, Friday; Anna: dog, Monday", "cat, Friday, dog, Monday"],
        ),
    ),
    "second hand: knights": (
        *cases(
            ISLAND,
            right=[
                "Dora: knight, Ben: knave, Eric: knave", "Dora is a knight, Ben is a knave, and Eric is a knave.", "Dora: Knight, Ben: Knave, Eric: Knave",
                "- Dora: knight\n- Ben: knave\n- Eric: knave", "**Dora**: knight, **Ben**: knave, **Eric**: knave", "Dora: knight\nBen: knave\nEric: knave",
                "| name | kind |\n|---|---|\n| Dora | knight |\n| Ben | knave |\n| Eric | knave |", "Dora is a knight. Ben and Eric are knaves.",
                "Dora is the knight; Ben and Eric are knaves.", "Eric: knave, Ben: knave, Dora: knight", "The answer is: Dora: knight, Ben: knave, Eric: knave.",
                "\\boxed{\\text{Dora: knight, Ben: knave, Eric: knave}}", "Dora = knight, Ben = knave, Eric = knave", "**Dora: knight, Ben: knave, Eric: knave**",
                "If Eric were a knight, Ben would be a knight. That is a contradiction.\n\nDora: knight, Ben: knave, Eric: knave",
                "Answer: Dora: knight, Ben: knave, Eric: knave.",
            ],
            wrong=[
                "Dora: knave, Ben: knight, Eric: knight", "Dora: knight, Ben: knight, Eric: knave", "Dora: knight", "Dora: knight, Ben: knave", "knight, knave, knave",
                "Dora: knight, Ben: knave, Eric: knave or knight", "Dora: knight/knave, Ben: knight/knave, Eric: knight/knave", "Dora, Ben and Eric are knaves.",
                "Dora: not knight, Ben: knave, Eric: knave", "Dora is not a knight, Ben is a knave, Eric is a knave.", "name: knight, name: knave", "All are knights.",
                "Dora: knight, Ben: knave, Eric: knave, Dora: knave", "Dora says Eric is a knave. Ben is a knave.", "Ben: knight, Dora: knave, Eric: knave",
                "Dora: knight, Ben: knave, Eric: spy",
            ],
        ),
        *cases(
            DAO,
            right=["王芳：无赖，刘洋：无赖", "王芳是无赖，刘洋是无赖。", "王芳和刘洋都是无赖。", "答案是王芳：无赖，刘洋：无赖。", "**王芳：无赖，刘洋：无赖**", "王芳:无赖,刘洋:无赖",
                   "- 王芳：无赖\n- 刘洋：无赖", "刘洋：无赖，王芳：无赖", "王芳是无赖，刘洋也是无赖。", "两个人都是无赖：王芳：无赖，刘洋：无赖。"],
            wrong=["王芳：骑士，刘洋：无赖", "王芳：无赖，刘洋：骑士", "王芳：骑士，刘洋：骑士", "王芳：无赖", "王芳不是无赖，刘洋是无赖", "王芳：无赖或骑士，刘洋：无赖", "无赖，无赖",
                   "名字：骑士，名字：无赖", "王芳：不是骑士也不是无赖，刘洋：无赖", "刘洋说王芳是骑士。"],
        ),
    ),
    "second hand: json": (
        *cases(
            BILL,
            right=[
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}', '{"job":"teacher","name":"Carl Moss","total":316,"paid":false}',
                '```json\n{\n  "job": "teacher",\n  "name": "Carl Moss",\n  "total": 316,\n  "paid": false\n}\n```',
                '```\n{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}\n```',
                '{"paid": false, "total": 316, "name": "Carl Moss", "job": "teacher"}', '\n\n{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}\n',
                '{\t"job": "teacher",\r\n"name": "Carl Moss",\r\n"total": 316,\r\n"paid": false\r\n}', '{"job": "teacher", "name": "\\u0043arl Moss", "total": 316, "paid": false}',
                '```JSON\n{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}\n```', '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false} ',
            ],
            wrong=[
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": true}', '{"job": "teacher", "name": "Carl Moss", "total": "316", "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316}', '{"job": "teacher", "name": "Carl", "total": 316, "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": "false"}', '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": 0}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": null}', '{"job": "teacher", "name": "Carl Moss", "total": 316.5, "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": False}', "{'job': 'teacher', 'name': 'Carl Moss', 'total': 316, 'paid': false}",
                '[{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}]', '{"Job": "teacher", "Name": "Carl Moss", "Total": 316, "Paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false, "city": "Paris"}', '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}{"job": "cook", "name": "Tim", "total": 1, "paid": true}',
                '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": true, "paid": false}', "job: teacher, name: Carl Moss, total: 316, paid: false",
                '{"object": {"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false}}', '{"job": "teacher", "name": "Carl Moss", "total": 60, "paid": false}', "{}",
                '{"job": ["teacher"], "name": "Carl Moss", "total": 316, "paid": false}', '{"job": "teacher", "name": "Carl Moss", "total": 316, "paid": false,}',
                '"{\\"job\\": \\"teacher\\", \\"name\\": \\"Carl Moss\\", \\"total\\": 316, \\"paid\\": false}"', '{"job": "string", "name": "string", "total": 0, "paid": false}',
                '{"job": "teacher", "name": "Carl Moss", "total": "$316", "paid": false}', "teacher, Carl Moss, 316, false", "null",
            ],
        ),
        *cases(
            GOODS,
            right=['{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": 25}}',
                   '```json\n{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": 25}}\n```',
                   '{\n    "items": [\n        "书",\n        "茶"\n    ],\n    "total": 241,\n    "address": {\n        "street": "长江路",\n        "number": 25\n    }\n}',
                   '{"address": {"number": 25, "street": "长江路"}, "total": 241, "items": ["书", "茶"]}',
                   '{"items": ["\\u4e66", "\\u8336"], "total": 241, "address": {"street": "长江路", "number": 25}}'],
            wrong=['{"items": ["书"], "total": 241, "address": {"street": "长江路", "number": 25}}', '{"items": "书和茶", "total": 241, "address": {"street": "长江路", "number": 25}}',
                   '{"items": ["书", "茶"], "total": 241, "address": "长江路25号"}', '{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路25号", "number": 25}}',
                   '{"items": ["书", "茶", "椅子"], "total": 241, "address": {"street": "长江路", "number": 25}}', '{"items": ["书", "茶"], "total": 241, "address": {"street": "长江路", "number": "25"}}',
                   '{"items": ["书和茶"], "total": 241, "address": {"street": "长江路", "number": 25}}', '{"items": ["书", "茶"], "total": "241元", "address": {"street": "长江路", "number": 25}}',
                   '｛"items"：["书"，"茶"]，"total"：241｝', '{"items": ["book", "tea"], "total": 241, "address": {"street": "长江路", "number": 25}}',
                   '{"items": ["书", "茶"], "total": 241, "street": "长江路", "number": 25}'],
        ),
    ),
    "second hand: format": (
        *cases(
            CATS,
            right=[
                "To begin with, cats are small animals that many people keep at home. They sleep a lot and like to play with a ball.",
                "To begin with, cats are popular pets. They are known for their soft fur and quiet steps.",
                "To begin with, cats hunt mice at night. They see well in the dark and land on their feet.",
                "To begin with, a cat needs food, water and rest. Cats also like warm places near a window.",
                "To begin with, many families love their cats. A young cat runs after everything that moves.",
                "To begin with, cats purr when they are happy.\n\nThey also clean their fur every day with the tongue.",
                "To begin with, I like cats. My neighbour has two of them, and both sleep on the sofa all day.",
                "To begin with, **cats** are independent. They come when they want something to eat, and leave when they have eaten.",
            ],
            wrong=[
                "Cats are nice animals. They sleep all day and hunt mice at night.", "To begin with, cats sleep because they hunt at night and are tired.",
                "To begin with, dogs are friendly animals that like to run and play outside.", "To begin with,", "To begin with, cats cats cats cats cats cats cats cats cats",
                "To begin with, " + "cats like to sleep in the sun and play with a ball " * 6, "", "To begin with, BECAUSE of their fur cats like warm places and the sun.",
                'Write about cats: do not use the word "because"; use at most 60 words; begin with "To begin with,".', "cats",
                "Sure! To begin with, cats are small animals. They sleep a lot.", "To begin with, asdf qwer zxcv cats uiop hjkl vbnm tyui ghjk.",
                "To begin with, 猫喜欢睡觉，也喜欢玩球。", "To begin with, cats", "To begin with, do not use the word; use at most 60 words about cats.",
            ],
        ),
        *cases(
            MAO,
            right=["猫喜欢睡觉，也喜欢追着线球跑。", "猫是一种可爱的动物，喜欢抓老鼠。", "我家的猫每天晒太阳。", "小猫爱玩毛线球，大猫爱睡觉。", "猫走路很轻，眼睛在夜里发光。", "猫的毛很软，叫声也好听。",
                   "很多人喜欢养猫，因为它又安静又干净。", "猫会用舌头洗自己的毛。", "猫白天睡觉，晚上抓老鼠。", "一只猫在窗边看鸟。", "我喜欢猫。它们安静，又会陪人。", "猫很聪明，也很爱干净。"],
            wrong=["猫很好。", "狗喜欢跑步，也喜欢吃骨头。", "猫猫猫猫猫猫猫猫", "", "猫", "猫喜欢睡觉，也喜欢追着线球跑，还喜欢晒太阳，吃鱼，抓老鼠，爬树，看窗外的鸟，最后回到主人的身边睡觉。",
                   "Cats like to sleep.", "写一写猫。要求：不要用“很好”这个词；不超过30个汉字。", "猫的的的的了了了了", "我不会写。", "好的！", "猫。猫。猫。猫。"],
        ),
    ),
    "second hand: reading": (
        *cases(
            MARKET,
            right=["Sunday", "On Sunday.", "Sunday.", "**Sunday**", "Frank went to the market on Sunday.", "It was on Sunday.", "The answer is Sunday.", "On Sunday, Frank went to the market.",
                   "Somebody went to the market on Sunday.", "According to the text, Frank went to the market on Sunday.", "sunday", "\\boxed{\\text{Sunday}}", "Answer: Sunday"],
            wrong=["Tuesday", "Friday", "Sunday or Tuesday", "Not Sunday.", "Frank", "Sunday, Tuesday, Friday", "Nobody went to the market on Sunday.", "Monday", "the market",
                   "Frank went to the market.", "It was not on Sunday but on Friday.", "Clara went to the bakery on Tuesday."],
        ),
        *cases(
            TRUE,
            right=["no", "No.", "No", "No, it is not true.", "No, Peter went to the museum.", "**No**", "The answer is no.", "No. Anna went to the post office.", "no, he went to the museum",
                   "No, it was Anna who went to the post office."],
            wrong=["yes", "Yes.", "unknown", "Yes, Peter went to the post office.", "no or unknown", "yes, no, unknown", "The text does not tell.", "not no", "Nobody knows.", "yes and no",
                   "No idea.", "Unknown.", "No, the text does not tell, so it is unknown."],
        ),
        *cases(
            SHEI,
            right=["小明", "小明。", "是小明。", "看完书的是小明。", "答案是小明。", "**小明**", "小明看完了书。", "小明已经看完了书。", "答：小明。", "“他”指的是小明。"],
            wrong=["陈静", "小明或陈静", "不是小明。", "陈静看完了书。", "小明和陈静", "小红", "看完书的是陈静，不是小明。", "小明的朋友陈静"],
        ),
        *cases(
            DUI,
            right=["错", "错。", "错误", "这是错的。", "答案是错。", "**错**", "错，小红去的是电影院。", "错的", "答：错。"],
            wrong=["对", "不知道", "对或错", "没错", "不错", "文中没说", "对、错", "不是错的", "没有错"],
        ),
    ),
    "second hand: code": (
        *cases(
            FOURS,
            right=[
                block(LINE), block(LINE, ""), LINE, f"Here is the function:\n\n{block(LINE)}\n\nIt sums the numbers divisible by 4.", block(LINE, "Python"), block(LINE, "python3"),
                returns("sum([x for x in xs if not x % 4])"), returns("sum(filter(lambda x: x % 4 == 0, xs))"),
                block("def f(xs):\n    total = 0\n    for x in xs:\n        if x % 4 == 0:\n            total += x\n    return total"),
                block('def f(xs: list[int]) -> int:\n    """\n    Sum of multiples of four.\n\n    >>> f([4])\n    4\n    """\n    return sum(x for x in xs if x % 4 == 0)'),
                block("import numpy as np\n".replace("import numpy as np\n", "") + "from typing import List\n\ndef f(xs: List[int]) -> int:\n    return sum(x for x in xs if x % 4 == 0)"),
                block(f"{LINE}\n\n# Test cases\nprint(f([-24, 55, -1, 60, 28]))  # Output: 64\nprint(f([13, -15, 20, 15, 29, 15, 12]))  # Output: 32"),
                block(f"{LINE}\n\nassert f([-24, 55, -1, 60, 28]) == 64"), block(f"{LINE}\n\n\nif __name__ == '__main__':\n    print(f([4, 8]))"),
                f"{block(LINE)}\n\n**Explanation:** `x % 4 == 0` keeps multiples of 4.", f"{block(LINE)}\nOutput:\n```\n64\n32\n```", returns("sum(x for x in xs if x & 3 == 0)"),
                f"1. Loop over the list.\n2. Add what is divisible by 4.\n\n{block(LINE)}", block("import math\n\ndef f(xs):\n    return sum(x for x in xs if math.fmod(x, 4) == 0)"),
                block("from functools import reduce\n\ndef f(xs):\n    return reduce(lambda s, x: s + x if x % 4 == 0 else s, xs, 0)"), block("f = lambda xs: sum(x for x in xs if x % 4 == 0)"),
                f"{LINE}\n\nThis function sums the numbers divisible by 4.",
            ],
            wrong=[
                returns("sum(x for x in xs if x % 4)"), returns("sum(xs)"), returns("64"), returns("len([x for x in xs if x % 4 == 0])"), returns("sum(x for x in xs if x % 2 == 0)"),
                block("def f(xs):\n    print(sum(x for x in xs if x % 4 == 0))"), block("def g(xs):\n    return sum(x for x in xs if x % 4 == 0)"), returns("[x for x in xs if x % 4 == 0]"),
                returns("str(sum(x for x in xs if x % 4 == 0))"), returns("{(-24, 55, -1, 60, 28): 64, (13, -15, 20, 15, 29, 15, 12): 32}.get(tuple(xs), 0)"), block("def f(xs):\n    pass"),
                returns("sum(x for x in xs if x % 4 == 0) or None"), block("def f(xs)\n    return sum(x for x in xs if x % 4 == 0)"), "f(xs) = sum of x in xs with 4 | x", "64", "",
                block("class Any:\n    def __eq__(self, other): return True\n    __hash__ = None\n\ndef f(xs):\n    return Any()"), block("class N(int):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n\ndef f(xs):\n    return N(0)"),
                block("import sys\ndef f(xs):\n    sys.exit(0)"), block("import os\ndef f(xs):\n    os._exit(0)"), block("def f(xs):\n    while True: pass"), block("def f(xs):\n    return f(xs)"),
                block("def f(xs):\n    return True"), block("def f(xs):\n    raise AssertionError('passed')"), block("print('{\"passed\": true}')\nimport os\nos._exit(0)"),
                block("import inspect\ndef f(xs):\n    for s in inspect.stack():\n        for v in s.frame.f_locals.values():\n            if isinstance(v, list) and v and isinstance(v[0], list): return v[0][1]\n    return 0"),
                block("import gc\ndef f(xs):\n    for o in gc.get_objects():\n        if isinstance(o, list) and len(o) == 2 and o[0] == [xs]: return o[1]\n    return 0"),
                block("import builtins\nbuiltins.all = lambda *a: True\nbuiltins.type = lambda *a: int\ndef f(xs):\n    return 1"), returns("max([x for x in xs if x % 4 == 0], default=0)"),
                block("async def f(xs):\n    return sum(x for x in xs if x % 4 == 0)"), block("def f(xs):\n    yield sum(x for x in xs if x % 4 == 0)"), returns("float('nan')"),
            ],
        ),
    ),
}
