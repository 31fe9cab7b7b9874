# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a comparison waits, and for what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._machine.codes import DIFFERENCE_DEFAULTS
from ansible_collections.fleet.kexec.plugins.module_utils._machine.remembered import RememberedMachine, remember
from ansible_collections.fleet.kexec.plugins.module_utils._machine.settling import MachineComparison, compare_settled
from ansible_collections.fleet.kexec.plugins.module_utils._machine.snapshot import MachineSnapshot
from ansible_collections.fleet.kexec.tests.machine_tree import BOOT_ID, MachineTree

BEFORE = MachineSnapshot(cpus=2, tpms=1, clock_source="tsc", system_state="running", failed_units=[], kernel_errors=[])
SNAPSHOT_S = 0.05


class Boot:
    """A boot of a host, on a clock of its own, after one that was remembered."""

    def __init__(self, root: Path, before: MachineSnapshot | None = BEFORE, boot_id: str = "another") -> None:
        self.now_s = 1000.0
        self.snapshots = 0
        self.files = HostFiles(str(root))
        MachineTree(root).write("/proc/sys/kernel/random/boot_id", BOOT_ID)
        if before is not None:
            remember(self.files, RememberedMachine(SystemId(boot_id), "2026-11-30T00:00:00Z", "", before))

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def compare(
        self,
        machine: Callable[[float], MachineSnapshot],
        settle_s: float = 30,
        effects: Mapping[str, str] = DIFFERENCE_DEFAULTS,
        remembered: str | None = None,
    ) -> MachineComparison:
        """Compare a machine that is a function of the seconds since the comparison began."""

        def take() -> MachineSnapshot:
            self.snapshots += 1
            self.now_s += SNAPSHOT_S
            return machine(self.now_s - 1000)

        return compare_settled(
            self.files,
            SystemId(BOOT_ID),
            effects,
            settle_s,
            remembered=remembered,
            take=take,
            clock=lambda: self.now_s,
            sleep=self.sleep,
        )


def codes(comparison: MachineComparison) -> list[str]:
    return [each.code for each in comparison.differences]


def test_a_host_that_is_as_before_takes_one_comparison(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    comparison = boot.compare(lambda _s: BEFORE)
    assert (comparison.compared, codes(comparison), comparison.settled_ms, boot.snapshots) == (True, [], 0, 1)
    assert comparison.as_dict() == {
        "model": "",
        "compared": True,
        "before": {"boot_id": "another", "soft_reboots": 0, "taken_at": "2026-11-30T00:00:00Z"},
        "settled_ms": 0,
        "differences": [],
    }


def test_what_comes_late_is_waited_for(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    comparison = boot.compare(lambda s: replace(BEFORE, cpus=2 if s > 7 else 1))
    assert codes(comparison) == []
    assert 7000 <= comparison.settled_ms <= 8100


def test_what_never_comes_is_a_difference_in_the_end(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    comparison = boot.compare(lambda _s: replace(BEFORE, cpus=1))
    assert codes(comparison) == ["CPU_LOST"]
    assert 28_000 <= comparison.settled_ms <= 30_000
    assert boot.now_s - 1000 < 30 + 2 * SNAPSHOT_S


def test_what_time_cannot_mend_is_not_waited_for(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    comparison = boot.compare(lambda _s: replace(BEFORE, taint=1 << 7, kernel_errors=["bad"]))
    assert (codes(comparison), boot.snapshots) == (["KERNEL_OOPS", "KERNEL_ERRORS"], 1)


def test_what_is_ignored_is_not_waited_for(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    comparison = boot.compare(lambda _s: replace(BEFORE, cpus=1), effects={**DIFFERENCE_DEFAULTS, "CPU_LOST": "ignore"})
    assert (codes(comparison), boot.snapshots) == ([], 1)


@pytest.mark.parametrize("settle_s", [0, -1])
def test_without_settling_there_is_one_comparison(tmp_path: Path, settle_s: float) -> None:
    boot = Boot(tmp_path)
    assert codes(boot.compare(lambda _s: replace(BEFORE, cpus=1), settle_s)) == ["CPU_LOST"]
    assert boot.snapshots == 1


def test_units_are_judged_once_systemd_has_started_them(tmp_path: Path) -> None:
    def booting(seconds: float) -> MachineSnapshot:
        if seconds < 5:
            return replace(BEFORE, system_state="starting")
        return replace(BEFORE, system_state="degraded", failed_units=["late.service"])

    assert codes(Boot(tmp_path).compare(booting, 20)) == ["UNIT_FAILED"]
    assert codes(Boot(tmp_path).compare(booting, 3)) == ["SYSTEM_STARTING"]


def test_a_system_that_never_finished_starting_is_not_waited_for(tmp_path: Path) -> None:
    starting = replace(BEFORE, system_state="starting")
    boot = Boot(tmp_path, starting)
    assert codes(boot.compare(lambda _s: starting)) == []
    assert boot.snapshots == 1


def test_nothing_was_remembered(tmp_path: Path) -> None:
    boot = Boot(tmp_path, before=None)
    comparison = boot.compare(lambda _s: BEFORE)
    assert (comparison.compared, comparison.before, codes(comparison)) == (False, None, ["MACHINE_UNKNOWN"])
    assert comparison.differences[0].effect == "warn"
    assert boot.snapshots == 1
    assert codes(boot.compare(lambda _s: BEFORE, effects={**DIFFERENCE_DEFAULTS, "MACHINE_UNKNOWN": "ignore"})) == []


def test_there_was_no_reboot(tmp_path: Path) -> None:
    comparison = Boot(tmp_path, boot_id=BOOT_ID).compare(lambda _s: replace(BEFORE, cpus=1))
    assert (comparison.compared, codes(comparison)) == (False, ["MACHINE_UNKNOWN"])
    assert comparison.before is not None
    assert comparison.before.system.boot_id == BOOT_ID


def test_a_snapshot_of_another_boot_than_the_one_asked_for(tmp_path: Path) -> None:
    """A file system that was rolled back, or that does not keep what is written, has an old one."""
    boot = Boot(tmp_path, boot_id="months-ago")
    comparison = boot.compare(lambda _s: replace(BEFORE, cpus=1), remembered="the-last-one")
    assert (comparison.compared, codes(comparison), boot.snapshots) == (False, ["MACHINE_UNKNOWN"], 1)
    assert "2026-11-30T00:00:00Z" in comparison.differences[0].message
    assert codes(boot.compare(lambda _s: replace(BEFORE, cpus=1), 0, remembered="months-ago")) == ["CPU_LOST"]


def test_a_second_reboot_is_compared_with_the_same_snapshot(tmp_path: Path) -> None:
    boot = Boot(tmp_path)
    assert codes(boot.compare(lambda _s: replace(BEFORE, cpus=1), 0)) == ["CPU_LOST"]
    MachineTree(tmp_path).write("/proc/sys/kernel/random/boot_id", "a third one")
    assert codes(boot.compare(lambda _s: BEFORE)) == []
