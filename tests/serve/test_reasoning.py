"""How long a model thinks, under both names that its thoughts have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.guides import Guides
from firesteel.serve.guides.limits import EitherGuide, LimitedGuide, Limits
from firesteel.serve.openai import shape
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.shape import Shaper
from firesteel.serve.sequence import Guide
from tests.serve.api import LESSONS, NAME, ask, assert_error, body, post

THINKS, THOUGHT = LESSONS[0]["user"], LESSONS[0]["reasoning_content"]


def test_no_effort_is_no_thought(url: str) -> None:
    for stream in (False, True):
        answer = ask(url, THINKS, reasoning_effort="none", stream=stream, max_tokens=20)
        choices = [c.choices[0].delta for c in answer] if stream else [answer.choices[0].message]
        assert not any(getattr(m, "reasoning_content", None) or getattr(m, "reasoning", None) for m in choices)
        assert stream or answer.usage.completion_tokens_details.reasoning_tokens == 0
    assert ask(url, "count", reasoning_effort="none").choices[0].message.content == LESSONS[1]["content"]


def test_deepseeks_switch_turns_thoughts_off(url: str) -> None:
    off = post(url, body(THINKS, thinking={"type": "disabled"}, max_tokens=20)).json()
    assert off["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0
    on = post(url, body(THINKS, thinking={"type": "enabled"})).json()
    assert on["choices"][0]["message"]["reasoning_content"] == THOUGHT
    for effort, switch in [("none", "enabled"), ("low", "disabled")]:
        assert_error(post(url, body(reasoning_effort=effort, thinking={"type": switch})), 400, "thinking")
    assert_error(post(url, body(thinking={"type": "perhaps"})), 400, "thinking.type")


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh", "max"])
def test_a_thought_within_its_budget_is_left_alone(url: str, effort: Any) -> None:
    message = ask(url, THINKS, reasoning_effort=effort).choices[0].message
    assert message.reasoning == message.reasoning_content == THOUGHT and message.content == LESSONS[0]["content"]


def test_a_thought_beyond_its_budget_is_ended(url: str, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shape.BUDGETS, "minimal", 5)
    answer = ask(url, THINKS, reasoning_effort="minimal")
    thought = answer.choices[0].message.reasoning
    assert thought and THOUGHT.startswith(thought.rstrip("\ufffd")) and thought != THOUGHT
    assert answer.usage.completion_tokens_details.reasoning_tokens == 5 + 2, "and the two tags"


def test_other_levels_and_other_servers_names_are_refused(url: str) -> None:
    assert_error(post(url, body(reasoning_effort="huge")), 400, "reasoning_effort")
    assert_error(post(url, body() | {"thinking_budget": 64}), 400, "thinking_budget", "unknown_parameter")
    for field in ("include_reasoning", "separate_reasoning"):
        assert_error(post(url, body() | {field: False}), 400, field)


def test_a_history_may_hold_the_thought_under_either_name(url: str) -> None:
    def tokens(**thought: str) -> int:
        history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", **thought}]
        return int(post(url, body(max_tokens=1) | {"messages": history}).json()["usage"]["prompt_tokens"])

    assert tokens(reasoning="why") == tokens(reasoning_content="why") > tokens()
    assert tokens(reasoning="why", reasoning_content="why") == tokens(reasoning="why")


def limits(**more: Any) -> Limits:
    return Limits(**({"vocab_size": 8, "think_id": 1, "end_think_id": 2, "opened": False} | more))


def options(guide: Guide) -> list[int]:
    mask = guide.allowed()
    return list(range(8)) if mask is None else np.flatnonzero(mask).tolist()


class Only:
    """Allows these ids in turn; counts what it saw."""

    def __init__(self, *steps: list[int]) -> None:
        self.steps, self.seen = steps, list[int]()

    def allowed(self) -> Any:
        mask = np.zeros(8, np.bool_)
        mask[self.steps[len(self.seen)]] = True
        return mask

    def push(self, token: int) -> None:
        self.seen.append(token)


def test_a_budget_counts_the_tokens_of_the_thought_alone() -> None:
    guide = LimitedGuide(limits(budget=2))
    for token, wanted in ((1, 8), (5, 8), (5, 8), (2, 1), (1, 8), (5, 8), (5, 8), (5, 8)):
        assert len(options(guide)) == wanted
        guide.push(token)
    opened = LimitedGuide(limits(budget=0, opened=True))
    assert options(opened) == [2]
    opened.push(2)
    assert options(opened) == [0, 2, 3, 4, 5, 6, 7]


def test_limits_stand_around_a_grammar() -> None:
    inner = Only([1, 3], [4, 5], [6])
    guide = LimitedGuide(limits(budget=0, forbidden=(5,)), inner)
    for token in (3, 4):
        assert options(guide) == [token]
        guide.push(token)
    assert inner.seen == [3, 4]


def test_either_guide_follows_the_one_that_fits() -> None:
    first, second = Only([3], [4]), Only([3, 5], [6])
    guide = EitherGuide([first, second])
    assert options(guide) == [3, 5]
    guide.push(3)
    assert options(guide) == [4, 6]
    guide.push(6)
    assert second.seen == [3, 6] and first.seen == [3]


SWITCH = "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"


def imported(tokenizer: Tokenizer, template: str) -> Shaper:
    """A model with another template over the same tokens."""
    own = Tokenizer(tokenizer.backend, chat_template=template, eos_token="<|eos|>")
    return Shaper(own, Guides(own))


def request(effort: Any) -> ChatRequest:
    return ChatRequest.model_validate(
        {"model": NAME, "messages": [{"role": "user", "content": "x"}], "reasoning_effort": effort}
    )


BASE = "{% for m in messages %}<|user|>{{ m.content }}<|eos|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"


def test_a_template_that_takes_a_variable_is_told(tokenizer: Tokenizer) -> None:
    shaper = imported(tokenizer, BASE + SWITCH)
    off, on = shaper.shape(request("none")), shaper.shape(request("high"))
    assert off.variables == {"enable_thinking": False} and on.variables == {"enable_thinking": True}
    prompts = [shaper.tokenizer.prompt([{"role": "user", "content": "x"}], variables=s.variables) for s in (off, on)]
    assert len(prompts[0]) == len(prompts[1]) + 2
    assert [shaper.opened(s, p) for s, p in zip((off, on), prompts, strict=True)] == [False, False]
    opening = imported(tokenizer, BASE + "{% if thinking %}<think>{% endif %}")
    made = opening.shape(request("low"))
    assert opening.opened(made, opening.tokenizer.prompt([{"role": "user", "content": "x"}], variables=made.variables))
    told = imported(tokenizer, BASE + "{{ reasoning_effort }}").shape(request("high"))
    assert told.variables == {"reasoning_effort": "high"} and told.budget is None


def test_a_model_that_cannot_be_told_refuses(tokenizer: Tokenizer) -> None:
    shaper = imported(tokenizer, BASE)
    shaper.tokenizer.think_id = None
    with pytest.raises(ApiError, match="shows no thoughts") as e:
        shaper.shape(request("none"))
    assert e.value.param == "reasoning_effort"


def test_names_are_taken_where_the_template_shows_them(tokenizer: Tokenizer) -> None:
    named = {"model": NAME, "messages": [{"role": "user", "content": "x", "name": "Bob"}]}
    showing = BASE.replace("{{ m.content }}", "{{ m.name }}: {{ m.content }}")
    imported(tokenizer, showing).shape(ChatRequest.model_validate(named))
    with pytest.raises(ApiError, match="does not show names"):
        imported(tokenizer, BASE).shape(ChatRequest.model_validate(named))
