"""Results of large reckonings: exact to the last digit, percentages among them."""

from firesteel.tasks.families.calculator import exactly
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

PRODUCT = Problem("What is 48213*7729?", 372638277, language="en", verify=exactly)
CHENGJI = Problem("请算出87588*1922的结果。", 168344136, language="zh", verify=exactly)
PERCENT = Problem("What is 17% of 1234500?", 209865, language="en", verify=exactly)
GREW = Problem("89450750增加31%后是多少？", 117180482.5, language="zh", verify=exactly)
SCREWS = Problem(
    "A store has 5000 crates of 2000 screws and sends off 123456. How many screws are left?", 9876544,
    language="en", verify=exactly,
)  # fmt: skip

TABLES = {
    "calculator": (
        *cases(
            PRODUCT,
            right=[
                "The answer is 372638277.", "372638277", "372,638,277", "**372,638,277**", "\\boxed{372638277}",
                "48213*7729=372638277", "48213 × 7729 = 372,638,277", "The calculator says 372638277.",
                "The product is 372,638,277.", "$48213 \\times 7729 = 372638277$", "It comes to 372638277.0",
                "<answer>372638277</answer>", "The result is 372638277.",
            ],
            wrong=[
                "48213*7729", "372638276", "3.726e8", "about 372638277", "372638277 or 372638276", "372 million",
                "I call the calculator.", "48213", "7729", "372638", "37263827", "3726382770", "-372638277",
                "372638277%", "The answer is 372638277. The answer is 372638278.", "48213*7729=372638000",
                '{"name": "calculator", "arguments": {"expression": "48213*7729"}}', "372638277/2",
                "1. 372638275\n2. 372638276\n3. 372638277", "It is not 372638277.", "",
                ("between 372638276 and 372638278", "holds it, and says it of neither"),
            ],
        ),
        *cases(
            CHENGJI,
            right=["答案是168344136。", "168344136", "结果是168,344,136。", "87588×1922=168344136", "１６８３４４１３６"],
            wrong=["答案是168344137。", "约168344136", "1.68亿", "168344136或168344137", "87588×1922", "不是168344136"],
        ),
        *cases(
            PERCENT,
            right=["209865", "17% of 1234500 is 209865.", "1234500*17/100=209865", "The answer is 209,865."],
            wrong=["209865%", "20986500%", "17%", "1444365", "20986.5", "0.17*1234500", "209864", "The answer is 20986500%."],
        ),
        *cases(
            GREW,
            right=["117180482.5", "答案是117180482.5。", "117,180,482.50", "89450750*(100+31)/100=117180482.5"],
            wrong=["117180482", "117180483", "117180482.5%", "27729732.5", "答案是117180482.6。"],
        ),
        *cases(
            SCREWS,
            right=["9876544", "9,876,544 screws are left.", "5000*2000=10000000; 10000000-123456=9876544",
                   "There were 10000000, so 9876544 are left.", "The answer is 9876544."],
            wrong=["10000000", "10000000-123456", "10123456", "9876543", "10000000, 9876544, 123456", "987654"],
        ),
    ),
}  # fmt: skip
