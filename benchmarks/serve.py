"""Speed of inference beside its peers: the same weights, prompts and number type, each engine in a process of its own.

    python -m benchmarks.serve --model FOLDER --peers A/bin/python,B/bin/python            against the peers found there
    python -m benchmarks.serve --model FOLDER --only decode,chat --rounds 3 --streams 1,8  some parts
    python -m benchmarks.serve --model FOLDER --only speculation,exactness,caches          ours against ours (serve_ours.py)

A peer is a Python that has vllm, xllamacpp or transformers (with two of them the first in this order; KIND=PYTHON chooses,
transformers-static is generate() with its static cache), or llama-server=BINARY. llama.cpp reads GGUF: --gguf, or it is
exported from the model in the same number type. --http adds `firesteel serve` over loopback; llama.cpp is always spoken to so.

A round is a turn of each side in each part; the others' processes are stopped meanwhile. Greedy, stop ids off, prompts are
pieces of --text that no cache has seen. Only new tokens count. `decode N`: tokens/s of N streams from when all have their
first token; `whole N`: the same answers over the whole time, prompts included; `prefill`: prompt tokens/s until the last
first token; `first token`: seconds for a 512-token newcomer while 8 others decode, `others wait`: the longest that one of
these then waits for a token; `chat`: seconds for 10 turns that go on from each other, and the share of prompt tokens that were
cached; `start`: seconds from the process's start to its first token. `ahead` is ours over theirs per round, above 1 = faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serve_process import Answer, LeftOut, Side, decode_rate, leave_out, new_tokens, summary
from firesteel.compute.device import multiplies
from firesteel.compute.machine import facts
from firesteel.core.tokenizer import Tokenizer

ROOT = Path(__file__).parents[1]
CONTEXT = 2048
KINDS = {"vllm": "vllm", "xllamacpp": "llama.cpp", "transformers": "transformers"}  # importable package -> kind
FIND = "import importlib.util as u; print([p for p in ('vllm', 'xllamacpp', 'transformers') if u.find_spec(p)])"
GGUF_DTYPES = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}
OURS = ("caches", "speculation", "exactness")  # parts of serve_ours.py
FASTER_IF_LESS = ("first token", "others wait", "chat", "start")
Figures = dict[str, float]
Part = Callable[[Any, argparse.Namespace], Callable[[Side], Figures]]


class Prompts:
    """Pieces of a text as token ids. Each begins at another place, so that no cache has seen any; a seed repeats them."""

    def __init__(self, folder: Path, text: str, seed: int) -> None:
        self.ids = Tokenizer.load(folder).encode(text)
        assert len(self.ids) > 5000, "the text is too short"
        self._random, self._used = random.Random(seed), set[int]()

    def take(self, count: int, length: int) -> list[list[int]]:
        """`count` prompts of `length` tokens."""
        found: list[list[int]] = []
        while len(found) < count:
            start = self._random.randrange(len(self.ids) - length)
            if start not in self._used or len(self._used) > len(self.ids) // 2:
                self._used.add(start)
                found.append(self.ids[start : start + length])
        return found


def requests(prompts: list[list[int]], new: int) -> list[dict[str, Any]]:
    """Requests that are sent together."""
    return [{"prompt": p, "new": new} for p in prompts]


def _decode(streams: int) -> Part:
    def part(prompts: Prompts, args: argparse.Namespace) -> Callable[[Side], Figures]:
        asked = requests(prompts.take(streams, args.prompt), args.new)

        def turn(side: Side) -> Figures:
            a = _able(side.ask(asked))
            return {
                f"decode {streams}": decode_rate(a),
                f"whole {streams}": new_tokens(a) / a["seconds"],
                f"processor ms/token {streams}": 1000 * a["processor"] / new_tokens(a),
            }

        return turn

    return part


def _prefill(prompts: Prompts, args: argparse.Namespace) -> Callable[[Side], Figures]:
    asked = requests(prompts.take(8, args.long), 1)

    def turn(side: Side) -> Figures:
        a = _able(side.ask(asked))
        return {"prefill": 8 * args.long / max(r["times"][0] for r in a["requests"])}

    return turn


def _first(prompts: Prompts, args: argparse.Namespace) -> Callable[[Side], Figures]:
    others = requests(prompts.take(8, args.prompt), args.new)
    newcomer = {"prompt": prompts.take(1, args.long)[0], "new": 1, "after": 8}

    def turn(side: Side) -> Figures:
        a = _able(side.ask([*others, newcomer]))
        last, waits = a["requests"][-1], [0.0]
        for r in a["requests"][:-1]:
            times = [t for t in r["times"] if t <= last["sent"]][-1:] + [t for t in r["times"] if t > last["sent"]]
            waits += [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        return {"first token": last["times"][0] - last["sent"], "others wait": max(waits)}

    return turn


def _chat(prompts: Prompts, args: argparse.Namespace) -> Callable[[Side], Figures]:
    said = prompts.take(args.turns, 48)

    def turn(side: Side) -> Figures:
        so_far, seconds, cached, read = prompts.ids[:0], 0.0, 0, 0
        for words in said:
            so_far = so_far + words
            a = _able(side.ask(requests([so_far], 48)))
            (answer,) = a["requests"]
            seconds, cached, read = seconds + a["seconds"], cached + answer["cached"], read + len(so_far)
            so_far = so_far + (answer["ids"] or words)  # over HTTP the ids may not be told
        return {"chat": seconds, "chat cached": cached / read}

    return turn


def _able(answer: Answer) -> Answer:
    if "cannot" in answer:
        raise NotImplementedError(answer["cannot"])
    return answer


def main() -> None:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that the sides are ended, too
    with tempfile.TemporaryDirectory() as place:
        args.place = Path(place)
        print(json.dumps({"machine": _machine(args)}) if args.json else _machine(args), flush=True)
        beside = [name for name in args.only if name not in OURS]
        if beside:
            _beside_peers(beside, args)
        for name in args.only:
            if name in OURS:
                try:
                    for row in getattr(importlib.import_module("benchmarks.serve_ours"), name)(args):
                        show(row, args)
                except LeftOut as e:
                    print(f"{name} is left out: {e}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a model's folder")
    parser.add_argument("--gguf", type=Path, help="the same weights for llama.cpp")
    parser.add_argument("--peers", default="", help="[KIND=]PYTHON,...")
    parser.add_argument("--dtype", choices=sorted(GGUF_DTYPES), default="bfloat16")
    parser.add_argument("--only", default="decode,prefill,first,chat,speculation,exactness,caches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", default="1,8,32")
    parser.add_argument("--prompt", type=int, default=128, help="tokens of a prompt")
    parser.add_argument("--new", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--long", type=int, default=512, help="tokens of a long prompt")
    parser.add_argument("--turns", type=int, default=10, help="turns of the chat")
    parser.add_argument("--contexts", default="1024,2048,4096,8192,16384", help="lengths of the part caches")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each side")
    parser.add_argument("--text", type=Path, help="where prompts are from; else this repository's own pages")
    parser.add_argument("--http", action="store_true", help="ours over HTTP as well")
    parser.add_argument(
        "--widened",
        action="store_true",
        help="ours also with the weights widened to float32 once, as "
        "serve.dtype = auto does where a processor has no products of bfloat16",
    )
    parser.add_argument("--exactness", action="store_true", help="the same as --only exactness")
    parser.add_argument("--limit", type=float, default=600, help="seconds that a side may take for an answer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="JSON lines")
    args = parser.parse_args()
    args.only = ["exactness"] if args.exactness else args.only.split(",")
    args.streams = [int(n) for n in args.streams.split(",")]
    known = ("decode", "prefill", "first", "chat", "start", *OURS)
    if unknown := [name for name in args.only if name not in known]:
        parser.error(f"--only has {', '.join(unknown)}; there are {', '.join(known)}")
    pages = [args.text] if args.text else [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    args.pages = "\n\n".join(page.read_text(encoding="utf-8") for page in pages)
    return args


def plan(args: argparse.Namespace, **changes: Any) -> dict[str, Any]:
    """What a side is told."""
    sequences = max([*args.streams, 9])
    return {
        "model": str(args.model.resolve()), "gguf": str(args.gguf or ""), "dtype": args.dtype, "threads": args.threads,
        "context": CONTEXT, "sequences": sequences, "cache_tokens": sequences * 1024, "engine": {},
    } | changes  # fmt: skip


def start(label: str, kind: str, python: str, told: dict[str, Any], args: argparse.Namespace) -> Side:
    """A side, ready and warm. Raises LeftOut."""
    side = Side(label, kind, python, told, args.place / label.replace(" ", "-").replace("/", "-"), args.limit)
    side.ask(requests([[7 + i, *range(100, 130)] for i in range(4)], 4))
    return side


def _beside_peers(names: list[str], args: argparse.Namespace) -> None:
    """Rounds of these parts; a side that cannot do a part says so once."""
    prompts = Prompts(args.model, args.pages, args.seed)
    table: dict[str, Part] = {"prefill": _prefill, "first": _first, "chat": _chat}
    parts = [table[n] for n in names if n in table]
    parts += [_decode(n) for n in args.streams] if "decode" in names else []
    sides: dict[str, Side] = {}
    rounds: list[dict[str, Figures]] = []
    cannot: set[str] = set()
    try:
        for label, kind, python, changes in _wanted(args):
            try:
                sides[label] = start(label, kind, python, plan(args, **changes), args)
                _say(f"{label}: {sides[label].how}; first token {sides[label].start:.1f} s after its start", args)
            except LeftOut as e:
                print(f"{label} is left out: {e}", file=sys.stderr, flush=True)
        for _ in range(args.rounds):
            rounds.append({label: {"start": side.start} for label, side in sides.items()})
            for part in parts:
                turn = part(prompts, args)
                for label in list(sides):
                    try:
                        rounds[-1][label] |= turn(sides[label])
                    except NotImplementedError as e:
                        cannot.add(f"{label}: {e}")
                    except LeftOut as e:
                        leave_out(sides, label, e)
    finally:
        for side in sides.values():
            side.end()
    for row in table_of(rounds):
        show(row, args)
    for line in sorted(cannot):
        _say(line, args)


def table_of(rounds: list[dict[str, Figures]]) -> list[dict[str, Any]]:
    """A row for each figure: of each side median and range, and how far the first side is ahead of the others."""
    rows = []
    for figure in dict.fromkeys(name for r in rounds for found in r.values() for name in found):
        labels = dict.fromkeys(label for r in rounds for label in r if figure in r[label])
        row: dict[str, Any] = {"figure": figure, "load": os.getloadavg()[0], "sides": {}, "ahead": {}}
        for label in labels:
            row["sides"][label] = summary(r[label][figure] for r in rounds if figure in r.get(label, {}))
        first, *others = labels
        for label in others:
            both = [
                (r[first][figure], r[label][figure])
                for r in rounds
                if all(figure in r.get(x, {}) for x in (first, label))
            ]
            less = figure in FASTER_IF_LESS or figure.startswith("processor")
            ratios = [(b / a if less else a / b) for a, b in both if a and b]
            if ratios and "cached" not in figure:
                row["ahead"][label] = summary(ratios)
        rows.append(row)
    return rows


def _wanted(args: argparse.Namespace) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(label, kind, python, changes of the plan) of every side; a peer that is not there is named."""
    found: list[tuple[str, str, str, dict[str, Any]]] = [("ours", "ours", sys.executable, {})]
    if args.widened:
        found.append(("ours, float32", "ours", sys.executable, {"dtype": "float32"}))
    if args.http:
        found.append(("ours over HTTP", "ours-http", sys.executable, {}))
    for peer in filter(None, args.peers.split(",")):
        kind, _, program = peer.rpartition("=")
        if not Path(program).is_file():
            print(f"{peer} is left out: there is no such file", file=sys.stderr)
            continue
        kind = kind or _kind(program)
        if not kind:
            print(f"{peer} is left out: it has none of {', '.join(KINDS)}", file=sys.stderr)
        elif kind == "llama-server":
            found.append((kind, kind, sys.executable, {"binary": program, "gguf": _gguf(args)}))
        else:
            changes: dict[str, Any] = {"gguf": _gguf(args)} if kind == "llama.cpp" else {}
            changes |= {"engine": {"static": True}} if kind == "transformers-static" else {}
            found.append((kind, kind.removesuffix("-static"), program, changes))
    return found


def _kind(python: str) -> str:
    """Which engine a Python has."""
    said = subprocess.run([python, "-c", FIND], capture_output=True, text=True, check=False).stdout
    return next((kind for package, kind in KINDS.items() if f"'{package}'" in said), "")


def _gguf(args: argparse.Namespace) -> str:
    """The model for llama.cpp, exported where it is not given."""
    if args.gguf is None:
        kind = GGUF_DTYPES[args.dtype]
        args.gguf = args.place / f"model-{kind}.gguf"
        command = [sys.executable, "-m", "firesteel", "export", str(args.model), str(args.gguf), "--format", "gguf"]
        subprocess.run([*command, "--dtype", kind], check=True, stdout=sys.stderr)
    return str(args.gguf.resolve())


def show(row: dict[str, Any], args: argparse.Namespace) -> None:
    """A row for the terminal, or a JSON line."""
    if args.json:
        print(json.dumps(row), flush=True)
        return
    print(f"{row['figure']}  (load {row['load']:.1f})")
    first = next(iter(row["sides"]), "")
    for label, found in row["sides"].items():
        ahead = row["ahead"].get(label)
        beside = f"{first} ahead {ahead['median']:.2f} {ahead['range']}" if ahead else ""
        print(f"    {label:24}{found['median']:>10}  {found['range']!s:26}{beside}".rstrip(), flush=True)


def _say(line: str, args: argparse.Namespace) -> None:
    print(json.dumps({"note": line}) if args.json else line, flush=True)


def _machine(args: argparse.Namespace) -> str:
    """What it runs on."""
    import torch

    has = "has" if multiplies(torch.bfloat16, "cpu") else "has NO"
    products = f"{has} instructions for bfloat16 products"
    return f"{facts().get('cpu', 'unknown processor')}, {args.threads} threads a side, {products}; {args.dtype}"


if __name__ == "__main__":
    main()
