# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The guest came back via kexec, as staged, by its own account."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

# sd-messages.h: SD_MESSAGE_UNIT_STOPPED.
UNIT_STOPPED = "9d1aaa27d60140bd96365438aad20286"


@pytest.fixture
def before(remembered: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Facts from before the reboot."""
    return remembered("before")


@pytest.fixture
def reboot(remembered: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Result of the reboot."""
    return remembered("reboot")


def test_it_is_another_boot(host: Host, before: dict[str, Any], reboot: dict[str, Any]) -> None:
    boot_id = host.file("/proc/sys/kernel/random/boot_id").content_string.strip()
    assert boot_id == reboot["after"]["boot_id"] != before["boot"]["boot_id"]


def test_the_token_is_on_the_command_line(host: Host, reboot: dict[str, Any]) -> None:
    words = host.file("/proc/cmdline").content_string.split()
    assert words.count("fleet_kexec.token=" + reboot["staged"]["token"]) == 1
    assert not any(word.startswith("BOOT_IMAGE=") for word in words)


def test_a_kexec_loader_started_the_staged_kernel(host: Host, reboot: dict[str, Any]) -> None:
    assert host.sysctl("kernel.bootloader_type") == 0xD0
    assert host.check_output("uname -r") == reboot["staged"]["release"]


def test_the_result_says_the_same(before: dict[str, Any], reboot: dict[str, Any]) -> None:
    assert reboot["proof"] == {
        "boot_id_changed": True,
        "token": True,
        "release": True,
        "bootloader_type": True,
        "proven": True,
        "missing": [],
    }
    assert (reboot["method"], reboot["path"], reboot["reasons"]) == ("kexec", "kexec", [])
    assert reboot["before"]["boot_id"] == before["boot"]["boot_id"]


def test_the_outage_was_seen(reboot: dict[str, Any]) -> None:
    assert reboot["detected_by"] == "banner"
    assert 0 < reboot["outage_error_ms"] < reboot["outage_ms"] < reboot["elapsed_ms"]


def test_no_image_is_left(host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
    assert not host.file("/run/fleet-kexec/staged.json").exists


def test_kernel_panic_is_the_hosts_own_again(host: Host, before: dict[str, Any]) -> None:
    assert "panic=10" in host.file("/proc/cmdline").content_string.split()
    assert host.sysctl("kernel.panic") == before["kernel"]["panic_s"]
    assert host.sysctl("kernel.panic_on_oops") == before["kernel"]["panic_on_oops"]


def test_all_units_came_up(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_the_old_system_stopped_its_units_in_order(host: Host) -> None:
    """The file system was unmounted, so there was nothing for the new system to recover."""
    assert host.run("journalctl --quiet --boot 0 --dmesg --grep 'EXT4-fs.*recovery'").stdout == ""


def test_the_timeline_goes_from_one_system_into_the_other(
    reboot: dict[str, Any], complete_timeline: Callable[[dict[str, Any]], dict[str, dict[str, Any]]]
) -> None:
    phases = complete_timeline(reboot)
    assert "stage" in phases and "TSC" in phases["jump"]["source"]
    assert phases["jump"]["error_ms"] < 1 + phases["jump"]["duration_ms"] / 5000, "one counter, from one kernel into the next"
    units = reboot["timeline"]["units"]
    assert units["start"] and all(unit["duration_ms"] >= 0 for way in units.values() for unit in way)
    assert any(unit["unit"] == "ssh.service" for unit in units["stop"]), "the journal of the boot before"


def test_counter_and_clocks_agree_on_where_the_old_system_ended(reboot: dict[str, Any]) -> None:
    """By the TSC, and by the host's clocks as the controller compared them with its own before and after: nothing in common."""
    agreement = reboot["timeline"]["agreement"]
    assert abs(agreement["difference_ms"]) <= agreement["error_ms"] < 5000


def test_the_host_keeps_its_timeline(host: Host, reboot: dict[str, Any]) -> None:
    history = host.file("/var/lib/fleet-kexec/history.jsonl")
    assert (history.mode, history.user) == (0o600, "root")
    timelines = [json.loads(line) for line in history.content_string.splitlines()]
    assert [timeline for timeline in timelines if timeline["boot_id"] == reboot["after"]["boot_id"]] == [reboot["timeline"]]
    assert not host.file("/var/lib/fleet-kexec/last-stop").exists


def test_the_last_thing_that_was_stopped_is_the_stamp(host: Host, before: dict[str, Any]) -> None:
    """Of all services that do not ask for another order."""
    boot = before["boot"]["boot_id"].replace("-", "")
    order = host.check_output(
        f"journalctl --quiet --boot={boot} --output=json _PID=1 MESSAGE_ID={UNIT_STOPPED} --output-fields=UNIT"
    )
    units = [json.loads(line).get("UNIT", "") for line in order.splitlines()]
    stamp = next(number for number, unit in enumerate(units) if unit.startswith("fleet-kexec-stamp-"))
    assert {"ssh.service", "systemd-logind.service", "dbus.service", "basic.target"} <= set(units[:stamp])
