"""Equations, countdown, comparison, bases and lists."""

from firesteel.tasks.families.bases import written_in
from firesteel.tasks.families.comparison import picks
from firesteel.tasks.families.countdown import reaches
from firesteel.tasks.families.equations import solves
from firesteel.tasks.families.sorting import lists
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

ONE = Problem("Solve 2x+3=11.", "x=4", language="en", verify=solves, facts={"solution": {"x": 4}})
BELOW = Problem("解方程：3x+7=1。", "x=-2", language="zh", verify=solves, facts={"solution": {"x": -2}})
TWO = Problem("Solve x+y=7 and x-y=1.", "x=4, y=3", verify=solves, facts={"solution": {"x": 4, "y": 3}})
REACH = Problem("Reach 25 with 8, 3, 1, 5.", "8*3+1", verify=reaches, facts={"numbers": [8, 3, 1, 5], "target": 25})
TWICE = Problem("用6、6、2凑出3。", "6/2", verify=reaches, facts={"numbers": [6, 6, 2], "target": 3})


def compared(question, asked, answer, **values):
    shown = {name.strip("_").replace("_", "."): value for name, value in values.items()}
    return Problem(question, answer, verify=picks, facts={"values": shown, "asked": asked})


NINE = compared("Which is the largest: 9.11, 9.9?", "largest", "9.9", _9_11="911/100", _9_9="99/10")
SMALL = compared("9.11、9.9，哪个最小？", "smallest", "9.11", _9_11="911/100", _9_9="99/10")
LENGTHS = Problem("Which is the largest: 2m, 150cm?", "2m", verify=picks,
                  facts={"values": {"2m": "200", "150cm": "150"}, "asked": "largest"})  # fmt: skip
PARTS = Problem("Which is the largest: 1/2, 2/3?", "2/3", verify=picks,
                facts={"values": {"1/2": "1/2", "2/3": "2/3"}, "asked": "largest"})  # fmt: skip
BINARY = Problem("Write 10 in base 2.", "1010", verify=written_in, facts={"base": 2})
HEX = Problem("把10进制数172写成16进制。", "AC", verify=written_in, facts={"base": 16})
DECIMAL = Problem("Convert 1010 from base 2 to base 10.", "10", verify=written_in, facts={"base": 10})
SORTED = Problem("Sort 9, 3, 5 from smallest to largest.", "3, 5, 9", verify=lists)
WORDS = Problem("Sort kite, apple, dance alphabetically.", "apple, dance, kite", verify=lists)

TABLES = {
    "equations": (
        *cases(
            ONE,
            right=["x=4", "x = 4", "4", "The answer is x = 4.", "The answer is 4.", "$x=4$", "\\boxed{x=4}",
                    "\\boxed{4}", "4 = x",
                   "2x = 8, so x = 4.", "2x+3=11\n2x=8\nx=8/2=4", "x=8/2=4", "x = 4.0", "**x = 4**", "x is 4",
                   "<answer>x=4</answer>",
                   "Therefore, x = 4.", "Subtract 3: 2x = 8. Divide by 2: x = 4.", "x = four"],
            wrong=["x=5", "x = 4 or x = 5", "x=4, x=5", "5", "2x=4", "x=8/2", "x=-4", "y=4", "x", "", "3 or 4",
                    "x=4/5", "-x=4", "x=44",
                   "2x+3=11", "x>4", "x≠4", "The answer is x=5.", "x=3\nx=4", "x is not 4", "x+1=4", "1/x=4",
                   "x=3 or 4", "x=4y"],
        ),
        *cases(BELOW, right=["x=-2", "-2", "答案是x=-2。", "x＝－2", "x等于-2", "x = −2", "x为-2", "解得x=-2。",
                "x=-6/3=-2"],
               wrong=["x=2", "2", "x=-2或x=2", "答案是x=2。", "x=-6/3", "-x=2或-2", "x不等于-2", "x=±2"]),
        *cases(TWO, right=["x=4, y=3", "x = 4 and y = 3", "y=3, x=4", "(4, 3)", "x=4，y=3",
                "The answer is x=4, y=3.", "$x=4$, $y=3$",
                           "(x, y) = (4, 3)", "\\boxed{(4, 3)}", "2x=8, x=4. y=7-4=3."],
               wrong=["x=3, y=4", "x=4", "y=3", "4", "(3, 4)", "x=4, y=4", "x=4, y=3 or x=3, y=4", "7",
                       "(4, 3) or (3, 4)", "4, 3, 2"]),
    ),
    "countdown": (
        *cases(
            REACH,
            right=["8*3+1", "8 * 3 + 1", "8×3+1", "8 × 3 + 1 = 25", "25 = 8*3+1", "3*8+1", "1+8*3", "(8*3)+1",
                    "5*(8-3)", "The answer is 5*(8-3).",
                   "5×(8−3)=25", "\\boxed{8 \\times 3 + 1}", "$8\\cdot 3+1=25$", "<answer>8*3+1</answer>",
                   "答案是8*3+1=25。", "８×３＋１",
                   "8*3+1=24+1=25", "5 x (8 - 3)", "((8)*(3)+(1))", "[5*(8-3)]", "One way is 8*3+1=25.", "5*(8-3)*1"],
            wrong=["25", "8*3", "8*3+1+0", "5*5", "8+8+8+1", "8*3+1 or 5*(8-3)", "24+1", "8*3+2", "83-58", "8**3",
                    "5*5=25", "8*3=25", "8*3+1=26",
                   "", "import os", "(8*3+1", "8*3+1)", "25*1", "8/0", "8*3+1-0", "-1+26", "8*3-(-1)", "5^2",
                   "31-5-1", "8*3=24, 24+1=25", "50/2",
                   "25=25", "1", "8,3,1", "3!*5-5", "round(8*3+1)", "8*3+1*1", "2.5*10"],
        ),
        *cases(TWICE, right=["6/2", "6÷2=3", "6-6/2"], wrong=["6*6/2", "6/(6-2*2)", "6+6/2", "6/2*2", "3"]),
    ),
    "comparison": (
        *cases(NINE, right=["9.9", "9.90", "The answer is 9.9.", "9.9 is the largest.", "9.9 > 9.11",
                "9.9 is larger than 9.11.", "9.11 < 9.9",
                            "\\boxed{9.9}", "**9.9**", "9.9大于9.11", "9.9比9.11大", "９.９",
                            "9.9 is greater than 9.11, so the answer is 9.9."],
               wrong=["9.11", "9.11 > 9.9", "9.9 < 9.11", "9.9 or 9.11", "both", "9", "9.09", "9.99", "9.119",
                       "19.9", "The answer is 9.11.", "99",
                      "9.11 is larger than 9.9.", "9.9, 9.11", "not 9.9", "-9.9", "9.9 or 9.12", "9.9%", "9.9 kg",
                      "9.11比9.9大", ""]),
        *cases(SMALL, right=["9.11", "答案是9.11。", "9.11最小。", "9.11<9.9", "9.11小于9.9", "9.11比9.9小"],
               wrong=["9.9", "9.9<9.11", "9.11或9.9", "答案是9.9。", "9.9比9.11小", "9.1", "911"]),
        *cases(LENGTHS, right=["2m", "2 m", "The answer is 2 m.", "2m > 150cm", "200cm"], wrong=["150cm", "150",
                "2cm", "2km", "150m", "2m, 150cm", "2m or 150cm"]),
        *cases(PARTS, right=["2/3", "\\frac{2}{3}", "2/3 > 1/2", "\\boxed{\\frac{2}{3}}"], wrong=["1/2", "3/2",
                "1/3", "2", "3", "2/3 or 1/2", "2/33", "12/3"]),
    ),
    "bases": (
        *cases(BINARY, right=["1010", "0b1010", "1010_2", "1010₂", "(1010)_2", "1010 (base 2)",
                "The answer is 1010.", "10 = 1010", "\\boxed{1010_2}",
                              "1010 in base 2", "$1010_{2}$", "答案是1010。", "1010（二进制）", "01010", "1010(2)",
                              "**1010**"],
               wrong=["10", "1011", "A", "0x1010", "1010_10", "1010 (base 10)", "1010 or 1011", "0101", "10100",
                       "1010.0", "-1010", "1 0 1 0 1", "1010 1011", "", "1020", "ten", "一零一零二"]),
        *cases(HEX, right=["AC", "ac", "0xAC", "答案是AC。", "AC（十六进制）", "\\text{AC}", "AC_{16}", "0xac",
                "AC (hexadecimal)"],
               wrong=["CA", "172", "0bAC", "A C D", "AC_10", "ACE", "0AC1", "10 12", "AC或CA", "AG"]),
        *cases(DECIMAL, right=["10", "答案是10。", "10 (base 10)", "十", "1010 = 10",
                "1*8+0*4+1*2+0*1=10"], wrong=["1010", "0b10", "A", "10_2", "12", "10 or 12", "10 (base 2)"]),
    ),
    "lists": (
        *cases(SORTED, right=["3, 5, 9", "3,5,9", "3 5 9", "[3, 5, 9]", "3、5、9", "3 < 5 < 9",
                "The answer is 3, 5, 9.", "答案是3，5，9。", "3\n5\n9", "(3, 5, 9)",
                              "\\boxed{3, 5, 9}", "3, 5 and 9", "1. 3\n2. 5\n3. 9", "- 3\n- 5\n- 9", "**3, 5, 9**",
                              "3 → 5 → 9", "3.0, 5, 9", "3, 5, 9."],
               wrong=["3, 9, 5", "9, 5, 3", "3, 5", "3, 5, 9, 10", "3, 3, 5, 9", "359", "3, 5, 9 or 9, 5, 3",
                       "9, 3, 5", "3.5.9", "", "3, 5, 90", "3-5-9-1", "3, 5, 9\n9, 5, 3",
                      "The answer is 3, 5, 9. The answer is 9, 5, 3.", "3, 5, x", "5", "sorted"]),
        *cases(WORDS, right=["apple, dance, kite", "Apple, Dance, Kite", "apple dance kite",
                "['apple', 'dance', 'kite']", "apple、dance、kite", '"apple", "dance", "kite"'],
               wrong=["apple, kite, dance", "apple, dance", "appledancekite", "kite, apple, dance",
                       "apple, dance, kites", "apple, dance, kite, zebra"]),
    ),
}  # fmt: skip
MAY_REJECT = {"equations": 0.03, "comparison": 0.05, "countdown": 0.0, "bases": 0.04, "lists": 0.0}
