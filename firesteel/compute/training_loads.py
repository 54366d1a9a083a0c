"""What the training stages of a recipe ask of a machine, one function a stage: rows and tokens -> work, memory.

On one machine here; where the recipe parts the work among the devices of a cluster, plan.py takes the same `Lesson` to
cluster.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from firesteel.compute.calibration import CALIBRATION, Load, shape_in, shape_of
from firesteel.compute.count import Shape, parameters
from firesteel.compute.memory import Pass, training_bytes
from firesteel.compute.sampling import cache_bytes, sampling
from firesteel.compute.work import FLOAT, Work, learning, updating
from firesteel.core.config import GrpoSettings, OptimSettings, ParallelSettings, Recipe, SftSettings

UNKNOWN_TEACHER = 10  # times the student's size, where the teacher's folder is not here to be read


@dataclass(frozen=True)
class Need:
    """What is known beside the recipe: bytes of raw text, of an activation where weights are bfloat16, and cores."""

    raw: float
    narrow: int = FLOAT
    cores: int = 1


@dataclass(frozen=True)
class Lesson:
    """A step of a training stage over all processes: what is learnt, from how many rows of how many tokens."""

    shape: Shape  # with the prediction modules only if they are trained
    settings: OptimSettings
    steps: int
    rows: float
    length: float
    targets: float
    longest: float = 0.0  # tokens of the longest rows, which decide the memory; 0 = all alike
    batches: int = 1  # of different kinds that make one update
    start: float = 0.0  # rows of the first step, growing over `ramp` steps; 0 = no ramp
    ramp: int = 0

    @property
    def tokens(self) -> float:
        """Of a step."""
        return self.rows * self.length

    def of(self, rows: float) -> Lesson:
        """The same with another number of rows."""
        return replace(self, rows=rows, targets=self.targets * rows / self.rows)


def pretrain(recipe: Recipe) -> Lesson:
    """Whole sequences of the documents."""
    s = recipe.pretrain
    return _documents(recipe, shape_of(recipe), s, s.sequence_length)


def extend(recipe: Recipe) -> Lesson:
    """The same with long sequences."""
    s = recipe.extend
    return _documents(
        recipe, shape_of(recipe), s, s.sequence_length or round(recipe.model.max_position_embeddings * s.factor)
    )


def _documents(recipe: Recipe, shape: Shape, s: Any, length: int) -> Lesson:
    own = shape if s.mtp_weight else without_mtp(shape)
    tokens = s.batch_size * length
    return Lesson(own, s, s.steps, s.batch_size, length, tokens, start=s.batch_start, ramp=s.batch_ramp_steps)


def sft(recipe: Recipe) -> Lesson:
    """Conversations, of which the answers are learnt."""
    return _conversations(recipe, recipe.sft)


def rejection(recipe: Recipe) -> Lesson:
    """The same with conversations that the model wrote."""
    return _conversations(recipe, recipe.rejection)


def _conversations(recipe: Recipe, s: SftSettings) -> Lesson:
    shape = shape_of(recipe)
    length = min(CALIBRATION["conversation"] * CALIBRATION["padding"], s.max_tokens)
    targets = s.batch_size * length * CALIBRATION["answer"] / CALIBRATION["conversation"]
    own = shape if s.mtp_weight else without_mtp(shape)
    longest = min(CALIBRATION["longest_conversation"], s.max_tokens)
    return Lesson(own, s, s.steps, s.batch_size, length, targets, longest, 1 + (s.replay > 0))


def distil(recipe: Recipe) -> Lesson:
    """The same rows with a teacher's distribution, or its answers."""
    s = recipe.distil
    length = min(CALIBRATION["conversation"] * CALIBRATION["padding"], s.max_tokens)
    targets = s.batch_size * length * CALIBRATION["answer"] / CALIBRATION["conversation"]
    longest = min(CALIBRATION["longest_conversation"], s.max_tokens)
    return Lesson(without_mtp(shape_of(recipe)), s, s.steps, s.batch_size, length, targets, longest, 1 + (s.replay > 0))


def preference(recipe: Recipe) -> Lesson:
    """Pairs of answers, each a row. Their length is the user's: half of max_tokens is assumed, all of it for memory."""
    s = recipe.preference
    rows, length = 2 * s.batch_size, s.max_tokens / 2
    return Lesson(without_mtp(shape_of(recipe)), s, s.steps, rows, length, rows * length / 2, s.max_tokens)


def grpo(recipe: Recipe) -> Lesson:
    """The answers that differ from their group."""
    return _groups(recipe, recipe.grpo)


def grpo_all(recipe: Recipe) -> Lesson:
    """The same of the second reinforcement learning."""
    return _groups(recipe, recipe.grpo_all)


def _groups(recipe: Recipe, s: GrpoSettings) -> Lesson:
    rows = s.prompts * s.group_size * CALIBRATION["answers_learnt"]
    answer = min(CALIBRATION["answer"], s.max_new_tokens)
    length = (CALIBRATION["prompt"] + answer) * CALIBRATION["padding"]
    longest = CALIBRATION["prompt"] + min(CALIBRATION["longest_answer"], s.max_new_tokens)
    return Lesson(without_mtp(shape_of(recipe)), s, s.steps, rows, length, rows * answer, longest)


LESSONS: dict[str, Callable[[Recipe], Lesson]] = {
    "pretrain": pretrain, "extend": extend, "sft": sft, "distil": distil, "preference": preference, "grpo": grpo,
    "rejection": rejection, "grpo_all": grpo_all,
}  # fmt: skip
SWITCHES: dict[str, Callable[[Recipe], bool]] = {  # stages that a recipe may leave out
    "extend": lambda recipe: recipe.extend.factor > 1,
    "distil": lambda recipe: bool(recipe.distil.teacher),
    "preference": lambda recipe: bool(recipe.preference.sources),
    "rejection": lambda recipe: recipe.rejection.steps > 0,
    "grpo_all": lambda recipe: recipe.grpo_all.steps > 0,
}


def without_mtp(shape: Shape) -> Shape:
    """The shape as it runs when the multi-token prediction modules are not asked."""
    return Shape(**asdict(shape) | {"num_nextn_predict_layers": 0})


def taught(lesson: Lesson, parallel: ParallelSettings, width: int) -> tuple[Work, float]:
    """A step of a lesson on one machine, all its processes together: work, and bytes of one process."""
    s, settings = lesson.shape, lesson.settings
    own = lesson.rows / parallel.data
    rows = min(settings.micro_batch or own, own)
    passes = -(-own // rows)
    targets = lesson.targets / lesson.rows
    one = learning(s, max(1, round(rows)), round(lesson.length), round(rows * targets)) * (own / max(1, round(rows)))
    if settings.lora_rank:
        one = replace(one, flops=one.flops * 2 / 3)  # frozen weights have no gradients
    whole = (one + updating(s, settings.optimiser)) * parallel.data
    longest = (lesson.longest or lesson.length) / lesson.length
    held = Pass(rows, lesson.length * longest, rows * targets * longest, width, max(round(passes), lesson.batches))
    saves = settings.checkpoint_every < lesson.steps
    return whole, training_bytes(s, settings, held, saves=saves)


def _load(stage: str, recipe: Recipe, need: Need) -> Load | None:
    if stage in SWITCHES and not SWITCHES[stage](recipe):
        return None
    lesson = LESSONS[stage](recipe)
    width = need.narrow if lesson.settings.precision != "float32" else FLOAT
    if not lesson.steps:
        memory = CALIBRATION["process"] + 2 * FLOAT * parameters(lesson.shape).total
        return Load(Work(), CALIBRATION["first_step"], memory, 0, "weights taken as they are")
    one, peak = taught(lesson, recipe.parallel, width)
    more, bytes_more, python, how = BESIDE.get(stage, _nothing)(recipe, lesson, need)
    memory = CALIBRATION["process"] + CALIBRATION["trainer"] + peak + bytes_more
    if stage == "pretrain":
        python += CALIBRATION["first_step"]
    how = f"{lesson.steps} steps x {cost(one)} (6 N + attention a token){how}"
    narrow = "bfloat16" if width < FLOAT else "float32"
    return Load(
        one * lesson.steps + more, python, memory * recipe.parallel.processes, lesson.tokens * lesson.steps, how, narrow,
    )  # fmt: skip


Beside = tuple[Work, float, float, str]  # work of all steps, bytes, plain Python, words


def _nothing(recipe: Recipe, lesson: Lesson, need: Need) -> Beside:
    return Work(), 0.0, 0.0, ""


def _replayed(recipe: Recipe, lesson: Lesson, need: Need) -> Beside:
    """Fine-tuning: windows of documents beside each batch."""
    return _beside_documents(recipe, lesson, recipe.sft.replay)


def _beside_documents(recipe: Recipe, lesson: Lesson, windows: int) -> Beside:
    length = recipe.pretrain.sequence_length
    if not windows:
        return Work(), 0.0, 0.0, ""
    work = learning(without_mtp(lesson.shape), windows, length, windows * length) * lesson.steps
    return work, 0.0, 0.0, f"; {windows * length} tokens of documents besides"


def _written(recipe: Recipe, lesson: Lesson, need: Need) -> Beside:
    """Rejection sampling: the answers, before anything is learnt, and documents beside them then."""
    s = recipe.rejection
    beside, _, _, how = _beside_documents(recipe, lesson, s.replay)
    answers = s.questions * s.samples
    work, python = _answered(without_mtp(lesson.shape), answers, s.max_new_tokens)
    return work + beside, 0.0, python + answers * CALIBRATION["judged_answer"], f"; {answers} answers written{how}"


def _answered(shape: Shape, answers: int, limit: int) -> tuple[Work, float]:
    """So many answers, some hundreds at a time: work and plain Python."""
    work, _, python = sampling(shape, min(answers, 512), limit)
    rounds = max(1.0, answers / 512)
    return work * rounds, python * rounds


def _taught_by(recipe: Recipe, lesson: Lesson, need: Need) -> Beside:
    """Distillation: the teacher's forward pass and logits, or the answers that it writes; documents beside either."""
    s, student = recipe.distil, lesson.shape
    beside, _, _, how = _beside_documents(recipe, lesson, s.replay)
    known = shape_in(s.teacher)
    teacher = without_mtp(known) if known else student
    times = 1 if known else UNKNOWN_TEACHER
    weights = FLOAT * parameters(teacher).total * times
    if s.kind == "sequences":
        work, python = _answered(teacher, s.answers, s.max_tokens)
        return work * times + beside, weights, python, f"; {s.answers} answers of the teacher{how}"
    own = learning(teacher, round(lesson.rows), round(lesson.length), round(lesson.targets)) * lesson.steps
    documents, _, _, _ = _beside_documents(recipe, replace(lesson, shape=teacher), s.replay)
    logits = 3 * FLOAT * student.vocab_size * lesson.targets
    return (own + documents) * (times / 3) + beside, weights + logits, 0.0, f"; the teacher's forward pass{how}"


def _referred(recipe: Recipe, lesson: Lesson, need: Need) -> Beside:
    """Preference: the reference's log-probabilities of every pair, once."""
    if recipe.preference.method != "dpo":
        return _nothing(recipe, lesson, need)
    once = learning(lesson.shape, round(lesson.rows), round(lesson.length), round(lesson.targets)) * (1 / 3)
    return once * lesson.steps, 0.0, 0.0, "; the reference once"


def _sampled(recipe: Recipe, lesson: Lesson, need: Need) -> Beside:
    """Reinforcement learning: sampling and judging, and the model that the penalty is taken against."""
    return _group_sampling(recipe.grpo, lesson)


def _sampled_again(recipe: Recipe, lesson: Lesson, need: Need) -> Beside:
    return _group_sampling(recipe.grpo_all, lesson)


def _group_sampling(s: GrpoSettings, lesson: Lesson) -> Beside:
    shape = lesson.shape
    rows = s.prompts * s.group_size
    work, _, python = sampling(shape, rows, s.max_new_tokens)
    held = cache_bytes(shape, rows, s.max_new_tokens) + CALIBRATION["sampler"]
    how = f"; sampling {cost(work)} and learning it"
    if s.kl_weight:
        work = work + learning(shape, round(lesson.rows), round(lesson.length), round(lesson.targets)) * (1 / 3)
        held += FLOAT * parameters(shape).total
    if s.minibatches > 1:
        work = work + updating(shape, s.optimiser) * (s.minibatches - 1)
    return work * lesson.steps, held, (python + rows * CALIBRATION["judged_answer"]) * lesson.steps, how


BESIDE: dict[str, Callable[[Recipe, Lesson, Need], Beside]] = {
    "sft": _replayed, "distil": _taught_by, "preference": _referred, "grpo": _sampled,
    "rejection": _written, "grpo_all": _sampled_again,
}  # fmt: skip


def cost(work: Work) -> str:
    """A piece of work in words."""
    return f"{work.flops / 1e9:.3g} GFLOP + {work.traffic / 1e9:.3g} GB + {work.operations:.0f} operations"


TRAINED: dict[str, Callable[[Recipe, Need], Load | None]] = {
    stage: lambda recipe, need, stage=stage: _load(stage, recipe, need)  # type: ignore[misc]
    for stage in LESSONS
}
