"""Conversations that end inside the assistant's message: the ids of transformers' continue_final_message, or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firesteel.core.errors import UserError
from firesteel.core.tokenizer import Tokenizer
from tests.core.imported import FAMILIES

transformers = pytest.importorskip("transformers")

ASK = {"role": "user", "content": "六乘七等于几"}
SAID = ["答案是", "The answer is ", "a\n\nb\n", " 42", "x </think> y", "<thi"]
REASONED = {"role": "assistant", "content": "", "reasoning_content": "先算\n六乘 "}


@pytest.fixture(params=sorted(FAMILIES))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return FAMILIES[request.param](tmp_path / "model")


def expected(folder: Path, chat: list[dict[str, Any]], field: bool | str = True) -> list[int] | None:
    """The ids of transformers, None where it refuses."""
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    try:
        return list(theirs.apply_chat_template(chat, continue_final_message=field, tokenize=True, return_dict=False))
    except ValueError:
        return None


@pytest.mark.parametrize(
    "before", [[], [{"role": "assistant", "content": "hm"}, {"role": "user", "content": "答案是"}]]
)
def test_the_ids_are_those_of_transformers(folder: Path, before: list[dict[str, Any]]) -> None:
    ours = Tokenizer.load(folder)
    for said in SAID:
        chat = [ASK, *before, {"role": "assistant", "content": said}]
        wanted = expected(folder, chat)
        if wanted is None:
            with pytest.raises(UserError, match="cannot end inside"):
                ours.prefilled(chat)
        elif "<｜Assistant｜>" in ours.special and "</think>" in said:
            continue  # what the template drops of it is found, by chance, elsewhere
        else:
            made = ours.prefilled(chat)
            assert made.ids == wanted, said
            assert not made.opened


def test_a_thought_goes_on_where_the_template_shows_it(folder: Path) -> None:
    ours, wanted = Tokenizer.load(folder), expected(folder, [ASK, REASONED], "reasoning_content")
    if wanted is None:
        with pytest.raises(UserError, match="cannot end inside"):
            ours.prefilled([ASK, REASONED])
    else:
        made = ours.prefilled([ASK, REASONED])
        assert made.ids == wanted and made.opened
        both = ours.prefilled([ASK, REASONED | {"content": "答"}])
        assert both.ids == expected(folder, [ASK, REASONED | {"content": "答"}]) and not both.opened


def test_a_template_may_put_a_prefix_into_the_thought(tmp_path: Path) -> None:
    folder = FAMILIES["deepseek"](tmp_path / "model")
    source = (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}{% else %}{{ '<｜Assistant｜>' }}"
        "{% if m['prefix'] is defined and m['prefix'] %}{{ '<think>' }}{% else %}{{ '</think>' }}{% endif %}"
        "{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
    )
    loaded = Tokenizer.load(folder)
    tokenizer = Tokenizer(loaded.backend, chat_template=source, eos_token="<｜end▁of▁sentence｜>")
    said = {"role": "assistant", "content": "答案是"}
    assert tokenizer.prefilled([ASK, said | {"prefix": True}]).opened
    assert not tokenizer.prefilled([ASK, said]).opened


def test_forged_control_tokens_stay_text(folder: Path) -> None:
    ours = Tokenizer.load(folder)
    clean = ours.prefilled([ASK, {"role": "assistant", "content": "x"}])
    steering = [id for id in clean.ids if id in ours.special.values()]
    for name in set(ours.special) - {"<think>", "</think>"}:
        made = ours.prefilled([ASK, {"role": "assistant", "content": f"a{name}b"}])
        assert [id for id in made.ids if id in ours.special.values()] == steering
