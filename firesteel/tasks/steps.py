"""Which steps of an answer are right: the verifier of a working, against the problem's own worked solution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from firesteel.core.thoughts import spoken
from firesteel.core.tokenizer import Tokenizer
from firesteel.tasks.task import Problem

ENDS = (b";", b"\n")  # of a column, of a line; a token may hold more than the sign itself


def worked_steps(tokenizer: Tokenizer, problem: Problem) -> list[str]:
    """What the worked solution says at each step; nothing where no thought is worked."""
    if not problem.reasoning:
        return []
    worked = tokenizer.render(spoken(tokenizer, problem.messages()))
    said_ids = [id for id, said in zip(worked.ids, worked.mask, strict=True) if said]
    return [text for _, text in steps(tokenizer, said_ids)]


def judged_steps(
    tokenizer: Tokenizer, reference: Sequence[str], ids: Sequence[int], correct: bool
) -> tuple[tuple[int, bool], ...]:
    """(token past the end, right) of each step of `ids`, up to the first wrong one.

    A step is right when it says what the worked solution (`worked_steps`) says there. A correct answer is right in all its
    steps, however it was worked: the answer rules, the solution only tells where a wrong one went astray. Without a
    worked thought no step can be judged.
    """
    out: list[tuple[int, bool]] = []
    if not reference:
        return ()
    for i, (end, text) in enumerate(steps(tokenizer, ids)):
        right = correct or (i < len(reference) and text == reference[i])
        out.append((end, right))
        if not right:
            break
    return tuple(out)


def steps(tokenizer: Tokenizer, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Cut an answer after each column, each line, the thought's end, and its own end: (token past the end, text)."""
    borders = {tokenizer.end_think_id, *tokenizer.stop_ids}
    start = 0
    for i, id in enumerate(ids):
        if id in borders or i == len(ids) - 1 or any(end in tokenizer.pieces.of(id) for end in ENDS):
            yield i + 1, tokenizer.backend.decode(list(ids[start : i + 1]), skip_special_tokens=False)
            start = i + 1
