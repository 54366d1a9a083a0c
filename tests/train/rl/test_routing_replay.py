"""Routing replay: the recorded experts in place of the router's choice, with the gates of the router as it is now."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from firesteel.core.errors import FiresteelError
from firesteel.model.moe import MoE, Routing
from firesteel.train.batch import Share
from tests.train.objectives import small
from tests.train.rl.scripted import drawn, every_update, objective_of

TOKENS = torch.randint(3, 60, (2, 7), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    return small(num_hidden_layers=3)


def layers(model):
    return [block.mlp for block in model.layers if isinstance(block.mlp, MoE)]


def choices(model, tokens):
    """[B, T, L, K]: what the routers choose by themselves."""
    found = []
    hooks = [moe.gate.register_forward_hook(lambda _, args, out: found.append(out[1])) for moe in layers(model)]
    with torch.no_grad():
        model(tokens)
    for hook in hooks:
        hook.remove()
    return torch.stack([c.unflatten(0, tokens.shape) for c in found], dim=2)


def others(model, seed=1):
    """Experts drawn at random, no two the same."""
    c = model.config
    noise = torch.rand(
        *TOKENS.shape, len(layers(model)), c.n_routed_experts, generator=torch.Generator().manual_seed(seed)
    )
    return noise.topk(c.num_experts_per_tok, dim=-1).indices.to(torch.int16)


def test_its_own_choice_replayed_is_the_same_bit_for_bit(model):
    experts = choices(model, TOKENS).to(torch.int16)
    assert experts.shape[2] == len(layers(model)) == 2
    assert torch.equal(model(TOKENS, routing=Routing(experts)), model(TOKENS))
    assert torch.equal(model(TOKENS, routing=Routing(torch.full_like(experts, -1))), model(TOKENS))


def test_other_experts_are_taken_with_the_gates_that_the_router_gives_them_now(model):
    moe, c = layers(model)[0], model.config
    x = torch.randn(2, 7, c.hidden_size)
    experts = others(model)[:, :, 0]
    got = moe(x, Routing(experts))
    scores = torch.sigmoid(x @ moe.gate.weight.T)
    for b in range(2):
        for t in range(7):
            own = experts[b, t].long()
            gates = scores[b, t, own] / scores[b, t, own].sum() * c.routed_scaling_factor
            slow = moe.shared_experts(x[b, t])
            for gate, e in zip(gates, own, strict=True):
                up = moe.gate_up[e] @ x[b, t]
                half = len(up) // 2
                slow = slow + gate * (moe.down[e] @ (torch.nn.functional.silu(up[:half]) * up[half:]))
            torch.testing.assert_close(got[b, t], slow, rtol=1e-4, atol=1e-6)


def test_gradients_reach_the_gates_of_replayed_experts_alone(model):
    moe = layers(model)[0]
    moe(torch.randn(1, 3, model.config.hidden_size), Routing(torch.tensor([[[0, 1]] * 3]))).square().sum().backward()
    assert moe.gate.weight.grad[:2].abs().sum() > 0 and not moe.gate.weight.grad[2:].any()
    assert moe.down.grad[:2].abs().sum() > 0 and not moe.down.grad[2:].any()


def test_positions_without_a_record_route_freely_and_layers_are_not_mixed_up(model):
    free, experts = choices(model, TOKENS), others(model).long()
    experts[:, 3:] = -1
    seen = []
    hooks = [moe.gate.register_forward_hook(lambda _, args, out: seen.append(out[1])) for moe in layers(model)]
    with torch.no_grad():
        model(TOKENS, routing=Routing(experts))
    for hook in hooks:
        hook.remove()
    for number, chosen in enumerate(seen):
        chosen = chosen.unflatten(0, TOKENS.shape)
        assert torch.equal(chosen[:, :3], experts[:, :3, number])
        assert (chosen[:, 3:] >= 0).all()
    assert torch.equal(seen[0].unflatten(0, TOKENS.shape)[:, 3:], free[:, 3:, 0]) or model.config.first_k_dense_replace


def test_a_record_of_another_model_is_our_own_mistake(model):
    with pytest.raises(AssertionError, match="layers"):
        model(TOKENS, routing=Routing(others(model)[:, :, :1]))


def recorded(model, groups):
    """The groups with the routing of each answer, as a sampler would record it: [P+T-1, L, K]."""
    model.eval()
    found = [
        [
            dataclasses.replace(
                a, routing=choices(model, torch.tensor([a.question.prompt + a.ids]))[0, :-1].to(torch.int16)
            )
            for a in group
        ]
        for group in groups
    ]
    model.train()
    return found


def test_a_router_that_has_moved_learns_with_the_experts_of_the_sampler(model):
    """The gap between sampler and trainer that another choice of experts makes is gone, and only that."""
    groups = recorded(model, drawn(model, [[1, 0, 0, 1], [1, 0, 0, 0]]))
    gaps = {}
    with torch.no_grad():
        for moe in layers(model):  # as if the trainer's rounding decided otherwise
            moe.gate.e_score_correction_bias.copy_(torch.tensor([0.0, 9.0, 9.0, 0.0]))
    for replay in (False, True):
        objective = objective_of(model, groups, routing_replay=replay)
        for rows in (0, 3):
            ((_, metrics, _),) = every_update(model, objective, micro_batch=rows)
            gaps[replay, rows] = metrics["logprob_gap"]
    assert gaps[False, 0] > 1e-3 and gaps[True, 0] < 1e-5
    assert gaps[True, 3] == pytest.approx(gaps[True, 0], abs=1e-6)


def test_the_row_has_the_record_up_to_its_last_token_but_one(model):
    groups = recorded(model, drawn(model, [[1, 0]]))
    ((batch,),) = objective_of(model, groups, routing_replay=True).updates(0, Share())
    for row, length, experts in zip(batch.tokens, batch.lengths, batch.extra["experts"], strict=True):
        answer = next(a for a in groups[0] if row[:length].tolist() == a.question.prompt + a.ids)
        assert torch.equal(experts[: length - 1], answer.routing) and (experts[length - 1 :] == -1).all()


def test_answers_without_a_record_among_others_are_an_error(model):
    groups = recorded(model, drawn(model, [[1, 0]]))
    groups[0][0] = dataclasses.replace(groups[0][0], routing=None)
    with pytest.raises(FiresteelError, match="routing"):
        next(objective_of(model, groups, routing_replay=True).updates(0, Share()))
