"""Parts of serve.py that measure ours against ours: speculation, batch-invariant products, and caches of MLA and GQA.

`caches`: models of random weights and of one size, which differ in their attention; 4 streams of growing context. Prompts of
a length begin with the shorter ones, so the prefix cache saves most of the reading. B streams, S context
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.serve import Figures, Prompts, plan, requests, start, table_of
from benchmarks.serve_process import Answer, LeftOut, Side, decode_rate, summary
from firesteel.core.errors import UserError
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.model.weights import load_config, save_model
from firesteel.serve.engine import Engine

Rows = Iterator[dict[str, Any]]
HIDDEN, LAYERS, HEADS, HEAD, VOCABULARY, STREAMS = 512, 8, 8, 64, 8192, 4
PARAMETERS = 32_000_000  # of each
ATTENTION: dict[str, dict[str, Any]] = {
    "MLA, 128 + 32": {
        "kv_lora_rank": 128, "qk_rope_head_dim": 32, "qk_nope_head_dim": HEAD, "v_head_dim": HEAD, "q_lora_rank": None,
    },
    "GQA, 8 of 8 heads": {"attention": "gqa", "num_key_value_heads": 8, "head_dim": HEAD},
    "GQA, 2 of 8 heads": {"attention": "gqa", "num_key_value_heads": 2, "head_dim": HEAD},
}  # fmt: skip


def speculation(args: argparse.Namespace) -> Rows:
    """Decode rates with the MTP module's drafts and without, and the share of drafts that were accepted."""
    try:
        modules = load_config(args.model).num_nextn_predict_layers
    except UserError as e:
        sys.exit(str(e))
    if not modules:
        print(f"speculation is left out: {args.model} has no MTP module", file=sys.stderr)
        return
    prompts, rounds = Prompts(args.model, args.pages, args.seed), []
    choices = {"speculate": {"speculate": True}, "ours": {"speculate": False}}
    with _sides(choices, "speculate", args) as sides:
        for _ in range(args.rounds):
            rounds.append({label: dict[str, float]() for label in sides})
            for streams in args.streams:
                asked = requests(prompts.take(streams, _fitting(args)), args.new)
                answers = {label: side.ask(asked) for label, side in sides.items()}
                for label, a in answers.items():
                    rounds[-1][label] |= {f"decode {streams}": decode_rate(a)} | _accepted(a, streams)
                same = [r["ids"] for r in answers["speculate"]["requests"]] == [
                    r["ids"] for r in answers["ours"]["requests"]
                ]
                rounds[-1]["speculate"][f"same tokens {streams}"] = float(same)
    yield from table_of(rounds)


def _accepted(a: Answer, streams: int) -> Figures:
    drafted = a["counters"].get("drafted", 0)
    return {f"accepted {streams}": a["counters"]["accepted"] / drafted} if drafted else {}


def exactness(args: argparse.Namespace) -> Rows:
    """What batch-invariant products cost, and how many greedy tokens depend on the batch without and with them."""
    prompts, rounds = Prompts(args.model, args.pages, args.seed), []
    choices = {
        label: {"batch_invariant": on, "prefix_cache": False}
        for label, on in (("batch-invariant", True), ("ours", False))
    }
    most = max(args.streams)
    asked = requests(prompts.take(most, _fitting(args)), args.new)
    with _sides(choices, "batch_invariant", args) as sides:
        for _ in range(args.rounds):
            rounds.append({label: {f"decode {most}": decode_rate(side.ask(asked))} for label, side in sides.items()})
        rows = table_of(rounds)
        alone = {label: _answers(side, asked, 1) for label, side in sides.items()}
        for batch in (n for n in args.streams if n > 1):
            found = {label: _different(alone[label], _answers(side, asked, batch)) for label, side in sides.items()}
            for number, name in enumerate(("tokens", "answers")):
                shares = {label: summary([share[number]]) for label, share in found.items()}
                figure = f"share of {name} that differ, batch {batch} from batch 1"
                rows.append({"figure": figure, "load": os.getloadavg()[0], "sides": shares, "ahead": {}})
    yield from rows


def _answers(side: Side, asked: list[dict[str, Any]], batch: int) -> list[list[int]]:
    """Token ids of all requests, computed so many together."""
    groups = [asked[i : i + batch] for i in range(0, len(asked), batch)]
    return [r["ids"] for group in groups for r in side.ask(group)["requests"]]


def _different(one: list[list[int]], other: list[list[int]]) -> tuple[float, float]:
    """Share of tokens, and of answers, that are not the same."""
    pairs = [(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)]
    return sum(a != b for a, b in pairs) / len(pairs), sum(x != y for x, y in zip(one, other, strict=True)) / len(one)


def caches(args: argparse.Namespace) -> Rows:
    """Decode rates at growing contexts, and bytes of cache a token, of models that differ in attention only."""
    contexts = [int(n) for n in args.contexts.split(",")]
    longest, draw = max(contexts), random.Random(args.seed)
    texts = [[draw.randrange(VOCABULARY) for _ in range(longest)] for _ in range(STREAMS)]
    told = {}
    for label, fields in ATTENTION.items():
        folder = args.place / f"model {label}"
        _save(folder, _config(fields, longest + args.new), getattr(torch, args.dtype))
        told[label] = {
            "model": str(folder), "sequences": STREAMS, "cache_tokens": (STREAMS + 1) * (longest + args.new + 64),
            "engine": {"step_tokens": 1024},
        }  # fmt: skip
    bytes_a_token: dict[str, Any] = {}
    with _started(told, args) as sides:
        for context in contexts:
            rounds: list[dict[str, Figures]] = []
            for _ in range(args.rounds):
                tail = [draw.randrange(VOCABULARY) for _ in range(8)]  # else nothing is left to read in later rounds
                asked = requests([text[: context - len(tail)] + tail for text in texts], args.new)
                rounds.append({})
                for label, side in sides.items():
                    a = side.ask(asked)
                    bytes_a_token[label] = summary([a["counters"]["cache_bytes_per_token"]])
                    rounds[-1][label] = {f"decode {STREAMS} at {context}": decode_rate(a)}
            yield from table_of(rounds)
    yield {"figure": "cache bytes a token", "load": os.getloadavg()[0], "sides": bytes_a_token, "ahead": {}}


def _config(fields: dict[str, Any], context: int) -> ModelConfig:
    """One of ATTENTION; the feed-forward takes what PARAMETERS leave."""
    common: dict[str, Any] = {
        "vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "max_position_embeddings": context, "tie_word_embeddings": True,
    } | fields  # fmt: skip

    def size(width: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in Transformer(ModelConfig(**common, intermediate_size=width)).parameters())

    return ModelConfig(**common, intermediate_size=64 + (PARAMETERS - size(64)) // (3 * HIDDEN * LAYERS))


def _save(folder: Path, config: ModelConfig, dtype: torch.dtype) -> None:
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(0))
    folder.mkdir()
    print(json.dumps({"model": folder.name, "parameters": sum(p.numel() for p in model.parameters())}), file=sys.stderr)
    save_model(folder, model, dtype=dtype)


def _fitting(args: argparse.Namespace) -> int:
    """Tokens of a prompt, less where the model's context is short."""
    return int(min(args.prompt, load_config(args.model).max_position_embeddings - args.new))


@contextlib.contextmanager
def _sides(choices: dict[str, dict[str, Any]], needs: str, args: argparse.Namespace) -> Iterator[dict[str, Side]]:
    """Sides of one engine with different arguments, of which it must know `needs`."""
    if needs not in inspect.signature(Engine).parameters:
        raise LeftOut(f"this engine has no {needs}")
    with _started({label: {"engine": engine} for label, engine in choices.items()}, args) as sides:
        yield sides


@contextlib.contextmanager
def _started(told: dict[str, dict[str, Any]], args: argparse.Namespace) -> Iterator[dict[str, Side]]:
    """Sides of our engine while the caller's loop body runs; they are ended after it, whatever happens."""
    sides: dict[str, Side] = {}
    try:
        for label, changes in told.items():
            sides[label] = start(label, "ours", sys.executable, plan(args, **changes), args)
            print(f"{label}: {sides[label].how}", file=sys.stderr)
        yield sides
    finally:
        for side in sides.values():
            side.end()
