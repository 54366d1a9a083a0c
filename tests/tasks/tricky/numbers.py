"""Numbers, claimed in every way that people and models write them."""

from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

APPLES = Problem("Tom has 12 apples and buys 30 more. How many are there now?", 42, language="en")
PINGGUO = Problem("小明有12个苹果，又买了30个，现在一共有多少个？", 42, language="zh")
LEFT = Problem("Tom has 12 apples, buys 30 more and then gives away 5. How many are left?", 37, language="en")
BELOW = Problem("What is 3 - 8?", -5, language="en")
LARGE = Problem("计算1200+34。", 1234, language="zh")
HALF = Problem("What is 1 divided by 2?", 0.5, language="en")
QUARTERS = Problem("Compute 84/4.", 21, language="en")
POWER = Problem("What is 100 + 3?", 103, language="en")
THOUSAND = Problem("How much is 500 times 3?", 1500, language="en")

TABLES = {
    "number": (
        *cases(
            APPLES,
            right=[
                "42", "The answer is 42.", "**42**", "The answer is **42**.", "**Answer:** 42", "Answer: 42 apples",
                "\\boxed{42}", "The answer is $\\boxed{42}$.", "\\boxed{42\\text{ apples}}", "\\[ \\boxed{42} \\]",
                "<answer>42</answer>", "<answer> 42 apples </answer>", "#### 42", "Some steps.\n#### 42",
                "Tom has 12 + 30 = 42 apples.", "12 apples + 30 apples = 42 apples", "42.0", "42.00", "４２", "+42",
                "There are now 42 apples.", "So Tom has 42 apples now.", "12+30=42. Tom has 42 apples.",
                ("He has 12. He buys 30. So he has 42.", "question's numbers on the way"),
                "The final answer is: 42", "The answer to the question is 42.", "The answer should be 42.",
                "forty-two",
                "Forty-two apples.", "The answer is forty-two.", "4.2e1", "\\(42\\)", "$42$", "= 42", "x = 42",
                ("The answer is 42 because 12 + 30 = 42.", "claims it twice"), "It's not 40, it's 42.", "42!",
                "1. 12 + 30 = 42\nAnswer: 42", "Answer\n\n42", "The total is 42.", "In total, Tom has 42 apples.",
            ],
            wrong=[
                "43", "41 or 42", "42 or 43", "41, 42, 43", "41 42 43", "It is 41. It is 42.", "-42", "420", "4 2",
                "42.5",
                "The answer is not 42.", "The answer isn't 42.", "more than 42", "at least 42", "between 41 and 43",
                "\\boxed{41} \\boxed{42}", "The answer is 41. The answer is 42.",
                "<answer>41</answer><answer>42</answer>",
                "12 + 30", "The answer is 12 + 30.", "042", "42%", "142", "1/42", "B42", "42nd4", "", "no idea",
                "12", "30",
                "The answer is 41. Or 42.", "12 or 42", "The answer is 12 or 42.", "42/2", "42^2", "4²", "42 * 2",
                "> 42",
                "1. 41\n2. 42\n3. 43", "The answer is 41.\n\\boxed{42}", "I will not give an answer.", "40+2", "2:42",
                "https://example.org/42a", "4,2", "42, maybe 43", "The answer is 42 or so, or 45.", "42 - 1",
                "Answer: ( )", "\\boxed{}", "<answer></answer>", "It isn't 42", "forty-three", "12 30 41 42",
            ],
        ),
        *cases(
            PINGGUO,
            right=[
                "42", "42个", "答案是42。", "答案：42", "答案是：42个。", "答：42个苹果。", "**答案**：42",
                "一共有42个苹果。",
                "现在一共有42个。", "12+30=42（个）", "12+30=42，所以一共有42个苹果。", "答：一共有42个苹果。",
                "４２个",
                "四十二", "四十二个", "答案是四十二。", "一共有四十二个苹果。", "结果是42。", "得数是42",
                "最终答案是42。", "所以答案应该是42。",
                "12加30等于42", "答案是 42 。", "小明现在有42个苹果。", "不是41，而是42。", "【42】", "「42」",
            ],
            wrong=[
                "41", "41或42", "42或43", "41、42、43", "答案是41或42。", "答案不是42。", "不是42", "大于42",
                "至少42", "负42",
                "答案是41。答案是42。", "12+30", "四十三", "四百二十", "四二十", "42或者41", "可能是42，也可能是43",
                "一百四十二",
                "十四二", "42%", "答案是42还是43？", "第一种：41；第二种：42", "不等于42", "12或42", "四十二或四十三",
            ],
        ),
        *cases(
            LEFT,
            right=[
                "12+30=42, 42-5=37. Tom has 37 left.", "First 12 + 30 = 42. Then 42 - 5 = 37. So 37 apples are left.",
                "The total is 42, then he gives away 5. The answer is 37.", "1. 12+30=42\n2. 42-5=37",
                "12+30-5=42-5=37",
                "He has 12 apples + 30 apples = 42 apples. Then 42 apples - 5 apples = 37 apples.",
                "37 apples are left",
            ],
            wrong=["12+30=42. Tom has 42 left.", "42-5=37 or 42-4=38", "The answer is 42 - 5.", "37, 42",
                    "12+30=37, 12+30=42"],
        ),
        *cases(
            BELOW,
            right=["-5", "−5", "–5", "The answer is -5.", "negative 5", "minus 5", "-5.0", "\\boxed{-5}",
                    "3 - 8 = -5",
                   "It is $-5$.", "The answer is minus five."],
            wrong=["5", "3 - 8", "x - 5", "0 - 5", "--5", "-5 or 5", "±5", "+5", "The answer is 5.", "8-3=5",
                    "-5, 5"],
        ),
        *cases(
            LARGE,
            right=["1234", "1,234", "１２３４", "1{,}234", "$1,234$", "1.234e3",
                    "1.234×10³",
                   "1.234 \\times 10^{3}", "一千二百三十四", "答案是1234.0", "1 234".replace(" ",
                   "\u202f"), "1200+34=1234"],
            wrong=["1，234", "1, 234", "1 234 5", "1.234", "12,34", "1234,5", "1234 1235", "1200", "1200 34",
                    "1.234×10²",
                   "1、2、3、4", "一千二百三十五", "一二三五", "2024-12-34"],
        ),
        *cases(
            HALF,
            right=["0.5", "1/2", "\\frac{1}{2}", "\\boxed{\\frac{1}{2}}", "\\dfrac12", "½", "50%", ".5", "0.50",
                    "5e-1",
                   "The answer is 1/2.", "$\\frac{1}{2}$", "It equals 0.5."],
            wrong=["0.05", "2", "1/3", "50", "1/2 or 1/3", "2/1", "5%", "0.5 or 0.6", "0,5", "1/0", "-1/2", "1 2",
                    "1.5"],
        ),
        *cases(QUARTERS, right=["21", "84/4 = 21", "84 / 4 = 21", "The answer is 21."],
               wrong=["84/4", "The answer is 84/4.", "84 / 4", "42/2", "\\frac{84}{4}", "84", "4", "84/4 = 22"]),
        *cases(POWER, right=["103", "100+3=103"], wrong=["10³", "10^3", "10 3", "1003", "100 3", "①03", "1e3"]),
        *cases(THOUSAND, right=["1500", "1,500", "1.5e3", "1.5 * 10^3", "500 × 3 = 1500", "1500."],
               wrong=["500 × 3", "1.5", "1,50", "15e3", "1500e1", "1.5*10^4", "1,500,0"]),
    ),
}  # fmt: skip
MAY_REJECT = {"number": 0.03}
