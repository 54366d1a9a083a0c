"""Tokenizers of every kind for the tests of guides, and walks through what a guide allows."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Backend

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.guides import Grammar
from firesteel.serve.sequence import Guide


def imported(kind: str, *, thinks: str = "", opened: bool = False, hermes: str = "") -> Tokenizer:
    """A tokenizer of single characters and a few longer pieces. `thinks`, `hermes`: tags as "tokens" or "text"."""
    pieces = ["▁{", '{"', "</", "thi", "nk>", "k>{", "yes", "▁yes", "▁", "\n", "\n\n", ">\n", "</think>\n"]
    if kind == "byte level":
        alphabet = {c: c for c in pre_tokenizers.ByteLevel.alphabet()}
        words = [*alphabet, *(p.replace("▁", "Ġ").replace("\n", "Ċ") for p in pieces if len(p) > 1)]
        backend = Backend(models.BPE({w: i for i, w in enumerate(dict.fromkeys(words))}, []))
        backend.decoder = decoders.ByteLevel()
    else:
        words = [f"<0x{byte:02X}>" for byte in range(256)] if kind == "byte fallback" else []
        words += ["<unk>", *(chr(c) for c in range(33, 127)), *pieces]
        backend = Backend(models.BPE({w: i for i, w in enumerate(dict.fromkeys(words))}, [], unk_token="<unk>"))
        steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        backend.decoder = decoders.Sequence(steps) if kind == "byte fallback" else decoders.Metaspace()
    tags = (["<think>", "</think>"] if thinks == "tokens" else []) + (
        ["<tool_call>", "</tool_call>"] if hermes == "tokens" else []
    )
    backend.add_tokens([AddedToken(tag, special=False) for tag in tags])
    backend.add_special_tokens(["<eos>", "<u>", "<a>"])
    shown = ("{{ '</think>' }}" if thinks else "") + ("{{ '<tool_call></tool_call>' }}" if hermes else "")
    template = (
        "{% if tools and tool_calls %}"
        + shown
        + "{% endif %}{% for m in messages %}{{ '<u>' + m['content'] + '<eos>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<a>" + ("<think>\\n" if opened else "") + "' }}{% endif %}"
    )
    return Tokenizer(backend, chat_template=template, eos_token="<eos>")


def ids_of(tokenizer: Tokenizer, text: str, rng: random.Random | None = None) -> list[int]:
    """The text cut into pieces of the vocabulary: the longest ones, or at random; tags that are tokens by their names."""
    names = {name: id for id, name in ((i, n) for n, i in tokenizer.special.items())}
    by_piece = {p: i for i, p in enumerate(tokenizer.token_bytes) if p and i not in names.values()}
    raw, ids = text.encode(), []
    while raw:
        special = next((n for n in names if raw.startswith(n.encode())), None)
        fitting = [p for n in range(1, 9) if (p := raw[:n]) in by_piece and len(p) == n]
        piece = special.encode() if special else rng.choice(fitting) if rng else fitting[-1]
        ids.append(names[special] if special else by_piece[piece])
        raw = raw[len(piece) :]
    return ids


def walk(tokenizer: Tokenizer, guide: Guide, ids: list[int]) -> str:
    """Push what is allowed: "ends", "goes on", "either", or the text before the token that was refused."""
    for at, id in enumerate(ids):
        allowed = guide.allowed()
        if allowed is not None and not allowed[id]:
            return tokenizer.pieces.text(ids[:at])
        guide.push(id)
    allowed = guide.allowed()
    if allowed is None:
        return "either"
    ends = bool(allowed[list(tokenizer.stop_ids)].all())
    others = allowed.sum() > len(tokenizer.stop_ids)
    return "either" if ends and others else "ends" if ends else "goes on"


def said(tokenizer: Tokenizer, grammar: Grammar, text: str, **options: Any) -> str:
    return walk(tokenizer, grammar.guide(**options), ids_of(tokenizer, text))


def wander(tokenizer: Tokenizer, guide: Guide, seed: int, most: int = 400) -> tuple[str, bool]:
    """A text of random allowed tokens, and whether it came to its end."""
    rng, ids = random.Random(seed), []
    for _ in range(most):
        allowed = guide.allowed()
        assert allowed is not None and allowed.any()
        if allowed[tokenizer.stop_ids[0]] and (rng.random() < 0.3 or allowed.sum() == 1):
            return tokenizer.pieces.text(ids), True
        choices = [int(id) for id in np.flatnonzero(allowed) if id != tokenizer.think_id]
        closing = [i for i in choices if tokenizer.token_bytes[i][:1] in (b'"', b"}", b"]")]
        id = rng.choice(closing) if closing and rng.random() < 0.3 else rng.choice(choices)
        if id in tokenizer.stop_ids:
            return tokenizer.pieces.text(ids), True
        ids.append(id)
        guide.push(id)
    return tokenizer.pieces.text(ids), False
