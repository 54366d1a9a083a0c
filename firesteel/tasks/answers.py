"""Reading the answer out of a reply, and the plain verifier: numbers by value, texts by their letters, choices by name.

A reply claims an answer by a mark (\\boxed{}, <answer></answer>, ####, "the answer is", 答案是) or by saying nothing else.
Two claims that differ are no answer: a list of guesses must not earn what one of its guesses would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from firesteel.tasks.families.numbers import ALTERNATIVE, all_numbers, bare, stated, undenied, worth
from firesteel.tasks.families.numbers import plain as plain  # verifiers elsewhere compare with these, too
from firesteel.tasks.families.numbers import value as value
from firesteel.tasks.families.numerals import counted, english, english_numbers, han_numbers

if TYPE_CHECKING:
    from firesteel.tasks.task import Problem

LONGEST = (
    16_384  # characters of a reply that are read, the last ones; verifiers must stay quick on whatever a model writes
)
SPOKEN = 64  # characters; a text without a mark is an answer only if it is about this short


@dataclass(frozen=True)
class Found:
    """What a verifier found: 0 to 1, a word or two on why, and the answer that it read (None: none)."""

    reward: float
    reason: str
    parsed: str | None = None


def right(parsed: str) -> Found:
    """The whole reward."""
    return Found(1.0, "right", parsed)


def wrong(parsed: str) -> Found:
    """An answer, but not the right one."""
    return Found(0.0, "wrong", parsed)


NOTHING = Found(0.0, "no answer")
SEVERAL = Found(0.0, "several answers")

# --- marks -----------------------------------------------------------------------------------------------------------

TAGGED = re.compile(r"<answer>(.*?)</answer>", re.S | re.I)
HASHED = re.compile(r"^#{4}[ \t]*(\S.*)$", re.M)
IS = r"(?:\s{0,3}(?:(?:is|are|was|equals?|be|would be|should be|must be)(?![A-Za-z])|[:=])){1,3}"
ZH_IS = r"\s{0,3}(?:应该是|应该为|应为|应是|就是|便是|是|为|等于|[:：=选]){1,3}"
ENDS = r"(?P<en>[^\n]+?)(?:[.!;](?=\s|$)|\n|$)"
NO_ANSWER = r"(?<!\bnot the )(?<!\bnot an )(?<!n't the )(?<!不是)(?<!并非)"
SAID = re.compile(
    rf"{NO_ANSWER}(?:\banswer(?:\s+(?:to|of|for)\s[^\n.:=]{{1,80}}?)?{IS}\s*{ENDS}"
    rf"|(?:答案|答)(?:{ZH_IS})\s*(?P<zh>[^\n。；！]+))",
    re.I,
)
GIVES = r"(?<![取获觉使值])得[到出]?[:：]?(?=\s?[-−]?\d[\d,.]{0,32}[^\d\n，,。]{0,4}(?:[。！\n]|$))"  # 再加4，得158。
WEAKLY = re.compile(
    rf"\b(?:result|total|sum|next (?:number|term)){IS}\s*{ENDS}"
    rf"|(?:(?:结果|得数|下一个数|下一项)(?:{ZH_IS})|{GIVES})\s*(?P<zh>[^\n。；！]+)",
    re.I,
)  # steps have results and totals, too: they count where nothing is called the answer
CONCLUDED = re.compile(
    r"\b(?:so|therefore|thus|hence|in total|altogether|in all)\b|∴|所以|因此|因而|综上|总共|一共|合计", re.I
)
SENTENCE = re.compile(r"[^\n。！？!?；;.]+(?:\.(?=\S)[^\n。！？!?；;.]*)*[.。！？!?；;]?")


def marked(reply: str) -> list[str]:
    """What a reply marks as its answer, each different text once: by its strongest kind of mark, and against it."""
    reply = reply[-LONGEST:].replace("**", "").replace("__", "")
    strong: list[str] = []
    tagged = (
        TAGGED.findall(reply) if "</answer>" in reply.casefold() else []
    )  # a tag never closed would cost its square
    for found in (tagged, boxed(reply), HASHED.findall(reply)):
        strong = strong or _distinct(found)
    said = _said(SAID, reply)
    if not strong:
        return said or [text for text in _said(WEAKLY, reply) if not _has_number(reply.rpartition(text)[2])]
    known = [letters(text) for text in strong]
    return strong + [text for text in said if not any(each in letters(text) for each in known)]


def _said(pattern: re.Pattern[str], reply: str) -> list[str]:
    return _distinct(m["en"] or m["zh"] for m in pattern.finditer(reply))


def boxed(reply: str) -> list[str]:
    """The contents of each \\boxed{...}, braces balanced."""
    found, start = [], reply.find("\\boxed{")
    while start >= 0:
        depth, i = 1, start + 7
        while i < len(reply) and depth:
            depth += {"{": 1, "}": -1}.get(reply[i], 0)
            i += 1
        if depth:
            break
        found.append(reply[start + 7 : i - 1])
        start = reply.find("\\boxed{", i)
    return found


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(t.strip().strip("*` ") for t in texts if t.strip(" \t\n*`")))


def concluding(reply: str) -> str:
    """What a reply says that it concludes (so, in total, 所以), to the ends of those sentences; without any, all of it."""
    found = []
    for sentence in SENTENCE.finditer(reply[-LONGEST:]):
        mark = CONCLUDED.search(sentence[0])
        if mark and _has_number(sentence[0]):
            rest = sentence[0][mark.start() :]
            found.append(rest if _has_number(rest) else sentence[0])
    return "\n".join(found) or reply[-LONGEST:]


SO = re.compile(r"\b(?:so|therefore|thus|hence)\b|∴|所以|因此|因而|综上", re.I)


def conclusion(reply: str) -> str:
    """The last sentence of a reply, from where it concludes (so, 所以): what else is named before it was on the way."""
    sentences = [m[0] for m in SENTENCE.finditer(reply[-LONGEST:]) if any(c.isalnum() for c in m[0])]
    marks = list(SO.finditer(sentences[-1])) if sentences else []
    return sentences[-1][marks[-1].end() :] if marks else ""


BOLD = re.compile(r"\*\*([^*\n]{1,80})\*\*")


def _emphasised(reply: str) -> list[str]:
    """The number that stands in bold at the end of the last line, where nothing else there is bold or an alternative."""
    line = reply[-LONGEST:].rstrip().rpartition("\n")[2]
    bold = list(BOLD.finditer(line))
    if len(bold) != 1 or _has_number(line[bold[0].end() :]) or ALTERNATIVE.search(plain(line)):
        return []
    said = undenied(line[: bold[0].end()].replace("**", "")).rstrip()
    found = spoken(bold[0][1]) if said.endswith(bold[0][1].rstrip()) else []  # else it is denied: not **38**
    return found if len(found) == 1 else []


def unasking(reply: str) -> str:
    """A reply without the questions that it asks: "Is it 42?" claims nothing."""
    if "?" not in reply and "？" not in reply:
        return reply
    return "".join(m[0] if m[0][-1] not in "?？" else " " for m in re.finditer(rf"{SENTENCE.pattern}|\n", reply))


def _has_number(text: str) -> bool:
    return any(c.isdigit() for c in text)


# --- numbers ---------------------------------------------------------------------------------------------------------


WORDED = re.compile(
    r"\b(?!(?:and|or)\b)[A-Za-z]{2}|[\u4e00-\u9fff]{2}|[=是为]"
)  # bare numbers in a row are guesses, not a sentence


def claims(reply: str, question: str = "") -> list[str]:
    """The different numbers that a reply claims: the marked ones, else all that the question does not name itself."""
    said = marked(reply)
    if said:
        if any(ALTERNATIVE.search(plain(text)) for text in said):
            return _by_value(n for text in said for n in all_numbers(text))
        found = [n for text in said for n in spoken(text)]
        return _by_value(_unasked(found, question) if len(said) == 1 else found)
    text = concluding(unasking(_unchecked(reply)))
    if ALTERNATIVE.search(plain(text)):
        return _by_value(all_numbers(text))
    found = spoken(text)
    sure = _unasked(found, question) if WORDED.search(plain(text)) else found
    return _by_value(found if _in_a_row(text, sure) else sure)


CHECKED = re.compile(
    r"(?:\b(?:check(?:ing)?|verify(?:ing)?|verification)\b|验算|检验|验证)[^\d\n=]{0,40}"
    r"-?\d[-\d\s+*/×÷−().]{0,64}=\s*-?\d+(?:\.\d+)?[^\d\n]{0,16}(?=\n|$)",
    re.I,
)


def _unchecked(reply: str) -> str:
    """A reply without the equation by which it checks what it said before."""
    return CHECKED.sub(lambda m: " " if _has_number(reply[: m.start()]) else m[0], reply)


ROW = re.compile(r"(?<![\d.])(?:-?\d[\d.]{0,24}[^\d\s、,，=+*/()（）-]{0,3}[ ]?[、,，][ ]?(?:and )?){2,}-?\d[\d.]*")


def _in_a_row(text: str, found: list[str]) -> bool:
    """Whether a number stands in a row of three or more with others: 5个、7个、12个 is a list of guesses."""
    listed = {worth(each) for row in ROW.finditer(text) for each in all_numbers(row[0])}
    return any(worth(n) in listed for n in found)


def _unasked(found: list[str], question: str) -> list[str]:
    """Where there are several numbers, those that the question does not name."""
    if len(_by_value(found)) < 2:
        return found
    asked = {worth(n) for n in all_numbers(question)}
    return [n for n in found if worth(n) not in asked] or found


def _by_value(found: Iterable[str]) -> list[str]:
    return list({worth(n): n for n in found}.values())


def spoken(text: str) -> list[str]:
    """The numbers that a text states, in digits or else in words."""
    if found := stated(text):
        return found
    if _has_number(plain(text)):
        return []
    said = undenied(plain(text)).strip(EDGES)
    short = len(said) <= SPOKEN and not re.search(r"\bor\b", said, re.I)
    if (one := counted(said)) is not None or (short and (one := english(said)) is not None):
        return [str(one)]
    return [str(n) for n in han_numbers(said) or english_numbers(said)]


def number(problem: Problem, reply: str) -> Found:
    """Verifier: the one number that the reply claims is worth what the answer is worth."""
    found = claims(reply, problem.question)
    if len(found) > 1 and not marked(reply):
        found = _emphasised(reply) or found
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    if not same(found[0], problem.answer, problem.question):
        return wrong(found[0])
    return NOTHING if hedged(found[0], reply) else right(found[0])


# Patterns about a claim are written once, for texts in which CLAIM stands for it. DIGIT: digits, the claim's own among them.
CLAIM = "\ua66e"  # a letter that nobody writes
DIGIT = rf"\d{CLAIM}"
HEDGE = (  # words before a number that make another of it, or none
    r"(?:\b(?:about|around|roughly|nearly|almost|approximately|maybe|perhaps|probably|possibly|near|close to|such as"
    r"|half(?: of)?|twice|thrice|double|(?:third|quarter|fifth|tenth|part|multiple|square|cube|root|opposite) of|up to"
    r"|(?:far|different) from|(?:starts?|ends?|begins?) (?:in|with)|(?:any|all|every)\w{0,6} but|(?:can't|cannot|can not) be"
    r"|at least|at most|not|(?:more|less|greater|fewer|larger|smaller|earlier|later) than|except(?: for)?"
    r"|(?:might|may|could) be|guess|for example|e\.g\."
    r"|(?:whether|if) (?:it|that|the \w{1,16}))|[~≈±约]|接近|将近|差不多|大概|可能|也许|是否|比如|例如|我?猜"
    r"|至[少多]|大于|小于|[多少]于|超过|不到|不足|除了?|不(?:可能|会|应该?)?|并非)"
    r"\W{0,4}(?:is|are|[是为有在]|等于)?\W{0,4}"
)
AFTERTHOUGHT = (
    rf"(?:[^{DIGIT}\n]{{0,8}}(?:左右|上下|\bor so\b|\bonly if\b|\bis(?: not|n't)\b(?!\s*[{DIGIT}])"
    rf"|\bis (?:false|wrong|incorrect)\b|不对|是错|不是(?=[^\w\s]|答案|正确|对|\s*$)|不可能)"
    rf"|\W{{0,3}}(?:plus|minus|less one|squared|dozen|would be|or (?:the|maybe|perhaps|possibly|rather))\b|\s?[/*×÷^]\s?[{DIGIT}]"
    rf"|\s?(?:[结开]尾|[结开]头|分之|千(?![克米瓦卡升])|打(?=\W|$)|的(?!话)\w|[以之]外)"
    rf"|[加减乘除]以?\s?[{DIGIT}一二两三四五]"
    rf"|\s?[多几来](?=[^\W{DIGIT}a-zA-Z于出了算自到])|\s?多(?=\W|$))"
)
STANDS = re.compile(rf"(?<![{DIGIT}.]){CLAIM}(?![{DIGIT}%])")
DOUBTED = re.compile(
    rf"{HEDGE}{CLAIM}(?![{DIGIT}])|以{CLAIM}[结开]|比{CLAIM}[大小多少]|(?<![{DIGIT}.]){CLAIM}{AFTERTHOUGHT}", re.I
)
TAKEN_BACK = re.compile(  # and another in its place; 等等 alone is "and so on"
    r"(?:^|[\s.,;:!?…。，；！？—-])(?:"
    r"(?:wait|no|sorry|oops|correction)(?=\s*[,.:;!?…-]|\s+(?:it|that|the answer|make)\b|\s\d)"
    r"|actually(?=\W{1,3}(?:it|that|the|not|\d))"
    r"|(?:on second thought|I mean|make that|scratch that|or (?:maybe|perhaps|rather))\b"
    r"|(?:不对|等等|更正|说错|抱歉|哦不|不)(?=[了是为]?[，,：:。！\s]))[^\n]{0,40}\w",
    re.I,
)


def with_claim(claim: str, text: str) -> str:
    """The text with CLAIM wherever the claim stands, in other words and numbers too."""
    assert claim, "no claim"
    return text.replace(CLAIM, " ").replace(claim, CLAIM)


def hedged(claim: str, reply: str) -> bool:
    """Whether a reply says of its number only that it is about that, or takes it back; fractions may be approximate."""
    text = with_claim(claim, bare(reply[-LONGEST:]))
    whole = claim.lstrip("-").replace(",", "").isdigit()
    return dubious(text) if whole else taken_back(text)


def doubted(claim: str, reply: str) -> bool:
    """Whether each time that a reply says this it says about, perhaps, or not, or takes it back afterwards."""
    return dubious(with_claim(claim, bare(reply[-LONGEST:])))


def dubious(text: str) -> bool:
    """The same of a text in which CLAIM stands for the claim."""
    return taken_back(text) or 0 < len(STANDS.findall(text)) <= len(DOUBTED.findall(text))


def taken_back(text: str, claim: str = CLAIM) -> bool:
    """Whether a text goes on after its claim with another: "42. No, it is 43"."""
    last = next((m.end() for m in reversed(list(STANDS.finditer(text)))), -1) if claim == CLAIM else text.rfind(claim)
    return last >= 0 and TAKEN_BACK.search(text, last) is not None


def sure(found: Found, reply: str) -> Found:
    """What was found, or nothing where the reply does not stand by it."""
    return NOTHING if found.reward and found.parsed and doubted(found.parsed, reply) else found


def same(claim: str, answer: object, question: str = "") -> bool:
    """Whether a written number is worth the answer. 84/4 is not 21 but is left to work out; 75% is 75 where % is asked."""
    wanted, own = value(str(answer)), value(claim)
    assert wanted is not None, answer
    if own is None:
        return False
    if "/" in claim and (wanted.denominator == 1 or claim in bare(question).replace(" ", "")):
        return False
    return own == wanted or (claim.endswith("%") and own * 100 == wanted and _percent_asked(question))


def _percent_asked(question: str) -> bool:
    return not question or bool(re.search(r"%|percent|百分", question, re.I))


# --- texts and choices -----------------------------------------------------------------------------------------------

EDGES = " \t\n\r.,;:!?\"'`*()[]{}“”‘’。，、；：！？（）【】《》$"


def letters(text: str) -> str:
    """A text for comparing: one width, one case, single spaces, nothing at its edges."""
    return " ".join(plain(text).casefold().split()).strip(EDGES)


def unwrapped(text: str) -> str:
    """A text out of its LaTeX: \\text{Anna}, $Anna$, \\(Anna\\)."""
    text = re.sub(r"\\(?:text|mathrm|mathbf|textbf|mbox|boxed)\s*\{([^{}\\]{0,400})\}", r"\1", text)
    return re.sub(r"^\s*(?:\\\(|\\\[|\$\$?)(.*?)(?:\\\)|\\\]|\$\$?)\s*[.。]?\s*$", r"\1", text, flags=re.S)


def text(problem: Problem, reply: str) -> Found:
    """Verifier: the marked text, or a short reply as a whole, is the answer but for case, width and edges."""
    return compared(problem, reply, lambda said: letters(said) == letters(str(problem.answer)))


def compared(problem: Problem, reply: str, equal: Callable[[str], bool]) -> Found:
    """Judge by a comparison of one's own the text that a reply claims."""
    said = [unwrapped(s) for s in marked(reply)]
    if len({letters(s) for s in said}) > 1:
        return SEVERAL
    claim = said[0] if said else unwrapped(reply[-LONGEST:]).strip()
    if not claim or (not said and len(claim) > SPOKEN + len(str(problem.answer))):
        return NOTHING
    return right(claim) if equal(claim) else wrong(claim)


def choice(problem: Problem, reply: str) -> Found:
    """Verifier: of `facts["choices"]` the reply names one, the right one."""
    found = named(reply, problem.facts["choices"])
    if len(found) != 1:
        return SEVERAL if found else NOTHING
    return sure(right(found[0]), reply) if letters(found[0]) == letters(str(problem.answer)) else wrong(found[0])


NOT = r"(?:\bnot\s+(?:the\s+|an?\s+)?|n't\s+(?:the\s+|an?\s+)?|\bother than\s+|\bexcept\s+|不是|不一定|并非|而非|除了?)"


def named(reply: str, choices: Sequence[str]) -> list[str]:
    """Which of the choices a reply names (in its marked answer, if it marks one); of overlapping ones the longest.

    A choice that is one Latin letter is looked for as it is written: "a" is a word.
    """
    rest, found = plain(" \n ".join(marked(reply)) or reply[-LONGEST:]), []
    for each in sorted(choices, key=len, reverse=True):
        name = plain(each)
        border = r"(?<![A-Za-z0-9]){}(?![A-Za-z0-9])" if name.isascii() else "{}"
        flags = 0 if len(name) == 1 else re.I
        pattern = border.format(re.escape(name))
        rest = re.sub(NOT + pattern, "\x01", rest, flags=flags)
        rest, times = re.subn(pattern, "\x00", rest, flags=flags)
        if times:
            found.append(each)
    return found


def exact(problem: Problem, reply: str) -> Found:
    """Verifier of problems that bring none: choices if there are some, a number by value, else a text."""
    if "choices" in problem.facts:
        return choice(problem, reply)
    if isinstance(problem.answer, (int, float, Fraction)) and not isinstance(problem.answer, bool):
        return number(problem, reply)
    return text(problem, reply)
