# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Nothing is left of reservations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testinfra.host import Host

Remembered = Callable[[str], dict[str, Any]]


def test_files_are_as_they_were(remembered: Remembered) -> None:
    before, after = remembered("digests"), remembered("digests_after")
    # Generated anew; what it says is looked at below.
    generated = "/boot/grub/grub.cfg"
    assert after.pop(generated, None) == before.pop(generated, None)
    assert after == before


def test_nothing_is_reserved(host: Host) -> None:
    assert "crashkernel=" not in host.file("/proc/cmdline").content_string
    assert int(host.file("/sys/kernel/kexec_crash_size").content_string) == 0
    assert " cma=" not in host.file("/proc/cmdline").content_string
