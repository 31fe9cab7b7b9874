# SPDX-License-Identifier: GPL-3.0-or-later
"""What was begun is given back, whatever fails: rollouts in which each call of a session and of the lock raises each error."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.host_state import HostState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.phases import PHASES
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.conductor import Conductor
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.debts import Kind
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.debts import owed as owed_reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import ENDED, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from .._reboot.reboots import LOCKED
from .worlds import HOOKS, World, command, lose_after

AWAY = SessionError("BECOME_FAILED", "sudo: LDAP is away")
FOR_EVER = 10**6
CALLS = [
    *("boot_facts", "stage", "timeline"),
    *("trigger", "call off", "state", "clock", "restore panic", "trigger log"),
    *("drain", "undrain", "someone"),
]
ERRORS: list[Exception] = [
    SessionLost("no answer"),
    AWAY,
    SessionError("CONNECTION_FAILED", "Permission denied (publickey)"),
    SessionError("HOST_KEY_CHANGED", "REMOTE HOST IDENTIFICATION HAS CHANGED"),
    SessionError("MODULE_FAILED", "SyntaxError"),
]
CODES = {"UNREACHABLE", "BECOME_FAILED", "CONNECTION_FAILED", "HOST_KEY_CHANGED", "MODULE_FAILED"}


def host_of(world: World, name: str = "a") -> HostState:
    return RunState.from_records(world.disk).hosts[name]


def debts(world: World, event: str, name: str = "a") -> list[str]:
    return [record["debt"] for record in world.disk if record["event"] == event and record["host"] == name]


def owed(world: World, name: str = "a") -> dict[str, str]:
    return {kind: why.code for kind, why in host_of(world, name).owed.items()}


# A host ends in exactly one way, whatever its session raises.


@pytest.mark.parametrize("times", [1, 2, FOR_EVER])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.reason.code)
@pytest.mark.parametrize("call", CALLS)
def test_whatever_a_session_raises_a_host_ends_in_one_way(call: str, error: SessionError, times: int) -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=2)
    world.reboot_timeout_s = 60.0
    host = world.hosts["a"]
    host.raises[call] = (error, times)
    world.conduct()
    assert world.stopped is None
    assert world.statuses["b"] is Status.DONE, "the others are none the worse"
    ends = [event for event in world.events("a") if event in ("host_released", "host_failed", "host_refused")]
    assert len(ends) == 1, world.events("a")
    assert PHASES[host_of(world).phase].status in ENDED
    code = world.code("a")
    if world.statuses["a"] is Status.FAILED:
        assert code in CODES | {"NOT_REBOOTED", "REBOOT_TIMEOUT", "TRIGGER_FAILED", "HOOK_FAILED"}
        assert code != "INTERNAL_ERROR"
    else:
        assert world.statuses["a"] is Status.DONE and host.boots_so_far == 1
    # What is left is known.
    state = host_of(world)
    left: set[str] = set()
    if host.staged:
        left.add("image")
    if host.boots_so_far == 1 and host.panic != ("0", "0") and state.path:
        left.add("panic")
    if "a" in world.budget.held:
        left.add("slot")
    drained = host.log.count("run lb drain") > host.log.count("run lb undrain")
    if drained and not host.boots_so_far:
        left.add("drain") if not state.withheld else left
    assert left <= set(state.owed), (left, state.owed, host.log)
    assert set(state.owed) - {"drain"} <= left | {"image"}
    assert set(debts(world, "host_owes")) == set(debts(world, "host_paid")) | set(state.owed)


@pytest.mark.parametrize("call", [call for call in CALLS if call not in ("boot_facts", "timeline")])
def test_a_bug_on_the_way_leaves_nothing_behind_unsaid(call: str) -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=2)
    world.hosts["a"].raises[call] = (ZeroDivisionError("a bug"), 1)
    world.conduct()
    assert world.stopped is None and world.statuses["b"] is Status.DONE
    assert world.statuses["a"] in (Status.FAILED, Status.DONE)
    assert not owed(world) or world.code("a") == "INTERNAL_ERROR"


# Each kind of debt.


def test_a_setting_that_cannot_be_restored_fails_no_healthy_host() -> None:
    world = World("a", hooks=HOOKS)
    world.hosts["a"].raises["restore panic"] = (AWAY, 2)
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert debts(world, "host_owes") == debts(world, "host_paid") == ["panic"]
    assert world.hosts["a"].panic == ("0", "0")


def test_what_is_owed_at_the_end_is_told_with_a_way_out() -> None:
    world = World("a")
    world.hosts["a"].raises["restore panic"] = (AWAY, FOR_EVER)
    began = world.now
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert owed(world) == {"panic": "PANIC_OWED"}
    assert "LDAP is away" in host_of(world).owed["panic"].message
    assert world.now - began < 60.0


def test_a_setting_is_gone_with_the_boot_it_is_of() -> None:
    world = World("a", "b")
    host = world.hosts["a"]
    host.raises["restore panic"] = (AWAY, FOR_EVER)

    def reboot(conductor: Conductor) -> None:
        # Somebody does, while the rollout goes on.
        host.down_at, host.up_at, host.verb = host.now, host.now + 3.0, "reboot"
        host.panic = ("0", "0")

    world.actions = [(14.0, reboot)]
    world.conduct()
    assert world.statuses == {"a": Status.DONE, "b": Status.DONE}
    assert host.boots_so_far == 2
    assert owed(world) == {} and debts(world, "host_paid") == ["panic"]


def test_sudo_that_is_away_at_the_trigger_leaves_the_host_up_and_in_service() -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=1, max_unavailable={"all": 1})
    host = world.hosts["a"]
    host.raises = {"trigger": (AWAY, 1), "call off": (AWAY, 3)}
    world.conduct()
    assert world.code("a") == "BECOME_FAILED"
    assert not host_of(world).down and host.boots_so_far == 0
    assert host.log.count("run lb undrain") == 1 and host.staged is None
    assert debts(world, "host_owes") == debts(world, "host_paid") == ["image"]
    assert world.statuses["b"] is Status.DONE
    assert not world.budget.held


def test_a_host_that_is_still_drained_counts_until_it_is_not() -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=1, max_unavailable={"all": 1})
    host = world.hosts["a"]
    host.answers["drain"] = (1, "still 7 connections")
    host.answers["undrain"] = (1, "the balancer is away")
    world.actions = [(60.0, lambda conductor: host.answers.pop("undrain"))]
    world.conduct()
    assert world.statuses == {"a": Status.FAILED, "b": Status.DONE}
    assert debts(world, "host_owes") == debts(world, "host_paid") == ["drain"]
    order = [(record["event"], record.get("host")) for record in world.disk]
    assert order.index(("host_paid", "a")) < order.index(("host_draining", "b"))


def test_a_host_that_is_still_drained_at_the_end_is_told_and_a_resume_undrains_it() -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=0)
    host = world.hosts["a"]
    host.answers["drain"] = (1, "still 7 connections")
    host.answers["undrain"] = (1, "the balancer is away")
    world.conduct()
    assert owed(world) == {"drain": "DRAIN_OWED"}
    assert "the balancer is away" in host_of(world).owed["drain"].message
    host.answers.clear()
    undrained = host.log.count("run lb undrain")
    world.now += 100.0
    world.conduct(resume=True)
    assert owed(world) == {} and host.log.count("run lb undrain") == undrained + 1
    assert world.triggers("a") == 0, "it had failed, and stays so"


def test_a_resume_pays_an_image_unless_the_host_has_rebooted_since() -> None:
    for rebooted in (False, True):
        world = World("a", hooks=HOOKS)
        host = world.hosts["a"]
        host.answers["drain"] = (1, "still 7 connections")
        host.call_off_rc = 1
        world.conduct()
        assert owed(world) == {"image": "IMAGE_OWED"}
        host.call_off_rc = 0
        if rebooted:
            host.boot_id, host.staged = "another", {"token": "somebody else's"}
        world.conduct(resume=True)
        assert owed(world) == {}
        assert (host.staged is None) is not rebooted, "what another has staged since is not ours to unload"


def test_a_reboot_that_can_be_called_off_at_last_puts_the_host_back() -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=1, max_unavailable={"all": 1})
    world.reboot_timeout_s = 40.0
    host = world.hosts["a"]
    host.inhibited_s, host.call_off_rc = 1e6, 1

    def call_off_works(conductor: Conductor) -> None:
        host.call_off_rc = 0

    world.actions = [(100.0, call_off_works)]
    world.conduct()
    assert world.code("a") == "REBOOT_TIMEOUT"
    assert host.log.count("run lb undrain") == 1 and host.staged is None and host.boots_so_far == 0
    assert debts(world, "host_owes") == ["image", "slot"] and set(debts(world, "host_paid")) == {"image", "slot"}
    assert world.statuses["b"] is Status.DONE and not world.budget.held
    order = [(record["event"], record.get("host")) for record in world.disk]
    assert order.index(("host_unstaged", "a")) < order.index(("host_draining", "b"))
    assert not host_of(world).down


def test_an_image_that_nobody_can_unload_is_owed_and_holds_up_nobody() -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=1, max_unavailable={"all": 1})
    host = world.hosts["a"]
    host.load_disabled, host.trigger_rc = True, 1
    world.conduct()
    assert world.code("a") == "TRIGGER_FAILED"
    assert owed(world) == {"image": "UNLOAD_DISABLED"}
    assert host.log.count("run lb undrain") == 1 and not host_of(world).down
    assert world.statuses["b"] is Status.DONE and not world.budget.held


def test_a_reboot_that_is_called_off_late_ends_though_its_image_stays() -> None:
    world = World("a", "b", hooks=HOOKS, failure_budget=1, max_unavailable={"all": 1})
    world.reboot_timeout_s = 40.0
    host = world.hosts["a"]
    host.inhibited_s, host.call_off_rc, host.load_disabled = 1e6, 1, True

    def call_off_works(conductor: Conductor) -> None:
        host.call_off_rc = 0

    world.actions = [(100.0, call_off_works)]
    world.conduct()
    assert host.log.count("run lb undrain") == 1 and host.staged is not None and host.boots_so_far == 0
    assert [record["ok"] for record in world.disk if record["event"] == "host_unstaged"] == [False]
    assert world.statuses["b"] is Status.DONE and not world.budget.held


# Slots.


def test_a_lock_that_is_away_for_a_moment_costs_no_slot() -> None:
    world = World("a", "b")
    world.budget.raises["release"] = (LockError("LOCK_UNAVAILABLE", "connection refused"), 3)
    world.conduct()
    assert set(world.statuses.values()) == {Status.DONE}
    assert debts(world, "host_owes") == debts(world, "host_paid") == ["slot"]
    assert not world.budget.held


@pytest.mark.parametrize("call", ["acquire", "confirm"])
def test_a_lock_that_is_away_for_a_moment_is_asked_again(call: str) -> None:
    world = World("a", hooks=HOOKS)
    world.budget.raises[call] = (LockError("LOCK_UNAVAILABLE", "connection refused"), 5)
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    began = world.now
    world = World("a", hooks=HOOKS)
    world.budget.raises[call] = (LockError("LOCK_UNAVAILABLE", "connection refused"), FOR_EVER)
    world.conduct()
    assert (world.statuses, world.stopped) == ({"a": Status.DISCARDED}, "LOCK_UNAVAILABLE")
    assert world.triggers("a") == 0 and world.now - began < world.budget.patience_s + 60.0


def test_an_interrupt_ends_the_wait_for_a_lock_that_is_away() -> None:
    world = World("a", hooks=HOOKS)
    world.budget.away, world.budget.patience_s = True, 3600.0
    world.actions = [(20.0, lambda conductor: conductor.stop(reason("INTERRUPTED", "Ctrl-C")))]
    began = world.now
    world.conduct()
    assert world.statuses == {"a": Status.DISCARDED} and world.stopped == "INTERRUPTED"
    assert world.now - began < 60.0 and world.hosts["a"].staged is None
    assert "run lb drain" not in world.hosts["a"].log


def test_a_slot_that_cannot_be_given_back_is_told_and_a_resume_does_it() -> None:
    world = World("a")
    world.budget.raises["release"] = (LockError("LOCK_UNAVAILABLE", "no space left on device"), FOR_EVER)
    world.conduct()
    assert world.statuses == {"a": Status.DONE} and world.budget.held == {"a"}
    assert owed(world) == {"slot": "SLOT_OWED"}
    assert "no space left on device" in host_of(world).owed["slot"].message
    world.budget.raises.clear()
    world.conduct(resume=True)
    assert owed(world) == {} and not world.budget.held


def test_the_slot_of_a_host_that_stays_down_is_kept_until_it_is_up() -> None:
    world = World("a", "b", failure_budget=0)
    world.hosts["a"].comes_back = False
    world.conduct()
    assert world.statuses == {"a": Status.FAILED, "b": Status.DISCARDED}
    assert world.budget.held == {"a"} and owed(world) == {"slot": "SLOT_OWED"}
    # A resume that sees nothing of it keeps it; one that sees it come back gives it back.
    world.options["failure_budget"] = 1
    world.hosts["b"].stage_error = LOCKED
    world.conduct(resume=True)
    assert world.budget.held == {"a"} and owed(world) == {"slot": "SLOT_OWED"}
    world.hosts["b"].stage_error, world.hosts["b"].outage_s = None, 100.0
    world.hosts["a"].up_at = world.now + 50.0
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.FAILED, "b": Status.DONE}
    assert world.budget.held == set() and owed(world) == {}


def test_a_late_host_gives_its_slot_back() -> None:
    world = World("a", "b", failure_budget=1)
    world.hosts["a"].outage_s = 130.0
    world.hosts["b"].outage_s = 100.0
    world.conduct()
    assert world.statuses == {"a": Status.FAILED, "b": Status.DONE}
    assert debts(world, "host_owes") == debts(world, "host_paid") == ["slot"]
    assert not world.budget.held


def test_without_a_number_of_slots_none_is_kept() -> None:
    world = World("a")
    world.budget.counted = False
    world.hosts["a"].comes_back = False
    world.conduct()
    assert not world.budget.held and owed(world) == {}


def test_after_an_interrupt_what_is_owed_is_still_paid() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.hosts["a"].raises["restore panic"] = (AWAY, 4)
    world.actions = [(10.0, lambda conductor: conductor.stop(reason("INTERRUPTED", "Ctrl-C")))]
    world.conduct()
    assert world.stopped == "INTERRUPTED" and world.statuses["a"] is Status.DONE
    assert owed(world) == {} and world.hosts["a"].panic == ("0", "0")


def test_a_full_disk_keeps_nothing_from_being_given_back() -> None:
    world = World("a", "b", hooks=HOOKS)
    host = world.hosts["a"]
    host.lost_call_offs = 3

    def fill(conductor: Conductor) -> None:
        world.disk_full = True

    world.actions = [(2.3, fill)]
    world.conduct()
    assert world.stopped == "JOURNAL_FAILED"
    assert host.staged is None and not world.budget.held
    assert host.log.count("run lb drain") == host.log.count("run lb undrain")


def test_a_lease_that_is_lost_leaves_no_slot_unsaid() -> None:
    world = World("a", hooks=HOOKS)
    lose_after(world, "host_triggered")
    world.budget.raises["release"] = (LockError("LOCK_LOST", "another process holds the run"), FOR_EVER)
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert owed(world) == {"slot": "SLOT_OWED"}


def test_kinds_of_debts_have_codes() -> None:
    for kind in Kind:
        made: Any = owed_reason(kind, reason("UNREACHABLE", "no route"))
        assert made.code == "%s_OWED" % kind.value.upper() and made.hint
        assert owed_reason(kind, made) is made


def test_a_killed_controller_s_debts_are_paid_by_the_next_one() -> None:
    def begun() -> World:
        world = World("a", "b", window=2, hooks=HOOKS, failure_budget=2)
        world.hosts["a"].raises = {"trigger": (AWAY, 1), "call off": (AWAY, 2)}
        world.hosts["b"].raises = {"restore panic": (AWAY, 3)}
        return world

    whole = begun().conduct()
    for record_number in range(1, len(whole.disk) + 1):
        world = begun()
        world.conduct(kill_after=record_number)
        world.now += 5.0
        world.conduct(resume=True)
        for name, host in world.hosts.items():
            assert owed(world, name) == {}, record_number
            assert host.staged is None and host.panic == ("0", "0"), record_number
            assert host.log.count("run lb undrain") >= 1, record_number
        assert not world.budget.held, record_number


def test_hooks_of_hosts_that_never_answer_take_no_longer_than_is_allowed() -> None:
    world = World("a", hooks={"before": [command("lb", "drain")], "after": [command("lb", "undrain", timeout=5.0)]})
    world.hosts["a"].answers["drain"] = (1, "no")
    world.hosts["a"].raises["undrain"] = (SessionLost("no answer"), FOR_EVER)
    began = world.now
    world.conduct()
    assert owed(world) == {"drain": "DRAIN_OWED"} and world.now - began < 60.0
