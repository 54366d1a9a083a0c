"""JSON objects and instructions about form."""

from firesteel.tasks.families.format import follows
from firesteel.tasks.families.json_extraction import extracted
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

ORDER = Problem(
    "Dora Hunt lives in Rome ... name (string), age (integer), paid (boolean), items (array of strings)",
    {"name": "Dora Hunt", "age": 31, "paid": True, "items": ["tea", "books"]},
    language="en",
    verify=extracted,
)
ADDRESS = Problem(
    "货送到人民路8号……", {"city": "北京", "address": {"street": "人民路", "number": 8}}, language="zh", verify=extracted
)
GOOD = '{"name": "Dora Hunt", "age": 31, "paid": true, "items": ["tea", "books"]}'
TOPIC = {"zh": "茶", "en": "tea"}


def rules(language, *which):
    return Problem(
        "...", TOPIC[language], language=language, verify=follows, facts={"rules": list(which), "topics": TOPIC}
    )


THREE = rules("en", {"rule": "sentences", "n": 3})
BULLETS = rules("en", {"rule": "bullets", "n": 2, "in": "en"}, {"rule": "avoids", "word": "very"})
LOWER = rules("en", {"rule": "lower case"}, {"rule": "at least", "n": 8, "in": "en"})
ENDING = rules("zh", {"rule": "ends", "with": "就是这样。"}, {"rule": "starts", "with": "其实，"})
WORD = rules("zh", {"rule": "contains", "word": "朋友", "in": "zh"}, {"rule": "at most", "n": 60, "in": "zh"})
OTHER = rules("en", {"rule": "language", "other": "zh"})
AS_JSON = rules("en", {"rule": "json", "topic": "tea"})

TABLES = {
    "json": (
        *cases(
            ORDER,
            right=[
                GOOD,
                ('{"age": 31, "items": ["tea", "books"], "paid": true, "name": "Dora Hunt"}', "another order"),
                (f"```json\n{GOOD}\n```", "a fence"),
                (f"```\n{GOOD}\n```", "a fence without a name"),
                (f"Here it is:\n```json\n{GOOD}\n```\nDone.", "words around a fence"),
                (
                    '{\n  "name": "Dora Hunt",\n  "age": 31,\n  "paid": true,\n  "items": [\n    "tea",\n    "books"\n  ]\n}',
                    "long",
                ),
                (
                    '{"name": "Dora  Hunt", "age": 31, "paid": true, "items": ["books", "tea"]}',
                    "items in another order",
                ),
                ('{"name":"Dora Hunt","age":31,"paid":true,"items":["tea","books"]}', "no spaces"),
                (f"\n\n  {GOOD}  \n", "white space around"),
                (GOOD.replace("Dora", "\\u0044ora"), "an escape"),
            ],
            wrong=[
                "",
                "31",
                "null",
                "[]",
                "{}",
                f"[{GOOD}]",
                (GOOD.replace("31", '"31"'), "a text instead of a number"),
                (GOOD.replace("31", "31.0"), "not an integer"),
                (GOOD.replace("true", "1"), "1 is not true"),
                (GOOD.replace("true", '"true"'), "a text instead of true"),
                (GOOD.replace("true", "True"), "Python"),
                (GOOD.replace('"', "'"), "single quotes"),
                (GOOD[:-1] + ', "city": "Rome"}', "a key too many"),
                (GOOD[:-1] + ', "age": 32}', "a key twice"),
                ('{"age": 30, ' + GOOD[1:], "a key twice, the right one last"),
                (GOOD + GOOD, "two objects"),
                (f"{GOOD}\n{GOOD.replace('31', '32')}", "two lines"),
                (f"```json\n{GOOD}\n```\n```json\n{GOOD.replace('31', '32')}\n```", "two fences"),
                (GOOD.replace("31", "NaN"), "not a number"),
                (GOOD.replace("31", "1e999"), "infinite"),
                (GOOD.replace('"tea", ', ""), "an item is missing"),
                (GOOD.replace('"tea"', '"tea", "tea"'), "twice"),
                (GOOD.replace("Dora", "dora"), "another case"),
                (GOOD[:-1], "not closed"),
                (GOOD[:-1] + ",}", "a comma"),
                ("[" * 4000, "deep"),
                ('{"a":' * 600, "deep objects"),
                (GOOD + " " * 5000, "long"),
                (GOOD.replace("31", "9" * 4400), "a huge number"),
                (f"The answer is {GOOD}", "words without a fence"),
            ],
        ),
        *cases(
            ADDRESS,
            right=[
                '{"city": "北京", "address": {"street": "人民路", "number": 8}}',
                '{"address": {"number": 8, "street": "人民路"}, "city": "北京"}',
                '```json\n{"city": "北京", "address": {"street": "人民路", "number": 8}}\n```',
                '{"city": "\\u5317\\u4eac", "address": {"street": "人民路", "number": 8}}',
                '{"city": " 北京", "address": {"street": "人民路 ", "number": 8}}',
            ],
            wrong=[
                '{"city": "北京", "address": "人民路8号"}',
                '{"city": "北京", "address": {"street": "人民路"}}',
                '{"city": "北京", "address": {"street": "人民路", "number": "8"}}',
                "城市是北京",
                '{"城市": "北京"}',
                '{"city": "北京", "address": {"street": "人民路", "number": 8, "zip": 1}}',
                '{"city": "北京市", "address": {"street": "人民路", "number": 8}}',
            ],
        ),
    ),
    "format": (
        *cases(
            THREE,
            right=[
                "Tea is a warm drink. It comes from green leaves. Many people like a cup in the morning.",
                "Do you like tea? I do! A hot cup wakes me up.",
                "Tea is a warm drink.\nIt comes from leaves.\nPeople boil water for it.",
                "TEA IS HOT. It grows on hills. People everywhere drink it",
            ],
            wrong=[
                "Tea is a warm drink. It comes from green leaves.",
                "Tea. Tea. Tea.",
                "tea a. tea b. tea c.",
                "",
                "...",
                ". . .",
                "1. 2. 3.",
                ("Coffee is a warm drink. It comes from beans. People like it.", "another topic"),
                ("Tea is a warm drink. Tea is a warm drink. Tea is a warm drink.", "repeats itself"),
                ("Write exactly three sentences.", "the instruction"),
                ("茶是热饮。它来自叶子。人们喜欢喝。", "another language"),
                ("Teapots are round. They hold hot water. Put them on the table.", "a longer word"),
            ],
        ),
        *cases(
            BULLETS,
            right=[
                "- Tea is a warm drink.\n- It grows on green hills.",
                "* tea wakes people up\n* guests get a cup first",
                "- Tea is warm\n\n- Leaves are green",
            ],
            wrong=[
                "- Tea is a very warm drink.\n- It grows on hills.",
                "- Tea\n- Tea",
                "- tea is warm and good to drink",
                "-\n-\n",
                "Here:\n- Tea is a warm drink.\n- It grows on green hills.",
                "- Tea is a warm drink. - It grows on hills.",
                "- Tea is warm.\n- Leaves are green.\n- Cups are small.",
            ],
        ),
        *cases(
            LOWER,
            right=[
                "tea is a warm drink that many people like at home.",
                "tea grows on green hills; hot water brings out its taste.",
            ],
            wrong=[
                "Tea is a warm drink that many people like at home.",
                "tea is warm.",
                "tea tea tea tea tea tea tea tea tea",
                "a b c d e f g h tea",
            ],
        ),
        *cases(
            ENDING,
            right=[
                "其实，茶是一种热饮。南方的山上长着茶树。就是这样。",
                "其实，绿茶的味道有点苦，就是这样。",
                " 其实，人们用热水泡茶叶。就是这样。\n",
            ],
            wrong=[
                "其实，就是这样。",
                "其实，茶。就是这样。",
                "茶是一种热饮。就是这样。",
                "其实，茶是一种热饮。",
                "其实，咖啡是一种热饮。就是这样。",
                "其实，茶茶茶茶茶茶茶茶。就是这样。",
            ],
        ),
        *cases(
            WORD,
            right=["我和朋友一起喝茶，茶很香。", "朋友来了，先上一杯热茶。"],
            wrong=[
                "我喜欢喝茶，茶很香。",
                "朋友朋友茶茶",
                "朋友，茶。",
                "我和朋友一起喝茶。" * 8,
                "friend and tea go together well",
            ],
        ),
        *cases(
            OTHER,
            right=["茶是一种热饮，很多人喜欢。"],
            wrong=[
                "Tea is a warm drink that people like.",
                "茶",
                "Tea is 茶, a warm drink that people like.",
                "咖啡是一种热饮，很多人喜欢。",
            ],
        ),
        *cases(
            AS_JSON,
            right=[
                '{"topic": "tea", "text": "Tea is a warm drink from green leaves."}',
                '```json\n{"text": "Many people drink it in the morning.", "topic": "tea"}\n```',
            ],
            wrong=[
                '{"topic": "tea", "text": ""}',
                '{"topic": "tea"}',
                '{"topic": "tea", "text": "tea"}',
                "tea is warm and good",
                '{"topic": "coffee", "text": "Tea is a warm drink from green leaves."}',
                '{"topic": "tea", "text": 5}',
                'Sure: {"topic": "tea", "text": "Tea is a warm drink from leaves."}',
            ],
        ),
    ),
}
