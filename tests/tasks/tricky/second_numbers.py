"""A second set, from another hand: numbers, written as language models write them."""

from firesteel.tasks.families.naming import one_of
from firesteel.tasks.families.sequences import continued
from firesteel.tasks.families.tables import amount
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

MINUS = Problem("378 - 314 = ?", 64, language="en", reply="The answer is 64.")
JIAN = Problem("959999 - 450188等于多少？", 509811, language="zh", reply="答案是509811。")
BOOKS = Problem("Li Hua has 938 books, buys 585 more and then gives away 498. How many are left?", 1025, language="en")
SHU = Problem("李华有938本书，又买了585本，然后送给别人498本，还剩多少本？", 1025, language="zh")
BRACKETS = Problem("What is 9-(7-6)+(1+(1+(2+15)))?", 27, language="en")
SUAN = Problem("计算9×8+(3+41)。", 116, language="zh")
BELOW = Problem("Compute 3-5*4.", -17, language="en")
NEXT = Problem(
    "What comes next: 6, 14, 24, 36, 50?", 66, language="en", verify=continued, facts={"terms": [6, 14, 24, 36, 50]}
)
SHULIE = Problem(
    "49，75，101，127，153，下一个数是多少？",
    179,
    language="zh",
    verify=continued,
    facts={"terms": [49, 75, 101, 127, 153]},
)
WORDS = Problem('Count the words of "see ran pen by red now man"', 7, language="en")
ZI = Problem("数一数“云石门草土日马”有多少个字。", 7, language="zh")
AGE = Problem(
    "name,city,age,score\nBen,Paris,57,12\nDora,Paris,36,98\nJane,Rome,27,19\nWhat is the age of Ben?", 57,
    language="en", verify=amount, facts={"people": ["Ben", "Dora", "Jane"], "kinds": [["Paris", "Rome"]]},
)  # fmt: skip
ZONGHE = Problem(
    "姓名,城市,年龄\n小红,北京,19\n王芳,北京,62\n小明,上海,53\n北京的人年龄一共是多少？",
    81,
    language="zh",
    verify=amount,
    facts={"people": ["小红", "王芳", "小明"], "kinds": [["上海", "北京"]]},
)
CITY = Problem(
    "name: Ben; city: Rome; age: 62\nname: Dora; city: Paris; age: 42\nWhich city does Ben live in?", "Rome",
    language="en", verify=one_of, facts={"people": ["Ben", "Dora"], "kinds": [["Paris", "Rome"]], "choices": ["Rome", "Paris"]},
)  # fmt: skip

# fmt: off
TABLES = {
    "second hand: arithmetic": (
        *cases(
            MINUS,
            right=[
                "64", "378 - 314 = 64", "**378 − 314 = 64**", "\\[378 - 314 = \\boxed{64}\\]",
                "The result is **64**.", "378 - 300 = 78, and 78 - 14 = 64. So the answer is 64.",
                "### Answer\n**64**", "Answer: $64$",
                "To subtract, we go column by column.\n\n8 - 4 = 4\n7 - 1 = 6\n3 - 3 = 0\n\nSo, 378 - 314 = **64**.",
                "The difference between 378 and 314 is 64.", "**Final Answer:** \\(\\boxed{64}\\)", "64.",
                "The answer is 64. You can check this: 314 + 64 = 378.", "```\n64\n```", "It equals 64.",
                "$$\n\\boxed{64}\n$$", "Subtracting 314 from 378 gives 64.", "378 - 314 equals 64.", "sixty-four",
                "| step | value |\n|---|---|\n| 378 - 300 | 78 |\n| 78 - 14 | 64 |\n\nThe answer is 64.",
                "Sure! The answer is 64.", "Step 1: 378 - 300 = 78\nStep 2: 78 - 14 = 64\n\nFinal answer: 64",
                "$378-314=64$", "Thus the final answer is $\\boxed{64}$.", "378 - 314 is 64.",
                "<answer>\n64\n</answer>",
            ],
            wrong=[
                "65", "63", "-64", "74", "692", "378 - 314", "The answer is 46.", "64 or 65", "It is not 64.",
                "640", "The answer is somewhere near 64.", "\\boxed{378}", "The answer is 378 - 314.", "6 4",
                "64 - 1", "378 - 314 = 64 = 65", "Is it 64?", "I think 64, but it could also be 74.", "About 64.",
                "64%", "378 314 64", "60 61 62 63 64 65", "The answer is between 60 and 64.",
                "314 + 64 = 378, so 378.", "If it were 378 - 313, the answer would be 65.", "-378 + 314 = -64",
                "The answer is 64 only if I am lucky; otherwise 54.", "Answer: 6", "64/1000",
                "\\boxed{46}\nThe answer is 64.", "Let me compute 378 - 314.",
            ],
        ),
        *cases(
            JIAN,
            right=[
                "509811", "509,811", "509，811", "959999-450188=509811。", "等于509811", "答案为：509811",
                "**509811**", "959999减去450188等于509811。", "计算结果为 $\\boxed{509811}$。", "**答案：509811**",
                "结果：509 811", "解：959999 - 450188 = 509811\n\n答：509811。", "五十万九千八百一十一", "50万9811",
                "差是509811。", "我们一步步来：959999 - 450000 = 509999，509999 - 188 = 509811。所以答案是509811。",
            ],
            wrong=[
                "509812", "50981", "509711", "1410187", "450188", "959999", "509811万", "509.811", "不等于509811。",
                "可能是509811，也可能是509801。", "大约509811", "509811或509821", "50,9811或509,811以外的数",
                "约为五十万",
            ],
        ),
    ),
    "second hand: word problems": (
        *cases(
            BOOKS,
            right=[
                "1025", "1,025", "1025 books", "1,025 books are left.", "There are **1025** books left.",
                "1025 books.", "Li Hua has 1025 books left.",
                "938 + 585 = 1523\n1523 - 498 = 1025\n\n**1025 books**", "\\boxed{1025}",
                "Li Hua starts with 938 books. After buying 585 more, Li Hua has 938 + 585 = 1523 books. After"
                " giving away 498, 1523 - 498 = 1025 books are left.",
                "First, 938 + 585 = 1523. Then 1523 − 498 = 1025. So there are 1025 left.", "Answer: 1025 books",
                "The number of books left is 1025.", "938 + 585 - 498 = 1025", "**Answer:** 1025 books are left.",
                "Li Hua is left with 1025 books.", "$$938 + 585 - 498 = 1025$$", "So, Li Hua has 1,025 books left.",
                "Total: 938 + 585 = 1523 books\nLeft: 1523 - 498 = **1025 books**", "1025 (books)",
                "Therefore, **Li Hua has 1025 books left** after giving away 498.",
            ],
            wrong=[
                "1523", "1024", "1026", "938 books", "498 books are left.", "938 + 585 = 1523 books", "10.25 books",
                "938, 585, 498 and 1025", "938 + 585 = 1523 and 1523 - 498 = 1015, so 1015 are left.",
                "1025 or 1035", "Li Hua gave away 1025 books.", "There were 1025 books left, but no: 1035.",
                "938 585 498 1025", "Li Hua does not have 1025 books left.", "$1.025",
                "More than 1025 books are left.", "0", "Fewer than 1025 books.", "12 + 30 = 42", "1025 - 498 = 527",
                "I cannot tell.", "1523 - 498",
            ],
        ),
        *cases(
            SHU,
            right=[
                "1025本", "还剩1025本。", "还剩 1025 本书。", "答：还剩1025本书。", "938+585-498=1025（本）",
                "答：1025本", "938+585=1523（本），1523-498=1025（本）。答：还剩1025本。", "**还剩1025本书**",
                "剩下1025本", "李华最后还剩下1025本书。", "一千零二十五本", "\\boxed{1025}本",
                "解：938+585-498=1025", "最后剩1025本。",
            ],
            wrong=[
                "1523本", "还剩1015本。", "938本", "1025、1523", "还剩不到1025本。", "还剩1025本或1035本。",
                "1025本不对", "送给别人1025本。", "答：还剩498本。", "938 585 498 1025", "938+585-498", "1024本",
                "至少1025本",
            ],
        ),
    ),
    "second hand: chain": (
        *cases(
            BRACKETS,
            right=[
                "27", "= 27", "9-(7-6)+(1+(1+(2+15))) = 27", "9-1+(1+(1+17))\n=9-1+(1+18)\n=9-1+19\n=8+19\n=27",
                "Step by step:\n1. 7-6 = 1\n2. 2+15 = 17\n3. 1+17 = 18\n4. 1+18 = 19\n5. 9-1+19 = 27\n\n**27**",
                "$$9-(7-6)+(1+(1+(2+15))) = 9 - 1 + 19 = 27$$", "\\boxed{27}", "The value is 27.",
                "The value of the expression is **27**.", "9 - 1 + 19 = 27, so the final result is 27.",
                "Result: 27", "So the expression evaluates to 27.",
                "\\begin{align*}\n9-1+19 &= 8+19 \\\\\n&= 27\n\\end{align*}", "The expression simplifies to 27.",
            ],
            wrong=[
                "26", "28", "9-1+19", "8+19", "27 = 28", "9 - 1 + 19 = 29", "19", "The answer is 8+19.",
                "1 8 17 18 19 27", "\\boxed{8+19}", "-27", "27x", "It is not 27 but 25.",
                "9-1+19=27, then 27+1=28.", "2 7", "17, 18, 19, 27", "9 7 6 1 1 2 15 27", "27?", "roughly 27",
                "25 ~ 27",
            ],
        ),
        *cases(
            SUAN,
            right=[
                "116", "9×8+(3+41)=72+44=116", "=116", "答案：116", "原式=72+44=116", "结果为116。",
                "$9\\times8+(3+41)=116$", "先算括号：3+41=44；再算乘法：9×8=72；最后72+44=116。",
                "所以，9×8+(3+41)=**116**",
            ],
            wrong=[
                "117", "72+44", "原式=72+44", "116或117", "44", "72", "9 8 3 41 116", "-116", "不是116",
                "结果接近116",
            ],
        ),
        *cases(
            BELOW,
            right=[
                "-17", "−17", "3-20 = -17", "The answer is \\(-17\\).", "negative 17", "minus 17", "**-17**",
                "$\\boxed{-17}$", "3 - 5*4 = 3 - 20 = -17", "– 17",
            ],
            wrong=[
                "17", "-8", "3-20", "-17 or 17", "±17", "--17", "- 1 7", "|-17|", "17 below 0 or 17",
            ],
        ),
    ),
    "second hand: sequences": (
        *cases(
            NEXT,
            right=[
                "66", "6, 14, 24, 36, 50, 66", "6, 14, 24, 36, 50, **66**", "The next number is 66.",
                "66 comes next.",
                "The differences are 8, 10, 12, 14, so the next difference is 16 and 50 + 16 = 66.", "50 + 16 = 66",
                "The next term in the sequence is **66**.", "\\boxed{66}", "Next: 66", "The missing number is 66.",
                "The differences increase by 2 each time: +8, +10, +12, +14, +16. So the next number is 66.",
                "Pattern: +8, +10, +12, +14, then +16.\n\nAnswer: 66", "a_6 = 66", "$a_6 = 50 + 16 = 66$",
            ],
            wrong=[
                "64", "66, 84", "16", "50", "The next difference is 16.", "6, 14, 24, 36, 50", "66 or 64", "68",
                "50 + 16", "6, 14, 24, 36, 50, 64", "60 62 64 66 68", "The differences are 8, 10, 12, 14.",
                "66 is not next.", "6 14 24 36 66", "The next number is either 64 or 66.",
                "6, 14, 24, 36, 50, 64, 66", "66th",
            ],
        ),
        *cases(
            SHULIE,
            right=[
                "179", "下一个数是179。", "每次加26，所以153+26=179。", "49，75，101，127，153，179",
                "规律是每次加26，下一个数是179", "应填179", "**179**", "答：179。",
                "这是等差数列，公差为26，因此下一个数为179。",
            ],
            wrong=[
                "26", "153", "180", "公差是26。", "179、205", "49，75，101，127，153，178", "不是179", "127",
                "153+26", "179左右",
            ],
        ),
    ),
    "second hand: counting": (
        *cases(
            WORDS,
            right=[
                "7", "seven", "Seven.", "7 words", "There are 7 words.",
                "There are **seven** words in the sentence.",
                "1. see\n2. ran\n3. pen\n4. by\n5. red\n6. now\n7. man\n\nThere are 7 words.",
                "The sentence has 7 words.",
                "see (1), ran (2), pen (3), by (4), red (5), now (6), man (7). The answer is 7.", "Count: 7",
                "Total: 7 words", '"see ran pen by red now man" has 7 words.', "The count is 7.", "\\boxed{7}",
                "The number of words is 7.", "see, ran, pen, by, red, now, man: 7 words",
                "The phrase contains 7 words.",
            ],
            wrong=[
                "6", "8 words", "six", "1 2 3 4 5 6 7", "1. see\n2. ran\n3. pen\n4. by\n5. red\n6. now\n7. man",
                "7 letters or 8", "see ran pen by red now man", "There are not 7 words.", "5, 6 or 7", "17 words",
                "70", "More than 7", "seventy", "fewer than 7 words", "see1 ran2 pen3 by4 red5 now6 man7", "6 7 8",
                "7-8",
            ],
        ),
        *cases(
            ZI,
            right=[
                "7", "7个字", "七个", "七个字。", "共7个字", "有7个字。", "一共有7个汉字。",
                "“云石门草土日马”有7个字。", "云、石、门、草、土、日、马，共7个字。", "答案是七。",
                "数一数，一共7个字。", "总共7个",
            ],
            wrong=[
                "6", "八个字", "云石门草土日马", "1、2、3、4、5、6、7", "七八个字", "6个或7个", "十七个",
                "没有7个字。", "不止7个字", "七十",
            ],
        ),
    ),
    "second hand: tables": (
        *cases(
            AGE,
            right=[
                "57", "Ben is 57.", "Ben is 57 years old.", "The age of Ben is 57.", "Ben's age is **57**.",
                "57 years", "According to the table, Ben is 57 years old.",
                "| name | age |\n|---|---|\n| Ben | 57 |", "Age: 57",
                "Looking at the row for Ben: Ben,Paris,57,12. The age is 57.", "Ben: 57", "\\boxed{57}",
            ],
            wrong=[
                "36", "12", "Dora is 57.", "Ben,Paris,57,12", "57 or 36", "57, 36, 27", "Ben's score is 12.", "75",
                "Ben is not 57.", "Ben is older than 57.", "Ben is 57 or 12.", "57 36 27", "Ben Paris 57 12", "58",
            ],
        ),
        *cases(
            ZONGHE,
            right=[
                "81", "19+62=81", "一共是81。", "北京的人年龄一共是81岁。", "小红19岁，王芳62岁，合计81岁。",
                "**81**", "总和为81", "北京有小红（19）和王芳（62），19+62=81。",
            ],
            wrong=[
                "134", "19+62", "62", "19 62 53 81", "82", "81或82", "年龄：19、62", "上海是81", "不是81", "八十八",
            ],
        ),
        *cases(
            CITY,
            right=[
                "Rome", "rome", "Ben lives in Rome.", "**Rome**", "Ben lives in **Rome**.", "The answer is Rome.",
                "Rome.", "In Rome", "City: Rome", "Ben's city is Rome.",
                "According to the table, Ben lives in Rome.", "\\boxed{\\text{Rome}}",
                "Dora lives in Paris, but Ben lives in Rome.",
            ],
            wrong=[
                "Paris", "Rome or Paris", "Ben lives in Paris.", "Rome, Paris", "Not Rome.", "Dora", "62",
                "Ben does not live in Rome.", "Dora lives in Rome.", "Romeo", "Rome? No, Paris.", "Ben",
                "Roma Paris Rome",
            ],
        ),
    ),
}
# fmt: on
MAY_REJECT = {
    "second hand: arithmetic": 0.05,  # 509，811 and 509 811: a comma of lists and a space are no thousands mark
    "second hand: chain": 0.04,  # a dash and a space before a number is a bullet
    "second hand: tables": 0.04,  # a whole row is copied before the answer
}
MAY_ACCEPT = {
    "second hand: word problems": 2,  # the right number of the wrong things: nobody parses what a sentence is about
    "second hand: chain": 1,  # |-17|
}
