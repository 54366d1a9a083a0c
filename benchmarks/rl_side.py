"""The peer of rl.py, in an environment of its own: TRL's GRPOTrainer with transformers' generation.

    python benchmarks/rl_side.py PLAN.json

The plan (rl.py writes it) names the model's folder (Hugging Face layout), the questions in order, and the settings. Of
Firesteel only the verifier and the tokenizer are used here, so that both sides are judged alike; the model, sampling and
learning are the peer's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.train_side import Pace
from firesteel.core.tokenizer import Tokenizer
from firesteel.tasks.score import score
from firesteel.tasks.table import get_task

Plan = dict[str, Any]


class Clock:
    """Seconds spent in some calls."""

    def __init__(self) -> None:
        self.seconds = {"generation": 0.0, "scoring": 0.0}

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, its time added up under `name`."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds[name] += time.perf_counter() - began

        timed.__name__ = getattr(call, "__name__", name)
        return timed

    def take(self) -> dict[str, float]:
        """What was spent since the last time."""
        spent, self.seconds = self.seconds, dict.fromkeys(self.seconds, 0.0)
        return spent


def reward_of(plan: Plan, rewards: list[float]) -> Callable[..., list[float]]:
    """TRL's reward function: the task's verifier on the sampled ids."""
    tokenizer = Tokenizer.load(plan["model"])

    def reward(completion_ids: list[list[int]], task: list[str], index: list[int], **_: Any) -> list[float]:
        found = []
        for ids, name, number in zip(completion_ids, task, index, strict=True):
            problem = get_task(name).problem("train", plan["seed"], number)
            reasoning, reply = tokenizer.parse(list(ids))
            verdict = score(problem, reasoning, reply, stopped=bool(ids) and ids[-1] in tokenizer.stop_ids)
            found.append(verdict.reward + plan["format_reward"] * verdict.well_formed)
        rewards[:] = found
        return found

    return reward


def main() -> None:
    """Train as the plan says, a step for each line that comes; weights are saved where the plan says."""
    plan: Plan = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(plan["threads"])
    import transformers
    import trl
    from datasets import Dataset
    from transformers import TrainerCallback

    rewards: list[float] = []
    pace = Pace(lambda: list(rewards), f"TRL {trl.__version__}, transformers {transformers.__version__}, AdamW")
    clock, saved = Clock(), Path(plan["saved"])

    class Turns(TrainerCallback):  # type: ignore[misc]
        """Holds the loop before each step; keeps the weights after some of them."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Wait for the turn."""
            pace.more = clock.take()
            pace()

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            """Keep the weights."""
            if state.global_step in plan["keep"] and state.is_world_process_zero:
                model.save_pretrained(saved / f"step-{state.global_step}")

    answers = plan["prompts"] * plan["group"]
    own = answers // plan["processes"]
    together = min(plan["micro_batch"], own)
    trainer = trl.GRPOTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(plan["model"], dtype=torch.float32),
        processing_class=transformers.AutoTokenizer.from_pretrained(plan["model"], padding_side="left"),
        reward_funcs=clock.around("scoring", reward_of(plan, rewards)),
        train_dataset=Dataset.from_list(plan["questions"]),
        callbacks=[Turns()],
        args=trl.GRPOConfig(
            output_dir=plan["saved"], use_cpu=True, bf16=False, fp16=False, report_to=[], save_strategy="no", logging_steps=1,
            disable_tqdm=True, max_steps=plan["steps"] + 1, learning_rate=plan["peer_rate"], lr_scheduler_type="cosine",
            warmup_steps=2, per_device_train_batch_size=together, gradient_accumulation_steps=own // together,
            steps_per_generation=own // together, num_generations=plan["group"], max_completion_length=plan["new"],
            temperature=1.0, beta=0.0, epsilon=0.2, epsilon_high=0.28, loss_type="dapo", scale_rewards="none",
            shuffle_dataset=False, gradient_checkpointing=False, seed=plan["seed"], dataloader_pin_memory=False,
        ),
    )  # fmt: skip
    trainer._generate = clock.around("generation", trainer._generate)
    trainer.train()
    pace.more = clock.take()
    pace()


if __name__ == "__main__":
    main()
