"""What every task's tests ask of it."""

from firesteel.tasks.score import score
from firesteel.tasks.task import in_test


def hold_at_every_level(task, count=25, languages=("en", "zh")):
    """Worked solutions earn everything, in each language, at each level, in training's and tests' own wordings."""
    from dataclasses import replace

    for level in range(1, task.levels + 1):
        for unseen in (False, True):
            problems = replace(task.at(level), unseen=unseen).problems("train", 7, 0, count)
            assert {p.language for p in problems} == set(languages) and {p.level for p in problems} == {level}
            for p in problems:
                found = score(p, p.reasoning, p.reply, stopped=True)
                assert found.correct and found.well_formed, (p.question, p.reasoning, p.reply, found)
                assert not score(p, p.reasoning, "", stopped=True).correct
                assert not score(p, p.reasoning, p.question, stopped=True).correct, p.question


def worked_length(task, level, count=60):
    """Characters of the worked solutions, on average."""
    problems = task.at(level).problems("train", 7, 0, count)
    return sum(len(p.reasoning) + len(p.reply) for p in problems) / count


def splits_are_disjoint(task, count=60):
    """Enough different test questions, none of them a training question; the wordings of tests are not those of training."""
    from dataclasses import replace

    train = {p.question for p in task.problems("train", 0, 0, count)}
    test = {p.question for p in task.distinct("test", 5, count)}
    assert len(test) == count and not train & test and all(in_test(q) for q in test)
    unseen = {p.question for p in replace(task, unseen=True).problems("train", 0, 0, count)}
    assert not unseen & train
