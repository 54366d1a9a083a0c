"""`tiktoken.model` (Moonlight, Kimi-K2): ranks of byte strings, turned into a byte-level BPE of the `tokenizers` library.

A line of the file is BASE64 RANK. Encoding joins, in each piece that the pattern cuts, the neighbours whose union has the
lowest rank. The same as merges: every way to put a token together from two others, in the order of the token's rank.

The file does not say how text is cut, nor which ids above its own are special: the pattern is that of Moonshot's own
tokenizer (tokenization_kimi.py, `pat_str`), which also gives the 256 ids after the last rank to special tokens, named in
tokenizer_config.json's `added_tokens_decoder` or, where unnamed there, <|reserved_token_ID|>.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

from firesteel.core.decoding import byte_alphabet
from firesteel.core.errors import ArtefactError

RESERVED = 256  # ids after the last rank
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
_BEFORE, _AFTER = r"[^\r\n\p{L}\p{N}]?", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
KIMI_PATTERN = "|".join([
    r"[\p{Han}]+", f"{_BEFORE}{_UPPER}*{_LOWER}+{_AFTER}", f"{_BEFORE}{_UPPER}+{_LOWER}*{_AFTER}", r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+",
])  # fmt: skip


def read_tiktoken(file: Path, config: Mapping[str, Any]) -> Backend:
    """The tokenizer of a `tiktoken.model` file and its tokenizer_config.json. Raises ArtefactError."""
    ranks = _read(file)
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    spelt = {token: "".join(letters[b] for b in token) for token in ranks}
    vocab = {spelt[token]: rank for token, rank in ranks.items()}
    merges = [(spelt[left], spelt[right]) for left, right in _merges(ranks)]
    backend = Backend(models.BPE(vocab=vocab, merges=merges, ignore_merges=True))
    split = pre_tokenizers.Split(Regex(KIMI_PATTERN), behavior="isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    backend.decoder = decoders.ByteLevel()
    named = {int(id): entry for id, entry in config.get("added_tokens_decoder", {}).items()}
    last = max([len(ranks) + RESERVED - 1, *named])
    tokens = [named.get(id, {}).get("content", f"<|reserved_token_{id}|>") for id in range(len(ranks), last + 1)]
    plain = {entry["content"] for entry in named.values() if not entry.get("special", True)}
    backend.add_tokens([AddedToken(token, special=token not in plain, normalized=False) for token in tokens])
    if backend.token_to_id(tokens[-1]) != last:
        raise ArtefactError(
            "the special tokens do not follow the ranks",
            value=file,
            why="one of them is in the file too, or named twice",
        )
    return backend


def _read(file: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    try:
        for line in file.read_bytes().splitlines():
            if line:
                token, rank = line.split()
                ranks[base64.b64decode(token, validate=True)] = int(rank)
    except (ValueError, OSError, binascii.Error) as e:
        raise ArtefactError("the tokenizer cannot be read", value=file, why=str(e)) from e
    if sorted(ranks.values()) != list(range(len(ranks))) or any(bytes([b]) not in ranks for b in range(256)):
        why = "ranks must be 0, 1, 2, ... and hold every byte"
        raise ArtefactError("the tokenizer cannot be read", value=file, why=why)
    return ranks


def _merges(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Every pair whose union is a token, by the union's rank; of one union, the pair of the lowest ranks first."""
    merges = []
    for token, _ in sorted(ranks.items(), key=lambda item: item[1]):
        cuts = [(token[:i], token[i:]) for i in range(1, len(token))]
        pairs = [pair for pair in cuts if pair[0] in ranks and pair[1] in ranks]
        merges += sorted(pairs, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return merges
