# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed controller holds or owes is taken over by the resume, whatever becomes of the host then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder, LockError
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.conductor import Conductor
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from ..simulated import Host
from .worlds import HOOKS, World, command

AWAY = SessionError("BECOME_FAILED", "sudo: LDAP is away")
UNAVAILABLE = LockError("LOCK_UNAVAILABLE", "connection refused")
FOR_EVER = 10**6


def killed_at(world: World, event: str, host: str, *, resume: bool = False) -> World:
    """Have the controller killed as soon as this record is on the disk."""
    world.conduct(resume=resume, kill_at=(event, host))
    assert (world.disk[-1]["event"], world.disk[-1].get("host")) == (event, host)
    return world


def owed(world: World, name: str) -> dict[str, str]:
    return {kind: why.code for kind, why in RunState.from_records(world.disk).hosts[name].owed.items()}


def interrupted(world: World, after_s: float = 0.0) -> World:
    """Have the next controller interrupted."""
    world.actions = [(after_s, lambda conductor: conductor.stop(reason("INTERRUPTED", "Ctrl-C")))]
    return world


def interrupted_at(world: World, name: str) -> World:
    """Have the next controller interrupted when an event occurs."""
    conductors: list[Conductor] = []

    def show(event: Event) -> None:
        if event.name == name:
            conductors[0].stop(reason("INTERRUPTED", "Ctrl-C"))

    world.actions = [(0.0, conductors.append)]
    world.show = show  # type: ignore[method-assign]
    world.conduct()
    del world.show
    return world


# Slots.


def holding_a_slot_undrained() -> World:
    """Make a run whose controller was killed after b had a slot, and before it was drained."""
    world = World("a", "b", window=2, hooks=HOOKS, stall_timeout=60)
    world.hosts["b"].module_s = 0.1
    killed_at(world, "host_prepared", "b")
    world.budget.slots, world.budget.held = 1, {"b"}
    return world


def test_a_slot_of_a_host_whose_turn_comes_later_holds_nobody_up() -> None:
    world = holding_a_slot_undrained()
    world.options["window"] = 1
    world.conduct(resume=True)
    assert world.stopped is None and set(world.statuses.values()) == {Status.DONE}
    assert not world.budget.held


def test_a_slot_of_a_host_whose_turn_never_comes_is_given_back() -> None:
    world = interrupted(holding_a_slot_undrained())
    world.conduct(resume=True)
    assert not world.budget.held and owed(world, "b") == {}


def test_a_slot_of_a_host_that_the_play_does_not_have_is_given_back() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.budget.raises["release"] = (UNAVAILABLE, FOR_EVER)
    interrupted_at(world, "host_drained")
    assert world.statuses["a"] is Status.DISCARDED and owed(world, "a") == {"slot": "SLOT_OWED"}
    world.budget.raises.clear()
    world.conduct(resume=True, only=["b"])
    assert not world.budget.held and owed(world, "a") == {}


def test_a_slot_that_is_given_back_late_is_not_taken_from_the_host_that_has_it_again() -> None:
    world = World("a", "b", hooks=HOOKS, max_unavailable={"all": 1})
    killed_at(world, "host_drained", "a")
    # There is no room for it until the bystander is seen up.
    world.bystanders, world.down_at_start = {"x": Host("x")}, ["x"]
    world.budget.raises["release"] = (UNAVAILABLE, 2)
    without: list[float] = []
    world.tick = lambda now: without.append(now) if not world.hosts["a"].up and "a" not in world.budget.held else None  # type: ignore[method-assign]
    world.conduct(resume=True)
    assert world.stopped is None and set(world.statuses.values()) == {Status.DONE}
    assert without == [] and not world.budget.held and owed(world, "a") == {}


def test_a_slot_that_was_given_back_by_hand_is_not_owed_any_more() -> None:
    world = World("a")
    world.budget.raises["release"] = (UNAVAILABLE, FOR_EVER)
    world.conduct()
    assert owed(world, "a") == {"slot": "SLOT_OWED"}
    world.budget.raises, world.budget.held = {}, set()
    world.conduct(resume=True)
    assert owed(world, "a") == {}


def test_a_slot_that_may_have_been_taken_is_given_back() -> None:
    world = World("a", hooks=HOOKS)
    world.budget.lost_answers = 12
    interrupted(world, 10.0).conduct()
    assert world.statuses == {"a": Status.DISCARDED}
    assert not world.budget.held


def test_a_slot_is_kept_for_a_host_that_was_up_before_it_went_down_for_good() -> None:
    world = World("b", "a", failure_budget=2, max_unavailable={"all": 1})
    world.down_at_start = ["a"]
    world.hosts["a"].comes_back = False
    world.conduct()
    assert world.statuses["a"] is Status.FAILED
    assert world.budget.held == {"a"} and owed(world, "a") == {"slot": "SLOT_OWED"}


def test_a_slot_that_another_run_has_by_now_stops_nobody() -> None:
    world = World("a", "b", stall_timeout=30)
    world.hosts["a"].outage_s = 90.0
    killed_at(world, "host_down", "a")
    world.budget.held.clear()
    world.budget.taken_by_others = {"a": Holder("a", "night", "elsewhere", "2026-11-24T12:00:00Z")}
    world.conduct(resume=True)
    assert world.stopped is None and set(world.statuses.values()) == {Status.DONE}


def test_a_slot_is_kept_for_a_host_that_is_down_though_the_lock_was_away_when_the_run_was_resumed() -> None:
    world = World("a")
    world.hosts["a"].comes_back = False
    killed_at(world, "host_down", "a")
    world.budget.raises["acquire"] = (UNAVAILABLE, FOR_EVER)
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.FAILED}
    assert world.budget.held == {"a"} and owed(world, "a") == {"slot": "SLOT_OWED"}


# Images.


def staged_before() -> World:
    """Make a run whose controller was killed when b was prepared."""
    world = World("a", "b", window=2, hooks=HOOKS, failure_budget=2)
    world.hosts["b"].module_s = 0.1
    killed_at(world, "host_prepared", "b")
    assert world.hosts["b"].staged
    return world


@pytest.mark.parametrize("error", [None, AWAY, SessionLost("no answer")])
def test_an_image_from_before_is_unloaded_from_a_host_that_is_not_prepared_again(error: Exception | None) -> None:
    world = staged_before()
    host = world.hosts["b"]
    if error is None:
        host.facts_error = {"code": "KERNEL_UNKNOWN", "msg": "no"}
    else:
        host.raises["boot_facts"] = (error, 1)
    world.conduct(resume=True)
    assert world.statuses["b"] in (Status.REFUSED, Status.FAILED)
    assert host.staged is None and owed(world, "b") == {}


def test_an_image_from_before_that_cannot_be_unloaded_is_still_owed() -> None:
    world = World("a", hooks=HOOKS)
    host = world.hosts["a"]
    host.raises = {"call off": (AWAY, FOR_EVER)}
    interrupted_at(world, "host_prepared")
    assert owed(world, "a") == {"image": "IMAGE_OWED"}
    host.facts_error = {"code": "KERNEL_UNKNOWN", "msg": "no"}
    world.conduct(resume=True)
    assert host.staged and owed(world, "a") == {"image": "IMAGE_OWED"}


def test_an_image_from_before_is_unloaded_from_a_host_that_needs_no_reboot_any_more() -> None:
    world = World("a", "b", window=2)
    world.only = "pending"
    for host in world.hosts.values():
        host.needs = [reason("PENDING_KERNEL", "a newer kernel").as_dict()]
    world.hosts["b"].module_s = 0.1
    world.options["only"] = "pending"
    killed_at(world, "host_prepared", "b")
    world.hosts["b"].needs = []
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE, "b": Status.NOT_NEEDED}
    assert world.hosts["b"].staged is None and owed(world, "b") == {}


def test_an_image_on_a_host_that_there_is_no_way_to_any_more_is_owed() -> None:
    world = interrupted(staged_before())
    world.no_way_to = {"b"}
    world.conduct(resume=True)
    assert owed(world, "b") == {"image": "IMAGE_OWED"}


def test_images_of_hosts_whose_turn_never_comes_are_unloaded_at_once() -> None:
    names = "abcdefgh"
    world = World(*names, window=8)
    world.hosts["h"].module_s = 1.5
    killed_at(world, "host_prepared", "g")
    for host in world.hosts.values():
        host.command_s = 20.0
    began = world.now
    interrupted(world).conduct(resume=True)
    assert not any(host.staged for host in world.hosts.values())
    assert world.now - began < 60.0


# Drains.


def test_a_drain_that_was_owed_is_over_once_the_host_is_drained_to_be_rebooted() -> None:
    world = World("a", hooks=HOOKS)
    host = world.hosts["a"]
    host.answers["undrain"] = (1, "the balancer is away")
    interrupted_at(world, "host_drained")
    assert world.statuses == {"a": Status.DISCARDED} and owed(world, "a") == {"drain": "DRAIN_OWED"}
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.FAILED} and host.boots_so_far == 1
    assert owed(world, "a") == {}, "it stays drained, as any that failed after its reboot"
    state: Any = RunState.from_records(world.disk).hosts["a"]
    assert state.withheld == frozenset()


# Hosts that turn out to be up.


def test_a_reboot_that_is_called_off_while_hooks_notify_of_it_does_not_count_as_down() -> None:
    world = World("a", "b", failure_budget=1, hooks={"on_failure": [command("page", "someone")] * 4})
    world.reboot_timeout_s = 40.0
    host = world.hosts["a"]
    host.inhibited_s, host.command_s = 1e6, 5.0
    host.raises["call off"] = (AWAY, 2)
    world.conduct()
    assert world.code("a") == "REBOOT_TIMEOUT"
    failed = next(record for record in world.disk if record["event"] == "host_failed")
    unstaged = next(record for record in world.disk if record["event"] == "host_unstaged" and record["host"] == "a")
    assert world.disk.index(unstaged) < world.disk.index(failed) and failed["down"] is False


def test_a_host_whose_trigger_was_lost_is_refused_if_it_is_locked_down_by_now() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.hosts["a"].lost_triggers = 1
    killed_at(world, "host_intent", "a")
    world.hosts["a"].facts_error = {"code": "LOCKDOWN", "msg": "locked down"}
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.REFUSED, "b": Status.DONE}
    assert world.hosts["a"].log[-1] == "run lb undrain" and not world.budget.held


def test_what_is_taken_over_is_paid_though_a_conductor_is_stopped_at_once() -> None:
    world = World("a", hooks=HOOKS)
    world.hosts["a"].raises["restore panic"] = (AWAY, FOR_EVER)
    world.conduct()
    assert owed(world, "a") == {"panic": "PANIC_OWED"}
    world.hosts["a"].raises.clear()
    stopped: list[Conductor] = []
    world.actions = [(0.0, stopped.append)]
    interrupted(world).conduct(resume=True)
    assert owed(world, "a") == {}


# What can't be told from the lock.


def test_a_slot_whose_record_cannot_be_read_is_owed() -> None:
    world = interrupted(holding_a_slot_undrained())
    world.budget.unreadable = {"b"}
    world.conduct(resume=True)
    assert world.budget.held == {"b"} and owed(world, "b") == {"slot": "SLOT_OWED"}
    assert "can't be read" in RunState.from_records(world.disk).hosts["b"].owed["slot"].message


def test_slots_are_owed_by_the_journal_while_the_lock_does_not_say_which_are_held() -> None:
    world = holding_a_slot_undrained()
    world.budget.raises = {"holders": (UNAVAILABLE, FOR_EVER), "release": (UNAVAILABLE, FOR_EVER)}
    world.conduct(resume=True)
    assert world.stopped == "LOCK_UNAVAILABLE"
    assert owed(world, "b") == {"slot": "SLOT_OWED"}
    world.budget.raises.clear()
    world.conduct(resume=True)
    assert not world.budget.held and owed(world, "b") == {}


def test_whatever_is_left_of_a_host_that_there_is_no_way_to_and_that_is_not_to_be_rebooted_is_owed() -> None:
    world = killed_at(World("a", "b", hooks=HOOKS), "host_drained", "a")
    world.no_way_to = {"a"}
    world.conduct(resume=True, only=["b"])
    assert owed(world, "a") == {"image": "IMAGE_OWED", "drain": "DRAIN_OWED", "slot": "SLOT_OWED"}


# Images of preparations that told nothing.


def test_an_image_is_unloaded_whose_preparation_was_lost_before_it_said_anything() -> None:
    world = World("a")
    host = world.hosts["a"]
    module = host.module

    async def lose_answer(name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        answer = await module(name, args, timeout_s)
        if name == "fleet.kexec.stage":
            raise SessionLost("no answer")
        return answer

    host.module = lose_answer  # type: ignore[method-assign]
    host.raises["call off"] = (AWAY, FOR_EVER)
    world.conduct()
    assert host.staged
    assert world.statuses == {"a": Status.FAILED} and owed(world, "a") == {"image": "IMAGE_OWED"}
    host.raises.clear()
    world.conduct(resume=True)
    assert host.staged is None and owed(world, "a") == {}


def test_an_image_is_unloaded_from_a_host_that_owed_nothing_but_its_slot() -> None:
    world = World("a", hooks=HOOKS)
    world.budget.raises["release"] = (UNAVAILABLE, FOR_EVER)
    interrupted_at(world, "host_drained")
    killed_at(world, "host_prepared", "a", resume=True)
    assert world.hosts["a"].staged and owed(world, "a") == {"slot": "SLOT_OWED"}
    world.budget.raises.clear()
    interrupted(world).conduct(resume=True)
    assert world.hosts["a"].staged is None and owed(world, "a") == {}


# Reboots that may begin yet, or may be under way.


def test_a_host_of_which_nobody_knows_whether_it_was_triggered_stays_drained_until_it_is_asked() -> None:
    world = World("a", hooks=HOOKS)
    host = world.hosts["a"]
    # The trigger is lost, and so is the way to the host.
    host.raises = {call: (SessionLost("no answer"), FOR_EVER) for call in ("trigger", "state", "call off")}
    host.probes_reach = False
    world.conduct()
    assert world.statuses == {"a": Status.FAILED} and world.code("a") == "REBOOT_TIMEOUT"
    assert "host_triggered" not in world.events("a"), "it has acknowledged nothing"
    assert owed(world, "a") == {"image": "IMAGE_OWED", "slot": "SLOT_OWED"}
    assert "run lb undrain" not in host.log
    host.raises.clear()
    world.conduct(resume=True)
    assert host.staged is None and host.log.count("run lb undrain") == 1
    assert owed(world, "a") == {} and not world.budget.held


def test_a_host_that_may_not_have_been_triggered_and_does_not_answer_a_retry_is_asked_on() -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=1)
    host = world.hosts["a"]
    host.raises = {call: (SessionLost("no answer"), FOR_EVER) for call in ("trigger", "state", "call off")}
    host.probes_reach = False
    world.conduct()
    assert owed(world, "a") == {"image": "IMAGE_OWED", "slot": "SLOT_OWED"}
    # It does not answer when it is asked first, and does a little later.
    host.raises = {"state": (SessionLost("no answer"), 2)}
    world.conduct(resume=True, retry_failed=True)
    assert world.statuses["a"] is Status.FAILED and world.code("a") == "UNREACHABLE"
    assert host.staged is None and host.log.count("run lb undrain") == 1
    assert owed(world, "a") == {} and "a" not in world.budget.held


@pytest.mark.parametrize("up", [False, True])
def test_a_host_that_is_down_since_it_failed_is_not_put_back_by_a_retry(up: bool) -> None:
    world = World("a", hooks=HOOKS)
    host = world.hosts["a"]
    host.comes_back, host.beside = False, {"drain", "undrain", "someone"}
    world.conduct()
    assert world.statuses == {"a": Status.FAILED}
    if up:
        host.comes_back, host.up_at = True, world.now
    world.conduct(resume=True, retry_failed=True)
    if up:
        assert world.statuses == {"a": Status.DONE} and host.boots_so_far == 2
        assert owed(world, "a") == {} and not world.budget.held
        return
    assert world.statuses == {"a": Status.FAILED} and world.code("a") == "UNREACHABLE"
    assert "run lb undrain" not in host.log and world.budget.held == {"a"}
    assert owed(world, "a") == {"slot": "SLOT_OWED"}


def came_back_wrong_and_lost_its_second_trigger() -> World:
    """Make a run whose controller was killed when it was about to trigger a reboot through firmware after an unproven one."""

    def begun() -> World:
        world = World("a", "b", hooks=HOOKS, fallback="firmware", failure_budget=1)
        world.hosts["a"].boots = "foreign"
        return world

    whole = begun().conduct().disk
    intents = [number for number, each in enumerate(whole, 1) if (each["event"], each.get("host")) == ("host_intent", "a")]
    world = begun().conduct(kill_after=intents[1])
    host = world.hosts["a"]
    host.down_at = host.up_at = float("inf")
    assert host.boots_so_far == 1 and world.disk[-1]["event"] == "host_intent"
    return world


def test_a_host_that_came_back_wrong_stays_drained_if_it_is_not_rebooted_again() -> None:
    world = came_back_wrong_and_lost_its_second_trigger()
    world.conduct(resume=True, only=["b"])
    assert world.statuses["a"] is Status.FAILED and world.code("a") == "NOT_PROVEN"
    assert "run lb undrain" not in world.hosts["a"].log and "a" not in world.budget.held


def test_a_host_that_came_back_wrong_and_is_refused_then_has_failed() -> None:
    world = came_back_wrong_and_lost_its_second_trigger()
    world.hosts["a"].facts_error = {"code": "LOCKDOWN", "msg": "locked down"}
    world.conduct(resume=True)
    assert world.statuses["a"] is Status.FAILED and world.code("a") == "LOCKDOWN"
    assert "run lb undrain" not in world.hosts["a"].log
