"""Prompt injection: text that tries to command the machine instead of asking it (OWASP LLM01, LLM07).

Patterns are read on the guard's disguise-free views, so spacing, width, digits for letters and look-alike letters do
not help. Gaps in them are bounded, so that reading stays linear. A pattern that somebody only talks about ('why does
"ignore previous instructions" work?') is no attack: see `_mentioned`.
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from firesteel.core.artefact import digest
from firesteel.safety.text import Folding, Reading, View, read

CATEGORY = "injection"

PATTERNS = Path(__file__).with_name("injection.toml")
# What only a machine's conversation holds; read on the text itself.
_MARKUP = re.compile(
    r"<\|?/?(?:im_start|im_end|system|user|assistant|tool|bos|eos|endoftext|start_header_id|eot_id|(?:start|end)_of_turn)\|?>"
    r"|\[/?INST\]|<</?SYS>>|^#{2,} ?(?:system|instruction|assistant)\b ?[:：]",
    re.IGNORECASE | re.MULTILINE,
)
_SPEAKER = re.compile(
    r"^\W{0,4}(?:system(?: (?:message|notice|override))?|系统(?:消息|通知|指令)?|admin(?:istrator)?|管理员)"
    r"\s{0,3}[:：].{0,80}?"
    r"(?:restriction|safety|filter|unrestricted|lifted|disabled|ignore|obey|限制|安全|授权|关闭|忽略|服从)",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED = re.compile("[“「『‘《\"'`](.{2,200}?)[”」』’》\"'`]", re.DOTALL)
_ABOUT = re.compile(
    r"什么是|是什么|什么意思|为什么|为何|解释|作用|含义|区别|原理|举例|例子|介绍|识别|检测"
    r"|防范|防御|攻击|漏洞|论文|研究|模板|格式"
    r"|\bwhat (?:is|are|does|do)\b|\bwhy\b|\bexplain\b|\bmean(?:s|ing)?\b|\bexample|\battack|\bdetect"
    r"|\bdefen[cds]|\bprevent|\bformat\b|\btemplate\b|\btokens?\b|\bpaper\b",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{16,4096}={0,2}")
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){8,2048}(?![0-9A-Fa-f])")
MAX_PAYLOADS = 8


@dataclass(frozen=True)
class Attack:
    """The name of the pattern, and the original characters [start, end) that it was found in."""

    name: str
    start: int
    end: int


class InjectionPatterns:
    """The compiled patterns."""

    def __init__(self, folding: Folding | None = None) -> None:
        self.folding = folding if folding is not None else Folding()
        raw = tomllib.loads(PATTERNS.read_text(encoding="utf-8"))
        self._chinese, self._english = _compiled(**raw["zh"]), _compiled(**raw["en"])

    @property
    def id(self) -> str:
        """sha256 of the patterns."""
        return digest([[name, pattern.pattern] for name, pattern in (*self._chinese, *self._english)])

    def find(self, text: str | Reading) -> list[Attack]:
        """The attacks in `text`, in no order; those that are only talked about are left out."""
        reading = read(text, self.folding) if isinstance(text, str) else text
        views = [(reading.squeezed, self._chinese), *((view, self._english) for view in reading.latin)]
        found = [a for view, patterns in views for a in _search(view, patterns)]
        return [a for a in found if not _mentioned(reading.text, a)] + _markup(reading.text)


def _compiled(fragments: dict[str, list[str]], patterns: dict[str, list[str]]) -> list[tuple[str, re.Pattern[str]]]:
    groups = {name: f"(?:{'|'.join(words)})" for name, words in fragments.items()}
    return [
        (name, re.compile("|".join(re.sub(r"<(\w+)>", lambda m: groups[m[1]], p) for p in alternatives)))
        for name, alternatives in patterns.items()
    ]


def payloads(text: str) -> Iterator[str]:
    """Readable text hidden in `text` as base64 or hexadecimal; at most MAX_PAYLOADS pieces."""
    decoders: tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...] = (
        (_HEX, bytes.fromhex),
        (_BASE64, _from_base64),
    )
    for pattern, decode in decoders:
        for n, match in enumerate(pattern.finditer(text)):
            if n == MAX_PAYLOADS:
                break
            try:
                decoded = decode(match[0]).decode("utf-8")
            except ValueError:
                continue
            if len(decoded) >= 4 and decoded.isprintable():
                yield decoded


def _from_base64(text: str) -> bytes:
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


def _search(view: View, patterns: list[tuple[str, re.Pattern[str]]]) -> Iterator[Attack]:
    for name, pattern in patterns:
        for match in pattern.finditer(view.text):
            if match.end() > match.start():
                yield Attack(name, view.origin[match.start()], view.origin[match.end() - 1] + 1)


def _mentioned(text: str, attack: Attack) -> bool:
    """Whether the attack stands in quotation marks in a text that asks about it."""
    for quoted in _QUOTED.finditer(text):
        if quoted.start() <= attack.start and attack.end <= quoted.end() + 1:
            around = text[: quoted.start()] + " " + text[quoted.end() :]
            if _ABOUT.search(around):
                return True
    return False


def _markup(text: str) -> list[Attack]:
    """Chat markup: two signs or more are a forged conversation; one alone is, unless the text is about it."""
    signs = list(_MARKUP.finditer(text))
    kinds = {m[0].lower() for m in signs}
    forged = len(kinds) >= 2 or (len(signs) == 1 and not _ABOUT.search(text) and len(text) - len(signs[0][0]) > 8)
    found = [Attack("forged-markup", m.start(), m.end()) for m in signs] if forged else []
    return found + [Attack("forged-speaker", m.start(), m.end()) for m in _SPEAKER.finditer(text)]
