"""What each stage of a recipe asks of a machine: work for the model, plain Python, memory. Counts, no speeds.

The training stages stand in training_loads.py, what no formula can know in calibration.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from firesteel.compute.calibration import CALIBRATION, Load, shape_of
from firesteel.compute.count import parameters
from firesteel.compute.sampling import cache_bytes, sampling
from firesteel.compute.training_loads import TRAINED, Need, without_mtp
from firesteel.compute.work import FLOAT, Work, learning
from firesteel.core.config import Recipe

DECODED_TOGETHER = 512  # answers that evaluation decodes at a time,
JUDGED = 2.0 * 2**30  # or as many as this cache holds, bytes (stages.judging)
HELD = 150e6  # bytes of text that workers hold at most, whatever the corpus


def _data(recipe: Recipe, need: Need) -> Load:
    megabytes = need.raw / 1e6
    workers = recipe.machine.workers or need.cores
    memory = CALIBRATION["process"] + CALIBRATION["organiser"] + CALIBRATION["worker"] * workers
    memory += CALIBRATION["text"] * min(need.raw, HELD)
    how = f"{megabytes:.1f} MB x cleaning rate"
    return Load(Work(), CALIBRATION["clean_mb"] * megabytes, memory, need.raw / CALIBRATION["bytes_per_token"], how)


def _tokenizer(recipe: Recipe, need: Need) -> Load:
    megabytes = min(need.raw / 1e6, recipe.tokenizer.sample_mb)
    how = f"{megabytes:.1f} MB x vocabulary rate"
    memory = CALIBRATION["process"] + CALIBRATION["vocabulary"] * megabytes * 1e6
    return Load(Work(), CALIBRATION["vocabulary_mb"] * megabytes, memory, 0, how)


def _tokens(recipe: Recipe, need: Need) -> Load:
    tokens = need.raw / CALIBRATION["bytes_per_token"]
    how = f"{need.raw / 1e6:.1f} MB x encoding rate; {CALIBRATION['bytes_per_token']} bytes a token"
    memory = CALIBRATION["process"] + CALIBRATION["encoding"] * min(need.raw, HELD)
    return Load(Work(), CALIBRATION["encode_mb"] * need.raw / 1e6, memory, tokens, how)


def _judging(recipe: Recipe, passes: Sequence[tuple[bool, int]], models: int) -> Load:
    """Asking questions in passes (whether that model has learnt to stop, how many answers), and reading held-out text."""
    s, shape = recipe.eval, shape_of(recipe)
    work = learning(without_mtp(shape), 1, 256, 256) * (models * s.perplexity_tokens / 256 / 3)
    tokens = python = 0.0
    for stops, answers in passes:
        batches = max(1, round(answers / DECODED_TOGETHER))
        sampled, made, bookkeeping = sampling(shape, -(-answers // batches), s.max_new_tokens, stops=stops)
        work, tokens, python = work + sampled * batches, tokens + made * batches, python + bookkeeping * batches
        python += answers * CALIBRATION["judged_answer"]
    cache = 2 * min(JUDGED, cache_bytes(shape, DECODED_TOGETHER, s.max_new_tokens))
    memory = CALIBRATION["process"] + CALIBRATION["sampler"] + FLOAT * parameters(shape).total + cache
    how = f"{sum(answers for _, answers in passes)} answers, {DECODED_TOGETHER} decoded together"
    return Load(work, python, memory, tokens, how)


def _eval(recipe: Recipe, need: Need) -> Load:
    """Each model sampled and greedy, those that were taught also on other tasks; only tuned ones know when to stop."""
    s, tuned = recipe.eval, len(recipe.model_stages) - 1
    own, sampled = s.samples * len(s.tasks), s.samples * s.repeats
    passes = [(False, own * s.repeats), (False, own)] + [(True, own * s.repeats), (True, own)] * tuned
    if s.other:
        passes += [(True, sampled * len(s.other))] * tuned
        passes += [(False, sampled * len(s.other))] * bool(recipe.pretrain.start_from)
    return _judging(recipe, passes, 1 + tuned)


def _compress(recipe: Recipe, need: Need) -> Load:
    s = recipe.eval
    return _judging(recipe, [(True, s.samples * s.repeats * len(s.tasks))], 1)


def _after() -> float:
    """What a process holds that has trained."""
    return CALIBRATION["process"] + CALIBRATION["trainer"]


def _safety(recipe: Recipe, need: Need) -> Load:
    return Load(Work(), CALIBRATION["guard"], _after(), 0, "the guard's test cases")


def _release(recipe: Recipe, need: Need) -> Load:
    return Load(Work(), CALIBRATION["release"], _after(), 0, "gates, cards, figures and hashes")


LOADS: dict[str, Callable[[Recipe, Need], Load | None]] = {  # in the order of a run; None: the recipe leaves that stage out
    "data": _data, "tokenizer": _tokenizer, "tokens": _tokens, **TRAINED, "eval": _eval, "compress": _compress,
    "safety": _safety, "release": _release,
}  # fmt: skip
