# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The guest came back through firmware and GRUB, though an image had been staged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from testinfra.host import Host


def test_the_bootloader_started_it(host: Host) -> None:
    assert host.sysctl("kernel.bootloader_type") >> 4 != 0xD
    grub = host.ansible.get_variables()["lab_bootloader"] == "grub"
    assert ("BOOT_IMAGE=" in host.file("/proc/cmdline").content_string) is grub


def test_nothing_of_the_kexec_is_left(host: Host) -> None:
    assert "fleet_kexec.token" not in host.file("/proc/cmdline").content_string
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"
    assert host.sysctl("kernel.kexec_load_disabled") == 0


def test_all_units_came_up(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_the_timeline_goes_through_firmware(
    host: Host,
    remembered: Callable[[str], dict[str, Any]],
    complete_timeline: Callable[[dict[str, Any]], dict[str, dict[str, Any]]],
) -> None:
    reboot = remembered("firmware")
    phases = complete_timeline(reboot)
    assert "jump" not in phases and "stub" not in phases
    assert phases["firmware"]["duration_ms"] > phases["firmware"]["error_ms"]
    # One boot via kexec and one through firmware, in their order.
    history = host.file("/var/lib/fleet-kexec/history.jsonl").content_string.splitlines()
    assert [json.loads(line)["path"] for line in history[-2:]] == ["kexec", "firmware"]
