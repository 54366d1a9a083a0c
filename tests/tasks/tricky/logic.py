"""Who is what: logic grids, knights and knaves."""

from firesteel.tasks.families.naming import assignment, one_of
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

ENGLISH = Problem(
    "Anna and Ben each have a different pet (cat, dog), drink (tea, milk).\nWhat does everybody have?",
    {"Anna": ["cat", "milk"], "Ben": ["dog", "tea"]},
    language="en",
    verify=assignment,
    facts={"kinds": [["cat", "dog"], ["tea", "milk"]]},
)
CHINESE = Problem(
    "小明、李华、王芳：骑士总说真话，无赖总说假话。每个人各是什么？",
    {"小明": ["骑士"], "李华": ["无赖"], "王芳": ["骑士"]},
    language="zh",
    verify=assignment,
    facts={"kinds": [["无赖", "骑士"]]},
)
KNIGHTS = Problem(
    "Who is what?",
    {"Ann": ["knight"], "Ben": ["knave"], "Cal": ["knave"]},
    language="en",
    verify=assignment,
    facts={"kinds": [["knave", "knight"]]},
)
PET = Problem(
    "Which pet does Anna have?", "cat", language="en", verify=one_of, facts={"choices": ["cat", "dog", "bird"]}
)
WHO = Problem("谁养猫？", "小明", language="zh", verify=one_of, facts={"choices": ["小明", "李华", "王芳"]})

TABLES = {
    "assignment": (
        *cases(
            ENGLISH,
            right=[
                "Anna: cat, milk; Ben: dog, tea.",
                ("Ben: dog, tea; Anna: cat, milk", "another order of people"),
                ("Anna: milk, cat. Ben: tea, dog.", "another order of kinds"),
                "The answer is Anna: cat, milk; Ben: dog, tea.",
                "Anna has the cat and drinks milk. Ben has the dog and drinks tea.",
                "- **Anna**: cat, milk\n- **Ben**: dog, tea",
                "| Anna | cat | milk |\n| Ben | dog | tea |",
                "\\boxed{Anna: cat, milk; Ben: dog, tea}",
                "<answer>Anna: Cat, Milk; Ben: Dog, Tea</answer>",
                ("Anna：cat，milk；Ben：dog，tea", "full-width signs"),
            ],
            wrong=[
                "Anna: dog, milk; Ben: cat, tea.",
                "Anna: cat, tea; Ben: dog, milk.",
                ("Anna: cat, milk.", "one is missing"),
                ("Anna: cat; Ben: dog", "a kind is missing"),
                ("Anna: cat or dog, milk; Ben: dog, tea", "a guess"),
                ("Anna: cat, dog, milk, tea; Ben: cat, dog, milk, tea", "everything"),
                ("Anna: not cat, milk; Ben: dog, tea", "a denial"),
                ("Anna: cat, milk; Ben: dog, tea. Or Anna: dog, tea; Ben: cat, milk.", "two grids"),
                ("Anna: cat, milk; Ben: dog, tea\nAnna: dog, milk; Ben: cat, tea", "two grids"),
                (
                    "<answer>Anna: cat, milk; Ben: dog, tea</answer><answer>Anna: dog, milk; Ben: cat, tea</answer>",
                    "two",
                ),
                ("cat, milk; dog, tea", "no names"),
                "Anna and Ben: cat, milk, dog, tea",
                "",
                "Anna, Ben",
                ("Annabel: cat, milk; Benny: dog, tea", "other people"),
                ("Anna: catfish, milk; Ben: dogwood, tea", "other things"),
                ("If Anna: cat, milk; Ben: dog, tea", "an if"),
            ],
        ),
        *cases(
            CHINESE,
            right=[
                "小明：骑士，李华：无赖，王芳：骑士。",
                "答案是小明：骑士，李华：无赖，王芳：骑士。",
                "小明是骑士，李华是无赖，王芳是骑士。",
                ("小明和王芳都是骑士，李华是无赖。", "two people share"),
                "王芳：骑士；小明：骑士；李华：无赖",
                "小明:骑士,李华:无赖,王芳:骑士",
                "1. 小明：骑士\n2. 李华：无赖\n3. 王芳：骑士",
            ],
            wrong=[
                "小明：骑士，李华：骑士，王芳：骑士。",
                "小明：无赖，李华：骑士，王芳：无赖。",
                ("小明：骑士，李华：无赖。", "one is missing"),
                ("小明：骑士，李华：无赖，王芳：骑士或无赖", "a guess"),
                ("小明不是骑士，李华不是无赖，王芳不是骑士", "denials"),
                ("小明可能是骑士，李华可能是无赖，王芳可能是骑士", "maybe"),
                ("小明、李华、王芳都是骑士和无赖", "everything"),
                "骑士，无赖，骑士",
                "小明是骑士，李华是无赖，王芳是骑士，小明是无赖",
            ],
        ),
        *cases(
            KNIGHTS,
            right=[
                "Ann: knight, Ben: knave, Cal: knave",
                "Ann is a knight. Ben and Cal are knaves.".replace("knaves", "knave"),
                "The answer is: Ann: KNIGHT, Ben: KNAVE, Cal: KNAVE.",
                (
                    "Ann: knight; Ben: knave; Cal: knave. So Ann is the knight, Ben is a knave, Cal is a knave.",
                    "twice the same",
                ),
            ],
            wrong=[
                "Ann: knave, Ben: knight, Cal: knight",
                ("Ann isn't a knave: knight, Ben: knave, Cal: knave", "doubtful form"),
                "Ann: knight, Ben: knight, Cal: knave",
                "all knaves",
                ("Ann: knight, Ben: either knave, Cal: knave", "either"),
            ],
        ),
    ),
    "one of several": (
        *cases(
            PET,
            right=[
                "cat",
                "The answer is cat.",
                "Cat",
                "the cat",
                "Anna has the cat.",
                "\\boxed{cat}",
                "<answer>cat</answer>",
                "**cat**",
                "Anna has the cat, so the answer is cat.",
                "#### cat",
                "It is the cat!",
                "$\\text{cat}$",
            ],
            wrong=[
                "dog",
                "cat or dog",
                "cat, dog, bird",
                "not the cat",
                "Anna doesn't have the cat.",
                "",
                "catfish",
                "The answer is cat. The answer is dog.",
                "<answer>cat</answer><answer>bird</answer>",
                "maybe the cat",
                "either the cat",
                "neither",
                "The answer is not cat.",
                "It could possibly be the cat",
                "c a t",
            ],
        ),
        *cases(
            WHO,
            right=[
                "小明",
                "答案是小明。",
                "小明养猫。",
                "是小明",
                "答：小明",
                "\\boxed{小明}",
                "<answer>小明</answer>",
                "小明！",
            ],
            wrong=[
                "李华",
                "小明或李华",
                "不是小明",
                "小明、李华、王芳",
                "可能是小明",
                "答案是小明。答案是王芳。",
                "没有人",
                "小",
                "明小",
            ],
        ),
    ),
}
