# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts can reboot softly, by what systemd and the bootloader say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._host.files import HostFiles
from ansible_collections.fleet.kexec.plugins.module_utils._host.guests import Guests
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import (
    SoftReboot,
    SystemId,
    read_manager,
    read_soft_reboot,
    read_system_id,
)
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.facts import present
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import Policy
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.reading import read
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.soft import decide_soft
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.subsets import resolve
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from ....conftest import HostTree, write_tree
from .test_verdict import facts_of, read_host

ABLE = SoftReboot(systemd=257, count=0, next_root=False, survivors=[])
KERNEL = reason("PENDING_KERNEL", "the default entry boots 2, 1 runs")
MANAGER = "Version=257 (257.7-1)\nUserspaceTimestampMonotonic=2214381\nSoftRebootsCount=3\n"
# The last one would be spared, but is stopped before.
UNITS = """\
Id=a.service
Conflicts=
SurviveFinalKillSignal=no

Id=b.service
Conflicts=kexec.target reboot.target
SurviveFinalKillSignal=yes

Id=c.service
Conflicts=x.service shutdown.target
SurviveFinalKillSignal=yes
"""


def run(argv: Sequence[str], timeout_s: float) -> CommandResult:
    """A systemd that has rebooted softly three times."""
    if argv[0] != "systemctl":
        return CommandResult(127, "", "not found")
    return CommandResult(0, UNITS if "*.service" in argv else MANAGER, "")


def old(argv: Sequence[str], timeout_s: float) -> CommandResult:
    """A systemd of Debian 12, which prints no property that it does not know."""
    return CommandResult(0, "Version=252 (252.38-1~deb12u1)\nUserspaceTimestampMonotonic=2214381\n", "")


@pytest.mark.parametrize(
    ("changes", "pending", "blockers", "warnings"),
    [
        ({}, [], [], []),
        ({"systemd": None}, [], ["SOFT_UNSUPPORTED"], []),
        ({"systemd": 252, "count": None}, [], ["SOFT_UNSUPPORTED"], []),
        ({"systemd": 255, "count": None}, [], ["SOFT_UNSUPPORTED"], []),
        ({}, [KERNEL], ["SOFT_INCOMPLETE"], []),
        ({"next_root": True}, [], ["NEXT_ROOT"], []),
        ({"survivors": ["b.service"]}, [], [], ["SOFT_SURVIVORS"]),
        ({"scheduled": "reboot at 2026-11-30T02:00:00Z"}, [], [], ["SHUTDOWN_SCHEDULED"]),
        ({"systemd": 252, "count": None, "next_root": True}, [KERNEL], ["SOFT_UNSUPPORTED"], []),
    ],
)
def test_what_keeps_a_host_from_it(
    host_tree: HostTree, changes: dict[str, Any], pending: list[Reason], blockers: list[str], warnings: list[str]
) -> None:
    facts = facts_of(read_host(host_tree, {}))
    verdict = decide_soft(facts, replace(ABLE, **changes), None, pending, Policy())
    assert [each.code for each in verdict.blockers] == blockers
    assert [each.code for each in verdict.warnings] == warnings
    assert verdict.possible is (not blockers)


def test_the_policy_decides_what_its_risks_lead_to(host_tree: HostTree) -> None:
    facts = facts_of(read_host(host_tree, {}))
    policy = Policy().override({"SOFT_INCOMPLETE": "warn", "NEXT_ROOT": "allow", "SOFT_SURVIVORS": "block"}, "policy")
    verdict = decide_soft(facts, replace(ABLE, next_root=True, survivors=["b.service"]), None, [KERNEL], policy)
    assert [each.code for each in verdict.blockers] == ["SOFT_SURVIVORS"]
    assert [each.code for each in verdict.warnings] == ["SOFT_INCOMPLETE"]
    assert "the default entry boots 2" in verdict.warnings[0].message


@pytest.mark.parametrize(("changes", "code"), [({"container": "lxc"}, "CONTAINER"), ({"systemd": False}, "NO_SYSTEMD")])
def test_a_host_that_can_reboot_in_no_way(host_tree: HostTree, changes: dict[str, Any], code: str) -> None:
    facts = replace(facts_of(read_host(host_tree, {})), **changes)
    assert [each.code for each in decide_soft(facts, ABLE, None, [KERNEL], Policy()).blockers] == [code]


def test_it_is_read_from_systemd(tmp_path: Path) -> None:
    files = HostFiles(str(tmp_path))
    write_tree(tmp_path, {"/proc/sys/kernel/random/boot_id": "b\n", "/run/nextroot/usr/lib/os-release": ""})
    assert read_soft_reboot(files, run, read_manager(run)) == SoftReboot(257, 3, True, ["b.service"])
    system = read_system_id(files, run)
    assert (system, system.userspace_us, str(system)) == (SystemId("b", 3), 2214381, "b+3")
    assert read_soft_reboot(files, old, read_manager(old)) == SoftReboot(252, None, True, [])
    assert str(read_system_id(files, old)) == "b"
    assert read_manager(lambda argv, timeout_s: CommandResult(1, "", "no bus")) == {}
    assert read_soft_reboot(files, run, {}) == SoftReboot(None, None, True, [])


@pytest.mark.parametrize(
    ("text", "scheduled"),
    [
        ("USEC=1795672800000000\nWARN_WALL=1\nMODE=reboot\nUID=0\n", "reboot at 2026-11-26T06:00:00Z"),
        ("USEC=1795672800000000\nMODE=\x1b[31m\n", "shutdown at 2026-11-26T06:00:00Z"),
        ("MODE=reboot\n", ""),
        ("USEC=999999999999999999\nMODE=reboot\n", ""),
        ("USEC=soon\n", ""),
        ("", ""),
    ],
)
def test_a_shutdown_that_is_scheduled_outlives_it(tmp_path: Path, text: str, scheduled: str) -> None:
    files = HostFiles(str(tmp_path))
    write_tree(tmp_path, {"/run/systemd/shutdown/scheduled": text})
    assert read_soft_reboot(files, run, read_manager(run)).scheduled == scheduled


@pytest.mark.parametrize(("packages", "possible"), [("libc6\nintel-microcode\n", False), ("libc6\nlinux-base\n", True)])
def test_microcode_takes_another_kernel(host_tree: HostTree, packages: str, possible: bool) -> None:
    """Which kernel comes next is told by the default entry, and not by the packages."""
    files = host_tree({"/run/reboot-required": "", "/run/reboot-required.pkgs": packages})
    soft = present(read(files, run, resolve(["!min", "soft"])))["soft"]
    assert ("SOFT_INCOMPLETE" not in [each["code"] for each in soft["blockers"]]) is possible


def test_the_fact_says_it_all(host_tree: HostTree) -> None:
    files = host_tree({})
    facts = present(read(files, run, resolve(["soft", "boot"])))
    assert (facts["boot"]["path"], facts["boot"]["soft_reboots"], facts["boot"]["userspace_us"]) == ("soft", 3, 2214381)
    soft = facts["soft"]
    assert (soft["systemd"], soft["soft_reboots"], soft["survivors"]) == (257, 3, ["b.service"])
    assert [each["code"] for each in soft["warnings"]] == ["SOFT_SURVIVORS"]


@pytest.mark.parametrize("subsets", [["soft"], ["all"]])
def test_systemd_is_asked_once(host_tree: HostTree, subsets: list[str]) -> None:
    asked: list[Sequence[str]] = []

    def count(argv: Sequence[str], timeout_s: float) -> CommandResult:
        asked.extend([argv] if "SoftRebootsCount" in " ".join(argv) else [])
        return run(argv, timeout_s)

    read(host_tree({}), count, resolve(subsets))
    assert len(asked) == 1


def test_guests_are_warned_of_because_it_stops_them(host_tree: HostTree) -> None:
    facts = facts_of(read_host(host_tree, {}))
    guests = Guests(vms=["web"], containers=["0f3a5c9e8b71"])
    verdict = decide_soft(facts, ABLE, guests, [], Policy())
    assert [each.code for each in verdict.warnings] == ["GUESTS_RUNNING", "CONTAINERS_RUNNING"]
    assert not decide_soft(facts, ABLE, guests, [], Policy().override({"GUESTS_RUNNING": "block"}, "policy")).possible
    machine = {"/run/systemd/machines/web": "NAME=web\nCLASS=vm\n"}
    soft = present(read(host_tree(machine), run, resolve(["!min", "soft"])))["soft"]
    assert "GUESTS_RUNNING" in [each["code"] for each in soft["warnings"]]
