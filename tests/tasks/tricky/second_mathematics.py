"""A second set, from another hand: equations, expressions, quantities, lists and times, as language models write them."""

from firesteel.tasks.bases import written_in
from firesteel.tasks.comparison import picks
from firesteel.tasks.countdown import reaches
from firesteel.tasks.equations import solves
from firesteel.tasks.latex import equal
from firesteel.tasks.measure import cases
from firesteel.tasks.moments import says_date, says_day, says_time
from firesteel.tasks.sorting import lists
from firesteel.tasks.task import Problem
from firesteel.tasks.units import measures

ONE = Problem("Solve 3x+19=37 for x.", "x=6", language="en", verify=solves, facts={"solution": {"x": 6}})
YI = Problem("已知x-4=23，求x。", "x=27", language="zh", verify=solves, facts={"solution": {"x": 27}})
TWO = Problem(
    "If 6x+9y=105 and 8x+5y=7, what is x and y?", "x=-11, y=19", language="en", verify=solves,
    facts={"solution": {"x": -11, "y": 19}},
)  # fmt: skip
FOURTEEN = Problem(
    "Make 14 from the numbers 8, 9, 6, 9, 2; use each at most once.", "(6+(9-8))*2", language="en", verify=reaches,
    facts={"numbers": [8, 9, 6, 9, 2], "target": 14},
)  # fmt: skip
QI = Problem("用数字6、9、8凑出7，每个数最多用一次，写出算式。", "6+(9-8)", language="zh", verify=reaches,
             facts={"numbers": [6, 9, 8], "target": 7})  # fmt: skip
MIXED = Problem(
    "Which is the largest: 80.3%, 8/10, 0.81?", "0.81", language="en", verify=picks,
    facts={"values": {"80.3%": "803/1000", "8/10": "4/5", "0.81": "81/100"}, "asked": "largest"},
)  # fmt: skip
SMALL = Problem("1/5、6/8，哪个最小？", "1/5", language="zh", verify=picks,
                facts={"values": {"1/5": "1/5", "6/8": "3/4"}, "asked": "smallest"})  # fmt: skip
WHOLE = Problem("8196, 8106: which is largest?", "8196", language="en", verify=picks,
                facts={"values": {"8196": "8196", "8106": "8106"}, "asked": "largest"})  # fmt: skip
LITRES = Problem("7200mL, 7L: which is largest?", "7200mL", language="en", verify=picks,
                 facts={"values": {"7200mL": "7200", "7L": "7000"}, "asked": "largest"})  # fmt: skip
MM = Problem("How many mm are 5 m?", "5000", language="en", verify=measures,
             facts={"kind": "length", "worth": "5000", "unit": "mm"})  # fmt: skip
TIAN = Problem("200160分钟等于多少天？", "139", language="zh", verify=measures,
               facts={"kind": "time", "worth": "12009600", "unit": "天"})  # fmt: skip
LONG = Problem("What is 19 days plus 181 min? Give the unit.", "27541 min", language="en", verify=measures,
               facts={"kind": "time", "worth": "1652460", "unit": ""})  # fmt: skip
TO_TWO = Problem("What is 933 (base 10) in base 2?", "1110100101", language="en", verify=written_in, facts={"base": 2})
FROM_HEX = Problem("16进制的74A用10进制怎么写？", "1866", language="zh", verify=written_in, facts={"base": 10})
TO_HEX = Problem("What is 1866 (base 10) in base 16?", "74A", language="en", verify=written_in, facts={"base": 16})
ALPHABET = Problem(
    "Put these in alphabetical order: video, uncle, iron, table, water, delta.", "delta, iron, table, uncle, video, water",
    language="en", verify=lists, facts={"kind": "words"},
)  # fmt: skip
RISING = Problem("把79、32、25、64从小到大排列。", "25, 32, 64, 79", language="zh", verify=lists, facts={"kind": "numbers"})
SECOND = Problem("Find number 2, counted from the largest, of 32, 79, 25, 64, 38.", 64, language="en", facts={"kind": "k"})
TRAIN = Problem(
    "A train leaves at 08:55 and takes 395 minutes. When does it arrive (24-hour clock)?", "15:30", language="en",
    verify=says_time, facts={"asked": ["08:55", "395"]},
)  # fmt: skip
CHUFA = Problem("08:55出发，走了29分钟，到达时是几点几分？（24小时制）", "09:24", language="zh", verify=says_time,
                facts={"asked": ["08:55", "29"]})  # fmt: skip
AFTER = Problem("Which date is 28 days after 1984-07-14?", "1984-08-11", language="en", verify=says_date,
                facts={"asked": ["1984-07-14", "28"]})  # fmt: skip
ZHOUJI = Problem("请问1984-07-14是周几？", "星期六", language="zh", verify=says_day, facts={"asked": ["1984-07-14"]})
WEEKDAY = Problem("On which weekday does 1984-07-14 fall?", "Saturday", language="en", verify=says_day,
                  facts={"asked": ["1984-07-14"]})  # fmt: skip


def latex(question, answer, form, language="en"):
    return Problem(question, answer, language=language, verify=equal, facts={"form": form})


LOWEST = latex("Simplify $\\frac{18}{24}$ to lowest terms.", "\\frac{3}{4}", "fraction")
ROOT = latex("化简$\\sqrt{720}$，根号下不留平方因数。", "12\\sqrt{5}", "radical", "zh")
SLOPE = latex("Find the derivative of $f(x)=3x^{3}+2x^{2}-4x+8$.", "9x^{2}+4x-4", "polynomial")
INSIDE = latex("解不等式$x^{2}-4<0$，用区间表示。", "(-2,2)", "interval", "zh")

TABLES = {
    "second hand: equations": (
        *cases(
            ONE,
            right=[
                "x = 6", "6", "**x = 6**", "\\boxed{6}", "\\[x = 6\\]", "The solution is x = 6.", "x equals 6.",
                "3x = 37 - 19\n3x = 18\nx = 6", "To solve 3x + 19 = 37, subtract 19 from both sides: 3x = 18. Then divide by 3: x = 6.",
                "Therefore, $x = \\boxed{6}$.", "Answer: **x = 6**", "x=6. Check: 3*6+19=37.", "So the value of x is 6.",
                "$$\nx = \\frac{18}{3} = 6\n$$", "1. Subtract 19: 3x = 18\n2. Divide by 3: x = 6", "X = 6", "x = six",
                "\\begin{align}\n3x &= 18 \\\\\nx &= 6\n\\end{align}", "The answer is x=6", "We get x = 6, since 3 * 6 + 19 = 37.",
                "x: 6", "x → 6", "x = 6 is the solution.",
            ],
            wrong=[
                "x = 5", "x = 7", "x = -6", "y = 6", "x = 6 or x = 5", "3x = 18", "x = 18/4", "x = 6y", "x != 6", "x ≠ 6",
                "x > 6", "x ≥ 6", "x is not 6", "3x+19=37", "18", "x = 18", "x = 60", "x = 6.5", "x = 6, y = 7", "x = 6, x = 7",
                "x ∈ {5, 6}", "x = 5 + 2", "3 19 37 6", "3x = 6", "2x = 6", "x/2 = 6", "x^2 = 6", "x = ±6", "x = 6x", "x=6=7",
            ],
        ),
        *cases(
            YI,
            right=["x=27", "27", "解：x=23+4=27", "x的值是27。", "x＝27", "移项得x=23+4，所以x=27。", "答：x=27。", "x等于27", "**x=27**",
                   "方程的解是x=27。", "$x=27$"],
            wrong=["x=19", "x=28", "x-4=23", "x=27或x=19", "x不等于27", "x=23+5", "x=-27", "4、23、27", "x约等于27", "x=2.7"],
        ),
        *cases(
            TWO,
            right=[
                "x = -11, y = 19", "x = -11 and y = 19", "(x, y) = (-11, 19)", "y = 19, x = -11", "$(x, y) = (-11, 19)$",
                "\\boxed{x=-11, y=19}", "\\boxed{(-11, 19)}", "x = -11\ny = 19", "- x = -11\n- y = 19", "**x = −11, y = 19**",
                "x is -11 and y is 19.", "(-11, 19)", "| x | y |\n|---|---|\n| -11 | 19 |", "x = \\boxed{-11}, y = \\boxed{19}",
                "The solution is x = -11 and y = 19.", "$x = -11$ and $y = 19$", "$$x=-11,\\quad y=19$$", "x=-11; y=19",
            ],
            wrong=[
                "x = 19, y = -11", "x = 11, y = 19", "x = -11", "y = 19", "(19, -11)", "x = -11, y = 18", "-11", "x = -11, y = 19x",
                "x = -11, y = 19 or x = 1, y = 2", "x = -11, y = 19, x = 3", "19, -11", "-11 19 or 19 -11", "x + y = 8", "6x+9y=105, 8x+5y=7",
            ],
        ),
    ),
    "second hand: countdown": (
        *cases(
            FOURTEEN,
            right=[
                "(6+(9-8))*2", "(6 + 9 - 8) * 2 = 14", "(6+9-8)×2=14", "8+6", "8 + 6 = 14", "6 + 8 = 14.", "**8 + 6 = 14**",
                "\\boxed{8+6}", "\\[8 + 6 = 14\\]", "$8+6=14$", "The answer is 8 + 6.", "One way is 8 + 6 = 14.", "14 = 8 + 6",
                "You can use 8 + 6 = 14.", "$(6 + 9 - 8) \\times 2 = 14$", "9 + 9 - 6 + 2 = 14", "2 × 6 + 9/9 + 8 - 7 + 0 is wrong; 8 + 6 = 14 works."
                , "```\n8 + 6\n```", "9 - 8 = 1\n6 + 1 = 7\n7 * 2 = 14\n\nSo (6 + (9 - 8)) * 2 = 14", "8+6=14 uses each number at most once.",
                "Answer: 8 + 6 = 14", "(8 - 2) + 9 - 9/9 + 6 - 0 fails, so 8 + 6.", "6×2+8-9+9-6 repeats a 6, so I answer 8+6=14.",
            ],
            wrong=[
                "14", "7*2", "8+6=15", "9+5", "14+0", "8*2-2", "8+6+0", "7+7", "6+6+2", "9+9-6+3", "8 6", "8, 6", "-8+22", "8+6 or 9+5",
                "not 8+6", "28/2", "8+6*1", "9*2-4", "8+6+9-9-9+9", "14/1", "2*7", "8+5", "8-6", "86-72", "(8+6", "8+6=14=14+0", "9+9-6",
                "8 9 6 9 2 14", "It cannot be done.",
            ],
        ),
        *cases(
            QI,
            right=["6+(9-8)", "6+9-8=7", "6+9-8", "9-8+6=7", "算式：6+9-8=7", "答案是6+9-8=7。", "可以写成9-8+6=7", "$6+9-8$", "6＋9－8＝7",
                   "**6+9-8=7**", "因为9-8=1，6+1=7，所以6+(9-8)=7。", "6-(8-9)"],
            wrong=["7", "6+1", "6+1=7", "8-1", "9+6-8=8", "6、9、8", "6+9-8=7，9-2=7", "凑不出", "6-8+8+1", "7=7", "14-7", "6+9/8"],
        ),
    ),
    "second hand: comparison": (
        *cases(
            MIXED,
            right=[
                "0.81", "The largest is 0.81.", "**0.81**", "0.81 is the largest.", "\\boxed{0.81}", "80.3% = 0.803, 8/10 = 0.8, so 0.81 is largest.",
                "0.81 > 0.803 > 0.8, so the answer is 0.81.", "- 80.3% = 0.803\n- 8/10 = 0.80\n- 0.81 = 0.81\n\nThe largest is **0.81**.",
                "The largest number is 0.81", "Answer: 0.81", "0.81 > 80.3% > 8/10", "0.81 is greater than 80.3% and 8/10.", "$0.81$",
                "The largest value among 80.3%, 8/10, and 0.81 is **0.81**.", "81%",
            ],
            wrong=[
                "80.3%", "8/10", "0.803", "0.81 is the smallest.", "8/10 < 80.3% and 0.81", "0.81 or 80.3%", "80.3", "0.81%", "0.82", "81",
                "80.3%, 8/10, 0.81", "0.81 is not the largest.", "The largest is not 8/10.", "80.3% > 8/10 > 0.81", "80.3% > 0.81",
                "0.81 < 80.3%", "They are equal.", "8/10 is larger than 0.81.",
            ],
        ),
        *cases(
            SMALL,
            right=["1/5", "1/5最小。", "最小的是1/5。", "1/5=0.2，6/8=0.75，所以1/5最小。", "$\\frac{1}{5}$", "\\boxed{\\frac{1}{5}}", "1/5小",
                   "1/5<6/8，所以1/5最小", "五分之一", "**1/5**", "答案是1/5。", "0.2", "1/5比6/8小。"],
            wrong=["6/8", "6/8最小。", "1/5和6/8", "5", "1", "6/8<1/5", "1/5最大。", "1/6", "3/4", "1/5不是最小的。", "一样大", "1/5、6/8"],
        ),
        *cases(
            WHOLE,
            right=["8196", "8,196", "8196 is largest.", "8196 > 8106", "The largest is 8196.", "8196 is larger than 8106, so it is largest."],
            wrong=["8106", "8196 8106", "8106 > 8196", "8196 < 8106", "8196 or 8106", "8106 is larger than 8196.", "8169"],
        ),
        *cases(
            LITRES,
            right=["7200mL", "7200 mL", "7200 ml", "7.2 L", "7200mL is larger, since 7L = 7000mL.", "7 L = 7000 mL, so 7200 mL is the largest.",
                   "$7200\\text{ mL}$", "**7200mL**"],
            wrong=["7L", "7 L", "7000 mL", "7200 L", "7.2 mL", "7L = 7000mL", "7L > 7200mL", "7200mL or 7L", "7"],
        ),
    ),
    "second hand: units": (
        *cases(
            MM,
            right=[
                "5000", "5000 mm", "5,000 mm", "5000mm", "There are 5000 mm in 5 m.", "5 m = 5000 mm", "**5000**", "\\boxed{5000}",
                "1 m = 1000 mm, so 5 m = 5 × 1000 = 5000 mm.", "5 m is equal to 5,000 millimeters.", "5 meters = 5000 millimetres.",
                "$5 \\times 1000 = 5000$ mm", "5 m = 5 × 1000 mm = **5000 mm**", "5 × 10^3 mm", "$5 \\times 10^{3}$ mm", "5000 millimeters",
                "Since 1 meter = 1000 millimeters, 5 meters = 5000 millimeters.", "\\boxed{5000 \\text{ mm}}", "five thousand",
            ],
            wrong=[
                "500", "500 mm", "50 mm", "5 mm", "5000 m", "5000 cm", "5 m", "1000 mm", "1 m = 1000 mm", "5000 or 500", "50000", "0.005 mm",
                "5000 mm or 500 mm", "more than 5000 mm", "not 5000 mm", "5 5000", "5 × 1000 m", "5000 km", "5000 mL", "4999 mm",
            ],
        ),
        *cases(
            TIAN,
            right=["139", "139天", "139天。", "200160分钟等于139天。", "200160÷1440=139（天）", "200160÷60=3336小时，3336÷24=139天。", "一百三十九天",
                   "**139天**", "答：139天"],
            wrong=["3336", "3336小时", "139小时", "138天", "1440", "139个月", "139天或140天", "不是139天", "200160天", "139分钟", "13.9天", "大约139年"],
        ),
        *cases(
            LONG,
            right=["27541 min", "27,541 minutes", "19 days and 181 min", "19 days 3 hours 1 minute", "19 × 1440 + 181 = 27541 min", "27541 minutes.",
                   "19 days = 27360 min, and 27360 + 181 = 27541 min.", "**27541 min**", "1652460 s", "The answer is 27541 minutes."],
            wrong=["27541", "27541 h", "27541 s", "200", "200 min", "19 days", "27360 min", "27360", "19.181 days", "27542 min", "27541 days",
                   "27541 min or 27540 min", "200 days", "181 min + 19 days = 200 min"],
        ),
    ),
    "second hand: bases": (
        *cases(
            TO_TWO,
            right=[
                "1110100101", "1110100101₂", "$1110100101_2$", "0b1110100101", "(1110100101)_2", "**1110100101**", "11 1010 0101", "0011 1010 0101",
                "The answer is 1110100101.", "933 in base 2 is 1110100101.", "933 = 1110100101 (base 2)", "\\boxed{1110100101}", "1110100101 in binary",
                "933₁₀ = 1110100101₂", "$933_{10} = 1110100101_2$", "933 = 512 + 256 + 128 + 32 + 4 + 1, so it is 1110100101 in base 2.",
                "The binary representation of 933 is `1110100101`.", "\\(1110100101_{2}\\)",
            ],
            wrong=[
                "1110100100", "1110100111", "933", "3A5", "1645", "0x3A5", "1110100101 or 1110100100", "512 + 256 + 128 + 32 + 4 + 1", "not 1110100101",
                "1010010111", "11101001010", "1110100101.1", "-1110100101", "1110100101₁₀", "111010010", "0o1110100101", "1110100101 in base 10",
            ],
        ),
        *cases(
            FROM_HEX,
            right=["1866", "7×256+4×16+10=1866", "等于1866。", "答案是1866。", "74A的十进制是1866。", "**1866**", "0x74A = 1866", "$(74A)_{16} = (1866)_{10}$",
                   "1,866", "7*256=1792，4*16=64，10，所以是1792+64+10=1866。"],
            wrong=["1865", "74A", "11101001010", "1792+64+10", "1866或1876", "7 4 A 1866 74", "0x1866", "不是1866", "3512", "1866₁₆", "-1866", "186.6"],
        ),
        *cases(
            TO_HEX,
            right=["74A", "74a", "0x74A", "$74A_{16}$", "74A₁₆", "0x74a", "1866 in hexadecimal is 74A.", "The answer is 74A."],
            wrong=["74B", "A47", "1866", "74", "7 4 10", "0x74", "74A0", "74A or 74B", "7410"],
        ),
    ),
    "second hand: sorting": (
        *cases(
            ALPHABET,
            right=[
                "delta, iron, table, uncle, video, water", "delta iron table uncle video water", "Delta, Iron, Table, Uncle, Video, Water",
                "1. delta\n2. iron\n3. table\n4. uncle\n5. video\n6. water", "delta, iron, table, uncle, video, and water",
                "- delta\n- iron\n- table\n- uncle\n- video\n- water", "**delta, iron, table, uncle, video, water**", "delta < iron < table < uncle < video < water",
                "The words in alphabetical order are: delta, iron, table, uncle, video, water.", "delta → iron → table → uncle → video → water",
                "['delta', 'iron', 'table', 'uncle', 'video', 'water']", "Here is the sorted list:\n\n1. delta\n2. iron\n3. table\n4. uncle\n5. video\n6. water",
                "\\boxed{\\text{delta, iron, table, uncle, video, water}}", "delta; iron; table; uncle; video; water",
                "`delta, iron, table, uncle, video, water`", "Sorted: delta, iron, table, uncle, video, water.",
            ],
            wrong=[
                "video, uncle, iron, table, water, delta", "delta, iron, table, uncle, video", "delta, iron, table, uncle, water, video",
                "water, video, uncle, table, iron, delta", "iron, delta, table, uncle, video, water", "delta", "", "delta, iron, table, uncle, video, water, zebra",
                "delta, delta, iron, table, uncle, video, water", "d, i, t, u, v, w", "not delta, iron, table, uncle, video, water",
                "delta, iron, table, uncle, video, water or water, video, uncle, table, iron, delta", "iron, table, uncle, video, water",
            ],
        ),
        *cases(
            RISING,
            right=["25、32、64、79", "25, 32, 64, 79", "25<32<64<79", "25，32，64，79。", "从小到大：25、32、64、79", "[25, 32, 64, 79]", "25 32 64 79",
                   "1. 25\n2. 32\n3. 64\n4. 79", "25＜32＜64＜79", "排列结果是25、32、64、79。", "25→32→64→79", "答：25、32、64和79"],
            wrong=["79、64、32、25", "79、32、25、64", "25、32、64", "25、32、79、64", "25、32、64、79、80", "25<32<64>79", "79>64>32>25", "25326479",
                   "25、32、64、78", "25", "-25、32、64、79"],
        ),
        *cases(
            SECOND,
            right=["64", "The answer is 64.", "Sorted: 79, 64, 38, 32, 25. The second largest is 64.", "64 is the second largest number.", "**64**",
                   "79 > 64 > 38 > 32 > 25, so number 2 is 64."],
            wrong=["79", "38", "79, 64, 38, 32, 25", "2", "32 79 25 64 38", "64 or 79", "The second number is 79.", "Not 64."],
        ),
    ),
    "second hand: dates": (
        *cases(
            TRAIN,
            right=[
                "15:30", "The train arrives at 15:30.", "It arrives at **15:30**.", "15:30.", "15:30 (3:30 PM)", "3:30 PM", "3:30 p.m.", "15.30", "15h30",
                "395 minutes = 6 hours 35 minutes. 08:55 + 6:35 = 15:30.", "08:55 + 6 h 35 min = 15:30", "\\boxed{15:30}", "$15:30$", "15:30 on the 24-hour clock",
                "395 minutes is 6 hours and 35 minutes, so the train arrives at 15:30.", "Arrival time: 15:30", "1530 hours", "15:30:00",
                "8:55 + 6 hours = 14:55; 14:55 + 35 minutes = 15:30",
            ],
            wrong=[
                "15:31", "3:30", "03:30", "14:55", "08:55", "15:30 or 15:25", "6:35", "6 hours 35 minutes", "15:03", "25:30", "before 15:30", "15:30 AM",
                "after 15:30", "not 15:30", "15", "30:15", "08:55 15:30 06:35", "3:30 AM", "15:20", "08:55 + 6:35",
            ],
        ),
        *cases(
            CHUFA,
            right=["09:24", "9:24", "9点24分", "上午9点24分", "到达时是9点24分。", "09：24", "8:55+29分钟=9:24", "**09:24**", "九点二十四分", "9时24分", "答：09:24。",
                   "8点55分过29分钟是9点24分。"],
            wrong=["09:25", "08:24", "21:24", "下午9点24分", "9点", "08:84", "9点42分", "8:55", "晚上9点24分", "9:24或9:25", "24:09", "不是9:24"],
        ),
        *cases(
            AFTER,
            right=["1984-08-11", "August 11, 1984", "11 August 1984", "Aug 11, 1984", "The date is 1984-08-11.", "1984/08/11", "August 11th, 1984", "1984-8-11",
                   "28 days after 1984-07-14 is 1984-08-11.", "**August 11, 1984**", "July has 31 days, so 17 days remain; 28 - 17 = 11: 1984-08-11.",
                   "11th of August 1984", "It is August 11, 1984."],
            wrong=["1984-08-12", "1984-08-10", "1984-07-14", "August 11", "1984-11-08", "1985-08-11", "August 11, 1985", "1984-08-11 or 1984-08-12", "July 42, 1984",
                   "1984-07-42", "1984-08", "not 1984-08-11", "11"],
        ),
        *cases(
            ZHOUJI,
            right=["星期六", "周六", "是星期六。", "1984-07-14是星期六。", "1984年7月14日是周六", "礼拜六", "**星期六**", "答：周六。", "那天是星期六"],
            wrong=["星期日", "周五", "星期六或星期日", "六", "不是星期六。", "周末", "7", "星期六的前一天", "星期五和星期六", "1984-07-14"],
        ),
        *cases(
            WEEKDAY,
            right=["Saturday", "It falls on a Saturday.", "SATURDAY", "1984-07-14 was a **Saturday**.", "July 14, 1984 is a Saturday.", "Sat", "Saturday."],
            wrong=["Sunday", "Friday", "Saturday or Sunday", "the weekend", "not Saturday", "the day after Saturday", "Satur", "Friday, Saturday", "14"],
        ),
    ),
    "second hand: latex": (
        *cases(
            LOWEST,
            right=[
                "$\\frac{3}{4}$", "3/4", "\\boxed{\\frac{3}{4}}", "\\frac{18}{24} = \\frac{3}{4}", "$$\\frac{18}{24} = \\frac{18 \\div 6}{24 \\div 6} = \\frac{3}{4}$$",
                "The simplified fraction is $\\frac{3}{4}$.", "**3/4**", "\\dfrac{3}{4}", "18/24 = 3/4", "The answer is \\(\\frac{3}{4}\\).", "Answer: 3/4",
                "The greatest common divisor of 18 and 24 is 6, so $\\frac{18}{24}=\\frac{3}{4}$.", "\\[\n\\boxed{\\frac{3}{4}}\n\\]", "$\\frac34$", "three quarters",
                "The simplified form of $\\frac{18}{24}$ is $\\frac{3}{4}$.",
            ],
            wrong=["$\\frac{9}{12}$", "$\\frac{18}{24}$", "0.75", "75%", "4/3", "$\\frac{6}{8}$", "3", "$\\frac{3}{4}$ or $\\frac{4}{3}$", "not $\\frac{3}{4}$",
                   "$-\\frac{3}{4}$", "$\\frac{1}{2}+\\frac{1}{4}$", "\\frac{3}{4}+0", "3:4:5", "\\frac{18}{24} = \\frac{9}{12}"],
        ),
        *cases(
            ROOT,
            right=["$12\\sqrt{5}$", "12√5", "$\\sqrt{720}=12\\sqrt{5}$", "\\boxed{12\\sqrt{5}}", "12\\sqrt5", "$12 \\cdot \\sqrt{5}$", "答案：$12\\sqrt{5}$",
                   "$\\sqrt{720}=\\sqrt{144\\times5}=12\\sqrt{5}$", "所以，$\\sqrt{720}$化简为$12\\sqrt{5}$。", "12根号5"],
            wrong=["$6\\sqrt{20}$", "$\\sqrt{720}$", "26.83", "$5\\sqrt{12}$", "$12$", "$12\\sqrt{6}$", "$-12\\sqrt{5}$", "$\\sqrt{144\\times5}$", "$4\\sqrt{45}$",
                   "$12+\\sqrt{5}$", "$12\\sqrt{5}$或$5\\sqrt{12}$"],
        ),
        *cases(
            SLOPE,
            right=["$9x^2+4x-4$", "f'(x) = 9x^2 + 4x - 4", "$f'(x) = 9x^{2} + 4x - 4$", "\\boxed{9x^2 + 4x - 4}", "9x² + 4x − 4", "$$f'(x)=9x^2+4x-4$$",
                   "The derivative is $9x^2 + 4x - 4$.", "$\\frac{d}{dx}f(x) = 9x^2 + 4x - 4$", "9x^2+4x-4", "$4x + 9x^2 - 4$", "**$9x^2 + 4x - 4$**",
                   "\\frac{df}{dx} = 9x^2 + 4x - 4"],
            wrong=["$9x^2+4x+4$", "$3x^3+2x^2-4x+8$", "$9x^2+4x-4+C$", "$9x^2+4x$", "$9x^3+4x-4$", "$9x+4x-4$", "$9x^2+2x-4$", "13x-4", "$18x+4$", "9", "$f'(x)$",
                   "$9y^2+4y-4$", "$9x^2+4x-4$ or $9x^2+4x+4$"],
        ),
        *cases(
            INSIDE,
            right=["$(-2,2)$", "(-2, 2)", "$x\\in(-2,2)$", "（-2，2）", "\\boxed{(-2,2)}", "解集为$(-2,2)$。", "解集是$(-2, 2)$", "-2<x<2，即$(-2,2)$",
                   "因为$x^2<4$，所以$-2<x<2$，解集为$(-2,2)$。", "$\\left(-2,2\\right)$"],
            wrong=["$[-2,2]$", "$(-2,2]$", "$(2,-2)$", "$(-\\infty,2)$", "$(-\\infty,-2)\\cup(2,\\infty)$", "2", "$x<2$", "$(-4,4)$", "$(-2,2)$或$[-2,2]$", "$\\{-2,2\\}$"],
        ),
    ),
}
