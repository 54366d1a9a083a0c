"""Thoughts where a model's own chat template has no place for them: many templates were written before models thought aloud."""

from __future__ import annotations

from collections.abc import Sequence

from firesteel.core.chat_template import SENT_AS, Message
from firesteel.core.errors import UserError
from firesteel.core.speech import END_THINK, THINK
from firesteel.core.tokenizer import Tokenizer


def spoken(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[Message]:
    """The messages as they are learnt: a thought that the template would leave out stands in the answer, as <think> text.

    Tokenizer.parse reads it there again. Raises UserError where the template cuts thoughts out of answers.
    """
    template = tokenizer.template
    thought = any(message.get("reasoning_content") for message in messages)
    if not thought or template is None or any(template.knows(name) for name in SENT_AS):
        return list(messages)
    if END_THINK in template.source:
        raise UserError(
            "the model's chat template leaves out what the assistant thinks", why="there would be no thought to learn",
            hint="put a chat_template.jinja that writes reasoning_content beside the model",
        )  # fmt: skip
    return [_aloud(message) if message.get("reasoning_content") else message for message in messages]


def _aloud(message: Message) -> Message:
    rest = {key: value for key, value in message.items() if key != "reasoning_content"}
    thought = f"{THINK}{message['reasoning_content']}{END_THINK}"
    return rest | {"content": f"{thought}{message.get('content') or ''}"}
