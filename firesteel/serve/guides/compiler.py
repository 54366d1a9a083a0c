"""Compiling grammars within bounds: whatever a stranger sends becomes a matcher in time, or a UserError with a reason."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from firesteel.core.errors import UserError

MAX_GRAMMAR = (
    1 << 16
)  # bytes of a JSON schema, regular expression or list of choices; 98.8 % of JSONSchemaBench is smaller
MAX_LARK = 1 << 14  # bytes of a grammar in Lark: a chain of 5000 rules would take 18 s
MAX_DEPTH = 100  # tables and lists inside each other in a schema; llguidance's own limit is 128
PATIENCE = 5.0  # seconds
AT_ONCE = 2  # compilations
STACK = (
    1 << 28
)  # bytes; llguidance recurses along chains of $ref: 1000 of them overflow a stack of 8 MB, and the process dies
SIMPLER = 'simplify it, leave out what is not supported, or say "strict": false for a schema that need not hold in full'
NONE = "no text at all fits it"


class Busy(UserError):
    """No time for this grammar now."""


class Compiler:
    """Compiles in threads of their own, a few at once; llguidance lets go of the interpreter lock meanwhile."""

    def __init__(self) -> None:
        self._slots = threading.Semaphore(AT_ONCE)
        self._starting = threading.Lock()
        # at 14 thousand fuel a millisecond: a mask takes at most some 15 ms of the engine's time, and 100 MB hold the states;
        # half of that fuel was too little for one schema in 400 of JSONSchemaBench
        self._limits = LLParserLimits(
            initial_lexer_fuel=300_000, step_lexer_fuel=200_000, step_max_items=20_000, max_items_in_row=1000,
            max_lexer_states=50_000, max_grammar_size=100_000, verbose_errors=False,
        )  # fmt: skip

    def compile(self, tokenizer: LLTokenizer, grammar: str) -> LLMatcher:
        """The matcher at the beginning of the grammar, its first mask computed. Raises UserError."""
        if not self._slots.acquire(timeout=PATIENCE):
            raise Busy("other grammars are being compiled", hint="try again later")
        done: list[LLMatcher | str] = []
        worker = threading.Thread(target=self._work, args=(tokenizer, grammar, done), daemon=True)
        with self._starting:
            before = threading.stack_size(STACK)  # address space; only what is used becomes memory
            try:
                worker.start()
            finally:
                threading.stack_size(before)
        worker.join(PATIENCE)
        if not done:  # its fuel is limited: the thread ends in a while, and then gives its slot back
            raise _refused(f"it takes longer than {PATIENCE:g} s to compile", "make it simpler")
        if isinstance(done[0], str):
            raise _refused(done[0], SIMPLER)
        return done[0]

    def _work(self, tokenizer: LLTokenizer, grammar: str, done: list[LLMatcher | str]) -> None:
        try:
            matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=self._limits)
            empty = not matcher.is_error() and not np.frombuffer(matcher.compute_bitmask(), np.uint8).any()
            failed = matcher.is_error()
            done.append(reason(matcher.get_error()) if failed else NONE if empty else matcher)
        except Exception as e:  # of whatever kind: it is the grammar that cannot be used
            done.append(reason(str(e)))
        finally:
            self._slots.release()


def reason(error: str) -> str:
    """llguidance's message without its quotation of the grammar and its back traces."""
    if "panic" in error[:40]:
        return "it is too large or too complex"
    if error.startswith("NoExtension"):
        return NONE
    lines = [line.strip() for line in error.strip().splitlines()] or ["unknown"]
    detail = next((line for line in lines if line.startswith("error:")), "")
    first = lines[0].rpartition("failed to compile JSON schema: ")[2].partition(". Enable '")[0]  # an option of theirs
    return " ".join(part[:200] for part in (first, detail) if part)


def bounded(text: str, limit: int = MAX_GRAMMAR) -> str:
    """The text. Raises UserError if it is longer than `limit` bytes."""
    size = len(text.encode("utf-8", errors="surrogatepass"))
    if size > limit:
        raise _refused(f"it has {size:,} bytes, and {limit:,} are allowed", "make it shorter")
    return text


def bounded_depth(value: Any) -> None:
    """Raises UserError if tables and lists are nested deeper than MAX_DEPTH; looks at no more than that."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _refused(f"it is nested deeper than {MAX_DEPTH} levels", "use $defs and $ref")


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _refused(why: str, hint: str) -> UserError:
    return UserError("the output cannot be held to this grammar", why=why, hint=hint)
