"""Tools from end to end: fine-tuning teaches the form of calls, reinforcement learning runs them, evaluation does too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from firesteel.core.config import GrpoSettings, ModelSettings, SftSettings
from firesteel.core.errors import RecipeError, UserError
from firesteel.core.log import RunLog
from firesteel.core.tokenizer import SPECIAL_TOKENS, Tokenizer
from firesteel.model.config import ModelConfig
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.openai.server import running
from firesteel.stages.reinforcement import Asked, engine_of
from firesteel.stages.training import _task_stream
from firesteel.stages.written import _exercise
from firesteel.tasks.judging.answering import Asking
from firesteel.tasks.judging.evaluate import evaluate, judged
from firesteel.tasks.judging.http import Server
from firesteel.tasks.judging.remote import Remote
from firesteel.tasks.rendering import asked, sample_text, taught
from firesteel.tasks.table import get_task
from firesteel.train.learner import Whole
from firesteel.train.loop import Loop
from firesteel.train.rl.grpo import Grpo
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.sft import Sft
from tests.serve.api import NAME, app_of
from tests.train.rl.chatting import letters

SEVEN = """
from firesteel.tasks import Called, Problem

def seven(draw):
    a, b = draw.rng.randint(0, 99), draw.rng.randint(0, 99)
    call = Called("calculator", {"expression": "3+4"}, "7", "I call.")
    return Problem(
        f"{a} {b}?", 7, "3+4=7", "The answer is 7.", "en", tools=("calculator",), calls=(call,)
    )
"""
OFFERED = SEVEN.replace(", calls=(call,)", "")
HERMES = (
    "{% if tools %}<|im_start|>system\n<tools>{% for t in tools %}{{ t | tojson }}{% endfor %}</tools><|im_end|>\n{% endif %}"
    "{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>{{ m.content }}</tool_response><|im_end|>\n"
    "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or [] %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}'
    "<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def fitted(*texts: str) -> Tokenizer:
    """Our tokenizer, which knows the words of these texts, so that a schema is short."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    backend.train_from_iterator(texts, trainer)
    return Tokenizer(backend)


def imported() -> Tokenizer:
    """A model from elsewhere whose template writes calls as Hermes does, and has no place for thoughts."""
    backend = letters().backend
    backend.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return Tokenizer(backend, chat_template=HERMES, eos_token="<|im_end|>", add_bos=False)


def learnt(tokenizer: Tokenizer, problem) -> str:
    rendered = taught(tokenizer, problem)
    own = [id for id, said in zip(rendered.ids, rendered.mask, strict=True) if said]
    return tokenizer.backend.decode(own, skip_special_tokens=False)


def test_calls_are_learnt_and_what_tools_say_is_not() -> None:
    p = get_task("calculator@4/en").problem("train", 0, 0)
    first, second = p.calls
    calls = [
        f'<|tool_call|>{{"name": "calculator", "arguments": {{"expression": "{c.arguments["expression"]}"}}}}'
        for c in p.calls
    ]
    assert learnt(letters(), p) == (
        f"<think>{first.reasoning}</think>{calls[0]}<|eos|><think>{second.reasoning}</think>{calls[1]}<|eos|>"
        f"<think>{p.reasoning}</think>{p.reply}<|eos|>"
    )
    tokenizer = letters()
    whole = tokenizer.backend.decode(taught(tokenizer, p).ids, skip_special_tokens=False)
    assert f"<|eos|><|tool|>{first.result}<|assistant|><think>" in whole
    assert whole.startswith("<|bos|><|tools|>[") and whole.index(p.question) < whole.index("<|tool_call|>")
    prompt = asked(tokenizer, p, tools=True)
    assert taught(tokenizer, p).ids[: len(prompt)] == prompt, "reinforcement learning asks as fine-tuning showed"
    assert "<|tools|>" not in tokenizer.backend.decode(asked(tokenizer, p, tools=False), skip_special_tokens=False)


def test_a_model_from_elsewhere_learns_calls_in_its_own_form() -> None:
    p = get_task("calculator@1/en").problem("train", 0, 0)
    said = learnt(imported(), p)
    assert f"<think>{p.calls[0].reasoning}</think>" in said and "<tool_call>" in said and p.reply in said
    assert "tool_response" not in said and "<tools>" not in said


def test_a_template_without_tools_is_refused_before_the_hours() -> None:
    plain = Tokenizer(letters().backend, chat_template="{% for m in messages %}{{ m['content'] }}{% endfor %}")
    with pytest.raises(UserError, match="calculator") as e:
        _task_stream("calculator", 0, plain)
    assert "chat_template.jinja" in e.value.hint


def test_needed_tools_that_are_not_offered_are_an_error_and_others_a_warning(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="max_turns = 3"):
        Asked(letters(), GrpoSettings(tasks=("arithmetic", "calculator")), seed=0)
    file = tmp_path / "own.py"
    file.write_text(OFFERED)
    name = f"{file}:seven"
    assert Asked(letters(), GrpoSettings(tasks=("arithmetic", name)), seed=0).unheard == (name,)
    assert Asked(letters(), GrpoSettings(tasks=("arithmetic", name), max_turns=2), seed=0).unheard == ()
    with pytest.raises(RecipeError, match="needs tools"):
        _exercise(letters(), "calculator", get_task("calculator").problem("train", 0, 0))


def test_a_new_tokenizer_sees_tools_and_calls() -> None:
    p = get_task("calculator@1/en").problem("train", 0, 0)
    lines = sample_text(p).split("\n")
    assert '"parameters"' in lines[0] and lines[1] == p.question and '"arguments"' in sample_text(p)
    plain = get_task("chain").problem("train", 0, 0)
    assert sample_text(plain) == f"{plain.question}\n{plain.reasoning}\n{plain.reply}"


@pytest.mark.slow
def test_a_tiny_model_learns_to_call_and_is_rewarded_and_judged_with_its_calls(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(SEVEN)
    task = f"{file}:seven"
    tokenizer = fitted(*(sample_text(p) for p in get_task(task).problems("train", 0, 0, 50)))
    settings = ModelSettings(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=16, kv_lora_rank=8, qk_nope_head_dim=8,
        qk_rope_head_dim=8, v_head_dim=8, intermediate_size=32, moe_intermediate_size=16, n_routed_experts=4,
    )  # fmt: skip
    model = Transformer(ModelConfig.from_settings(settings, tokenizer.vocab_size))
    model.initialise(torch.Generator().manual_seed(0))

    def judge(turns: int) -> dict:
        engine = Engine(model, tokenizer, max_sequences=8, cache_tokens=8192)
        return evaluate(engine, tokenizer, [task], samples=8, seed=0, max_new_tokens=96, max_turns=turns)

    assert judge(3)["all"]["value"] == 0
    sft = SftSettings(steps=60, batch_size=4, learning_rate=1e-2, warmup_steps=5, mtp_weight=0.0, replay=0)
    lessons = Sft(tokenizer, [_task_stream(task, 0, tokenizer)], sft, seed=0, longest=512)
    log = RunLog(tmp_path / "log")
    Loop("sft", tmp_path / "sft", "k", sft, sft.steps, log).run(Whole(model), lessons)
    assert list(log.records("sft"))[-1]["loss"] < 0.1
    found = judge(3)
    assert found["all"]["value"] == 1, found["cases"][0]
    assert all(
        c["calls"] == [{"name": "calculator", "arguments": '{"expression": "3+4"}', "result": "7"}]
        for c in found["cases"]
    )
    assert judge(1)["all"]["value"] == 0, "who was taught to call does not know without"

    model.eval()
    with running(app_of(model, tokenizer)) as url:
        remote = Remote(Server(url), NAME)
        there = judged(remote, [task], Asking(96, 0.0, 0, 3), samples=8)
    keys = ("question", "reasoning", "reply", "reason", "stopped", "calls", "tokens")
    assert [[c[k] for k in keys] for c in there["cases"]] == [[c[k] for k in keys] for c in found["cases"]]

    grpo = GrpoSettings(
        tasks=(task,), prompts=2, group_size=4, max_new_tokens=96, max_turns=3, warmup_steps=0, max_logprob_gap=1e-2,
        checkpoint_every=10,
    )  # fmt: skip
    ask = Asked(tokenizer, grpo, seed=1)
    rollouts = Rollouts(model, tokenizer, engine_of(model, tokenizer, grpo), ask, grpo, seed=0)
    Loop("grpo", tmp_path / "grpo", "k", grpo, 2, log).run(Whole(model), Grpo(tokenizer, rollouts, grpo))
    record = list(log.records("grpo"))[-1]
    log.close()
    assert record["reward"] > 0.5 and any("call" in name or "tool" in name for name in record), record
