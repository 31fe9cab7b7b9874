# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of hosts to the scripts that are run on them."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot import scripts


@pytest.mark.parametrize("text", ["", "boot_id=x", "boot_id=\nrelease=1\ncmdline=ro", "garbage"])
def test_a_state_that_makes_no_sense(text: str) -> None:
    assert scripts.parse_state(text) is None


def test_a_state_with_equals_signs_in_the_command_line() -> None:
    state = scripts.parse_state("boot_id=x\nrelease=1\nbootloader_type=\ncmdline=root=UUID=1 ro")
    assert state is not None
    assert state.evidence.cmdline == "root=UUID=1 ro"
    assert state.evidence.bootloader_type is None
    assert not state.idle, "nothing is certain of a host that says so little"


def test_a_host_that_is_idle_for_certain() -> None:
    base = "boot_id=x\nrelease=1\ncmdline=ro\ntimer=inactive\ntrigger=inactive\n"
    for lines, idle in (
        ("system=running\npreparing=b false", True),
        ("system=degraded\npreparing=", True),
        ("system=running\npreparing=b true", False),
        ("system=stopping\npreparing=", False),
        ("system=\npreparing=", False),
    ):
        state = scripts.parse_state(base + lines)
        assert state is not None
        assert state.idle is idle
