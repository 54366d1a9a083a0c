"""datatrove's part of benchmarks/data.py: the same documents through its own blocks, one process. Runs in any environment
that has datatrove; prints seconds of wall and processor time as JSON.

    python benchmarks/datatrove_side.py CORPUS.jsonl LANGUAGE TOKENIZER.json STEP
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MANDARIN_STOP_WORDS = "的 年 在 月 是 和 日 了 于 为 有 被 人 中 他 与 后 也 由 而".split()


def filters(language: str) -> list[Any]:
    """FineWeb's rules for English, FineWeb-2's Mandarin ones for Chinese (their published thresholds)."""
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

    if language == "en":
        return [GopherRepetitionFilter(), GopherQualityFilter(), FineWebQualityFilter()]
    return [
        GopherRepetitionFilter(
            dup_line_frac=0.287, dup_para_frac=None, dup_line_char_frac=None, dup_para_char_frac=None,
            top_n_grams=((2, 0.256), (3, 0.201), (4, 0.171)),
            dup_n_grams=((5, 0.198), (6, 0.182), (7, 0.167), (8, 0.154), (9, 0.140), (10, 0.127)), language="cmn",
        ),
        GopherQualityFilter(
            min_doc_words=None, min_avg_word_length=1, max_avg_word_length=5, max_non_alpha_words_ratio=0.735,
            min_stop_words=2, stop_words=MANDARIN_STOP_WORDS, language="cmn",
        ),
        FineWebQualityFilter(
            line_punct_thr=0.106, short_line_thr=999, char_duplicates_ratio=0.1, new_line_ratio=0.178, language="cmn",
        ),
    ]  # fmt: skip


def chain(steps: list[Any], data: Any = None) -> int:
    """Run blocks one into the other; the number of documents that come out."""
    for step in steps:
        data = step.run(data, 0, 1) if hasattr(step, "run") else step(data)
    return sum(1 for _ in data)


def near(corpus: Path, language: str, work: Path) -> int:
    """Signatures, buckets and clusters with the default configuration (14 x 8, 5-grams of words); documents to remove."""
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader

    config = MinhashConfig()
    names = {name: str(work / name) for name in ("signatures", "buckets", "remove")}
    signer = MinhashDedupSignature(names["signatures"], config=config, language="eng" if language == "en" else "cmn")
    signer.run(JsonlReader(str(corpus.parent), glob_pattern=corpus.name, doc_progress=False).run(None, 0, 1), 0, 1)
    for bucket in range(config.num_buckets):
        MinhashDedupBuckets(names["signatures"], names["buckets"], config=config).run(None, bucket, config.num_buckets)
    MinhashDedupCluster(names["buckets"], names["remove"], config=config).run(None, 0, 1)
    return sum(file.stat().st_size // 4 for file in Path(names["remove"]).glob("*.remove"))


def steps(corpus: Path, language: str, tokenizer: Path, work: Path) -> dict[str, Callable[[], int]]:
    """What is timed, by name."""
    from datatrove.pipeline.dedup import MinhashDedupFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import JsonlWriter

    def read(file: Path) -> Any:
        return JsonlReader(str(file.parent), glob_pattern=file.name, doc_progress=False)

    def filtered() -> int:
        held = list(read(corpus).run(None, 0, 1))
        start()
        return chain(filters(language), held)

    def whole() -> int:
        middle = work / "filtered"
        chain(
            [
                read(corpus),
                *filters(language),
                JsonlWriter(str(middle), output_filename="${rank}.jsonl", compression=None),
            ]
        )
        near(middle / "00000.jsonl", language, work)
        keep = MinhashDedupFilter(str(work / "remove"))
        tokens = DocumentTokenizer(str(work / "tokens"), str(tokenizer), shuffle_documents=False, eos_token="<|eos|>")
        data = keep.run(read(middle / "00000.jsonl").run(None, 0, 1), 0, 1)
        tokens.run(data, 0, 1)
        return sum(file.stat().st_size // 2 for file in (work / "tokens").glob("*.ds"))

    return {"filter": filtered, "near": lambda: near(corpus, language, work), "whole": whole}


CLOCK = [0.0, 0.0]


def start() -> None:
    """Set the clocks to zero: what comes before is not measured."""
    CLOCK[:] = [time.perf_counter(), time.process_time()]


def main() -> None:
    corpus, language, tokenizer, step = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    from loguru import logger

    logger.remove()
    chain(filters(language), _warm(corpus))  # load dictionaries and models before the clock starts
    with tempfile.TemporaryDirectory() as work:
        run = steps(corpus, language, tokenizer, Path(work))[step]
        start()
        result = run()
        wall, processor = time.perf_counter() - CLOCK[0], time.process_time() - CLOCK[1]
    print(json.dumps({"wall": wall, "processor": processor, "result": result}))


def _warm(corpus: Path) -> list[Any]:
    from datatrove.data import Document

    with corpus.open(encoding="utf-8") as lines:
        return [Document(text=json.loads(next(lines))["text"], id="0")]


if __name__ == "__main__":
    main()
