"""The tokenizer artefact and the chat template: the one place where conversations become token ids.

Training, rollouts, evaluation, serving and export all render conversations here, so they cannot differ. A conversation is

    <|bos|>[<|system|>text][<|user|>text][<|assistant|>[<think>reasoning</think>]answer<|eos|>]...

and a prompt for the model to continue ends with <|assistant|>. Text from people is always encoded as plain text: a user
who writes "<|system|>" gets those characters, not the special token (OWASP LLM01). CHAT_TEMPLATE says the same in the
Jinja dialect of Hugging Face tokenizers.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from firesteel.core.errors import ArtefactError, UserError

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>", "tool": "<|tool|>"}
THINK, END_THINK = "<think>", "</think>"
SPECIAL_TOKENS = (PAD, BOS, EOS, *ROLES.values(), THINK, END_THINK)  # ids 0, 1, 2, ...

# Qwen2's pre-tokenizer, so that runtimes which know it by name ("qwen2" in GGUF) split text the same way. Digits stand alone.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = (
    "{{ '<|bos|>' }}{% for m in messages %}{{ '<|' + m['role'] + '|>' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}"
    "{% if m.get('reasoning_content') %}{{ '<think>' + m['reasoning_content'] + '</think>' }}{% endif %}"
    "{{ (m['content'] or '') + '<|eos|>' }}{% endgeneration %}"
    "{% else %}{{ m['content'] or '' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

Message = dict[str, Any]  # {"role", "content", optional "reasoning_content"}


@dataclass(frozen=True)
class Rendered:
    """A conversation as tokens: `ids` [T], and `mask` [T], true where the assistant speaks (what training learns)."""

    ids: list[int]
    mask: list[bool]


class Tokenizer:
    """Byte-level BPE with Firesteel's special tokens and chat template."""

    def __init__(self, backend: Backend) -> None:
        backend.encode_special_tokens = True  # special tokens in text are plain text
        self.backend = backend
        found = {name: backend.token_to_id(name) for name in SPECIAL_TOKENS}
        self.special = {name: id for name, id in found.items() if id is not None}
        if len(self.special) < len(found):
            missing = ", ".join(name for name in found if name not in self.special)
            raise ArtefactError("the tokenizer lacks special tokens", value=missing)
        self.pad_id, self.bos_id, self.eos_id = self.special[PAD], self.special[BOS], self.special[EOS]
        self.think_id, self.end_think_id = self.special[THINK], self.special[END_THINK]
        self.vocab_size: int = backend.get_vocab_size()

    @classmethod
    def load(cls, folder: Path | str) -> Tokenizer:
        """Read `tokenizer.json` of a tokenizer or model folder. Raises ArtefactError."""
        file = Path(folder) / "tokenizer.json"
        try:
            backend = Backend.from_file(str(file))
        except Exception as e:  # the library raises plain Exception for missing and malformed files alike
            raise ArtefactError("the tokenizer cannot be read", value=file, why=str(e)) from e
        return cls(backend)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja` in Hugging Face layout."""
        self.backend.save(str(folder / "tokenizer.json"))
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS, "pad_token": PAD,
            "clean_up_tokenization_spaces": False, "chat_template": CHAT_TEMPLATE,
        }  # fmt: skip
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n", encoding="utf-8")

    def encode(self, text: str) -> list[int]:
        """Plain text to ids [T]; no special token is ever produced."""
        ids: list[int] = self.backend.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts, in parallel."""
        return [e.ids for e in self.backend.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; special tokens are left out, invalid UTF-8 becomes U+FFFD."""
        return b"".join(self.token_bytes[i] for i in ids).decode("utf-8", errors="replace")

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes of each id; empty for special tokens."""
        alphabet = _byte_alphabet()
        specials = set(self.special.values())
        out = []
        for i in range(self.vocab_size):
            token = self.backend.id_to_token(i)
            out.append(b"" if i in specials or token is None else bytes(alphabet[c] for c in token))
        return out

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> Rendered:
        """A conversation to ids and the assistant mask. Raises UserError for an unknown role or content that is no text."""
        ids, mask = [self.bos_id], [False]
        for message in messages:
            role, content = message.get("role"), message.get("content") or ""
            if role not in ROLES or not isinstance(content, str):
                raise UserError(
                    "a message needs a known role and text content", value=role, hint="roles: " + ", ".join(ROLES)
                )
            spoken = self._spoken(message, content) if role == "assistant" else self.encode(content)
            ids += [self.special[ROLES[role]], *spoken]
            mask += [False] + [role == "assistant"] * len(spoken)
        if add_generation_prompt:
            ids.append(self.special[ROLES["assistant"]])
            mask.append(False)
        return Rendered(ids, mask)

    def _spoken(self, message: Message, content: str) -> list[int]:
        reasoning = message.get("reasoning_content") or ""
        thought = [self.think_id, *self.encode(reasoning), self.end_think_id] if reasoning else []
        return [*thought, *self.encode(content), self.eos_id]

    def parse(self, ids: Sequence[int]) -> tuple[str | None, str]:
        """What the model said after <|assistant|>: (reasoning, answer); reasoning is None if it did not think.

        A thought that never ends is all reasoning, with an empty answer.
        """
        ids = list(ids)
        if self.eos_id in ids:
            ids = ids[: ids.index(self.eos_id)]
        if not ids or ids[0] != self.think_id:
            return None, self.decode(ids)
        end = ids.index(self.end_think_id) if self.end_think_id in ids else len(ids)
        return self.decode(ids[1:end]), self.decode(ids[end + 1 :])


class IncrementalDecoder:
    """Turns ids into text as they come, never emitting half of a UTF-8 character."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._bytes = tokenizer.token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, id: int) -> str:
        """Text that became certain with this id (may be empty)."""
        return self._utf8.decode(self._bytes[id])

    def finish(self) -> str:
        """What is left at the end; an unfinished character becomes U+FFFD."""
        return self._utf8.decode(b"", final=True)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes: character -> byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(b): b for b in printable}
    rest = [b for b in range(256) if b not in set(printable)]
    return alphabet | {chr(256 + i): b for i, b in enumerate(rest)}
