# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts in which each host is rebooted by the least that it needs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status

from ..garbage import GARBAGE
from .worlds import HOOKS, World


def need(method: str) -> dict[str, str]:
    return {"code": "PENDING_PACKAGES", "message": "updates", "hint": "Reboot the host.", "method": method}


def world_of(**methods: str) -> World:
    world = World(*methods, hooks=HOOKS, failure_budget=1)
    world.method = "least"
    for name, method in methods.items():
        world.hosts[name].needs = [need(method)] if method else []
    return world


def test_each_host_goes_its_own_way() -> None:
    world = world_of(a="", b="soft", c="kexec", d="firmware")
    world.conduct()
    assert world.statuses == {"a": Status.NOT_NEEDED, **dict.fromkeys("bcd", Status.DONE)}
    state = RunState.from_records(world.disk)
    assert {name: host.path for name, host in state.hosts.items() if host.path} == {"b": "soft", "c": "kexec", "d": "firmware"}
    assert [each.code for each in state.hosts["b"].needed] == ["PENDING_PACKAGES"]
    assert world.triggers("a") == 0 and not any("drain" in line or "stage" in line for line in world.hosts["a"].log)


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_a_host_that_answers_garbage_is_refused_and_the_others_go_on(answer: dict[str, Any]) -> None:
    world = world_of(a="soft", b="kexec")
    world.hosts["a"].instead["boot_facts"] = answer
    world.conduct()
    assert world.statuses == {"a": Status.REFUSED, "b": Status.DONE}
    why = RunState.from_records(world.disk).hosts["a"].reason
    assert why is not None and why.code == "FACTS_UNREADABLE"


def test_a_host_that_was_drained_is_rebooted_even_if_it_needs_it_no_more() -> None:
    world = world_of(a="kexec")
    world.conduct(kill_at=("host_intent", "a"))
    assert world.triggers("a") == 0
    world.hosts["a"].needs = []
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE} and world.triggers("a") == 1


def test_a_soft_reboot_by_somebody_else_does_not_end_a_kexec() -> None:
    world = world_of(a="kexec")
    world.hosts["a"].lost_triggers = 1
    world.conduct(kill_at=("host_intent", "a"))
    world.hosts["a"].soft_reboots += 1
    world.now += 60
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE}
    assert RunState.from_records(world.disk).hosts["a"].path == "kexec"
