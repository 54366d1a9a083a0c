"""Facts of a step: load of experts, dead ones, memory, the machine's rate."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from firesteel.compute.machine import facts as machine_facts
from firesteel.compute.rates import cache_file, named
from firesteel.train.facts import ExpertWatch, Memory, known_rate


def test_load_is_told_by_its_mean_and_its_busiest_expert() -> None:
    facts = ExpertWatch().facts([[0.25, 0.25, 0.25, 0.25], [0.5, 0.3, 0.2, 0.0]])
    assert facts == {"expert_load": [0.375, 0.275, 0.225, 0.125], "expert_load_max": 2.0, "dead_experts": 0}
    assert ExpertWatch().facts([]) == {}


def test_an_expert_is_dead_after_so_many_steps_and_comes_back_with_a_token() -> None:
    watch = ExpertWatch(patience=3)
    shares = [[0.6, 0.4, 0.0], [0.5, 0.5, 0.0]]
    assert [watch.facts(shares)["dead_experts"] for _ in range(4)] == [0, 0, 2, 2]
    assert watch.news() == "no token has chosen expert 2 of layer 0, 2 of layer 1 for 3 steps"
    assert watch.news() == ""  # once is enough
    assert watch.facts([[0.6, 0.3, 0.1], [0.5, 0.5, 0.0]])["dead_experts"] == 1


def test_going_on_from_a_checkpoint_counts_on() -> None:
    first, second = ExpertWatch(patience=3), ExpertWatch(patience=3)
    first.facts([[1.0, 0.0]])
    first.facts([[1.0, 0.0]])
    second.load(json.loads(json.dumps(first.state())))
    assert second.facts([[1.0, 0.0]])["dead_experts"] == 1 and second.news()


def test_memory_is_asked_for_at_most_once_in_a_while() -> None:
    memory = Memory(torch.device("cpu"), every=60)
    first = memory.facts()
    assert 0 < first["resident_bytes"] <= first["peak_bytes"]
    assert memory.facts() is first


def test_the_machines_rate_is_the_measured_one_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTEEL_CACHE", str(tmp_path))
    assert known_rate() is None
    here, threads = machine_facts(), torch.get_num_threads()
    rates = asdict(named("laptop-2core")) | {"threads": threads, "fp32_flops": 1e11, "bf16_flops": 2e10}
    cache_file(here, threads).write_text(json.dumps(rates), encoding="utf-8")
    assert known_rate() == pytest.approx(1e11) and known_rate("bfloat16") == pytest.approx(2e10)


def test_a_module_that_is_not_asked_for_has_no_dead_experts() -> None:
    """Multi-token prediction without a weight: its experts get no tokens, and nobody misses them."""
    watch = ExpertWatch(patience=2)
    for _ in range(5):
        facts = watch.facts([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert facts["dead_experts"] == 1 and facts["expert_load"] == [0.5, 0.5, 0.0]
    assert watch.news() == "no token has chosen expert 2 of layer 0 for 2 steps"
    assert watch.facts([[0.0, 0.0, 0.0]] * 2) == {}
