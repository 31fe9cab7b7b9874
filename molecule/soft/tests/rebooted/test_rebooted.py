# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The guest has a new userspace on the kernel that it had, by its own account."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host


@pytest.fixture
def before(remembered: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Facts from before the reboot."""
    return remembered("before")


@pytest.fixture
def reboot(remembered: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Result of the reboot."""
    return remembered("soft")


def test_the_kernel_is_the_one_that_ran(host: Host, before: dict[str, Any]) -> None:
    assert host.file("/proc/sys/kernel/random/boot_id").content_string.strip() == before["boot"]["boot_id"]
    assert host.check_output("systemctl show --property=SoftRebootsCount --value") == "1"


def test_the_result_says_the_same(before: dict[str, Any], reboot: dict[str, Any]) -> None:
    assert reboot["proof"] == {"boot_id_kept": True, "soft_reboots": True, "userspace": True, "proven": True, "missing": []}
    assert (reboot["method"], reboot["path"], reboot["reasons"], reboot["staged"]) == ("soft", "soft", [], None)
    assert (reboot["before"]["soft_reboots"], reboot["after"]["soft_reboots"]) == (0, 1)
    assert reboot["before"]["boot_id"] == reboot["after"]["boot_id"] == before["boot"]["boot_id"]


def test_the_facts_say_the_same(before: dict[str, Any], remembered: Callable[[str], dict[str, Any]]) -> None:
    boot = remembered("after")["boot"]
    assert (boot["path"], boot["soft_reboots"]) == ("soft", 1)
    assert boot["userspace_us"] > before["boot"]["userspace_us"]


def test_the_machine_was_compared(reboot: dict[str, Any]) -> None:
    assert not [each for each in reboot["differences"] if each["effect"] == "fail"]


def test_the_outage_was_seen(reboot: dict[str, Any]) -> None:
    assert reboot["detected_by"] == "banner"
    assert 0 < reboot["outage_error_ms"] < reboot["outage_ms"] < reboot["elapsed_ms"]


def test_no_image_is_left(host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
    assert not host.file("/run/fleet-kexec/staged.json").exists


def test_units_came_up_anew_except_the_one_that_survives(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    assert host.check_output("systemctl is-active lab-survivor.service") == "active"
    started = "systemctl show --property=ActiveEnterTimestampMonotonic --value "
    userspace_us = int(host.check_output("systemctl show --property=UserspaceTimestampMonotonic --value"))
    assert int(host.check_output(started + "ssh.service")) > userspace_us


def test_nothing_is_left_of_the_trigger(host: Host) -> None:
    """/run outlives a soft reboot."""
    assert host.check_output("systemctl list-units --all --no-legend --plain 'fleet-kexec-*'") == ""
    for name in ("kexec", "kexec-load"):
        assert not host.file(f"/run/systemd/system/{name}.service").exists


def test_the_timeline_has_no_phase_of_a_kernel(
    reboot: dict[str, Any], complete_timeline: Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
) -> None:
    phases = complete_timeline(reboot)
    assert {"kernel", "initrd", "jump", "firmware"}.isdisjoint(phases)
    assert phases["reexec"]["error_ms"] < 100, "one kernel, one log, one clock"
    units = reboot["timeline"]["units"]
    assert any(unit["unit"] == "ssh.service" for unit in units["stop"])
    assert units["start"] and reboot["timeline"]["initcalls"] == []


def test_the_host_keeps_its_timeline(host: Host, reboot: dict[str, Any]) -> None:
    lines = host.file("/var/lib/fleet-kexec/history.jsonl").content_string.splitlines()
    assert json.loads(lines[-1]) == reboot["timeline"]
    assert not host.file("/var/lib/fleet-kexec/last-stop").exists
