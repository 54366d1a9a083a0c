"""Where a step's answers come from: pieces on the disk, new questions for old ones, and what is said of them."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
import torch

from firesteel.core.artefact import read
from firesteel.core.config import GrpoSettings
from firesteel.core.errors import ArtefactError
from firesteel.train.rl.published import publish, read_rollouts
from firesteel.train.rl.rollouts import Rollouts
from firesteel.train.rl.sampled import Question, Sampled, Verdict
from firesteel.train.rl.step_facts import facts, told
from firesteel.train.rl.store import Store, shown
from tests.train.objectives import small
from tests.train.rl.scripted import Done, Words


class Bill:
    """A sampler that counts. An answer is a function of its prompt, its place and the seed."""

    def __init__(self):
        self.calls = []

    def sample(self, prompts, *, seed, routing=False, **_):
        self.calls.append((list(prompts), seed))
        done = [self.answer(prompt, seed, i) for i, prompt in enumerate(prompts)]
        if routing:
            for one, prompt in zip(done, prompts, strict=True):
                n = len(prompt) + len(one.ids) - 1
                one.routing = torch.arange(n * 6).reshape(n, 3, 2).to(torch.int16).numpy()
        return done

    def answer(self, prompt, seed, i):
        g = torch.Generator().manual_seed((seed + 7919 * i + prompt[-1]) % 2**40)
        ids = [*torch.randint(3, 60, (int(torch.randint(1, 5, (), generator=g)),), generator=g).tolist(), 2]
        return Done(ids, torch.randn(len(ids), generator=g).tolist())


def judge(ids, stopped):
    return Verdict(
        len(ids), ids[0] < 31, True, ((1, True), (len(ids), False)), earned=0.25, reason="because", thought="t"
    )


def asked(start, count):
    return [
        Question([1, 3 + i % 50, i], judge, ("odd", "even")[i % 2], 1, text=f"question {i}")
        for i in range(start, start + count)
    ]


@pytest.fixture(scope="module")
def model():
    return small()


def rollouts(model, tmp_path=None, *, questions=asked, piece=8, bill=None, **more):
    settings = GrpoSettings(**{"prompts": 6, "group_size": 4, "credit": "answer", "max_new_tokens": 8} | more)
    store = None if tmp_path is None else Store(tmp_path, lambda ids: " ".join(map(str, ids)), kept=5, replayed=2)
    bill = bill or Bill()
    return Rollouts(model, Words(), bill, questions, settings, seed=1, store=store, piece=piece), bill


def plain(groups):
    return [[(replace(a, question=None, routing=None), a.question.prompt) for a in group] for group in groups]


def test_what_is_on_the_disk_is_not_sampled_again(model, tmp_path):
    first, bill = rollouts(model, tmp_path, routing_replay=True)
    groups, told = first(0)
    assert len(bill.calls) == 3 and [len(prompts) for prompts, _ in bill.calls] == [8, 8, 8]
    second, unpaid = rollouts(model, tmp_path, routing_replay=True)
    again, retold = second(0)
    assert unpaid.calls == [] and plain(again) == plain(groups)
    assert all(
        torch.equal(a.routing, b.routing) for x, y in zip(groups, again, strict=True) for a, b in zip(x, y, strict=True)
    )
    assert {k: v for k, v in told.items() if "seconds" not in k} == {
        k: v for k, v in retold.items() if "seconds" not in k
    }
    assert plain(rollouts(model, routing_replay=True)[0](0)[0]) == plain(groups), "with a disk or without"


def test_a_piece_that_is_missing_is_the_only_one_that_is_sampled(model, tmp_path):
    first, bill = rollouts(model, tmp_path)
    groups, _ = first(3)
    (tmp_path / "rollouts/step-000004/0-00002.jsonl").unlink()
    second, rest = rollouts(model, tmp_path)
    assert plain(second(3)[0]) == plain(groups) and rest.calls == bill.calls[1:2]


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"\x80\xff\n", b"[1]\n", "half", "no answer"],
    ids=["empty", "cut", "bytes", "list", "half", "gap"],
)
@pytest.mark.parametrize("kind", ["", ".routing"])
def test_a_damaged_piece_is_sampled_again_and_nothing_else(model, tmp_path, damage, kind):
    first, bill = rollouts(model, tmp_path, routing_replay=True)
    groups, _ = first(3)
    file = tmp_path / f"rollouts/step-000004/0-00002{kind}.jsonl"
    whole = file.read_bytes()
    spoilt = {"half": whole[: len(whole) // 2], "no answer": whole[: whole.rstrip().rindex(b"\n") + 1]}
    file.write_bytes(spoilt.get(damage, damage))
    assert len(list(first.store.records())) >= 16
    second, rest = rollouts(model, tmp_path, routing_replay=True)
    assert plain(second(3)[0]) == plain(groups) and rest.calls == bill.calls[1:2]
    assert file.read_bytes() == whole


@pytest.mark.parametrize("other", [{"temperature": 0.5}, {"max_new_tokens": 9}, {"group_size": 2, "prompts": 12}])
def test_answers_to_other_questions_or_other_settings_do_not_count(model, tmp_path, other):
    rollouts(model, tmp_path)[0](0)
    second, bill = rollouts(model, tmp_path, **other)
    second(0)
    assert len(bill.calls) == 3


def test_what_another_policy_said_is_forgotten(tmp_path):
    model = small()
    rollouts(model, tmp_path, piece=4)[0](0)
    with torch.no_grad():
        model.embed_tokens.weight[0, 0] += 1e-6
    second, bill = rollouts(model, tmp_path)
    second(0)
    files = sorted(file.name for file in (tmp_path / "rollouts/step-000001").iterdir())
    assert len(bill.calls) == 3 and files == ["0-00000.jsonl", "0-00002.jsonl", "0-00004.jsonl"]


def test_the_disk_is_bounded_and_texts_stay_longer_than_experts(model, tmp_path):
    r, _ = rollouts(model, tmp_path, routing_replay=True)
    for step in range(9):
        r(step)
    steps = sorted(int(f.name[5:]) for f in (tmp_path / "rollouts").iterdir())
    experts = sorted({int(f.parent.name[5:]) for f in (tmp_path / "rollouts").glob("*/*.routing.jsonl")})
    assert steps == [5, 6, 7, 8, 9] and experts == [8, 9]


def test_groups_that_agree_give_their_place_to_new_questions(model):
    """Verdicts by the question's number: places 0, 2 and 4 agree in the first round, 2 in the second, none in the third."""
    agree = {0, 2, 4, 6 + 2}
    seen = []

    def questions(start, count):
        def verdict(number):
            turn = iter(range(100))
            return lambda ids, stopped: Verdict(len(ids), True if number in agree else next(turn) % 2 == 0, True)

        seen.extend(range(start, start + count))
        return [Question([1, 3 + i, i], verdict(i), f"task {i % 2}") for i in range(start, start + count)]

    r, bill = rollouts(model, questions=questions, resample=2, piece=100)
    groups, told = r(0)
    assert [group[0].question.prompt[2] for group in groups] == [6, 1, 12 + 2, 3, 6 + 4, 5]
    assert [len(prompts) // 4 for prompts, _ in bill.calls] == [6, 3, 1] and told["questions"] == 10
    assert told["no_signal"] == told["all_right"] == 0.4 and told["all_wrong"] == 0.0
    assert len({seed for _, seed in bill.calls}) == 3
    assert [g[0].question.task for g in groups] == ["task 0", "task 1"] * 3, "the mix of tasks stays"
    agree |= set(range(1000))
    seen.clear()
    groups, told = r(1)
    assert told["questions"] == 18 and told["no_signal"] == 1.0
    assert seen == list(range(18, 36)), "rounds are bounded, and no step asks what another has asked"


def test_slow_judges_wait_together_and_keep_their_order(model):
    def slow(ids, stopped):
        time.sleep(0.05)
        return judge(ids, stopped)

    def questions(start, count):
        return [replace(q, judge=slow, slow=True) for q in asked(start, count)]

    quick, _ = rollouts(model)
    r, _ = rollouts(model, questions=questions)
    began = time.perf_counter()
    groups, told = r(0)
    took = time.perf_counter() - began
    assert plain(groups) == plain(quick(0)[0])
    assert told["judging_seconds"] < 0.05 * 24 * 0.9 or torch.get_num_threads() == 1, took


def test_what_is_said_of_a_step():
    s = GrpoSettings(format_reward=0.0, curriculum=True, max_turns=2)
    odd, even = (Question([1], judge, task, level) for task, level in (("odd", 1), ("even", 3)))

    def one(question, n, right, **more):
        verdict = Verdict(n, right, True, reason=more.pop("reason", ""), trick=more.pop("trick", False))
        return Sampled(question, list(range(n)), [0.0] * n, more.pop("stopped", True), verdict, **more)

    groups = [
        [one(odd, 2, True), one(odd, 4, False, called=("calculator", "calculator"), said=[True, False, True, True])],
        [one(even, 6, True), one(even, 8, True)],
        [one(even, 3, False, trick=True, reason="padding"), one(even, 5, False, stopped=False)],
    ]
    said = facts([told(group, s) for group in groups], s)
    third = pytest.approx(1 / 3)
    assert (said["all_right"], said["all_wrong"], said["no_signal"]) == (third, third, pytest.approx(2 / 3))
    assert said["reward_by_task"] == said["accuracy_by_task"] == {"even": 0.5, "odd": 0.5}
    assert said["level_by_task"] == {"even": 3.0, "odd": 1.0}
    assert (said["length_right"], said["length_wrong"]) == (pytest.approx(16 / 3), 4.0)
    assert said["tricks"] == {"padding": pytest.approx(1 / 6)} and said["tools_called"] == third
    assert said["truncated"] == pytest.approx(1 / 6) and said["sampled_tokens"] == 27


def test_the_artefact_holds_every_answer_and_samples_for_people(model, tmp_path):
    r, _ = rollouts(model, tmp_path, samples_shown=3)
    groups = [r(step)[0] for step in range(4)]
    publish(r.store, tmp_path / "out", newest=3, inputs={"base": "b"}, settings={}, code="c")
    lines = list(read_rollouts(tmp_path / "out"))
    assert [line["step"] for line in lines] == [step for step in (2, 3, 4) for _ in range(24)]
    flat = [a for step in groups[1:] for group in step for a in group]
    for line, answer in zip(lines, flat, strict=True):
        assert (line["ids"], line["logprobs"], line["prompt"]) == (answer.ids, answer.logprobs, answer.question.prompt)
        assert line["text"] == " ".join(map(str, answer.ids)) and line["question"].startswith("question")
        assert line["reward"] == 0.25 + 0.1 and len(line["policy"]) == 64
    assert [line["group"] for line in lines[:24]] == [i // 4 for i in range(24)]
    assert read(tmp_path / "out").stats["answers"] == 72
    samples = [json.loads(line) for line in (tmp_path / "out/samples.jsonl").read_text().splitlines()]
    assert (
        [s["step"] for s in samples] == [1, 1, 1] and samples[0]["thought"] == "t" and samples[0]["reason"] == "because"
    )


def test_damaged_rollouts_are_named(model, tmp_path):
    r, _ = rollouts(model, tmp_path)
    r(0)
    file = tmp_path / "rollouts/step-000001/0-00000.jsonl"
    head, first, *rest = file.read_text().splitlines()
    short = json.loads(first)
    short["logprobs"].pop()
    file.write_text("\n".join([head, json.dumps(short), *rest]) + "\n")
    publish(r.store, tmp_path / "out", newest=9, inputs={}, settings={}, code="")
    with pytest.raises(ArtefactError, match="equally long"):
        list(read_rollouts(tmp_path / "out"))


def test_samples_come_from_all_over_the_step_right_and_wrong_by_turns():
    def group(number, *right):
        return [Sampled(Question([number], judge), [1], [0.0], True, Verdict(1, r, True)) for r in right]

    groups = [group(0, False, True), group(1, True, True), group(2, True, False), group(3, False, False)]
    assert [(a.question.prompt[0], a.verdict.correct) for a in shown(groups, 2)] == [(0, True), (3, False)]
    assert len(shown(groups, 9)) == 4 and shown(groups, 0) == [] and shown([], 4) == []
    tasks = [a.question.prompt[0] % 4 for a in shown([group(n, True) for n in range(16)], 4)]
    assert sorted(tasks) == [0, 1, 2, 3], "tasks that come by turns are all shown"
