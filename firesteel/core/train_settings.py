"""The recipe's tables about training: what all objectives share, each objective's own, how to part the work, what to watch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from firesteel.core.table import Table, misfit

Precision = Literal["float32", "bfloat16", "fp8"]


class OptimSettings(Table):
    """Common to the training tables: optimiser, schedule, number types, adapters, checkpoints."""

    optimiser: Literal["muon", "adamw"] = Field("muon", description="for the hidden matrices; the rest is AdamW")
    momentum: float = Field(0.95, ge=0, lt=1, description="Muon's")
    table_rate: float = Field(
        1.0, ge=0, description="learning rate of embeddings, head and routers, times learning_rate"
    )
    learning_rate: float = Field(2e-3, gt=0)
    schedule: Literal["cosine", "wsd", "linear", "constant"] = Field(
        "cosine",
        description="after warm-up; wsd = constant, then a linear decay over the last decay_share of the steps",
    )
    decay_share: float = Field(0.2, gt=0, le=1, description="wsd: share of the steps that decay")
    min_learning_rate: float = Field(0.1, ge=0, le=1, description="final rate as a share of learning_rate")
    warmup_steps: int = Field(20, ge=0)
    weight_decay: float = Field(0.1, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.95, ge=0, lt=1)
    grad_clip: float = Field(1.0, gt=0, description="bound on the global gradient norm")
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="the stage's result is a moving average of the weights; 0 = the last weights"
    )
    precision: Precision = Field(
        "float32", description="of weights and activations; bfloat16 and fp8 keep float32 master weights"
    )
    micro_batch: int = Field(0, ge=0, description="rows that go through the model together; 0 = all of a process's")

    lora_rank: int = Field(0, ge=0, le=1024, description="train adapters of this rank (LoRA); 0 = all weights")
    lora_alpha: float = Field(32.0, gt=0, description="adapters' output is multiplied by lora_alpha / lora_rank")
    lora_targets: tuple[str, ...] = Field(
        (), description="what is adapted: q_proj, o_proj, experts, ...; none named = every linear map in the layers"
    )
    checkpoint_every: int = Field(50, ge=1, description="steps between checkpoints")
    checkpoints: int = Field(2, ge=1, description="newest checkpoints kept")
    checkpoint_keep_every: int = Field(
        0, ge=0, description="a checkpoint at every so many steps stays while the stage runs; 0 = none"
    )


class PretrainSettings(OptimSettings):
    """[pretrain]: next-token prediction on the documents, from nothing or from given weights."""

    start_from: str = Field(
        "", description="a model to continue from: an artefact or Hugging Face folder, with its tokenizer"
    )
    steps: int = Field(300, ge=0, description="0 = take start_from's weights as they are")
    batch_size: int = Field(16, ge=1, description="sequences a step")
    batch_start: int = Field(0, ge=0, description="sequences of the first step, growing to batch_size; 0 = no ramp")
    batch_ramp_steps: int = Field(0, ge=0, description="steps over which the batch grows")
    sequence_length: int = Field(256, ge=16, description="tokens a sequence")
    mtp_weight: float = Field(0.3, ge=0, description="lambda of the multi-token prediction loss")
    z_loss: float = Field(0.0, ge=0, description="weight of log(Z)^2, which keeps logits small (PaLM: 1e-4); 0 = none")


class ExtendSettings(PretrainSettings):
    """[extend]: a longer context with YaRN, after pretraining. Off while `factor` is 1."""

    factor: float = Field(1.0, ge=1, description="how many times longer the context becomes; 1 = no such stage")
    steps: int = Field(100, ge=1)
    batch_size: int = Field(4, ge=1, description="sequences a step")
    sequence_length: int = Field(0, ge=0, description="tokens a sequence; 0 = the whole new context")
    learning_rate: float = Field(2e-4, gt=0)
    schedule: Literal["cosine", "wsd", "linear", "constant"] = "constant"


class SftSettings(OptimSettings):
    """[sft]: supervised fine-tuning on worked tasks and the user's own conversations."""

    steps: int = Field(600, ge=0, description="0 = no such stage")
    batch_size: int = Field(64, ge=1, description="conversations a step")
    tasks: tuple[str, ...] = Field(("arithmetic", "word-problems"), description="task names, mixed evenly")
    sources: tuple[str, ...] = Field(
        (), description="files of conversations (messages, Alpaca, ShareGPT), one more task"
    )
    max_tokens: int = Field(256, ge=16, description="longer conversations are left out")
    packing: bool = Field(
        False, description="several conversations share a row of max_tokens, unseen by each other, instead of padding"
    )
    replay: int = Field(
        2, ge=0, description="windows of documents learnt beside each batch, against forgetting; 0 = none"
    )
    replay_weight: float = Field(0.3, ge=0, description="weight of their loss")
    mtp_weight: float = Field(0.1, ge=0)
    z_loss: float = Field(0.0, ge=0, description="weight of log(Z)^2; 0 = none")


class RejectionSettings(SftSettings):
    """[rejection]: rejection sampling: the best that the model wrote teaches the pretrained one anew (R1 §2.3.3). Off at 0 steps.

    The model before this stage answers the tasks' questions, and right answers are kept. Fine-tuning on them starts from the
    model that [sft] started from, as R1 trains V3-Base again.
    """

    steps: int = Field(0, ge=0, description="of the fine-tuning; 0 = no such stage")
    tasks: tuple[str, ...] = Field(
        ("arithmetic", "word-problems"), min_length=1, description="whose questions are asked"
    )
    questions: int = Field(1024, ge=1, description="questions that are asked, of all tasks together")
    samples: int = Field(4, ge=1, le=1024, description="answers to each question")
    keep: int = Field(1, ge=1, description="right answers that are kept of each question, at most")
    prefer: Literal["random", "shortest"] = Field("random", description="which of a question's right answers are kept")
    temperature: float = Field(1.0, gt=0, description="of the sampling")
    max_new_tokens: int = Field(128, ge=4, description="longer answers are not kept")

    @model_validator(mode="after")
    def _keeps(self) -> RejectionSettings:
        if self.keep > self.samples:
            raise misfit("keep", self.keep, f"a question has {self.samples} answers: samples = {self.samples}")
        return self


class PreferenceSettings(OptimSettings):
    """[preference]: learning from chosen and rejected answers, after fine-tuning. Off without `sources`."""

    method: Literal["dpo", "simpo"] = Field(
        "dpo", description="dpo (Rafailov et al. 2023), or simpo (Meng et al. 2024), which needs no reference model"
    )
    sources: tuple[str, ...] = Field((), description="files of preference pairs (prompt, chosen, rejected)")
    steps: int = Field(100, ge=1)
    batch_size: int = Field(16, ge=1, description="pairs a step")
    max_tokens: int = Field(512, ge=16, description="pairs with a longer answer are left out")
    beta: float = Field(
        0.1, gt=0, description="dpo: strength of the tie to the reference; simpo: scale of the reward, 2.0 unless given"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="share of pairs taken to be the wrong way round")
    sft_weight: float = Field(0.0, ge=0, description="weight of the chosen answer's own loss beside it")
    gamma: float = Field(0.5, ge=0, description="simpo: margin as a share of beta")
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _scaled(cls, given: Any) -> Any:
        """SimPO's rewards are log-probabilities a token, twenty times as small as DPO's: its paper takes 2.0 to 2.5."""
        if isinstance(given, dict) and given.get("method") == "simpo":
            return {"beta": 2.0} | given
        return given


class DistilSettings(OptimSettings):
    """[distil]: learning from a larger model, in place of or after fine-tuning. Off without `teacher`."""

    teacher: str = Field("", description="the teacher's folder; its vocabulary must be the student's for kind = logits")
    kind: Literal["logits", "sequences"] = Field(
        "logits", description="match the teacher's distribution (Hinton et al. 2015), or learn answers that it wrote"
    )
    steps: int = Field(100, ge=1)
    batch_size: int = Field(16, ge=1, description="rows a step")
    max_tokens: int = Field(256, ge=16)
    temperature: float = Field(1.0, gt=0, description="of both distributions, or of the teacher's sampling")
    weight: float = Field(
        0.5, ge=0, le=1, description="logits: share of the teacher's loss; the rest is next-token loss"
    )
    reverse: bool = Field(False, description="logits: KL(student || teacher), which avoids what the teacher avoids")
    answers: int = Field(512, ge=1, description="sequences: answers that the teacher writes, to all questions together")
    samples: int = Field(
        1, ge=1, le=1024, description="sequences: answers to each question; alike ones are learnt once"
    )
    keep_wrong: bool = Field(False, description="sequences: also learn answers that the task's verifier rejects")
    replay: int = Field(
        2, ge=0, description="windows of documents beside each batch, against forgetting; 0 = none. logits: the teacher's "
        "distribution is matched there, too",
    )  # fmt: skip
    replay_weight: float = Field(0.3, ge=0, description="weight of their loss")


class GrpoSettings(OptimSettings):
    """[grpo]: reinforcement learning with verifiable rewards (DeepSeekMath, R1)."""

    steps: int = Field(30, ge=0, description="0 = no such stage")
    tasks: tuple[str, ...] = ("arithmetic", "word-problems")
    prompts: int = Field(128, ge=1, description="questions a step; many questions teach more than many answers to few")
    group_size: int = Field(4, ge=2, description="answers sampled for one question")
    table_rate: float = Field(
        0.1, ge=0, description="low: rows of tokens that no answer used have only noise to follow"
    )
    max_new_tokens: int = Field(128, ge=4)
    temperature: float = Field(1.0, gt=0)
    learning_rate: float = Field(5e-4, gt=0)
    warmup_steps: int = Field(2, ge=0)
    weight_decay: float = Field(0.0, ge=0)
    advantage: Literal["mean", "deviation"] = Field(
        "mean",
        description="reward less its group's mean (Dr. GRPO §3; V3.2 §3.1), or that over the group's deviation "
        "(DeepSeekMath §4.1.2)",
    )
    credit: Literal["step", "answer"] = Field(
        "step",
        description="what is compared within a group: each step (DeepSeekMath §4.1.3), or whole answers (§4.1.2), as also "
        "where there is no worked solution to judge steps by, or an answer earned a part",
    )
    loss_mean: Literal["token", "answer", "constant"] = Field(
        "token",
        description="loss is a mean over all tokens (DAPO eq. 8), over each answer's and then answers (DeepSeekMath eq. 3), or "
        "over max_new_tokens an answer (Dr. GRPO §3)",
    )
    ratio: Literal["token", "answer"] = Field(
        "token",
        description="what is clipped: each token's ratio (DeepSeekMath eq. 3), or the answer's, a geometric mean (GSPO eq. 7; "
        "with loss_mean = answer, and clips near 3e-4)",
    )
    clip_low: float = Field(0.2, gt=0, description="ratio >= 1 - clip_low (epsilon, DeepSeekMath eq. 3)")
    clip_high: float = Field(
        0.28, gt=0, description="ratio <= 1 + clip_high (DAPO §3.1, clip-higher; R1 takes 10 on both sides)"
    )
    kl_weight: float = Field(
        0.0, ge=0, description="beta of the KL penalty against the reference (DeepSeekMath eq. 3; R1: 0.001); 0 = none"
    )
    kl: Literal["k3", "unbiased"] = Field(
        "k3",
        description="its estimator (DeepSeekMath eq. 4), or that times the policy's ratio to the sampler, whose gradient is "
        "right off-policy, too (V3.2 §3.1)",
    )
    reference_every: int = Field(
        0,
        ge=0,
        description="steps after which the policy becomes the reference (R1: 400); 0 = it stays the stage's start",
    )
    resample: int = Field(
        0,
        ge=0,
        le=16,
        description="rounds of new questions in place of groups that all agree (DAPO's dynamic sampling)",
    )
    overlong: Literal["zero", "mask", "soft"] = Field(
        "zero",
        description="answers cut at the bound: no reward, left out of the loss (DAPO §3.4), or a penalty that grows over "
        "overlong_buffer (DAPO eq. 13); steps that were reached keep their credit",
    )
    overlong_buffer: int = Field(
        32, ge=1, description="soft: tokens before max_new_tokens over which the penalty grows from 0 to 1"
    )
    off_policy_delta: float = Field(
        0.0,
        ge=0,
        description="leave out answers worse than their group when their mean log(sampler / policy) exceeds this "
        "(V3.2 §3.1); 0 = never",
    )
    importance_cap: float = Field(
        0.0,
        ge=0,
        description="weigh tokens by min(trainer / sampler, this), probabilities before the update (truncated importance "
        "sampling, Yao et al. 2025); one more forward pass; 0 = off",
    )
    routing_replay: bool = Field(
        False,
        description="MoE: learn with the experts that were chosen when the answer was sampled (V3.2 §3.1, Keep Routing)",
    )
    curriculum: bool = Field(
        False, description="draw the levels of each task by measured pass rate, most where half the answers are right"
    )
    max_turns: int = Field(1, ge=1, le=16, description="the model's turns in an answer; between them tools speak")
    minibatches: int = Field(
        1, ge=1, description="updates from one batch of answers, each from its part of them (R1: 16)"
    )
    micro_batch: int = Field(64, ge=0, description="answers that go through the model together; bounds the memory")
    format_reward: float = Field(0.1, ge=0, description="reward for a well-formed <think>...</think>answer")
    language_reward: float = Field(
        0.0, ge=0, description="reward for the share of the answer's words in the question's language (R1 §2.3.2)"
    )
    max_logprob_gap: float = Field(
        0.05, gt=0, description="stop when sampler and trainer disagree by more, mean nats a token"
    )
    samples_shown: int = Field(4, ge=0, le=64, description="answers of every tenth step that the report shows as text")
    keep_rollouts: int = Field(
        1000,
        ge=0,
        description="newest steps whose answers stay beside the model, in rollouts-grpo, with log-probabilities and rewards; "
        "0 = none",
    )
    checkpoint_every: int = Field(5, ge=1)

    @model_validator(mode="after")
    def _together(self) -> GrpoSettings:
        if self.reference_every and not self.kl_weight:
            why = "without a KL penalty there is no reference that could move"
            raise misfit("reference_every", self.reference_every, why, "give kl_weight, such as 0.001")
        if self.overlong == "soft" and self.overlong_buffer > self.max_new_tokens:
            why = f"the penalty would begin before the answer: max_new_tokens = {self.max_new_tokens}"
            raise misfit("overlong_buffer", self.overlong_buffer, why)
        return self


class GrpoAllSettings(GrpoSettings):
    """[grpo_all]: reinforcement learning for all scenarios, after [rejection] (R1 §2.3.4): [grpo] with other defaults."""

    steps: int = Field(0, ge=0, description="0 = no such stage")
    tasks: tuple[str, ...] = ("arithmetic", "word-problems", "format")
    temperature: float = Field(0.7, gt=0, description="R1's second stage: 0.7, as higher ones gave incoherent text")
    language_reward: float = Field(
        0.1, ge=0, description="reward for the share of the answer's words in the question's language (R1 §2.3.2)"
    )


class ParallelSettings(Table):
    """[parallel]: how training is parted among processes. What the other axes leave is data parallelism."""

    processes: int = Field(1, ge=1, le=65_536, description="training processes on all nodes together")
    nodes: int = Field(1, ge=1, le=16_384, description="machines that they run on, through cluster")
    cluster: str = Field("", description="Ray cluster that starts them: auto, or host:port (extra 'cluster')")
    zero: Literal[0, 2, 3] = Field(
        0, description="data parallel: 0 = whole replicas, 2 = gradients and optimiser sharded (FSDP2), 3 = weights too"
    )
    expert: int = Field(1, ge=1, description="processes that share the experts, out of the data-parallel ones")
    tensor: int = Field(1, ge=1, description="processes that share each matrix")
    context: int = Field(1, ge=1, description="processes that share each sequence")
    pipeline: int = Field(1, ge=1, description="processes that share the layers")
    schedule: Literal["1f1b", "interleaved", "zero-bubble", "dualpipe-v"] = Field(
        "1f1b", description="pipeline: order of forward and backward passes"
    )
    microbatches: int = Field(0, ge=0, description="pipeline: pieces of a process's batch; 0 = twice the stages")
    max_restarts: int = Field(3, ge=0, description="restarts after a worker died, each from the last checkpoint")

    @property
    def data(self) -> int:
        """Data-parallel processes."""
        return self.processes // (self.tensor * self.context * self.pipeline)

    @model_validator(mode="after")
    def _fits(self) -> ParallelSettings:
        shared = self.tensor * self.context * self.pipeline
        if self.processes % shared:
            why = f"tensor x context x pipeline = {shared} does not divide it"
            raise misfit("processes", self.processes, why, f"for example processes = {shared}")
        if self.data % self.expert:
            raise misfit("expert", self.expert, f"it does not divide the {self.data} data-parallel processes")
        if self.processes % self.nodes:
            raise misfit("nodes", self.nodes, f"it does not divide processes = {self.processes}")
        if self.nodes > 1 and not self.cluster:
            raise misfit(
                "nodes", self.nodes, "several machines need a Ray cluster", 'add cluster = "auto", or use torchrun'
            )
        return self


class WatchSettings(Table):
    """[watch]: what to do when training goes wrong."""

    on_nan: Literal["stop", "skip"] = Field(
        "stop", description="a loss or gradient that is no number: stop, or skip that update"
    )
    max_skips: int = Field(10, ge=1, description="skipped updates in a row that end the run")
    on_spike: Literal["warn", "skip", "rewind"] = Field(
        "warn",
        description="a loss far above its mean: say so, skip the update, or go back to a checkpoint and pass it over",
    )
    spike_sigmas: float = Field(6.0, gt=0, description="how far above, in standard deviations of the last steps")
    stall_factor: float = Field(10.0, gt=1, description="a step that takes this many times the usual is called a stall")
    check_replicas_every: int = Field(
        100, ge=0, description="steps between comparisons of the replicas' weights; 0 = never"
    )
