"""What one answer may look like: whether it may think, which tools it may call, and the grammar that holds it to that.

What a model can do is read from its tokenizer and template: whether thoughts are tokens, which variables the template takes,
and how it writes calls (calls.py). What it cannot do is a 400 that says so.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any

from firesteel.core.call_formats import CallFormat
from firesteel.core.calls import CallParser, format_of, marks_of
from firesteel.core.errors import UserError
from firesteel.core.speech import THINK
from firesteel.core.tokenizer import Message, Tokenizer
from firesteel.core.tokenizer import Tool as ShownTool
from firesteel.core.tools import with_keys
from firesteel.serve.guides.guides import CallMode, Grammar, Guides
from firesteel.serve.guides.limits import EitherGuide, LimitedGuide, Limits
from firesteel.serve.guides.tags import TextTags, tags_are_tokens, text_tags
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.protocol import ChatRequest, Effort
from firesteel.serve.openai.reply import Form
from firesteel.serve.openai.structured import compiled, naming
from firesteel.serve.sequence import Guide

BUDGETS = {"none": 0, "minimal": 256, "low": 1024, "medium": 4096, "high": 16384, "xhigh": None, "max": None}  # tokens
_OURS = {"messages", "tools", "documents", "add_generation_prompt", "reasoning_effort"}  # said by fields of their own
_SWITCHES = ("enable_thinking", "thinking")  # names that templates give the switch for thoughts (Qwen3; DeepSeek-V3.1)


@dataclass(frozen=True)
class Shape:
    """What a request asks of the form of its answer. `variables` are for the template; `tools` are shown to the model."""

    request: ChatRequest
    tools: list[ShownTool] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    budget: int | None = None  # tokens of a thought; None: any number
    forbidden: tuple[int, ...] = ()
    grammars: tuple[Grammar, ...] = ()  # the answer follows one of them; none: it is free


class Shaper:
    """Makes shapes for one model."""

    def __init__(self, tokenizer: Tokenizer, guides: Guides) -> None:
        self.tokenizer, self._guides = tokenizer, guides

    def shape(self, request: ChatRequest) -> Shape:
        """What the answer shall look like; compiles its grammar, which may take a while. Raises ApiError."""
        variables, budget = self._effort(request)
        tools, forbidden = self._tools(request)
        self._check_names(request)
        return Shape(request, tools, variables, budget, forbidden, self._grammars(request, tools))

    def form(self, shape: Shape, opened: bool | None, *, eager: bool) -> Form:
        """How to read one choice; `opened` as below. `eager`: pieces of calls may leave before the whole is known."""
        request, format = shape.request, self.format
        if not request.callable or format is None:
            return Form(opened, json=request.wants_json)
        schemas = {tool.function.name: tool.function.parameters or {} for tool in request.callable}
        parser = CallParser(format, schemas, _new_id, marks=self._spelled, eager=eager and bool(shape.grammars))
        choice = request.choice
        return Form(
            opened, parser, self._marks, one_call=choice.named or request.parallel_tool_calls is False, named=choice.named,
            json=request.wants_json,
        )  # fmt: skip

    def opened(self, shape: Shape, prompt: list[int]) -> bool | None:
        """Whether the prompt ends inside a thought, where the request's variables may have changed that."""
        start, end = self.tokenizer.think_id, self.tokenizer.end_think_id
        if not shape.variables:
            return None
        if start is None or end is None:
            pieces = takewhile(bool, (self.tokenizer.pieces.of(id) for id in prompt[:-17:-1]))  # up to a control token
            return b"".join([*pieces][::-1]).rstrip().endswith(THINK.encode()) if self._text_tags else None
        last = next((id for id in reversed(prompt[-8:]) if id in (start, end)), None)
        return last == start

    def guide(self, shape: Shape, opened: bool | None) -> Guide | None:
        """What holds one choice to its shape; None if nothing need."""
        tokenizer = self.tokenizer
        opened = tokenizer.manner.opened if opened is None else opened
        guides = [grammar.guide(opened=opened) for grammar in shape.grammars]
        inner = EitherGuide(guides) if len(guides) > 1 else guides[0] if guides else None
        if shape.budget is None and not shape.forbidden:
            return inner
        limits = Limits(
            tokenizer.vocab_size, tokenizer.think_id, tokenizer.end_think_id, opened, shape.budget, shape.forbidden,
            None if shape.budget is None else self._text_tags,
        )  # fmt: skip
        return LimitedGuide(limits, inner)

    def _grammars(self, request: ChatRequest, shown: list[ShownTool]) -> tuple[Grammar, ...]:
        """What the answer must follow: a structure, JSON, calls, either of the last two, or nothing."""
        if request.structure is not None:  # goes with none of the others
            return (compiled(self._guides, request.structure),)
        grammars = []
        form, choice, tools = request.response_format, request.choice, request.callable
        if form is not None and form.schema_asked is not None and choice.mode != "required":
            strict = form.json_schema is None or form.json_schema.strict is not False
            with naming("response_format"):
                grammars.append(self._guides.json_schema(form.schema_asked, strict=strict))
        if not tools:
            return tuple(grammars)
        strict_tools = [tool.function.name for tool in tools if tool.function.strict]
        if self.format is not None and self.format.json:
            schemas = [{"function": tool.function.model_dump(exclude_none=True)} for tool in tools]
            mode: CallMode = "required" if choice.mode == "required" or grammars else "auto"
            parallel = request.parallel_tool_calls is not False and not choice.named
            with naming("tools"):
                grammars.append(self._guides.tool_calls(schemas, mode=mode, parallel=parallel))
        elif choice.mode == "required" or strict_tools or grammars:
            why = "this model writes its calls in a form that cannot be enforced"
            param = "tool_choice" if choice.mode == "required" else "tools" if strict_tools else "response_format"
            raise ApiError(400, f"Invalid '{param}': {why}.", param=param, code="invalid_value")
        return tuple(grammars)

    def _effort(self, request: ChatRequest) -> tuple[dict[str, Any], int | None]:
        """Variables for the template, and the budget of the thought."""
        given = {name: value for name, value in (request.chat_template_kwargs or {}).items() if value is not None}
        effort, template = request.effort, self.tokenizer.template
        if template is None:
            return {}, None
        if given:
            effort = self._check_variables(given, request)
        if effort is None:
            return {name: value for name, value in given.items() if name in template.takes}, None
        variables: dict[str, Any] = {name: effort != "none" for name in _SWITCHES if name in template.takes}
        told = "reasoning_effort" in template.takes
        if told:
            variables["reasoning_effort"] = effort
        if not self._thinks and not variables:
            why = "is not supported by this model: its template shows no thoughts, and takes no such variable"
            raise ApiError(400, f"'reasoning_effort' {why}.", param="reasoning_effort", code="unsupported_parameter")
        bounded = self._thinks and (effort == "none" or not told)
        kept = {name: value for name, value in given.items() if name in template.takes}
        return variables | kept, BUDGETS[effort] if bounded else None

    def _check_variables(self, given: dict[str, Any], request: ChatRequest) -> Effort | None:
        """The effort that these variables ask for, or that of the request. Raises ApiError for one that nobody reads."""
        template = self.tokenizer.template
        for name in given:
            known = template is not None and name in template.takes and name not in _OURS
            if not known and not (name in _SWITCHES and self._thinks):
                param = f"chat_template_kwargs.{name[:64]}"
                why = "is not supported by this model: its chat template reads no such variable"
                raise ApiError(400, f"'{param}' {why}.", param=param, code="unsupported_parameter")
        switches = [bool(given[name]) for name in _SWITCHES if name in given]
        if switches and (request.effort is not None or len(set(switches)) > 1):
            why = "says something about thoughts that another field says, too"
            raise ApiError(400, f"'chat_template_kwargs' {why}.", param="chat_template_kwargs", code="invalid_value")
        return "none" if switches and not switches[0] else request.effort

    def _tools(self, request: ChatRequest) -> tuple[list[ShownTool], tuple[int, ...]]:
        """The tools as the template shows them, and the tokens that must not be said."""
        template, mode = self.tokenizer.template, request.choice.mode
        if not request.tools or template is None:
            return [], ()
        shown = [tool.shown() for tool in request.tools]
        if not template.knows("tools"):
            raise _no_tools("the model's chat template does not show tools")
        try:
            with_keys(shown, str)
        except UserError as e:
            raise _no_tools(f"{e.what}: {e.why}") from e
        if mode != "none" and self.format is None:
            raise _no_tools("how this model writes a call cannot be told from its chat template")
        if mode != "none" or self.format is None:
            return shown, ()
        begin = next((id for id, mark in self._marks.items() if mark == self._spelled.get(self.format.begin)), None)
        return ([], ()) if begin is None or self.format.bare else (shown, (begin,))

    def _check_names(self, request: ChatRequest) -> None:
        """A name that the template would not show is refused: the model could not know who speaks."""
        for i, message in enumerate(request.messages):
            if message.name and message.role != "tool" and not self._shows_name(message.rendered()["role"]):
                why = "is not supported by this model: its chat template does not show names"
                raise ApiError(
                    400, f"'messages[{i}].name' {why}.", param=f"messages[{i}].name", code="unsupported_parameter"
                )

    def _shows_name(self, role: str) -> bool:
        """Whether the template writes the name of who speaks."""
        template, probe = self.tokenizer.template, "probe-name"
        messages: list[Message] = [{"role": role, "content": "probe", "name": probe}]
        if role == "assistant":
            messages.insert(0, {"role": "user", "content": "probe"})
        try:
            return template is not None and probe in template.draw(
                messages, template.marks(messages), add_generation_prompt=False
            )
        except UserError:
            return False

    @property
    def _thinks(self) -> bool:
        """Whether a thought of this model can be seen, and ended."""
        return tags_are_tokens(self.tokenizer.manner) or self._text_tags is not None

    @cached_property
    def _text_tags(self) -> TextTags | None:
        """How the model says its tags, if they are text."""
        return text_tags(self.tokenizer)

    @cached_property
    def format(self) -> CallFormat | None:
        """How the model writes calls; None if it writes none that can be read."""
        return format_of(self.tokenizer)

    @cached_property
    def _marks(self) -> dict[int, str]:
        return marks_of(self.format, self.tokenizer) if self.format else {}

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """Markers that are tokens -> the characters that stand for them."""
        if self.format is None:
            return {}
        names = {id: self.tokenizer.backend.id_to_token(id) for id in self._marks}
        return {name: self._marks[id] for id, name in names.items() if name is not None}


def _no_tools(why: str) -> ApiError:
    return ApiError(400, f"Invalid 'tools': {why}.", param="tools", code="invalid_value")


def _new_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"
