"""Text completions as their users meet them: the official client, and what evaluation harnesses send."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from firesteel.core.tokenizer import Tokenizer
from firesteel.data.fim import Cut, rearranged
from firesteel.model.transformer import Transformer
from firesteel.serve.openai.server import running
from firesteel.serve.plain import plain_prompt_logprobs, plain_sample
from firesteel.serve.sequence import Sampling, split_seed
from tests.serve.api import ENDLESS, LESSONS, NAME, SETTINGS, app_of, assert_error, idle, wait_until
from tests.serve.completing import WARM, choices, complete, greedy, lesson, post, streamed


def test_text_goes_on_as_the_plain_sampler_says(url: str, taught: Transformer, tokenizer: Tokenizer) -> None:
    answer = complete(url)
    ids = greedy(taught, tokenizer, tokenizer.continued("count"))
    choice, usage = answer.choices[0], answer.usage
    assert choice.text == tokenizer.decode(ids) and choice.index == 0 and choice.logprobs is None
    assert choice.finish_reason == ("stop" if ids[-1] in tokenizer.halt_ids else "length")
    assert answer.object == "text_completion" and answer.model == NAME and answer.id.startswith("cmpl-")
    assert usage.prompt_tokens == len(tokenizer.continued("count")) and usage.completion_tokens == len(ids)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert answer.system_fingerprint and usage.prompt_tokens_details.cached_tokens >= 0


def test_thoughts_are_text_and_special_tokens_are_not(url: str, tokenizer: Tokenizer) -> None:
    """No reasoning is split off: the text is what the tokenizer makes of the ids."""
    whole = choices(url, lesson(tokenizer, 0), max_tokens=100)[0]
    assert whole["text"] == LESSONS[0]["reasoning_content"] + LESSONS[0]["content"]
    assert whole["finish_reason"] == "stop"
    pieces, _ = streamed(url, lesson(tokenizer, 0), max_tokens=100)
    assert "".join(p["text"] for p in pieces[0]) == whole["text"] and len(pieces[0]) > 5
    assert not any("\ufffd" in p["text"] for p in pieces[0])
    assert [p["finish_reason"] for p in pieces[0]] == [None] * (len(pieces[0]) - 1) + ["stop"]


def test_a_prompt_may_be_text_or_tokens_one_or_many(url: str, tokenizer: Tokenizer) -> None:
    texts = ["count", "六乘七", "la la"]
    ids = [tokenizer.continued(text) for text in texts]
    alone = [choices(url, text)[0]["text"] for text in texts]
    assert [c["text"] for c in choices(url, texts)] == alone == [c["text"] for c in choices(url, ids)]
    assert choices(url, ids[1])[0]["text"] == alone[1]
    used = post(url, ids).json()["usage"]
    assert used["prompt_tokens"] == sum(map(len, ids))
    assert [c["index"] for c in choices(url, texts)] == [0, 1, 2]


def test_choices_of_a_prompt_follow_each_other_and_do_not_depend_on_the_others(url: str) -> None:
    prompts = ["count", "la la"]
    both = [c["text"] for c in choices(url, prompts, n=2, **WARM)]
    alone = [c["text"] for p in prompts for c in choices(url, p, n=2, **WARM)]
    assert both == alone and len(set(both)) == 4
    assert both[0] == choices(url, "count", **WARM)[0]["text"]
    pieces, _ = streamed(url, prompts, n=2, **WARM)
    assert ["".join(p["text"] for p in pieces[i]) for i in range(4)] == both
    unseeded = choices(url, ["count"] * 4, **(WARM | {"seed": None}))
    assert len({c["text"] for c in unseeded}) > 1


def test_the_seed_decides_as_in_the_plain_sampler(url: str, taught: Transformer, tokenizer: Tokenizer) -> None:
    for i, choice in enumerate(choices(url, "count", n=2, **WARM)):
        sampling = Sampling(12, temperature=2.0, seed=split_seed(7, i), stop_ids=tokenizer.halt_ids)
        wanted = plain_sample(taught, tokenizer.continued("count"), sampling)
        assert choice["text"] == tokenizer.decode(wanted.ids)


def test_best_of_returns_the_likeliest_by_token(url: str) -> None:
    drawn = choices(url, ["count", "la"], n=5, logprobs=0, **WARM)
    response = post(url, ["count", "la"], n=2, best_of=5, logprobs=0, **WARM).json()
    assert [c["index"] for c in response["choices"]] == [0, 1, 2, 3]
    for group in (0, 1):
        own = drawn[group * 5 : group * 5 + 5]
        means = {c["text"]: _mean(c["logprobs"]["token_logprobs"]) for c in own}
        best = sorted(means, key=lambda text: -means[text])[:2]
        assert [c["text"] for c in response["choices"][group * 2 : group * 2 + 2]] == best
    assert response["usage"]["completion_tokens"] == sum(len(c["logprobs"]["tokens"]) for c in drawn)
    assert_error(post(url, n=1, best_of=3, stream=True), 400, "best_of", "invalid_value")
    assert_error(post(url, n=3, best_of=2), 400, "best_of", "invalid_value")
    assert post(url, n=2, best_of=2, stream=True).status_code == 200


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_logprobs_have_the_legacy_shape(url: str, taught: Transformer, tokenizer: Tokenizer) -> None:
    choice = complete(url, lesson(tokenizer, 1), logprobs=3, max_tokens=100).choices[0]
    said = choice.logprobs
    assert "".join(said.tokens) == choice.text + "<|eos|>", "the token that ended it is told too"
    ids = greedy(taught, tokenizer, lesson(tokenizer, 1), 100)
    starts = [len(tokenizer.decode(ids[:i])) for i in range(len(ids))]
    assert said.text_offset == starts and len(said.tokens) == len(ids)
    for token, logprob, top in zip(said.tokens, said.token_logprobs, said.top_logprobs, strict=True):
        assert len(top) == 3 and top[token] == logprob == max(top.values()) <= 0
    pieces, _ = streamed(url, lesson(tokenizer, 1), logprobs=3, max_tokens=100)
    assert all(piece["logprobs"]["tokens"] for piece in pieces[0]), "they come with their text"
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        joined = [value for piece in pieces[0] for value in piece["logprobs"][name]]
        assert joined == getattr(said, name)


def test_the_chosen_token_is_always_among_the_alternatives(url: str) -> None:
    said = choices(url, logprobs=1, n=4, **WARM)
    tops = [top for c in said for top in c["logprobs"]["top_logprobs"]]
    tokens = [
        (t, p) for c in said for t, p in zip(c["logprobs"]["tokens"], c["logprobs"]["token_logprobs"], strict=True)
    ]
    assert all(top[token] == logprob for top, (token, logprob) in zip(tops, tokens, strict=True))
    assert {len(top) for top in tops} == {1, 2}
    assert all(len(top) == 1 for top in choices(url, logprobs=0)[0]["logprobs"]["top_logprobs"])


@pytest.mark.parametrize("stop", ["ee fo", [" four", "zzz"], ["nothing like this"]])
def test_stop_strings_match_across_tokens_and_do_not_show(app: Any, url: str, tokenizer: Tokenizer, stop: Any) -> None:
    prompt, text = lesson(tokenizer, 1), LESSONS[1]["content"]
    wanted = min((text.split(s)[0] for s in ([stop] if isinstance(stop, str) else stop)), key=len)
    whole = choices(url, prompt, stop=stop, max_tokens=100, logprobs=0)[0]
    pieces, _ = streamed(url, prompt, stop=stop, max_tokens=100)
    assert whole["text"] == "".join(p["text"] for p in pieces[0]) == wanted
    assert whole["finish_reason"] == pieces[0][-1]["finish_reason"] == "stop"
    offsets = whole["logprobs"]["text_offset"]
    assert all(offset < len(wanted) for offset in offsets) or wanted == text
    wait_until(lambda: idle(app), "a stopped sequence was not freed")


def test_the_usage_of_a_stream_comes_last_and_alone(url: str) -> None:
    pieces, chunks = streamed(url, "count", stream_options={"include_usage": True})
    whole = post(url, "count").json()
    assert "".join(p["text"] for p in pieces[0]) == whole["choices"][0]["text"]
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == whole["usage"]["total_tokens"]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert len({(c["id"], c["created"], c["model"], c["object"]) for c in chunks}) == 1
    assert "usage" not in streamed(url)[1][0]


def test_the_client_reads_a_stream(url: str) -> None:
    """Not in strict mode: OpenAI's type of finish_reason does not know the null that its own streams hold."""
    own = openai.OpenAI(base_url=url, api_key="-", max_retries=0)
    parts = list(own.completions.create(model=NAME, prompt="count", temperature=0, stream=True))
    assert "".join(p.choices[0].text for p in parts) == complete(url).choices[0].text


def test_the_asynchronous_client_gets_the_same(url: str) -> None:
    async def ask() -> Any:
        own = openai.AsyncOpenAI(base_url=url, api_key="-", max_retries=0, _strict_response_validation=True)
        async with own:
            return await own.completions.create(model=NAME, prompt="count", temperature=0)

    assert asyncio.run(ask()).choices == complete(url).choices


def test_length_is_16_unless_asked_and_never_cut_in_silence(url: str, tokenizer: Tokenizer) -> None:
    assert complete(url, lesson(tokenizer, 5), **ENDLESS).usage.completion_tokens == 16
    assert complete(url, max_tokens=3, **ENDLESS).usage.completion_tokens == 3
    full = [tokenizer.encode("z")[0]] * 507
    assert complete(url, full, **ENDLESS).usage.completion_tokens == 5, "what the context leaves"
    error = assert_error(post(url, full, max_tokens=6), 400, "prompt", "context_length_exceeded")
    assert all(number in error["message"] for number in ("512", "513", "507", "6"))
    assert_error(post(url, [5] * 512), 400, "prompt", "context_length_exceeded")
    assert_error(post(url, ["a", "z" * 600]), 400, "prompt", "context_length_exceeded")
    too_many = SETTINGS.max_new_tokens + 1
    assert_error(post(url, max_tokens=too_many), 400, "max_tokens", "invalid_value")


def test_sampling_settings_reach_the_sampler(url: str, taught: Transformer, tokenizer: Tokenizer) -> None:
    z = tokenizer.encode("z")[0]
    assert choices(url, max_tokens=5, logit_bias={str(z): 100})[0]["text"] == "zzzzz"
    calm, prompt = choices(url, lesson(tokenizer, 5), max_tokens=30)[0]["text"], lesson(tokenizer, 5)
    for setting in ({"frequency_penalty": 2}, {"repetition_penalty": 50.0}):
        assert choices(url, prompt, max_tokens=30, **setting)[0]["text"] != calm, setting
    plain, shy = (choices(url, prompt, logprobs=0, presence_penalty=p)[0]["logprobs"]["token_logprobs"] for p in (0, 2))
    assert plain[0] == pytest.approx(shy[0]) and plain[-1] != pytest.approx(shy[-1])
    free = choices(url, **WARM)[0]["text"]
    likeliest = choices(url, max_tokens=12)[0]["text"]
    assert free != likeliest
    for setting in ({"top_k": 1}, {"min_p": 1.0}, {"top_p": 0.0}):
        assert choices(url, **WARM, **setting)[0]["text"] == likeliest, setting
    for setting in ({"top_k": 0}, {"top_k": -1}, {"min_p": 0.0}, {"top_p": 1.0}, {"repetition_penalty": 1.0}):
        assert choices(url, **WARM, **setting)[0]["text"] == free, setting


def test_a_gap_is_filled_in_the_order_of_the_training_data(url: str, taught: Transformer, tokenizer: Tokenizer) -> None:
    assert tokenizer.fim_ids is not None
    packed = tokenizer.document(rearranged(Cut("one two", "", "four"), tokenizer.encode, tokenizer.fim_ids))[:-1]
    wanted = tokenizer.decode(greedy(taught, tokenizer, packed))
    answer = complete(url, "one two", suffix="four")
    assert answer.choices[0].text == wanted and answer.usage.prompt_tokens == len(packed)
    assert complete(url, tokenizer.continued("one two"), suffix="four").choices[0].text == wanted
    assert complete(url, tokenizer.encode("one two"), suffix="four").choices[0].text == wanted
    assert choices(url, "one two", suffix="")[0]["text"] == choices(url, "one two")[0]["text"]
    assert_error(post(url, "one", suffix="two", echo=True), 400, "echo", "invalid_value")


def test_a_model_without_tokens_for_gaps_says_so(
    taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(app_of(taught, tokenizer)) as url:
        monkeypatch.setitem(tokenizer.__dict__, "fim_ids", None)
        assert_error(post(url, "one", suffix="two"), 400, "suffix", "unsupported_parameter")


@pytest.mark.parametrize("max_tokens", [0, 1])
def test_what_an_evaluation_harness_asks_is_right(
    url: str, taught: Transformer, tokenizer: Tokenizer, max_tokens: int
) -> None:
    """lm-eval's local-completions: token arrays, echo, logprobs 1, one token more; it sums token_logprobs[context:-1]."""
    rows = [lesson(tokenizer, i) + tokenizer.encode(LESSONS[i]["content"]) for i in range(3)]
    answer = post(url, rows, echo=True, max_tokens=max_tokens, logprobs=1, seed=1234).json()
    for ids, choice in zip(rows, answer["choices"], strict=True):
        said = choice["logprobs"]
        assert len(said["tokens"]) == len(said["token_logprobs"]) == len(ids) + max_tokens
        assert said["token_logprobs"][0] is None and said["top_logprobs"][0] is None
        right = plain_prompt_logprobs(taught, ids, 1)
        for i, (logprob, [(likeliest, most)]) in enumerate(right, 1):
            own, top = said["token_logprobs"][i], max(said["top_logprobs"][i].values())
            assert own == pytest.approx(logprob, abs=1e-4) and top == pytest.approx(most, abs=1e-4)
            assert (own == top) == (likeliest == ids[i]), "whether it is greedy must be told exactly"
        more = greedy(taught, tokenizer, ids, 1) if max_tokens else []
        assert choice["text"] == tokenizer.decode(ids + more)
    assert answer["usage"]["prompt_tokens"] == sum(map(len, rows))
    assert answer["usage"]["completion_tokens"] == max_tokens * len(rows)


def test_an_echo_is_the_prompt_and_then_the_rest(url: str, tokenizer: Tokenizer) -> None:
    text = "六乘七等于几 count"
    rest = choices(url, text, max_tokens=8)[0]["text"]
    assert choices(url, text, max_tokens=8, echo=True)[0]["text"] == text + rest
    said = choices(url, text, max_tokens=8, echo=True, logprobs=2)[0]
    assert said["logprobs"]["tokens"][0] == "<|bos|>" and said["logprobs"]["text_offset"][:2] == [0, 0]
    for name, start in zip(said["logprobs"]["tokens"], said["logprobs"]["text_offset"], strict=True):
        assert name in tokenizer.special or name.startswith("bytes:") or said["text"][start : start + len(name)] == name
    pieces, _ = streamed(url, text, max_tokens=8, echo=True, logprobs=2)
    assert "".join(p["text"] for p in pieces[0]) == said["text"]
    assert [t for p in pieces[0] for t in p["logprobs"]["tokens"]] == said["logprobs"]["tokens"]
    several = choices(url, [text, "count"], n=2, echo=True, **WARM)
    assert [c["text"].startswith(p) for c, p in zip(several, [text, text, "count", "count"], strict=True)] == [True] * 4


def test_nothing_but_the_prompt(url: str, tokenizer: Tokenizer) -> None:
    only = complete(url, "count", echo=True, max_tokens=0)
    assert only.choices[0].text == "count" and only.choices[0].finish_reason == "length"
    assert only.usage.completion_tokens == 0
    assert choices(url, max_tokens=0)[0]["text"] == ""
    pieces, _ = streamed(url, "count", echo=True, max_tokens=0)
    assert [p["text"] for p in pieces[0]] == ["count"] and pieces[0][0]["finish_reason"] == "length"
    longest = [tokenizer.encode("z")[0]] * 512
    assert choices(url, longest, max_tokens=0, echo=True)[0]["text"] == "z" * 512
