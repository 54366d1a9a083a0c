"""Written-out column arithmetic: the working that makes it learnable for a small model.

347+285  ->  7+5=12;4+8+1=13;3+2+1=6;=632        carries enter the next column
532-285  ->  12-5=7;12-8=4... with the borrow taken from the next column's digit
347*6    ->  7*6=42;4*6+4=28;3*6+2=20;=2082
"""

from __future__ import annotations


def add(a: int, b: int) -> str:
    """Columns of a + b from the units up, then the sum."""
    steps, carry = [], 0
    for x, y in _columns(a, b):
        total = x + y + carry
        steps.append(f"{x}+{y}" + (f"+{carry}" if carry else "") + f"={total}")
        carry = total // 10
    return ";".join(steps) + f";={a + b}"


def subtract(a: int, b: int) -> str:
    """Columns of a - b (a >= b) from the units up; a column that borrows starts with ten more."""
    assert a >= b
    steps, borrow = [], 0
    for x, y in _columns(a, b):
        lent = 10 if x - borrow < y else 0
        steps.append(f"{x + lent}" + (f"-{borrow}" if borrow else "") + f"-{y}={x + lent - borrow - y}")
        borrow = 1 if lent else 0
    return ";".join(steps) + f";={a - b}"


def multiply(a: int, d: int) -> str:
    """Columns of a * d for one digit d, with carries, then the product."""
    assert 0 <= d <= 9
    steps, carry = [], 0
    for x in reversed(str(a)):
        total = int(x) * d + carry
        steps.append(f"{x}*{d}" + (f"+{carry}" if carry else "") + f"={total}")
        carry = total // 10
    return ";".join(steps) + f";={a * d}"


def _columns(a: int, b: int) -> list[tuple[int, int]]:
    """Digit pairs from the units up, the shorter number padded with zeros."""
    width = max(len(str(a)), len(str(b)))
    return [(int(x), int(y)) for x, y in zip(reversed(str(a).zfill(width)), reversed(str(b).zfill(width)), strict=True)]
