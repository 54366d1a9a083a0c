"""The peers of train.py, in an environment of their own: transformers' Trainer and litgpt's pretraining. No Firesteel here.

    python benchmarks/train_side.py trainer|litgpt PLAN.json

The plan (train.py writes it) names a folder with the model in Hugging Face layout and a file of the batches of every step.
Each peer trains through its own loop, with its own optimiser, clipping, schedule and logging.

S steps, B rows, T tokens
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Plan = dict[str, Any]


class Pace:
    """Holds a training loop wherever it asks for a step's rows, until a line comes; says what passed since the last one.

    So the sides of a benchmark take turns step by step, and a step's time has all that its loop does in it. A loop that
    fetches rows ahead is held as often. What libraries print goes to the error stream: the answers are JSON lines.
    """

    def __init__(self, losses: Callable[[], list[float]], how: str) -> None:
        self.losses, self.how = losses, how
        self.answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._began: tuple[float, float] | None = None
        self.more: dict[str, float] = {}  # what else the next answer tells

    def __call__(self) -> None:
        """Called wherever the loop asks for the rows of a step."""
        if self._began is not None:
            wall, processor = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
            answer = {"seconds": wall, "processor": processor, "losses": self.losses(), "how": self.how}
            answer |= self.more
            print(json.dumps(answer), file=self.answers, flush=True)
        if not sys.stdin.readline():
            os._exit(0)  # enough has been measured: no loop offers to stop here
        self._began = (time.perf_counter(), time.process_time())


class Rows(Dataset[Any]):
    """All rows in the order of the steps; `made` turns a row [T] into what a loop wants, `hold` is called at each step."""

    def __init__(self, batches: Tensor, made: Callable[[Tensor], Any], hold: Callable[[], None]) -> None:
        self.batches, self.made, self.hold = batches, made, hold

    def __len__(self) -> int:
        return self.batches.shape[0] * self.batches.shape[1]

    def __getitem__(self, number: int) -> Any:
        step, row = divmod(number, self.batches.shape[1])
        if not row:
            self.hold()
        return self.made(self.batches[step, row])


def trainer(plan: Plan, losses: list[float], hold: Callable[[], None]) -> None:
    """transformers' Trainer, its defaults but for what the plan says, for `optimiser steps` of one batch each.

    It decays embeddings and routers, too, unless told which; `plan["decayed"]` are the endings of names that are decayed.
    `plan["autocast"]`: bf16=True, else weights and activations in plan["dtype"].
    """
    import transformers

    class Told(transformers.Trainer):
        def get_decay_parameter_names(self, model: Any) -> list[str]:
            return [name for name, _ in model.named_parameters() if name.endswith(tuple(plan["decayed"]))]

        def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
            loss = super().training_step(*args, **kwargs)
            losses.append(float(loss))
            return loss

    batches = load_file(plan["batches"])["tokens"]  # [S, B, T]
    model = transformers.AutoModelForCausalLM.from_pretrained(plan["model"], dtype=getattr(torch, plan["dtype"]))
    arguments = transformers.TrainingArguments(
        output_dir=plan["out"], per_device_train_batch_size=batches.shape[1], max_steps=len(batches), use_cpu=True,
        learning_rate=plan["rate"], weight_decay=plan["decay"], adam_beta1=plan["betas"][0],
        adam_beta2=plan["betas"][1], max_grad_norm=plan["clip"], warmup_steps=0, bf16=plan["autocast"],
        lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs={"min_lr_rate": plan["floor"]}, report_to="none",
        logging_steps=1, disable_tqdm=True, train_sampling_strategy="sequential", save_strategy="no",
    )  # fmt: skip
    rows = Rows(batches, lambda row: {"input_ids": row, "labels": row}, hold)
    Told(model=model, args=arguments, train_dataset=rows).train()


def litgpt(plan: Plan, losses: list[float], hold: Callable[[], None]) -> None:
    """litgpt.pretrain.setup, as `litgpt pretrain` calls it: torch.compile, Fabric, its own AdamW, schedule and CSV log.

    plan["precision"] is Fabric's name; litgpt's own choice on processors is bf16-mixed.
    """
    from litgpt.args import EvalArgs, TrainArgs
    from litgpt.pretrain import setup

    batches, out = load_file(plan["batches"])["tokens"], Path(plan["out"])
    steps, count, length = batches.shape

    def held() -> None:
        losses[:] = _csv_losses(out)
        hold()

    config = _litgpt_weights(Path(plan["model"]), out / "start")
    train = TrainArgs(
        save_interval=None, log_interval=1, global_batch_size=count, micro_batch_size=count, lr_warmup_steps=0,
        max_tokens=steps * count * (length - 1), max_seq_length=length - 1, tie_embeddings=True, max_norm=plan["clip"],
        min_lr=plan["floor"] * plan["rate"],
    )  # fmt: skip
    optimizer = {
        "class_path": "torch.optim.AdamW",
        "init_args": {"lr": plan["rate"], "weight_decay": plan["decay"], "betas": plan["betas"]},
    }
    setup(
        "pythia-14m", config, out_dir=out, precision=plan["precision"], initial_checkpoint_dir=out / "start",
        data=_litgpt_data(batches, held), train=train, optimizer=optimizer, logger_name="csv", devices=1,
        eval=EvalArgs(interval=10**9, max_iters=1, initial_validation=False, final_validation=False),
    )  # fmt: skip


def _csv_losses(out: Path) -> list[float]:
    file = next(iter(sorted(out.glob("logs/csv/version_*/metrics.csv"))), None)
    if file is None:
        return []
    with file.open(encoding="utf-8") as lines:
        return [float(row["loss"]) for row in csv.DictReader(lines) if row.get("loss")]


def _litgpt_data(batches: Tensor, hold: Callable[[], None]) -> Any:
    """The rows as litgpt's data module; its check of the validation loop has one row, and is no part of a step."""
    from litgpt.data import DataModule

    class Batches(DataModule):
        def connect(self, tokenizer: Any = None, batch_size: int = 1, max_seq_length: int | None = None) -> None:
            pass

        def train_dataloader(self) -> DataLoader[Any]:
            return DataLoader(Rows(batches, lambda row: row, hold), batch_size=batches.shape[1])

        def val_dataloader(self) -> DataLoader[Any]:
            return DataLoader(Rows(batches[:1], lambda row: row, lambda: None), batch_size=batches.shape[1])

    return Batches()


def _litgpt_weights(model: Path, start: Path) -> Any:
    """litgpt's config of a Llama in Hugging Face layout; its weights in `start`, by litgpt's own conversion."""
    from litgpt.config import Config
    from litgpt.scripts.convert_hf_checkpoint import copy_weights_hf_llama

    c = json.loads((model / "config.json").read_text(encoding="utf-8"))
    rope = c.get("rope_parameters") or c
    config = Config(
        name="benchmark", block_size=c["max_position_embeddings"], n_layer=c["num_hidden_layers"],
        n_embd=c["hidden_size"], vocab_size=c["vocab_size"], padded_vocab_size=c["vocab_size"],
        n_head=c["num_attention_heads"], head_size=c["head_dim"], n_query_groups=c["num_key_value_heads"],
        rotary_percentage=1.0, rope_base=int(rope["rope_theta"]), parallel_residual=False, bias=False,
        norm_class_name="RMSNorm", norm_eps=c["rms_norm_eps"], mlp_class_name="LLaMAMLP",
        intermediate_size=c["intermediate_size"],
    )  # fmt: skip
    weights: dict[str, Tensor] = {}
    hugging = {k: t for file in sorted(model.glob("*.safetensors")) for k, t in load_file(file).items()}
    copy_weights_hf_llama(config, {}, weights, hugging, dtype=torch.float32)
    start.mkdir(parents=True, exist_ok=True)
    torch.save(weights, start / "lit_model.pth")
    return config


PEERS = {"trainer": trainer, "litgpt": litgpt}


def versions(peer: str) -> str:
    """What the peer is."""
    from importlib.metadata import version

    packages = {"trainer": ("transformers", "accelerate"), "litgpt": ("litgpt", "lightning")}[peer]
    return ", ".join(f"{name} {version(name)}" for name in (*packages, "torch"))


def main() -> None:
    """One peer's process."""
    peer, plan = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    torch.set_num_threads(plan["threads"])
    losses: list[float] = []
    PEERS[peer](plan, losses, Pace(lambda: losses, versions(peer)))


if __name__ == "__main__":
    main()
