"""Conversations to ids: what a template draws, cut where a tokenizer cuts, and what it tells about turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from firesteel.core.chat_template import ChatTemplate, Marks, Message, Tool
from firesteel.core.control import Control
from firesteel.core.encoder import Encoder, Place
from firesteel.core.errors import UserError
from firesteel.core.spans import Span, drawn_spans
from firesteel.core.speech import END_THINK, THINK
from firesteel.core.tools import with_arguments, with_keys

ROLE_NAMES = ("system", "user", "assistant", "tool")
_WORD = "probe"  # what everybody says in a conversation that only serves to see what the template writes around it
_PROBES = (("system", "user", "assistant", "user"), ("user", "assistant"), ("user", "assistant", "tool"))


@dataclass(frozen=True)
class Prefilled:
    """A prompt that ends inside the assistant's turn. `opened`: inside its thought."""

    ids: list[int]
    opened: bool


class Renderer:
    """Template, control tokens and encoder at work together. Without a template every conversation is refused."""

    def __init__(self, template: ChatTemplate | None, control: Control, encoder: Encoder) -> None:
        self.template, self.control, self.encoder = template, control, encoder

    def render(
        self, messages: Sequence[Message], *, add_generation_prompt: bool, masked: bool, tools: Sequence[Tool] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> tuple[list[int], list[bool]]:  # fmt: skip
        """Ids [T] and, if `masked`, where the assistant speaks [T]. Raises UserError."""
        template, safe, marks = self._prepared(messages, tools, variables)
        text, spans = drawn_spans(
            template, self.control, self.turn_end if masked else None, safe, marks,
            add_generation_prompt=add_generation_prompt, masked=masked,
        )  # fmt: skip
        ids, places = self._tokens(text, marks.seam)
        return ids, _mask(len(text), spans, places)

    def prefilled(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), variables: Mapping[str, Any] | None = None
    ) -> Prefilled:
        """A conversation up to the end of what its last message, the assistant's, says. Raises UserError.

        Cut as transformers' `continue_final_message` cuts: at a mark behind the content (the reasoning, if there is no
        content); where the template drops blanks at a text's end, they are dropped here too.
        """
        template, safe, marks = self._prepared(messages, tools, variables)
        name = "content" if safe[-1].get("content") else "reasoning_content"
        said = str(safe[-1][name])
        marked = [*safe[:-1], safe[-1] | {name: f"{said}{marks.end} "}]
        text, _ = drawn_spans(template, self.control, None, marked, marks, add_generation_prompt=False, masked=False)
        at = text.rfind(marks.end)
        if at < 0 or said.strip() not in text:
            raise UserError(
                "the model's chat template cannot end inside the last message", value=name,
                why="it leaves out what the message says, or a part of it",
            )  # fmt: skip
        kept = text[:at] if text[at + 1 : at + 2] == " " else text[:at].rstrip()
        return Prefilled(self._tokens(kept, marks.seam)[0], self._inside_thought(kept))

    def _inside_thought(self, text: str) -> bool:
        """Whether a thought is open at the end of rendered text: in the last turn, that of the assistant."""
        speech = {self.control.ids.get(THINK), self.control.ids.get(END_THINK)}
        turns = [cut.end for cut in self.control.cut(text) if cut.id is not None and cut.id not in speech]
        turn = text[turns[-1] if turns else 0 :]
        return turn.rfind(THINK) > turn.rfind(END_THINK)

    def _prepared(
        self, messages: Sequence[Message], tools: Sequence[Tool], variables: Mapping[str, Any] | None
    ) -> tuple[ChatTemplate, list[Message], Marks]:
        """The template with all that it is to show, the messages for it, and free characters. Raises UserError."""
        template = self._checked(messages, tools).with_variables(variables or {})
        called = any(message.get("tool_calls") for message in messages)
        messages = with_arguments(messages, as_text=self._wants_text) if called else messages
        marks = template.marks(messages, tools)
        safe = self._disarmed(messages, marks.seam)
        if tools:
            template = template.with_tools(
                self._disarmed([{"role": "system", "tools": list(tools)}], marks.seam)[0]["tools"]
            )
        return template, safe, marks

    def _disarmed(self, messages: Sequence[Message], seam: str) -> list[Message]:
        """Messages in which no text, and no key of a call's arguments or of a tool's schema, is a control token."""

        def key(name: str) -> str:
            return str(self.control.disarm([{"role": "system", "content": name}], seam)[0]["content"])

        safe = self.control.disarm(messages, seam)
        nested = ("tool_calls", "tools")
        return [
            message | {name: with_keys(message[name], key) for name in nested if message.get(name)}
            for message in safe
        ]  # fmt: skip

    def _checked(self, messages: Sequence[Message], tools: Sequence[Tool]) -> ChatTemplate:
        for message in messages:
            role, content = message.get("role"), message.get("content")
            if role not in ROLE_NAMES or not isinstance(content, str | None):
                hint = "roles: " + ", ".join(ROLE_NAMES)
                raise UserError("a message needs a known role and text content", value=role, hint=hint)
        if self.template is None:
            raise UserError(
                "this model has no chat template", why="it continues text, and was not taught to hold a conversation",
                hint="take the model's -Instruct or -Chat version, fine-tune it, or put a chat_template.jinja beside it",
            )  # fmt: skip
        asked = {"tools": bool(tools), "tool_calls": any(message.get("tool_calls") for message in messages)}
        lost = [name for name, there in asked.items() if there and not self.template.knows(name)]
        if lost:
            hint = "leave them out, or put a chat_template.jinja that writes them beside the model"
            raise UserError("the model's chat template does not show tools", value=", ".join(lost), hint=hint)
        return self.template

    def _tokens(self, text: str, seam: str) -> tuple[list[int], list[Place]]:
        """Rendered text to ids and places. Where nobody wrote the text of a control token, the tokenizer does it alone."""
        if seam not in text:
            ids, places = self.encoder.armed(text)
            if self.encoder.control_in(ids) == [cut.id for cut in self.control.cut(text) if cut.id is not None]:
                return ids, places
        return self._by_pieces(text, seam)

    def _by_pieces(self, text: str, seam: str) -> tuple[list[int], list[Place]]:
        """The same, cut at control tokens by us: what a seam stands in stays text."""
        ids: list[int] = []
        places: list[Place] = []
        for cut in self.control.cut(text):
            if cut.id is not None:
                ids.append(cut.id)
                places.append((cut.start, cut.end))
                continue
            at = [i for i in range(cut.start, cut.end) if text[i] != seam]
            found, local = self.encoder.plain("".join(text[i] for i in at), first=cut.start == 0)
            at.append(cut.end)
            ids += found
            places += [(at[start], at[end]) for start, end in local]
        return ids, places

    @cached_property
    def turn_end(self) -> int | None:
        """The control token with which the template ends what the assistant says; None if it writes none there."""
        for roles in (("user", "assistant"), ("system", "user", "assistant")):
            text = self._probe(roles, prompt=False)
            tail = text[text.rfind(_WORD) + len(_WORD) :]
            if text:
                return next((cut.id for cut in self.control.cut(tail) if cut.id is not None), None)
        return None

    @cached_property
    def written(self) -> frozenset[int]:
        """Control tokens that the template writes into conversations without tools, but for <think> and </think>."""
        texts = [self._probe(roles, prompt) for roles in _PROBES for prompt in (True, False)]
        found = {cut.id for text in texts for cut in self.control.cut(text)}
        speech = {self.control.ids.get(THINK), self.control.ids.get(END_THINK)}
        return frozenset(id for id in found - speech if id is not None)

    @cached_property
    def opens_thought(self) -> bool:
        """Whether a prompt ends inside a thought."""
        after = self._probe(("user",), prompt=True).rpartition(_WORD)[2]
        return after.rfind(THINK) > after.rfind(END_THINK)

    @cached_property
    def _wants_text(self) -> bool:
        """Whether the template takes a call's arguments as JSON text, and not as a table."""

        def takes(arguments: Any) -> bool:
            call = {"id": _WORD, "type": "function", "function": {"name": _WORD, "arguments": arguments}}
            calling = {"role": "assistant", "content": "", "tool_calls": [call]}
            messages: list[Message] = [{"role": "user", "content": _WORD}, calling]
            try:
                template = self.template
                return bool(template and template.draw(messages, template.marks(messages), add_generation_prompt=False))
            except UserError:
                return False

        return not takes({_WORD: _WORD}) and takes(f'{{"{_WORD}": "{_WORD}"}}')

    def _probe(self, roles: Sequence[str], prompt: bool) -> str:
        """What the template makes of a conversation of these roles; empty if it refuses it."""
        if self.template is None:
            return ""
        messages = [{"role": role, "content": _WORD} for role in roles]
        marks = self.template.marks(messages)
        try:
            text = self.template.draw(messages, marks, add_generation_prompt=prompt)
        except UserError:
            return ""
        return text.replace(marks.open, "").replace(marks.close, "")


def _mask(length: int, spans: Sequence[Span], places: Sequence[Place]) -> list[bool]:
    """A token is spoken if one of its characters is; one without characters, if the next is."""
    spoken = bytearray(length + 1)
    for start, end in spans:
        spoken[start:end] = b"\1" * (end - start)
    return [any(spoken[start : max(end, start + 1)]) for start, end in places]
