# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""After everything that was refused, the host is as it was."""

from __future__ import annotations

from testinfra.host import Host


def test_nothing_is_loaded(host: Host) -> None:
    assert host.file("/sys/kernel/kexec_loaded").content_string.strip() == "0"


def test_nothing_is_left_behind(host: Host) -> None:
    assert host.check_output("find /run/fleet-kexec -mindepth 1") == ""


def test_no_reboot_happened(host: Host) -> None:
    assert host.sysctl("kernel.bootloader_type") >> 4 != 0xD
