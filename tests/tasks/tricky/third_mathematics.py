"""A third set, blind: equations, ways to a target and LaTeX, as models of several sizes write them, right, wrong and cheating."""

from firesteel.tasks.families.countdown import reaches
from firesteel.tasks.families.equations import solves
from firesteel.tasks.latex.problems import equal
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem


def solved(question, answer, solution, language):
    return Problem(question, answer, language=language, verify=solves, facts={"solution": solution})


def latex(question, answer, form, language="en"):
    return Problem(question, answer, language=language, verify=equal, facts={"form": form})


ONE = solved("Solve 7x-16=3x-48 for x.", "x=-8", {"x": -8}, "en")
YI = solved("已知7x-16=19，求x。", "x=5", {"x": 5}, "zh")
TWO = solved("If 4x+3y=48 and 3x+2y=34, what is x and y?", "x=6, y=8", {"x": 6, "y": 8}, "en")
ER = solved("解方程：8x+4y=64，3x+y=14。", "x=-2，y=20", {"x": -2, "y": 20}, "zh")

REACH = Problem("Reach 24 with 4, 3, 2, each used at most once, and + - * /.", "2*(4*3)", language="en", verify=reaches,
                facts={"numbers": [4, 3, 2], "target": 24})  # fmt: skip
COU = Problem("用9、6、10、8、3（每个最多用一次）和加减乘除得到23。", "9*3+6-10", language="zh", verify=reaches,
              facts={"numbers": [9, 6, 10, 8, 3], "target": 23})  # fmt: skip
MAKE = Problem("Make 13 from the numbers 6, 10, 3; use each at most once.", "10+(6-3)", language="en", verify=reaches,
               facts={"numbers": [6, 10, 3], "target": 13})  # fmt: skip

FRAC = latex("Compute $\\frac{6}{5}+\\frac{7}{6}$ as a fraction in lowest terms.", "\\frac{71}{30}", "fraction")
ROOT = latex("化简$\\sqrt{1440}$，根号下不留平方因数。", "12\\sqrt{10}", "radical", "zh")
EXPAND = latex("Expand $(x-5)(3x+7)$ and collect like terms.", "3x^{2}-8x-35", "polynomial")
SLOPE = latex("求$f(x)=9x^{3}-x^{2}+9x+8$的导数。", "27x^{2}-2x+9", "polynomial", "zh")
BOTH = latex("Find the set of all solutions of $x^{2}-2x-8=0$.", "\\{-2,4\\}", "set")
SPAN = latex("解不等式$x^{2}-4x-21\\ge 0$，用区间表示。", "(-\\infty,-3]\\cup[7,\\infty)", "interval", "zh")
CLOSED = latex("Solve $x^{2}+5x-14\\le 0$; give an interval or a union of intervals.", "[-7,2]", "interval")
AREA = latex(
    "Compute $\\int_{0}^{4}\\left(-2x^{2}+5\\right)dx$ as a fraction in lowest terms.", "-\\frac{68}{3}", "fraction"
)
DET = latex("求行列式$\\begin{vmatrix}-7 & -5 \\\\ 0 & 7\\end{vmatrix}$。", "-49", "integer", "zh")
MATRIX = latex(
    "Compute the matrix product $\\begin{pmatrix}0 & 5 \\\\ -4 & -2\\end{pmatrix}"
    "\\begin{pmatrix}-3 & -3 \\\\ 0 & 2\\end{pmatrix}$.",
    "\\begin{pmatrix}0 & 10 \\\\ 12 & 8\\end{pmatrix}", "matrix",
)  # fmt: skip

MAY_REJECT = {
    "third equations": 0.02,  # a table of the unknowns
    "third countdown": 0.09,  # 2(4)(3); and two expressions of which the first has numbers on the way
}
TABLES = {
    "third equations": cases(ONE,
        right=[
            "x = -8", "-8", "$x = -8$", "\\boxed{x=-8}", "\\boxed{-8}", "**x = −8**", "The solution is x = -8.",
            "{x: -8}",
            "7x - 3x = -48 + 16\n4x = -32\nx = -8", "x = -32/4 = -8",
            "Subtract 3x: 4x - 16 = -48. Add 16: 4x = -32. Divide by 4: x = -8.",
            "The value of $x$ that satisfies the equation is $-8$.",
            "x = -8\n\nCheck: 7(-8) - 16 = -72 and 3(-8) - 48 = -72. ✓",
            "\\[\n\\begin{aligned}\n7x-16&=3x-48\\\\\n4x&=-32\\\\\nx&=-8\n\\end{aligned}\n\\]",
            "x equals negative eight (-8).", "-8 = x",
        ],
        wrong=[
            "x = 8", "x = -32", "4x = -32", "x ≠ -8", "x = -8 or x = 8", "x > -8", "x ≈ -8", "7x-16=3x-48", "x = -8x",
            "y = -8", "x ≤ -8",
            "x=-8 is wrong; x=-7", "There is no solution.", "x = ±8", "-8 < x < 0", "4x = -8", "2x = -8", "x² = -8",
            "1/x = -8",
            "x could be anything, e.g. x = -8", "-x = -8", "|x| = 8",
        ],
    ) + cases(YI,
        right=["x=5", "x＝5", "x＝５", "解：7x=19+16=35，x=5。", "所以x等于5。", "$x=5$", "x的值是**5**。", "x=35÷7=5",
               "五", "解得x=5，检验：7×5-16=19，成立。"],
        wrong=["7x=35", "x=35", "x=5或x=-5", "x不等于5", "x≈5", "x<5", "x=3", "x=5/7", "x=5.5", "x=-5"],
    ) + cases(TWO,
        right=[
            "x = 6, y = 8", "(6, 8)", "(x, y) = (6, 8)", "x = 6 and y = 8", "y = 8, x = 6", "$x=6,\\ y=8$",
            "\\boxed{(6, 8)}",
            "\\boxed{x=6, y=8}", "- x = 6\n- y = 8", "**x = 6** and **y = 8**",
            "Multiply the first by 2 and the second by 3:\n8x+6y=96\n9x+6y=102\n"
            "Subtracting, x = 6. Then y = (48-24)/3 = 8.\n\nSo x = 6, y = 8.", "x=6\ny=8",
            "$\\begin{cases}x=6\\\\y=8\\end{cases}$",
            "| x | y |\n|---|---|\n| 6 | 8 |", "The solution is x = 6 and y = 8, since 4·6+3·8=48 and 3·6+2·8=34.",
        ],
        wrong=[
            "x = 8, y = 6", "(8, 6)", "x = 6", "y = 8", "x = 6, y = 9", "x + y = 14", "x = 6, y = 8 or x = 8, y = 6",
            "x = 6, y = -8", "(6, 8, 1)",
            "6 or 8", "x = y = 6", "x=6, y=8, x=7", "x = 6, y ≠ 8", "(6, 8) or (8, 6)", "4x+3y=48, 3x+2y=34",
        ],
    ) + cases(ER,
        right=["x=-2，y=20", "x＝－2，y＝20", "x=-2, y=20", "方程组的解为 $\\begin{cases} x=-2 \\\\ y=20 \\end{cases}$",
               "由②得y=14-3x，代入①得x=-2，y=20。",
               "答：x为-2，y为20。", "(-2, 20)", "y=20；x=-2", "**x = -2，y = 20**"],
        wrong=["x=2，y=20", "x=-2", "x=20，y=-2", "x=-2，y=-20", "x=-2或y=20", "x=-2，y=8", "无解", "x=-2，y不是20"],
    ),
    "third countdown": cases(REACH,
        right=[
            "4*3*2", "4 * 3 * 2 = 24", "4 × 3 × 2 = 24", "$4 \\times 3 \\times 2 = 24$", "(4 × 3) × 2",
            "**2 × 3 × 4 = 24**", "4·3·2 = 24", "4 x 3 x 2 = 24",
            "4 × 3 = 12, then 12 × 2 = 24. So: 4 × 3 × 2 = 24", "\\boxed{4 \\times 3 \\times 2}",
            "One solution is (4*3)*2.", "24 = 4*3*2", "```\n4*3*2\n```",
            "4 * (3 * 2) = 4 * 6 = 24", "2(4)(3)", "3*4*2=24 ✓",
        ],
        wrong=[
            "24", "4*3+2", "4!*1", "12*2", "4*3*2*1", "4*6", "4*3*2 = 25", "43-2", "4+3+2=24", "It is not possible.",
            "4*3*2 or 4*3+2", "4*4*3/2",
            "2*2*3*4/2", "4! = 24", "(4*3*2", "4*3*2+0", "8*3", "24*1", "4**2+3", "24=24", "4^2+8",
        ],
    ) + cases(COU,
        right=["9*3+6-10", "9×3+6-10=23", "9×3＋6－10＝23", "27+6-10=23，即9×3+6-10=23。", "9 + 6 + 8 = 23", "8+6+9",
               "**答案：9 + 6 + 8**",
               "（9+6）+8=23", "$9+6+8=23$", "可以这样：先算9+6=15，再算15+8=23，所以算式是9+6+8=23。",
               "3×10=30太大，改用9×3-10+6=23。"],
        wrong=["23", "10+10+3", "9+6+8=24", "20+3", "9×3-4", "9+6+9-1", "8×3-1", "23=23", "无法得到23", "9+6+7",
               "9+6+8和10+10+3都行"],
    ) + cases(MAKE,
        right=["10 + 6 - 3 = 13", "10+3", "10 + 3 = 13", "(10 - 3) + 6", "10 + (6 − 3) = 13", "6 - 3 = 3; 10 + 3 = 13",
               "10+6=16, 16-3=13, i.e. 10+6-3"],
        wrong=["10+3=12", "13", "10-6-3", "10+3+0", "6+7", "1+2+10", "10+6/3+1", "3*6-5", "10 + 6 - 3 = 14", "103-90",
               "10+3 or 6+7"],
    ),
    "third latex": cases(FRAC,
        right=["$\\frac{71}{30}$", "71/30", "\\boxed{\\frac{71}{30}}",
               "$\\frac{6}{5}+\\frac{7}{6}=\\frac{36}{30}+\\frac{35}{30}=\\frac{71}{30}$", "$\\dfrac{71}{30}$",
               "The answer is $71/30$.", "\\(\\frac{71}{30}\\)", "\\tfrac{71}{30}", "The sum is **71/30**."],
        wrong=["$\\frac{142}{60}$", "$\\frac{13}{11}$", "2.3667", "2.37", "\\frac{30}{71}",
               "\\frac{71}{30} or \\frac{13}{11}", "$\\frac{36}{30}+\\frac{35}{30}$",
               "-71/30", "$\\neq\\frac{71}{30}$", "\\frac{6}{5}+\\frac{7}{6}", "\\frac{71}{30}x",
               "$\\approx\\frac{71}{30}$"],
    ) + cases(ROOT,
        right=["$12\\sqrt{10}$", "12√10", "\\boxed{12\\sqrt{10}}", "$\\sqrt{1440}=\\sqrt{144\\times10}=12\\sqrt{10}$",
               "$12 \\cdot \\sqrt{10}$",
               "因为1440=144×10，所以√1440=12√10。", "$12\\sqrt{10}$。", "\\[\\sqrt{1440} = 12\\sqrt{10}\\]"],
        wrong=["$\\sqrt{1440}$", "$6\\sqrt{40}$", "37.947", "$10\\sqrt{12}$", "$\\pm12\\sqrt{10}$", "$12\\sqrt{5}$",
               "$4\\sqrt{90}$", "$120\\sqrt{10}/10+1$",
               "$12\\sqrt[3]{10}$", "$144\\sqrt{10}$"],
    ) + cases(EXPAND,
        right=["$3x^2 - 8x - 35$", "3x^2-8x-35", "3x² - 8x - 35", "$(x-5)(3x+7)=3x^2+7x-15x-35=3x^2-8x-35$",
               "\\boxed{3x^2-8x-35}", "$-35-8x+3x^2$",
               "First: 3x², Outer: 7x, Inner: -15x, Last: -35. Total: **3x² − 8x − 35**", "3x^{2} - 8x - 35."],
        wrong=["3x^2+8x-35", "3x^2-35", "(x-5)(3x+7)", "3x^2+7x-15x-35", "3x^2-8x+35", "x^2-8x-35", "3x^2-8x-35=0",
               "3x-8x-35", "3x^2-8x-35 or 3x^2+8x-35"],
    ) + cases(SLOPE,
        right=["$27x^2-2x+9$", "f'(x)=27x²-2x+9", "$f'(x) = 27x^2 - 2x + 9$", "导数为$27x^{2}-2x+9$。",
               "$\\frac{df}{dx}=27x^2-2x+9$", "\\boxed{f'(x)=27x^2-2x+9}",
               "y' = 27x^2 - 2x + 9"],
        wrong=["27x^2-2x+9+C", "27x^2-2x+17", "27x^2-x+9", "9x^3-x^2+9x+8", "27x^3-2x^2+9x", "54x-2", "27x^2-2x",
               "f(x)=27x^2+2x+9"],
    ) + cases(BOTH,
        right=["$\\{-2, 4\\}$", "{-2, 4}", "$x=-2$ or $x=4$", "x = 4 or x = -2", "$\\{4,-2\\}$",
               "(x-4)(x+2)=0, so the solutions are x = 4 and x = -2.",
               "\\boxed{\\{-2, 4\\}}", "$x\\in\\{-2,4\\}$", "The solution set is $S=\\{-2,4\\}$.", "$x_1=-2, x_2=4$"],
        wrong=["{2, -4}", "{-2}", "4", "{-2, 4, 0}", "(-2, 4)", "[-2, 4]", "x = -2 and x = 3", "$(x-4)(x+2)=0$",
               "{-2,4} or {2,-4}", "$x=\\pm 4$", "{}", "{x: x^2-2x-8=0}"],
    ) + cases(SPAN,
        right=["$(-\\infty,-3]\\cup[7,+\\infty)$", "(-∞,-3]∪[7,+∞)", "$x\\in(-\\infty,-3]\\cup[7,+\\infty)$",
               "解集为 $(-\\infty, -3] \\cup [7, \\infty)$。",
               "\\boxed{(-\\infty,-3]\\cup[7,+\\infty)}", "（-∞，-3]∪[7，+∞）",
               "因式分解得(x-7)(x+3)≥0，所以解集是(-∞,-3]∪[7,+∞)。"],
        wrong=["(-\\infty,-3)\\cup(7,\\infty)", "[-3,7]", "(-\\infty,-3]", "(-\\infty,-3]\\cap[7,\\infty)", "[7,\\infty)",
               "(-\\infty,3]\\cup[7,\\infty)",
               "(-\\infty,-3]\\cup[7,\\infty]", "(-\\infty,\\infty)", "(-\\infty,-3],[-3,7],[7,\\infty)"],
    ) + cases(CLOSED,
        right=["$[-7, 2]$", "[-7,2]", "$x \\in [-7, 2]$", "(x+7)(x-2) ≤ 0, hence x ∈ [-7, 2].", "\\boxed{[-7,2]}",
               "$\\left[-7, 2\\right]$"],
        wrong=["(-7,2)", "[-2,7]", "{-7,2}", "(-\\infty,-7]\\cup[2,\\infty)", "[-7,2)", "-7, 2", "[2,-7]",
               "[-7,2] or (-7,2)", "x=-7 or x=2"],
    ) + cases(AREA,
        right=["$-\\frac{68}{3}$", "-68/3", "\\boxed{-\\frac{68}{3}}", "$\\frac{-68}{3}$",
               "$\\left[-\\frac{2}{3}x^3+5x\\right]_0^4=-\\frac{128}{3}+20=-\\frac{68}{3}$",
               "The integral equals −68/3."],
        wrong=["68/3", "-22.67", "-\\frac{136}{6}", "-\\frac{128}{3}+20", "-\\frac{68}{3}+C", "\\pm\\frac{68}{3}",
               "-\\frac{3}{68}", "\\int_0^4(-2x^2+5)dx", "|-68/3|"],
    ) + cases(DET,
        right=["-49", "$-49$", "−49", "(-7)×7-(-5)×0=-49", "\\boxed{-49}", "行列式的值为**-49**。",
               "$(-7)(7)-(-5)(0)=-49-0=-49$", "$\\det A=-49$"],
        wrong=["49", "-7×7", "-49或49", "|-49|", "-35", "-49x", "\\pm49", "约-49"],
    ) + cases(MATRIX,
        right=["$\\begin{pmatrix}0 & 10 \\\\ 12 & 8\\end{pmatrix}$",
               "$\\begin{bmatrix} 0 & 10 \\\\ 12 & 8 \\end{bmatrix}$",
               "\\boxed{\\begin{pmatrix} 0 & 10 \\\\ 12 & 8 \\end{pmatrix}}",
               "The product is\n\\[\n\\begin{pmatrix}\n0 & 10 \\\\\n12 & 8\n\\end{pmatrix}.\n\\]",
               "$AB=\\begin{pmatrix}0&10\\\\12&8\\end{pmatrix}$"],
        wrong=["$\\begin{pmatrix}0 & 12 \\\\ 10 & 8\\end{pmatrix}$", "$\\begin{vmatrix}0 & 10 \\\\ 12 & 8\\end{vmatrix}$",
               "$\\begin{pmatrix}0 & 10 & 12 & 8\\end{pmatrix}$",
               "-120", "$\\begin{pmatrix}12 & 6 \\\\ -8 & -4\\end{pmatrix}$",
               "$\\begin{pmatrix}0 & 10 \\\\ 12 & -8\\end{pmatrix}$",
               "$2\\begin{pmatrix}0 & 10 \\\\ 12 & 8\\end{pmatrix}$",
               "$\\begin{pmatrix}0 & 10 \\\\ 12 & 8\\end{pmatrix}^{-1}$",
               "$\\begin{pmatrix}0 & 10 \\\\ 12 & 8\\end{pmatrix}^{T}$"],
    ),
}  # fmt: skip
