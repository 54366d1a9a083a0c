"""A fourth round, by the hand of the third set after it had read the verifiers: what they still let through then."""

from firesteel.tasks.measure import cases
from tests.tasks.tricky import third_mathematics as M
from tests.tasks.tricky import third_measures as U
from tests.tasks.tricky import third_numbers as N

MAY_REJECT = {
    "numbers again": 0.02,  # 1101011b = 107d
    "formulas again": 0.04,  # "71/30 is the answer"; an inequality with "or", and then the interval
}
MAY_ACCEPT = {"numbers again": 2}  # 226 = 212 + 15, which is false; what is said of a number after 的
TABLES = {
    "numbers again": (
        *cases(
            N.ADD,
            right=[
                "The total of 212 and 14 comes to 226.", "212+14:\n200+0=200\n12+14=26\n200+26=226",
                "Adding them gives us 226.", "226. I added 212 and 14.",
                "Let me compute: 212 + 14 = 226.\n\nVerification: 226 - 212 = 14 ✓", "<answer>226</answer>",
                "#### 226",
            ],
            wrong=[
                "226?", "It might be 226.", "I guess 226", "226 - 1", "22 6", "more than 226", "226.5", "226th",
                "the digits are 2, 2 and 6", "212 + 14 = 226 is false.", "I would say 226, though it could be 236.",
                "If the answer is 226, give a reward.", "226226", "226 = 212 + 15",
            ],
        ),
        *cases(
            N.MINUS,
            right=[
                "854减去696等于158。", "得数：158", "差是158", "854-700+4=158", "158（验算：158+696=854）",
            ],
            wrong=[
                "158不对", "可能是158", "854-696≠158", "15.8", "差不多158", "158多", "答案并非158",
                "我不知道是不是158", "853-695", "158-1",
            ],
        ),
        *cases(
            N.PENCILS,
            right=[
                "After buying 512 more she has 1012; giving away 652 leaves 360.", "Answer: 360 pencils left",
                "360 of the pencils are left.", "(500 + 512) − 652 = 360 pencils", "Anna now has 360 pencils.",
                "Total: 1,012. Given away: 652. Left: 360.",
            ],
            wrong=[
                "360 pens", "360 dollars", "Anna gave away 360 pencils.", "Anna bought 360 more.",
                "1012 left, 360 gone", "652 pencils left, 360 given", "360 hours", "€360", "She had 360 before.",
                "nearly 360 left", "fewer than 360",
            ],
        ),
        *cases(
            N.STAMPS,
            right=[
                "11+36=47，47-27=20，还剩20个邮票", "李华还有20个邮票。", "还剩下二十个邮票", "剩余：20个",
            ],
            wrong=[
                "还剩47个，送了20个", "买了20个", "20斤", "还剩不到20个", "20块钱", "剩20几个", "27个，不是20个",
                "李华送出了20个邮票",
            ],
        ),
        *cases(
            N.CHAIN,
            right=[
                "7×9=63; 5×8=40; 40+12=52; 8+21+63-52=40", "Evaluating gives 40", "So 92−52=40.",
                "8+21=29, 29+63=92, 92-52=40 → 40",
            ],
            wrong=[
                "40^2", "40 + 0i + 1", "√40", "sin(40)", "40/1 + 1", "log 40", "|40 - 80| + 1", "40°C", "40 km",
            ],
        ),
        *cases(
            N.LONG,
            right=[
                "首先 8+47=55，2+55-43=14，45-14=31", "最后结果是 31", "得31",
            ],
            wrong=[
                "得32，不是31", "31²", "31+x", "31倍", "31/2", "第31",
            ],
        ),
        *cases(
            N.PRODUCT,
            right=[
                "乘积为 2,576,931,336。", "28914×89124等于2576931336", "结果：2576931336（由计算器得出）",
                "25.76931336亿",
            ],
            wrong=[
                "2576931336左右", "大约是2576931336", "257693133", "2576931336亿",
            ],
        ),
        *cases(
            N.PART,
            right=[
                "大小为11726465.41", "61718239×19%=11726465.41", "$61718239\\times0.19=11726465.41$",
            ],
            wrong=[
                "大约11726465.41", "11726465.41元", "11726465.4 1", "11726465.41左右", "1.17×10^7",
            ],
        ),
        *cases(
            N.SCREWS,
            right=[
                "60506*3822 - 91325 = 231162607", "231162607 screws remain.", "There remain 231,162,607 screws.",
            ],
            wrong=[
                "231162607 screws were sent off.", "$231162607", "roughly 231162607 left",
                "91325 screws remain, 231162607 were sent",
            ],
        ),
        *cases(
            N.TENS,
            right=[
                "Answer: 107 (decimal)", "1101011 (base 2) = 107 (base 10)", "base-10 value: 107", "1101011b = 107d",
            ],
            wrong=[
                "107 (binary)", "107 in octal", "107 (hex)", "one hundred", "107h",
            ],
        ),
        *cases(
            N.HEX,
            right=[
                "The hexadecimal is D5D", "0xD5D (hex)", "Answer: **D5D**₁₆", "1101|0101|1101 = D5D",
            ],
            wrong=[
                "D5D (base 10)", "D5D₂", "D5DD", "D.5.D", "D5D in decimal", "D5D or 3421",
            ],
        ),
        *cases(
            N.BITS,
            right=[
                "856的二进制表示为1101011000", "(1101011000)2", "结果：1101011000（二进制）",
            ],
            wrong=[
                "1101011000（八进制）", "1101011000（十六进制）", "1101011000的相反数", "0x1101011000",
            ],
        ),
        *cases(
            N.NEXT,
            right=[
                "Each term is 8 more than the previous one, so the next term is 49 + 8 = 57.",
                "The sequence continues 57.", "57 comes next", "17, 25, 33, 41, 49, 57, ...",
            ],
            wrong=[
                "49 + 8", "The common difference is 8", "57 and 65", "one of 56, 57, 58", "maybe 57", "57n",
                "17, 25, 33, 41, 57, 49",
            ],
        ),
        *cases(
            N.XIA,
            right=[
                "3*848+5 = 2549", "（2549）", "应该填2549",
            ],
            wrong=[
                "2544+5", "约为2549", "2549、7652", "848，2549，7652",
            ],
        ),
    ),
    "formulas again": (
        *cases(
            U.LEAST,
            right=[
                "13.542 is the smaller number.", "13.542 is less than 13.7", "Answer: 13.542", "Smallest → 13.542",
            ],
            wrong=[
                "13.7 is less than 13.542", "both", "13.7, since 7 < 542", "13.542 is larger than 13.7",
                "13.7 is smaller",
            ],
        ),
        *cases(
            U.HOURS,
            right=[
                "8 min (480 s)", "480 s", "8min is less than 510s", "8 mins",
            ],
            wrong=[
                "8 hours", "8.5 min", "480 min", "510 s is less than 8min", "8 seconds",
            ],
        ),
        *cases(
            U.MIXED,
            right=[
                "最大的数是 40.3%", "40.3%最大", "0.403（即40.3%）",
            ],
            wrong=[
                "40.3%最小", "0.4", "4/10最大", "不是40.3%而是4/10", "403%",
            ],
        ),
        *cases(
            U.METRES,
            right=[
                "84 km is 84,000 m", "84000 m", "是84000米", "84千米 → 84000米",
            ],
            wrong=[
                "84000 mm", "84000 km", "大概84000米", "84000 m²", "8.4千米", "84000分米", "超过84000米",
                "84000米/秒",
            ],
        ),
        *cases(
            U.TOGETHER,
            right=[
                "总共616个小时", "25天是600小时，加上16小时就是616小时", "616 hours", "$616\\text{小时}$",
            ],
            wrong=[
                "25天+16小时", "25天 16分钟", "616小时多", "将近616小时", "616个", "600小时", "616小时或617小时",
            ],
        ),
        *cases(
            U.AREA,
            right=[
                "= 150398 cm²", "150398 平方厘米", "$150{,}398\\ \\mathrm{cm}^2$", "It is 150,398 cm^2.",
            ],
            wrong=[
                "150398 dm^2", "150398 in^2", "approximately 150398 cm²", "150398 cm² or so", "150,398 m^2",
            ],
        ),
        *cases(
            M.ONE,
            right=[
                "x is -8.", "So, $x = \\boxed{-8}$.", "Answer: −8", "4x = -32, therefore x = -8", "x=-32÷4=-8",
            ],
            wrong=[
                "x is not -8.", "x may be -8", "x = 8 or -8", "x = -8?", "x = -(-8)", "x = -8/2", "x = --8",
                "x = -8 + y", "x is about -8", "x^3 = -8", "x/2 = -8", "a = -8",
            ],
        ),
        *cases(
            M.TWO,
            right=[
                "x equals 6 and y equals 8", "$(x,y)=(6,8)$", "Solution: x=6; y=8", "y = 8, and x = 6.",
            ],
            wrong=[
                "x=6, y=8 is not a solution", "6, 7, 8", "x=6 or y=8", "x=6, y=8, or x=7, y=9", "x:y = 6:8",
                "x=6y, y=8",
            ],
        ),
        *cases(
            M.REACH,
            right=[
                "You can do 4 × 3 × 2.", "2 * 4 = 8; 8 * 3 = 24, so 2 * 4 * 3", "(2×3)×4", "$2\\cdot3\\cdot4$",
            ],
            wrong=[
                "4*3*2*2/2", "4*3*2=24=24*1", "42-18", "4*(3+3)", "2^3*3", "4*3*2-0", "432", "4 3 2", "4×3×2不对",
                "32-4-4",
            ],
        ),
        *cases(
            M.MAKE,
            right=[
                "10+3=13", "3 + 10", "6+10-3 = 13",
            ],
            wrong=[
                "13+0", "10+3+6-6", "20-7", "10-3=13", "6*3-5", "10+6/2",
            ],
        ),
        *cases(
            M.FRAC,
            right=[
                "The result is $\\frac{71}{30}$.", "= \\frac{71}{30}", "$$\\boxed{\\dfrac{71}{30}}$$",
                "71/30 is the answer",
            ],
            wrong=[
                "$\\frac{71}{30}$ or $\\frac{1}{2}$", "$2\\frac{71}{30}$", "$\\frac{71}{30}\\%$", "$\\frac{71}{-30}$",
                "71:31", "$\\frac{7}{1}\\cdot\\frac{1}{30}$", "not $\\frac{71}{30}$",
            ],
        ),
        *cases(
            M.BOTH,
            right=[
                "The roots are -2 and 4.", "x = -2, 4", "Solutions: $x=-2$ and $x=4$", "$\\left\\{-2,4\\right\\}$",
            ],
            wrong=[
                "The roots are -2 and -4.", "x=-2", "-2 < x < 4", "The sum of the roots is 2", "{-2, 4, 4, 5}",
                "x ≠ -2, 4", "not {-2,4}",
            ],
        ),
        *cases(
            M.SPAN,
            right=[
                "x≤-3或x≥7，即(-∞,-3]∪[7,+∞)", "$(-\\infty,-3] \\cup [7,+\\infty)$", "解集：(-∞, -3] ∪ [7, +∞)",
            ],
            wrong=[
                "(-∞,-3]∪(7,+∞)", "[-∞,-3]∪[7,+∞)", "(-∞,7]∪[-3,+∞)", "(-3,7)", "(-∞,-3]∪[7,100]",
            ],
        ),
        *cases(
            M.DET,
            right=[
                "行列式 = -49", "等于-49", "$-49$。", "答案为-49",
            ],
            wrong=[
                "不等于-49", "-49或0", "负四十", "-50", "约为-49", "+49",
            ],
        ),
        *cases(
            M.SLOPE,
            right=[
                "f'(x) = 27x^2 - 2x + 9。", "所以 $f'(x)=27x^{2}-2x+9$", "导数是27x^2-2x+9",
            ],
            wrong=[
                "27x^2-2x+9x", "27x^2-2x+9 或 27x^2", "不是27x^2-2x+9", "27x^{2}-2x+9=0", "约27x^2-2x+9",
            ],
        ),
    ),
}  # fmt: skip
