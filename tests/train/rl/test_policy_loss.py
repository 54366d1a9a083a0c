"""Every variant of the policy loss against the papers' formulas, answer by answer and token by token, in float64."""

from __future__ import annotations

import itertools
import math
import random
from types import SimpleNamespace

import pytest
import torch

from firesteel.core.config import GrpoSettings
from firesteel.train.rl.kl import KL, k3, unbiased
from firesteel.train.rl.policy_loss import Tokens, policy_loss, shares

LENGTHS = (3, 1, 6, 4)
BOUND = 8  # max_new_tokens


def numbers(seed=0, spread=0.4):
    """Log-probabilities of four answers under four policies, and an advantage of each."""
    rng = random.Random(seed)
    logp = [[-rng.uniform(0.2, 3.0) for _ in range(n)] for n in LENGTHS]

    def near(answers, by):
        return [[x + rng.gauss(0, by) for x in own] for own in answers]

    sampler = near(logp, spread)
    return SimpleNamespace(
        logp=logp,
        sampler=sampler,
        before=near(sampler, 0.2),
        reference=near(logp, spread),
        advantage=[1.2, -0.4, -1.1, 0.5],
    )


def flat(answers):
    return torch.tensor([x for own in answers for x in own], dtype=torch.float64)


def ours(n, s, **changes):
    """Loss and gradient from the code."""
    logp = flat(n.logp).requires_grad_()
    length = torch.tensor(LENGTHS)
    row = torch.repeat_interleave(torch.arange(len(LENGTHS)), length)
    advantage = torch.tensor(n.advantage, dtype=torch.float64)[row]
    tokens = Tokens(
        logp, flat(n.sampler), advantage, row, length,
        flat(n.before) if s.importance_cap else None, flat(n.reference) if s.kl_weight else None,
    )  # fmt: skip
    parts = policy_loss(tokens, s)
    each = parts.loss
    if tokens.reference is not None:
        each = each + s.kl_weight * KL[s.kl](logp, tokens.reference, tokens.sampler)
    loss = (each * shares(tokens, s, total=float(sum(LENGTHS)), answers=float(len(LENGTHS)))).sum()
    loss.backward()
    return loss.item(), logp.grad, parts


def twin(n, s):
    """The papers' formulas as plain loops; torch only differentiates."""
    leaves = [[torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in own] for own in n.logp]
    answers = []
    for i, own in enumerate(leaves):
        A, size = n.advantage[i], len(own)
        old = n.before[i] if s.importance_cap else n.sampler[i]
        drift = sum(n.sampler[i][t] - own[t].item() for t in range(size)) / size
        masked = bool(s.off_policy_delta) and A < 0 and drift > s.off_policy_delta  # V3.2 §3.1
        sequence = torch.exp(sum(own[t] - old[t] for t in range(size)) / size)  # GSPO eq. 7
        terms = []
        for t in range(size):
            r = torch.exp(own[t] - old[t])
            if s.ratio == "answer":  # GSPO-token, eq. 14; with one advantage and no weights it is eq. 5 (below)
                r = sequence.detach() * torch.exp(own[t] - own[t].detach())
            clipped = torch.clamp(r, 1 - s.clip_low, 1 + s.clip_high)
            gain = torch.minimum(r * A, clipped * A)  # DeepSeekMath eq. 3
            if s.importance_cap:
                gain = gain * min(math.exp(old[t] - n.sampler[i][t]), s.importance_cap)
            gain = gain * (0.0 if masked else 1.0)
            if s.kl_weight:
                q = torch.exp(torch.tensor(n.reference[i][t], dtype=torch.float64) - own[t])
                kl = q - torch.log(q) - 1  # DeepSeekMath eq. 4
                if s.kl == "unbiased":
                    kl = torch.exp(own[t] - n.sampler[i][t]) * kl  # V3.2 §3.1
                gain = gain - s.kl_weight * kl
            terms.append(gain)
        answers.append(terms)
    if s.loss_mean == "token":  # DAPO eq. 8
        gain = sum(sum(terms) for terms in answers) / sum(LENGTHS)
    elif s.loss_mean == "answer":  # DeepSeekMath eq. 3
        gain = sum(sum(terms) / len(terms) for terms in answers) / len(answers)
    else:  # Dr. GRPO, as in its code: the bound in the place of the length
        gain = sum(sum(terms) for terms in answers) / (len(answers) * BOUND)
    (-gain).backward()
    return -gain.item(), torch.tensor([x.grad.item() for own in leaves for x in own], dtype=torch.float64)


@pytest.mark.parametrize("seed", range(4))
def test_the_answers_ratio_is_gspo(seed):
    """GSPO eq. 5 and 7: one ratio an answer, in whose gradient all of its tokens share."""
    n, s = numbers(seed), GrpoSettings(ratio="answer", loss_mean="answer", clip_low=0.1, clip_high=0.1)
    loss, gradient, _ = ours(n, s)
    logp, gain, start = flat(n.logp).requires_grad_(), 0.0, 0
    for size, A, old in zip(LENGTHS, n.advantage, n.sampler, strict=True):
        r = torch.exp((logp[start : start + size] - torch.tensor(old, dtype=torch.float64)).mean())
        gain, start = gain + torch.minimum(r * A, r.clamp(0.9, 1.1) * A) / len(LENGTHS), start + size
    (-gain).backward()
    assert loss == pytest.approx(-gain.item(), rel=1e-12)
    torch.testing.assert_close(gradient, logp.grad, rtol=1e-10, atol=1e-14)


CHOICES = {
    "loss_mean": ("token", "answer", "constant"), "ratio": ("token", "answer"), "off_policy_delta": (0.0, 0.05),
    "importance_cap": (0.0, 1.05), "kl": ("none", "k3", "unbiased"),
}  # fmt: skip


def settings(loss_mean="token", ratio="token", off_policy_delta=0.0, importance_cap=0.0, kl="none"):
    penalty = {} if kl == "none" else {"kl": kl, "kl_weight": 0.3}
    return GrpoSettings(
        loss_mean=loss_mean, ratio=ratio, off_policy_delta=off_policy_delta, importance_cap=importance_cap,
        max_new_tokens=BOUND, clip_low=0.15, clip_high=0.25, **penalty,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("choice", itertools.product(*CHOICES.values()), ids=lambda c: "-".join(map(str, c)))
def test_every_variant_is_its_formula_and_so_is_its_gradient(choice, seed):
    s = settings(**dict(zip(CHOICES, choice, strict=True)))
    loss, gradient, _ = ours(numbers(seed), s)
    expected, slope = twin(numbers(seed), s)
    assert loss == pytest.approx(expected, rel=1e-12, abs=1e-14)
    torch.testing.assert_close(gradient, slope, rtol=1e-10, atol=1e-14)


def test_the_numbers_reach_every_branch():
    """Clipped below and above, left out, weights that are cut: or the comparison above would say little."""
    seen = dict.fromkeys(("low", "high", "off_policy", "cut", "free"), False)
    for seed in range(3):
        _, _, parts = ours(numbers(seed), settings(off_policy_delta=0.05, importance_cap=1.05))
        seen["low"] |= bool(parts.low.any())
        seen["high"] |= bool(parts.high.any())
        seen["off_policy"] |= bool(parts.off_policy.any()) and not bool(parts.off_policy.all())
        seen["cut"] |= bool((parts.importance == 1.05).any())
        seen["free"] |= bool((parts.importance < 1.05).any())
    assert all(seen.values()), seen


@pytest.mark.parametrize("ratio", ["token", "answer"])
@pytest.mark.parametrize("loss_mean", ["token", "answer", "constant"])
def test_at_ratio_one_every_variant_is_the_policy_gradient_up_to_its_mean(ratio, loss_mean):
    n = numbers()
    n.sampler = n.before = n.logp
    for extra in ({}, {"off_policy_delta": 0.1}, {"importance_cap": 2.0}):
        _, gradient, parts = ours(n, settings(loss_mean, ratio, **extra))
        assert not (parts.low.any() or parts.high.any() or parts.off_policy.any())
        norm = {
            "token": lambda k: sum(LENGTHS),
            "answer": lambda k: k * len(LENGTHS),
            "constant": lambda k: len(LENGTHS) * BOUND,
        }
        plain = [-a / norm[loss_mean](k) for a, k in zip(n.advantage, LENGTHS, strict=True) for _ in range(k)]
        torch.testing.assert_close(gradient, torch.tensor(plain, dtype=torch.float64), rtol=1e-12, atol=1e-15)


def test_clips_are_told_apart():
    one = torch.ones(4, dtype=torch.float64)
    logp = torch.log(torch.tensor([0.5, 2.0, 0.5, 2.0], dtype=torch.float64))
    tokens = Tokens(
        logp, 0 * one, torch.tensor([-1.0, -1.0, 1.0, 1.0]).double(), torch.arange(4), torch.ones(4, dtype=torch.long)
    )
    parts = policy_loss(tokens, GrpoSettings())
    assert parts.low.tolist() == [True, False, False, False]  # a worse answer that has become unlikely already
    assert parts.high.tolist() == [False, False, False, True]  # a better one that has become likely already


POLICY = torch.tensor([0.1, 0.4, 0.2, 0.05, 0.25], dtype=torch.float64)
REFERENCE = torch.tensor([0.3, 0.1, 0.2, 0.3, 0.1], dtype=torch.float64)
SAMPLER = torch.tensor([0.3, 0.2, 0.1, 0.2, 0.2], dtype=torch.float64)


def toy(estimator, drawn, weights):
    """Value and gradient by the logits of the estimator's weighted mean over drawn tokens, five of a kind."""
    logits = POLICY.log().clone().requires_grad_()
    logp = logits.log_softmax(-1)
    each = estimator(logp[drawn], REFERENCE.log()[drawn], SAMPLER.log()[drawn])
    value = (weights * each).sum()
    value.backward()
    return value.item(), logits.grad


def true_kl():
    logits = POLICY.log().clone().requires_grad_()
    logp = logits.log_softmax(-1)
    value = (logp.exp() * (logp - REFERENCE.log())).sum()
    value.backward()
    return value.item(), logits.grad


def test_the_unbiased_estimator_has_the_kls_value_and_gradient_in_the_mean_over_the_samplers_tokens():
    value, gradient = toy(unbiased, torch.arange(5), SAMPLER)  # the expectation itself
    expected, slope = true_kl()
    assert value == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(gradient, slope, rtol=1e-12, atol=1e-15)


def test_the_plain_estimator_does_not():
    value, gradient = toy(k3, torch.arange(5), SAMPLER)
    expected, slope = true_kl()
    assert abs(value - expected) > 0.05 and (gradient - slope).norm() > 0.3 * slope.norm()
    on_policy, gradient = toy(k3, torch.arange(5), POLICY)
    assert on_policy == pytest.approx(
        expected, rel=1e-12
    )  # its value is right on-policy, its gradient is not even then
    assert (gradient - slope).norm() > 0.3 * slope.norm()


def test_drawn_tokens_say_the_same_within_their_error():
    g, count = torch.Generator().manual_seed(0), 200_000
    drawn = torch.multinomial(SAMPLER, count, replacement=True, generator=g)
    _, slope = true_kl()
    pieces = torch.stack(
        [toy(unbiased, part, torch.full((len(part),), 1 / len(part)).double())[1] for part in drawn.chunk(100)]
    )
    mean, error = pieces.mean(0), pieces.std(0) / 10
    assert ((mean - slope).abs() < 4 * error).all() and (error < 0.01).all()
