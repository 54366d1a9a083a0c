"""Texts and choices."""

from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

CAPITAL = Problem("What is the capital of France?", "Paris", language="en")
SHOUDU = Problem("中国的首都是哪里？", "北京", language="zh")
WHO = Problem("Who is the tallest?", "Anna", language="en", facts={"choices": ["Anna", "Ann", "Tom", "Li Hua"]})
SHUI = Problem("谁最高？", "小红", language="zh", facts={"choices": ["小明", "小红", "李华"]})
LETTER = Problem("Which is right? A) 1 B) 2 C) 3 D) 4", "B", language="en", facts={"choices": ["A", "B", "C", "D"]})

TABLES = {
    "text": (
        *cases(
            CAPITAL,
            right=[
                "Paris", "paris", "PARIS", "Paris.", "**Paris**", '"Paris"', "The answer is Paris.",
                "Answer: Paris", "`Paris`",
                "\\boxed{Paris}", "\\boxed{\\text{Paris}}", "<answer>Paris</answer>", "#### Paris", "Ｐａｒｉｓ",
                "(Paris)",
                "The answer is **Paris**.", "So the answer is \\boxed{\\text{Paris}}.", "$\\text{Paris}$",
                " Paris \n",
            ],
            wrong=[
                "London", "Paris or London", "Paris, London", "The answer is not Paris.", "The answer is London.",
                "", "Pari",
                "The answer is Paris. The answer is London.", "\\boxed{Paris} \\boxed{London}", "Paris Hilton",
                "Parisian",
                "<answer>London</answer> Paris", "not Paris", "P a r i s", "The answer is London.\n\\boxed{Paris}",
                "Par is",
                "London\nParis", "#### Paris\n#### London",
                "I would say Paris, but it may well be Lyon, or even Marseille, who knows?",
            ],
        ),
        *cases(
            SHOUDU,
            right=["北京", "北京。", "答案是北京。", "答案：北京", "**北京**", "“北京”", "\\boxed{北京}", "【北京】"],
            wrong=["上海", "北京或上海", "答案不是北京。", "北京、上海", "答案是北京。答案是上海。", "北 京 市"],
        ),
    ),
    "choice": (
        *cases(
            WHO,
            right=[
                "Anna", "anna", "Anna.", "**Anna**", "The answer is Anna.", "Anna is the tallest.", "\\boxed{Anna}",
                "<answer>ANNA</answer>",
                "It is Anna!", "The tallest is Anna.", "Not Tom. The answer is Anna.", "\\boxed{\\text{Anna}}",
                "It's not Tom, it's Anna.",
                "Answer: Anna", "Tom is taller than Li Hua, Anna is taller than Tom.\nThe answer is Anna.",
            ],
            wrong=[
                "Ann", "Tom", "Anna or Tom", "Anna and Ann", "Anna, Tom, Li Hua", "The answer is Anna or Tom.",
                "It is not Anna.", "",
                "The answer is Tom.", "Annabel", "The answer isn't Anna.", "\\boxed{Anna}\\boxed{Tom}", "nobody",
                "The answer is Anna. The answer is Tom.",
                "<answer>Tom</answer> Anna", "Joanna", "Ann a", "LiHua",
            ],
        ),
        *cases(
            SHUI,
            right=["小红", "答案是小红。", "小红最高。", "答案：小红", "不是小明，是小红。", "\\boxed{小红}"],
            wrong=["小明", "小红或小明", "小红和小明", "答案不是小红。", "不是小红", "答案是小明。", "并非小红"],
        ),
        *cases(
            LETTER,
            right=["B", "B.", "(B)", "The answer is B.", "B) 2", "It is a case of B.", "答案选B", "\\boxed{B}",
                    "**B**", "Option B"],
            wrong=["A", "A or B", "AB", "ABCD", "b2", "Be", "A, B, C, D", "not B", "The answer is A.",
                    "The answer is not B."],
        ),
    ),
}  # fmt: skip
MAY_REJECT = {"text": 0.05, "choice": 0.05}
