"""Guides: what an answer may say, as a JSON schema, regular expression, list of choices, grammar or tool call; with llguidance.

    guides = Guides(tokenizer)                     one per model
    grammar = guides.json_schema(schema)           one per request, off the engine's thread; UserError for what cannot be done
    Sequence(..., guide=grammar.guide())           one per sequence; used by the engine's thread alone

A guide lets an answer end exactly where its grammar may end, and begins after the model's thought. JSON has at most one
space, or a line break and its indentation, between its parts, and no number longer than MAX_NUMBER.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llguidance import LLMatcher

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.compiler import MAX_LARK, Compiler, bounded
from firesteel.serve.guides.matcher import GrammarGuide
from firesteel.serve.guides.schema import ANSWER, schema_text
from firesteel.serve.guides.thought import AfterThought
from firesteel.serve.guides.tools import FreeUntil, call_form, calls_grammar, text_then_calls
from firesteel.serve.guides.vocabulary import Vocabulary
from firesteel.serve.sequence import Guide

KEPT = 16  # compiled grammars; an agent sends the same tools with every turn
ANY_TOKENS = (
    '\n%llguidance {"no_forcing": true}\n'  # text may be cut into tokens in any way, not only as a tokenizer would
)
CallMode = Literal["auto", "required"]


@dataclass(frozen=True)
class Grammar:
    """A compiled grammar. `warnings` name what of a schema is not enforced."""

    vocabulary: Vocabulary
    matcher: LLMatcher  # at its beginning; never moved
    first: LLMatcher | None
    json: bool
    trigger: int | None = None  # the answer is free until this token

    @property
    def warnings(self) -> list[str]:
        """What of a schema is not enforced, since it was not compiled strictly."""
        return list(self.matcher.get_grammar_warnings())

    @property
    def sound(self) -> bool:
        """Whether it can begin again: matchers share what the lexer found out, and one that exceeds its limits spoils it."""
        probe = self.matcher.deep_copy()
        return bool(probe.compute_bitmask()) and not probe.is_error()

    def guide(self, *, opened: bool | None = None) -> Guide:
        """A guide for one sequence. `opened`: whether its prompt ends inside a thought; None = as the model's template does."""
        opened = self.vocabulary.manner.opened if opened is None else opened
        if not (opened or self.vocabulary.tags):
            return self._begun()
        return AfterThought(self.vocabulary, self._begun, opened=opened)

    def text(self, *, begun: bool) -> Guide:
        """A guide for a text without thoughts. `begun`: it goes on with a text, rather than begin one."""
        first = None if begun or self.first is None else self.first.deep_copy()
        return GrammarGuide(self.vocabulary, self.matcher.deep_copy(), first, json=self.json)

    def _begun(self) -> Guide:
        guide = self.text(begun=False)
        return guide if self.trigger is None else FreeUntil(self.trigger, guide)


class Guides:
    """Compiles grammars for one tokenizer. Threads may share it. Every door raises UserError for what cannot be done."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._compiler = tokenizer, Compiler()
        self._lock = threading.Lock()
        self._vocabulary: Vocabulary | None = None
        self._kept: OrderedDict[tuple[str, bool, int | None], Grammar] = OrderedDict()

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer as llguidance sees it; built when it is first asked for."""
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = Vocabulary(self._tokenizer)
            return self._vocabulary

    def json_schema(self, schema: Mapping[str, Any] | bool, *, strict: bool = True) -> Grammar:
        """JSON that fits a schema; keys come in the order of its properties.

        `strict`: a keyword that cannot be enforced is an error; otherwise it is left out, and named in `warnings`.
        """
        text = schema_text(schema, ANSWER, strict=strict)
        return self._compiled(f"start: %json {text}", json_text=True)

    def json_object(self) -> Grammar:
        """Any JSON object."""
        return self.json_schema({"type": "object"})

    def regex(self, pattern: str) -> Grammar:
        """Text that a regular expression matches as a whole (Rust's syntax: no look-around, no back-references)."""
        if (len(pattern) - len(pattern.rstrip("\\"))) % 2:  # it would escape what llguidance puts behind it
            raise UserError("a regular expression must not end with a lone backslash", value=pattern[-80:])
        wrapped = json.loads(LLMatcher.grammar_from_regex(bounded(pattern)))  # it knows how to write one in Lark
        return self._compiled(wrapped["grammars"][0]["lark_grammar"])

    def choice(self, options: Sequence[str]) -> Grammar:
        """One of these texts."""
        if not options or not all(isinstance(option, str) and option for option in options):
            raise UserError("a choice needs options, each a text that is not empty", value=repr(options)[:80])
        written = (json.dumps(option, ensure_ascii=False).replace("\x7f", "\\u007f") for option in options)
        return self._compiled(f"start: {bounded(' | '.join(written))}")  # Lark's strings hold no bare DEL

    def grammar(self, lark: str) -> Grammar:
        """Text of a context-free grammar in llguidance's dialect of Lark, whose first rule is `start`."""
        return self._compiled(bounded(lark, MAX_LARK))

    def tool_calls(
        self, tools: Sequence[Mapping[str, Any]], *, mode: CallMode = "required", parallel: bool = True
    ) -> Grammar:
        """Calls of these tools (OpenAI's schemas, checked by the caller), in the form that the model's template writes.

        "auto": text, and calls if the model begins one; "required": calls and nothing else; for a named tool pass it alone.
        A tool's schema is enforced strictly if its function says "strict": true.
        """
        form = call_form(self._tokenizer)
        by_text = mode == "auto" and form.trigger is None
        lark = (text_then_calls if by_text else calls_grammar)(tools, form, parallel=parallel)
        trigger = form.trigger if mode == "auto" else None
        return self._compiled(bounded(lark), json_text=not by_text, trigger=trigger)

    def _compiled(self, grammar: str, *, json_text: bool = False, trigger: int | None = None) -> Grammar:
        """`grammar` in Lark."""
        vocabulary, key = self.vocabulary, (grammar, json_text, trigger)
        with self._lock:
            if key in self._kept and self._kept[key].sound:
                self._kept.move_to_end(key)
                return self._kept[key]
        grammar += ANY_TOKENS
        matcher = self._compiler.compile(vocabulary.ll, grammar)
        beginning = vocabulary.ll_beginning
        first = None if beginning is None else self._compiler.compile(beginning, grammar)
        made = Grammar(vocabulary, matcher, first, json_text, trigger)
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
