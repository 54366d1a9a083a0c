"""Tokenizer and chat template: the one place where conversations become token ids, for our own models and imported ones.

Training, rollouts, evaluation, serving and export all render conversations here, so they cannot differ. An imported model
keeps its own tokenizer.json and its own chat template; ids are those of transformers' `apply_chat_template`. A model that
Firesteel made has CHAT_TEMPLATE:

    <|bos|>[<|tools|>schemas][<|system|>text][<|user|>text][<|assistant|>[<think>reasoning</think>]answer[calls]<|eos|>]...

where a call is <|tool_call|>{"name": ..., "arguments": {...}}, and a result <|tool|>text (core/tools.py). A prompt for the
model to continue ends with <|assistant|>. Text from people is always encoded as plain text: a user
who writes "<|system|>" gets those characters, not the special token (OWASP LLM01). A model without a template (a base
model) continues text; a conversation with it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from firesteel.core.chat_template import ChatTemplate as ChatTemplate
from firesteel.core.chat_template import Message as Message
from firesteel.core.chat_template import Tool as Tool
from firesteel.core.chat_template import without_speech_marks
from firesteel.core.control import Control
from firesteel.core.decoding import IncrementalText, Pieces, pieces_of
from firesteel.core.encoder import Encoder
from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.renderer import Prefilled as Prefilled
from firesteel.core.renderer import Renderer
from firesteel.core.speech import END_THINK, THINK, Manner, Speech
from firesteel.core.tokenizer_files import config_of, read_backend, read_description, unique, write_files
from firesteel.core.tools import TOOL_CALL, TOOLS, read_call

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>", "tool": "<|tool|>"}
FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX = "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"
FIRST_TOKENS = (PAD, BOS, EOS, *ROLES.values(), THINK, END_THINK)  # all that the first tokenizers had
SPECIAL_TOKENS = (*FIRST_TOKENS, FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX, TOOLS, TOOL_CALL)  # ids 0, 1, 2, ...

# Qwen2's pre-tokenizer, so that runtimes which know it by name ("qwen2" in GGUF) split text the same way. Digits stand alone.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_TEMPLATE = (
    "{{ '<|bos|>' }}TOOLS{% for m in messages %}{{ '<|' + m['role'] + '|>' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}"
    "{% if m.get('reasoning_content') %}{{ '<think>' + m['reasoning_content'] + '</think>' }}{% endif %}"
    "ANSWER{% endgeneration %}"
    "{% else %}{{ m['content'] or '' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
CHAT_TEMPLATE = _TEMPLATE.replace("TOOLS", "{% if tools %}{{ '<|tools|>' + (tools | tojson) }}{% endif %}").replace(
    "ANSWER",
    "{{ m['content'] or '' }}{% for c in m.get('tool_calls') or [] %}{% set f = c['function'] %}"
    "{{ '<|tool_call|>' + ({'name': f['name'], 'arguments': f['arguments']} | tojson) }}{% endfor %}{{ '<|eos|>' }}",
)
FIRST_TEMPLATE = _TEMPLATE.replace("TOOLS", "").replace("ANSWER", "{{ (m['content'] or '') + '<|eos|>' }}")  # no tools


@dataclass(frozen=True)
class Rendered:
    """A conversation as tokens: `ids` [T], and `mask` [T], true where the assistant speaks (what training learns)."""

    ids: list[int]
    mask: list[bool]


class Tokenizer:
    """A `tokenizers` backend with its special tokens and chat template.

    `special`      control tokens, text -> id: special tokens and those that the template writes; text never becomes one
    `eos_id`       ends a document; None if the model has no such token
    `bos_id`       None if the model has none; `prefix` tells whether plain text begins with it
    `pad_id`       falls back to the end of text
    `think_id`, `end_think_id`   None unless <think> and </think> are tokens
    """

    def __init__(
        self, backend: Backend, *, chat_template: str | None = None, bos_token: str | None = None,
        eos_token: str | None = None, pad_token: str | None = None, add_bos: bool | None = None,
        add_eos: bool | None = None, end_ids: Iterable[int] = (), named: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """`backend` belongs to the tokenizer from now on.

        `chat_template`: Jinja source; None = ours if the backend has all of SPECIAL_TOKENS, else the model has none.
        `add_bos`, `add_eos`: whether plain text gets them; None = as the backend's post-processor does.
        `end_ids`: further ids that end a turn. `named`: unk_token and others that a template may name. `config`: the
        tokenizer_config.json that `save` shall write again. Raises ArtefactError.
        """
        tokens = dict(named or {}) | {
            name: text
            for name, text in (("bos_token", bos_token), ("eos_token", eos_token), ("pad_token", pad_token))
            if text is not None
        }
        self.own = _is_ours(backend, chat_template)
        if self.own:
            chat_template, tokens = _own_template(backend), {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD}
        self.backend, self._named, self._config = backend, tokens, dict(config or {})
        self._add = (add_bos, add_eos)
        self.template = None if chat_template is None else ChatTemplate(chat_template, tokens)
        self.vocab_size: int = 1 + max(backend.get_vocab().values(), default=-1)
        self.bos_id, self.eos_id = self._id(tokens.get("bos_token")), self._id(tokens.get("eos_token"))
        added = {token.content: id for id, token in backend.get_added_tokens_decoder().items()}
        self.think_id, self.end_think_id = added.get(THINK), added.get(END_THINK)  # not if they are words like others
        self._encoder = Encoder(backend)
        self.prefix, self.suffix = self._around()
        control = self._control()
        self.special = control.ids
        self._renderer = Renderer(self.template, control, self._encoder)
        self._end_ids = tuple(end_ids)
        pad, ends = self._id(tokens.get("pad_token")), unique([self.eos_id, *self._end_ids, 0])
        self.pad_id = ends[0] if pad is None else pad

    @classmethod
    def load(cls, folder: Path | str) -> Tokenizer:
        """Read the tokenizer of a tokenizer or model folder, ours or Hugging Face's. Raises ArtefactError."""
        folder = Path(folder)
        said = read_description(folder)
        backend = read_backend(folder, said.config)
        # a post-processor that adds nothing does not say that nothing is to be added: DeepSeek's adds no BOS, its config asks
        # for one, which transformers 4 and llama.cpp heed and transformers 5 does not
        add = [said.config.get(key) or None for key in ("add_bos_token", "add_eos_token")]
        named = dict(said.named)
        main = {name: named.pop(name, None) for name in ("bos_token", "eos_token", "pad_token")}
        return cls(
            backend, chat_template=said.chat_template, **main, add_bos=add[0], add_eos=add[1], end_ids=said.end_ids,
            named=named, config=said.config,
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja` in Hugging Face layout."""
        source = self.template.source if self.template else None
        if self.own:
            config = {
                "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS, "pad_token": PAD,
                "clean_up_tokenization_spaces": False, "chat_template": source,
            }  # fmt: skip
            write_files(folder, self.backend, config, f"{source}\n")
        else:
            config = config_of(self._config, self._named)
            write_files(folder, self._encoder.restored(self.prefix, self.suffix), config, source)

    def encode(self, text: str) -> list[int]:
        """Plain text to ids [T]; no control token is ever produced, nothing is added around."""
        return self._encoder.plain(text)[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts, in parallel."""
        return self._encoder.plain_batch(texts)

    def continued(self, text: str) -> list[int]:
        """Plain text as a prompt to continue, with what the model's tokenizer puts around text (`add_special_tokens`).

        Ours begins with <|bos|>, as every document did in pretraining.
        """
        return [*self.prefix, *self.encode(text), *self.suffix]

    def document(self, ids: Sequence[int]) -> list[int]:
        """The ids of a text as a document to train on: begun as the model's texts begin, ended by the end of text."""
        return [*self.prefix, *ids, *unique([self.eos_id])]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; special tokens are left out, invalid UTF-8 becomes U+FFFD."""
        return self.pieces.text(ids)

    @property
    def token_bytes(self) -> list[bytes]:
        """The bytes of each id; empty for special tokens."""
        return self.pieces.table

    @cached_property
    def pieces(self) -> Pieces:
        """The text of each id, and how a text begins."""
        flagged = {id for id, token in self.backend.get_added_tokens_decoder().items() if token.special}
        silent = (flagged - self._encoder.made_special) | set(self.stop_ids)
        return pieces_of(self.backend, self.vocab_size, silent)

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """All ids that end a turn: the end of text, those that the model's files name, what the template ends a turn with."""
        return unique([self.eos_id, *self._end_ids, self._renderer.turn_end])

    @cached_property
    def halt_ids(self) -> tuple[int, ...]:
        """`stop_ids`, and what an answer can never hold: padding, begins of texts, of turns and of roles."""
        no_text = {self.bos_id, self.pad_id, *self.prefix, *self._renderer.written}
        no_text |= (
            {self.special.get(name) for name in (FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX, TOOLS)} if self.own else set()
        )
        return unique([*self.stop_ids, *sorted(id for id in no_text if id is not None)])

    @cached_property
    def manner(self) -> Manner:
        """How the model thinks aloud."""
        return Manner(self.think_id, self.end_think_id, self._renderer.opens_thought, self.own)

    def render(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), add_generation_prompt: bool = False
    ) -> Rendered:
        """A conversation to ids and the assistant mask; `tools` are the schemas of what the assistant may call.

        Raises UserError for an unknown role, content that is no text, a conversation that the template refuses, tools that
        it does not show, and assistant turns of which the template does not show where they begin and end.
        """
        ids, mask = self._renderer.render(
            messages, tools=tools, add_generation_prompt=add_generation_prompt, masked=True
        )
        return Rendered(ids, mask)

    def prompt(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), variables: Mapping[str, Any] | None = None
    ) -> list[int]:
        """A conversation to the ids that the model is to continue: `render` without its mask, and its demands for one.

        `variables` are further ones that the model's template knows, such as enable_thinking.
        """
        return self._renderer.render(
            messages, tools=tools, add_generation_prompt=True, masked=False, variables=variables
        )[0]

    def prefilled(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), variables: Mapping[str, Any] | None = None
    ) -> Prefilled:
        """A conversation whose last message is the beginning of what the assistant says: the ids up to its end.

        Those of transformers' `apply_chat_template(continue_final_message=...)`: the content goes on, or, without any, the
        reasoning_content. Raises UserError where the template does not show the message as it is.
        """
        return self._renderer.prefilled(messages, tools=tools, variables=variables)

    @cached_property
    def call_id(self) -> int | None:
        """The token with which our own models begin a tool call; None for other models, and for the first of ours."""
        return self.special.get(TOOL_CALL) if self.own else None

    @cached_property
    def fim_ids(self) -> tuple[int, int, int] | None:
        """The tokens before the prefix, the middle and the suffix of a text with a gap; None if the model has none."""
        prefix, middle, suffix = (self.special.get(name) for name in (FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX))
        return None if prefix is None or middle is None or suffix is None else (prefix, middle, suffix)

    def parse_calls(self, ids: Sequence[int]) -> tuple[list[int], list[dict[str, Any] | None]]:
        """The ids of a turn of ours without its tool calls, and the calls: {"name", "arguments"}, None where it is none."""
        said = list(takewhile(lambda id: id not in self.stop_ids, ids))
        starts = [i for i, id in enumerate(said) if id == self.call_id]
        parts = [said[start + 1 : end] for start, end in pairwise([*starts, len(said)])]
        return (said[: starts[0]] if starts else said), [read_call(self.decode(part)) for part in parts]

    def parse(self, ids: Sequence[int]) -> tuple[str | None, str]:
        """What the model said in its turn: (reasoning, answer); reasoning is None if it did not think.

        A thought that never ends is all reasoning, with an empty answer.
        """
        speech, said = Speech(self.pieces, self.manner), []
        for id in ids:
            if id in self.stop_ids:
                break
            said.append(speech.push(id))
        said.append(speech.finish())
        reasoning, answer = ("".join(parts) for parts in zip(*said, strict=True))
        return (reasoning if speech.thought else None), answer

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self.backend.token_to_id(token)

    def _around(self) -> tuple[list[int], list[int]]:
        """What stands before and after plain text."""
        if self.own:
            return list(unique([self.bos_id])), []
        before, after = self._encoder.prefix, self._encoder.suffix
        if self._add[0] is not None:
            before = list(unique([self.bos_id if self._add[0] else None]))
        if self._add[1] is not None:
            after = list(unique([self.eos_id if self._add[1] else None]))
        return before, after

    def _control(self) -> Control:
        """Special tokens, and other added tokens that stand in the template; blank ones are text to a template."""
        try:
            literals = self.template.literals if self.template else ""
        except UserError:  # no Jinja: whoever renders will be told
            literals = ""
        steering = {
            id: token for id, token in sorted(self.backend.get_added_tokens_decoder().items())
            if token.special or (token.content in literals and not token.content.isspace())
        }  # fmt: skip
        control = Control(steering, () if self.own else (THINK, END_THINK))
        self._encoder.guard(steering)
        return control


class IncrementalDecoder(IncrementalText):
    """Turns ids of a tokenizer into text as they come, never emitting half of a UTF-8 character."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer.pieces)


def _is_ours(backend: Backend, chat_template: str | None) -> bool:
    """Whether this is Firesteel's own tokenizer: no other template, and all special tokens that its template needs."""
    said = None if chat_template is None else without_speech_marks(chat_template).strip()
    templates = {
        without_speech_marks(FIRST_TEMPLATE): FIRST_TOKENS,
        without_speech_marks(CHAT_TEMPLATE): SPECIAL_TOKENS,
    }
    if said is not None and said not in templates:
        return False
    missing = [name for name in templates.get(said or "", FIRST_TOKENS) if backend.token_to_id(name) is None]
    if missing and chat_template is not None:
        raise ArtefactError(
            "the tokenizer lacks special tokens", value=", ".join(missing), why="its template needs them"
        )
    return not missing


def _own_template(backend: Backend) -> str:
    """Our template: the one that knows tools, unless the tokenizer was made before there were tokens for them."""
    return FIRST_TEMPLATE if any(backend.token_to_id(name) is None for name in SPECIAL_TOKENS) else CHAT_TEMPLATE
