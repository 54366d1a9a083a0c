"""The tokenizer inside a GGUF file, in and out: byte-level BPE (`gpt2`), and SentencePiece's BPE with scores (`llama`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tokenizers import AddedToken, decoders, models
from tokenizers import Tokenizer as Backend

from firesteel.core.errors import ArtefactError, nearest
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.gguf.file import GGUF
from firesteel.model.gguf.sentencepiece import merges_of, scored_backend
from firesteel.model.gguf.split import SPLITS, name_of

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # llama.cpp's token types
PREFIX = "tokenizer.ggml."
NAMED = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
TURN_ENDS = ("eot", "eom")  # of a turn, of a message


def read_tokenizer(file: GGUF) -> Tokenizer:
    """The tokenizer of a file, with its chat template. Raises ArtefactError for one of another kind."""
    kind = file.need(f"{PREFIX}model")
    if kind not in KINDS:
        raise ArtefactError(
            "this GGUF file has another kind of tokenizer", value=kind, why=f"readable: {', '.join(KINDS)}"
        )
    tokens, types = _tokens(file)
    try:
        backend, begins = KINDS[kind](file, tokens, types)
        _add_tokens(backend, tokens, types)
    except ArtefactError:
        raise
    except Exception as e:  # the library raises plain Exception for merges that do not fit the vocabulary
        raise ArtefactError("the tokenizer in the GGUF file does not fit together", value=file.path, why=str(e)) from e
    named = {name: tokens[id] for name, short in NAMED.items() if (id := _id(file, short, len(tokens))) is not None}
    ends = [id for short in TURN_ENDS if (id := _id(file, short, len(tokens))) is not None]
    bos, eos, pad = (named.pop(name, None) for name in ("bos_token", "eos_token", "pad_token"))
    template = file.keys.get("tokenizer.chat_template")
    return Tokenizer(
        backend, chat_template=template if isinstance(template, str) else None, bos_token=bos, eos_token=eos,
        pad_token=pad, end_ids=ends, named=named,
        add_bos=bool(file.keys.get(f"{PREFIX}add_bos_token", begins)),
        add_eos=bool(file.keys.get(f"{PREFIX}add_eos_token", False)),
    )  # fmt: skip


def _tokens(file: GGUF) -> tuple[list[str], list[int]]:
    """Every token and its type; those at the end that no id stands for are left out."""
    tokens = file.need(f"{PREFIX}tokens")
    types = file.keys.get(f"{PREFIX}token_type") or [NORMAL] * len(tokens)
    if not tokens or not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ArtefactError(
            "the tokenizer in the GGUF file does not fit together", value=file.path, why="no list of tokens"
        )
    if not isinstance(types, list) or len(types) != len(tokens):
        raise ArtefactError(
            "the tokenizer in the GGUF file does not fit together", value=file.path, why="a token lacks its type"
        )
    while types and types[-1] == UNUSED:
        tokens, types = tokens[:-1], types[:-1]
    tokens = [token or f"[EMPTY_{id}]" for id, token in enumerate(tokens)]
    if len(set(tokens)) < len(tokens):
        twice = next(token for id, token in enumerate(tokens) if token in tokens[:id])
        raise ArtefactError(
            "the tokenizer in the GGUF file does not fit together", value=twice, why="two ids have this token"
        )
    return tokens, types


def _id(file: GGUF, name: str, count: int) -> int | None:
    found = file.keys.get(f"{PREFIX}{name}_token_id")
    return found if isinstance(found, int) and 0 <= found < count else None


def _byte_level(file: GGUF, tokens: list[str], types: list[int]) -> tuple[Backend, bool]:
    """The backend, and whether text begins with the beginning-of-text token if the file does not say."""
    pre = file.keys.get(f"{PREFIX}pre", "default")
    if pre not in SPLITS:
        hint = nearest(str(pre), SPLITS)
        raise ArtefactError("this GGUF file splits text in a way that is not known here", value=pre, hint=hint)
    merges = [(left, right) for left, right in (pair.split(" ", 1) for pair in file.need(f"{PREFIX}merges"))]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    backend = Backend(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=SPLITS[pre].whole))
    backend.pre_tokenizer = SPLITS[pre].pre_tokenizer()
    backend.decoder = decoders.ByteLevel()
    return backend, SPLITS[pre].begins


def _scored(file: GGUF, tokens: list[str], types: list[int]) -> tuple[Backend, bool]:
    scores = file.need(f"{PREFIX}scores")[: len(tokens)]
    silent = {tokens[id] for id, kind in enumerate(types) if kind in (UNKNOWN, CONTROL, UNUSED, BYTE)}
    unknown = _id(file, "unknown", len(tokens))
    unknown = next((id for id, kind in enumerate(types) if kind == UNKNOWN), None) if unknown is None else unknown
    spaced = bool(file.keys.get(f"{PREFIX}add_space_prefix", True))
    merges = merges_of(tokens, scores, silent)
    return scored_backend(tokens, merges, None if unknown is None else tokens[unknown], spaced), True


KINDS: dict[str, Callable[[GGUF, list[str], list[int]], tuple[Backend, bool]]] = {
    "gpt2": _byte_level,
    "llama": _scored,
}


def _add_tokens(backend: Backend, tokens: list[str], types: list[int]) -> None:
    """Control tokens are special; user-defined ones are found whole in any text."""
    for wanted, special in ((CONTROL, True), (USER_DEFINED, False)):
        found = [token for token, kind in zip(tokens, types, strict=True) if kind == wanted]
        backend.add_tokens([AddedToken(token, special=special, normalized=False) for token in found])


def tokenizer_keys(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """The `tokenizer.ggml.*` keys but the chat template: names without that prefix -> values.

    Raises ArtefactError for a tokenizer that llama.cpp would split differently.
    """
    fields = json.loads(tokenizer.backend.to_str())
    tokens = [tokenizer.backend.id_to_token(i) for i in range(tokenizer.vocab_size)]
    kinds = [_kind(token, tokenizer) for token in tokens]
    spare = range(len(tokens), vocab_size)  # rows of the model's tables that no token uses
    ids = {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "padding": tokenizer.pad_id}
    turn = next((id for id in tokenizer.stop_ids if id != tokenizer.eos_id), None)
    named = {f"{name}_token_id": id for name, id in (ids | {"eot": turn}).items() if id is not None}
    return {
        "model": "gpt2", "pre": _pre(fields),
        "tokens": [token or f"[UNUSED{i}]" for i, token in enumerate(tokens)] + [f"[UNUSED{i}]" for i in spare],
        "token_type": kinds + [UNUSED] * len(spare),
        "merges": [pair if isinstance(pair, str) else " ".join(pair) for pair in fields["model"]["merges"]],
        "add_bos_token": bool(tokenizer.prefix) and not tokenizer.own,  # our own chat template writes it
    } | named  # fmt: skip


def _kind(token: str | None, tokenizer: Tokenizer) -> int:
    """Control tokens are CONTROL: USER_DEFINED ones, llama.cpp would also find in what a user types."""
    if token is None:
        return UNUSED
    if token in tokenizer.special:
        return CONTROL
    added = {added.content for added in tokenizer.backend.get_added_tokens_decoder().values()}
    return USER_DEFINED if token in added else NORMAL


def _pre(fields: dict[str, Any]) -> str:
    """llama.cpp's name for the way this tokenizer splits text."""
    model, normaliser = fields["model"], fields.get("normalizer")
    name = name_of(fields.get("pre_tokenizer"), bool(model.get("ignore_merges"))) if model["type"] == "BPE" else None
    composed = normaliser in (
        None,
        {"type": "NFC"},
        {"type": "Sequence", "normalizers": []},
    )  # llama.cpp leaves NFC out
    if name is None or not composed:
        why = f"known to llama.cpp and to us: byte-level BPE split as {', '.join(SPLITS)}, without a normaliser"
        raise ArtefactError("this tokenizer cannot be written to a GGUF file", value=model["type"], why=why)
    return name
