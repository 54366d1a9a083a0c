"""The tokenizer inside a GGUF file: byte-level BPE whose pre-tokenizer llama.cpp knows by name."""

from __future__ import annotations

import json
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

from firesteel.core.errors import ArtefactError
from firesteel.core.tokenizer import SPLIT_PATTERN, Tokenizer
from firesteel.model.gguf_file import GGUF

PRE = {"qwen2": SPLIT_PATTERN}  # llama.cpp's name -> how text is split before merging
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.cpp's token types


def tokenizer_keys(tokenizer: Tokenizer, vocab_size: int) -> dict[str, Any]:
    """The `tokenizer.ggml.*` keys but the chat template: names without that prefix -> values.

    Raises ArtefactError for a tokenizer that llama.cpp would split differently.
    """
    fields = json.loads(tokenizer.backend.to_str())
    tokens = [tokenizer.backend.id_to_token(i) for i in range(tokenizer.vocab_size)]
    kinds = [_kind(token, tokenizer) for token in tokens]
    spare = range(len(tokens), vocab_size)  # rows of the model's tables that no token uses
    return {
        "model": "gpt2", "pre": _pre(fields),
        "tokens": [token or f"[UNUSED{i}]" for i, token in enumerate(tokens)] + [f"[UNUSED{i}]" for i in spare],
        "token_type": kinds + [UNUSED] * len(spare),
        "merges": [pair if isinstance(pair, str) else " ".join(pair) for pair in fields["model"]["merges"]],
        "bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id, "padding_token_id": tokenizer.pad_id,
        "add_bos_token": False,  # the chat template writes it
    }  # fmt: skip


def _kind(token: str | None, tokenizer: Tokenizer) -> int:
    """Special tokens are all CONTROL: USER_DEFINED ones, llama.cpp would also find in what a user types."""
    if token is None:
        return UNUSED
    return CONTROL if token in tokenizer.special else NORMAL


def _pre(fields: dict[str, Any]) -> str:
    """llama.cpp's name for the way this tokenizer splits text."""
    text = json.dumps(fields["pre_tokenizer"])
    name = next((name for name, pattern in PRE.items() if json.dumps(pattern) in text), None)
    if name is None or fields["model"]["type"] != "BPE" or fields.get("normalizer"):
        why = f"known to llama.cpp and to us: byte-level BPE split as {', '.join(PRE)}, without a normaliser"
        raise ArtefactError("this tokenizer cannot be written to a GGUF file", value=fields["model"]["type"], why=why)
    return name


def read_tokenizer(file: GGUF) -> Tokenizer:
    """The tokenizer of an open file. Raises ArtefactError for one of another kind."""
    kind, pre = file.need("tokenizer.ggml.model"), file.need("tokenizer.ggml.pre")
    if kind != "gpt2" or pre not in PRE:
        why = f"readable: gpt2 with {', '.join(PRE)}"
        raise ArtefactError("this GGUF file has another kind of tokenizer", value=f"{kind} with {pre}", why=why)
    tokens, kinds = file.need("tokenizer.ggml.tokens"), file.need("tokenizer.ggml.token_type")
    merges = file.need("tokenizer.ggml.merges")
    try:
        return _rebuilt(tokens, kinds, merges, PRE[pre])
    except ArtefactError:
        raise
    except Exception as e:  # the library raises plain Exception for merges that do not fit the vocabulary
        raise ArtefactError("the tokenizer in the GGUF file does not fit together", value=file.path, why=str(e)) from e


def _rebuilt(tokens: list[str], kinds: list[int], merges: list[str], pattern: str) -> Tokenizer:
    used = {token: i for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind != UNUSED}
    pairs = [(left, right) for left, right in (pair.split(" ", 1) for pair in merges)]
    backend = Backend(models.BPE(vocab=used, merges=pairs))
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    backend.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind in (CONTROL, USER_DEFINED)]
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return Tokenizer(backend)
