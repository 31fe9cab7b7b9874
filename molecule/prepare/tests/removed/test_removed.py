# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The host is as it was before it was prepared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testinfra.host import Host


def test_check_mode_changed_nothing(remembered: Callable[[str], dict[str, Any]]) -> None:
    assert remembered("still_prepared") == remembered("prepared")


def test_check_mode_told_what_would_change(changes: Callable[[str], list[list[str]]]) -> None:
    checked, done = set(changes("Put back in check mode")[-1]), set(changes("Put back")[-1])
    assert checked == done


def test_once_is_enough(changes: Callable[[str], list[list[str]]]) -> None:
    assert changes("Put back")[-1]
    assert not changes("Put back again")[-1]


def test_files_and_packages_are_those_of_before(remembered: Callable[[str], dict[str, Any]]) -> None:
    before, restored = remembered("before"), remembered("restored")
    assert remembered("prepared")["files"] != before["files"]
    assert restored["files"] == before["files"]
    assert restored["packages"] == before["packages"]


def test_nothing_else_is_left(host: Host) -> None:
    host.check_output("! ls -d /var/lib/fleet-kexec /usr/local/sbin/fleet-kexec 2> /dev/null")
    assert host.check_output("systemctl show --value --property=LoadState kexec-load.service") == "not-found"


def test_nobody_feeds_the_watchdog(host: Host) -> None:
    shown = host.check_output("systemctl show --property=RuntimeWatchdogUSec --property=KExecWatchdogUSec").split()
    assert sorted(shown) == ["KExecWatchdogUSec=0", "RuntimeWatchdogUSec=0"]
    state = host.file("/sys/class/watchdog/watchdog0/state")
    assert not state.exists or state.content_string.strip() == "inactive"
