"""Words and patterns of the task `reading`. What a level asks for is decided there; here is only how it is said."""

from __future__ import annotations

NAMES = {
    "zh": ("小明", "小红", "李雷", "王芳", "张伟", "陈静", "刘洋", "赵敏", "周强", "孙丽", "吴刚", "郑洁"),
    "en": ("Anna", "Peter", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Ivy", "Jack", "Laura", "Mark"),
}
PLACES = {
    "zh": ("图书馆", "火车站", "体育馆", "菜市场", "电影院", "博物馆", "公园", "医院", "邮局", "超市"),
    "en": ("library", "station", "market", "cinema", "museum", "park", "hospital", "bakery", "post office", "gym"),
}
THINGS = {
    "zh": ("雨伞", "照相机", "书包", "地图", "水壶", "手电筒", "吉他", "笔记本", "足球", "围巾"),
    "en": ("umbrella", "camera", "backpack", "map", "bottle", "lamp", "guitar", "notebook", "football", "scarf"),
}
TIMES = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
ACTS = {
    "zh": ("见了一位老朋友", "待了整整一个下午", "迷了路", "遇到了老师", "等了半个小时"),
    "en": ("met an old friend", "stayed all afternoon", "got lost", "saw a teacher", "waited for half an hour"),
}
STATES = {
    "zh": (
        "{time}，{name}带着{thing}去了{place}，在那里{act}。",
        "{name}在{time}去{place}，随身带着{thing}，还{act}。",
        "带着{thing}去{place}的是{name}，那天是{time}，{name}{act}。",
    ),
    "en": (
        "On {time} {name} went to the {place} with the {thing} and {act} there.",
        "{name} took the {thing} to the {place} on {time} and {act}.",
        "It was {name} who carried the {thing} to the {place} on {time}; there {name} {act}.",
    ),
}
ASKED: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {  # what is asked -> (wordings, those of tests alone)
    "zh": {
        "name": (("谁带了{thing}？", "谁去了{place}？"), ("{time}出门的人是谁？",)),
        "place": (("{name}去了哪里？", "{thing}被带到了哪里？"), ("{time}有人去了什么地方？",)),
        "thing": (("{name}带了什么？", "去{place}的人带了什么？"), ("{time}出门的人带的是什么？",)),
        "time": (("{name}是星期几出门的？", "星期几有人去了{place}？"), ("带{thing}的人是星期几出门的？",)),
    },
    "en": {
        "name": (("Who took the {thing}?", "Who went to the {place}?"), ("Who was out on {time}?",)),
        "place": (("Where did {name} go?", "Where was the {thing} taken?"), ("To which place did somebody go on {time}?",)),
        "thing": (("What did {name} take along?", "What was taken to the {place}?"), ("What was carried on {time}?",)),
        "time": (("On which day did {name} go out?", "On which day did somebody go to the {place}?"),
                 ("On which day was the {thing} carried?",)),
    },
}  # fmt: skip
REFERENCES = {  # (text, question, which of the two is meant)
    "zh": (
        ("{a}把书借给{b}，因为他想看这本书。", "想看书的是谁？", 2),
        ("{a}把书还给{b}，因为他已经看完了。", "看完书的是谁？", 1),
        ("{a}扶着{b}走下楼梯，因为他的脚受伤了。", "谁的脚受伤了？", 2),
        ("{a}没有追上{b}，因为他跑得太快了。", "谁跑得太快？", 2),
        ("{a}没有追上{b}，因为他跑得太慢了。", "谁跑得太慢？", 1),
        ("{a}听不懂{b}的话，因为他说得太快了。", "谁说得太快？", 2),
        ("{a}向{b}道歉，因为他迟到了。", "谁迟到了？", 1),
        ("{a}感谢{b}，因为他得到了帮助。", "谁得到了帮助？", 1),
        ("{a}感谢{b}，因为他给了很大的帮助。", "谁给了帮助？", 2),
        ("{a}向{b}问路，因为他不认识路。", "谁不认识路？", 1),
        ("{a}向{b}问路，因为他对这里很熟悉。", "谁对这里很熟悉？", 2),
        ("{a}请{b}修自行车，因为他的手艺很好。", "谁的手艺很好？", 2),
        ("{a}请{b}修自行车，因为他自己不会修。", "谁不会修自行车？", 1),
        ("{a}举不起{b}，因为他太重了。", "谁太重？", 2),
        ("{a}举不起{b}，因为他力气太小了。", "谁力气太小？", 1),
    ),
    "en": (
        (
            "{a} lent {b} a book that {b} had asked for, and said: I need it back by Friday.",
            "Who needs the book back?",
            1,
        ),
        ("{a} thanked {b} for the help that had been received.", "Who received help?", 1),
        ("{a} thanked {b} for the help that had been given.", "Who gave help?", 2),
        ("{a} could not catch {b}, the faster runner of the two.", "Who is the faster runner?", 2),
        ("{a}, the slower runner of the two, could not catch {b}.", "Who is the slower runner?", 1),
        ("{a} asked {b} for the way and followed the advice.", "Who followed the advice?", 1),
        ("{a} asked {b} for the way and got good advice.", "Who gave the advice?", 2),
        ("{a} apologised to {b} for being late.", "Who was late?", 1),
        ("{a} forgave {b} for being late.", "Who was late?", 2),
        ("{a} promised {b} to call in the evening.", "Who is to call in the evening?", 1),
        ("{a} asked {b} to call in the evening.", "Who is to call in the evening?", 2),
        ("{a} bought the old piano from {b}.", "Who sold the piano?", 2),
        ("{a} sold the old piano to {b}.", "Who sold the piano?", 1),
        ("{a} was taught to swim by {b}.", "Who is the teacher?", 2),
        ("{a} taught {b} to swim.", "Who is the teacher?", 1),
    ),
}
JUDGED = {"zh": ("对", "错", "不知道"), "en": ("yes", "no", "unknown")}
FOLLOWS = {
    "zh": (
        "根据上文，“{name}去了{place}”这句话对吗？答“对”“错”或“不知道”。",
        "“{name}去的是{place}”：对、错，还是文中没说（不知道）？",
        "请判断：{name}到{place}去了。（对／错／不知道）",
    ),
    "en": (
        'Does it follow that "{name} went to the {place}"? Answer yes, no or unknown.',
        "Is it true that {name} went to the {place}? Say yes, no, or unknown if the text does not tell.",
        'Judge the statement "the {place} is where {name} went": yes, no or unknown.',
    ),
}
CARRY = {
    "zh": ("{thing}起初在{a}手里。", ("{a}把它交给了{b}。", "后来{b}从{a}那里拿走了它。", "{a}又把它转送给{b}。")),
    "en": (
        "At first {a} has the {thing}.",
        ("{a} gives it to {b}.", "Then {b} takes it from {a}.", "{a} passes it on to {b}."),
    ),
}
WHO_HAS = {
    "zh": ("现在{thing}在谁手里？", "最后{thing}在谁那里？", "到头来是谁拿着{thing}？"),
    "en": ("Who has the {thing} now?", "In whose hands is the {thing} at the end?", "Who ends up with the {thing}?"),
}
