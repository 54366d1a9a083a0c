"""Fields of the Responses API beyond the plain ones: what parts of text hold, how answers are sampled, phases of messages."""

from __future__ import annotations

from typing import Any

from tests.serve.api import LESSONS, NAME, client
from tests.serve.test_responses import raw_events, respond

SUM, COUNT = LESSONS[0], LESSONS[1]


def test_every_part_of_text_has_its_lists(url: str) -> None:
    """OpenAI's type of output_text wants `annotations`, and `logprobs` where there may be some, in events too."""
    events = raw_events(url, input=SUM["user"])
    parts = [event["part"] for event in events if "part" in event]
    messages = [event["item"] for event in events if event.get("item", {}).get("type") == "message"]
    messages += [item for item in events[-1]["response"]["output"] if item["type"] == "message"]
    parts += [part for message in messages for part in message["content"]]
    texts = [part for part in parts if part["type"] == "output_text"]
    assert len(texts) == 4 and all(part["annotations"] == [] and part["logprobs"] == [] for part in texts)
    said = [event for event in events if event["type"].startswith("response.output_text.")]
    assert said and all(event["logprobs"] == [] for event in said)


def test_sampling_is_that_of_chat(url: str) -> None:
    """The same seed and fields draw the same answer; each field is heard."""
    hot: dict[str, Any] = {"temperature": 2, "seed": 3, "top_k": 1}
    assert respond(url, "count", extra_body=hot).output_text == COUNT["content"], "the likeliest token alone"
    options: dict[str, Any] = {"temperature": 1.5, "seed": 5, "frequency_penalty": 1.5, "presence_penalty": 0.5}
    options |= {"min_p": 0.01, "repetition_penalty": 1.2}
    chat = client(url).chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": "count"}], max_tokens=12, extra_body=options
    )
    mine = respond(url, "count", max_output_tokens=12, extra_body=options)
    said = "".join(part.text for item in mine.output for part in item.content or ())
    message = chat.choices[0].message
    assert said == (getattr(message, "reasoning", None) or "") + (message.content or "")
    assert mine.presence_penalty == 0.5 and mine.frequency_penalty == 1.5


def test_the_phase_of_a_message_comes_back(url: str) -> None:
    history: Any = [
        {"role": "user", "content": "count"},
        {"type": "message", "role": "assistant", "content": "one", "phase": "commentary"},
        {"role": "user", "content": "count", "phase": "final_answer"},
    ]
    mine = respond(url, history)
    listed = client(url).responses.input_items.list(mine.id, order="asc").data
    assert [getattr(item, "phase", None) for item in listed] == [None, "commentary", None]
    bare = [{key: value for key, value in item.items() if key != "phase"} for item in history]
    assert respond(url, bare).usage.input_tokens == mine.usage.input_tokens
