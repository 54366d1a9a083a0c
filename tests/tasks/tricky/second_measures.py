"""A second set, from another hand: quantities, digits, lists and times, as language models write them."""

from firesteel.tasks.families.bases import written_in
from firesteel.tasks.families.moments import says_date, says_day, says_time
from firesteel.tasks.families.sorting import lists, placed
from firesteel.tasks.families.units import measures
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

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
RISING = Problem(
    "把79、32、25、64从小到大排列。", "25, 32, 64, 79", language="zh", verify=lists, facts={"kind": "numbers"}
)
SECOND = Problem(
    "Find number 2, counted from the largest, of 32, 79, 25, 64, 38.",
    64,
    language="en",
    verify=placed,
    facts={"kind": "k"},
)
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

# fmt: off
TABLES = {
    "second hand: units": (
        *cases(
            MM,
            right=[
                "5000", "5000 mm", "5,000 mm", "5000mm", "There are 5000 mm in 5 m.", "5 m = 5000 mm", "**5000**",
                "\\boxed{5000}", "1 m = 1000 mm, so 5 m = 5 × 1000 = 5000 mm.",
                "5 m is equal to 5,000 millimeters.", "5 meters = 5000 millimetres.", "$5 \\times 1000 = 5000$ mm",
                "5 m = 5 × 1000 mm = **5000 mm**", "5 × 10^3 mm", "$5 \\times 10^{3}$ mm", "5000 millimeters",
                "Since 1 meter = 1000 millimeters, 5 meters = 5000 millimeters.", "\\boxed{5000 \\text{ mm}}",
                "five thousand",
            ],
            wrong=[
                "500", "500 mm", "50 mm", "5 mm", "5000 m", "5000 cm", "5 m", "1000 mm", "1 m = 1000 mm",
                "5000 or 500", "50000", "0.005 mm", "5000 mm or 500 mm", "more than 5000 mm", "not 5000 mm",
                "5 5000", "5 × 1000 m", "5000 km", "5000 mL", "4999 mm",
            ],
        ),
        *cases(
            TIAN,
            right=[
                "139", "139天", "139天。", "200160分钟等于139天。", "200160÷1440=139（天）",
                "200160÷60=3336小时，3336÷24=139天。", "一百三十九天", "**139天**", "答：139天",
            ],
            wrong=[
                "3336", "3336小时", "139小时", "138天", "1440", "139个月", "139天或140天", "不是139天", "200160天",
                "139分钟", "13.9天", "大约139年",
            ],
        ),
        *cases(
            LONG,
            right=[
                "27541 min", "27,541 minutes", "19 days and 181 min", "19 days 3 hours 1 minute",
                "19 × 1440 + 181 = 27541 min", "27541 minutes.",
                "19 days = 27360 min, and 27360 + 181 = 27541 min.", "**27541 min**", "1652460 s",
                "The answer is 27541 minutes.",
            ],
            wrong=[
                "27541", "27541 h", "27541 s", "200", "200 min", "19 days", "27360 min", "27360", "19.181 days",
                "27542 min", "27541 days", "27541 min or 27540 min", "200 days", "181 min + 19 days = 200 min",
            ],
        ),
    ),
    "second hand: bases": (
        *cases(
            TO_TWO,
            right=[
                "1110100101", "1110100101₂", "$1110100101_2$", "0b1110100101", "(1110100101)_2", "**1110100101**",
                "11 1010 0101", "0011 1010 0101", "The answer is 1110100101.", "933 in base 2 is 1110100101.",
                "933 = 1110100101 (base 2)", "\\boxed{1110100101}", "1110100101 in binary", "933₁₀ = 1110100101₂",
                "$933_{10} = 1110100101_2$", "933 = 512 + 256 + 128 + 32 + 4 + 1, so it is 1110100101 in base 2.",
                "The binary representation of 933 is `1110100101`.", "\\(1110100101_{2}\\)",
            ],
            wrong=[
                "1110100100", "1110100111", "933", "3A5", "1645", "0x3A5", "1110100101 or 1110100100",
                "512 + 256 + 128 + 32 + 4 + 1", "not 1110100101", "1010010111", "11101001010", "1110100101.1",
                "-1110100101", "1110100101₁₀", "111010010", "0o1110100101", "1110100101 in base 10",
            ],
        ),
        *cases(
            FROM_HEX,
            right=[
                "1866", "7×256+4×16+10=1866", "等于1866。", "答案是1866。", "74A的十进制是1866。", "**1866**",
                "0x74A = 1866", "$(74A)_{16} = (1866)_{10}$", "1,866",
                "7*256=1792，4*16=64，10，所以是1792+64+10=1866。",
            ],
            wrong=[
                "1865", "74A", "11101001010", "1792+64+10", "1866或1876", "7 4 A 1866 74", "0x1866", "不是1866",
                "3512", "1866₁₆", "-1866", "186.6",
            ],
        ),
        *cases(
            TO_HEX,
            right=[
                "74A", "74a", "0x74A", "$74A_{16}$", "74A₁₆", "0x74a", "1866 in hexadecimal is 74A.",
                "The answer is 74A.",
            ],
            wrong=[
                "74B", "A47", "1866", "74", "7 4 10", "0x74", "74A0", "74A or 74B", "7410",
            ],
        ),
    ),
    "second hand: sorting": (
        *cases(
            ALPHABET,
            right=[
                "delta, iron, table, uncle, video, water", "delta iron table uncle video water",
                "Delta, Iron, Table, Uncle, Video, Water",
                "1. delta\n2. iron\n3. table\n4. uncle\n5. video\n6. water",
                "delta, iron, table, uncle, video, and water",
                "- delta\n- iron\n- table\n- uncle\n- video\n- water",
                "**delta, iron, table, uncle, video, water**", "delta < iron < table < uncle < video < water",
                "The words in alphabetical order are: delta, iron, table, uncle, video, water.",
                "delta → iron → table → uncle → video → water",
                "['delta', 'iron', 'table', 'uncle', 'video', 'water']",
                "Here is the sorted list:\n\n1. delta\n2. iron\n3. table\n4. uncle\n5. video\n6. water",
                "\\boxed{\\text{delta, iron, table, uncle, video, water}}",
                "delta; iron; table; uncle; video; water", "`delta, iron, table, uncle, video, water`",
                "Sorted: delta, iron, table, uncle, video, water.",
            ],
            wrong=[
                "video, uncle, iron, table, water, delta", "delta, iron, table, uncle, video",
                "delta, iron, table, uncle, water, video", "water, video, uncle, table, iron, delta",
                "iron, delta, table, uncle, video, water", "delta", "",
                "delta, iron, table, uncle, video, water, zebra", "delta, delta, iron, table, uncle, video, water",
                "d, i, t, u, v, w", "not delta, iron, table, uncle, video, water",
                "delta, iron, table, uncle, video, water or water, video, uncle, table, iron, delta",
                "iron, table, uncle, video, water",
            ],
        ),
        *cases(
            RISING,
            right=[
                "25、32、64、79", "25, 32, 64, 79", "25<32<64<79", "25，32，64，79。", "从小到大：25、32、64、79",
                "[25, 32, 64, 79]", "25 32 64 79", "1. 25\n2. 32\n3. 64\n4. 79", "25＜32＜64＜79",
                "排列结果是25、32、64、79。", "25→32→64→79", "答：25、32、64和79",
            ],
            wrong=[
                "79、64、32、25", "79、32、25、64", "25、32、64", "25、32、79、64", "25、32、64、79、80",
                "25<32<64>79", "79>64>32>25", "25326479", "25、32、64、78", "25", "-25、32、64、79",
            ],
        ),
        *cases(
            SECOND,
            right=[
                "64", "The answer is 64.", "Sorted: 79, 64, 38, 32, 25. The second largest is 64.",
                "64 is the second largest number.", "**64**", "79 > 64 > 38 > 32 > 25, so number 2 is 64.",
            ],
            wrong=[
                "79", "38", "79, 64, 38, 32, 25", "2", "32 79 25 64 38", "64 or 79", "The second number is 79.",
                "Not 64.",
            ],
        ),
    ),
    "second hand: dates": (
        *cases(
            TRAIN,
            right=[
                "15:30", "The train arrives at 15:30.", "It arrives at **15:30**.", "15:30.", "15:30 (3:30 PM)",
                "3:30 PM", "3:30 p.m.", "15.30", "15h30", "395 minutes = 6 hours 35 minutes. 08:55 + 6:35 = 15:30.",
                "08:55 + 6 h 35 min = 15:30", "\\boxed{15:30}", "$15:30$", "15:30 on the 24-hour clock",
                "395 minutes is 6 hours and 35 minutes, so the train arrives at 15:30.", "Arrival time: 15:30",
                "1530 hours", "15:30:00", "8:55 + 6 hours = 14:55; 14:55 + 35 minutes = 15:30",
            ],
            wrong=[
                "15:31", "3:30", "03:30", "14:55", "08:55", "15:30 or 15:25", "6:35", "6 hours 35 minutes", "15:03",
                "25:30", "before 15:30", "15:30 AM", "after 15:30", "not 15:30", "15", "30:15", "08:55 15:30 06:35",
                "3:30 AM", "15:20", "08:55 + 6:35",
            ],
        ),
        *cases(
            CHUFA,
            right=[
                "09:24", "9:24", "9点24分", "上午9点24分", "到达时是9点24分。", "09：24", "8:55+29分钟=9:24",
                "**09:24**", "九点二十四分", "9时24分", "答：09:24。", "8点55分过29分钟是9点24分。",
            ],
            wrong=[
                "09:25", "08:24", "21:24", "下午9点24分", "9点", "08:84", "9点42分", "8:55", "晚上9点24分",
                "9:24或9:25", "24:09", "不是9:24",
            ],
        ),
        *cases(
            AFTER,
            right=[
                "1984-08-11", "August 11, 1984", "11 August 1984", "Aug 11, 1984", "The date is 1984-08-11.",
                "1984/08/11", "August 11th, 1984", "1984-8-11", "28 days after 1984-07-14 is 1984-08-11.",
                "**August 11, 1984**", "July has 31 days, so 17 days remain; 28 - 17 = 11: 1984-08-11.",
                "11th of August 1984", "It is August 11, 1984.",
            ],
            wrong=[
                "1984-08-12", "1984-08-10", "1984-07-14", "August 11", "1984-11-08", "1985-08-11",
                "August 11, 1985", "1984-08-11 or 1984-08-12", "July 42, 1984", "1984-07-42", "1984-08",
                "not 1984-08-11", "11",
            ],
        ),
        *cases(
            ZHOUJI,
            right=[
                "星期六", "周六", "是星期六。", "1984-07-14是星期六。", "1984年7月14日是周六", "礼拜六",
                "**星期六**", "答：周六。", "那天是星期六",
            ],
            wrong=[
                "星期日", "周五", "星期六或星期日", "六", "不是星期六。", "周末", "7", "星期六的前一天",
                "星期五和星期六", "1984-07-14",
            ],
        ),
        *cases(
            WEEKDAY,
            right=[
                "Saturday", "It falls on a Saturday.", "SATURDAY", "1984-07-14 was a **Saturday**.",
                "July 14, 1984 is a Saturday.", "Sat", "Saturday.",
            ],
            wrong=[
                "Sunday", "Friday", "Saturday or Sunday", "the weekend", "not Saturday", "the day after Saturday",
                "Satur", "Friday, Saturday", "14",
            ],
        ),
    ),
}
# fmt: on
MAY_REJECT = {
    "second hand: units": 0.04,  # 19 days and 181 min is the question again: it would pay without a sum
    "second hand: dates": 0.02,  # 15.30 is a decimal number
}
