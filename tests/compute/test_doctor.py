"""Facts and findings: complete on this machine, and clear about what is missing on another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firesteel.compute import doctor, machine

GIB = 1 << 30


def known(**changes: Any) -> dict[str, Any]:
    """A healthy machine, but for the changes."""
    healthy = {
        "cpu": "X", "isa": ["avx2"], "cores": 4, "cores_online": 4, "container_cpus": None, "memory_bytes": 16 * GIB,
        "container_memory_bytes": None, "memory_available_bytes": 8 * GIB, "disk_free_bytes": 50 * GIB,
        "python": "3.11.7", "torch": "2.13.0", "accelerators": {},
        "probe": {"capability": "AVX2", "usable": {"cpu": 1}},
    }  # fmt: skip
    return healthy | changes


def test_facts_are_plain_and_need_no_torch() -> None:
    code = (
        "import sys, json; from firesteel.compute.machine import facts; print(json.dumps(facts())); "
        "assert 'torch' not in sys.modules"
    )
    found = json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    assert found["cores"] >= 1 and found["torch"] and found["disk_free_bytes"] > 0 and found["cpu"]


def test_the_disk_in_question_may_not_exist_yet(tmp_path: Path) -> None:
    assert machine.facts(tmp_path / "not" / "yet")["disk_free_bytes"] > 0


def test_this_machine_can_run_its_own_tests() -> None:
    findings = {finding.name: finding for finding in doctor.doctor()}
    assert all(finding.ok for finding in findings.values() if finding.needed)
    assert findings["torch"].needed and findings["disk"].needed and not findings["browser"].needed


@pytest.mark.parametrize(
    ("check", "changes", "needed"),
    [
        (doctor._processor, {"isa": []}, False),
        (doctor._container, {"container_cpus": 1.5}, False),
        (doctor._memory, {"memory_available_bytes": GIB}, True),
        (doctor._disk, {"disk_free_bytes": GIB}, True),
        (doctor._torch, {"torch": None, "probe": {"error": "No module named 'torch'"}}, True),
        (doctor._torch, {"probe": {"error": "it ended with code -4"}}, True),
        (doctor._accelerator, {"accelerators": {"cuda": 2}}, False),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_a_way_to_get_it(check: Any, changes: dict[str, Any], needed: bool) -> None:
    good, bad = check(known()), check(known(**changes))
    assert good.ok and not good.why and not good.hint
    assert not bad.ok and bad.why and bad.hint and bad.needed == needed


def test_an_accelerator_that_works_is_told() -> None:
    finding = doctor._accelerator(known(accelerators={"cuda": 2}, probe={"usable": {"cpu": 1, "cuda": 2}}))
    assert finding.ok and finding.value == "2 cuda"


def test_a_broken_torch_is_a_finding_and_not_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert doctor.probe_torch() == {"error": "it ended with code -4"}
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')")
    assert "libgomp" in doctor.probe_torch()["error"]
