# SPDX-License-Identifier: GPL-3.0-or-later
"""The scheduler, one rule at a time; test_invariants.py has them all at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import HostSpec, Prediction, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.scheduler import Discard, Past, Scheduler
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from

from ..fleets import ENOUGH, LOST, PREDICTION, bystander, host, refusal, scheduler, told


def named(names: str) -> list[HostSpec]:
    return [host(name) for name in names]


def prepare(rollout: Scheduler, names: str, now: float = 0.0) -> list[str]:
    """Let hosts be ready, and say what is done then."""
    for name in names:
        rollout.prepared(name, now)
    return told(rollout.next(now))


def release(rollout: Scheduler, name: str, now: float = 0.0) -> list[str]:
    rollout.released(name, now, 20.0)
    return told(rollout.next(now))


def fail(rollout: Scheduler, name: str, now: float = 0.0, down: bool = False) -> list[str]:
    rollout.failed(name, now, LOST, down)
    return told(rollout.next(now))


def code(rollout: Scheduler) -> str | None:
    return rollout.stopped.code if rollout.stopped else None


def why(rollout: Scheduler, now: float = 0.0) -> str:
    waiting = rollout.waiting(now)
    return waiting.message if waiting else ""


# The window, and preparing ahead.


def test_the_window_slides() -> None:
    rollout = scheduler(named("abcd"), window=2)
    assert told(rollout.next(0.0)) == ["prepare a", "prepare b"]
    assert rollout.next(0.0) == []
    assert prepare(rollout, "b") == ["go b", "prepare c"]
    assert prepare(rollout, "a") == ["go a", "prepare d"]
    assert prepare(rollout, "dc") == []
    assert why(rollout) == "all 2 hosts of the window are in flight"
    assert release(rollout, "a") == ["go c"]
    assert release(rollout, "b") == ["go d"]
    assert rollout.waiting(0.0) is None
    assert release(rollout, "c") == release(rollout, "d") == []
    assert rollout.finished(0.0)
    assert rollout.stopped is None
    assert rollout.counts()[Status.DONE] == 4


def test_a_fleet_of_nobody_is_done() -> None:
    rollout = scheduler([])
    assert rollout.next(0.0) == []
    assert rollout.finished(0.0)
    assert rollout.wake_at(0.0) is None


def test_a_refused_host_costs_nothing() -> None:
    rollout = scheduler(named("abc"), failure_budget=0)
    rollout.next(0.0)
    rollout.refused("a", refusal(), 0.0)
    assert told(rollout.next(0.0)) == ["prepare b"]
    assert prepare(rollout, "b") == ["go b", "prepare c"]
    assert rollout.stopped is None


def test_events_that_can_not_be_are_mistakes() -> None:
    rollout = scheduler(named("ab"))
    rollout.next(0.0)
    with pytest.raises(ValueError, match="b is waiting"):
        rollout.prepared("b", 0.0)
    with pytest.raises(ValueError, match="a is preparing"):
        rollout.released("a", 0.0, None)
    with pytest.raises(ValueError, match="a is preparing"):
        rollout.may_trigger("a", 0.0)
    prepare(rollout, "a")
    release(rollout, "a")
    with pytest.raises(ValueError, match="a is done"):
        rollout.failed("a", 0.0, LOST, down=False)
    with pytest.raises(ValueError, match="a is done"):
        rollout.adopt("a", 0.0)
    prepare(rollout, "b")
    with pytest.raises(KeyError):
        rollout.seen("stranger", up=False, now=0.0)


# Limits.


def racks(names: str, rack: str) -> list[HostSpec]:
    return [host(name, rack=rack) for name in names]


def test_a_full_rack_holds_up_nobody_else() -> None:
    rollout = scheduler([*racks("abcdef", "r1"), *racks("xyz", "r2")], window=3, max_unavailable={"rack": 1})
    assert told(rollout.next(0.0)) == ["prepare a", "prepare x"]
    assert prepare(rollout, "ax") == ["go a", "go x", "prepare b", "prepare y"]
    assert prepare(rollout, "by") == []
    assert why(rollout) == "of rack r1 (max_unavailable 1) 1 may be unavailable, and 1 are: a"
    assert release(rollout, "x") == ["go y", "prepare z"]


def test_dead_racks_do_not_use_up_what_is_prepared_ahead() -> None:
    """Hosts that are ready in racks with a dead host wait there, however many, and other racks go on."""
    fleet = [host("%s%d" % (rack, number), rack=rack) for rack in "abcdef" for number in range(3)]
    rollout = scheduler(fleet, window=2, max_unavailable={"rack": 1}, failure_budget="100%")
    decisions = told(rollout.next(0.0))
    gone = []
    for _turn in range(60):
        if not decisions:
            break
        verb, name = decisions.pop(0).split()
        if verb == "prepare":
            rollout.prepared(name, 0.0)
        else:
            gone.append(name)
            rollout.failed(name, 0.0, LOST, down=True)
        decisions += told(rollout.next(0.0))
    assert sorted(gone) == ["a0", "b0", "c0", "d0", "e0", "f0"]


def test_a_host_that_stays_down_costs_capacity_until_it_is_seen() -> None:
    rollout = scheduler(racks("abc", "r1"), window=3, max_unavailable={"rack": 1}, failure_budget=2)
    rollout.next(0.0)
    prepare(rollout, "a")
    assert fail(rollout, "a", down=True) == []
    assert prepare(rollout, "b") == []
    rollout.seen("a", up=True, now=0.0)
    assert told(rollout.next(0.0)) == ["go b", "prepare c"]
    prepare(rollout, "c")
    assert fail(rollout, "b", down=False) == ["go c"]


def test_bystanders_count() -> None:
    rollout = scheduler([host("a", groups=["web"])], [bystander("n", ["web"]), bystander("m", ["web"])], min_available={"web": 2})
    rollout.seen("n", up=False, now=0.0)
    rollout.next(0.0)
    assert prepare(rollout, "a") == []
    assert "group web (min_available 2)" in why(rollout)
    rollout.seen("n", up=True, now=1.0)
    assert told(rollout.next(1.0)) == ["go a"]


def test_capacity_that_is_lost_while_draining_holds_the_trigger() -> None:
    rollout = scheduler(racks("ab", "r1"), [bystander("n", rack="r1")], window=2, max_unavailable={"rack": 2})
    rollout.next(0.0)
    assert prepare(rollout, "ab") == ["go a", "go b"]
    assert rollout.may_trigger("a", 0.0) is None
    rollout.seen("n", up=False, now=0.0)
    denied = rollout.may_trigger("b", 0.0)
    assert denied is not None
    assert denied.code == "WAITING"
    assert "3 are: a, b, n" in denied.message
    release(rollout, "a")
    assert rollout.may_trigger("b", 0.0) is None


def test_capacity_that_nobody_gives_back_ends_the_rollout() -> None:
    rollout = scheduler(racks("ab", "r1"), window=2, max_unavailable={"rack": 1}, failure_budget=1, stall_timeout=60)
    rollout.next(0.0)
    prepare(rollout, "a")
    prepare(rollout, "b")
    fail(rollout, "a", 10.0, down=True)
    assert rollout.wake_at(10.0) == 70.0
    assert rollout.next(69.0) == []
    assert told(rollout.next(70.0)) == ["discard b"]
    assert rollout.stopped is not None
    assert rollout.stopped.code == "CAPACITY_SPENT"
    assert "of rack r1 (max_unavailable 1) 1 may be unavailable, and 1 are: a" in rollout.stopped.message
    rollout.discarded("b")
    assert rollout.finished(70.0)


def test_a_stall_ends_drained_hosts_too() -> None:
    rollout = scheduler(racks("a", "r1"), [bystander("n", rack="r1")], max_unavailable={"rack": 1}, stall_timeout=60)
    rollout.next(0.0)
    prepare(rollout, "a")
    rollout.seen("n", up=False, now=0.0)
    assert rollout.may_trigger("a", 5.0) is not None
    assert rollout.wake_at(5.0) == 65.0
    rollout.next(65.0)
    denied = rollout.may_trigger("a", 65.0)
    assert denied is not None
    assert denied.code == "CAPACITY_SPENT"


def test_nothing_stalls_while_a_host_is_on_its_way() -> None:
    """Not even after one that waited, drained, has failed."""
    rollout = scheduler(racks("ab", "r1"), [bystander("n", rack="r1")], window=2, max_unavailable=2, failure_budget=1)
    rollout.next(0.0)
    prepare(rollout, "ab")
    assert rollout.may_trigger("a", 0.0) is None
    rollout.seen("n", up=False, now=0.0)
    assert rollout.may_trigger("b", 0.0) is not None
    fail(rollout, "b")
    assert rollout.wake_at(0.0) is None


def test_capacity_that_comes_back_ends_the_stall() -> None:
    rollout = scheduler(racks("a", "r1"), [bystander("n", rack="r1")], max_unavailable={"rack": 1}, stall_timeout=60)
    rollout.seen("n", up=False, now=0.0)
    rollout.next(0.0)
    prepare(rollout, "a")
    rollout.seen("n", up=True, now=50.0)
    assert told(rollout.next(50.0)) == ["go a"]
    assert rollout.next(200.0) == []
    assert rollout.stopped is None


# Failures, canaries, waves.


def test_a_spent_budget_discards_what_is_ready_and_lets_the_rest_end() -> None:
    rollout = scheduler(named("abcde"), window=2)
    rollout.next(0.0)
    prepare(rollout, "ab")
    prepare(rollout, "c")
    assert fail(rollout, "a") == ["discard c"]
    assert code(rollout) == "FAILURE_BUDGET_SPENT"
    assert rollout.status("e") == Status.SKIPPED
    rollout.discarded("c")
    assert prepare(rollout, "d") == ["discard d"], "it was being prepared"
    rollout.discarded("d")
    assert not rollout.finished(0.0)
    denied = rollout.may_trigger("b", 0.0)
    assert denied is rollout.stopped
    rollout.discarded("b")
    assert rollout.finished(0.0)
    assert rollout.status("b") == Status.DISCARDED


def test_the_first_reason_to_stop_stands() -> None:
    rollout = scheduler(named("ab"), window=2)
    rollout.next(0.0)
    prepare(rollout, "ab")
    rollout.stop(ENOUGH, 0.0)
    rollout.stop(LOST, 0.0)
    fail(rollout, "a")
    assert rollout.stopped is ENOUGH
    rollout.released("b", 0.0, None)
    assert rollout.finished(0.0)
    assert rollout.status("b") == Status.DONE


def test_a_discard_says_why() -> None:
    rollout = scheduler(named("ab"), window=1)
    rollout.next(0.0)
    prepare(rollout, "a")
    prepare(rollout, "b")
    rollout.stop(ENOUGH, 0.0)
    assert rollout.next(0.0) == [Discard(host("b"), ENOUGH)]
    assert rollout.next(0.0) == []


def test_a_failed_canary_stops_whatever_the_budget() -> None:
    rollout = scheduler(named("abc"), canaries={"count": 2}, failure_budget="100%")
    rollout.next(0.0)
    prepare(rollout, "a")
    release(rollout, "a")
    prepare(rollout, "b")
    fail(rollout, "b")
    assert rollout.stopped is not None
    assert rollout.stopped.code == "CANARY_FAILED"
    assert "canary b failed: REBOOT_TIMEOUT: it did not come back" in rollout.stopped.message
    assert rollout.status("c") == Status.SKIPPED


def test_canaries_that_were_all_refused_prove_nothing() -> None:
    rollout = scheduler(named("ab"), canaries={"count": 1})
    rollout.next(0.0)
    rollout.refused("a", refusal(), 0.0)
    assert rollout.next(0.0) == []
    assert code(rollout) == "CANARY_FAILED"
    assert rollout.finished(0.0)


def test_a_soak_and_then_the_next_wave() -> None:
    rollout = scheduler(named("abc"), window=5, canaries={"count": 1, "soak": 60}, waves=[1], wave_soak=30)
    assert told(rollout.next(0.0)) == ["prepare a"], "the wave that has not begun is not touched"
    prepare(rollout, "a")
    assert why(rollout) == "the last hosts of canary are in flight"
    assert release(rollout, "a", 100.0) == []
    assert rollout.wake_at(100.0) == 160.0
    assert why(rollout, 110.0) == "canary is over; the next wave begins in 50 s"
    assert rollout.next(159.0) == []
    assert told(rollout.next(160.0)) == ["prepare b"]
    prepare(rollout, "b", 160.0)
    release(rollout, "b", 200.0)
    assert told(rollout.next(230.0)) == ["prepare c"]
    prepare(rollout, "c", 230.0)
    release(rollout, "c", 300.0)
    assert rollout.finished(300.0), "nothing follows, so nothing soaks"


def test_failures_within_the_budget_do_not_hold_up_waves() -> None:
    rollout = scheduler(named("abc"), waves=[1], failure_budget=1)
    rollout.next(0.0)
    prepare(rollout, "a")
    assert fail(rollout, "a", down=True) == ["prepare b"]


def test_a_failure_while_preparing_counts() -> None:
    rollout = scheduler(named("ab"))
    rollout.next(0.0)
    fail(rollout, "a")
    assert code(rollout) == "FAILURE_BUDGET_SPENT"


def test_hosts_that_go_last() -> None:
    rollout = scheduler([host("jump", last=True), *named("ab")], window=3)
    rollout.next(0.0)
    prepare(rollout, "ab")
    assert release(rollout, "a") == []
    assert release(rollout, "b") == ["prepare jump"]


def test_an_outage_that_is_too_long_stops() -> None:
    settings = settings_from({"window": 3, "stop_on_regression": {}})
    rollout = Scheduler(make_plan(named("abc"), [], settings, 0), settings, 0.0, lambda _methods, _host_class: [20.0] * 5)
    rollout.next(0.0)
    prepare(rollout, "abc")
    rollout.released("a", 0.0, 30.0)
    rollout.released("b", 0.0, None)
    assert rollout.stopped is None
    rollout.released("c", 0.0, 46.0)
    assert code(rollout) == "REGRESSION"


# The deadline. From its Go, a host takes 60 s (p95), from its trigger 55 s; preparing takes 10 s more.


def test_nothing_goes_that_would_not_be_back_in_time() -> None:
    rollout = scheduler(named("abc"), window=1, deadline=100)
    rollout.next(0.0)
    prepare(rollout, "a", 5.0)
    prepare(rollout, "b", 10.0)
    assert release(rollout, "a", 39.0) == ["go b"]
    assert rollout.wake_at(39.0) == 40.0
    assert rollout.next(40.0) == []
    assert code(rollout) == "DEADLINE"
    assert rollout.status("c") == Status.SKIPPED


def test_a_host_that_drained_for_too_long_is_not_triggered() -> None:
    rollout = scheduler(named("a"), deadline=100)
    rollout.next(0.0)
    prepare(rollout, "a", 5.0)
    denied = rollout.may_trigger("a", 45.0)
    assert denied is not None
    assert denied.code == "DEADLINE"
    rollout.discarded("a")
    assert rollout.next(45.0) == []
    assert rollout.finished(45.0)
    assert code(rollout) == "DEADLINE"


def test_slow_hosts_are_left_out_while_there_is_time_for_quick_ones() -> None:
    slow = replace(PREDICTION.p95, outage_s=500.0)
    slowly_staged = replace(PREDICTION.p95, prepare_s=500.0)
    fleet = [
        host("slow", predicted=Prediction(slow, slow)),
        host("staged", predicted=Prediction(slowly_staged, slowly_staged)),
        *named("a"),
    ]
    rollout = scheduler(fleet, deadline=100)
    assert told(rollout.next(0.0)) == ["prepare a"]
    assert rollout.status("slow") == rollout.status("staged") == Status.SKIPPED
    prepare(rollout, "a")
    assert rollout.stopped is None
    release(rollout, "a")
    assert rollout.stopped is not None
    assert "slow would not be released before the deadline" in rollout.stopped.message


# Resume.


def resumed(
    hosts: list[HostSpec],
    ended: dict[str, Status],
    *,
    left_out: str = "",
    wave: int = -1,
    last_end: float | None = None,
    **options: object,
) -> Scheduler:
    settings = settings_from(options)
    past = Past(ended, left_out, wave, last_end)
    return Scheduler(make_plan(hosts, [], settings, 0), settings, 0.0, past=past)


def test_what_is_done_stays_done() -> None:
    rollout = resumed(named("abcde"), {"a": Status.DONE, "b": Status.FAILED}, window=5, failure_budget=1)
    assert told(rollout.next(0.0)) == ["prepare c", "prepare d", "prepare e"]
    rollout = resumed(named("ab"), {"a": Status.DONE, "b": Status.DONE})
    assert rollout.finished(0.0)


def test_what_is_left_out_is_over_and_still_counts_for_limits() -> None:
    fleet = [host(name, rack="r") for name in "abc"]
    rollout = resumed(fleet, {}, left_out="a", window=3, waves=[1], max_unavailable={"rack": 1})
    rollout.seen("a", False, 0.0)
    rollout.next(0.0)
    assert rollout.status("a") is Status.SKIPPED
    assert prepare(rollout, "b") == []
    rollout.seen("a", True, 1.0)
    assert told(rollout.next(1.0))[0] == "go b"


def test_a_drained_host_that_can_not_be_rebooted_gives_its_capacity_back() -> None:
    rollout = resumed(named("ab"), {}, window=1)
    rollout.adopt("a", 0.0)
    assert told(rollout.next(0.0)) == ["prepare b"]
    assert prepare(rollout, "b") == []
    rollout.refused("a", ENOUGH, 1.0)
    assert told(rollout.next(1.0)) == ["go b"]


def test_hosts_that_are_out_are_adopted() -> None:
    rollout = resumed(named("abc"), {}, window=2, waves=[1])
    rollout.adopt("b", 0.0)
    rollout.adopt("a", 0.0)
    assert rollout.next(0.0) == []
    assert release(rollout, "a") == ["prepare c"], "b is of this wave, and out"
    assert prepare(rollout, "c") == ["go c"]
    release(rollout, "b")
    release(rollout, "c")
    assert rollout.finished(0.0)
    assert rollout.counts()[Status.DONE] == 3


def test_earlier_failures_count() -> None:
    rollout = resumed(named("abc"), {"a": Status.FAILED}, failure_budget=1)
    rollout.next(0.0)
    prepare(rollout, "b")
    fail(rollout, "b")
    assert code(rollout) == "FAILURE_BUDGET_SPENT"


def test_a_canary_that_failed_stops_again_but_who_is_out_is_looked_after() -> None:
    rollout = resumed(named("abc"), {"a": Status.FAILED}, canaries={"count": 2}, failure_budget=5)
    rollout.adopt("b", 0.0)
    assert rollout.next(0.0) == []
    assert code(rollout) == "CANARY_FAILED"
    assert not rollout.finished(0.0)
    release(rollout, "b")
    assert rollout.finished(0.0)
    assert [rollout.status(name) for name in "abc"] == [Status.FAILED, Status.DONE, Status.SKIPPED]


def test_a_pause_goes_on_where_it_was() -> None:
    options: dict[str, Any] = {"canaries": {"count": 1, "soak": 60}, "window": 3}
    done = {"a": Status.DONE}
    assert resumed_wake_at(done, wave=0, last_end=-45.0, **options) == 15.0
    assert resumed_wake_at(done, wave=0, **options) == 60.0, "it is not known when it began"
    # The next wave had begun, or the pause was over while there was no controller.
    for past in ({"wave": 1}, {"wave": 0, "last_end": -61.0}):
        rollout = resumed(named("abc"), done, **past, **options)
        assert told(rollout.next(0.0)) == ["prepare b", "prepare c"]


def resumed_wake_at(ended: dict[str, Status], **options: Any) -> float | None:
    rollout = resumed(named("abc"), ended, **options)
    assert rollout.next(0.0) == []
    return rollout.wake_at(0.0)


# What counts although it is up, and what is waited for outside.


def test_a_host_that_is_withheld_counts_whatever_is_seen_of_it() -> None:
    rollout = scheduler(named("ab"), window=1, max_unavailable={"all": 1}, failure_budget=2)
    assert told(rollout.next(0.0)) == ["prepare a"]
    assert prepare(rollout, "a") == ["go a", "prepare b"]
    rollout.withheld("a")
    assert fail(rollout, "a") == []
    assert prepare(rollout, "b") == []
    rollout.seen("a", up=True, now=1.0)
    assert told(rollout.next(1.0)) == []
    rollout.restored("a")
    assert told(rollout.next(2.0)) == ["go b"]


def test_a_host_that_is_held_up_stalls_a_rollout_unless_something_moves() -> None:
    rollout = scheduler(named("a"), window=1, stall_timeout=60)
    rollout.next(0.0)
    assert prepare(rollout, "a") == ["go a"]
    held = reason("SLOTS_TAKEN", "others hold all slots")
    rollout.held_up("a", held, 0.0, moved=True)
    assert why(rollout) == "others hold all slots"
    rollout.held_up("a", held, 50.0, moved=True)
    assert rollout.wake_at(50.0) == 110.0
    rollout.held_up("a", held, 100.0, moved=False)
    assert code(rollout) is None
    rollout.next(110.0)
    assert code(rollout) == "SLOTS_TAKEN"
    denied = rollout.may_trigger("a", 110.0)
    assert denied is not None and denied.code == "SLOTS_TAKEN"


def test_a_host_that_goes_on_stalls_nothing() -> None:
    rollout = scheduler(named("a"), window=1, stall_timeout=60)
    rollout.next(0.0)
    prepare(rollout, "a")
    rollout.held_up("a", reason("SLOTS_TAKEN", "others hold all slots"), 0.0, moved=True)
    rollout.goes_on("a")
    rollout.next(100.0)
    assert code(rollout) is None and rollout.may_trigger("a", 100.0) is None
