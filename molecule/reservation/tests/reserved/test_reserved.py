# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What the kernel has reserved, after a reboot through the bootloader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testinfra.host import Host

Remembered = Callable[[str], dict[str, Any]]


def test_the_kernel_was_booted_with_what_was_set(host: Host, remembered: Remembered) -> None:
    reserved = remembered("reserved")
    words = host.file("/proc/cmdline").content_string.split()
    for name in ("crashkernel", "cma"):
        values = [word.partition("=")[2] for word in words if word.startswith(name + "=")]
        assert values == [value for value in (reserved[name]["configured"],) if value]


def test_the_memory_is_reserved(host: Host, remembered: Remembered) -> None:
    reserved = remembered("reserved")
    assert not reserved["reboot_required"]
    assert reserved["notes"] == []
    crash_bytes = int(host.file("/sys/kernel/kexec_crash_size").content_string)
    assert crash_bytes == reserved["crashkernel"]["configured_bytes"] == reserved["crashkernel"]["effective_bytes"] > 0
    # There is no such line where the kernel knows of no CMA.
    cma_kib = int(host.check_output("awk '/^CmaTotal/ {print $2}' /proc/meminfo") or 0)
    assert cma_kib * 1024 == reserved["cma"]["configured_bytes"] == reserved["cma"]["effective_bytes"]


def test_nothing_of_a_failed_change_is_left(host: Host) -> None:
    find = "find /boot /etc/default /etc/kernel -name '*.new' -o -name '.*.cfg.*' -o -name '.cmdline.*'"
    assert host.run_expect([0], find).stdout == ""
