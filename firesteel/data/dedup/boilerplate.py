"""Lines that a source repeats from document to document: headers, footers, disclaimers, registration numbers.

A line is judged by where it stands. At a document's edge (its first and last lines) it is boilerplate if a share of the
source's documents has it there; inside, if half of them have it; and wherever it stands if it reads like a notice (of
copyright, liability, registration, a page number) and comes twice. Headings and the labels of forms are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import xxhash

EDGE = 3  # lines at each end of a document
LONGEST = 200  # characters; longer lines are paragraphs
LEAST = 5  # documents; fewer prove nothing
INSIDE = 0.5  # share of the documents for lines that stand anywhere
AT_EDGE, ANYWHERE, NOTICE = 1, 2, 3
_NOTICE = re.compile(
    "版权所有|如有侵权|侵权必究|侵权请|侵权联系|免责声明|转载请|转载须|不得转载|未经授权|未经许可|未经允许|未经书面|ICP备|ICP证|公网安备|网安备|备案号|许可证号|经营许可证|"
    "责任编辑|来源于网络|来自网络|文章来源|扫描二维码|扫码关注|长按识别|微信公众号|关注我们|关注公众号|点击阅读|阅读原文|上一篇|下一篇|返回顶部|返回首页|"
    "站内搜索|设为首页|加入收藏|当前位置[：:]|所在位置[：:]|浏览次数|阅读次数|点击次数|点击数[：:]|浏览量[：:]|访问量[：:]|位访客|打印本页|关闭窗口|"
    "打印(?:时间|日期)[：:]|导出时间[：:]|字体[：:]|字号[：:]|第\\s*\\d+\\s*页\\s*[,，/（(]?\\s*共\\s*\\d+\\s*页|[Pp]age\\s*\\d+\\s*of\\s*\\d+|"
    "分享到|仅代表作者|不代表本|仅供参考|保留所有权|保留一切权|统一社会信用代码|工商注册|注册号|违法和不良信息|举报电话|技术支持|"
    "All [Rr]ights [Rr]eserved|ALL RIGHTS RESERVED|Copyright|COPYRIGHT|copyright|©|Terms of |Privacy Policy|"
    "Powered by|Subscribe to |Disclaimer|DISCLAIMER|Confidential|CONFIDENTIAL"
)
_PAGE = re.compile(
    r"\W*(?:第\s*\d+\s*页|共\s*\d+\s*页|[Pp]age\s*\d+|\d{1,4}\s*/\s*\d{1,4}|-\s*\d{1,4}\s*-)[\W\d]{0,12}(?:共\s*\d+\s*页|of\s*\d+)?\W*"
)
_LETTERS = re.compile(r"[^\W\d_].*?[^\W\d_]")
_HEADING = re.compile(
    r"#|第[一二三四五六七八九十百零〇\d]{1,5}[章节條条编編部分款篇回]|[（(]?[一二三四五六七八九十\d]{1,3}[、.．)）]"
)
_BLANK = re.compile(r"\n{3,}")
_DIGITS = re.compile(r"\d+")


def keys_of(lines: list[str]) -> Iterator[int]:
    """What to count of each line, in order: a 64-bit hash with its kind in the low bits, or 0 for a line that may stay."""
    inked = [i for i, line in enumerate(lines) if line and not line.isspace()]
    edges = (
        {*inked[:EDGE], *inked[-EDGE:]} if len(inked) > 2 * EDGE else set()
    )  # a short note is all edge, and means it
    for i, line in enumerate(lines):
        yield _key(line.strip(), i in edges) if line else 0


def _key(line: str, edge: bool) -> int:
    if not line or len(line) > LONGEST:
        return 0
    if len(line) < 24 and _PAGE.fullmatch(line):
        return _hash(_DIGITS.sub("0", line), NOTICE)
    if _NOTICE.search(line):
        return _hash(_DIGITS.sub("0", line), NOTICE)  # counters, dates and years differ from document to document
    if line[-1] in ":：" or (not edge and len(line) < 4) or _HEADING.match(line) or not _LETTERS.search(line):
        return 0
    return _hash(line, AT_EDGE if edge else ANYWHERE)


def _hash(line: str, kind: int) -> int:
    return xxhash.xxh3_64_intdigest(line.encode("utf-8", "surrogatepass"), seed=kind) & ~3 | kind


def counted(text: str) -> set[int]:
    """The keys of a document's lines, each once."""
    keys = set(keys_of(text.split("\n")))
    keys.discard(0)
    return keys


def repeated(keys: np.ndarray, documents: int, share: float) -> np.ndarray:
    """Of sorted keys (uint64, one for each document that has the line) those that are boilerplate."""
    if len(keys) == 0:
        return keys
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    counts, unique = np.diff(np.append(first, len(keys))), keys[first]
    least = np.zeros(4)
    least[AT_EDGE] = max(LEAST, share * documents)
    least[ANYWHERE] = max(LEAST, max(INSIDE, share) * documents)
    least[NOTICE] = 2
    return np.asarray(unique[counts >= least[(unique & np.uint64(3)).astype(np.int64)]])


def without(text: str, boilerplate: frozenset[int]) -> tuple[str, int]:
    """The text without boilerplate lines, and how many there were."""
    if not boilerplate:
        return text, 0
    lines = text.split("\n")
    kept = [line for line, key in zip(lines, keys_of(lines), strict=True) if key not in boilerplate]
    if len(kept) == len(lines):
        return text, 0
    return _BLANK.sub("\n\n", "\n".join(kept)).strip("\n"), len(lines) - len(kept)
