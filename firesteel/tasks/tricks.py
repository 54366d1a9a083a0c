"""Answers that would earn a reward without having worked for it; they earn nothing, and are counted by name.

no thought        there is no <think>...</think>, or nothing is in it, or nothing but the answer or the question
copied question   the reply repeats the question, so that a verifier may find in it what it looks for
padding           the thought or the reply is mostly the same again and again, or mostly blank
two thoughts      the reply opens a thought of its own, where guesses could hide
"""

from __future__ import annotations

import re
import zlib

from firesteel.tasks.answers import letters
from firesteel.tasks.families.numbers import plain
from firesteel.tasks.task import Problem

COPIED = 16  # characters; a question of half as many can be copied
SHORTEST = 4  # characters of a question that can be copied at all
PADDED = 400  # characters from which on repetition is looked for
PACKED = 0.08  # a text that packs to less than this share of its bytes says the same again and again
BLANK = 0.5  # share of white space above which a long text is blank
THOUGHT = 3  # letters or digits that a thought has at least
THINK = re.compile(r"<\s{0,8}/?\s{0,8}think(?:ing)?\s{0,8}>", re.I)
FRAME = re.compile(  # what stands around an answer and is no thought by itself
    r"</?answer>|\\boxed|\b(?:the|my|final|correct|right|answer|result|is|are|it|it's|so|equals|must|should|be)\b"
    r"|最终|正确|答案|结果|应该|所以|等于|就|是|为|选|答"
)
WORKED = re.compile(r"\d\s?[-+*/×÷]\s?\d")


def trick(problem: Problem, reasoning: str | None, reply: str, *, think: bool) -> str:
    """The name of the trick that an answer is, or nothing. `think`: an answer without a thought is one."""
    if second_thought(reply):
        return "two thoughts"
    if think and not _thought(problem, reasoning, reply):
        return "no thought"
    if _copied(problem.question, reply):
        return "copied question"
    if _padded(reply) or (reasoning is not None and _padded(reasoning)):
        return "padding"
    return ""


def second_thought(reply: str) -> bool:
    """Whether a reply opens or ends a thought of its own."""
    return THINK.search(reply) is not None


def _thought(problem: Problem, reasoning: str | None, reply: str) -> bool:
    """Whether there is a thought that says more than the answer and the words around one."""
    if reasoning is None:
        return False
    said, own = letters(reasoning), letters(reply)
    added = said.replace(letters(problem.question), " ")  # the question again is no thought
    if sum(c.isalnum() for c in added) < THOUGHT or said == own or (len(said) < COPIED and said in own):
        return False
    if WORKED.search(said):
        return True
    answer = re.escape(letters(str(problem.answer)))
    rest = re.sub(rf"(?<![0-9a-z]){answer}(?![0-9a-z])", " ", FRAME.sub(" ", said)) if answer else said
    return any(c.isalnum() for c in rest)


def _copied(question: str, reply: str) -> bool:
    """Whether most of the question stands in the reply in one piece; of a short one all of it, with its question mark."""
    own, asked = letters(reply), letters(question)
    most = max(COPIED // 2, len(asked) * 3 // 4)
    if len(asked) >= COPIED // 2 and (asked[:most] in own or asked[-most:] in own):
        return True
    whole = "".join(plain(question).casefold().split())
    return len(whole) >= SHORTEST and not whole[-1].isalnum() and whole in "".join(plain(reply).casefold().split())


def _padded(text: str) -> bool:
    if len(text) < PADDED:
        return False
    if sum(c.isspace() for c in text) > BLANK * len(text):
        return True
    raw = text.encode("utf-8", "replace")
    return len(zlib.compress(raw, 6)) < PACKED * len(raw)
