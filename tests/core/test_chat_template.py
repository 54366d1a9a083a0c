"""A template is a program of somebody else's: what it may do, what it may not, and how far it may go."""

from __future__ import annotations

from datetime import datetime

import pytest

from firesteel.core import chat_template
from firesteel.core.chat_template import ChatTemplate, without_speech_marks
from firesteel.core.errors import ArtefactError, UserError
from firesteel.core.tokenizer import CHAT_TEMPLATE

HELLO = [{"role": "user", "content": "<b>你好</b>"}]


def draw(source: str, messages: list[dict[str, str]] = HELLO, **tokens: str) -> str:
    template = ChatTemplate(source, tokens, lambda: datetime(2026, 2, 3))
    return template.draw(messages, template.marks(messages), add_generation_prompt=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ messages[0] | tojson }}", '{"role": "user", "content": "<b>你好</b>"}'),
        ("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", "<s><b>你好</b>"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{% if true %}\n  {% set x = 1 %}\n{{ x }}\n{% endif %}\n", "1\n"),
        ("{{ strftime_now('%d %b %Y') }}", "03 Feb 2026"),
        ("{{ tools is none }} {{ add_generation_prompt }}", "True True"),
        ("{{ 'ab' * 2 }}{{ 2 ** 3 }}", "abab8"),
    ],
)
def test_templates_find_what_transformers_gives_them(source: str, expected: str) -> None:
    assert draw(source, bos_token="<s>") == expected


def test_tojson_is_that_of_transformers() -> None:
    transformers = pytest.importorskip("transformers.utils.chat_template_utils")
    source = "{{ messages | tojson(indent=1) }}{{ messages[0] | tojson }}"
    [expected], _ = transformers.render_jinja_template([HELLO], chat_template=source)
    assert draw(source) == expected


def test_reasoning_has_the_names_that_templates_read() -> None:
    said = [{"role": "assistant", "content": "x", "reasoning": "hm"}]
    assert draw("{{ messages[0].reasoning_content + messages[0].thinking }}", said) == "hmhm"


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages[7].content.x }}",
        "{{ 1 / 0 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 999999999 }}",
        "{{ 9 ** 9999999 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_what_a_template_refuses_or_must_not_do_is_an_error_for_the_reader(source: str) -> None:
    with pytest.raises(UserError, match="refuses this conversation"):
        draw(source)


def test_the_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "MAX_RENDERED", 1000)
    with pytest.raises(UserError, match="longer than 1000"):
        draw("{% for i in range(2000) %}x{% endfor %}")


def test_a_template_that_is_too_long_or_no_jinja_is_named() -> None:
    with pytest.raises(ArtefactError, match="too long"):
        ChatTemplate("x" * (chat_template.MAX_SOURCE + 1), {})
    with pytest.raises(UserError, match="not valid Jinja"):
        draw("{% if %}")


def test_marks_occur_nowhere_else() -> None:
    taken = "".join(chr(code) for code in range(0xF0000, 0xF0005))
    marks = ChatTemplate(f"{taken[:2]}", {}).marks([{"role": "user", "content": taken}])
    assert not {marks.seam, marks.open, marks.close} & set(taken) and marks.seam != marks.open != marks.close


def test_other_runtimes_get_the_template_without_its_tags() -> None:
    bare = without_speech_marks("{%- generation -%}a{% endgeneration %}" + CHAT_TEMPLATE)
    assert "generation %}" not in bare and bare.startswith("a{{")
