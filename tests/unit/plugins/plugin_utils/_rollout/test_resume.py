# SPDX-License-Identifier: GPL-3.0-or-later
"""Resumes of whole rollouts: what comes from the journal, and what from the play and its options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import time_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.host_state import HostState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import status_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.phases import Resume
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status

from ..simulated import STAGED, Host
from .worlds import HOOKS, World, command


def killed_at(world: World, event: str, host: str) -> World:
    """Have the controller killed as soon as this record is on the disk."""
    world.conduct(kill_at=(event, host))
    assert (world.disk[-1]["event"], world.disk[-1].get("host")) == (event, host)
    return world


def told_why(world: World, name: str) -> str | None:
    left_out = RunState.from_records(world.disk).hosts[name].left_out
    return left_out.code if left_out else None


def ended_as(world: World, name: str) -> str:
    return status_of(RunState.from_records(world.disk).hosts[name])


# Hosts that the play has not.


def test_a_host_that_the_play_does_not_have_is_not_rebooted_and_stays_undecided() -> None:
    world = killed_at(World(*"abcd", hooks=HOOKS), "host_released", "a")
    world.conduct(resume=True, only=["a", "b", "d"])
    assert world.statuses == {"a": Status.DONE, "b": Status.DONE, "c": Status.SKIPPED, "d": Status.DONE}
    assert world.hosts["c"].log == []
    assert (told_why(world, "c"), ended_as(world, "c")) == ("HOST_NOT_SELECTED", "skipped")
    world.conduct(resume=True)
    assert world.statuses["c"] is Status.DONE and told_why(world, "c") is None
    assert [host.boots_so_far for host in world.hosts.values()] == [1, 1, 1, 1]


def test_a_host_that_failed_earlier_in_the_play_is_not_rebooted() -> None:
    world = killed_at(World("a", "b"), "host_released", "a")
    world.conduct(resume=True, failed=["b"])
    assert world.triggers("b") == 0
    assert told_why(world, "b") == "HOST_NOT_SELECTED"


def test_a_host_that_is_not_rebooted_counts_for_limits_while_it_is_down() -> None:
    world = World("a", "b", "c", window=3, max_unavailable={"rack": 1})
    world.domains = {name: {"rack": "r"} for name in "abc"}
    killed_at(world, "host_released", "a")
    world.hosts["b"].down_at, world.hosts["b"].up_at = world.now, world.now + 200
    since = world.now
    world.conduct(resume=True, only=["c"], failed=["b"])
    assert world.statuses["c"] is Status.DONE
    assert world.hosts["c"].booted_at > since + 200


def test_a_host_in_flight_that_the_play_does_not_have_is_seen_through() -> None:
    world = killed_at(World("a", "b", hooks=HOOKS), "host_triggered", "a")
    world.conduct(resume=True, only=["b"])
    assert world.statuses == {"a": Status.DONE, "b": Status.DONE}
    assert world.hosts["a"].log[-1] == "run lb undrain"


@pytest.mark.parametrize("fallback", ["none", "firmware", "power_hook"])
def test_a_host_in_flight_that_the_play_does_not_have_is_not_rebooted_once_more(fallback: str) -> None:
    hooks = {**HOOKS, "power": [command("ipmi", "cycle")]}
    world = World("a", "b", hooks=hooks, fallback=fallback, failure_budget=1)
    world.hosts["a"].boots = "foreign"
    killed_at(world, "host_triggered", "a")
    world.conduct(resume=True, only=["b"])
    assert world.code("a") == "NOT_PROVEN"
    assert world.triggers("a") == 1

    world = World("a", "b", hooks=hooks, fallback=fallback, failure_budget=1)
    world.hosts["a"].comes_back = False
    killed_at(world, "host_down", "a")
    world.conduct(resume=True, only=["b"])
    assert world.code("a") == "REBOOT_TIMEOUT"
    assert "run ipmi cycle" not in world.hosts["a"].log


@pytest.mark.parametrize("event", ["host_preparing", "host_prepared", "host_draining", "host_drained", "host_intent"])
def test_what_was_begun_on_a_host_that_the_play_does_not_have_is_undone(event: str) -> None:
    world = killed_at(World("a", "b", hooks=HOOKS), event, "a")
    world.conduct(resume=True, only=["b"])
    assert world.triggers("a") == 0 and world.hosts["a"].staged is None
    assert world.hosts["a"].log.count("run lb drain") <= world.hosts["a"].log.count("run lb undrain")
    assert world.statuses == {"a": Status.DISCARDED, "b": Status.DONE}
    assert (told_why(world, "a"), ended_as(world, "a")) == ("HOST_NOT_SELECTED", "discarded")


def test_a_trigger_that_was_lost_is_not_said_again_to_a_host_that_the_play_does_not_have() -> None:
    world = World("a", "b", hooks=HOOKS)
    world.hosts["a"].lost_triggers = 1
    killed_at(world, "host_intent", "a")
    # It answers nobody for a while, and then says that it has not rebooted.
    world.hosts["a"].down_at, world.hosts["a"].up_at = world.now, world.now + 30
    world.hosts["a"]._boot = lambda: vars(world.hosts["a"]).update(down_at=float("inf"), up_at=float("inf"))  # type: ignore[method-assign]
    world.conduct(resume=True, only=["b"])
    assert world.triggers("a") == 0
    assert world.statuses == {"a": Status.DISCARDED, "b": Status.DONE}


# Hosts that left the inventory.


def test_a_host_that_left_the_inventory_is_no_obstacle() -> None:
    world = killed_at(World("a", "b", "c", "d"), "host_released", "a")
    world.gone = {"a", "d"}
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE, "b": Status.DONE, "c": Status.DONE, "d": Status.SKIPPED}
    assert told_why(world, "a") is None
    assert (told_why(world, "d"), ended_as(world, "d")) == ("HOST_NOT_IN_INVENTORY", "skipped")


@pytest.mark.parametrize("event", ["host_prepared", "host_drained", "host_triggered"])
def test_a_host_that_left_the_inventory_with_something_begun_is_told_of_and_the_rest_goes_on(event: str) -> None:
    world = killed_at(World("a", "b", hooks=HOOKS), event, "a")
    world.gone = {"a"}
    world.conduct(resume=True)
    assert world.statuses["b"] is Status.DONE
    assert (told_why(world, "a"), ended_as(world, "a")) == ("HOST_NOT_IN_INVENTORY", "unfinished")
    left_out = RunState.from_records(world.disk).hosts["a"].left_out
    assert left_out is not None
    begun = {"host_prepared": "image may be loaded", "host_drained": "may be drained", "host_triggered": "shutting down"}
    assert begun[event] in left_out.message
    # Once it is back, it is taken care of.
    world.gone = set()
    world.conduct(resume=True)
    assert world.statuses["a"] is Status.DONE
    assert world.hosts["a"].boots_so_far == 1


def test_a_host_that_left_the_inventory_blocks_nobody() -> None:
    world = World("a", "b", hooks=HOOKS, max_unavailable={"rack": 1}, stall_timeout=60)
    world.domains = {"a": {"rack": "r"}, "b": {"rack": "r"}}
    killed_at(world, "host_down", "a")
    world.gone = {"a"}
    world.conduct(resume=True)
    assert world.statuses["b"] is Status.DONE


# Waves, canaries, failures.


def test_a_host_that_failed_within_the_budget_does_not_become_a_canary() -> None:
    world = World(
        *"abcd", hooks={"after": [command("check", "health")]}, failure_budget=1, canaries={"count": 1}, order="shuffle"
    )
    world.conduct(kill_after=1)
    names = world.disk[0]["waves"][0]["hosts"] + world.disk[0]["waves"][1]["hosts"]
    world.disk.clear()
    world.hosts[names[1]].answers["health"] = (1, "no answer")
    killed_at(world, "host_failed", names[1])
    world.conduct(resume=True)
    assert world.stopped is None
    assert {name: world.statuses[name] for name in names} == dict(
        zip(names, [Status.DONE, Status.FAILED, Status.DONE, Status.DONE], strict=True)
    )


def test_waves_are_those_of_the_journal() -> None:
    world = killed_at(World(*"abcdef", window=6, waves=[2]), "host_released", "a")
    world.options = {"window": 6}
    world.conduct(resume=True)
    order = [each["host"] for each in world.disk if each["event"] == "host_intent"]
    assert set(order[:2]) == {"a", "b"}
    assert world.most_down <= 4


def test_failures_before_the_resume_count() -> None:
    world = World(*"abcd", hooks={"after": [command("check", "health")]}, failure_budget=1)
    for name in "ab":
        world.hosts[name].answers["health"] = (1, "no answer")
    killed_at(world, "host_failed", "a")
    world.conduct(resume=True)
    assert (world.stopped, world.statuses["d"]) == ("FAILURE_BUDGET_SPENT", Status.SKIPPED)


def test_failures_in_a_row_are_counted_in_the_order_in_which_they_occurred() -> None:
    hooks = {"after": [command("check", "health")]}
    world = World(*"abc", hooks=hooks, window=2, failure_budget={"total": "100%", "consecutive": 1})
    world.hosts["a"].answers["health"], world.hosts["a"].outage_s = (1, "no answer"), 20.0
    world.hosts["c"].answers["health"], world.hosts["c"].outage_s = (1, "no answer"), 40.0
    killed_at(world, "host_failed", "a")
    assert RunState.from_records(world.disk).settled() == {"b": Status.DONE, "a": Status.FAILED}
    world.conduct(resume=True)
    assert world.stopped == "FAILURE_BUDGET_SPENT", "a and c failed in a row"


def test_a_host_that_is_retried_is_in_the_journal() -> None:
    world = World(*"ab", hooks={"after": [command("check", "health")]}, failure_budget=1)
    world.hosts["a"].answers["health"] = (1, "no answer")
    world.conduct()
    world.hosts["a"].answers.clear()
    world.conduct(resume=True, retry_failed=True, kill_after=len(world.disk) + 1)
    assert RunState.from_records(world.disk).hosts["a"].resume is Resume.ANEW
    # It is retried even if nobody says so again.
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE, "b": Status.DONE}
    assert world.stopped is None


def test_only_hosts_that_the_play_has_are_retried() -> None:
    world = World(*"ab", hooks={"after": [command("check", "health")]}, failure_budget=1)
    world.hosts["a"].answers["health"] = (1, "no answer")
    world.conduct().conduct(resume=True, retry_failed=True, only=["b"])
    assert world.statuses["a"] is Status.FAILED


def test_a_pause_after_canaries_goes_on_where_it_was() -> None:
    world = killed_at(World("a", "b", canaries={"count": 1, "soak": 600}), "host_released", "a")
    over_at = world.now + 600
    world.now += 200
    world.conduct(resume=True)
    assert over_at < world.hosts["b"].booted_at < over_at + 60


# Hosts that were drained.


def test_a_drained_host_counts_as_unavailable_from_the_beginning_and_goes_first() -> None:
    world = World(*"abcd", window=2, hooks=HOOKS)
    killed_at(world, "host_drained", "b")
    drained_before = {name for name, host in RunState.from_records(world.disk).hosts.items() if host.maybe_drained}
    began = len(world.disk)
    world.conduct(resume=True)
    assert set(world.statuses.values()) == {Status.DONE}
    unavailable = set(drained_before)
    most = 0
    for record in world.disk[began:]:
        if record["event"] == "host_draining":
            unavailable.add(record["host"])
        elif record["event"] == "host_released":
            unavailable.discard(record["host"])
        most = max(most, len(unavailable))
    assert most == 2
    assert [host.boots_so_far for host in world.hosts.values()] == [1, 1, 1, 1]


def test_a_drained_host_goes_before_others_of_its_wave() -> None:
    world = World(*"abc", hooks=HOOKS)
    killed_at(world, "host_drained", "a")
    # As if it were the last of its wave.
    world.disk[0]["waves"] = [{"name": "wave 1", "hosts": ["b", "c", "a"], "soak_s": 0.0}]
    world.conduct(resume=True)
    assert [each["host"] for each in world.disk if each["event"] == "host_intent"] == ["a", "b", "c"]


def test_a_drained_host_of_a_run_that_stops_at_once_is_undrained_and_not_drained_again() -> None:
    world = World(
        *"abc", window=2, hooks={**HOOKS, "after": [command("lb", "undrain"), command("check", "health")]}, failure_budget=1
    )
    world.hosts["a"].answers["health"] = (1, "no answer")
    world.hosts["a"].outage_s = 1.0
    killed_at(world, "host_failed", "a")
    world.options = {**world.options, "failure_budget": 0}
    drained = world.hosts["c"].log.count("run lb drain")
    assert drained == 0
    killed = RunState.from_records(world.disk).hosts
    assert killed["b"].in_flight
    world.conduct(resume=True)
    assert world.stopped == "FAILURE_BUDGET_SPENT"
    assert all(host.staged is None for host in world.hosts.values())


def test_a_drained_host_that_is_refused_by_now_is_undrained() -> None:
    world = killed_at(World("a", "b", hooks=HOOKS), "host_drained", "a")
    world.hosts["a"].facts_error = {"code": "NOT_ROOT", "msg": "become: true is missing"}
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.REFUSED, "b": Status.DONE}
    assert world.hosts["a"].log[-1] == "run lb undrain"


def test_a_drained_host_is_undrained_if_the_resume_is_interrupted() -> None:
    world = killed_at(World("a", "b", hooks=HOOKS), "host_drained", "a")
    world.actions = [(0.0, lambda conductor: conductor.stop(reason("INTERRUPTED", "Ctrl-C")))]
    world.conduct(resume=True)
    assert world.statuses["a"] is Status.DISCARDED
    assert world.hosts["a"].log[-1] == "run lb undrain"
    assert world.triggers("a") == 0


@pytest.mark.parametrize("failed", [True, False])
def test_a_drained_host_that_is_down_is_unavailable_until_it_is_up(failed: bool) -> None:
    world = World("a", "b", hooks=HOOKS, max_unavailable={"all": 1}, failure_budget=1)
    killed_at(world, "host_drained", "a")
    world.hosts["a"].beside = {"undrain"}
    world.hosts["a"].down_at, world.hosts["a"].up_at = world.now, world.now + 300
    back_at = world.now + 300
    world.conduct(resume=True, failed=["a"] if failed else [])
    assert world.statuses["b"] is Status.DONE
    assert world.hosts["b"].booted_at > back_at
    assert world.triggers("a") == 0
    assert world.hosts["a"].log[-1] == "run lb undrain" if failed else "run page someone"


# The deadline.


def test_a_deadline_is_the_instant_that_it_was() -> None:
    world = killed_at(World("a", "b", deadline=600), "host_released", "a")
    world.now += 3600
    world.conduct(resume=True)
    assert (world.stopped, world.statuses["b"]) == ("DEADLINE", Status.SKIPPED)
    world.options = {"deadline": "601"}
    world.conduct(resume=True)
    assert world.statuses["b"] is Status.DONE


def test_a_deadline_that_was_moved_stays_moved() -> None:
    world = killed_at(World("a", "b", deadline=600), "host_released", "a")
    world.now += 3600
    world.options = {"deadline": "5000"}
    world.conduct(resume=True, kill_after=len(world.disk) + 2)
    world.options = {}
    world.now += 1000
    world.conduct(resume=True)
    assert world.statuses["b"] is Status.DONE


def test_hosts_in_flight_are_seen_through_after_the_deadline() -> None:
    world = killed_at(World("a", "b", deadline=600, hooks=HOOKS), "host_down", "a")
    world.now += 3600
    world.conduct(resume=True)
    assert world.statuses == {"a": Status.DONE, "b": Status.SKIPPED}


# Journals that are cut.


def test_a_journal_of_a_single_record_is_resumed() -> None:
    world = World("a", "b", hooks=HOOKS).conduct(kill_after=1)
    assert [each["event"] for each in world.disk] == ["run_started"]
    world.conduct(resume=True)
    assert set(world.statuses.values()) == {Status.DONE}


def test_a_resume_of_a_resume_of_a_resume() -> None:
    world = World("a", "b", "c", hooks=HOOKS, window=2).conduct(kill_after=9)
    for more in (3, 1, 12, 2):
        world.conduct(resume=True, kill_after=len(world.disk) + more)
    world.conduct(resume=True)
    assert set(world.statuses.values()) == {Status.DONE}
    assert [host.boots_so_far for host in world.hosts.values()] == [1, 1, 1]


EARLIER = Path(__file__).parent / "earlier"


@pytest.mark.parametrize("name", [path.stem for path in sorted(EARLIER.iterdir())])
def test_a_journal_of_an_earlier_version_is_resumed_wherever_it_ends(name: str) -> None:
    records = [json.loads(line) for line in (EARLIER / (name + ".jsonl")).read_text().splitlines()]
    for count in range(1, len(records) + 1):
        state = RunState.from_records(records[:count])
        world = World(*records[0]["hosts"], hooks=HOOKS)
        world.epoch_s = time_of(records[count - 1]["at"]) - world.now
        world.disk = records[:count]
        for host, each in world.hosts.items():
            _as_left(each, state.hosts[host])
        # A deadline that is past is moved, as a user would.
        world.options = {"window": 2, **({"deadline": "3600"} if state.deadline else {})}
        world.conduct(resume=True)
        assert set(world.statuses.values()) == {Status.DONE}, count
        assert all(host.boots_so_far == 1 for host in world.hosts.values()), count


def _as_left(host: Host, state: HostState) -> None:
    """Have a host be as the controller left it: those that were triggered have rebooted by now."""
    if state.resume is Resume.ANEW:
        host.staged = dict(STAGED) if state.maybe_staged else None
        return
    host.boot_id, host.release, host.bootloader_type, host.boots_so_far = "new", "2", 0xD0, 1
    host.token_on_line = state.token


def test_a_host_that_was_put_back_by_a_resume_waits_for_its_turn_in_the_next() -> None:
    world = World("a", "b", hooks=HOOKS, window=2)
    world.conduct(kill_at=("host_intent", "a"))
    world.conduct(resume=True, only=["b"], kill_at=("host_undrained", "a"))
    world.options["window"] = 1
    world.conduct(resume=True)
    assert world.statuses == dict.fromkeys("ab", Status.DONE)
    last = [(record["event"], record.get("host")) for record in world.disk]
    last = last[len(last) - last[::-1].index(("run_resumed", None)) :]
    assert last.index(("host_released", "b")) < last.index(("host_draining", "a")), "one at a time"
