"""Answers in LaTeX."""

from firesteel.tasks.latex.problems import equal
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem


def asked(answer, form, question="..."):
    return Problem(question, answer, verify=equal, facts={"form": form})


TABLES = {
    "latex": (
        *cases(
            asked("-\\frac{3}{4}", "fraction"),
            right=[
                "$-\\frac{3}{4}$",
                "The answer is $-\\frac{3}{4}$.",
                "\\boxed{-\\frac{3}{4}}",
                "\\boxed{\\frac{-3}{4}}",
                "-3/4",
                "答案是$-\\dfrac{3}{4}$。",
                "$$-\\tfrac34$$",
                "\\[ -\\frac{ 3 }{ 4 } \\]",
                "−3/4",
                "x = -\\frac{3}{4}",
                "$\\boxed{-\\frac{3}{4}}$",
                "The answer is -\\frac{3}{4}",
            ],
            wrong=[
                "$\\frac{3}{4}$",
                ("-\\frac{6}{8}", "not in lowest terms"),
                ("-0.75", "not a fraction"),
                "",
                "$$",
                ("-\\frac{3}{4} or \\frac{3}{4}", "a guess"),
                ("\\boxed{-\\frac{3}{4}}\\boxed{\\frac{3}{4}}", "two"),
                ("\\frac{1}{4}-1", "not worked out"),
                ("\\int_0^1 -\\frac{3}{4} dx", "not worked out"),
                "-\\frac{3}{4}x",
                ("9^{9^{9^{9}}}", "takes forever"),
                ("\\frac{-3}{4", "broken"),
                ("-\\frac{4}{3}", "upside down"),
                "-3/4%",
                ("10000000!", "takes forever"),
                ("\\frac{3}{0}", "by zero"),
                ("$-\\frac{3}{4}$ $\\frac{3}{4}$", "two"),
            ],
        ),
        *cases(
            asked("\\frac{1}{3}", "fraction"),
            right=["\\frac13", "1/3", "\\frac{1}{3}\\,."],
            wrong=[
                ("0.333333", "math-verify rounds"),
                ("33.3333\\%", "math-verify rounds"),
                "0.33",
                ("\\frac{2}{6}", "to reduce"),
                "3",
            ],
        ),
        *cases(
            asked("6\\sqrt{2}", "radical", "Simplify $\\sqrt{72}$"),
            right=["$6\\sqrt{2}$", "6\\sqrt2", "6√2", "6 \\cdot \\sqrt{2}", "\\boxed{6\\sqrt{2}}"],
            wrong=[
                ("\\sqrt{72}", "the question"),
                ("3\\sqrt{8}", "not simplest"),
                "2\\sqrt{6}",
                "8.485281",
                "6",
                "6\\sqrt{2}+0",
            ],
        ),
        *cases(
            asked("6x^{2}+3", "polynomial", "Find the derivative of $f(x)=2x^3+3x$"),
            right=[
                "$6x^2+3$",
                "f'(x)=6x^{2}+3",
                "3+6x^2",
                "6x²+3",
                "答案是$f'(x)=6x^2+3$。",
                "y' = 6x^2 + 3",
                "6\\cdot x^2+3",
                "6*x^2+3",
            ],
            wrong=[
                ("\\frac{d}{dx}(2x^3+3x)", "the question"),
                ("2x^3+3x", "the question's function"),
                "6x+3",
                "6x^2-3",
                "6x^2+3+C",
                "6x^3+3",
                ("3(2x^2+1)", "not expanded"),
                ("4x^2+2x^2+3", "like terms apart"),
                ("3x\\cdot 2x+3", "not worked out"),
                ("6x^{2^{1}}+3", "a tower"),
                ("6x^2+3=0", "an equation"),
                "6y^2+3",
                ("2*3x^2+3", "not worked out"),
            ],
        ),
        *cases(
            asked("\\frac{1}{3}x^{3}-x", "polynomial"),
            right=["\\frac{x^3}{3}-x", "\\frac13x^3-x", "x^3/3-x", "-x+\\frac{x^{3}}{3}", "F(x)=\\frac{1}{3}x^3-x"],
            wrong=["\\frac{x^3}{3}-x+1", "x^3-x", "3x^3-x", "\\int x^2-1 dx", "\\frac{x^2}{3}-x", "1/3x-x"],
        ),
        *cases(
            asked("\\{2,3\\}", "set", "x^2-5x+6=0"),
            right=[
                "$\\{2,3\\}$",
                "\\{3, 2\\}",
                "x=2 or x=3",
                "x = 2, x = 3",
                "x_1=2, x_2=3",
                "答案是$x=2$或$x=3$。",
                "{2, 3}",
                "2, 3",
                "\\boxed{\\{2,3\\}}",
                "$x\\in\\{2,3\\}$",
                "\\left\\{2,3\\right\\}",
                "2和3",
                "x=\\frac{5\\pm\\sqrt{1}}{2}",
                "x_{1}=3; x_{2}=2",
            ],
            wrong=[
                "2",
                "3",
                "\\{2\\}",
                "\\{2,3,4\\}",
                ("x^2-5x+6=0", "the question"),
                ("(x-2)(x-3)=0", "not solved"),
                "\\{-2,-3\\}",
                "(2,3]",
                "\\{2,2\\}",
                ("\\{x: x^2-5x+6=0\\}", "the question as a set"),
                "2<x<3",
                "x=2",
                "\\emptyset",
                "\\{2.0000001,3\\}",
            ],
        ),
        *cases(
            asked("\\{1-\\sqrt{2},1+\\sqrt{2}\\}", "set"),
            right=[
                "1\\pm\\sqrt{2}",
                "x=1\\pm\\sqrt2",
                "\\{1+\\sqrt{2},1-\\sqrt{2}\\}",
                "x=1+√2 或 x=1-√2",
                "\\frac{2\\pm\\sqrt{8}}{2}",
            ],
            wrong=["1+\\sqrt{2}", "1\\pm\\sqrt{3}", "\\pm\\sqrt{2}", "\\{2.414214,-0.414214\\}", "-1\\pm\\sqrt{2}"],
        ),
        *cases(
            asked("(-\\infty,2]\\cup[5,\\infty)", "interval"),
            right=[
                "$(-\\infty,2]\\cup[5,\\infty)$",
                "[5,\\infty)\\cup(-\\infty,2]",
                "x\\le 2 or x\\ge 5",
                "$x\\leq2$或$x\\geq5$",
                "(-∞,2]∪[5,∞)",
                "x\\in(-\\infty,2]\\cup[5,+\\infty)",
            ],
            wrong=[
                "(-\\infty,2)\\cup(5,\\infty)",
                "[2,5]",
                "(-\\infty,2]",
                "x^2-7x+10\\ge0",
                "(-\\infty,\\infty)",
                "(-\\infty,5]\\cup[2,\\infty)",
            ],
        ),
        *cases(
            asked("(2,5)", "interval"),
            right=["(2,5)", "2<x<5", "x\\in(2,5)", "（2，5）", "\\left(2,5\\right)"],
            wrong=["[2,5]", "(2,5]", "\\{2,5\\}", "2,5", "2\\le x<5", "(5,2)", "x>2", "(2,5)\\cup(5,6)"],
        ),
        *cases(
            asked("\\begin{pmatrix}1 & -2 \\\\ 3 & 4\\end{pmatrix}", "matrix"),
            right=[
                "$\\begin{pmatrix}1&-2\\\\3&4\\end{pmatrix}$",
                "\\begin{bmatrix} 1 & -2 \\\\ 3 & 4 \\end{bmatrix}",
                "\\begin{pmatrix}1 & -2\\\\ 3 & 4\\\\ \\end{pmatrix}",
                "\\boxed{\\begin{pmatrix}1&-2\\\\3&4\\end{pmatrix}}",
            ],
            wrong=[
                "\\begin{pmatrix}1&-2\\\\3&5\\end{pmatrix}",
                "\\begin{pmatrix}1&3\\\\-2&4\\end{pmatrix}",
                "\\begin{vmatrix}1&-2\\\\3&4\\end{vmatrix}",
                "\\begin{pmatrix}1&-2&3&4\\end{pmatrix}",
                ("\\begin{pmatrix}2-1&-2\\\\3&4\\end{pmatrix}", "not worked out"),
                "10",
                "1,-2,3,4",
            ],
        ),
        *cases(
            asked("-7", "integer"),
            right=["-7", "$-7$", "答案是-7。", "The determinant: the answer is $-7$."],
            wrong=["7", "\\begin{vmatrix}1&2\\\\4&1\\end{vmatrix}", "1-8", "-7.5", "-7 or 7"],
        ),
        *cases(
            asked("\\foo{", "fraction", "a gold that cannot be read"),
            wrong=["5", "\\foo{", "", "0", "\\boxed{}"],
        ),
    )
}
