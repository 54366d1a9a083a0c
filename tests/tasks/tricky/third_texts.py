"""A third set, from a third hand: lists, counts, dates and short texts, as language models and people write them."""

from firesteel.tasks.measure import cases
from firesteel.tasks.table import get_task


def drawn(name, index, begins):
    """A problem of a task's stream, and a check that the stream has not changed under its answers."""
    problem = get_task(name).problem("train", 9, index)
    assert problem.question.startswith(begins), problem.question
    return problem


DOWN = drawn("sorting@3/en", 0, "Sort 2, 77, 56, 89, 87, 37, 15, 31 from largest")
MEDIAN = drawn("sorting@3/en", 1, "What is the median of 49, 12, 79, 31, 24, 56, 26?")
DOWN_ZH = drawn("sorting@1/zh", 0, "将下列各项按降序排列：20、14、10。")
REVERSE = drawn("sorting@2/en", 3, "Reverse the order of honey, arrow, voice, music, green.")
REVERSE_ZH = drawn("sorting@3/zh", 3, "把honey、arrow、voice、music、green、piano、igloo的顺序倒过来。")
SECOND_ZH = drawn("sorting@3/zh", 5, "求37、45、68、23、34、91、1、84里第2大的数。")
SORTING = (
    *cases(
        DOWN,
        right=[
            ("Sorted from largest to smallest:\n\n**89, 87, 77, 56, 37, 31, 15, 2**", "bold"),
            ("89\n87\n77\n56\n37\n31\n15\n2", "one a line"),
            ("Here's the sorted list:\n\n1. 89\n2. 87\n3. 77\n4. 56\n5. 37\n6. 31\n7. 15\n8. 2", "numbered"),
            ("```python\n[89, 87, 77, 56, 37, 31, 15, 2]\n```", "a list in a fence"),
            ("89 > 87 > 77 > 56 > 37 > 31 > 15 > 2", "chained"),
            ("The answer is \\(\\boxed{89, 87, 77, 56, 37, 31, 15, 2}\\).", "boxed"),
            ("Final answer: 89 87 77 56 37 31 15 2", "spaces alone"),
            ("First I look for the largest, 89, then 87, and so on.\nSorted: 89, 87, 77, 56, 37, 31, 15 and 2.", "and"),
        ],
        wrong=[
            ("89, 87, 77, 56, 37, 31, 15", "one missing"),
            ("89, 87, 77, 56, 37, 31, 31, 15, 2", "one doubled"),
            ("2, 15, 31, 37, 56, 77, 87, 89", "ascending"),
            ("89, 77, 87, 56, 37, 31, 15, 2", "two swapped"),
            ("The answer is not 89, 87, 77, 56, 37, 31, 15, 2.", "denied"),
            ("Either 89, 87, 77, 56, 37, 31, 15, 2 or 2, 15, 31, 37, 56, 77, 87, 89, depending on the direction.",
            "both"),
            ("89, 87, 77, 56, 37, 31, 15, 2, 0", "one too many"),
            ("Sorted from largest to smallest: 89, 87, 77, 56, 37, 31, 15, 2. Sorry, it is 87, 89, 77, 56, 37, 31, "
             "15, 2.",
             "takes it back"),
            ("89, 87, ..., 2", "left out"),
            ("2, 77, 56, 89, 87, 37, 15, 31", "copied"),
            ("898777563731152", "run together"),
            ("sorted([2, 77, 56, 89, 87, 37, 15, 31], reverse=True)", "a program instead"),
        ],
    ),
    *cases(
        MEDIAN,
        right=[
            ("Sort the numbers: 12, 24, 26, 31, 49, 56, 79. There are 7 of them, so the median is the 4th: **31**.",
            ""),
            ("The median is $31$.", "mathematics"),
            ("Median = 31", "equation"),
            ("12, 24, 26, [31], 49, 56, 79\n\nSo the answer is 31", "marked"),
        ],
        wrong=[
            ("The median is 31 or 49.", "two"), ("26", "a neighbour"), ("39.57", "the mean"),
            ("12, 24, 26, 31, 49, 56, 79", "the sorted list alone"),
            ("The median lies between 26 and 49.", "a range"), ("31st", "an ordinal"),
        ],
    ),
    *cases(
        DOWN_ZH,
        right=[("按降序排列后为：20、14、10。", ""), ("20＞14＞10", "full width"), ("【20，14，10】", "brackets"),
               ("降序结果：\n- 20\n- 14\n- 10", "bullets"), ("从大到小依次是20，14，10", "")],
        wrong=[("10、14、20", "ascending"), ("20、14", "one missing"), ("20、14、10、10", "doubled"),
               ("降序是20、14、10，升序是10、14、20，随你选。", "both"), ("不是20、14、10。", "denied"), ("201410",
               "run together")],
    ),
    *cases(
        REVERSE,
        right=[("green, music, voice, arrow, honey", ""), ("Green, Music, Voice, Arrow, Honey", "capitals"),
               ('["green", "music", "voice", "arrow", "honey"]', "JSON"),
               ("The reversed order is: green, music, voice, arrow, and honey.", "and")],
        wrong=[("honey, arrow, voice, music, green", "copied"), ("neerg, cisum, eciov, worra, yenoh",
               "letters reversed"),
               ("arrow, green, honey, music, voice", "sorted"), ("green, music, voice, arrow", "one missing"),
               ("green, music, voice, arrow, honey, arrow", "one doubled")],
    ),
    *cases(
        REVERSE_ZH,
        right=[("倒过来就是：igloo、piano、green、music、voice、arrow、honey。", ""),
               ("igloo → piano → green → music → voice → arrow → honey", "arrows")],
        wrong=[("igloo、piano、green、voice、music、arrow、honey", "two swapped")],
    ),
    *cases(
        SECOND_ZH,
        right=[("从大到小：91、84、68、45、37、34、23、1，所以第2大的数是84。", ""), ("第二大的是 **84**", "")],
        wrong=[("第2大的数是91，不，是68。", ""), ("91和84", "two"), ("2", "the place"), ("第1大是91，第2大是68。",
               "")],
    ),
)  # fmt: skip

APPLES = drawn("counting@3/en", 0, "How many times is apple in this list")
PENS = drawn("counting@3/en", 1, "How often does the word pen occur here")
DS = drawn("counting@2/en", 3, "Count the letter d in the word dnddn.")
CARTS = drawn("counting@3/zh", 1, "“车山车车车车车山”里有几个“车”字？")
APPLES_ZH = drawn("counting@3/zh", 0, "苹果、狗、猫、花")
COUNTING = (
    *cases(
        APPLES,
        right=["2", "two", "Twice.", "Apple appears **2** times in the list.", "The word \"apple\" appears twice.",
               "apple occurs at positions 1 and 9, so it appears 2 times.", "\\boxed{2}", "2 (first and ninth item)",
               "There are two apples in the list.", "Count: 2"],
        wrong=["3", "once", "2 or 3", "More than 1.", "at least 2", "11",
               "The list has 11 items, apple being one of them.",
               "1, 2", "apple, apple", "not 2", "about 2", "2 dogs and 3 apples", "20"],
    ),
    *cases(
        PENS,
        right=["It occurs 6 times.", "pen (1), pen (2), pen (3), pen (4), pen (5), pen (6): **6 times**",
               "The word \"pen\" appears six times and \"man\" appears twice, so the answer is 6."],
        wrong=["The word occurs 8 times.", "2", "six or seven", "The word \"pen\" appears between 5 and 7 times.",
               "pen: 2, man: 6"],
    ),
    *cases(
        DS,
        right=["The letter d appears 3 times in \"dnddn\".", "d-n-d-d-n: positions 1, 3 and 4, so **three**.",
               "3 times"],
        wrong=["The letter d appears 2 times in \"dnddn\".", "d, d, d", "5", "3 n's", "between 3 and 4"],
    ),
    *cases(
        CARTS,
        right=["6个", "六个。", "共有6个“车”字。", "“车”字出现了6次，“山”字出现了2次。所以答案是6个“车”字。", "答：6",
               "一共６个",
               "车出现在第1、3、4、5、6、7位，因此有6个。"],
        wrong=["8个", "2个", "六七个", "至少6个", "大约6个", "5个，不对，是7个。", "不是6个", "6个“山”字", "5到7个",
               "第6个"],
    ),
    *cases(APPLES_ZH, right=["苹果有2个", "有两个苹果。", "出现了两次"], wrong=["十一个", "两三个", "俩或者仨",
           "苹果一个"]),
)  # fmt: skip

FRIDAY = drawn("dates@1/en", 0, "Today is Wednesday. What day is it in 2 days?")
TRAIN = drawn("dates@2/en", 1, "A train leaves at 03:25 and takes 127 minutes.")
FRIDAY_ZH = drawn("dates@1/zh", 0, "今天是星期三，2天以后是星期几？")
TRAIN_ZH = drawn("dates@1/zh", 1, "09:36出发，走了15分钟")
DAYS = drawn("dates@3/en", 0, "How many days are there from 1982-01-30 to 1982-03-09?")
DAYS_ZH = drawn("dates@4/zh", 0, "从1982-01-30到1982-10-30相差多少天？")
NOVEMBER = drawn("dates@3/en", 1, "What is the date 15 days after 1986-10-19?")
JANUARY_ZH = drawn("dates@4/zh", 1, "从1986-10-19起过91天是几月几日？请写出年份。")
SUNDAY = drawn("dates@5/en", 1, "What day of the week is 1986-10-19?")
DATES = (
    *cases(
        FRIDAY,
        right=["Friday", "It will be **Friday**.", "Fri", "Wednesday + 1 = Thursday, + 2 = Friday. So it's Friday.",
               "In 2 days it will be Friday.", "FRIDAY!"],
        wrong=["Thursday", "Friday or Saturday", "not Friday", "Wednesday, Thursday, Friday, Saturday",
               "It was Friday, now Monday.",
               "The day before Friday.", "the day after Friday", "Black Friday is coming, so Saturday"],
    ),
    *cases(
        TRAIN,
        right=["05:32", "5:32", "The train arrives at **05:32**.", "5:32 a.m.", "5:32 AM (05:32)", "05:32:00", "05h32",
               "127 minutes = 2 hours 7 minutes. 03:25 + 2:07 = 05:32.", "0532 hours"],
        wrong=["05:31", "17:32", "5:32 PM", "03:25", "05:32 or 05:33", "around 05:32", "05:32 minus one minute",
               "5.32 hours later",
               "After 05:32.", "3:25 + 2:07 = 6:32", "It leaves at 05:32.", "2 hours 7 minutes", "before 05:32"],
    ),
    *cases(
        FRIDAY_ZH,
        right=["星期五", "周五", "礼拜五。", "2天以后是**星期五**。", "星期三→星期四→星期五，所以是星期五"],
        wrong=["星期四", "星期五或星期六", "不是星期五", "星期五的前一天", "星期五的后一天"],
    ),
    *cases(
        TRAIN_ZH,
        right=["9点51分", "上午9:51", "到达时是09:51。", "九点五十一分", "09：51", "36+15=51，所以是9时51分。"],
        wrong=["9点51分之后", "晚上9点51分", "9:15", "9点52分", "21:51", "09:36", "大概9点51分"],
    ),
    *cases(
        DAYS,
        right=["38", "38 days", "January: 1 day, February: 28 days, March: 9 days. 1 + 28 + 9 = **38 days**.",
               "thirty-eight days"],
        wrong=["39 days (inclusive)", "37", "1 month and 7 days", "38 weeks",
               "38 or 39, depending on whether you count both ends", "38 hours"],
    ),
    *cases(DAYS_ZH, right=["273天", "相差二百七十三天。", "共273天（1982年不是闰年）"],
           wrong=["274天", "9个月", "273个月", "大约273天", "273小时"]),
    *cases(
        NOVEMBER,
        right=["1986-11-03", "November 3, 1986", "3 November 1986", "It is **Monday, November 3rd, 1986**.",
               "1986/11/3",
               "Nov 3, 1986", "1986-10-19 + 15 days = 1986-11-03", "3rd of November, 1986",
               "October has 31 days, so 12 days remain in October; 15 - 12 = 3. The date is November 3, 1986."],
        wrong=["1986-11-04", "1986-11-02", "November 3", "1987-11-03", "October 34, 1986", "1986-03-11",
               "November 13, 1986",
               "1986-11-03 or 1986-11-04", "not 1986-11-03", "the day after 1986-11-03", "before November 3, 1986"],
    ),
    *cases(
        JANUARY_ZH,
        right=["1987年1月18日", "1987年01月18日", "是1987-01-18。", "一九八七年一月十八日", "答案：1987/1/18",
               "1987.1.18", "1987年1月18号"],
        wrong=["1987年1月17日", "1月18日", "1986年1月18日", "1987年1月18日的前一天", "1987年1月18日左右",
               "1987年1月或18日"],
    ),
    *cases(
        SUNDAY,
        right=["Sunday", "October 19, 1986 was a Sunday.", "It was a **Sunday**", "Sun.",
               "1986-10-19 fell on a Sunday."],
        wrong=["Monday", "Sunday/Monday", "October 19, 1986 was not a Sunday.",
               "It was a weekend day: Saturday or Sunday", "0", "7",
               "The day after Sunday."],
    ),
)  # fmt: skip

HENRY = drawn("reading@1/en", 0, "It was Mark who carried the scarf to the station")
JACK = drawn("reading@1/en", 1, "It was Jack who carried the scarf to the gym")
HOSPITAL = drawn("reading@1/zh", 0, "带着围巾去火车站的是郑洁")
TEACHER = drawn("reading@2/en", 0, "Mark was taught to swim by Henry.")
HEAVY = drawn("reading@2/zh", 0, "郑洁举不起赵敏，因为他太重了。")
MUSEUM = drawn("reading@3/en", 0, "It was Mark who carried the bottle to the bakery")
MARKET = drawn("reading@3/en", 1, "It was Emma who carried the guitar")
CINEMA = drawn("reading@3/zh", 0, "带着水壶去医院的是郑洁")
GYM = drawn("reading@3/zh", 1, "带着吉他去图书馆的是张伟")
NOTEBOOK = drawn("reading@4/en", 0, "At first Mark has the notebook.")
NOTEBOOK_ZH = drawn("reading@4/zh", 0, "笔记本起初在郑洁手里。")
READING = (
    *cases(
        HENRY,
        right=["the bakery", "Henry went to the bakery.", "To the **bakery**, on Friday.", "Bakery",
               "He went to a bakery with the backpack.",
               "Henry went to the bakery; Mark went to the station.",
               "On Friday, Henry went to the bakery with the backpack."],
        wrong=["the station", "Henry went to the museum.", "the bakery or the museum",
               "Henry did not go to the bakery.",
               "station, bakery, museum", "Mark went to the bakery.",
               "Jack went to the bakery and Henry to the museum.",
               "the bakery's neighbour, the museum", "Henry avoided the bakery.", "He never went to the bakery."],
    ),
    *cases(
        JACK,
        right=["Jack", "Jack took it to the gym.", "It was **Jack** who carried the scarf.",
               "The scarf was taken by Jack.",
               "Jack did (Peter took the camera)."],
        wrong=["Peter", "Jack and Peter", "Not Jack.", "Jack's friend Frank", "Anyone but Jack", "Jack, Peter, Frank",
               "Everyone except Jack"],
    ),
    *cases(HOSPITAL, right=["医院", "赵敏去了医院。", "她去的是医院", "星期五，赵敏带着书包去了**医院**。"],
           wrong=["火车站", "赵敏没有去医院。", "医院或者电影院", "郑洁去了医院。", "赵敏去的不是医院",
                  "医院旁边的电影院", "除了医院以外的地方"]),
    *cases(TEACHER, right=["Henry", "Henry is the teacher, since Mark was taught by Henry.",
           "The teacher is Henry, not Mark."],
           wrong=["Mark", "The teacher is Mark, not Henry.", "Mark was taught by Henry, so Mark is the teacher.",
                  "Henry or Mark"]),
    *cases(HEAVY, right=["赵敏", "赵敏太重。", "太重的是赵敏，所以郑洁举不起。"], wrong=["郑洁",
           "郑洁太重，举不起赵敏。", "赵敏和郑洁都太重", "不是赵敏"]),
    *cases(
        MUSEUM,
        right=["No", "No, Mark went to the bakery.", "**No.** It was Henry who went to the museum.",
               "no - Mark took the bottle to the bakery",
               "False. Mark went to the bakery."],
        wrong=["Yes", "Unknown", "No, the text does not say, so unknown.", "yes, no", "Not no.", "Yes and no",
               "No idea",
               "Yes, no doubt about it.", "no information is given"],
    ),
    *cases(MARKET, right=["Yes", "Yes, Mark carried the scarf to the market on Sunday.", "True: yes",
           "Yes, no doubt about it."],
           wrong=["No", "Unknown", "Yes or no", "Yes? No.", "Not yes"]),
    *cases(CINEMA, right=["错", "错，郑洁去的是医院。", "错误", "不对，他去的是医院。"],
           wrong=["对", "不知道", "没错", "不错", "不知道对错", "对错都有可能"]),
    *cases(GYM, right=["对", "对，郑洁带着围巾去了体育馆。", "没错，对。", "答案：对"], wrong=["错", "不对", "不知道",
           "对吗？错。", "对不对不知道"]),
    *cases(
        NOTEBOOK,
        right=["Jack", "Jack has it now.", "Mark -> Henry -> Mark -> Jack. So **Jack** has the notebook.",
               "It ends up with Jack."],
        wrong=["Mark", "Henry", "Mark, then Henry, then Mark, then Jack", "Jack gave it to Mark.", "Mark and Jack",
               "Jack had it before Mark."],
    ),
    *cases(NOTEBOOK_ZH, right=["孙丽", "现在在孙丽手里。", "郑洁→赵敏→郑洁→孙丽，所以笔记本在孙丽手里"],
           wrong=["赵敏", "郑洁手里，不在孙丽手里", "孙丽又给了郑洁", "除孙丽以外的人"]),
)  # fmt: skip

TABLES = {"sorting, third": SORTING, "counting, third": COUNTING, "dates, third": DATES, "reading, third": READING}
MAY_REJECT = {"reading, third": 0.07}  # several people named, of whom only a grammar tells which is the answer
MAY_ACCEPT = {"reading, third": 1}  # "avoided the bakery": what a verb denies, no list of words tells
