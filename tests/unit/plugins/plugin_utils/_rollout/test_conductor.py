# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts of simulated hosts, on a simulated clock, with the real scheduler, journal records and host runs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import TRIGGER
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import time_of, utc
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import outcome_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.phases import Resume
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.conductor import Conductor
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status

from ..simulated import Host
from .worlds import HOOKS, World, command, lose_after


def test_three_hosts_one_after_the_other() -> None:
    world = World("a", "b", "c", hooks=HOOKS).conduct()
    assert set(world.statuses.values()) == {Status.DONE}
    assert world.most_down == 1
    assert world.stopped is None
    assert world.hosts["a"].log == [
        "stage {}",
        "run lb drain",
        "trigger kexec 0.500",
        "run lb undrain",
    ]
    assert world.events("a") == [
        "host_preparing",
        "host_prepared",
        "host_draining",
        "hook_ended",
        "host_drained",
        "host_intent",
        "host_triggered",
        "host_down",
        "host_back",
        "host_verified",
        "host_compared",
        "hook_ended",
        "host_healthy",
        "host_released",
        "host_timeline",
    ]
    assert not world.budget.held
    state = RunState.from_records(world.disk)
    assert 5900 <= (state.hosts["a"].outage_ms or 0) <= 6300


def test_the_next_host_is_staged_while_one_is_out() -> None:
    world = World("a", "b").conduct()
    events = [(record["event"], record["host"]) for record in world.disk if "host" in record]
    assert events.index(("host_prepared", "b")) < events.index(("host_released", "a"))
    assert events.index(("host_released", "a")) < events.index(("host_draining", "b"))


def test_a_timeline_costs_no_capacity_and_the_run_waits_for_it() -> None:
    world = World("a", "b", hooks=HOOKS)
    for host in world.hosts.values():
        host.timeline_s = 60.0
    world.conduct()
    order = [(record["event"], record.get("host")) for record in world.disk]
    assert order.index(("host_draining", "b")) < order.index(("host_timeline", "a"))
    assert order.count(("host_timeline", "b")) == 1, "the last host's, too"
    (seen,) = world.hosts["a"].timelines_asked
    assert seen["drain"]["duration_ns"] > 0
    assert seen["stage"]["start_ns"] < seen["drain"]["start_ns"] < seen["outage"]["start_ns"] < seen["healthy_ns"]


def test_a_timeline_that_cannot_be_had_is_no_failure() -> None:
    world = World("a")
    world.hosts["a"].timeline = None
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert "host_timeline" not in world.events("a")


def test_a_host_that_came_back_and_failed_has_a_timeline_and_one_that_did_not_has_none() -> None:
    world = World("a", "b", hooks={"after": [command("check", "health")]}, failure_budget=2)
    world.hosts["a"].answers["health"] = (1, "no answer")
    world.hosts["b"].comes_back = False
    world.conduct()
    assert world.statuses == {"a": Status.FAILED, "b": Status.FAILED}
    assert world.events("a")[-2:] == ["host_failed", "host_timeline"]
    assert "healthy_ns" not in world.hosts["a"].timelines_asked[0]
    assert "host_timeline" not in world.events("b")


def test_a_window_of_two() -> None:
    world = World(*"abcdef", window=2).conduct()
    assert world.most_down == 2
    assert set(world.statuses.values()) == {Status.DONE}


def test_a_domain_s_limit_is_held() -> None:
    world = World(*"abcdef", window=6, max_unavailable={"rack": 1})
    world.domains = {name: {"rack": "r%d" % (number % 2)} for number, name in enumerate("abcdef")}
    world.conduct()
    assert world.most_down == 2
    assert set(world.statuses.values()) == {Status.DONE}


def test_a_failed_before_hook_leaves_the_host_running_and_undrained() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.hosts["a"].answers["drain"] = (1, "still 7 connections")
    world.conduct()
    host = world.hosts["a"]
    assert world.statuses == {"a": Status.FAILED, "b": Status.DISCARDED}
    assert world.code("a") == "HOOK_FAILED"
    assert world.triggers("a") == world.triggers("b") == 0
    assert host.log[-3:] == ["call off", "run lb undrain", "run page someone"]
    assert host.staged is None and world.hosts["b"].staged is None
    assert world.stopped == "FAILURE_BUDGET_SPENT"


def test_an_image_that_can_not_be_unloaded_is_told() -> None:
    world = World("a", hooks=HOOKS)
    world.hosts["a"].answers["drain"] = (1, "still 7 connections")
    world.hosts["a"].call_off_rc = 1
    world.conduct()
    assert world.code("a") == "HOOK_FAILED"
    owes = next(record for record in world.disk if record["event"] == "host_owes")
    assert (owes["debt"], owes["reason"]["code"]) == ("image", "IMAGE_OWED")
    assert "an image may be loaded" in owes["reason"]["message"]
    assert next(record for record in world.disk if record["event"] == "host_unstaged")["ok"] is False


def test_a_failed_health_check_of_a_canary_leaves_the_others_untouched() -> None:
    world = World("a", "b", "c", hooks={"after": [command("check", "health")]}, canaries={"count": 1}, failure_budget=2)
    world.hosts["a"].answers["health"] = (1, "no answer")
    world.conduct()
    assert world.statuses == {"a": Status.FAILED, "b": Status.SKIPPED, "c": Status.SKIPPED}
    assert world.stopped == "CANARY_FAILED"
    assert world.hosts["b"].log == world.hosts["c"].log == []


@pytest.mark.parametrize("budget", [0, 1])
def test_a_host_that_stays_down_stops_the_rollout_or_not_as_told(budget: int) -> None:
    world = World("a", "b", "c", failure_budget=budget)
    world.hosts["a"].comes_back = False
    world.conduct()
    assert world.code("a") == "REBOOT_TIMEOUT"
    assert world.statuses["c"] is (Status.DONE if budget else Status.SKIPPED)
    assert RunState.from_records(world.disk).hosts["a"].down


def test_a_host_that_stays_down_counts_for_its_domain() -> None:
    world = World("a", "b", failure_budget=1, max_unavailable={"rack": 1}, stall_timeout=60)
    world.domains = {"a": {"rack": "r"}, "b": {"rack": "r"}}
    world.hosts["a"].comes_back = False
    world.conduct()
    assert world.statuses == {"a": Status.FAILED, "b": Status.DISCARDED}
    assert world.stopped == "CAPACITY_SPENT"
    assert world.triggers("b") == 0 and world.hosts["b"].staged is None


def test_a_host_that_comes_back_late_gives_its_capacity_back() -> None:
    world = World("a", "b", failure_budget=1, max_unavailable={"rack": 1})
    world.domains = {"a": {"rack": "r"}, "b": {"rack": "r"}}
    world.hosts["a"].outage_s = 200.0
    world.conduct()
    assert world.statuses == {"a": Status.FAILED, "b": Status.DONE}
    assert world.most_down == 1


def test_an_unreachable_host_is_a_failure() -> None:
    world = World("a", "b", failure_budget=1)
    world.hosts["a"].down_at = 0.0
    world.conduct()
    assert world.code("a") == "UNREACHABLE"
    assert world.statuses == {"a": Status.FAILED, "b": Status.DONE}


def beside_a_bystander(direct: bool = True, known: bool = False) -> World:
    """A host and a bystander in one rack, of which one may be missing; the bystander is down for the first 100 s."""
    world = World("a", max_unavailable={"rack": 1})
    world.domains = {"a": {"rack": "r"}, "other": {"rack": "r"}}
    other = world.bystanders["other"] = Host("other")
    other.down_at, other.up_at, other.direct = 0.0, world.now + 100, direct
    world.down_at_start = ["other"] if known else []
    return world


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_bystander_that_is_down_from_the_start_counts_until_it_is_back(direct: bool, known: bool) -> None:
    world = beside_a_bystander(direct, known).conduct()
    assert world.statuses == {"a": Status.DONE}
    drained = next(record["at"] for record in world.disk if record["event"] == "host_intent")
    assert utc(1100) < drained < utc(1115)


def test_a_host_that_there_is_no_way_to_is_refused_and_harms_nobody() -> None:
    world = World("a", "b", "c", window=2)
    world.no_way_to = {"b"}
    world.conduct()
    assert world.statuses == {"a": Status.DONE, "b": Status.REFUSED, "c": Status.DONE}
    assert world.code("b") == "CONTROL_NODE"


def test_a_host_in_flight_that_there_is_no_way_to_any_more_is_given_up() -> None:
    world = World("a", "b", failure_budget=1)
    world.conduct(kill_after=9)
    assert RunState.from_records(world.disk).with_resume(Resume.ASK)
    world.no_way_to = {"a"}
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.FAILED, "b": Status.DONE}
    assert RunState.from_records(world.disk).hosts["a"].down


def test_a_refused_host_costs_nothing() -> None:
    world = World("a", "b")
    world.hosts["a"].stage_error = {"code": "LOCKDOWN", "msg": "locked down"}
    world.conduct()
    assert world.statuses == {"a": Status.REFUSED, "b": Status.DONE}
    assert world.code("a") == "LOCKDOWN"
    assert world.stopped is None


NEED = {"code": "PENDING_KERNEL", "message": "the default entry boots 2, 1 runs", "hint": "Reboot the host."}


def test_a_host_that_needs_no_reboot_is_left_as_it_is() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.only = "pending"
    world.hosts["b"].needs = [NEED]
    world.conduct()
    assert world.statuses == {"a": Status.NOT_NEEDED, "b": Status.DONE}
    assert world.events("a") == ["host_preparing", "host_not_needed"]
    assert world.hosts["a"].asked == [{"gather_subset": ["min", "container", "hardware", "kexec", "verdict", "reboot_needed"]}]
    assert world.triggers("a") == 0 and not any("stage" in line or "drain" in line for line in world.hosts["a"].log)
    state = RunState.from_records(world.disk)
    assert [each.code for each in state.hosts["b"].needed] == ["PENDING_KERNEL"]
    assert outcome_of(state.hosts["b"]).as_outcome()["needed"] == [NEED]
    assert state.settled() == {"a": Status.NOT_NEEDED, "b": Status.DONE}


def test_a_host_that_was_drained_is_rebooted_even_if_it_needs_it_no_more() -> None:
    world = World("a", hooks=HOOKS)
    world.only = "pending"
    world.hosts["a"].needs = [NEED]
    world.conduct(kill_after=8)
    assert world.events("a")[-1] == "host_intent" and world.triggers("a") == 0
    world.hosts["a"].needs = []
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE}


def test_a_host_that_boots_something_else_fails_and_is_not_undrained() -> None:
    world = World("a", hooks=HOOKS)
    world.hosts["a"].boots = "foreign"
    world.conduct()
    assert world.code("a") == "NOT_PROVEN"
    assert world.hosts["a"].log[-1] == "run page someone"
    assert "run lb undrain" not in world.hosts["a"].log
    found = outcome_of(RunState.from_records(world.disk).hosts["a"]).as_outcome()
    assert (found["status"], found["path"], found["proof"]["missing"]) == ("failed", "kexec", ["token", "release"])
    assert found["after"]["boot_id"] != found["before"]["boot_id"]


def test_through_firmware_where_that_is_the_fallback() -> None:
    world = World("a", fallback="firmware", hooks=HOOKS)
    world.hosts["a"].boots = "foreign"
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert [line for line in world.hosts["a"].log if line.startswith("trigger")] == [
        "trigger kexec 0.500",
        "trigger reboot 0.500",
    ]
    came = [record for record in world.disk if record["event"] in ("host_unproven", "host_verified")]
    assert [(record["event"], record["path"], bool(record["proof"])) for record in came] == [
        ("host_unproven", "kexec", True),
        ("host_verified", "firmware", False),
    ]
    assert RunState.from_records(world.disk).hosts["a"].path == "firmware"


def test_a_power_hook_is_called_once() -> None:
    world = World("a", fallback="power_hook", hooks={"power": [command("ipmi", "cycle")]})
    host = world.hosts["a"]
    host.outage_s, host.boots = 150.0, "firmware"
    host.beside = {"cycle"}
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert host.log.count("run ipmi cycle") == 1
    state = RunState.from_records(world.disk).hosts["a"]
    assert state.path == "firmware"
    assert [each.code for each in state.reasons] == ["POWER_CYCLED"]
    assert 149_000 < (state.outage_ms or 0) < 152_000, "from when it went down, not from when it was helped"


def with_power_hook() -> World:
    world = World("a", fallback="power_hook", hooks={"power": [command("ipmi", "cycle")]})
    world.hosts["a"].beside = {"cycle"}
    return world


@pytest.mark.parametrize("said", ["Not allowed at this time", "ssh: connect to host a port 22: Connection refused"])
def test_a_host_that_lets_the_controller_in_no_more_is_up_and_keeps_its_power(said: str) -> None:
    world = with_power_hook()
    world.hosts["a"].distrusted = said
    world.conduct()
    assert world.code("a") == "LOGIN_FAILED"
    assert not RunState.from_records(world.disk).hosts["a"].down
    assert "run ipmi cycle" not in world.hosts["a"].log


def test_a_host_that_only_probes_do_not_reach_keeps_its_power() -> None:
    world = with_power_hook()
    world.hosts["a"].probes_reach = False
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert "run ipmi cycle" not in world.hosts["a"].log


def test_a_host_that_can_not_be_asked_nor_called_off_keeps_its_power() -> None:
    world = with_power_hook()
    world.hosts["a"].penalty = (1002.6, float("inf"))
    world.conduct()
    state = RunState.from_records(world.disk).hosts["a"]
    assert state.reason is not None and "calling it off failed" in state.reason.message
    assert "run ipmi cycle" not in world.hosts["a"].log


def test_an_interrupt_lets_hosts_finish_and_undoes_the_others() -> None:
    world = World("a", "b", "c", hooks=HOOKS)
    world.interrupt_at(6.0)
    world.conduct()
    assert world.statuses == {"a": Status.DONE, "b": Status.DISCARDED, "c": Status.SKIPPED}
    assert world.hosts["b"].staged is None
    assert world.triggers("b") == 0
    assert world.stopped == "INTERRUPTED"


def test_an_interrupt_while_draining_undrains() -> None:
    world = World("a", hooks={"before": [command("lb", "drain"), command("wait", "long")], "after": [command("lb", "undrain")]})
    world.interrupt_at(2.2)
    world.conduct()
    assert world.statuses == {"a": Status.DISCARDED}
    assert world.triggers("a") == 0
    assert world.hosts["a"].log[-2:] == ["call off", "run lb undrain"]


def test_an_interrupt_gives_up_a_drain_that_hangs_and_the_run_can_be_resumed() -> None:
    hooks = {**HOOKS, "before": [command("wait", "drain", retries=600, delay=2.0, timeout=600.0)]}
    world = World("a", hooks=hooks)
    world.hosts["a"].answers["drain"] = (1, "still 7 connections")
    world.interrupt_at(50.0)
    world.conduct()
    assert world.now < 1000 + 60, "1,206 s otherwise"
    assert world.statuses == {"a": Status.DISCARDED}
    assert world.hosts["a"].log[-2:] == ["call off", "run lb undrain"], "nobody is paged"
    before, after = (record for record in world.disk if record["event"] == "hook_ended")
    assert (before["phase"], before["ok"], after["phase"], after["ok"]) == ("before", False, "after", True)
    assert before["message"].startswith("given up, because the playbook was interrupted")
    world.hosts["a"].answers.clear()
    assert world.conduct(resume=True).statuses == {"a": Status.DONE}


def test_a_host_that_comes_back_after_an_interrupt_has_a_minute_to_become_healthy() -> None:
    hooks = {**HOOKS, "after": [command("check", "health", retries=600, delay=2.0)]}
    for healthy_after_s, status in ((30.0, Status.DONE), (600.0, Status.FAILED)):
        world = World("a", hooks=hooks)
        host = world.hosts["a"]
        host.answers["health"] = (1, "not yet")
        world.interrupt_at(6.0)
        world.actions.append((healthy_after_s, lambda conductor, host=host: host.answers.clear()))
        world.conduct()
        assert world.statuses == {"a": status}
        assert world.now < 1000 + 6 + 20 + 60
    failed = next(record for record in world.disk if record["event"] == "host_failed")
    assert failed["reason"]["code"] == "HOOK_FAILED"
    assert "interrupted" in failed["reason"]["message"]


def test_hooks_know_what_they_are_run_for() -> None:
    world = World("a", hooks=HOOKS)
    world.hosts["a"].boots = "foreign"
    world.conduct()
    drain, page = world.hosts["a"].environments
    assert drain == {
        "FLEET_KEXEC_HOST": "a",
        "FLEET_KEXEC_RUN_ID": "r",
        "FLEET_KEXEC_PHASE": "before",
        "FLEET_KEXEC_CODE": "",
        "FLEET_KEXEC_MESSAGE": "",
        "FLEET_KEXEC_METHOD": "kexec",
        "FLEET_KEXEC_JOURNAL": "journal.jsonl",
    }
    assert (page["FLEET_KEXEC_PHASE"], page["FLEET_KEXEC_CODE"]) == ("on_failure", "NOT_PROVEN")
    assert page["FLEET_KEXEC_MESSAGE"]


def test_a_full_disk_stops_the_rollout_before_anybody_is_told_to_reboot() -> None:
    world = World("a", "b")

    def fill(conductor: Conductor) -> None:
        world.disk_full = True

    world.actions = [(0.5, fill)]
    world.conduct()
    assert world.stopped == "JOURNAL_FAILED"
    assert world.triggers("a") == world.triggers("b") == 0
    assert world.statuses == {"a": Status.DISCARDED, "b": Status.DISCARDED} or world.statuses["b"] is Status.SKIPPED
    assert world.hosts["a"].staged is None


def test_a_lost_lock_stops_the_rollout() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.budget.lost = True
    world.conduct()
    assert world.stopped == "LOCK_LOST"
    assert world.statuses["a"] is Status.DISCARDED
    assert world.triggers("a") == 0
    assert "run lb drain" not in world.hosts["a"].log, "nothing that users of the host would notice"


def test_a_lock_that_is_lost_while_the_intent_is_written_triggers_nobody() -> None:
    world = World("a", hooks=HOOKS)
    lose_after(world, "host_intent")
    world.conduct()
    assert world.stopped == "LOCK_LOST"
    assert world.statuses == {"a": Status.DISCARDED}
    assert world.triggers("a") == 0
    assert world.hosts["a"].staged is None
    assert world.hosts["a"].log[-1] == "run lb undrain"
    # Nor is it taken for one in flight, by a resume or by who reads the journal.
    state = RunState.from_records(world.disk).hosts["a"]
    assert state.resume is Resume.ANEW and not state.in_flight


def test_a_trigger_that_was_not_heard_is_not_said_again_without_the_lock() -> None:
    world = World("a", hooks=HOOKS)
    host = world.hosts["a"]
    host.lost_triggers = 1
    run = host.run

    async def lose_with_trigger(script: str, *args: Any, **options: Any) -> CommandResult:
        world.budget.lost = world.budget.lost or script == TRIGGER
        return await run(script, *args, **options)

    host.run = lose_with_trigger  # type: ignore[method-assign]
    world.conduct()
    assert world.stopped == "LOCK_LOST"
    assert world.statuses == {"a": Status.DISCARDED}
    assert world.triggers("a") == world.hosts["a"].boots_so_far == 0
    assert RunState.from_records(world.disk).hosts["a"].resume is Resume.ASK, "it may hear of it yet"
    world.budget.lost, host.run = False, run  # type: ignore[method-assign]
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE}
    assert world.hosts["a"].boots_so_far == 1


def test_nobody_is_sent_through_firmware_without_the_lock() -> None:
    world = World("a", fallback="firmware")
    world.hosts["a"].boots = "foreign"
    lose_after(world, "host_back")
    world.conduct()
    assert world.stopped == "LOCK_LOST"
    assert world.triggers("a") == 1
    assert world.code("a") == "NOT_PROVEN"
    assert not RunState.from_records(world.disk).hosts["a"].down


def test_a_slot_that_others_hold_is_waited_for() -> None:
    world = World("a")
    world.budget.taken_by_others = {"a": Holder("a", "night", "elsewhere", "2026-11-24T12:00:00Z")}
    world.actions = [(30.0, lambda conductor: world.budget.taken_by_others.clear())]
    world.conduct()
    assert world.statuses == {"a": Status.DONE}
    assert world.now > 1030


def test_a_controller_killed_at_any_moment_loses_no_host_and_reboots_none_twice() -> None:
    whole = World("a", "b", "c", window=2, hooks=HOOKS).conduct()
    for record_number in range(1, len(whole.disk) + 1):
        world = World("a", "b", "c", window=2, hooks=HOOKS)
        world.conduct(kill_after=record_number)
        killed_at = [record["event"] for record in world.disk][-1]
        # Meanwhile, what was on its way happens.
        world.now += record_number % 4 * 5.0
        world.conduct(resume=True)
        message = "killed after record %d, %s" % (record_number, killed_at)
        assert set(world.statuses.values()) == {Status.DONE}, message
        for name, host in world.hosts.items():
            assert host.boots_so_far == 1, "%s: %s rebooted %d times" % (message, name, host.boots_so_far)
            assert host.token_on_line, message
            assert host.staged is None, message
        assert not world.budget.held, message


def test_a_controller_killed_again_and_again() -> None:
    world = World("a", "b", "c", hooks=HOOKS)
    world.conduct(kill_after=4)
    for _attempt in range(30):
        if len(world.statuses) == 3:
            break
        world.conduct(resume=True, kill_after=len(world.disk) + 14)
    assert set(world.statuses.values()) == {Status.DONE}
    assert [host.boots_so_far for host in world.hosts.values()] == [1, 1, 1]


def test_what_a_killed_controller_had_begun_is_undone_if_the_resumed_run_stops() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.conduct(kill_after=6)
    assert RunState.from_records(world.disk).with_resume(Resume.ANEW)
    assert any(host.staged for host in world.hosts.values())
    world.interrupt_at(0.0)
    world.conduct(resume=True)
    assert all(host.staged is None for host in world.hosts.values())
    assert all(host.boots_so_far == 0 for host in world.hosts.values())


def test_a_thousand_hosts_go_through_quickly() -> None:
    world = World(*("h%d" % number for number in range(300)), window=100)
    world.conduct()
    assert set(world.statuses.values()) == {Status.DONE}
    assert world.most_down <= 100


# Services that are probed.


def probed_record(world: World, name: str) -> Record:
    (found,) = (record for record in world.disk if record["event"] == "host_probed" and record["host"] == name)
    return found


def test_a_service_that_is_back_before_its_host_is_done() -> None:
    world = World("a", hooks={"after": [command("check", "it", retries=20, delay=1.0)]})
    world.probe = {"port": 443}
    host = world.hosts["a"]
    # Healthy once the service is.
    host.answers["it"] = (1, "not yet")
    world.actions = [(20.0, lambda conductor: host.answers.clear())]
    world.conduct()
    record = probed_record(world, "a")
    assert record["probe_seen_by"] == "tcp 443" and record["note"] is None
    assert 8950 <= record["probe_outage_ms"] <= 9100
    events = world.events("a")
    assert events.index("host_verified") < events.index("host_probed") < events.index("host_healthy")
    state = RunState.from_records(world.disk).hosts["a"]
    down_at, back_at = time_of(record["probe_down_at"]), host.booted_at + host.service_lag_s
    assert abs(back_at - down_at - record["probe_outage_ms"] / 1000) < 0.1
    assert state.phase.value == "released" and state.probe_outage_ms == record["probe_outage_ms"]


def test_a_service_that_stays_down_holds_up_nobody() -> None:
    world, other = World("a", "b"), World("a", "b")
    world.probe = {"port": 443}
    for host in world.hosts.values():
        host.service_lag_s = 1e5
    began = world.now
    world.conduct()
    assert set(world.statuses.values()) == {Status.DONE}
    assert world.now - began == pytest.approx(other.conduct().now - began, abs=0.1)
    for name in ("a", "b"):
        record = probed_record(world, name)
        assert (record["probe_outage_ms"], record["note"]["code"]) == (None, "PROBE_STILL_DOWN")
        assert world.events(name)[-3:] == ["host_probed", "host_released", "host_timeline"]


def test_a_host_that_fails_is_probed_no_longer() -> None:
    world = World("a", hooks=HOOKS)
    world.probe = {"port": 443}
    world.hosts["a"].comes_back = False
    world.conduct()
    assert world.statuses["a"] is Status.FAILED
    assert world.events("a")[-4:] == ["host_probed", "host_owes", "hook_ended", "host_failed"]
    assert probed_record(world, "a")["note"]["code"] == "PROBE_STILL_DOWN"


def test_a_service_that_was_down_before_is_no_failure() -> None:
    world = World("a")
    world.probe = {"port": 443}
    world.hosts["a"].serves_before = False
    world.conduct()
    assert world.statuses["a"] is Status.DONE
    assert probed_record(world, "a")["note"]["code"] == "PROBE_NOT_UP"


@pytest.mark.parametrize("killed_after", range(2, 14))
def test_a_run_that_is_taken_up_tells_of_no_outage_that_nobody_saw(killed_after: int) -> None:
    world = World("a")
    world.probe = {"port": 443}
    world.hosts["a"].service_lag_s = 0.0
    world.conduct(kill_after=killed_after).conduct(resume=True)
    assert world.statuses["a"] is Status.DONE
    outages = [record["probe_outage_ms"] for record in world.disk if record["event"] == "host_probed"]
    assert all(outage is None or 5900 <= outage <= 6200 for outage in outages)


def with_two_names(window: int) -> World:
    """Two names of one machine, beside another machine."""
    world = World("a", "b", "c", window=window)
    world.hosts["b"] = world.hosts["a"]
    return world


@pytest.mark.parametrize("window", [1, 2, 3])
def test_a_machine_with_two_names_is_rebooted_by_one_of_them(window: int) -> None:
    world = with_two_names(window).conduct()
    assert world.statuses["c"] is Status.DONE
    assert {world.statuses["a"], world.statuses["b"]} == {Status.DONE, Status.REFUSED}
    assert {world.code("a"), world.code("b")} == {"HOST_DUPLICATE", None}
    assert world.triggers("a") == 1
    assert sum(line.startswith("stage") for line in world.hosts["a"].log) == 1, "nothing was staged by the other name"


def test_a_resume_knows_the_machines_of_the_run() -> None:
    def killed_after(records: int) -> World:
        world = with_two_names(window=1)
        # The other name would be found while this one is remembered.
        world.compare = False
        return world.conduct(kill_after=records)

    records = 1
    while "host_intent" not in (world := killed_after(records)).events("a"):
        records += 1
    assert world.code("b") is None
    # Who finds it under way has not asked it for its facts.
    world.conduct(resume=True)
    assert (world.code("a"), world.code("b")) == (None, "HOST_DUPLICATE")
    assert world.triggers("a") == 1


def test_a_drained_host_that_others_hold_up_does_not_wait_for_ever() -> None:
    world = World("a", hooks=HOOKS, max_unavailable=1, stall_timeout=300)
    world.hosts["a"].command_s = 30.0
    bystander = world.bystanders["x"] = Host("x")
    # It goes down for good while the host is drained, which is noticed before that is over.
    bystander.down_at = world.now + 5.0
    began = world.now
    world.conduct()
    assert (world.stopped, world.statuses["a"], world.triggers("a")) == ("CAPACITY_SPENT", Status.DISCARDED, 0)
    assert world.hosts["a"].log[-1] == "run lb undrain"
    assert 300 < world.now - began < 500
