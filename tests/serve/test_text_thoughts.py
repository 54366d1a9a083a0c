"""Budgets of thoughts whose tags are plain text: they end in time, and what comes after is the answer."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from firesteel.core.tokenizer import Tokenizer
from firesteel.serve.guides.guides import Guides
from firesteel.serve.guides.limits import LimitedGuide, Limits
from firesteel.serve.guides.tags import ThoughtInText, text_tags
from firesteel.serve.openai.faults import ApiError
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.reply import Form, Reply
from firesteel.serve.openai.shape import BUDGETS, Shaper
from firesteel.serve.sequence import Event, Guide
from tests.serve.api import NAME
from tests.serve.guiding import ids_of, imported

KINDS = ["byte level", "byte fallback", "metaspace"]


def request(**more: Any) -> ChatRequest:
    return ChatRequest.model_validate({"model": NAME, "messages": [{"role": "user", "content": "x"}], **more})


def shaper(kind: str, **form: Any) -> Shaper:
    tokenizer = imported(kind, **{"thinks": "text", **form})
    return Shaper(tokenizer, Guides(tokenizer))


def spoken(tokenizer: Tokenizer, guide: Guide | None, wish: list[int], *, opened: bool) -> tuple[str, str, int]:
    """(reasoning, answer, tokens) of a model that says `wish`, but for what the guide makes it say."""
    reply, ids, wish = Reply(tokenizer, form=Form(opened)), [], [*wish]
    reasoning = answer = ""
    while reply.finish_reason is None:
        assert len(ids) < 200, "it never ends"
        mask = guide.allowed() if guide is not None else None
        forced = mask is not None and not mask[wish[0]]
        if forced:
            assert mask is not None
            (id,) = np.flatnonzero(mask)
        else:
            id = wish.pop(0)
        ids.append(int(id))
        if guide is not None:
            guide.push(int(id))
        delta = reply.push(Event("a", int(id), 0.0, [], "stop" if int(id) in tokenizer.stop_ids else None))
        reasoning, answer = reasoning + delta.reasoning, answer + delta.answer
    return reasoning, answer, len(ids)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("budget", [0, 1, 5, None])
def test_a_thought_in_text_ends_with_its_budget(kind: str, opened: bool, budget: int | None) -> None:
    tokenizer = imported(kind, thinks="text", opened=opened)
    tags = text_tags(tokenizer)
    assert tags is not None
    thought, lead = "abcdefgh"[:budget], "" if opened else "<think>"
    wish = ids_of(
        tokenizer, f"{lead}{thought}{'</think>' if budget is None else ''}yes"
    )  # no end, if there is a budget
    guide = LimitedGuide(Limits(tokenizer.vocab_size, None, None, opened, budget, tags=tags))
    reasoning, answer, count = spoken(tokenizer, guide, [*wish, tokenizer.stop_ids[0]], opened=opened)
    assert (reasoning.rstrip(), answer.strip()) == (thought, "yes")
    assert count == len(wish) + 1 + (len(tags.closing) if budget is not None else 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_the_guide_knows_as_speech_does_whether_it_is_a_thought(kind: str, seed: int) -> None:
    """However the tags are cut into tokens, and whatever looks like them."""
    rng = random.Random(seed)
    for opened in (False, True):
        tokenizer = imported(kind, thinks="text", opened=opened)
        tags = text_tags(tokenizer)
        assert tags is not None
        parts = ["<think>", "</think>", "</thi", "nk>", "<", "yes", "\n", "k>{"]
        text = rng.choice(["<think>", "\n<think>", "<thin", "x<think>", ""]) + "".join(rng.choices(parts, k=12))
        thought, reply = ThoughtInText(tags, opened=opened), Reply(tokenizer, form=Form(opened))
        for id in ids_of(tokenizer, text, rng):
            thought.push(id)
            reply.push(Event("a", id, 0.0, [], None))
            assert thought.thinking == reply._speech.thinking, text


def test_a_tag_that_has_begun_is_finished_rather_than_begun_again() -> None:
    tokenizer = imported("byte level", thinks="text", opened=True)
    tags = text_tags(tokenizer)
    assert tags is not None
    guide = LimitedGuide(Limits(tokenizer.vocab_size, None, None, True, 3, tags=tags))
    wish = [*ids_of(tokenizer, "a"), *tags.closing[:2], *ids_of(tokenizer, "yes"), tokenizer.stop_ids[0]]
    assert spoken(tokenizer, guide, wish, opened=True)[:2] == ("a", "yes")


@pytest.mark.parametrize("effort", ["none", "minimal", "max"])
def test_effort_is_a_budget_for_models_that_think_in_text(effort: Any) -> None:
    own = shaper("byte level", opened=True)
    shape = own.shape(request(reasoning_effort=effort))
    assert shape.budget == BUDGETS[effort] and shape.variables == {}
    guide = own.guide(shape, own.opened(shape, []))
    if effort == "none":
        wish = [*ids_of(own.tokenizer, "yes"), own.tokenizer.stop_ids[0]]
        assert spoken(own.tokenizer, guide, wish, opened=True)[:2] == ("", "yes")
    assert (guide is None) == (effort == "max")
    assert own.shape(request(chat_template_kwargs={"enable_thinking": False})).budget == 0


def test_a_budget_goes_with_a_grammar() -> None:
    own = shaper("byte level", opened=True)
    schema = {"type": "json_object", "schema": {"const": {"a": 1}}}
    shape = own.shape(request(reasoning_effort="none", response_format=schema))
    wish = [*ids_of(own.tokenizer, '{"a": 1}'), own.tokenizer.stop_ids[0]]
    assert spoken(own.tokenizer, own.guide(shape, True), wish, opened=True)[:2] == ("", '{"a": 1}')


def test_a_model_whose_template_shows_no_thoughts_refuses() -> None:
    with pytest.raises(ApiError, match="shows no thoughts"):
        shaper("byte level", thinks="").shape(request(reasoning_effort="low"))


def test_where_the_prompt_ends_is_read_from_its_text() -> None:
    own = shaper("byte level")
    shape = own.shape(request())
    told = type(shape)(request(), variables={"enable_thinking": True})
    for end, inside in (("<a><think>\n", True), ("<a><think>\n\n</think>\n\n", False), ("<think><eos><a>", False)):
        assert own.opened(told, ids_of(own.tokenizer, end)) is inside
    assert own.opened(shape, []) is None
