"""The families of function-writing problems, levels 1 and 2: what to write, how to draw inputs, and a solution in two forms.

`solve` is the reference that makes the expected outputs; `body` is the worked solution as text. They are written twice so
that each checks the other (a test runs every body against its reference, in the sandbox).
"""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Family:
    """One kind of function. {names} in texts and body are drawn parameters; `solve` takes arguments, then parameters."""

    name: str
    level: int
    args: str  # of the function, as its signature has them
    zh: str
    en: str
    body: str  # lines of the function
    solve: Callable[..., Any]
    inputs: Callable[..., Arguments]  # (rng, **parameters) -> arguments of one call
    edges: tuple[Arguments, ...] = ()  # arguments that are tested each time
    params: Callable[[random.Random], dict[str, Any]] = lambda rng: {}


def ints(rng: random.Random, low: int = -9, high: int = 20, least: int = 1, most: int = 8) -> list[int]:
    """A list of whole numbers, with repetitions now and then."""
    found = [rng.randint(low, high) for _ in range(rng.randint(least, most))]
    return found + [rng.choice(found)] if found and rng.random() < 0.5 else found


def word(rng: random.Random, letters: str = "abcde", least: int = 1, most: int = 8) -> str:
    """A word of few different letters."""
    return "".join(rng.choice(letters) for _ in range(rng.randint(least, most)))


def words(rng: random.Random, letters: str = "abcde", least: int = 1, most: int = 7) -> list[str]:
    """A list of words, with repetitions now and then."""
    found = [word(rng, letters, most=6) for _ in range(rng.randint(least, most))]
    return found + [rng.choice(found)] if rng.random() < 0.5 else found


def phrase(rng: random.Random) -> str:
    """Words, spaces, capitals, digits and signs."""
    return " ".join(word(rng, "abcdeioxzABEIZ19!,.", most=6) for _ in range(rng.randint(1, 4)))


def _mirrored(rng: random.Random) -> str:
    """A text that is mostly a palindrome if signs and case are left out."""
    half = word(rng, "abc", most=4)
    text = half + rng.choice(("", "x")) + half[::-1] if rng.random() < 0.7 else word(rng, "abc")
    return "".join(rng.choice((c, c.upper(), c + " ", c + ",")) for c in text)


def _k(low: int, high: int) -> Callable[[random.Random], dict[str, Any]]:
    return lambda rng: {"k": rng.randint(low, high)}


def _shifted(s: str, k: int) -> str:
    return s.translate(str.maketrans(string.ascii_lowercase, string.ascii_lowercase[k:] + string.ascii_lowercase[:k]))


def _distinct(xs: list[Any]) -> list[Any]:
    return list(dict.fromkeys(xs))


EASY = (
    Family(
        "count_above", 1, "xs", "返回整数列表 xs 中大于 {k} "
            "的数有几个", "returns how many numbers of the list xs are greater than {k}",
        "return sum(x > {k} for x in xs)", lambda xs, k: len([x for x in xs if x > k]),
        lambda rng, k: ([*ints(rng, k - 9, k + 9), k],), (([],),), _k(-5, 50),
    ),
    Family(
        "sum_multiples", 1, "xs", "返回整数列表 xs 中能被 {k} 整除的数之和",
        "returns the sum of the numbers of the list xs that are divisible by {k}",
        "return sum(x for x in xs if x % {k} == 0)", lambda xs, k: sum(x for x in xs if not x % k),
        lambda rng, k: ([*ints(rng, -30, 60), k * rng.randint(-4, 9)],), (([],),), _k(2, 9),
    ),
    Family(
        "scale", 1, "xs", "返回一个新列表：把 xs 的每个数乘以 {k} 再加 {m}",
        "returns a new list with each number of xs times {k} plus {m}",
        "return [x * {k} + {m} for x in xs]", lambda xs, k, m: [x * k + m for x in xs],
        lambda rng, k, m: (ints(rng),), (([],),), lambda rng: {"k": rng.randint(2, 9), "m": rng.randint(1, 30)},
    ),
    Family(
        "count_letter", 1, "s", "返回字符串 s 中字母 {c} 出现的次数，不分大小写",
        "returns how often the letter {c} occurs in the string s, in either case",
        "return s.lower().count('{c}')", lambda s, c: sum(x in (c, c.upper()) for x in s),
        lambda rng, c: (word(rng, c + c.upper() + "xyzXYZ ", most=12),), (("",),), lambda rng: {"c": rng.choice("abdegkmnprt")},
    ),
    Family(
        "spread", 1, "xs", "返回非空列表 xs 中最大数与最小数之差的 {k} 倍",
        "returns {k} times the difference between the largest and the smallest number of the non-empty list xs",
        "return {k} * (max(xs) - min(xs))", lambda xs, k: k * (sorted(xs)[-1] - sorted(xs)[0]),
        lambda rng, k: (ints(rng, -30, 30),), (([7],),), _k(1, 5),
    ),
    Family(
        "shorter", 1, "words", "返回列表 words 中长度小于 {k} 的单词，顺序不变",
        "returns the words of the list words that are shorter than {k} letters, in their order",
        "return [w for w in words if len(w) < {k}]", lambda ws, k: [w for w in ws if not len(w) >= k],
        lambda rng, k: ([*words(rng), word(rng, least=k, most=k)],), (([],),), _k(2, 5),
    ),
    Family(
        "clamp", 1, "n", "返回整数 n，但小于 {k} 时返回 {k}，大于 {m} 时返回 {m}",
        "returns the whole number n, but {k} if n is less than {k}, and {m} if n is greater than {m}",
        "return max({k}, min({m}, n))", lambda n, k, m: k if n < k else m if n > m else n,
        lambda rng, k, m: (rng.choice((rng.randint(k - 9, k), rng.randint(k, m), rng.randint(m, m + 9))),), (),
        lambda rng: {"k": rng.randint(-20, 10), "m": rng.randint(15, 60)},
    ),
    Family(
        "swap_ends", 1, "s", "返回字符串 s 去掉前 {k} 个字符、再把这 {k} 个字符接到末尾的结果",
        "returns the string s with its first {k} characters moved to its end",
        "return s[{k}:] + s[:{k}]", lambda s, k: "".join([*s[k:], *s[:k]]),
        lambda rng, k: (word(rng, "abcdefgh", most=10),), (("",),), _k(1, 4),
    ),
    Family(
        "unique", 2, "xs", "去掉列表 xs 中重复的数，只留每个数第一次出现的位置，返回前 {k} 个",
        "returns the first {k} different numbers of the list xs, in the order of their first occurrence",
        "out = []\nfor x in xs:\n    if x not in out:\n        out.append(x)\n"
        "return out[:{k}]", lambda xs, k: _distinct(xs)[:k],
        lambda rng, k: (ints(rng, 0, 6, most=9),), (([],),), _k(2, 5),
    ),
    Family(
        "nth_largest", 2, "xs", "返回列表 xs 中第 {k} 大的数（相同的数只算一个）；没有时返回 None",
        "returns the number {k} from the top of the list xs, equal numbers counted once; None if there is none",
        "ys = sorted(set(xs), reverse=True)\nreturn ys[{k} - 1] if len(ys) >= {k} else None",
        lambda xs, k: ([None] * k + sorted(set(xs)))[-k],
        lambda rng, k: (ints(rng, 0, 9),), (([],), ([5, 5],)), _k(2, 4),
    ),
    Family(
        "running", 2, "xs", "返回列表 xs 的前缀和列表，每个前缀和对 {k} 取余",
        "returns the list of running sums of xs, each modulo {k}",
        "out, s = [], 0\nfor x in xs:\n    s += x\n    out.append(s % {k})\nreturn out",
        lambda xs, k: [sum(xs[: i + 1]) % k for i in range(len(xs))], lambda rng, k: (ints(rng, 0, 20),), (([],),), _k(5, 40),
    ),
    Family(
        "letter_counts", 2, "s", "返回一个字典：字符串 s 中每个出现至少 {k} 次的字符对应它的次数",
        "returns a dict from each character that occurs at least {k} times in the string s to its count",
        "return {{c: s.count(c) for c in s if s.count(c) >= {k}}}",
        lambda s, k: {c: n for c in sorted(set(s)) if (n := s.count(c)) >= k},
        lambda rng, k: (word(rng, "abcd", most=12),), (("",),), _k(1, 3),
    ),
    Family(
        "digits", 2, "n", "返回非负整数 n 的各位数字之和除以 {k} 的余数",
        "returns the sum of the digits of the non-negative whole number n, modulo {k}",
        "return sum(int(d) for d in str(n)) % {k}",
        lambda n, k: sum(n // 10**i % 10 for i in range(12)) % k,
        lambda rng, k: (rng.randint(0, 10 ** rng.randint(1, 9)),), ((0,),),
        _k(5, 25),
    ),
    Family(
        "mirror", 2, "s", "判断字符串 s 只看字母、不分大小写时是否是回文，并且字母不少于 {k} 个；返回 True 或 False",
        "returns True if the letters of the string s, in either case, are the same backwards and at least {k}, else False",
        "t = [c.lower() for c in s if c.isalpha()]\nreturn len(t) >= {k} and t == t[::-1]",
        lambda s, k: (t := "".join(filter(str.isalpha, s)).lower()) == "".join(reversed(t)) and not len(t) < k,
        lambda rng, k: (_mirrored(rng),), (("",), ("ab",), ("a",), ("bB",), ("c,ac",)), _k(1, 3),
    ),
    Family(
        "caesar", 2, "s", "把字符串 s 的每个小写字母在字母表中后移 {k} 位（z 之后回到 a），其他字符不变，返回结果",
        "returns the string s with each lower-case letter moved {k} places on in the alphabet (a follows z), the rest "
        "unchanged",
        "return ''.join(chr((ord(c) - 97 + {k}) % 26 + 97) if 'a' <= c <= 'z' else c for c in s)",
        lambda s, k: _shifted(s, k), lambda rng, k: (phrase(rng),), (("",), ("xyz",)), _k(1, 25),
    ),
    Family(
        "common", 2, "a, b", "返回列表 a 和 b 都有的、大于 {k} 的数，从小到大，每个一次",
        "returns the numbers greater than {k} that are in both lists a and b, in rising order, each once",
        "return sorted(x for x in set(a) & set(b) if x > {k})", lambda a, b, k: [x for x in sorted(set(a)) if x in b and x > k],
        lambda rng, k: (ints(rng, k - 2, k + 9), [*ints(rng, k - 2, k + 9), k]), (([], []),), _k(-3, 20),
    ),
    Family(
        "greatest", 2, "a, b", "返回正整数 a 和 b 的最大公约数与 {k} 的乘积",
        "returns {k} times the greatest common divisor of the positive whole numbers a and b",
        "while b:\n    a, b = b, a % b\nreturn {k} * a", lambda a, b, k: k * math.gcd(a, b),
        lambda rng, k: (6 * rng.randint(1, 30), rng.choice((4, 5, 9)) * rng.randint(1, 30)), ((7, 7),), _k(1, 9),
    ),
)  # fmt: skip
