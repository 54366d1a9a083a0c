"""All that training changes as one flat dict of tensors, name by name: what a checkpoint holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from firesteel.train.shards import Layout

Optimisers = Sequence[torch.optim.Optimizer]


def flat_state(
    models: Sequence[nn.Module], named: Mapping[str, Tensor], optimisers: Optimisers, extra: Mapping[str, Tensor],
    saved: Layout | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """Weights and buffers under their names, optimiser state as `parameter/slot`, and `extra` (masters, averages).

    `named` are the parameters that the optimisers change, which may be masters of the models' own. With `saved`, the optimisers
    get the slots that a checkpoint has, so that it can be read into what is returned: a fresh optimiser has none.
    """
    flat: dict[str, Tensor] = {}
    for name, tensor in (item for model in models for item in model.state_dict().items()):
        known = flat.setdefault(name, tensor)
        assert known is tensor or known.data_ptr() == tensor.data_ptr(), f"two parts have a {name} of their own"
    assert not flat.keys() & extra.keys(), "names of extra tensors must be new"
    flat |= extra
    if saved is not None:
        _make_room(named, optimisers, {name: t for name, t in saved.items() if name not in flat})
    for name, slot, value in _slots(named, optimisers):
        assert f"{name}/{slot}" not in flat
        flat[f"{name}/{slot}"] = value
    return flat


def _slots(named: Mapping[str, Tensor], optimisers: Optimisers) -> Iterator[tuple[str, str, Tensor]]:
    for name, parameter in named.items():
        for optimiser in optimisers:
            for slot, value in optimiser.state.get(parameter, {}).items():
                assert isinstance(value, Tensor), f"{slot} of {name} is no tensor"
                yield name, slot, value


def _make_room(named: Mapping[str, Tensor], optimisers: Optimisers, saved: Layout) -> None:
    """Give each parameter's optimiser exactly the slots of `saved` (`parameter/slot`), empty where it had none.

    A slot has its parameter's shape and sharding, or is a single number (AdamW's step), kept where the optimiser wants it.
    """
    owner = {p: (o, g) for o in optimisers for g in o.param_groups for p in g["params"]}
    slots: dict[str, Layout] = defaultdict(dict)
    for key, whole in saved.items():
        name, _, slot = key.rpartition("/")
        slots[name][slot] = whole
    for name, parameter in named.items():
        if parameter not in owner:
            continue
        optimiser, group = owner[parameter]
        on_device = group.get("fused") or group.get("capturable")  # torch keeps their step beside the parameter
        old = optimiser.state.pop(parameter, {})
        for slot, whole in slots.get(name, {}).items():
            place = parameter.device if on_device else torch.device("cpu")
            fresh = torch.zeros((), dtype=whole.dtype, device=place) if not whole.ndim else _like(parameter, whole)
            optimiser.state[parameter][slot] = old.get(slot, fresh)


def _like(parameter: Tensor, whole: Tensor) -> Tensor:
    return torch.zeros_like(parameter, dtype=whole.dtype, requires_grad=False)
