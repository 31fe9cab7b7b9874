# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""After a kexec, what was set in the bootloader is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

Remembered = Callable[[str], dict[str, Any]]


def test_the_entry_was_told_before(host: Host, remembered: Remembered) -> None:
    before = remembered("before")
    entry = before["entry"]
    assert (entry["unknown"], entry["one_shot"], entry["elsewhere"]) == (None, None, None)
    assert {"hugepages=8", "retain_initrd"} <= set(entry["added"])
    assert (before["verdict"]["method"], before["verdict"]["release"]) == ("kexec", older_release(host))


def test_the_older_kernel_runs(host: Host) -> None:
    assert host.sysctl("kernel.bootloader_type") >> 4 == 0xD
    assert host.check_output("uname -r") == older_release(host)


def test_the_new_arguments_are_in_force(host: Host) -> None:
    assert {"hugepages=8", "retain_initrd"} <= set(host.file("/proc/cmdline").content_string.split())
    assert host.check_output("awk '/^HugePages_Total/ {print $2}' /proc/meminfo") == "8"


def test_the_early_initrd_was_loaded(host: Host) -> None:
    if host.backend.get_hostname() == "kx3":
        pytest.skip("its initrd is one by dracut")
    assert host.file("/dev/lab-early-initrd").content_string == "early\n"


def older_release(host: Host) -> str:
    return host.check_output("find /boot -name 'vmlinuz-*' -printf '%f\\n' | sed s/vmlinuz-// | sort -V | head -n 1")
