"""When an answer ends: OpenAI's `stop`, and what vLLM's clients say about it beyond that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from firesteel.serve.openai.fields import Addressed, Stops
from firesteel.serve.sequence import Event

MOST_STOP_IDS = 128
TokenId = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True)
class Ending:
    """What ends the text of an answer. `ids` are tokens that end it; what such a token says is no part of the text.

    No stop string becomes complete with the first `min_tokens` tokens. `shown`: the text holds what ended it.
    """

    stops: tuple[str, ...] = ()
    ids: frozenset[int] = frozenset()
    min_tokens: int = 0
    shown: bool = False

    def drops(self, event: Event) -> bool:
        """Whether this token ended the answer and is not to be seen."""
        return event.finish_reason == "stop" and event.token in self.ids and not self.shown


class Endable(Addressed):
    """A request for an answer that has to end somewhere."""

    stop: Stops = None
    stop_token_ids: list[TokenId] | None = Field(
        None, max_length=MOST_STOP_IDS, description="further tokens that end an answer; what they say is left out"
    )
    include_stop_str_in_output: bool | None = Field(
        None, description="true: the text ends with the stop string, or with what the stop token says"
    )
    ignore_eos: bool | None = Field(
        None, description="go on behind the tokens that end an answer, up to max_tokens or to what stop names"
    )
    min_tokens: int | None = Field(
        None, ge=0, lt=2**31,
        description="so many tokens come before one may end the answer or complete a stop string; a grammar that is through "
        "ends it all the same",
    )  # fmt: skip

    @property
    def ending(self) -> Ending:
        """What ends the text."""
        return Ending(
            tuple(self.stop or ()), frozenset(self.stop_token_ids or ()), self.min_tokens or 0,
            bool(self.include_stop_str_in_output),
        )  # fmt: skip
