"""Requests whose last message is the beginning of the answer: DeepSeek's `prefix`, and `continue_final_message` of vLLM."""

from __future__ import annotations

from collections.abc import Sequence

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.fields import inconsistent
from firesteel.serve.openai.messages import ChatMessage
from firesteel.serve.sequence import Guide


def goes_on(messages: Sequence[ChatMessage], asked: bool | None, add_generation_prompt: bool | None) -> bool:
    """Whether the answer goes on with the last message. Raises PydanticCustomError where that makes no sense."""
    last, at = messages[-1], f"messages[{len(messages) - 1}]"
    early = next((i for i, message in enumerate(messages[:-1]) if message.prefix), None)
    if early is not None:
        raise inconsistent("prefix: true is for the last message", f"messages[{early}].prefix")
    if not (asked or last.prefix):
        return False
    text = last.content or last.refusal or last.reasoning_content or last.reasoning
    wrong = {
        "add_generation_prompt": add_generation_prompt and "true does not go with a last message that is gone on with",
        "continue_final_message": last.role != "assistant" and "needs a last message of the assistant",
        f"{at}.tool_calls": last.tool_calls and "do not go with a message that is gone on with",
        f"{at}.content": not text and "holds nothing to go on with",
    }
    for param, why in wrong.items():
        if why:
            raise inconsistent(f"{param} {why}", param)
    return True


def lead(guide: Guide | None, tokenizer: Tokenizer, text: str) -> None:
    """Show a guide what the answer has said already. Raises ApiError where that does not fit."""
    if guide is None:
        return
    for id in tokenizer.encode(text):
        allowed = guide.allowed()
        if allowed is not None and not allowed[id : id + 1].any():
            message = "Invalid 'messages': the answer's beginning does not fit the form that is asked for."
            raise ApiError(400, message, param="messages", code="invalid_value")
        guide.push(id)
