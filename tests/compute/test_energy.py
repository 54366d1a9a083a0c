"""Energy: counters that wrap, that cannot be read, that are not there; and what is said of each."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firesteel.compute.energy import Counter, energy, nvml, rapl
from firesteel.core.config import MachineSettings


def zone(root: Path, number: str, name: str, microjoules: int) -> Path:
    folder = root / f"intel-rapl:{number}"
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("10000000\n")
    return folder / "energy_uj"


@given(st.lists(st.floats(0, 9.9), max_size=30), st.floats(0, 9.9))
def test_a_counter_loses_nothing_when_it_wraps(steps: list[float], start: float) -> None:
    truth = [start]
    for step in steps:
        truth.append(truth[-1] + step)
    readings = iter(value % 10 for value in truth)
    counter = Counter("c", lambda: next(readings), wrap=10)
    for value in truth:
        assert counter.advance() == pytest.approx(value - start, abs=1e-6)


def test_rapl_counts_packages_and_memory_but_no_part_twice(tmp_path: Path) -> None:
    package = zone(tmp_path, "0", "package-0", 4_000_000)
    zone(tmp_path, "0:0", "core", 3_000_000)
    memory = zone(tmp_path, "0:1", "dram", 1_000_000)
    counters = rapl(tmp_path)
    assert [counter.name for counter in counters] == ["RAPL package-0", "RAPL dram"]
    source = energy(MachineSettings(), counters, [])
    assert source.joules(0, 0) == 0
    package.write_text("1000000\n")  # over the top: 4 -> 10 -> 1
    memory.write_text("1500000\n")
    assert source.joules(100, 100) == pytest.approx(7.5)
    assert "RAPL package-0 + RAPL dram" in source.method


def test_a_counter_that_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "intel-rapl:0").mkdir()
    (tmp_path / "intel-rapl:0/name").write_text("package-0\n")
    assert rapl(tmp_path) == []


def test_without_counters_busy_threads_are_modelled_and_said() -> None:
    source = energy(MachineSettings(), [], [])
    assert source.joules(100, 30) == 4.0 * 30 and source.method.startswith("model: 4 W x busy threads")


def test_the_recipes_watts_stand_for_the_whole_machine() -> None:
    counter = Counter("c", lambda: 5.0)
    source = energy(MachineSettings(watts=250), [counter], [])
    assert source.joules(4, 8) == 1000 and "250 W from the recipe" in source.method


def test_accelerators_without_a_counter_are_said_to_be_left_out() -> None:
    assert "not counted: npu; set machine.watts" in energy(MachineSettings(), [], [], ["npu"]).method


LIBRARY = """
static unsigned long long joules[2] = {1000, 2000};
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) { *handle = (void *)(unsigned long)(i + 1); return 0; }
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *mj) {
  unsigned long i = (unsigned long)handle - 1;
  if (i > 1) return 3; /* an old card: not supported */
  *mj = (joules[i] += 500); return 0;
}
"""


def test_cards_are_counted_through_the_drivers_library(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to make a stand-in for the driver's library")
    (tmp_path / "nvml.c").write_text(LIBRARY)
    library = tmp_path / "libnvml.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(tmp_path / "nvml.c")], check=True)
    counters = nvml(str(library))
    assert [counter.name for counter in counters] == ["NVML card 0", "NVML card 1"]
    source = energy(MachineSettings(), [], counters)
    assert source.joules(0, 0) == 0 and source.joules(1, 1) == pytest.approx(4.0 + 0.5 + 0.5)


def test_no_driver_means_no_cards(tmp_path: Path) -> None:
    assert nvml(str(tmp_path / "missing.so")) == []
