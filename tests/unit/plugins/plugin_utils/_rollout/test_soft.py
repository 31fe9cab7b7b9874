# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts of soft reboots, whose boot_id tells nothing, and controllers that die in them."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status

from ..simulated import STAGED
from .worlds import HOOKS, World

BLOCKED = {"code": "SOFT_INCOMPLETE", "message": "a soft reboot keeps the running kernel", "hint": "Reboot via kexec"}


def soft_world(*names: str) -> World:
    world = World(*names, hooks=HOOKS, failure_budget=1)
    world.method = "soft"
    return world


def test_hosts_are_done_and_the_journal_says_by_what() -> None:
    world = soft_world("a", "b")
    world.conduct()
    assert world.statuses == {"a": Status.DONE, "b": Status.DONE}
    state = RunState.from_records(world.disk).hosts["a"]
    assert (state.method, state.path, state.boot_id, state.boot_id_after) == ("soft", "soft", "old-a", "old-a")
    assert (state.soft_reboots, state.soft_reboots_after) == (0, 1)
    assert state.remembered == "old-a" and state.compared


@pytest.mark.parametrize("event", ["host_intent", "host_triggered", "host_down", "host_back", "host_verified"])
def test_a_host_is_rebooted_once_whenever_the_controller_dies(event: str) -> None:
    world = soft_world("a", "b")
    world.conduct(kill_at=(event, "a"))
    # It is back by then, on the kernel that it had.
    world.now += 60
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE, "b": Status.DONE}
    assert (world.hosts["a"].soft_reboots, world.triggers("a")) == (1, 1)
    state = RunState.from_records(world.disk).hosts["a"]
    assert state.proof is not None and state.proof["proven"]


def test_a_trigger_that_a_dead_controller_could_not_send_is_sent_by_the_next() -> None:
    world = soft_world("a")
    world.hosts["a"].lost_triggers = 1
    world.conduct(kill_at=("host_intent", "a"))
    world.now += 60
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE} and world.hosts["a"].soft_reboots == 1


def test_a_host_that_cannot_is_refused_before_it_is_drained() -> None:
    world = soft_world("a", "b")
    world.hosts["a"].soft = {"blockers": [BLOCKED], "warnings": []}
    world.conduct()
    assert world.statuses == {"a": Status.REFUSED, "b": Status.DONE}
    assert world.code("a") == "SOFT_INCOMPLETE" and "host_draining" not in world.events("a")


def test_a_host_that_is_degraded_goes_through_firmware_where_that_is_allowed() -> None:
    world = soft_world("a")
    world.fallback = "firmware"
    world.hosts["a"].machine.differs = {1: [{"code": "NIC_LOST", "subject": "eno1", "before": "up", "after": None}]}
    for each in world.hosts["a"].machine.differs[1]:
        each.update(effect="fail", message="eno1 is gone")
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    state = RunState.from_records(world.disk).hosts["a"]
    assert (state.path, [each.code for each in state.reasons]) == ("firmware", ["DEGRADED"])


def test_a_soft_reboot_by_somebody_else_does_not_end_a_kexec() -> None:
    """It keeps the kernel, and the image that is loaded, so the host is told once more."""
    world = World("a")
    host = world.hosts["a"]
    host.staged = dict(STAGED)
    host.lost_triggers = 1
    world.conduct(kill_at=("host_intent", "a"))
    host.soft_reboots += 1
    world.now += 60
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE}
    assert RunState.from_records(world.disk).hosts["a"].path == "kexec"
