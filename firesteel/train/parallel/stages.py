"""Which layers each stage of a pipeline has, which process has which stages, and how many micro-batches go through.

A stage is a run of layers. Policy only: plain Python, no tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from firesteel.compute.count import Shape, parameters
from firesteel.core.config import ParallelSettings
from firesteel.core.errors import RecipeError
from firesteel.model.config import ModelConfig

TABLE = (
    1 / 3
)  # an embedding table against a matrix of its size: a scattered gradient, where a matrix has three products


@dataclass(frozen=True)
class Order:
    """An order of forward and backward passes: stages on each process, and how they are laid out."""

    each: int  # stages of a process
    v: bool = False  # process r of p has stages r and 2p-1-r, so that the first and the last share process 0
    full: bool = False  # needs a micro-batch for every stage
    split: bool = False  # a backward pass may go back to the inputs first, and to the weights later
    rounds: bool = False  # goes in equal rounds of as many micro-batches as processes, or a few more


# Narayanan et al. 2021 (arXiv 2104.04473), §2.2; Qi et al. 2023 (arXiv 2401.10241), §3: ZB-H1, which the DeepSeek-V3 report calls
# ZB1P (Table 2); DualPipe (§3.2.1 of that report) folded to a V: github.com/deepseek-ai/DualPipe.
ORDERS = {
    "1f1b": Order(1, full=True),
    "interleaved": Order(2, rounds=True),
    "zero-bubble": Order(1, split=True, rounds=True),
    "dualpipe-v": Order(2, v=True, full=True, split=True),
}


def stage_numbers(schedule: str, processes: int, index: int) -> tuple[int, ...]:
    """The stages of process `index`, in ascending order."""
    order = ORDERS[schedule]
    if order.v:
        return index, 2 * processes - 1 - index
    return tuple(range(index, order.each * processes, processes))


def own_layers(config: ModelConfig, settings: ParallelSettings, index: int) -> list[range]:
    """The layers of each stage of process `index` along the pipeline, in ascending order: what a Transformer part has.

    Without a pipeline that is one stage, whatever the schedule. Raises RecipeError for fewer layers than stages.
    """
    if settings.pipeline == 1:
        return [range(config.num_hidden_layers)]
    stages = layers_of_stages(config, ORDERS[settings.schedule].each * settings.pipeline)
    return [stages[number] for number in stage_numbers(settings.schedule, settings.pipeline, index)]


def layers_of_stages(config: ModelConfig, stages: int) -> list[range]:
    """Every layer once, in order, no stage empty; the slowest stage is as fast as can be.

    The embedding weighs in the first stage, head and multi-token prediction in the last. Raises RecipeError for fewer layers
    than stages.
    """
    if config.num_hidden_layers < stages:
        raise RecipeError(
            "the model has too few layers for this pipeline", value=f"{config.num_hidden_layers} layers, {stages} stages",
            why="each stage needs a layer; interleaved and dualpipe-v have two stages on each process",
            hint="lower parallel.pipeline, take parallel.schedule = \"1f1b\", or raise model.num_hidden_layers",
        )  # fmt: skip
    return cut(layer_costs(config), stages)


def cut(costs: Sequence[float], stages: int) -> list[range]:
    """Runs of layers whose largest sum of costs is as small as can be; the others are rather even."""
    count, sums = len(costs), [0.0, *accumulate(costs)]
    best: dict[int, tuple[float, float, tuple[int, ...]]] = {
        0: (0.0, 0.0, (0,))
    }  # of the first n layers: largest, squares, cuts
    for stage in range(1, stages + 1):
        best = {
            n: min(
                (max(largest, sums[n] - sums[k]), squares + (sums[n] - sums[k]) ** 2, (*cuts, n))
                for k, (largest, squares, cuts) in best.items()
                if k < n
            )
            for n in range(stage, count - stages + stage + 1)
        }
    return [range(a, b) for a, b in pairwise(best[count][2])]


def layer_costs(config: ModelConfig) -> list[float]:
    """What each layer costs a token, in elements of the matrices that it meets.

    The first is with the embedding, the last with the head, multi-token prediction and its embedding.
    """
    shape = Shape.of(vars(config))
    one, table = replace(shape, num_hidden_layers=1, num_nextn_predict_layers=0), config.vocab_size * config.hidden_size
    dense, moe = (parameters(replace(one, first_k_dense_replace=k)).matrices - table for k in (1, 0))
    costs = [float(moe if config.is_moe(i) else dense) for i in range(config.num_hidden_layers)]
    further = parameters(shape).mtp_matrices
    costs[0] += TABLE * table
    costs[-1] += table + further + TABLE * table * (further > 0)
    return costs


def micro_batches(settings: ParallelSettings) -> int:
    """Pieces of a process's batch: `parallel.microbatches`, or twice the stages.

    The number is the same on every process, however many rows each has, since those that share experts or shards of weights
    must meet equally often. Raises RecipeError for a number that the schedule cannot order.
    """
    order, p = ORDERS[settings.schedule], settings.pipeline
    stages = order.each * p
    n = settings.microbatches or 2 * stages
    rounds = max(1, n // p)
    if order.full and n < stages:
        why, hint = f"{settings.schedule} needs one for each of the {stages} stages", f"{2 * stages} is usual"
    elif order.rounds and n % rounds:
        why, hint = f"{settings.schedule} goes in {rounds} equal rounds", f"take a multiple of parallel.pipeline = {p}"
    else:
        return n
    raise RecipeError("parallel.microbatches does not fit the schedule", value=n, why=why, hint=hint)
