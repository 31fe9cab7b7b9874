# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""Check mode had said what would be done to the host, and nothing more was done than that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testinfra.host import Host


def test_check_mode_changed_nothing(remembered: Callable[[str], dict[str, Any]]) -> None:
    assert remembered("checked") == remembered("before")


def test_check_mode_told_what_would_change(changes: Callable[[str], list[list[str]]]) -> None:
    checked, done, again = (set(names) for names in changes("Prepare")[-3:])
    assert done
    assert checked == done
    assert not again


def test_the_bootloader_knows_nothing_of_it(remembered: Callable[[str], dict[str, Any]], host: Host) -> None:
    before = {path for path in remembered("before")["files"] if path.startswith("/boot/")}
    assert set(host.check_output("find /boot -mindepth 1").split()) - {"/boot/efi/loader/random-seed"} == before
