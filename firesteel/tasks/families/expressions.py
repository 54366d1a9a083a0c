"""Arithmetic expressions as trees: drawn, written with no bracket too many, reduced step by step, and read without eval.

expression = term (("+" | "-") term)*;  term = factor (("*" | "/") factor)*;  factor = number | "(" expression ")"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

BINDS = {"+": 1, "-": 1, "*": 2, "/": 2}
LONGEST, DEEPEST = 256, 32  # characters, brackets in brackets; what is longer is not read
TOKEN = re.compile(r"\s*(?:(\d{1,9})|([-+*/()]))")
APPLY: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """Two expressions and what joins them."""

    sign: str
    left: int | Operation
    right: int | Operation


Expression = int | Operation


def worth(tree: Expression) -> Fraction:
    """The value. Raises ZeroDivisionError."""
    if isinstance(tree, int):
        return Fraction(tree)
    return APPLY[tree.sign](worth(tree.left), worth(tree.right))


def written(tree: Expression) -> str:
    """As people write it: brackets only where precedence needs them, and round negative numbers."""
    if isinstance(tree, int):
        return str(tree)
    return _side(tree, tree.left, False) + tree.sign + _side(tree, tree.right, True)


def _side(tree: Operation, side: Expression, is_right: bool) -> str:
    if isinstance(side, int):
        return f"({side})" if side < 0 and is_right else str(side)
    looser = BINDS[side.sign] < BINDS[tree.sign]
    regroups = is_right and BINDS[side.sign] == BINDS[tree.sign]
    return f"({written(side)})" if looser or regroups else written(side)


def reduced(tree: Operation) -> Expression:
    """The tree with its first operation on two numbers worked out; it must come out whole."""
    if isinstance(tree.left, Operation):
        return Operation(tree.sign, reduced(tree.left), tree.right)
    if isinstance(tree.right, Operation):
        return Operation(tree.sign, tree.left, reduced(tree.right))
    result = worth(tree)
    assert result.denominator == 1, tree
    return int(result)


def leaves(tree: Expression) -> list[int]:
    """Its numbers, from left to right."""
    return [tree] if isinstance(tree, int) else [*leaves(tree.left), *leaves(tree.right)]


def parse(text: str) -> Expression | None:
    """Read an expression of whole numbers; None if the text is anything else, or too long."""
    if len(text) > LONGEST:
        return None
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(match[1] or match[2])
        at = match.end()
    reader = _Reader(tokens)
    tree = reader.sum(0)
    return tree if tree is not None and reader.at == len(tokens) else None


class _Reader:
    """Recursive descent over tokens; every method returns None where the text is no expression."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.at = tokens, 0

    def next(self) -> str:
        """The token to be read, "" at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def sum(self, depth: int) -> Expression | None:
        """Terms joined by + and -."""
        return self._joined("+-", self.term, depth)

    def term(self, depth: int) -> Expression | None:
        """Factors joined by * and /."""
        return self._joined("*/", self.factor, depth)

    def _joined(self, signs: str, part: Callable[[int], Expression | None], depth: int) -> Expression | None:
        tree = part(depth)
        while tree is not None and self.next() and self.next() in signs:
            sign = self.next()
            self.at += 1
            right = part(depth)
            tree = None if right is None else Operation(sign, tree, right)
        return tree

    def factor(self, depth: int) -> Expression | None:
        """A number, or something in brackets."""
        token = self.next()
        self.at += 1
        if token.isdigit():
            return int(token)
        if token != "(" or depth >= DEEPEST:
            return None
        tree = self.sum(depth + 1)
        if self.next() != ")":
            return None
        self.at += 1
        return tree
