"""Where the assistant speaks in a rendered conversation: what training learns.

A template with {% generation %} tags says so itself. For the others, a turn begins where the prompt for it ends, which
must be a prefix of the conversation: what serving shows the model is then what training showed it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firesteel.core.chat_template import ChatTemplate, Marks, Message
from firesteel.core.control import Control
from firesteel.core.errors import UserError

Span = tuple[int, int]  # first character, and the one past the last


def drawn_spans(
    template: ChatTemplate, control: Control, turn_end: int | None, messages: Sequence[Message], marks: Marks, *,
    add_generation_prompt: bool, masked: bool,
) -> tuple[str, list[Span]]:  # fmt: skip
    """The conversation as text (seams still in it) and, if `masked`, the assistant's spans. Raises UserError."""
    text = template.draw(messages, marks, add_generation_prompt=add_generation_prompt)
    if template.marks_speech:
        return _without_marks(text, marks)
    turns = [i for i, message in enumerate(messages) if masked and message["role"] == "assistant"]
    return text, [_turn(template, control, turn_end, messages, i, marks, text) for i in turns]


def _without_marks(text: str, marks: Marks) -> tuple[str, list[Span]]:
    kept, spans, size, start = [], [], 0, 0
    for part in re.split(f"([{marks.open}{marks.close}])", text):
        if part == marks.open:
            start = size
        elif part == marks.close:
            spans.append((start, size))
        else:
            kept.append(part)
            size += len(part)
    return "".join(kept), spans


def _turn(
    template: ChatTemplate, control: Control, turn_end: int | None, messages: Sequence[Message], i: int, marks: Marks,
    text: str,
) -> Span:  # fmt: skip
    """The span of message i. It ends with the token that ends turns, or, without one, where the conversation so far does."""
    prompt = template.draw(messages[:i], marks, add_generation_prompt=True)
    if not text.startswith(prompt):
        raise _unlearnable(i, "the prompt for this turn is not how the turn begins in the whole conversation")
    start = len(prompt)
    if turn_end is not None:
        ends = (start + cut.end for cut in control.cut(text[start:]) if cut.id == turn_end)
        if (end := next(ends, None)) is not None:
            return start, end
        raise _unlearnable(i, "the turn does not end with the token that ends turns elsewhere")
    so_far = template.draw(messages[: i + 1], marks, add_generation_prompt=False)
    if not text.startswith(so_far):
        raise _unlearnable(i, "the conversation up to this turn is not how the whole conversation begins")
    return start, len(so_far)


def _unlearnable(i: int, why: str) -> UserError:
    return UserError(
        "the model's chat template does not show where the assistant speaks", value=f"message {i + 1}", why=why,
        hint="put {% generation %} ... {% endgeneration %} around the assistant's part in chat_template.jinja, or train on "
        "conversations of one question and one answer",
    )  # fmt: skip
