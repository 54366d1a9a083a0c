"""The report page's section on reinforcement learning: curves, and answers as the model gave them while it learnt."""

from __future__ import annotations

from collections.abc import Sequence

from firesteel.core.log import read_lines
from firesteel.ops import units
from firesteel.ops.blocks import NOT_RUN, Answer, Answers, Block, Figure, Note, Section, Words
from firesteel.ops.reinforcement_figure import reinforcement as curves
from firesteel.ops.run_folder import Record, RunFolder

REINFORCED = ("grpo", "grpo_all")
STEPS = 6  # of which answers are shown
LONG = 3_000  # characters of a thought or a reply; the middle of a longer one is left out
READ = Words(
    "Answers that were sampled while the model learnt, as it gave them, with the verifier's word on each.",
    "训练过程中采样的答案原文，附校验器的评语。",
)


def reinforcement(run: RunFolder) -> Section:
    """Reward, length, entropy, signal and safety of each stage that learns by reward, and some of its answers."""
    title, stages = Words("Reinforcement learning", "强化学习"), [s for s in REINFORCED if run.metrics.get(s)]
    if not stages:
        return Section("rl", title, [NOT_RUN])
    caption = Words(
        "Answers sampled while learning, judged by the verifier. The gap tells how far sampler and trainer are apart.",
        "训练中采样的答案，由校验器评判。偏差表示采样与训练相差多远。",
    )
    blocks: list[Block] = []
    for stage in stages:
        bound = (run.recipe.get(stage) or {}).get("max_logprob_gap")
        named = Words(f"{stage}: {caption.en}", f"{stage}：{caption.zh}") if len(stages) > 1 else caption
        blocks.append(Figure(curves(run.metrics[stage], bound, name=f"rl-{stage}"), named))
        blocks += _answers(list(read_lines(run.path / f"rollouts-{stage}" / "samples.jsonl")))
    return Section("rl", title, blocks)


def _answers(samples: Sequence[Record]) -> list[Block]:
    """Answers of a few steps from the first to the last; those of the last lie open."""
    steps = sorted({int(sample["step"]) for sample in samples})
    if not steps:
        return []
    count = min(STEPS, len(steps))
    some = sorted({steps[round(i * (len(steps) - 1) / max(count - 1, 1))] for i in range(count)} | {steps[-1]})
    blocks: list[Block] = [Note(READ)]
    for step in some:
        own = [_answer(sample) for sample in samples if sample["step"] == step]
        right = sum(answer.good for answer in own)
        title = Words(f"Step {step}: {right} of {len(own)} right", f"第 {step} 步：{len(own)} 个中 {right} 个正确")
        blocks.append(Answers(title, own, open=step == some[-1]))
    return blocks


def _answer(sample: Record) -> Answer:
    facts = [f"{sample['task']}, level {sample['level']}", f"{units.number(sample['tokens'])} tokens"]
    facts += [f"called {', '.join(sample['called'])}"] if sample.get("called") else []
    reason = str(sample["reason"])
    verdict = ("trick 取巧: " if sample["trick"] else "") + (reason or ("right" if sample["correct"] else "wrong"))
    parts = [(Words("question", "题目"), _short(sample["question"]))]
    if sample["thought"]:
        parts.append((Words("thought", "思考"), _short(sample["thought"])))
    parts.append((Words("reply", "回答"), _short(sample["reply"] or sample["text"])))
    return Answer(bool(sample["correct"]), f"{units.number(sample['reward'])}  {verdict}", " · ".join(facts), parts)


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= LONG else f"{text[: LONG // 2]}\n… {len(text) - LONG} …\n{text[-LONG // 2 :]}"
