"""A third set, blind: quantities and comparisons, as models of several sizes write them, right, wrong and cheating."""

from firesteel.tasks.families.comparison import picks
from firesteel.tasks.families.units import measures
from firesteel.tasks.measure import cases
from firesteel.tasks.task import Problem


def picked(question, answer, values, asked, language):
    return Problem(question, answer, language=language, verify=picks, facts={"values": values, "asked": asked})


def measured(question, answer, kind, worth, unit, language):
    return Problem(question, answer, language=language, verify=measures,
                   facts={"kind": kind, "worth": worth, "unit": unit})  # fmt: skip


LEAST = picked("13.542, 13.7: which is smallest?", "13.542", {"13.542": "6771/500", "13.7": "137/10"}, "smallest", "en")
PART = picked("4/9、1/5中最大的是什么？", "4/9", {"4/9": "4/9", "1/5": "1/5"}, "largest", "zh")
HOURS = picked("Compare 510s, 8min. Which is the least?", "8min", {"510s": "510", "8min": "480"}, "smallest", "en")
MIXED = picked("比较大小：4/10、40.3%、0.395，最大的是哪个？", "40.3%",
               {"4/10": "2/5", "40.3%": "403/1000", "0.395": "79/200"}, "largest", "zh")  # fmt: skip
THREE = picked("Compare 0.745, 15/20, 74%. Which is the least?", "74%",
               {"0.745": "149/200", "15/20": "3/4", "74%": "37/50"}, "smallest", "en")  # fmt: skip
WHOLE = picked("8504、8414，哪个最大？", "8504", {"8504": "8504", "8414": "8414"}, "largest", "zh")

METRES = measured("把84千米换算成米。", "84000", "length", "84000000", "米", "zh")
AREA = measured("Express 15 m^2 398 cm^2 in cm^2.", "150398", "area", "150398", "cm^2", "en")
TOGETHER = measured("25天和16小时合起来是多少？请写出单位。", "616小时", "time", "2217600", "", "zh")
PLUS = measured("What is 29 km plus 493 dm? Give the unit.", "290493 dm", "length", "29049300", "", "en")
JIN = measured("5斤860毫克等于多少毫克？", "2500860", "mass", "2500860", "毫克", "zh")
HA = measured("Express 142 ha in m^2.", "1420000", "area", "14200000000", "m^2", "en")

TABLES = {
    "third comparison": cases(LEAST,
        right=[
            "13.542", "The smallest is **13.542**.", "13.542 < 13.7, so 13.542 is the smallest.",
            "13.542 is smaller than 13.7.",
            "Compare tenths: 5 < 7. Therefore 13.542 is smallest.", "\\boxed{13.542}",
            "$13.542 < 13.700$, so the answer is $13.542$.",
            "13.7 = 13.700, and 13.542 < 13.700.\n\n**Smallest: 13.542**", "13.542 (since 13.7 is larger)",
            "13.542 < 13.7",
        ],
        wrong=[
            "13.7", "13.542 > 13.7, so 13.7", "13.7 is the smallest, because 542 > 7.", "13.542 and 13.7", "neither",
            "13.54", "13.542 or 13.7",
            "The largest is 13.542.", "13.542, 13.7: which is smallest?", "13.5420001", "not 13.542",
            "the first one is larger", "13.7 < 13.542",
            "They are equal: 13.542 = 13.7", "13.542 is the largest.", "The smallest is 13.7, not 13.542.",
        ],
    ) + cases(PART,
        right=["4/9", "$\\frac{4}{9}$", "最大的是4/9。", "4/9 > 1/5",
               "4/9=20/45，1/5=9/45，20/45>9/45，所以最大的是4/9。", "九分之四",
               "**4/9** 更大。", "最大的是 $\\dfrac49$。", "通分：4/9=20/45，1/5=9/45，因此4/9最大",
               "4/9≈0.444，1/5=0.2，所以4/9最大。"],
        wrong=["1/5", "最大的是1/5，因为4/9<1/5。", "4/9最小", "四分之九", "9/4", "4/9和1/5", "0.4", "4/9 < 1/5",
               "20/45和9/45", "不是4/9",
               "一样大"],
    ) + cases(HOURS,
        right=["8min", "8 min", "8 minutes", "8min = 480s < 510s, so 8min is the least.",
               "The least is 8min (480 seconds).",
               "8 min is the smaller one: 480 s < 510 s.", "**8min**"],
        wrong=["510s", "8", "8h", "8s", "480min", "510s is the least", "8min or 510s", "8min is the greatest", "510",
               "8min > 510s", "510min"],
    ) + cases(MIXED,
        right=["40.3%", "最大的是40.3%。", "40.3% > 4/10 > 0.395", "4/10=0.4，40.3%=0.403，0.395，所以最大的是40.3%。",
               "$40.3\\%$", "40.3％",
               "0.395<0.4<0.403，因此**40.3%**最大。",
               "| 数 | 小数 |\n|---|---|\n| 4/10 | 0.4 |\n| 40.3% | 0.403 |\n| 0.395 | 0.395 |\n\n最大：40.3%"],
        wrong=["40.3", "4/10", "40%", "0.395", "4/10 > 40.3% > 0.395", "40.3% < 4/10", "最小的是40.3%",
               "4/10、40.3%、0.395", "40.3%或4/10",
               "4.03%", "除了40.3%"],
    ) + cases(THREE,
        right=["74%", "74% is the least.", "74% = 0.74 < 0.745 < 0.75 = 15/20, so 74% is the least.",
               "74% < 0.745 < 15/20",
               "From least to greatest: 74%, 0.745, 15/20. The least is 74%.", "15/20 > 0.745 > 74%", "$\\boxed{74\\%}$",
               "74 %"],
        wrong=["74", "0.745", "15/20", "0.745 < 74%", "0.0074", "15/20 < 0.745 < 74%", "74% is the greatest", "not 74%",
               "74% = 0.745", "7.4%"],
    ) + cases(WHOLE,
        right=["8504", "8,504", "8504>8414", "最大的是8504。", "8504比8414大。", "八千五百零四",
               "8414<8504，所以8504最大。"],
        wrong=["8414", "8414比8504大", "85 04", "8504<8414", "8504比8414小", "8504和8414都可以", "8505", "8504.5"],
    ),
    "third units": cases(METRES,
        right=["84000米", "84000", "84,000 m", "84千米 = **84000米**", "84×1000=84000（米）", "八万四千米", "8.4万米",
               "84 km = 84 × 1000 m = 84,000 m",
               "因为1千米=1000米，所以84千米=84000米。", "\\boxed{84000\\ \\text{米}}",
               "$84\\text{千米}=84000\\text{米}$", "答：84千米等于８４０００米。",
               "8.4×10^4米"],
        wrong=["84000千米", "84000厘米", "8400米", "840000米", "84千米", "0.084米", "84000平方米", "约84000米", "84公里",
               "84000里",
               "84000米或8400米", "不是84000米", "84米", "84000kg"],
    ) + cases(AREA,
        right=["150398", "150,398 cm²", "150398 cm^2", "$150398\\text{ cm}^2$",
               "15 m² = 150,000 cm², plus 398 cm² = **150,398 cm²**",
               "150398 square centimeters", "15 × 10,000 + 398 = 150398", "\\boxed{150398 \\, \\text{cm}^2}",
               "150398 sq cm",
               "150,398 square centimetres."],
        wrong=["150398 m^2", "1898 cm^2", "15398", "150398 cm", "15.0398 m^2", "150000 cm^2", "150398 cm^3",
               "about 150398 cm^2", "150398 mm^2",
               "150398 kg", "15 m^2 398 cm^2"],
    ) + cases(TOGETHER,
        right=["616小时", "616 h", "25天16小时", "25×24+16=616（小时）", "共616小时。", "36960分钟",
               "合起来是 **616 小时**。", "六百一十六小时",
               "25天=600小时，600+16=616小时", "25天零16小时", "616小时，也就是25天16小时。"],
        wrong=["616", "41小时", "41天", "616天", "616分钟", "25天或16小时", "616小时左右", "约25.7天", "616秒",
               "616小时=25天", "25天和16小时",
               "616米"],
    ) + cases(PLUS,
        right=["290493 dm", "29,049.3 m", "29.0493 km", "29 km 493 dm = 290,493 dm", "The total is 29049.3 meters.",
               "29049.3 m (or 290493 dm)",
               "29 km = 29000 m, 493 dm = 49.3 m\n\nTotal: **29,049.3 m**", "$29.0493\\ \\mathrm{km}$", "29049.3 metres"],
        wrong=["522 km", "290493", "290493 m", "29.0493 m", "29493 m", "29 km plus 493 dm", "about 29.05 km", "29.05 km",
               "522", "290493 dm^2",
               "29049 m", "29049.3"],
    ) + cases(JIN,
        right=["2500860", "2500860毫克", "5斤=2500000毫克，加860毫克等于2500860毫克。", "2,500,860 mg",
               "**2500860 毫克**", "250.086万毫克"],
        wrong=["5000860毫克", "2500.86毫克", "2500860克", "5860", "2500860斤", "250万毫克", "2500000毫克", "2500860毫升"],
    ) + cases(HA,
        right=["1,420,000 m²", "1420000", "142 × 10,000 = 1,420,000 square meters", "1.42 × 10^6 m²",
               "142 ha = **1,420,000 m^2**", "1.42 million m^2",
               "$1.42\\times10^{6}\\ \\text{m}^2$"],
        wrong=["1420000 m", "14200 m²", "1420000 ha", "1.42 m^2", "1.42 × 10^5 m²", "1.4 million m^2", "1420000 km²",
               "142 ha"],
    ),
}  # fmt: skip
