# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""After a fast reboot everything is in force as before."""

from __future__ import annotations

from testinfra.host import Host


def test_all_units_came_up(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_the_watchdog_is_fed(host: Host) -> None:
    state = host.file("/sys/class/watchdog/watchdog0/state")
    assert not state.exists or state.content_string.strip() == "active"


def test_the_option_of_the_module_is_in_force(host: Host) -> None:
    option = host.file("/sys/module/watchdog/parameters/stop_on_reboot")
    assert not option.exists or option.content_string.strip() == "0"


def test_what_was_meant_for_this_boot_gets_into_no_entry(host: Host) -> None:
    assert "fleet_kexec.token=" in host.file("/proc/cmdline").content_string
    entries = host.check_output("grep -rh '^options' /boot/efi/loader/entries || true").splitlines()
    assert bool(entries) is (host.ansible.get_variables()["lab_bootloader"] == "systemd-boot")
    assert not [line for line in entries if "fleet_kexec" in line or "panic" in line]
