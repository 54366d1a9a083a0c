"""JSON has one type of number: a whole float is an integer, in every request body."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, ValidationError

from firesteel.serve.openai.completions_protocol import CompletionRequest
from firesteel.serve.openai.fields import EXACT, Model
from firesteel.serve.openai.protocol import ChatRequest
from firesteel.serve.openai.responses.protocol import ResponseRequest
from firesteel.serve.openai.tokenization import DetokenizeRequest
from tests.serve.api import NAME, assert_error, body, http, post

WHOLE: dict[str, Any] = {"max_tokens": 2.0, "n": 1.0, "top_k": 5.0, "seed": -7.0, "logprobs": True, "top_logprobs": 2.0}


class Form(Model):
    """Every place where an integer may stand."""

    one: int | None = None
    many: list[int] | None = None
    bounded: list[list[int]] | str = Field("", max_length=3)
    heat: float | None = None
    either: dict[str, int | float] | list[int | float] | None = None
    anything: Any = None


def test_a_whole_float_is_an_integer_where_one_is_wanted() -> None:
    form = Form.model_validate({"one": 3.0, "many": [1.0, 2, -0.0], "bounded": [[1.0], []]})
    assert (form.one, form.many, form.bounded) == (3, [1, 2, 0], [[1], []])
    assert type(form.one) is int and {type(i) for i in form.many or ()} == {int}
    kept = Form.model_validate({"heat": 1.0, "either": [1.0, 2], "anything": [1.0]})
    assert [type(v) for v in (kept.heat, *kept.either, *kept.anything)] == [float, float, int, float]


@pytest.mark.parametrize(
    "wrong",
    [{"one": value} for value in (1.5, True, "1", float(2 * EXACT), 1e308, [1.0], {})]
    + [{"many": [1.0, value]} for value in (1.5, True, [1.0])]
    + [{"bounded": [[[1.0]]]}, {"heat": True}, {"one": [[[[]]]]}],
)  # fmt: skip
def test_what_is_no_integer_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Form.model_validate(wrong)


def test_every_body_takes_them() -> None:
    messages = [{"role": "user", "content": "x"}]
    chat = ChatRequest.model_validate({"messages": messages} | WHOLE)
    assert (chat.max_tokens, chat.n, chat.top_k, chat.seed, chat.top_logprobs) == (2, 1, 5, -7, 2)
    plain = CompletionRequest.model_validate({"prompt": [1.0, 2.0], "max_tokens": 2.0, "logprobs": 1.0})
    assert (plain.prompt, plain.max_tokens, plain.logprobs) == ([[1, 2]], 2, 1)
    response = ResponseRequest.model_validate({"input": "x", "max_output_tokens": 2.0, "top_k": 5.0})
    assert (response.max_output_tokens, response.top_k) == (2, 5)
    assert DetokenizeRequest.model_validate({"tokens": [5.0]}).tokens == [5]


def test_over_http_whole_floats_count_and_others_are_refused_by_name(url: str) -> None:
    answer = post(url, body(**WHOLE)).json()
    assert answer["usage"]["completion_tokens"] == 2
    for field in ("max_tokens", "n", "top_k", "seed"):
        for value in (1.5, True):
            assert_error(post(url, body() | {field: value}), 400, field, "invalid_value")
    deep: Any = 1.0
    for _ in range(400):
        deep = [deep]
    for field in ("prompt", "max_tokens"):
        wrong = {"model": NAME, "prompt": "x", field: deep}
        assert_error(http().post(f"{url}/completions", json=wrong), 400, field)
