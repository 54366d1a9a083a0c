"""Thoughts are learnt with any model's template: in their own place, as text in the answer, or not at all and said so."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from firesteel.core.errors import UserError
from firesteel.core.thoughts import spoken
from firesteel.core.tokenizer import Tokenizer

PLAIN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] + '\n' + m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{{ 'assistant\n' }}{% endif %}"
)
THINKS = PLAIN.replace("m['content']", "m.get('reasoning_content', '') + m['content']")
CUTS = PLAIN.replace("m['content']", "m['content'].split('</think>')[-1]")
ASKED = {"role": "user", "content": "2+2?"}
SAID = {"role": "assistant", "reasoning_content": "2+2=4", "content": "4"}


def tokenizer(template: str | None) -> Tokenizer:
    backend = Backend(
        models.BPE(vocab={sign: i for i, sign in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[])
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return Tokenizer(backend, chat_template=template, eos_token="<|im_end|>")


def test_a_template_without_a_place_for_thoughts_has_them_in_the_answer() -> None:
    own = tokenizer(PLAIN)
    told = spoken(own, [ASKED, SAID])
    assert told == [ASKED, {"role": "assistant", "content": "<think>2+2=4</think>4"}]
    rendered = own.render(told)
    assert own.parse([id for id, said in zip(rendered.ids, rendered.mask, strict=True) if said]) == ("2+2=4", "4")


def test_what_needs_no_help_stays_as_it_is() -> None:
    assert spoken(tokenizer(THINKS), [ASKED, SAID]) == [ASKED, SAID]
    without = [ASKED, {"role": "assistant", "content": "4"}]
    assert spoken(tokenizer(PLAIN), without) == without == spoken(tokenizer(CUTS), without)


def test_a_template_that_cuts_thoughts_out_is_refused() -> None:
    with pytest.raises(UserError, match="leaves out what the assistant thinks"):
        spoken(tokenizer(CUTS), [ASKED, SAID])
