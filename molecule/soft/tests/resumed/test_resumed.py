# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, fleet.kexec contributors
"""A run whose controller is killed while the guest is down, and that another one goes on with.

The boot_id is the same before and after, so only the number of soft reboots says that it is over.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from shared.rollouts import Rollout, kill

COUNT = "systemctl show --property=SoftRebootsCount --value"


@pytest.fixture(scope="module")
def resumed() -> Rollout:
    rollout = Rollout("soft", Path(__file__).resolve().parents[2] / "roll.yml")
    process = rollout.begin()
    rollout.wait_for("host_down", process)
    kill(process)
    assert not rollout.hosts_with("host_verified")
    assert rollout.finish(rollout.resume()) == 0
    return rollout


def test_it_is_done_and_was_rebooted_once(resumed: Rollout, host: Host) -> None:
    records = resumed.journal()
    (intent,) = (record for record in records if record["event"] == "host_intent")
    verified = next(record for record in records if record["event"] == "host_verified")
    assert resumed.hosts_with("host_released") == {"kx1"}
    assert verified["proof"]["proven"] and verified["path"] == "soft"
    assert verified["boot_id"] == intent["boot_id"]
    assert verified["soft_reboots"] == intent["soft_reboots"] + 1 == int(host.check_output(COUNT))
