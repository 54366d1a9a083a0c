"""A second set, from another hand: equations, expressions, quantities, lists and times, as language models write them."""

from firesteel.tasks.families.comparison import picks
from firesteel.tasks.families.countdown import reaches
from firesteel.tasks.families.equations import solves
from firesteel.tasks.latex.problems import equal
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

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


def latex(question, answer, form, language="en"):
    return Problem(question, answer, language=language, verify=equal, facts={"form": form})


LOWEST = latex("Simplify $\\frac{18}{24}$ to lowest terms.", "\\frac{3}{4}", "fraction")
ROOT = latex("化简$\\sqrt{720}$，根号下不留平方因数。", "12\\sqrt{5}", "radical", "zh")
SLOPE = latex("Find the derivative of $f(x)=3x^{3}+2x^{2}-4x+8$.", "9x^{2}+4x-4", "polynomial")
INSIDE = latex("解不等式$x^{2}-4<0$，用区间表示。", "(-2,2)", "interval", "zh")

# fmt: off
TABLES = {
    "second hand: equations": (
        *cases(
            ONE,
            right=[
                "x = 6", "6", "**x = 6**", "\\boxed{6}", "\\[x = 6\\]", "The solution is x = 6.", "x equals 6.",
                "3x = 37 - 19\n3x = 18\nx = 6",
                "To solve 3x + 19 = 37, subtract 19 from both sides: 3x = 18. Then divide by 3: x = 6.",
                "Therefore, $x = \\boxed{6}$.", "Answer: **x = 6**", "x=6. Check: 3*6+19=37.",
                "So the value of x is 6.", "$$\nx = \\frac{18}{3} = 6\n$$",
                "1. Subtract 19: 3x = 18\n2. Divide by 3: x = 6", "X = 6", "x = six",
                "\\begin{align}\n3x &= 18 \\\\\nx &= 6\n\\end{align}", "The answer is x=6",
                "We get x = 6, since 3 * 6 + 19 = 37.", "x: 6", "x → 6", "x = 6 is the solution.",
            ],
            wrong=[
                "x = 5", "x = 7", "x = -6", "y = 6", "x = 6 or x = 5", "3x = 18", "x = 18/4", "x = 6y", "x != 6",
                "x ≠ 6", "x > 6", "x ≥ 6", "x is not 6", "3x+19=37", "18", "x = 18", "x = 60", "x = 6.5",
                "x = 6, y = 7", "x = 6, x = 7", "x ∈ {5, 6}", "x = 5 + 2", "3 19 37 6", "3x = 6", "2x = 6",
                "x/2 = 6", "x^2 = 6", "x = ±6", "x = 6x", "x=6=7",
            ],
        ),
        *cases(
            YI,
            right=[
                "x=27", "27", "解：x=23+4=27", "x的值是27。", "x＝27", "移项得x=23+4，所以x=27。", "答：x=27。",
                "x等于27", "**x=27**", "方程的解是x=27。", "$x=27$",
            ],
            wrong=[
                "x=19", "x=28", "x-4=23", "x=27或x=19", "x不等于27", "x=23+5", "x=-27", "4、23、27", "x约等于27",
                "x=2.7",
            ],
        ),
        *cases(
            TWO,
            right=[
                "x = -11, y = 19", "x = -11 and y = 19", "(x, y) = (-11, 19)", "y = 19, x = -11",
                "$(x, y) = (-11, 19)$", "\\boxed{x=-11, y=19}", "\\boxed{(-11, 19)}", "x = -11\ny = 19",
                "- x = -11\n- y = 19", "**x = −11, y = 19**", "x is -11 and y is 19.", "(-11, 19)",
                "| x | y |\n|---|---|\n| -11 | 19 |", "x = \\boxed{-11}, y = \\boxed{19}",
                "The solution is x = -11 and y = 19.", "$x = -11$ and $y = 19$", "$$x=-11,\\quad y=19$$",
                "x=-11; y=19",
            ],
            wrong=[
                "x = 19, y = -11", "x = 11, y = 19", "x = -11", "y = 19", "(19, -11)", "x = -11, y = 18", "-11",
                "x = -11, y = 19x", "x = -11, y = 19 or x = 1, y = 2", "x = -11, y = 19, x = 3", "19, -11",
                "-11 19 or 19 -11", "x + y = 8", "6x+9y=105, 8x+5y=7",
            ],
        ),
    ),
    "second hand: countdown": (
        *cases(
            FOURTEEN,
            right=[
                "(6+(9-8))*2", "(6 + 9 - 8) * 2 = 14", "(6+9-8)×2=14", "8+6", "8 + 6 = 14", "6 + 8 = 14.",
                "**8 + 6 = 14**", "\\boxed{8+6}", "\\[8 + 6 = 14\\]", "$8+6=14$", "The answer is 8 + 6.",
                "One way is 8 + 6 = 14.", "14 = 8 + 6", "You can use 8 + 6 = 14.", "$(6 + 9 - 8) \\times 2 = 14$",
                "9 + 9 - 6 + 2 = 14", "2 × 6 + 9/9 + 8 - 7 + 0 is wrong; 8 + 6 = 14 works.", "```\n8 + 6\n```",
                "9 - 8 = 1\n6 + 1 = 7\n7 * 2 = 14\n\nSo (6 + (9 - 8)) * 2 = 14",
                "8+6=14 uses each number at most once.", "Answer: 8 + 6 = 14",
                "(8 - 2) + 9 - 9/9 + 6 - 0 fails, so 8 + 6.", "6×2+8-9+9-6 repeats a 6, so I answer 8+6=14.",
            ],
            wrong=[
                "14", "7*2", "8+6=15", "9+5", "14+0", "8*2-2", "8+6+0", "7+7", "6+6+2", "9+9-6+3", "8 6", "8, 6",
                "-8+22", "8+6 or 9+5", "not 8+6", "28/2", "8+6*1", "9*2-4", "8+6+9-9-9+9", "14/1", "2*7", "8+5",
                "8-6", "86-72", "(8+6", "8+6=14=14+0", "9+9-6", "8 9 6 9 2 14", "It cannot be done.",
            ],
        ),
        *cases(
            QI,
            right=[
                "6+(9-8)", "6+9-8=7", "6+9-8", "9-8+6=7", "算式：6+9-8=7", "答案是6+9-8=7。", "可以写成9-8+6=7",
                "$6+9-8$", "6＋9－8＝7", "**6+9-8=7**", "因为9-8=1，6+1=7，所以6+(9-8)=7。", "6-(8-9)",
            ],
            wrong=[
                "7", "6+1", "6+1=7", "8-1", "9+6-8=8", "6、9、8", "6+9-8=7，9-2=7", "凑不出", "6-8+8+1", "7=7",
                "14-7", "6+9/8",
            ],
        ),
    ),
    "second hand: comparison": (
        *cases(
            MIXED,
            right=[
                "0.81", "The largest is 0.81.", "**0.81**", "0.81 is the largest.", "\\boxed{0.81}",
                "80.3% = 0.803, 8/10 = 0.8, so 0.81 is largest.", "0.81 > 0.803 > 0.8, so the answer is 0.81.",
                "- 80.3% = 0.803\n- 8/10 = 0.80\n- 0.81 = 0.81\n\nThe largest is **0.81**.",
                "The largest number is 0.81", "Answer: 0.81", "0.81 > 80.3% > 8/10",
                "0.81 is greater than 80.3% and 8/10.", "$0.81$",
                "The largest value among 80.3%, 8/10, and 0.81 is **0.81**.", "81%",
            ],
            wrong=[
                "80.3%", "8/10", "0.803", "0.81 is the smallest.", "8/10 < 80.3% and 0.81", "0.81 or 80.3%", "80.3",
                "0.81%", "0.82", "81", "80.3%, 8/10, 0.81", "0.81 is not the largest.", "The largest is not 8/10.",
                "80.3% > 8/10 > 0.81", "80.3% > 0.81", "0.81 < 80.3%", "They are equal.",
                "8/10 is larger than 0.81.",
            ],
        ),
        *cases(
            SMALL,
            right=[
                "1/5", "1/5最小。", "最小的是1/5。", "1/5=0.2，6/8=0.75，所以1/5最小。", "$\\frac{1}{5}$",
                "\\boxed{\\frac{1}{5}}", "1/5小", "1/5<6/8，所以1/5最小", "五分之一", "**1/5**", "答案是1/5。",
                "0.2", "1/5比6/8小。",
            ],
            wrong=[
                "6/8", "6/8最小。", "1/5和6/8", "5", "1", "6/8<1/5", "1/5最大。", "1/6", "3/4", "1/5不是最小的。",
                "一样大", "1/5、6/8",
            ],
        ),
        *cases(
            WHOLE,
            right=[
                "8196", "8,196", "8196 is largest.", "8196 > 8106", "The largest is 8196.",
                "8196 is larger than 8106, so it is largest.",
            ],
            wrong=[
                "8106", "8196 8106", "8106 > 8196", "8196 < 8106", "8196 or 8106", "8106 is larger than 8196.",
                "8169",
            ],
        ),
        *cases(
            LITRES,
            right=[
                "7200mL", "7200 mL", "7200 ml", "7.2 L", "7200mL is larger, since 7L = 7000mL.",
                "7 L = 7000 mL, so 7200 mL is the largest.", "$7200\\text{ mL}$", "**7200mL**",
            ],
            wrong=[
                "7L", "7 L", "7000 mL", "7200 L", "7.2 mL", "7L = 7000mL", "7L > 7200mL", "7200mL or 7L", "7",
            ],
        ),
    ),
    "second hand: latex": (
        *cases(
            LOWEST,
            right=[
                "$\\frac{3}{4}$", "3/4", "\\boxed{\\frac{3}{4}}", "\\frac{18}{24} = \\frac{3}{4}",
                "$$\\frac{18}{24} = \\frac{18 \\div 6}{24 \\div 6} = \\frac{3}{4}$$",
                "The simplified fraction is $\\frac{3}{4}$.", "**3/4**", "\\dfrac{3}{4}", "18/24 = 3/4",
                "The answer is \\(\\frac{3}{4}\\).", "Answer: 3/4",
                "The greatest common divisor of 18 and 24 is 6, so $\\frac{18}{24}=\\frac{3}{4}$.",
                "\\[\n\\boxed{\\frac{3}{4}}\n\\]", "$\\frac34$", "three quarters",
                "The simplified form of $\\frac{18}{24}$ is $\\frac{3}{4}$.",
            ],
            wrong=[
                "$\\frac{9}{12}$", "$\\frac{18}{24}$", "0.75", "75%", "4/3", "$\\frac{6}{8}$", "3",
                "$\\frac{3}{4}$ or $\\frac{4}{3}$", "not $\\frac{3}{4}$", "$-\\frac{3}{4}$",
                "$\\frac{1}{2}+\\frac{1}{4}$", "\\frac{3}{4}+0", "3:4:5", "\\frac{18}{24} = \\frac{9}{12}",
            ],
        ),
        *cases(
            ROOT,
            right=[
                "$12\\sqrt{5}$", "12√5", "$\\sqrt{720}=12\\sqrt{5}$", "\\boxed{12\\sqrt{5}}", "12\\sqrt5",
                "$12 \\cdot \\sqrt{5}$", "答案：$12\\sqrt{5}$", "$\\sqrt{720}=\\sqrt{144\\times5}=12\\sqrt{5}$",
                "所以，$\\sqrt{720}$化简为$12\\sqrt{5}$。", "12根号5",
            ],
            wrong=[
                "$6\\sqrt{20}$", "$\\sqrt{720}$", "26.83", "$5\\sqrt{12}$", "$12$", "$12\\sqrt{6}$",
                "$-12\\sqrt{5}$", "$\\sqrt{144\\times5}$", "$4\\sqrt{45}$", "$12+\\sqrt{5}$",
                "$12\\sqrt{5}$或$5\\sqrt{12}$",
            ],
        ),
        *cases(
            SLOPE,
            right=[
                "$9x^2+4x-4$", "f'(x) = 9x^2 + 4x - 4", "$f'(x) = 9x^{2} + 4x - 4$", "\\boxed{9x^2 + 4x - 4}",
                "9x² + 4x − 4", "$$f'(x)=9x^2+4x-4$$", "The derivative is $9x^2 + 4x - 4$.",
                "$\\frac{d}{dx}f(x) = 9x^2 + 4x - 4$", "9x^2+4x-4", "$4x + 9x^2 - 4$", "**$9x^2 + 4x - 4$**",
                "\\frac{df}{dx} = 9x^2 + 4x - 4",
            ],
            wrong=[
                "$9x^2+4x+4$", "$3x^3+2x^2-4x+8$", "$9x^2+4x-4+C$", "$9x^2+4x$", "$9x^3+4x-4$", "$9x+4x-4$",
                "$9x^2+2x-4$", "13x-4", "$18x+4$", "9", "$f'(x)$", "$9y^2+4y-4$", "$9x^2+4x-4$ or $9x^2+4x+4$",
            ],
        ),
        *cases(
            INSIDE,
            right=[
                "$(-2,2)$", "(-2, 2)", "$x\\in(-2,2)$", "（-2，2）", "\\boxed{(-2,2)}", "解集为$(-2,2)$。",
                "解集是$(-2, 2)$", "-2<x<2，即$(-2,2)$", "因为$x^2<4$，所以$-2<x<2$，解集为$(-2,2)$。",
                "$\\left(-2,2\\right)$",
            ],
            wrong=[
                "$[-2,2]$", "$(-2,2]$", "$(2,-2)$", "$(-\\infty,2)$", "$(-\\infty,-2)\\cup(2,\\infty)$", "2",
                "$x<2$", "$(-4,4)$", "$(-2,2)$或$[-2,2]$", "$\\{-2,2\\}$",
            ],
        ),
    ),
}
# fmt: on
MAY_REJECT = {
    "second hand: equations": 0.02,  # a table of the unknowns
    "second hand: countdown": 0.03,  # a failed attempt of several steps is told before the answer
    "second hand: comparison": 0.03,  # "larger", and then than what in a sentence of its own
    "second hand: latex": 0.03,  # three quarters, in words
}
MAY_ACCEPT = {
    "second hand: equations": 1,  # x = 6, y = 7: an unknown that was not asked is not looked at
}
