"""Losses that nobody here wrote: what TRL's GRPOTrainer computes from the same numbers, recorded.

TRL 1.16.0, `GRPOTrainer._compute_loss` in float64, given log-probabilities in the place of a model; epsilon 0.15, epsilon_high
0.25, max_completion_length 8; loss_type as named (gspo: "grpo" with importance_sampling_level = "sequence"), beta 0.3 with the
penalties, off_policy_mask_threshold 0.05, sampling ratios cut at 1.05. Its bnpo and dapo are one and the same in one process.
"""

from __future__ import annotations

from typing import Any

import pytest

from firesteel.core.config import GrpoSettings
from tests.train.rl.test_policy_loss import BOUND, numbers, ours

TRL: dict[
    str, tuple[dict[str, Any], list[tuple[float, float]]]
] = {  # loss, norm of its gradient, of three sets of numbers
    "grpo": (
        {"loss_mean": "answer"},
        [(0.1095274255134, 0.2677228714676), (-0.04720014014118, 0.160253447325), (-0.02771789308464, 0.2229864232428)],
    ),
    "bnpo": (
        {"loss_mean": "token"},
        [(0.244739538926, 0.26851603228), (0.1080108747744, 0.1992293503299), (0.1265248819434, 0.248982243264)],
    ),
    "dapo": (
        {"loss_mean": "token"},
        [(0.244739538926, 0.26851603228), (0.1080108747744, 0.1992293503299), (0.1265248819434, 0.248982243264)],
    ),
    "dr_grpo": (
        {"loss_mean": "constant"},
        [(0.1070735482801, 0.1174757641225), (0.04725475771378, 0.08716284076933), (0.05535463585022, 0.108929731428)],
    ),
    "gspo": (
        {"loss_mean": "answer", "ratio": "answer"},
        [(0.06866662712308, 0.2692425906836), (-0.1035515510414, 0.2187352278141), (-0.1130893365266, 0.1820755736776)],
    ),
    "kl k3": (
        {"loss_mean": "answer", "kl_weight": 0.3},
        [(0.1576196150581, 0.2176949218292), (-0.01997479426229, 0.1658848128907), (0.01026847301491, 0.2308617378119)],
    ),
    "kl unbiased": (
        {"loss_mean": "answer", "kl_weight": 0.3, "kl": "unbiased"},
        [(0.180214544485, 0.2072018556866), (-0.0284324168579, 0.1623325235497), (0.05359913631968, 0.2412886521192)],
    ),
    "off-policy": (
        {"loss_mean": "answer", "off_policy_delta": 0.05},
        [(0.1095274255134, 0.2677228714676), (-0.3963202409319, 0.1301180783057), (-0.02771789308464, 0.2229864232428)],
    ),
    "importance": (
        {"loss_mean": "token", "importance_cap": 1.05},
        [(0.2528404883368, 0.2245877941232), (0.1304580933619, 0.1922771023708), (0.1052951949389, 0.236338310201)],
    ),
}


@pytest.mark.parametrize("name", TRL)
def test_the_loss_and_its_gradient_are_those_of_trl(name: str) -> None:
    chosen, known = TRL[name]
    s = GrpoSettings(max_new_tokens=BOUND, clip_low=0.15, clip_high=0.25, **chosen)
    for seed, (loss, norm) in enumerate(known):
        own, gradient, _ = ours(numbers(seed), s)
        assert own == pytest.approx(loss, rel=1e-11) and gradient.norm().item() == pytest.approx(norm, rel=1e-11)
