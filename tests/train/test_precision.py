"""Which layers compute in FP8, and float32 masters of narrow weights: nothing is lost, and float32 costs nothing."""

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard

from firesteel.kernels.embedding import embedding
from firesteel.kernels.table import OPS
from firesteel.model import lora
from firesteel.model.config import ModelConfig
from firesteel.model.layers import Linear
from firesteel.model.moe import MoE
from firesteel.model.transformer import Transformer
from firesteel.train.precision import PRECISIONS, Masters, gradient_holder, use_precision

SHAPE = {
    "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "q_lora_rank": 24,
    "kv_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 16, "intermediate_size": 48,
    "first_k_dense_replace": 1, "moe_intermediate_size": 20, "n_routed_experts": 6, "num_experts_per_tok": 2,
    "n_shared_experts": 1, "num_nextn_predict_layers": 1, "rope_theta": 10000.0, "max_position_embeddings": 128,
}  # fmt: skip


def make(precision="float32", adapted=False):
    model = Transformer(ModelConfig(**SHAPE))
    model.initialise(torch.Generator().manual_seed(0))
    if adapted:
        lora.attach(model, lora.LoRA(rank=4), torch.Generator().manual_seed(0))
    use_precision(model, precision)
    return model.train(), Masters(model, PRECISIONS[precision].weights)


def backward(model, seed=0):
    tokens = torch.randint(0, 97, (2, 40), generator=torch.Generator().manual_seed(seed))
    hidden = model(tokens)
    (further,) = model.predict_further(hidden, tokens)
    loss = F.cross_entropy(model.logits(hidden[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    loss = loss + 0.3 * F.cross_entropy(model.logits(further[:, :-1]).flatten(0, 1), tokens[:, 2:].flatten())
    loss.backward()
    return loss.item()


def train(model, masters, optimiser, seeds):
    losses = []
    for seed in seeds:
        losses.append(backward(model, seed))
        optimiser.step()
        optimiser.zero_grad()
        masters.publish()
    return losses


def adamw(masters, lr=3e-3):
    return torch.optim.AdamW(masters.named.values(), lr=lr, fused=True)


def test_fp8_is_for_linear_maps_and_experts_of_the_layers_alone():
    model, _ = make("fp8")
    ops = {name: m.op for name, m in model.named_modules() if isinstance(m, Linear | MoE)}
    assert {name for name, op in ops.items() if "fp8" not in op} == {"lm_head", "mtp.0.eh_proj"}
    assert {op for name, op in ops.items() if name.endswith("mlp")} == {"grouped_linear_fp8"}
    x = torch.randn(2, 5, 32)
    for part in (model.layers[0].mlp.up_proj, model.layers[1].mlp):
        narrow, part.op = part(x), part.op.removesuffix("_fp8")
        assert 1e-3 < ((part(x) - narrow).norm() / narrow.norm()).item() < 0.1
    use_precision(model, "bfloat16")
    assert {m.op for m in model.modules() if isinstance(m, Linear | MoE)} == {"linear", "grouped_linear"}
    assert all(op in OPS for p in PRECISIONS.values() for op in (p.linear, p.experts))


def test_float32_models_have_no_masters():
    model, masters = make()
    assert masters.named == dict(model.named_parameters()) and not masters.state()
    backward(model)
    assert all(p.grad is not None and gradient_holder(p) is p for p in model.parameters())


@pytest.mark.parametrize("precision", ["bfloat16", "fp8"])
def test_weights_are_narrow_routers_are_not_and_every_master_is_a_float32(precision):
    model, masters = make(precision)
    exact, _ = make()
    assert list(masters.named) == [name for name, _ in model.named_parameters()]
    for (name, p), own in zip(model.named_parameters(), exact.parameters(), strict=True):
        assert p.dtype == (torch.float32 if name.endswith("gate.weight") else torch.bfloat16)
        assert torch.equal(masters.named[name], own) and torch.equal(p, own.to(p.dtype))
        assert gradient_holder(p) is masters.named[name]


def test_gradients_of_micro_batches_are_those_of_float32_summed_in_float32():
    """Not rounded on the way where this machine multiplies in float32; only norms and the embedding's addends are."""
    model, masters = make("bfloat16")
    exact, _ = make()
    exact.load_state_dict({name: t.float() for name, t in model.state_dict().items()})
    for seed in range(3):
        backward(model, seed)
        backward(exact, seed)
    for name, p in exact.named_parameters():
        grad = masters.named[name].grad
        assert grad.dtype == torch.float32
        bound = 3e-3 if p.ndim < 2 or name.startswith("embed") else 1e-6
        assert (grad - p.grad).norm() <= bound * p.grad.norm(), name
    narrow = [p for name, p in model.named_parameters() if not name.endswith("gate.weight")]
    assert not any(p.grad is not None for p in narrow)


def test_a_common_token_s_gradient_is_summed_in_float32():
    tokens, d = torch.zeros(3000, dtype=torch.long), torch.rand(3000, 8)
    table = torch.randn(5, 8).bfloat16().requires_grad_()
    (got,) = torch.autograd.grad(embedding(tokens, table), table, d.bfloat16())
    torch.testing.assert_close(got[0].float(), d.sum(0), rtol=2**-8, atol=0)
    assert not got[1:].any()
    exact = table.detach().double().requires_grad_()
    torch.testing.assert_close(embedding(tokens, exact), OPS["embedding"]["reference"](tokens, exact))


def test_updates_smaller_than_a_step_of_bfloat16_add_up():
    model, masters = make("bfloat16")
    weight = model.layers[0].self_attn.o_proj.weight
    before, master = weight.detach().clone(), masters.named["layers.0.self_attn.o_proj.weight"]
    optimiser = torch.optim.SGD([master], lr=2**-12)
    for _ in range(64):
        master.grad = master.detach().sign()
        optimiser.step()
        masters.publish()
    moved = (before.float() - weight.float()) * before.sign()
    assert torch.allclose(moved[before.abs() > 0.1], torch.tensor(2**-6), atol=2**-9 + 2**-12)
    assert torch.equal(weight, master.bfloat16())


@pytest.mark.parametrize("precision", ["bfloat16", "fp8"])
def test_training_goes_on_from_saved_masters_bit_for_bit(precision):
    whole, masters = make(precision)
    optimiser = adamw(masters)
    train(whole, masters, optimiser, range(2))
    saved = {name: t.clone() for name, t in masters.state().items()}
    weights = {name: t.clone() for name, t in whole.state_dict().items()}
    moments = {name: {k: v.clone() for k, v in optimiser.state[p].items()} for name, p in masters.named.items()}
    losses = train(whole, masters, optimiser, range(2, 5))

    other, again = make(precision)
    optimiser = adamw(again)
    with torch.no_grad():
        other.load_state_dict(weights)
        for name, t in again.state().items():
            t.copy_(saved[name])
        again.publish()
    for name, p in again.named.items():
        optimiser.state[p] = moments[name]
    assert train(other, again, optimiser, range(2, 5)) == losses
    assert all(torch.equal(p, masters.named[name]) for name, p in again.named.items())


@pytest.mark.parametrize(("precision", "apart"), [("bfloat16", 0.03), ("fp8", 0.15), ("fp8_powers", 0.15)])
def test_a_narrow_model_learns_what_a_float32_one_does(precision, apart):
    losses = {}
    for name in ("float32", precision):
        model, masters = make(name)
        losses[name] = train(model, masters, adamw(masters, 1e-2), [0] * 15)
    assert losses["float32"][-1] < 0.5 * losses["float32"][0]
    assert losses[precision] == pytest.approx(losses["float32"], rel=apart) and losses[precision] != losses["float32"]


def test_only_adapters_have_masters_and_gradients():
    model, masters = make("fp8", adapted=True)
    assert all(".adapter." in name for name in masters.named)
    assert all(p.dtype == torch.bfloat16 for n, p in model.named_parameters() if not n.endswith("gate.weight"))
    first, *_, last = train(model, masters, adamw(masters, 1e-2), [0] * 10)
    assert last < first
    assert all(p.grad is None for p in model.parameters())


def test_a_table_that_two_parts_share_has_one_master():
    config = ModelConfig(**SHAPE)
    first, last = Transformer(config, range(1)), Transformer(config, range(1, 2))
    last.embed_tokens = first.embed_tokens
    for part in (first, last):
        part.initialise(torch.Generator().manual_seed(0))
    one, two = Masters(first, torch.bfloat16), Masters(last, torch.bfloat16)
    name = "embed_tokens.weight"
    assert one.named[name] is two.named[name] and name not in two.state()
    first.embed_tokens(torch.tensor([1])).sum().backward()
    assert one.named[name].grad[1].eq(1).all()


def test_a_closed_model_keeps_its_own_gradients_and_can_be_trained_again():
    model, masters = make("bfloat16")
    masters.close()
    backward(model)
    assert all(p.grad.dtype == p.dtype for p in model.parameters())
    model.zero_grad()
    again = Masters(model, torch.bfloat16)
    backward(model)
    assert all(p.grad is not None for p in again.named.values())
    assert all(p.grad is None for name, p in masters.named.items() if not name.endswith("gate.weight"))


@pytest.fixture
def mesh():
    """Of this process alone."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_masters_of_sharded_weights_are_sharded_alike(mesh):
    module = torch.nn.Module()
    module.weight = torch.nn.Parameter(DTensor.from_local(torch.randn(8, 16), mesh, [Shard(0)]))
    masters, x = Masters(module, torch.bfloat16), torch.randn(4, 16)
    for _ in range(2):
        F.linear(x, module.weight.to_local().float()).sum().backward()
    master = masters.named["weight"]
    assert master.grad.placements == (Shard(0),) and master.grad.dtype == torch.float32
    torch.testing.assert_close(master.grad.to_local()[0], 2 * x.sum(0), rtol=2**-7, atol=1e-2)
    torch.optim.SGD([master], lr=0.1).step()
    masters.publish()
    assert torch.equal(module.weight.to_local(), master.to_local().bfloat16())
