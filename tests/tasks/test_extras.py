"""Tasks of other packages: told how to install them, or drawn and scored through our protocol."""

import importlib.util

import pytest

from firesteel.core.errors import RecipeError
from firesteel.tasks import extras
from firesteel.tasks.score import score
from firesteel.tasks.table import get_task

gym = pytest.mark.skipif(importlib.util.find_spec("reasoning_gym") is None, reason="needs reasoning-gym")
chalk = pytest.mark.skipif(importlib.util.find_spec("chalkbase") is None, reason="needs chalkbase")


@pytest.mark.parametrize("name", ["reasoning-gym:chain_sum", "chalkbase", "chalkbase:3"])
def test_a_package_that_is_missing_is_named_with_what_to_do(name, monkeypatch):
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda module: None)
    extras.chalk_items.cache_clear()
    with pytest.raises(RecipeError, match=r"pip install 'firesteel\[tasks\]'"):
        get_task(name)


@gym
@pytest.mark.parametrize("name", ["chain_sum", "letter_counting", "spell_backward", "countdown", "knights_knaves"])
def test_reasoning_gym_is_seeded_by_us_and_its_answers_are_right(name):
    task = get_task(f"reasoning-gym:{name}")
    problems = task.problems("train", 0, 0, 10)
    assert problems == task.problems("train", 0, 0, 10)
    assert len({p.question for p in problems}) > 5
    for p in problems:
        answer = p.answer if p.answer is not None else p.facts["entry"]["metadata"]["expression"]
        assert score(p, "let me think", f"<answer>{answer}</answer>", stopped=True).correct, (p.question, answer)
        assert not score(p, "let me think", "<answer>no idea at all</answer>", stopped=True).reward
        assert not score(p, "let me think", f"<answer>{answer}</answer><answer>0</answer>", stopped=True).reward


@gym
def test_reasoning_gym_gets_harder_by_its_curriculum():
    lengths = [
        sum(len(p.question) for p in get_task(f"reasoning-gym:chain_sum@{level}").problems("train", 0, 0, 20))
        for level in (1, 4, 8)
    ]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]
    with pytest.raises(RecipeError, match="chain_sum"):
        get_task("reasoning-gym:chain_sun")


@chalk
def test_chalkbase_is_read_as_data():
    extras.chalk_items.cache_clear()
    items = extras.chalk_items()
    assert set(items) == set(range(1, 7)) and sum(map(len, items.values())) > 400
    for p in get_task("chalkbase").problems("train", 0, 0, 300):
        assert p.language == "zh" and score(p, p.reasoning, p.reply, stopped=True).correct, (p.question, p.answer)
    assert {p.facts["grade"] for p in get_task("chalkbase@2-3").problems("train", 0, 0, 50)} == {2, 3}
    assert {p.facts["grade"] for p in get_task("chalkbase:5").problems("train", 0, 0, 20)} == {5}
    assert "textbooks" in get_task("chalkbase").source
    with pytest.raises(RecipeError, match="grades: 1"):
        get_task("chalkbase:9")
