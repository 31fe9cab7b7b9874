# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""What was refused, and what was put back, is not what the host boots with."""

from __future__ import annotations

from testinfra.host import Host


def test_nothing_is_reserved(host: Host) -> None:
    names = {word.partition("=")[0] for word in host.file("/proc/cmdline").content_string.split()}
    assert not names & {"crashkernel", "cma"}
    assert int(host.file("/sys/kernel/kexec_crash_size").content_string) == 0
