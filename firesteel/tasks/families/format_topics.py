"""What format tasks write about: topics with their names, and true short sentences for the worked solutions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A thing with a name and sentences in each language; every sentence names it."""

    name: dict[str, str]
    sentences: dict[str, tuple[str, ...]]


def _topic(zh: str, en: str, chinese: str, english: str) -> Topic:
    """Sentences are written with | between them and # for the topic's name."""
    return Topic(
        {"zh": zh, "en": en},
        {
            "zh": tuple(s.replace("#", zh) + "。" for s in chinese.split("|")),
            "en": tuple(s.replace("#", en)[0].upper() + s.replace("#", en)[1:] + "." for s in english.split("|")),
        },
    )


TOPICS = (
    _topic(
        "茶",
        "tea",
        "#是一种热饮|南方的山上长着#树|人们用热水泡#叶|客人来了主人先上#|绿#的味道有点苦|#要放在干燥的地方",
        "# is a warm drink|people grow # on green hills|hot water brings out the taste of #|guests often get a cup of # first|"
        "green # can taste a little bitter|dry places are best to keep #",
    ),
    _topic(
        "猫",
        "cats",
        "#喜欢在白天睡觉|#能在黑夜里看见东西|小#常常追着线球跑|#用舌头洗自己的毛|老鼠很怕#|#跳得又高又轻",
        "# like to sleep by day|# can see well in the dark|young # often chase a ball|# wash their fur with the tongue|"
        "mice are afraid of #|# jump high and land softly",
    ),
    _topic(
        "雨",
        "rain",
        "#从云里落下来|春天的#对庄稼很好|下#的时候路上很滑|大#会让河水上涨|人们打着伞在#里走|#停了以后空气很清新",
        "# falls from the clouds|farmers like # in spring|roads get wet and slippery in #|heavy # makes rivers rise|"
        "people carry umbrellas in the #|the air smells fresh after #",
    ),
    _topic(
        "书",
        "books",
        "#里写着许多故事|图书馆里有很多#|孩子们喜欢有图画的#|旧#的纸会慢慢变黄|读#让人学到新知识|#可以借给朋友看",
        "# hold many stories|libraries keep a lot of #|children like # with pictures|the paper of old # turns yellow|"
        "people learn new things from #|friends can borrow your #",
    ),
    _topic(
        "月亮",
        "the moon",
        "#绕着地球转|#自己不发光|满月的时候#又圆又亮|海水的涨落与#有关|中秋节人们一起看#|宇航员曾经登上#",
        "# goes around the earth|# gives no light of its own|sailors know that # moves the tides|people have walked on #|"
        "every month # grows full and round|many poems speak of #",
    ),
    _topic(
        "自行车",
        "bicycles",
        "#有两个轮子|骑#不用汽油|很多学生骑#上学|#的轮胎要常常打气|小区门口停着许多#|骑#对身体有好处",
        "# have two wheels|# need no petrol at all|many students ride # to school|the tyres of # need air now and then|"
        "riding # keeps people healthy|some cities build special roads for #",
    ),
    _topic(
        "大海",
        "the sea",
        "#里有各种各样的鱼|#的水是咸的|轮船在#上航行|早晨#上会升起太阳|#的颜色随天气变化|孩子们在#边捡贝壳",
        "many kinds of fish live in #|the water of # is salty|big ships cross # every day|in the morning the sun rises over #|"
        "the colour of # changes with the weather|children look for shells near #",
    ),
    _topic(
        "面包",
        "bread",
        "#是用面粉做的|刚烤好的#很香|很多人早饭吃#|#放久了会变硬|面包师很早起来做#|#可以和牛奶一起吃",
        "# is made from flour|fresh # smells wonderful|many people eat # for breakfast|old # becomes hard and dry|"
        "bakers get up early to make #|children like # with butter",
    ),
)
