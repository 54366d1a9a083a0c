"""Answers that would earn a reward without having worked for it; they earn nothing, and are counted by name.

no thought        there is no <think>...</think>, or nothing is in it, or nothing but the answer
copied question   the reply repeats the question, so that a verifier may find in it what it looks for
padding           the thought or the reply is mostly the same again and again, or mostly blank
two thoughts      the reply opens a thought of its own, where guesses could hide
"""

from __future__ import annotations

import zlib

from firesteel.tasks.answers import letters
from firesteel.tasks.task import Problem

COPIED = 16  # characters; a question of half as many can be copied
PADDED = 400  # characters from which on repetition is looked for
PACKED = 0.08  # a text that packs to less than this share of its bytes says the same again and again
BLANK = 0.5  # share of white space above which a long text is blank
THOUGHT = 3  # letters or digits that a thought has at least


def trick(problem: Problem, reasoning: str | None, reply: str, *, think: bool) -> str:
    """The name of the trick that an answer is, or nothing. `think`: an answer without a thought is one."""
    if "<think>" in reply or "</think>" in reply:
        return "two thoughts"
    if think and not _thought(reasoning, reply):
        return "no thought"
    if _copied(problem.question, reply):
        return "copied question"
    if _padded(reply) or (reasoning is not None and _padded(reasoning)):
        return "padding"
    return ""


def _thought(reasoning: str | None, reply: str) -> bool:
    if reasoning is None:
        return False
    said = letters(reasoning)
    if sum(c.isalnum() for c in said) < THOUGHT:
        return False
    return said != letters(reply) and not (len(said) < COPIED and said in letters(reply))


def _copied(question: str, reply: str) -> bool:
    """Whether most of the question stands in the reply in one piece."""
    own, asked = letters(reply), letters(question)
    most = max(COPIED // 2, len(asked) * 3 // 4)
    return len(asked) >= COPIED // 2 and (asked[:most] in own or asked[-most:] in own)


def _padded(text: str) -> bool:
    if len(text) < PADDED:
        return False
    if sum(c.isspace() for c in text) > BLANK * len(text):
        return True
    raw = text.encode("utf-8", "replace")
    return len(zlib.compress(raw, 6)) < PACKED * len(raw)
