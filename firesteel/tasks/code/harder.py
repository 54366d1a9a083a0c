"""The families of function-writing problems, levels 3 and 4: several steps, then an algorithm."""

from __future__ import annotations

import itertools
import random
import re
from functools import cache
from typing import Any

from firesteel.tasks.code.families import Arguments, Family, _k, ints, word, words

SYMBOLS = "0123456789abcdef"
PAIRS = {")": "(", "]": "[", "}": "{"}


def _in_base(n: int, k: int) -> str:
    return SYMBOLS[n] if n < k else _in_base(n // k, k) + SYMBOLS[n % k]


def _brackets(rng: random.Random, signs: str) -> str:
    text = ""
    for _ in range(rng.randint(1, 4)):
        pair = rng.choice([signs[i : i + 2] for i in range(0, len(signs), 2)])
        text = rng.choice((pair[0] + text + pair[1], text + pair))
    at = rng.randrange(len(text))
    return text if rng.random() < 0.6 else text[:at] + text[at + 1 :] if rng.random() < 0.5 else text[::-1]


def _balanced(s: str, k: int) -> bool:
    before = None
    t = s
    while t != before:
        before, t = t, re.sub(r"\(\)|\[\]|\{\}", "", t)
    depth = itertools.accumulate(1 if c in "([{" else -1 for c in s)
    return not t and max(depth, default=0) <= k


def _rows(rng: random.Random, low: int = 0, high: int = 9) -> list[list[int]]:
    width = rng.randint(1, 4)
    return [[rng.randint(low, high) for _ in range(width)] for _ in range(rng.randint(1, 4))]


def _rising(xs: list[int], k: int) -> int:
    return max((len(c) for n in range(len(xs) + 1) for c in itertools.combinations(xs, n) if _steps(c, k)), default=0)


def _steps(xs: tuple[int, ...], k: int) -> bool:
    return all(b - a >= k for a, b in itertools.pairwise(xs))


def _edits(a: str, b: str, k: int) -> int:
    @cache
    def far(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = far(i - 1, j - 1) + (0 if a[i - 1] == b[j - 1] else k)
        return min(same, far(i - 1, j) + 1, far(i, j - 1) + 1)

    return far(len(a), len(b))


def _coins(n: int, k: int, m: int) -> int:
    counts = [
        a + b + c for a in range(n + 1) for b in range(n // k + 1) for c in range(n // m + 1) if a + b * k + c * m == n
    ]
    return min(counts)


def _spans(rng: random.Random, k: int) -> Arguments:
    starts = [rng.randint(0, 20) for _ in range(rng.randint(1, 5))]
    return ([[a, a + rng.randint(0, 6)] for a in starts],)


def _merged(spans: list[list[int]], k: int) -> list[list[int]]:
    taken = sorted({x for a, b in spans for x in range(2 * a, 2 * b + 1)})
    out: list[list[int]] = []
    for x in taken:
        if out and x - out[-1][1] <= max(1, 2 * k):
            out[-1][1] = x
        else:
            out.append([x, x])
    return [[a // 2, b // 2] for a, b in out]


def _islands(grid: list[list[int]], k: int) -> int:
    cells = {(r, c) for r, row in enumerate(grid) for c, x in enumerate(row) if x >= k}
    count = 0
    while cells:
        edge = {cells.pop()}
        count += 1
        while edge:
            near = {(r + dr, c + dc) for r, c in edge for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0))}
            edge = near & cells
            cells -= edge
    return count


def _postfix(rng: random.Random, k: int) -> Arguments:
    def grow(depth: int) -> list[str]:
        if depth == 0 or rng.random() < 0.3:
            return [str(rng.randint(0, 9))]
        return [*grow(depth - 1), *grow(depth - 1), rng.choice("+-*")]

    return (grow(3),)


def _worked_out(tokens: list[str], k: int) -> int:
    stack: list[int] = []
    for t in tokens:
        if t.isdigit():
            stack.append(int(t))
        else:
            b, a = stack.pop(), stack.pop()
            stack.append({"+": a + b, "-": a - b, "*": a * b}[t])
    return stack.pop() % k


def _shared(a: str, b: str, k: int) -> str:
    parts = {a[i:j] for i in range(len(a)) for j in range(i + k, len(a) + 1) if a[i:j] in b}
    return min(parts, key=lambda s: (-len(s), a.index(s)), default="")


def _grouped(ws: list[str], k: int) -> dict[str, list[str]]:
    groups = {w[:k]: sorted({v for v in ws if v[:k] == w[:k]}) for w in ws}
    return dict(sorted(groups.items()))


def _related(rng: random.Random, k: int) -> tuple[str, str]:
    stem = word(rng, "abcd", 2, 5)
    return word(rng, "abcd", most=3) + stem, rng.choice((stem + word(rng, "abcd", most=3), stem[1:], word(rng, "abcd")))


def _two_parameters(rng: random.Random) -> dict[str, Any]:
    k = rng.randint(2, 6)
    return {"k": k, "m": rng.randint(k + 1, 12)}


HARD = (
    Family(
        "runs", 3, "s", "把字符串 s 中连续相同的字符压缩成“字符+个数”，只压缩至少连续 {k} 个的，其余原样，例如 3 个 a "
            "写成 a3；返回结果",
        "returns the string s with each run of at least {k} equal characters written as the character and the run's length "
        "(a3 for three a), shorter runs unchanged",
        "out, i = '', 0\nwhile i < len(s):\n    j = i\n    while j < len(s) and s[j] == s[i]:\n        j += 1\n"
        "    out += s[i] + str(j - i) if j - i >= {k} else s[i:j]\n    i = j\nreturn out",
        lambda s, k: "".join(c + str(n) if n >= k else c * n for c, g in itertools.groupby(s) for n in [len(list(g))]),
        lambda rng, k: ("".join(c * rng.randint(1, 4) for c in word(rng, "abc", most=5)),), (("",),), _k(1, 4),
    ),
    Family(
        "group", 3, "words", "返回一个字典：把列表 words 的单词按前 {k} 个字母分组，每组去掉重复并按字母顺序排成列表",
        "returns a dict from the first {k} letters of the words of the list words to the list of those words, "
        "sorted and without repetitions",
        "out = {{}}\nfor w in sorted(set(words)):\n    out.setdefault(w[:{k}], []).append(w)\nreturn out",
        _grouped, lambda rng, k: (words(rng, "abc"),), (([],),), _k(1, 3),
    ),
    Family(
        "pairs", 3, "xs", "返回列表 xs 中有多少对下标 i < j 满足 xs[i] + xs[j] 等于 {k}",
        "returns how many pairs of indices i < j of the list xs there are with xs[i] + xs[j] equal to {k}",
        "n = 0\nfor i in range(len(xs)):\n    for j in range(i):\n        n += xs[i] + xs[j] == {k}\nreturn n",
        lambda xs, k: sum(a + b == k for a, b in itertools.combinations(xs, 2)),
        lambda rng, k: (ints(rng, 0, k, most=9),), (([],),), _k(3, 14),
    ),
    Family(
        "base", 3, "n", "返回非负整数 n 的 {k} 进制写法，用小写字母表示大于 9 的数字，结果是字符串",
        "returns the non-negative whole number n written in base {k}, as a string, with small letters for digits above 9",
        "s = ''\nwhile n >= {k}:\n    s = '0123456789abcdef'[n % {k}] + s\n    n //= {k}\nreturn '0123456789abcdef'[n] + s",
        _in_base, lambda rng, k: (rng.randint(0, 10 ** rng.randint(1, 6)),), ((0,),), _k(2, 16),
    ),
    Family(
        "transpose", 3, "rows", "把矩阵 rows（由行组成的非空列表）转置，每个数乘以 {k}，返回新的矩阵",
        "returns the transpose of the matrix rows (a non-empty list of rows) with each number times {k}",
        "return [[x * {k} for x in col] for col in zip(*rows)]",
        lambda rows, k: [[row[c] * k for row in rows] for c in range(len(rows[0]))], lambda rng, k: (_rows(rng),), (), _k(1, 9),
    ),
    Family(
        "by_length", 3, "words", "返回列表 words 按长度从长到短排序、长度相同按字母顺序排序后的前 {k} 个单词",
        "returns the first {k} words of the list words sorted from long to short, and alphabetically where the length is equal",
        "return sorted(words, key=lambda w: (-len(w), w))[:{k}]",
        lambda ws, k: sorted(sorted(ws), key=len, reverse=True)[:k], lambda rng, k: (words(rng, "abc"),), (([],),), _k(1, 6),
    ),
    Family(
        "most_common", 3, "words", "返回列表 words 中出现次数最多的 {k} 个不同单词；次数相同的按字母顺序",
        "returns the {k} different words that occur most often in the list words, alphabetically where they occur "
        "equally often",
        "return sorted(set(words), key=lambda w: (-words.count(w), w))[:{k}]",
        lambda ws, k: [w for _, w in sorted((-ws.count(w), w) for w in set(ws))][:k],
        lambda rng, k: ([word(rng, "ab", most=2) for _ in range(rng.randint(2, 9))],), (([],),), _k(1, 3),
    ),
    Family(
        "primes", 3, "n", "返回不大于 n 且大于 {k} 的所有质数，从小到大",
        "returns all primes that are greater than {k} and not greater than n, in rising order",
        "return [p for p in range(max(2, {k} + 1), n + 1) if all(p % d for d in range(2, int(p ** 0.5) + 1))]",
        lambda n, k: [p for p in range(k + 1, n + 1) if sum(not p % d for d in range(1, p + 1)) == 2],
        lambda rng, k: (rng.choice((rng.randint(0, 130), 23, 49, 121)),), ((0,), (2,)), _k(0, 12),
    ),
    Family(
        "brackets", 3, "s", "字符串 s 只含 ()[]{{}}；判断括号是否全部正确配对，并且嵌套不超过 {k} 层；返回 True 或 False",
        "returns True if the brackets ()[]{{}} of the string s all match and are nested at most {k} deep, else False",
        "stack, deep = [], 0\nfor c in s:\n    if c in '([{{':\n        stack.append(c)\n        deep = max(deep, len(stack))\n"
        "    elif not stack or stack.pop() + c not in ('()', '[]', '{{}}'):\n        return False\n"
        "return not stack and deep <= {k}",
        _balanced, lambda rng, k: (_brackets(rng, "()[]{}"),), (("",), ("([)]",), ("(((())))",)), _k(1, 3),
    ),
    Family(
        "rising", 4, "xs", "返回列表 xs 的最长子序列的长度，其中每个数至少比前一个大 {k}",
        "returns the length of the longest subsequence of the list xs in which each number is at least {k} more than "
        "the one before",
        "best = []\nfor i, x in enumerate(xs):\n"
        "    best.append(1 + max([best[j] for j in range(i) if x - xs[j] >= {k}], default=0))\n"
        "return max(best, default=0)",
        _rising, lambda rng, k: (ints(rng, 0, 20, most=8),), (([],),), _k(0, 5),
    ),
    Family(
        "edits", 4, "a, b", "返回把字符串 a 变成 b 的最小代价：插入或删除一个字符代价 1，替换一个字符代价 {k}",
        "returns the least cost of turning the string a into b, where inserting or deleting a character costs 1 and "
        "replacing one {k}",
        "row = list(range(len(b) + 1))\nfor i, x in enumerate(a, 1):\n    old, row = row, [i]\n"
        "    for j, y in enumerate(b, 1):\n"
        "        row.append(min(old[j] + 1, row[-1] + 1, old[j - 1] + (x != y) * {k}))\nreturn row[-1]",
        _edits, _related, (("", "abc"), ("", "")), _k(1, 2),
    ),
    Family(
        "coins", 4, "n", "硬币有 1、{k}、{m} 三种面值，返回凑成 n 最少需要几枚",
        "returns the least number of coins of the values 1, {k} and {m} that make n",
        "best = [0]\nfor i in range(1, n + 1):\n"
        "    best.append(1 + min(best[i - c] for c in (1, {k}, {m}) if c <= i))\nreturn best[n]",
        _coins, lambda rng, k, m: (rng.randint(1, 45),), ((0,),), _two_parameters,
    ),
    Family(
        "merge", 4, "spans", "spans 是 [起点, 终点] 的列表；把重叠或间隔不超过 {k} 的区间合并，按起点排序返回",
        "returns the intervals [start, end] of the list spans, sorted, with those merged that overlap or are at most {k} apart",
        "out = []\nfor a, b in sorted(spans):\n    if out and a - out[-1][1] <= {k}:\n        out[-1][1] = max(out[-1][1], b)\n"
        "    else:\n        out.append([a, b])\nreturn out",
        _merged, _spans, (([],),), _k(0, 3),
    ),
    Family(
        "islands", 4, "grid", "grid 是由行组成的矩阵；返回由不小于 {k} 的数上下左右相连而成的区域有几个",
        "returns how many regions there are in the matrix grid of numbers not less than {k} that touch above, below, "
        "left or right",
        "cells = {{(r, c) for r, row in enumerate(grid) for c, x in enumerate(row) if x >= {k}}}\nn = 0\nwhile cells:\n"
        "    n, todo = n + 1, [cells.pop()]\n    while todo:\n        r, c = todo.pop()\n"
        "        for p in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):\n            if p in cells:\n"
        "                cells.remove(p)\n                todo.append(p)\nreturn n",
        _islands, lambda rng, k: (_rows(rng),), (([],),), _k(3, 7),
    ),
    Family(
        "postfix", 4, "tokens", "tokens 是后缀表达式（数字和 + - * 的字符串列表）；返回它的值除以 {k} 的余数（非负）",
        "returns the value modulo {k} (not negative) of the postfix expression tokens, a list of strings: numbers and + - *",
        "st = []\nfor t in tokens:\n    if t in '+-*':\n        b, a = st.pop(), st.pop()\n"
        "        st.append(a + b if t == '+' else a - b if t == '-' else a * b)\n    else:\n        st.append(int(t))\n"
        "return st[0] % {k}",
        _worked_out, _postfix, ((["2", "5", "-"],),), _k(7, 99),
    ),
    Family(
        "shared", 4, "a, b", "返回字符串 a 和 b 最长的公共子串，长度至少 {k}；有几个时取在 a 中最先出现的，没有时返回空字符串",
        "returns the longest substring of at least {k} characters that the strings a and b share; of several the "
        "first one in a; "
        "the empty string if there is none",
        "for n in range(len(a), {k} - 1, -1):\n    for i in range(len(a) - n + 1):\n        if a[i:i + n] in b:\n"
        "            return a[i:i + n]\nreturn ''",
        _shared, _related, (("", "a"),), _k(1, 3),
    ),
)  # fmt: skip
