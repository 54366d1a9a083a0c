"""Answers that would earn a reward without having worked for it; they earn nothing, and are counted by name.

no thought        there is no <think>...</think>, or nothing is in it, or nothing but the answer or the question, one word
                  again and again, or a short phrase that names nothing of the question ("Let me think.")
copied question   the reply repeats the question, so that a verifier may find in it what it looks for
padding           the thought or the reply is mostly the same again and again, or mostly blank
two thoughts      the reply opens a thought of its own, where guesses could hide
control token     the reply writes what only a template may: <|im_start|>, the end of a turn
"""

from __future__ import annotations

import re
import zlib

from firesteel.tasks.answers import letters
from firesteel.tasks.families.numbers import plain
from firesteel.tasks.task import Problem

COPIED = 16  # characters; a question of half as many can be copied
SHORTEST = 4  # characters of a question that can be copied at all
WORDY = 12  # letters (Chinese characters count twice) of a copy; a sum said again is how one answers it
PADDED = 400  # characters from which on repetition is looked for
PACKED = 0.08  # a text that packs to less than this share of its bytes says the same again and again
SAME, WORDS = 10, 20  # a text of so many words, of which each is said ten times on average, is padding
BLANK = 0.5  # share of white space above which a long text is blank
THOUGHT = 3  # letters or digits that a thought has at least
THINK = re.compile(r"<\s{0,8}/?\s{0,8}think(?:ing)?\s{0,8}>", re.I)
CONTROL = re.compile(r"<[|｜](?!tool)[^<>|｜\n]{1,40}[|｜]>|</?tool_calls?>", re.I)
ISO = r"\d{4}-\d{1,2}-\d{1,2}"  # a date is no subtraction
HAN = r"[\u3400-\u9fff]"
TOKEN = re.compile(rf"\d+|[a-z]+|{HAN}")
PAIR, ALONE = re.compile(rf"(?=({HAN}{HAN}))"), re.compile(rf"(?<!{HAN}){HAN}(?!{HAN})")
PLAIN = frozenset(
    "am an and any are as at be by can do does each for from has have how if in is it its let make many me most must my no not "
    "of on one or our out say says that the them then there these they think this to true two us was we what when where "
    "which who will with would write you your answer question user first last only both all some about solve now "
    "我们 你们 他们 一个 这个 那个 多少 几个 什么 可以 是否 请问 回答 问题 答案 我来 需要 用户 应该 了一 然后".split()
)
SHORT = 80  # characters below which a thought has to name something of the question
FRAME = re.compile(  # what stands around an answer and is no thought by itself
    r"</?answer>|\\boxed|\bstep \d+|\b(?:the|my|final|correct|right|answer|result|is|are|it|it's|so|equals|must|should|be)\b"
    r"|最终|正确|答案|结果|应该|所以|等于|就|是|为|选|答"
)
WORKED = re.compile(r"\d\s?[-+*/×÷]\s?\d")


def trick(problem: Problem, reasoning: str | None, reply: str, *, think: bool) -> str:
    """The name of the trick that an answer is, or nothing. `think`: an answer without a thought is one."""
    if second_thought(reply):
        return "two thoughts"
    if CONTROL.search(reply):
        return "control token"
    if _copied(problem.question, reply):
        return "copied question"
    if _padded(reply) or (reasoning is not None and reasoning.strip() and _padded(reasoning)):
        return "padding"
    return "no thought" if think and not _thought(problem, reasoning, reply) else ""


def second_thought(reply: str) -> bool:
    """Whether a reply opens or ends a thought of its own."""
    return THINK.search(reply) is not None


def _thought(problem: Problem, reasoning: str | None, reply: str) -> bool:
    """Whether there is a thought that says more than the answer and the words around one."""
    if reasoning is None:
        return False
    said, own = letters(reasoning), letters(reply)
    added = said if problem.tools else _unasked(said, problem.question)
    added = added.replace(own, " ") if len(own) >= COPIED else added
    if sum(c.isalnum() for c in added) < THOUGHT or said == own or (len(said) < COPIED and said in own):
        return False
    answer = re.escape(letters(str(problem.answer)))
    rest = re.sub(rf"(?<![0-9a-z]){answer}(?![0-9a-z])", " ", FRAME.sub(" ", added)) if answer else added
    tokens = TOKEN.findall(rest)
    if len(set(tokens)) == 1 and tokens[0] in TOKEN.findall(own) and not re.search(r"[<>=+*/]", rest):
        return False
    sums = re.sub(rf"{ISO}|{answer}" if WORKED.search(answer.replace("\\", "")) else ISO, " ", added)
    if WORKED.search(sums) or (problem.reasoning and letters(problem.reasoning) in added):
        return True
    if not tokens:
        return any(c.isalnum() for c in rest)  # a script of its own
    if len(set(tokens)) == 1 and (len(tokens) >= THOUGHT or (len(tokens[0]) >= THOUGHT and len(set(tokens[0])) == 1)):
        return False
    counted = len({t for t in TOKEN.findall(rest) if t.isdigit()}) > 1
    if problem.tools:
        return True  # the call says what is worked on
    return len(rest) > SHORT or counted or _names(rest, problem.question)


def _unasked(said: str, question: str) -> str:
    """A thought without the sentences that the question's last line has: the question again is no thought."""
    asked = letters(question.strip().rpartition("\n")[2])
    said = said.replace(letters(question), " ").replace(asked, " ") if asked else said
    parts = re.split(r"(?<=[.!?;])(?=\s|$)|(?<=[。？！；])", said)
    return "".join(part for part in parts if letters(part) not in asked)


def _names(said: str, question: str) -> bool:
    """Whether a thought names anything of the question: a number, a word that says something, two characters in a row."""
    asked = letters(question)
    if {t for t in TOKEN.findall(asked) if t.isdigit() or len(t) > 1} & (set(TOKEN.findall(said)) - PLAIN):
        return True
    pairs = {m[1] for m in PAIR.finditer(said)} - PLAIN
    return any(pair in asked for pair in pairs) or any(m[0] in asked for m in ALONE.finditer(said))


def _copied(question: str, reply: str) -> bool:
    """Whether most of the question stands in the reply in one piece; of a short one all of it, with its question mark."""
    own, asked = letters(reply), letters(question)
    most = max(COPIED // 2, len(asked) * 3 // 4)
    if len(asked) >= COPIED // 2:
        copies = [each for each in (asked[:most], asked[-most:]) if each in own]
        if any(sum(1 + (c > "\u3400") for c in each if c.isalpha()) >= WORDY for each in copies):
            return True
    whole = "".join(plain(question).casefold().split())
    return len(whole) >= SHORTEST and not whole[-1].isalnum() and whole in "".join(plain(reply).casefold().split())


def _padded(text: str) -> bool:
    words = TOKEN.findall(text.casefold())
    if len(words) >= WORDS and len(words) >= SAME * len(set(words)):
        return True
    if len(text) < PADDED:
        return False
    if sum(c.isspace() for c in text) > BLANK * len(text):
        return True
    raw = text.encode("utf-8", "replace")
    return len(zlib.compress(raw, 6)) < PACKED * len(raw)
