# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A machine that is back, has lost something, and was not compared yet when its controller was killed.

A link may come late, so the comparison waits for it: long enough to be killed meanwhile.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from lab.lab import execute
from shared.guests import guests
from shared.rollouts import Rollout, kill

PLAYBOOK = Path(__file__).resolve().parents[2] / "roll.yml"
GUEST = "kx1"
NIC = "spare-nic"
TASK_FAILED = 2

KILLED = Rollout("killed", PLAYBOOK)


def set_link(up: bool) -> None:
    """Connect the second interface, or disconnect it."""
    execute(Path(guests()[GUEST]["lab_dir"]), [{"execute": "set_link", "arguments": {"name": NIC, "up": up}}])


@pytest.fixture(scope="module")
def resumed() -> int:
    """Exit code of the playbook that went on."""
    process = KILLED.begin()
    KILLED.wait_for("host_down", process)
    set_link(False)
    try:
        KILLED.wait_for("host_verified", process)
        kill(process)
        assert not KILLED.hosts_with("host_compared"), "it was killed too late"
        return KILLED.finish(KILLED.resume())
    finally:
        set_link(True)


def test_it_is_compared_once_by_who_goes_on(resumed: int) -> None:
    records = KILLED.journal()
    (compared,) = (record for record in records if record["event"] == "host_compared")
    (resumption,) = (record for record in records if record["event"] == "run_resumed")
    assert compared["seq"] > resumption["seq"]
    assert compared["compared"]
    assert [(each["code"], each["effect"]) for each in compared["differences"]] == [("NIC_NO_CARRIER", "fail")]


def test_it_fails(resumed: int) -> None:
    (failed,) = (record for record in KILLED.journal() if record["event"] == "host_failed")
    assert failed["reason"]["code"] == "DEGRADED"
    assert resumed == TASK_FAILED


def test_it_was_rebooted_once(resumed: int, host: Host) -> None:
    boots = [record["boot_id"] for record in KILLED.journal() if record["event"] == "host_verified"]
    assert set(boots) == {host.file("/proc/sys/kernel/random/boot_id").content_string.strip()}
