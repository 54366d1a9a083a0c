"""Rollouts as an artefact: what was asked, said and earned while a model learnt, by which policy, and with which odds.

part-00000.jsonl.zst ...   an answer a line, in the order of steps: step, round, policy, group, task, level, question, prompt,
                           ids, logprobs, said, text, stopped, called, reward, verdict
samples.jsonl              a few answers for people
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import zstandard

from firesteel.core import artefact
from firesteel.core.errors import ArtefactError
from firesteel.train.rl.store import Store, json_line

KIND, SAMPLES = "rollouts", "samples.jsonl"
PART = 10_000  # answers a file
Line = dict[str, Any]


def publish(
    store: Store, path: Path, *, newest: int, inputs: Mapping[str, str], settings: Mapping[str, Any], code: str
) -> None:
    """Write the answers of the `newest` steps that the store has, and all its samples, to an artefact at `path`."""
    with artefact.writing(path, KIND, inputs=inputs, settings=settings, code=code) as draft:
        last = max((int(folder.name.removeprefix("step-")) for folder in store.folder.glob("step-*")), default=0)
        lines = (line for line in store.records() if line["step"] > last - newest)
        stats = {"answers": 0, "tokens": 0, "reward": 0.0, "first_step": 0, "last_step": 0}
        number = 0
        while part := list(islice(lines, PART)):
            text = "".join(json_line(line) for line in part)
            (draft.path / f"part-{number:05d}.jsonl.zst").write_bytes(zstandard.compress(text.encode()))
            stats["first_step"], stats["last_step"] = stats["first_step"] or part[0]["step"], part[-1]["step"]
            stats["answers"] += len(part)
            stats["tokens"] += sum(len(line["ids"]) for line in part)
            stats["reward"] += sum(line["reward"] for line in part)
            number += 1
        stats["reward"] = round(stats["reward"] / max(stats["answers"], 1), 5)  # mean
        draft.stats |= stats
        shown = "".join(json_line(line) for line in store.shown())
        (draft.path / SAMPLES).write_text(shown, encoding="utf-8")


def read_rollouts(path: Path) -> Iterator[Line]:
    """The answers of a rollouts artefact, one by one. Raises ArtefactError where lengths or their number do not agree."""
    manifest, count = artefact.read(path, KIND), 0
    for file in sorted(path.glob("part-*.jsonl.zst")):
        for line in _lines(file):
            count += 1
            lengths = {name: len(line[name]) for name in ("ids", "logprobs", "said") if line[name] or name != "said"}
            lengths["verdict"] = line["verdict"]["length"]
            if len(set(lengths.values())) > 1:
                raise ArtefactError(
                    "an answer's parts are not equally long", value=f"{file.name}, answer {count}",
                    why=", ".join(f"{name} {n}" for name, n in lengths.items()),
                )  # fmt: skip
            yield line
    if count != manifest.stats["answers"]:
        raise ArtefactError(
            "answers are missing", value=path, why=f"{manifest.stats['answers']} recorded, {count} found"
        )


def _lines(file: Path) -> Iterator[Line]:
    try:
        with file.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as packed:
            for line in io.TextIOWrapper(packed, encoding="utf-8"):
                yield json.loads(line)
    except (zstandard.ZstdError, ValueError, KeyError) as e:
        raise ArtefactError("a file of rollouts is damaged", value=file, why=str(e)) from e
