"""Quantities with units, clock times, dates and weekdays."""

from firesteel.tasks.families.moments import says_date, says_day, says_time
from firesteel.tasks.families.units import measures
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem

CM = Problem("How many cm are 3 m?", "300", verify=measures, facts={"kind": "length", "worth": "3000", "unit": "cm"})
ROPES = Problem("What is 1 m plus 50 cm? Give the unit.", "150 cm", verify=measures,
                facts={"kind": "length", "worth": "1500", "unit": ""})  # fmt: skip
JIN = Problem("把3公斤换算成斤。", "6", verify=measures, facts={"kind": "mass", "worth": "3000000", "unit": "斤"})
MINUTES = Problem(
    "2小时15分钟等于多少分钟？", "135", verify=measures, facts={"kind": "time", "worth": "8100", "unit": "分钟"}
)
AREA = Problem(
    "Convert 2 m^2 to cm^2.", "20000", verify=measures, facts={"kind": "area", "worth": "20000", "unit": "cm^2"}
)
CLOCK = Problem(
    "It is 13:50. What time is it 45 minutes later (24-hour clock)?",
    "14:35",
    verify=says_time,
    facts={"asked": ["13:50", "45"]},
)
MIDNIGHT = Problem("现在是23:50，15分钟以后是几点几分？", "00:05", verify=says_time, facts={"asked": ["23:50", "15"]})
DATE = Problem(
    "Which date is 5 days after 2024-02-28?", "2024-03-04", verify=says_date, facts={"asked": ["2024-02-28", "5"]}
)
DAY = Problem("Today is Monday. What day is it in 4 days?", "Friday", verify=says_day, facts={"asked": ["Monday", "4"]})
XINGQI = Problem("今天是星期一，6天以后是星期几？", "星期日", verify=says_day, facts={"asked": ["星期一", "6"]})

TABLES = {
    "units": (
        *cases(CM, right=["300", "300 cm", "300cm", "The answer is 300 cm.", "300 centimetres", "3 m = 300 cm",
                "300.0 cm", "\\boxed{300\\text{ cm}}", "3*100=300",
                          "**300 cm**", "300厘米", "3 metres are 300 centimeters.", "$300\\,\\text{cm}$"],
               wrong=["300 m", "3 m", "3", "30 cm", "300 mm", "300 kg", "3000 cm", "300 or 30", "300 cm or 30 cm",
                       "300 inches", "3 m 0 cm", "", "The answer is 300 m.",
                      "300 cm^2", "0.3 km", "3000 mm", "30 dm", "-300 cm", "cm"]),
        *cases(ROPES, right=["150 cm", "1.5 m", "1 m 50 cm", "15 dm", "1500 mm", "The answer is 1.5 m.",
                "1 m + 50 cm = 150 cm", "3/2 m", "1.50 metres", "0.0015 km",
                             "100 cm + 50 cm = 150 cm", "150cm = 1.5m", "1米50厘米"],
               wrong=["150", "1.5", "150 m", "1.5 cm", "51 m", "51 cm", "150 kg", "1 m 5 cm", "1 m or 50 cm",
                       "1.5 m or 2 m", "15 m", "1 m", "50 cm", "150 inches", "15 cm 1 m"]),
        *cases(JIN, right=["6", "6斤", "答案是6斤。", "3公斤=6斤", "六斤", "3公斤等于6斤。", "6市斤", "3*2=6"],
               wrong=["6公斤", "3", "3公斤", "6两", "60", "60两", "6克", "6千克", "6或60", "1.5斤", "3000克"]),
        *cases(MINUTES, right=["135", "135分钟", "135分", "2*60+15=135", "2小时15分钟=135分钟",
                "答案是135分钟。"], wrong=["135秒", "135小时", "2小时15分钟", "215分钟", "8100秒", "2.25小时",
                "135分钟或125分钟"]),
        *cases(AREA, right=["20000", "20000 cm^2", "20,000 cm²", "20000 cm2", "20000 square centimetres",
                "20000平方厘米", "2e4 cm^2"],
               wrong=["200 cm^2", "20000 cm", "20000 m^2", "2 m^2", "200", "20000 cm^3", "0.2 cm^2"]),
    ),
    "time": (
        *cases(CLOCK, right=["14:35", "The answer is 14:35.", "2:35 pm", "2:35 PM", "2:35 p.m.", "14:35:00",
                "14：35", "14点35分", "下午2点35分", "\\boxed{14:35}", "13:50 + 45 min = 14:35",
                             "It is 14:35.", "14时35分", "**14:35**", "at 14:35", "So it is 14:35."],
               wrong=["2:35", "14:53", "14:3", "1435", "14.35", "14", "35", "13:50", "14:35 or 14:36", "2:35 am",
                       "14:35 pm", "02:35", "14:350", "114:35", "24:35", "14:35:30", "", "13:95",
                      "上午2点35分", "not at all"]),
        *cases(MIDNIGHT, right=["00:05", "0:05", "12:05 am", "0点5分", "0点05分", "凌晨0点5分", "答案是00:05。",
                "答案是0点5分。"],
               wrong=["24:05", "23:65", "12:05", "0:50", "00:50", "12:05 pm", "23:05", "0点", "5分"]),
    ),
    "date": cases(
        DATE,
        right=["2024-03-04", "March 4, 2024", "4 March 2024", "Mar 4, 2024", "4th of March 2024", "2024年3月4日",
                "2024/3/4", "2024/03/04", "2024.03.04", "The answer is 2024-03-04.",
               "\\boxed{2024-03-04}", "March 4th, 2024", "２０２４年３月４日", "2024-02-28 + 5 = 2024-03-04",
               "答案是2024年3月4日。", "The date is **2024-03-04**.", "2024-3-4"],
        wrong=["2024-03-05", "2024-04-03", "March 4", "3月4日", "2023-03-04", "03/04/2024", "4/3/2024",
                "2024-02-33", "2024-03-04 or 2024-03-05", "2024", "20240304", "", "2024-3-40",
               "2024-02-28", "The answer is 2024-03-05.", "March 2024", "4 March 24", "12024-03-04"],
    ),
    "weekday": (
        *cases(DAY, right=["Friday", "friday", "Fri", "Fri.", "The answer is Friday.", "星期五", "周五", "礼拜五",
                "**Friday**", "It will be Friday.", "Monday + 4 days = Friday", "\\boxed{\\text{Friday}}",
                           "4 days after Monday is Friday."],
               wrong=["Monday", "Thursday", "Friday or Thursday", "5", "Fridge", "not Friday", "",
                       "Friday, Saturday", "Saturday", "The answer is Thursday.", "Freitag", "fry", "Every day",
                      "Thursday Friday", "The answer is Monday.", "星期四"]),
        *cases(XINGQI, right=["星期日", "星期天", "周日", "周天", "礼拜天", "Sunday", "答案是星期日。",
                "星期一过6天是星期日。"], wrong=["星期一", "星期六", "日", "星期", "星期六或星期日", "周六",
                "答案是星期六。", "不是星期日"]),
    ),
}  # fmt: skip
MAY_REJECT = {"units": 0.04, "time": 0.0, "date": 0.0, "weekday": 0.0}
