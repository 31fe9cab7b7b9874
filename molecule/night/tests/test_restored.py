# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""The guest has the files and packages that it had before it was prepared, rebooted and broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

Remembered = Callable[[str], dict[str, Any]]


@pytest.fixture
def given_back(host: Host, remembered: Remembered) -> bool:
    """Whether it was, which a guest's file may leave out."""
    if host.ansible.get_variables()["inventory_hostname"] != "kx1":
        pytest.skip("it only helps")
    return "absent" not in remembered("night_before")["skipped"]


def test_files_and_packages_are_those_of_before(given_back: bool, remembered: Remembered) -> None:
    if not given_back:
        pytest.skip("as the guest's file has it")
    before, restored = remembered("before"), remembered("restored")
    volatile = re.compile("|".join(["(?!)", *remembered("volatile")]))
    changed = {
        path: (before["files"].get(path), restored["files"].get(path))
        for path in before["files"].keys() | restored["files"].keys()
        if before["files"].get(path) != restored["files"].get(path) and not volatile.search(path)
    }
    assert not changed
    assert restored["packages"] == before["packages"]


def test_nothing_else_is_left(given_back: bool, host: Host) -> None:
    if not given_back:
        pytest.skip("as the guest's file has it")
    host.check_output("! ls -d /var/lib/fleet-kexec /usr/local/sbin/fleet-kexec 2> /dev/null")


def test_all_units_are_up(given_back: bool, host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
