"""What stands in a line beside its shape: harmless notes are passed over, what would change the lesson is refused.

Refused is what asks for something that the training here does not do: an example of how not to answer, a turn that is not
to be learnt, a picture, a second conversation in the same line. Passing over these would teach the opposite in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from firesteel.core.chat_template import Message
from firesteel.data.instruction_misfit import Misfit

MEDIA = ("image", "images", "audio", "audios", "video", "videos")
LABELS = ("label", "kto_tag")  # TRL's and LLaMA-Factory's name for "this is an answer to be wished for"
UNWANTED = frozenset("0 false no n bad negative undesirable rejected".split())
LEARNT = ("weight", "train", "training", "loss")  # OpenAI's, axolotl's (two) and ms-swift's name for "this is learnt"
DETAILS = ("train_detail", "training_detail")  # axolotl's parts of a turn that are not learnt
# Keys that hold part of a conversation: those of every shape, and those by which other programs' shapes are known.
SPOKEN = frozenset(
    "messages conversations instruction input output history prompt completion chosen rejected preferred_output "
    "non_preferred_output context response rejected_response".split()
)


def check_record(record: Mapping[str, Any]) -> None:
    """Raises Misfit for a line that is a bad example, not to be learnt, or about pictures and sounds."""
    _no_media(record, "")
    for key in LABELS:
        if _unwanted(record.get(key)):
            expected = "an example of how not to answer teaches only by comparison: put it into a pair's rejected"
            raise Misfit(key, expected + ", or leave the line out; expected was true", record[key])
    for key in LEARNT:
        value = record.get(key)
        if value is not None and (value == 0 or (key == "weight" and value != 1)):
            raise Misfit(key, "only 1 is known: leave out what is not to be learnt", value)


def check_turn(turn: Mapping[str, Any], role: str, field: str) -> None:
    """Raises Misfit for a turn with pictures or tools of its own, or an answer that is not (all) to be learnt."""
    _no_media(turn, f"{field}.")
    for key in ("tools", "functions"):
        if turn.get(key):
            raise Misfit(f"{field}.{key}", "tools belong beside the conversation, not into a turn")
    if role != "assistant":
        return  # what others say is not learnt in any case
    for key in LEARNT:
        if turn.get(key, 1) not in (None, 1):
            raise Misfit(f"{field}.{key}", f"only {key} 1 is known: leave out what is not to be learnt", turn[key])
    for key in DETAILS:
        if turn.get(key):
            raise Misfit(f"{field}.{key}", "a turn is learnt as a whole: leave out what is not to be learnt")


def check_beside(record: Mapping[str, Any], used: Collection[str], conversation: Iterable[list[Message]]) -> None:
    """Raises Misfit for a second shape in a line, unless it only repeats turns of the first."""
    said = {turn["content"] for turns in conversation for turn in turns}
    for key in sorted(SPOKEN.intersection(record).difference(used)):
        if record[key] and not _repeats(record[key], said):
            names = ", ".join(sorted(used & record.keys()))
            raise Misfit(
                key, f"one shape in a line was expected, and the line has {names}: rename or remove one of them"
            )


def _repeats(value: Any, said: Collection[str]) -> bool:
    if isinstance(value, str):
        return value in said
    if not isinstance(value, list):
        return False
    texts = [turn.get("content", turn.get("value")) if isinstance(turn, dict) else None for turn in value]
    return all(isinstance(text, str) and text in said for text in texts)


def _no_media(table: Mapping[str, Any], field: str) -> None:
    for key in MEDIA:
        if table.get(key):
            raise Misfit(
                f"{field}{key}", "text alone can be learnt here: leave out lines with pictures, sound or films"
            )


def _unwanted(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in UNWANTED
    return isinstance(value, int | float) and value <= 0
