"""Instructions about form: all of them are checked, and an empty pattern earns nothing."""

from hypothesis import given
from hypothesis import strategies as st

from firesteel.tasks.families.format import RULES, TASK, follows
from firesteel.tasks.families.format_topics import TOPICS
from firesteel.tasks.score import score
from tests.tasks.checks import hold_at_every_level, splits_are_disjoint

PROBLEMS = [p for level in (1, 2, 3, 4) for p in TASK.at(level).problems("train", 0, 0, 200)]


def test_every_rule_comes_up_and_as_many_as_the_level_says():
    assert {r["rule"] for p in PROBLEMS for r in p.facts["rules"]} == set(RULES)
    assert all(len(p.facts["rules"]) == p.level for p in PROBLEMS)


def test_breaking_one_rule_loses_everything():
    broken = {
        "sentences": lambda text: text.rstrip(".。") + (". And more." if text.isascii() else "。还有一句话。"),
        "bullets": lambda text: text + "\n- one more line to read" + "再来一行",
        "json": lambda text: text[:-1],
        "at most": lambda text: text * 20,
        "at least": lambda text: text[:7],
        "lower case": lambda text: text.upper(),
        "ends": lambda text: text + "X",
        "starts": lambda text: "X" + text,
    }
    tried = set()
    for problem in PROBLEMS:
        for rule in (r["rule"] for r in problem.facts["rules"] if r["rule"] in broken):
            found = follows(problem, broken[rule](problem.reply))
            assert found.reward == 0, (rule, problem.question, broken[rule](problem.reply))
            tried.add(rule)
    assert tried == set(broken)


def test_the_topic_alone_and_the_question_earn_nothing():
    for problem in PROBLEMS[:200]:
        for name in problem.facts["topics"].values():
            for reply in (
                name,
                f"{name}。",
                f"{name}. " * 3,
                f"- {name}\n- {name} {name}",
                problem.question,
                problem.question.lower(),
            ):
                assert not score(problem, "thinking about it", reply, stopped=True).reward, (problem.question, reply)


def test_one_reply_for_all_questions_earns_next_to_nothing():
    """What reinforcement learning would find first: a text that names every topic."""
    zh = "、".join(t.name["zh"] for t in TOPICS) + "都是生活里常见的东西。朋友们花时间了解它们。"
    en = ", ".join(t.name["en"] for t in TOPICS) + " are part of life. Every friend has time for them."
    earned = sum(follows(p, zh).reward + follows(p, en).reward for p in PROBLEMS if p.level >= 2)
    assert earned / sum(p.level >= 2 for p in PROBLEMS) < 0.15


@given(st.text(max_size=300))
def test_it_never_fails_on_what_a_model_writes(reply):
    assert follows(PROBLEMS[0], reply).reward in (0, 1)


def test_worked_solutions_are_right():
    hold_at_every_level(TASK)


def test_splits_are_disjoint():
    splits_are_disjoint(TASK)
