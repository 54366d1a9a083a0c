"""A second set, from another hand: names, objects, texts and programs, as language models write them."""

from firesteel.tasks.families.naming import assignment, one_of
from firesteel.tasks.families.reading import chosen, judged
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

FISH = Problem(
    "Carl, Dora, Fay each have a different pet (dog, bird, fish).\n1. Carl does not have the dog.\n2. Fay "
    "has the bird.\n"
    "Who has the fish?", "Carl", language="en", verify=one_of,
    facts={"people": ["Carl", "Dora", "Fay"], "kinds": [["dog", "bird", "fish"]], "choices": ["Carl", "Dora", "Fay"]},
)  # fmt: skip
YANG = Problem(
    "李华、王芳、刘洋各有不同的宠物（狗、鸟、鱼）。\n1"
    ". 李华不养狗。\n2. 刘洋养鸟。\n王芳养什么？", "狗", language="zh", verify=one_of,
    facts={"people": ["李华", "王芳", "刘洋"], "kinds": [["狗", "鸟", "鱼"]], "choices": ["狗", "鸟", "鱼"]},
)  # fmt: skip
ALL = Problem(
    "Anna and Ben each have a different pet (cat, dog), day (Monday, Friday).\nWhat does everybody have?",
    {"Anna": ["cat", "Friday"], "Ben": ["dog", "Monday"]}, language="en", verify=assignment,
    facts={"people": ["Anna", "Ben"], "kinds": [["cat", "dog"], ["Monday", "Friday"]]},
)  # fmt: skip
ISLAND = Problem(
    'Knights always tell the truth, knaves always lie.\nDora says: "Eric is a knave."\nBen says: "Dora and '
    'Eric are of the same '
    'kind."\nEric says: "Ben is a knight."\nWho is what? Answer as "name: knight, name: knave".',
    {"Dora": ["knight"], "Ben": ["knave"], "Eric": ["knave"]}, language="en", verify=assignment,
    facts={"people": ["Dora", "Ben", "Eric"], "kinds": [["knave", "knight"]]},
)  # fmt: skip
DAO = Problem(
    "骑士总说真话，无赖总说假话。\n王芳说：“我们当中正好有1个骑士。”\n刘"
    "洋说：“王芳是骑士。”\n每个人各是什么？请写成“名字：骑士，名字：无赖”。",
    {"王芳": ["无赖"], "刘洋": ["无赖"]}, language="zh", verify=assignment,
    facts={"people": ["王芳", "刘洋"], "kinds": [["无赖", "骑士"]]},
)  # fmt: skip
MARKET = Problem(
    "On Sunday Frank went to the market with the umbrella and waited for half an hour there. Clara took the "
    "bottle to the bakery on "
    "Tuesday and stayed all afternoon. It was Peter who carried the guitar to the post office on Friday; "
    "there Peter got lost.\n"
    "On which day did some"
    "body go to the market?", "Sunday", language="en", verify=chosen, facts={"choices": ["Sunday", "Tuesday", "Friday"]},
)  # fmt: skip
TRUE = Problem(
    "It was Anna who carried the guitar to the post office on Sunday. On Tuesday Peter went to the museum "
    "with the umbrella.\n"
    "Is it true that Peter went to the post office? S"
    "ay yes, no, or unknown if the text does not tell.", "no", language="en", verify=judged,
    facts={"choices": ["yes", "no", "unknown"]},
)  # fmt: skip
SHEI = Problem(
    "小明把书还给陈静，因为他已经看完了。\n看完书的是谁？",
    "小明",
    language="zh",
    verify=chosen,
    facts={"choices": ["小明", "陈静"]},
)
DUI = Problem(
    "带着吉他去邮局的是小明，那天是星期日。星期二，小红带着雨伞去了"
    "电影院。\n“小红去的是邮局”：对、错，还是文中没说（不知道）？", "错",
    language="zh", verify=judged, facts={"choices": ["对", "错", "不知道"]},
)  # fmt: skip

# fmt: off
TABLES = {
    "second hand: logic grid": (
        *cases(
            FISH,
            right=[
                "Carl", "Carl has the fish.", "**Carl**", "Carl has the **fish**.", "The answer is Carl.", "carl",
                "\\boxed{\\text{Carl}}", "Answer: Carl",
                "Fay has the bird. Carl does not have the dog, so Carl has the fish.", "Carl.",
                "Therefore, Carl has the fish.",
                "Since Fay has the bird and Carl doesn't have the dog, Carl must have the fish.",
                "The fish belongs to Carl.", "It is Carl.",
                "| person | pet |\n|---|---|\n| Carl | fish |\n| Dora | dog |\n| Fay | bird |\n\nCarl has the fish.",
                "1. Fay has the bird.\n2. Carl does not have the dog.\n\nSo **Carl** has the fish.",
                "Carl has the fish, Dora has the dog, Fay has the bird.",
            ],
            wrong=[
                "Dora", "Fay", "Dora has the fish.", "Carl or Dora", "Not Carl.", "Carl does not have the fish.",
                "Carl, Dora, Fay", "fish", "Carl has the dog.", "Either Carl or Dora has the fish.", "Carla",
                "Fay has the bird.", "Carl's neighbour Dora", "nobody", "Carl Dora", "Dora has the fish, not Carl.",
                "Is it Carl?", "Someone other than Carl.", "Carl has the bird.",
            ],
        ),
        *cases(
            YANG,
            right=[
                "狗", "王芳养狗。", "答案是狗。", "**狗**", "王芳养的是狗。",
                "刘洋养鸟，李华不养狗，所以李华养鱼，王芳养狗。", "答：王芳养狗。", "王芳养的宠物是狗",
                "李华养鱼，王芳养狗，刘洋养鸟。", "因此，王芳养狗。",
            ],
            wrong=[
                "鱼", "鸟", "王芳养鱼。", "狗或鱼", "王芳不养狗。", "李华养狗。", "狗、鸟、鱼", "不是狗", "王芳",
                "李华养鱼，刘洋养鸟。", "可能是狗，也可能是鱼。",
            ],
        ),
        *cases(
            ALL,
            right=[
                "Anna: cat, Friday; Ben: dog, Monday",
                "Anna has the cat and comes on Friday. Ben has the dog and comes on Monday.",
                "| name | pet | day |\n|---|---|---|\n| Anna | cat | Friday |\n| Ben | dog | Monday |",
                "- Anna: cat, Friday\n- Ben: dog, Monday", "**Anna**: cat, Friday\n**Ben**: dog, Monday",
                "Anna - cat - Friday\nBen - dog - Monday", "1. Anna: cat, Friday\n2. Ben: dog, Monday",
            ],
            wrong=[
                "Anna: dog, Friday; Ben: cat, Monday", "Anna: cat, Monday; Ben: dog, Friday", "Anna: cat; Ben: dog",
                "Anna: cat, dog; Ben: Monday, Friday", "Anna: cat, Friday", "Ben: cat, Friday; Anna: dog, Monday",
                "cat, Friday, dog, Monday",
            ],
        ),
    ),
    "second hand: knights": (
        *cases(
            ISLAND,
            right=[
                "Dora: knight, Ben: knave, Eric: knave", "Dora is a knight, Ben is a knave, and Eric is a knave.",
                "Dora: Knight, Ben: Knave, Eric: Knave", "- Dora: knight\n- Ben: knave\n- Eric: knave",
                "**Dora**: knight, **Ben**: knave, **Eric**: knave", "Dora: knight\nBen: knave\nEric: knave",
                "| name | kind |\n|---|---|\n| Dora | knight |\n| Ben | knave |\n| Eric | knave |",
                "Dora is a knight. Ben and Eric are knaves.", "Dora is the knight; Ben and Eric are knaves.",
                "Eric: knave, Ben: knave, Dora: knight", "The answer is: Dora: knight, Ben: knave, Eric: knave.",
                "\\boxed{\\text{Dora: knight, Ben: knave, Eric: knave}}",
                "Dora = knight, Ben = knave, Eric = knave", "**Dora: knight, Ben: knave, Eric: knave**",
                "If Eric were a knight, Ben would be a knight. That is a contradiction.\n\nDora: knight, Ben: "
                "knave, Eric: knave",
                "Answer: Dora: knight, Ben: knave, Eric: knave.",
            ],
            wrong=[
                "Dora: knave, Ben: knight, Eric: knight", "Dora: knight, Ben: knight, Eric: knave", "Dora: knight",
                "Dora: knight, Ben: knave", "knight, knave, knave",
                "Dora: knight, Ben: knave, Eric: knave or knight",
                "Dora: knight/knave, Ben: knight/knave, Eric: knight/knave", "Dora, Ben and Eric are knaves.",
                "Dora: not knight, Ben: knave, Eric: knave",
                "Dora is not a knight, Ben is a knave, Eric is a knave.", "name: knight, name: knave",
                "All are knights.", "Dora: knight, Ben: knave, Eric: knave, Dora: knave",
                "Dora says Eric is a knave. Ben is a knave.", "Ben: knight, Dora: knave, Eric: knave",
                "Dora: knight, Ben: knave, Eric: spy",
            ],
        ),
        *cases(
            DAO,
            right=[
                "王芳：无赖，刘洋：无赖", "王芳是无赖，刘洋是无赖。", "王芳和刘洋都是无赖。",
                "答案是王芳：无赖，刘洋：无赖。", "**王芳：无赖，刘洋：无赖**", "王芳:无赖,刘洋:无赖",
                "- 王芳：无赖\n- 刘洋：无赖", "刘洋：无赖，王芳：无赖", "王芳是无赖，刘洋也是无赖。",
                "两个人都是无赖：王芳：无赖，刘洋：无赖。",
            ],
            wrong=[
                "王芳：骑士，刘洋：无赖", "王芳：无赖，刘洋：骑士", "王芳：骑士，刘洋：骑士", "王芳：无赖",
                "王芳不是无赖，刘洋是无赖", "王芳：无赖或骑士，刘洋：无赖", "无赖，无赖", "名字：骑士，名字：无赖",
                "王芳：不是骑士也不是无赖，刘洋：无赖", "刘洋说王芳是骑士。",
            ],
        ),
    ),
    "second hand: reading": (
        *cases(
            MARKET,
            right=[
                "Sunday", "On Sunday.", "Sunday.", "**Sunday**", "Frank went to the market on Sunday.",
                "It was on Sunday.", "The answer is Sunday.", "On Sunday, Frank went to the market.",
                "Somebody went to the market on Sunday.",
                "According to the text, Frank went to the market on Sunday.", "sunday", "\\boxed{\\text{Sunday}}",
                "Answer: Sunday",
            ],
            wrong=[
                "Tuesday", "Friday", "Sunday or Tuesday", "Not Sunday.", "Frank", "Sunday, Tuesday, Friday",
                "Nobody went to the market on Sunday.", "Monday", "the market", "Frank went to the market.",
                "It was not on Sunday but on Friday.", "Clara went to the bakery on Tuesday.",
            ],
        ),
        *cases(
            TRUE,
            right=[
                "no", "No.", "No", "No, it is not true.", "No, Peter went to the museum.", "**No**",
                "The answer is no.", "No. Anna went to the post office.", "no, he went to the museum",
                "No, it was Anna who went to the post office.",
            ],
            wrong=[
                "yes", "Yes.", "unknown", "Yes, Peter went to the post office.", "no or unknown",
                "yes, no, unknown", "The text does not tell.", "not no", "Nobody knows.", "yes and no", "No idea.",
                "Unknown.", "No, the text does not tell, so it is unknown.",
            ],
        ),
        *cases(
            SHEI,
            right=[
                "小明", "小明。", "是小明。", "看完书的是小明。", "答案是小明。", "**小明**", "小明看完了书。",
                "小明已经看完了书。", "答：小明。", "“他”指的是小明。",
            ],
            wrong=[
                "陈静", "小明或陈静", "不是小明。", "陈静看完了书。", "小明和陈静", "小红",
                "看完书的是陈静，不是小明。", "小明的朋友陈静",
            ],
        ),
        *cases(
            DUI,
            right=[
                "错", "错。", "错误", "这是错的。", "答案是错。", "**错**", "错，小红去的是电影院。", "错的",
                "答：错。",
            ],
            wrong=[
                "对", "不知道", "对或错", "没错", "不错", "文中没说", "对、错", "不是错的", "没有错",
            ],
        ),
    ),
}
# fmt: on
