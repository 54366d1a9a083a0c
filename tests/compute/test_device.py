"""Choosing a device, and making results repeatable."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from firesteel.compute import device
from firesteel.core.config import MachineSettings
from firesteel.core.errors import MachineError


def test_auto_is_the_accelerator_if_there_is_one_and_else_the_cpu() -> None:
    want = torch.accelerator.current_accelerator()
    assert device.pick("auto").type == (want.type if want else "cpu")
    assert device.pick("cpu") == torch.device("cpu")


def test_a_misspelt_device_is_named_with_its_neighbour() -> None:
    with pytest.raises(MachineError, match=r"unknown device: cude[\s\S]*did you mean 'cuda'"):
        device.pick("cude")


@pytest.mark.parametrize("name", ["cuda", "npu:1", "xpu", "mps"])
def test_an_absent_device_says_what_is_here_and_what_it_needs(name: str) -> None:
    if name.partition(":")[0] in device.usable():
        pytest.skip("it is here")
    with pytest.raises(MachineError, match=r"not usable here[\s\S]*sees: cpu[\s\S]*hint: use device = \"auto\""):
        device.pick(name)


@pytest.mark.parametrize("name", ["cpu:1", "cpu:x", "cpu:-1"])
def test_a_number_beyond_the_last_device_is_refused(name: str) -> None:
    with pytest.raises(MachineError, match="no device with this number"):
        device.pick(name)


def test_memory_of_the_cpu_is_told() -> None:
    free, total = device.memory(torch.device("cpu"))
    assert 0 < free < total
    assert device.dtypes(torch.device("cpu"))[0] == "float32"


def test_set_up_seeds_every_generator_and_forbids_nondeterminism() -> None:
    threads = torch.get_num_threads()
    try:
        draws = []
        for _ in range(2):
            assert device.set_up(MachineSettings(device="cpu", threads=1), 5) == torch.device("cpu")
            draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
        assert draws[0] == draws[1] and len(set(draws[0])) == 3
        assert torch.get_num_threads() == 1 and torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)


def test_two_processes_compute_the_same_bits() -> None:
    code = (  # forked before any thread runs: loading torch takes longer than all the rest
        "import os, torch; from firesteel.compute.device import set_up; from firesteel.core.config import MachineSettings\n"
        "for _ in range(2):\n"
        "    if os.fork(): os.wait(); continue\n"
        "    set_up(MachineSettings(device='cpu', threads=2), 3)\n"
        "    x = torch.randn(97, 130, requires_grad=True); w = torch.randn(130, 65)\n"
        "    (x.matmul(w).softmax(-1).log().sum() + x.std()).backward()\n"
        "    print(x.grad.double().sum().item().hex(), flush=True); os._exit(0)"
    )
    env = os.environ | device.environment() | {"OPENBLAS_NUM_THREADS": "1"}  # else numpy starts threads when loaded
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    first, second = done.stdout.split()
    assert first == second


def test_the_environment_is_known_before_torch_is_loaded() -> None:
    code = (
        "import sys; from firesteel.compute.device import environment, hardware; hardware(); "
        "assert all(isinstance(v, str) for v in environment().values()); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
