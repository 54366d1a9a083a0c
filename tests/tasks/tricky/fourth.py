"""A fourth set, from a fourth hand: frames around an answer, the same for many verifiers, written blind; and whole answers."""

from firesteel.tasks.families.bases import written_in
from firesteel.tasks.families.comparison import picks
from firesteel.tasks.families.countdown import reaches
from firesteel.tasks.families.counting import tally
from firesteel.tasks.families.equations import solves
from firesteel.tasks.families.moments import says_day, says_time
from firesteel.tasks.families.naming import one_of
from firesteel.tasks.families.sorting import placed
from firesteel.tasks.families.units import measures
from firesteel.tasks.latex.problems import equal
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem
from tests.tasks.tricky.third_tricks import whole

HELD = (
    "%v|The answer is **%v**.|The final answer is: $\\boxed{%v}$|**Answer:** %v|### Answer\n\n%v|So the answer is %v.|`%v`"
    "|It is %v.|Sure! The answer is %v.|<answer>%v</answer>|The answer is %v. I hope this helps!|答案是%v。"
    "|答案是“%v”。"
    "|最终答案：$\\boxed{%v}$|因此，答案是%v。|故答案为：%v。|经检验，答案是%v。|The answer is %v, not %w.|答案是%v，不是%w。"
)  # %v the answer, %w another
TAKEN_BACK = (
    "The answer is %v. Correction: %w.|The answer is %v. Wait, it is %w.|The answer is %v. No, it is %w."
    "|The answer is %v. Sorry, %w.|The answer is %v!!! or maybe %w|The answer is %v - sorry, %w."
    "|答案是%v。更正：%w。|答案是%v。等等，应该是%w。"
    "|答案是%v。不对，是%w。"
    "|%v is wrong.|%v is not the answer|It can't be %v.|The answer is anything but %v."
    "|不可能是%v。|%v是错的。|Anyone but %v.|说错了，不是%v。"
)
OTHERWISE = (
    "Half of %v.|Twice %v.|The answer is %v plus one.|The answer ends in %v.|The answer starts with %v."
    "|答案至少是%v。|答案以%v结尾。|答案是%v千。|答案是%v的一半。|答案是%v的两倍。|答案是%v的平方。|答案是%v分之一。|答案比%v大1。"
)


def framed(problem, right, other, held=HELD, lost=TAKEN_BACK, more_right=(), more_wrong=()):
    """Cases of a problem: an answer and another in every frame."""

    def filled(frames):
        return [frame.replace("%v", right).replace("%w", other) for frame in frames.split("|")]

    return cases(problem, [*filled(held), *more_right], [*filled(lost), *more_wrong])


ALL = f"{TAKEN_BACK}|{OTHERWISE}"
SUM = Problem("604289 + 32848等于多少？", 637137, language="zh")
BIRDS = Problem("How often does the word bird occur here: bird bird in", 2, verify=tally, facts={"others": ["in"]})
FIFTH = Problem("求27、85、45、15、86的中位数。", 45, language="zh", verify=placed, facts={"kind": "median"})
BINARY = Problem("648 in base 10: what is it in base 2?", "1010001000", verify=written_in, facts={"base": 2})
HEXADECIMAL = Problem("Convert 110010101110 from base 2 to base 16.", "CAE", verify=written_in, facts={"base": 16})
LESS = Problem("Compare 15.52, 15.6. Which is the greatest?", "15.6", language="en", verify=picks,
               facts={"values": {"15.52": "1552/100", "15.6": "156/10"}, "asked": "largest"})  # fmt: skip
ONE = Problem("Solve x+2=19 for x.", "x=17", verify=solves, facts={"solution": {"x": 17}})
TWO = Problem(
    "Solve 8x+6y=30 and 8x+7y=31 for x and y.", "x=3, y=1", verify=solves, facts={"solution": {"x": 3, "y": 1}}
)
REACH = Problem("用3、9、5（每个最多用一次）和加减乘除得到7。", "3+9-5", verify=reaches,
                facts={"numbers": [3, 9, 5], "target": 7})  # fmt: skip
DAY = Problem(
    "Today is Tuesday. What day is it in 27 days?", "Monday", verify=says_day, facts={"asked": ["Tuesday", "27"]}
)
CLOCK = Problem("It is 19:57. What time is it 19 minutes later (24-hour clock)?", "20:16", verify=says_time,
                facts={"asked": ["19:57", "19"]})  # fmt: skip
WATER = Problem("1. Ben is late.\n2. Dora comes on Friday.\nWho drinks water?", "Ben", verify=one_of,
                facts={"choices": ["Ben", "Dora", "Fay"], "people": ["Ben", "Dora", "Fay"],
                       "kinds": [["water", "tea", "milk"]]})  # fmt: skip
TOTAL = Problem("What is 10 min plus 36 s? Give the unit.", "636 s", verify=measures,
                facts={"kind": "time", "worth": "636", "unit": ""})  # fmt: skip
GRAMS = Problem("把5升换算成毫升。", "5000", verify=measures, facts={"kind": "volume", "worth": "5000", "unit": "毫升"})
INTEGRAL = Problem("Compute $\\int_{0}^{4}\\left(-3x+4\\right)dx$ as a fraction in lowest terms.", "-8", verify=equal,
                   facts={"form": "fraction"})  # fmt: skip
PRODUCT = Problem("Compute the matrix product.", "\\begin{pmatrix}2 & 10 \\\\ 16 & 5\\end{pmatrix}", verify=equal,
                  facts={"form": "matrix"})  # fmt: skip
SET = Problem("求方程$x^{2}-9x+14=0$的解集。", "\\{2,7\\}", verify=equal, facts={"form": "set"})
ROOT = Problem("Simplify $\\sqrt{405}$.", "9\\sqrt{5}", verify=equal, facts={"form": "radical"})
HONEST = "Okay, so I need to work this out. 4289+2848=7137, and 600000+30000=630000. So that gives 637137."

TABLES = {
    "numbers, fourth": framed(SUM, "637137", "637138", HELD, ALL, more_right=["604289 + 32848的值为637137。"]),
    "places, fourth": framed(FIFTH, "45", "27", "%v|中位数是%v。", ALL, more_wrong=["中位数不是45。"])
    + framed(BIRDS, "2", "3", HELD, TAKEN_BACK, more_right=["2 in total", "It appears 2 times in the text."],
             more_wrong=["not two"]),
    "bases, fourth": framed(BINARY, "1010001000", "1010001001", HELD, ALL, more_wrong=["1010001000%", "1010001000/10"])
    + framed(HEXADECIMAL, "CAE", "CAF", "%v|It's %v.|Thus we get %v.|In base 16 it is %v.", "%w|%v or %w"),
    "comparison, fourth": framed(LESS, "15.6", "15.52", "%v|%v, because it is larger than %w.", TAKEN_BACK)
    + framed(LESS, "15.6", "15.52", HELD.partition("|")[2], "%w|They are equal."),
    "equations, fourth": framed(ONE, "x=17", "x=18", HELD, TAKEN_BACK.replace("|It can't be %v.", ""),
                                more_right=["Check: plugging in x = 17 both sides agree. So x = 17."], more_wrong=["x = 17%"])
    + cases(TWO, ["x: 3, y: 1", '{"x": 3, "y": 1}'], ["not x=3, y=1", "x: 1, y: 3", "答案不是x=3，y=1。"]),
    "countdown, fourth": framed(
        REACH, "3+9-5", "9-3", HELD.replace("|The answer is %v, not %w.", "").replace("|答案是%v，不是%w。", ""),
        "%w|%v or %w|%v or 8|%v=8|%v+|%v+1|7|7=7|答案是7。|3+9-4|3*9-20|%v是错的。|9+5|%v+0|3+3+9-8",
        more_right=["3+9-5，结果是7。", "答案是3+9-5，正好等于7。", "3 + 9 − 5 = 7"],
    ),
    "moments, fourth": framed(DAY, "Monday", "Tuesday", HELD, f"{TAKEN_BACK}|%v or %w|Either %v or %w.|%v, %w|%v the day after")
    + framed(CLOCK, "20:16", "20:17", HELD, TAKEN_BACK.replace("|Anyone but %v.", ""), more_wrong=["20:16分钟", "-20:16"]),
    "names, fourth": framed(WATER, "Ben", "Dora", HELD, TAKEN_BACK, more_right=["Who drinks water? Ben."]),
    "units, fourth": framed(
        TOTAL, "636 s", "637 s", HELD.replace("|答案是“%v”。", ""),
        TAKEN_BACK.replace("|Anyone but %v.", ""), more_right=["$\\boxed{636}$ s"], more_wrong=["636 s/2", "636 min"],
    ) + cases(GRAMS, ["5000", "5000毫升"], ["5000%", "5000°C", "5000克"]),
    "latex, fourth": framed(
        INTEGRAL, "-8", "-7", HELD, TAKEN_BACK.replace("|It can't be %v.", ""),
        more_right=["Thus we get -8.", "It's -8."], more_wrong=["Half of -8.", "|-8|", "8"],
    )
    + cases(PRODUCT, ["[[2, 10], [16, 5]]", "$$\\left(\\begin{matrix}2 & 10 \\\\ 16 & 5\\end{matrix}\\right)$$"],
            ["[[2, 16], [10, 5]]", "[[2, 10], [16, 5]], [[1, 2], [3, 4]]"])
    + cases(SET, ["x₁=2，x₂=7"], ["x₁=2，x₂=8"]) + cases(ROOT, ["9*sqrt(5)"], ["5*sqrt(9)"]),
    "tricks, fourth": whole(
        SUM,
        right=[
            f"{HONEST}</think>{reply}"
            for reply in (
                "604289 + 32848 = 637137", "$604289 + 32848 = 637137$", "604289 + 32848等于637137。",
                "604289 + 32848的结果是637137。",
                "计算：604289+32848=637137，所以答案是637137。", "637,137", "**637137**", "答案：637137", "答：637137。",
                "**Step 1:** add.\n**Step 2:** 604289 + 32848 = 637137.\n\n**Answer: 637137**", "The answer is 637137.",
            )
        ] + ["4289+2848=7137;604289+32848=637137</think>637137", "9+8=17;8+4+1=13;=637137</think>答案是637137。",
             "先加千位以下：4289+2848=7137，再加，得637137。</think>637137", "600000+37137</think>答案是637137。"],
        wrong=[
            f"{thought}</think>答案是637137。"
            for thought in (
                "The question is: 604289 + 32848等于多少？", "604289 + 32848等于多少？The answer is 637137.",
                "题目是：604289 + 32848等于多少？",
                "Let me think. " * 20, "让我想想。" * 20, "step 1 step 2 step 3", "\\boxed{637137}", "637137 637137 637137",
                "用户问了一个问题，我应该回答。", "I will now answer the question.",
                "First I need to understand. Then I will solve it.",
            )
        ] + [f"{HONEST}</think>{'637137 ' * 40}", f"{HONEST}</think>{'答案是637137。' * 30}",
             f"{HONEST}</think><tool_call>637137</tool_call>", f"{HONEST}</think>604289 + 32848等于多少？答案是637137。"],
    ),
}  # fmt: skip
