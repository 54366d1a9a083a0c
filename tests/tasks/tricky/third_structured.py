"""A third set, from a third hand: puzzles, tables and JSON, as language models and people write them."""

from firesteel.tasks.measure import cases
from tests.tasks.tricky.third_texts import drawn

DAY = drawn("logic-grid@3/en", 0, "Carl, Dora, Eric, Anna each have a different day")
ALL = drawn("logic-grid@3/en", 1, "Eric, Anna, Dora, Carl share these out")
COLOUR = drawn("logic-grid@3/zh", 0, "王芳、刘洋、张伟、小红各有不同的日子")
ALL_ZH = drawn("logic-grid@3/zh", 1, "张伟、小明、王芳、李华每人一样")
THURSDAY = drawn("logic-grid@1/en", 0, "Carl, Dora, Eric each have a different day")
LOGIC_GRID = (
    *cases(
        DAY,
        right=["Wednesday", "Eric comes on **Wednesday**.", "Wed",
               "Since Eric cannot come on Monday, Tuesday or Friday, Eric comes on Wednesday.",
               "On Wednesday, with the cat.", "The day Eric comes is Wednesday, as clues 1, 4 and 5 leave no other."],
        wrong=["Tuesday", "Wednesday or Friday", "Not on Wednesday.", "Monday, Tuesday, Wednesday, Friday",
               "Carl comes on Wednesday.",
               "The day after Wednesday", "Eric comes on Tuesday, Carl on Wednesday.", "before Wednesday"],
    ),
    *cases(
        ALL,
        right=[
            "Eric: red, tea; Anna: green, water; Dora: white, juice; Carl: black, milk",
            ("- **Eric**: red, tea\n- **Anna**: green, water\n- **Dora**: white, juice\n- **Carl**: black, milk",
            "bullets"),
            ("| Name | Colour | Drink |\n|---|---|---|\n| Eric | red | tea |\n| Anna | green | water |\n| Dora | "
             "white | juice |\n"
             "| Carl | black | milk |", "a table"),
            ("Carl: black, milk; Dora: white, juice; Eric: red, tea; Anna: green, water", "another order"),
            ("Eric: tea, red; Anna: water, green; Dora: juice, white; Carl: milk, black", "kinds swapped"),
            ("Eric wears red and drinks tea. Anna wears green and drinks water. Dora wears white and drinks juice. "
             "Carl wears black and drinks milk.", "sentences"),
            ('{"Eric": ["red", "tea"], "Anna": ["green", "water"], "Dora": ["white", "juice"], "Carl": ["black", '
             '"milk"]}', "JSON"),
            ("From clue 4 and 7, Dora drinks juice, so Dora wears white.\n\nEric: Red, Tea; Anna: Green, Water; Dora: "
             "White, Juice; "
             "Carl: Black, Milk", "worked"),
        ],
        wrong=[
            "Eric: red, tea; Anna: green, water; Dora: white, juice",
            "Eric: green, tea; Anna: red, water; Dora: white, juice; Carl: black, milk",
            "Eric: red, tea; Anna: green, milk; Dora: white, juice; Carl: black, water",
            ("Eric: red, green, tea; Anna: green, water; Dora: white, juice; Carl: black, milk", "one has two"),
            ("Eric: red or green, tea; Anna: green or red, water; Dora: white, juice; Carl: black, milk", "hedges"),
            ("Eric: not red, tea; Anna: green, water; Dora: white, juice; Carl: black, milk", "denies one"),
            ("Eric, Anna, Dora, Carl: red, green, white, black; tea, water, juice, milk", "columns, not pairs"),
            ("Eric: red, tea; Anna: green, water; Dora: white, juice; Carl: black, milk\nor\nEric: green, tea; Anna: "
             "red, water; "
             "Dora: white, juice; Carl: black, milk", "two answers"),
            ("Eric: red, tea; Anna: green, water; Dora: white, juice; Carl: black, milk; Anna: red, water",
            "one again"),
            ("Eric: red; Anna: green; Dora: white; Carl: black", "a kind missing"),
            ("Everyone has one of red, green, white, black and one of tea, milk, juice, water.", "names all"),
        ],
    ),
    *cases(
        COLOUR,
        right=["绿色", "刘洋穿绿色。", "刘洋周二来，穿绿色的人周二来，所以刘洋穿**绿色**。", "绿",
               "刘洋穿的是绿色的衣服"],
        wrong=["红色", "刘洋不穿绿色", "绿色或白色", "张伟穿绿色。", "红色、绿色、白色、黑色", "刘洋穿白色，王芳穿绿色",
               "除了绿色都可以"],
    ),
    *cases(
        ALL_ZH,
        right=["张伟：红色、茶；小明：绿色、可乐；王芳：白色、果汁；李华：黑色、牛奶",
               "张伟：红色，茶\n小明：绿色，可乐\n王芳：白色，果汁\n李华：黑色，牛奶",
               "张伟穿红色、喝茶；小明穿绿色、喝可乐；王芳穿白色、喝果汁；李华穿黑色、喝牛奶。",
               "| 姓名 | 颜色 | 饮料 |\n|---|---|---|\n| 张伟 | 红色 | 茶 |\n| 小明 | 绿色 | 可乐 |\n| 王芳 | 白色 | "
               "果汁 |\n| 李华 | 黑色 | 牛奶 |"],
        wrong=["张伟：红色、茶；小明：绿色、可乐；王芳：白色、果汁",
               "张伟：绿色、茶；小明：红色、可乐；王芳：白色、果汁；李华：黑色、牛奶",
               "张伟：红色、茶；小明：绿色、可乐；王芳：白色、果汁；李华：黑色、牛奶或茶",
               "张伟不穿红色、喝茶；小明穿绿色、喝可乐；王芳穿白色、喝果汁；李华穿黑色、喝牛奶。"],
    ),
    *cases(THURSDAY, right=["Eric", "Eric comes on Thursday.", "Carl: Tuesday, Dora: Friday, Eric: Thursday. So Eric.",
           "It must be **Eric**"],
           wrong=["Dora", "Carl: Tuesday, Eric: Friday, Dora: Thursday", "Eric or Dora",
                  "Neither Carl nor Dora... so nobody", "Not Eric",
                  "Carl comes on Thursday, Eric on Friday."]),
)  # fmt: skip

IS = drawn("knights@1/en", 0, "A knight never lies and a knave always lies.\nBen says")
IS_ZH = drawn("knights@1/zh", 0, "岛上骑士只说真话，无赖只说假话。\n小红说")
WHO = drawn("knights@3/en", 1, "Knights always tell the truth")
WHO_ZH = drawn("knights@3/zh", 1, "骑士总说真话，无赖总说假话。\n李华说")
NOBODY = drawn("knights@3/zh", 0, "岛上骑士只说真话")
KNIGHTS = (
    *cases(
        IS,
        right=["knave", "Eric is a knave.", "A knave.", "**Knave**",
               "If Eric were a knight, then both would be knights, a contradiction. So Eric is a knave.",
               "Eric is not a knight, so he is a knave.", "He is a liar, i.e. a knave."],
        wrong=["knight", "Eric is not a knave.", "knight or knave", "knave or knight",
               "Ben is a knave, Eric is a knight.", "Eric is a knight, not a knave.",
               "Eric could be a knave.", "Both a knight and a knave", "Either Eric is a knave or Ben is.",
               "Eric says he is a knave, but he is a knight"],
    ),
    *cases(IS_ZH, right=["无赖", "张伟是无赖。", "张伟不是骑士，是无赖。",
           "假设张伟是骑士，则矛盾，所以张伟是**无赖**。"],
           wrong=["骑士", "张伟不是无赖。", "骑士或无赖", "张伟可能是无赖", "小红是无赖，张伟是骑士",
                  "是骑士而不是无赖"]),
    *cases(
        WHO,
        right=["Carl: knight, Anna: knave, Ben: knave, Fay: knight",
               "Carl is a knight, Anna is a knave, Ben is a knave, and Fay is a knight.",
               "- Carl: **knight**\n- Anna: **knave**\n- Ben: **knave**\n- Fay: **knight**",
               "Knights: Carl, Fay\nKnaves: Anna, Ben", "Carl and Fay are knights; Anna and Ben are knaves.",
               '```json\n{"Carl": "knight", "Anna": "knave", "Ben": "knave", "Fay": "knight"}\n```',
               "| Person | Type |\n|---|---|\n| Carl | knight |\n| Anna | knave |\n| Ben | knave |\n| Fay | knight |",
               "Suppose Anna is a knight. Then Ben is a knight, so Fay is a knight, but Fay says Anna is a knave: "
               "contradiction.\n"
               "So Anna: knave, Ben: knave, Carl: knight, Fay: knight."],
        wrong=["Carl: knight, Anna: knave, Ben: knight, Fay: knight",
               "Carl: knave, Anna: knight, Ben: knight, Fay: knave",
               "Carl: knight, Anna: knave, Ben: knave", "Knights: Carl, Fay, Ben\nKnaves: Anna, Ben",
               "Knights: Anna, Ben\nKnaves: Carl, Fay",
               "Carl: knight, Anna: knave, Ben: knave, Fay: knight or knave", "Carl, Anna, Ben, Fay: knight, knave",
               "Carl: knight, Anna: knave, Ben: knave, Fay: knight; or Carl: knave, Anna: knight, Ben: knight, Fay: "
               "knave",
               "Carl: knight, Anna: knave, Ben: knave, Fay: knight, Ben: knight",
               "Carl: not knight, Anna: knave, Ben: knave, Fay: knight",
               "Carl and Fay are knights.", "Carl and Fay are not knights; Anna and Ben are not knaves.",
               "It is false that Carl: knight, Anna: knave, Ben: knave, Fay: knight."],
    ),
    *cases(
        WHO_ZH,
        right=["李华：骑士，小明：无赖，小红：无赖，刘洋：骑士", "李华是骑士，小明是无赖，小红是无赖，刘洋是骑士。",
               "李华和刘洋是骑士，小明和小红是无赖。", "骑士：李华、刘洋\n无赖：小明、小红",
               "李华: 骑士\n小明: 无赖\n小红: 无赖\n刘洋: 骑士"],
        wrong=["李华：骑士，小明：无赖，小红：骑士，刘洋：骑士", "李华和刘洋是无赖，小明和小红是骑士。",
               "李华：骑士，小明：无赖，小红：无赖",
               "李华和刘洋不是骑士，小明和小红不是无赖。", "李华、小明、小红、刘洋：骑士、无赖"],
    ),
    *cases(NOBODY, right=["小明：无赖，张伟：无赖，王芳：无赖，李华：无赖", "四个人都是无赖。", "所有人都是无赖"],
           wrong=["没有人是无赖。", "小明：无赖，张伟：无赖，王芳：无赖，李华：骑士", "不都是无赖", "四个人都是骑士。",
                  "都不是无赖"]),
)  # fmt: skip

IVAN = drawn("tables@2/en", 0, "| name | city | age | height |")
CITY = drawn("tables@2/en", 1, "| name | city | score | height |")
TOGETHER = drawn("tables@2/en", 4, "name: Hana; city: Rome; age: 24; score: 98")
AGE = drawn("tables@2/en", 3, "| name | city | age | height |\n|---|---|---|---|\n| Eric")
OSLO = drawn("tables@4/en", 0, "name: Ben; city: Rome")
KURT = drawn("tables@4/en", 3, "| name")
TALL_ZH = drawn("tables@4/zh", 0, "姓名,城市,年龄,分数,工资,身高\n孙悦")
PAY_ZH = drawn("tables@4/zh", 4, "姓名,城市,年龄,分数,工资,身高\n赵磊")
GRID = (
    *cases(
        IVAN,
        right=["Ivan", "Ivan has the highest height (195).", "**Ivan**, with a height of 195",
               "Ivan (195 cm) is taller than Carl (193).",
               "Heights: Hana 166, Ivan 195, Carl 193, Gus 191, Fay 190, Dora 165. The highest is Ivan."],
        wrong=["Carl", "195", "Ivan or Carl", "Carl is taller than Ivan.", "Hana, Ivan, Carl, Gus, Fay, Dora",
               "Everyone except Ivan",
               "Not Ivan", "Ivan has the highest height, but the answer is Carl."],
    ),
    *cases(CITY, right=["Paris", "Eric lives in Paris.", "Eric: **Paris**", "paris",
           "He lives in the city of Paris, not Rome."],
           wrong=["Rome", "Eric does not live in Paris.", "Paris and Rome", "Lena lives in Paris, Eric in Rome.",
                  "London", "Eric left Paris for Rome."]),
    *cases(
        TOGETHER,
        right=["112", "98 + 14 = **112**", "The score of Hana and Jane together is 112.",
               "Hana: 98, Jane: 14, total: 112", "112 points"],
        wrong=["98 and 14", "98 + 14", "84", "112 or 111", "56 each on average", "98 + 14 = 113", "Hana 98, Jane 14",
               "11 2", "-112"],
    ),
    *cases(AGE, right=["20", "Dora is 20 years old.", "twenty", "The age of Dora is 20."], wrong=["21", "155",
           "20 or 21", "Carl is 20.", "not 20"]),
    *cases(OSLO, right=["334", "154 + 180 = 334", "The total height is 334 cm."], wrong=["154, 180", "344", "334 - 1",
           "167 on average"]),
    *cases(KURT, right=["Kurt", "Fay is first (60), Kurt second (58), so Kurt.", "2nd place: **Kurt**"],
           wrong=["Fay", "1. Fay 2. Hana", "1. Kurt 2. Fay", "Fay and Kurt", "Kurt is in first place, Fay in second."]),
    *cases(TALL_ZH, right=["郑凯", "郑凯的身高最大，是167。", "北京的有周涛（143）和郑凯（167），所以是郑凯。"],
           wrong=["周涛", "周涛比郑凯高。", "周涛、郑凯", "不是郑凯", "李华", "身高最小的是郑凯"]),
    *cases(PAY_ZH, right=["88", "37+51=88，一共是88。", "八十八", "工资一共88元"], wrong=["37和51", "八十七", "98",
           "平均88", "88或89"]),
)  # fmt: skip

DORA = drawn("json-extraction@3/en", 0, "The customer is Dora Hunt.")
ITEMS = drawn("json-extraction@4/zh", 4, "这位顾客叫陈静。")
ADDRESS = drawn("json-extraction@4/en", 0, "The customer is")
_DORA = '{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": false}'
_JING = (
    '{"name": "陈静", "job": "律师", "items": ["书", "茶"], "city": "广州", '
    '"address": {"street": "长江路", "number": 91}, "paid": false}'
)
_HOME = (
    '{"name": "Dora Hunt", "address": {"street": "Oak Street", "number": 84}, "items": ["books", "umbrellas", '
    '"cameras"], '
    '"job": "teacher", "total": 923, "city": "Lima", "paid": false}'
)
JSON = (
    *cases(
        DORA,
        right=[
            _DORA,
            (f"```json\n{_DORA}\n```", "a fence"),
            (f"```\n{_DORA}\n```", "a bare fence"),
            ('{"paid": false, "job": "teacher", "total": 573, "name": "Dora Hunt"}', "another order"),
            ('{\n    "name": "Dora Hunt",\n    "total": 573,\n    "job": "teacher",\n    "paid": false\n}', "indented"),
            ('{"name":"Dora Hunt","total":573,"job":"teacher","paid":false}', "no spaces"),
            ('\n\n{"name" : "Dora Hunt" , "total" : 573 , "job" : "teacher" , "paid" : false}\n', "odd spaces"),
            ('{\t"name": "Dora Hunt",\n\t"total": 573,\n\t"job": "teacher",\n\t"paid": false\n}', "tabs"),
            ('{"name": "Dora \\u0048unt", "total": 573, "job": "teacher", "paid": false}', "escaped"),
            (f"```JSON\n{_DORA}\n```\n", "a shouted fence"),
        ],
        wrong=[
            ('{"name": "Dora Hunt", "total": "573", "job": "teacher", "paid": false}', "a string"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": "false"}', "a string"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": 0}', "0 for false"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": null}', "null"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": false, "age": 78}', "an extra key"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher"}', "a key missing"),
            ('{"name": "Dora Hunt", "total": 573.5, "job": "teacher", "paid": false}', "a fraction"),
            ('{"name": "Dora Hunt", "total": [573], "job": "teacher", "paid": false}', "a list"),
            ('{"Name": "Dora Hunt", "Total": 573, "Job": "teacher", "Paid": false}', "other keys"),
            ("{'name': 'Dora Hunt', 'total': 573, 'job': 'teacher', 'paid': False}", "Python"),
            (f"[{_DORA}]", "a list of it"),
            (f"{_DORA}\n{_DORA.replace('573', '78')}", "two objects"),
            ('{"name": "Dora Hunt", "total": 78, "total": 573, "job": "teacher", "paid": false}', "a key twice"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": false', "not closed"),
            ('{"name": "teacher", "total": 573, "job": "Dora Hunt", "paid": false}', "swapped"),
            ('{"name": "Tim", "total": 573, "job": "teacher", "paid": false}', "the clerk"),
            ('{"data": ' + _DORA + "}", "wrapped"),
            ('"' + _DORA.replace('"', '\\"') + '"', "a string of JSON"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": false, }', "a comma too many"),
            ('{"name": "Dora Hunt", "total": 573, "job": "teacher", "paid": NaN}', "NaN"),
            ('{"name": "Dora Hunt|Tim|Anna Lee", "total": 573, "job": "teacher", "paid": false}', "names several"),
        ],
    ),
    *cases(
        ITEMS,
        right=[_JING, (f"```json\n{_JING}\n```", "a fence"), (_JING.replace("陈静", "\\u9648\\u9759"), "escaped"),
               ('{\n  "paid": false,\n  "address": {\n    "number": 91,\n    "street": "长江路"\n  },\n  "city": "广州'
                '",\n  "items": [\n    "书",\n'
                '    "茶"\n  ],\n  "job": "律师",\n  "name": "陈静"\n}', "indented, another order")],
        wrong=[(_JING.replace('["书", "茶"]', '"书和茶"'), "one string"), (_JING.replace('["书", "茶"]', '["书和茶"]'),
               "one item"),
               (_JING.replace('["书", "茶"]', '["书", "茶", "茶"]'), "one doubled"), (_JING.replace("91}", '"91号"}'),
               "a string"),
               (_JING.replace('{"street": "长江路", "number": 91}', '"长江路91号"'), "flat"),
               (_JING.replace("广州", "西安"), "another city"), (_JING.replace('"name"', '"姓名"'), "keys translated"),
               (_JING.replace("91}", "91.0001}"), "nearly"), (_JING.replace('["书"', '["书", ""'), "an empty item")],
    ),
    *cases(
        ADDRESS,
        right=[_HOME, (_HOME.replace('{"street": "Oak Street", "number": 84}',
               '{"number": 84, "street": "Oak Street"}'), "inner order")],
        wrong=[(_HOME.replace('{"street": "Oak Street", "number": 84}', '{"street": "84 Oak Street", "number": 84}'),
               "twice"),
               (_HOME.replace('"number": 84}', '"number": 84, "city": "Lima"}'), "an inner extra"),
               (_HOME.replace("Oak Street", "Oak"), "half a street"), (_HOME.replace('"umbrellas", ', ""),
               "an item missing")],
    ),
)  # fmt: skip

TABLES = {"logic-grid, third": LOGIC_GRID, "knights, third": KNIGHTS, "tables, third": GRID, "json, third": JSON}
MAY_REJECT = {
    "logic-grid, third": 0.08,  # what cannot be, before what is, in one sentence; 绿 for 绿色
    "knights, third": 0.04,  # 不是骑士，是无赖
    "tables, third": 0.07,  # the others' heights before the highest, without a "so"
}
