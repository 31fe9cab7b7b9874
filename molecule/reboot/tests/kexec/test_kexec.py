# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The guest came back by kexec, as staged, by its own account."""

from __future__ import annotations

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
