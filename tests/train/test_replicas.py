"""Fingerprints of weights: any change shows, order does not matter, and the error names the tensor and the replica."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from firesteel.core.errors import FiresteelError
from firesteel.train import replicas
from firesteel.train.replicas import check_replicas, fingerprint


def model(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Two layers, a buffer that checkpoints keep and one that they do not."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(40, 30), nn.Linear(30, 20)).to(dtype)
    made.register_buffer("bias_of_router", torch.zeros(5))
    made.register_buffer("load", torch.rand(5), persistent=False)
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_the_same_weights_have_the_same_fingerprint(dtype: torch.dtype) -> None:
    a, b = model(dtype), model(dtype)
    b.load = torch.rand(5)  # each process's own count of tokens
    names, one = fingerprint(a)
    assert names == ["bias_of_router", "0.weight", "0.bias", "1.weight", "1.bias"]
    assert torch.equal(one, fingerprint(b)[1]) and one.dtype == torch.int64


def test_a_single_bit_or_an_exchange_changes_it() -> None:
    original = fingerprint(model())[1]
    for change in ("bit", "cancel", "swap", "buffer"):
        other = model()
        flat, bits = other[1].weight.data.view(-1), other[1].weight.data.view(torch.int32).view(-1)
        if change == "bit":
            bits[17] ^= 1
        elif change == "cancel":
            bits[3] += 1
            bits[5] -= 1
        elif change == "swap":
            flat[[2, 9]] = flat[[9, 2]]
        else:
            other.bias_of_router[1] = 1e-3
        changed = (fingerprint(other)[1] != original).nonzero().flatten().tolist()
        assert changed == [0 if change == "buffer" else 3], change


def test_pieces_make_no_difference_to_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "PIECE", 7)
    original, other = fingerprint(model())[1], model()
    flat = other[1].weight.data.view(-1)
    flat[[2, 9]] = flat[[9, 2]]  # in different pieces, at the same place of each
    assert not torch.equal(fingerprint(other)[1], original)


def test_the_error_names_the_first_tensor_and_the_replica_that_differ() -> None:
    names, own = fingerprint(model())
    gathered = own.repeat(4, 1)
    check_replicas(names, gathered, 100)
    gathered[2, 2:4] += 1
    with pytest.raises(FiresteelError, match=r"0.bias, after step 100, on replica 2 of 4\nwhy: 2 of 5 tensors"):
        check_replicas(names, gathered, 100)


def test_of_two_replicas_nobody_knows_which_is_right() -> None:
    names, own = fingerprint(model())
    with pytest.raises(FiresteelError, match="on replica 0, 1 of 2"):
        check_replicas(names, torch.stack([own, own + 1]), 7)
