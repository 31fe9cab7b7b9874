# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots of the shared lock in rollouts: taken before anything a user would notice, waited for with a bound, and by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status

from ..stories import DRAINED, LOST, started, way
from .worlds import HOOKS, World

NOON_S = 1_795_521_600.0


def held(host: str, run_id: str = "night", controller: str = "elsewhere") -> Holder:
    return Holder(host, run_id, controller, "2026-11-24T12:00:00Z")


def waiting_for(world: World) -> list[str]:
    """Have the reasons noted why nobody goes, each once."""
    said: list[str] = []
    tick = world.tick

    def look(now: float) -> None:
        tick(now)
        why = world.scheduler.waiting(now)
        if why is not None and why.message not in said:
            said.append(why.message)

    world.tick = look  # type: ignore[method-assign]
    return said


def test_no_more_hosts_are_drained_than_there_are_slots() -> None:
    world = World(*"abcdef", hooks=HOOKS, window=6)
    world.budget.slots = 2
    most = 0
    tick = world.tick

    def look(now: float) -> None:
        nonlocal most
        tick(now)
        most = max(most, sum(host.log.count("run lb drain") > host.log.count("run lb undrain") for host in world.hosts.values()))

    world.tick = look  # type: ignore[method-assign]
    world.conduct()
    assert set(world.statuses.values()) == {Status.DONE}
    assert most == world.most_down == 2
    for host in world.hosts.values():
        assert host.log.index("run lb drain") < host.log.index("trigger kexec 0.500")


def test_a_wait_for_slots_says_who_holds_them_and_has_a_bound() -> None:
    world = World("a", "b", hooks=HOOKS, stall_timeout=60)
    world.budget.slots = 2
    world.budget.taken_by_others = {"x": held("x"), "y": held("y", "day")}
    said = waiting_for(world)
    began = world.now
    world.conduct()
    assert world.stopped == "SLOTS_TAKEN"
    assert world.statuses == {"a": Status.DISCARDED, "b": Status.SKIPPED} or set(world.statuses.values()) == {Status.DISCARDED}
    assert 60.0 < world.now - began < 75.0
    assert any("x (run night of elsewhere since" in each and "y (run day of elsewhere" in each for each in said), said
    for host in world.hosts.values():
        assert not any(line.startswith("run lb") for line in host.log), "nobody was drained for nothing"
        assert host.staged is None
    stopping = next(record for record in world.disk if record["event"] == "run_stopping")
    assert "x (run night of elsewhere" in stopping["reason"]["message"]


def test_a_wait_during_which_slots_change_hands_is_no_stall() -> None:
    world = World("a", stall_timeout=60)
    world.budget.slots = 1
    world.budget.taken_by_others = {"x": held("x")}
    began = world.now

    def another(number: int) -> None:
        world.budget.taken_by_others = {"x%d" % number: held("x%d" % number)} if number < 5 else {}

    world.actions = [(40.0 * number, lambda conductor, number=number: another(number)) for number in range(1, 6)]
    world.conduct()
    assert world.statuses == {"a": Status.DONE} and world.now - began > 200.0


def test_an_interrupt_ends_the_wait_for_a_slot() -> None:
    world = World("a", hooks=HOOKS)
    world.budget.slots = 0
    world.actions = [(30.0, lambda conductor: conductor.stop(reason("INTERRUPTED", "Ctrl-C")))]
    began = world.now
    world.conduct()
    assert world.statuses == {"a": Status.DISCARDED} and world.stopped == "INTERRUPTED"
    assert world.now - began < 35.0
    assert world.hosts["a"].log == ["stage {}", "call off"]


def test_the_holders_are_not_asked_for_at_every_attempt() -> None:
    world = World(*"abcdefgh", window=8)
    world.budget.slots = 1
    world.conduct()
    assert set(world.statuses.values()) == {Status.DONE}
    asked = [call for call, _about in world.budget.asked]
    assert asked.count("holders") < 12 < asked.count("acquire")


# Slots that an earlier run of this controller has left behind.


def left_behind(world: World, directory: Path, *records: Record) -> None:
    """Have a run of this controller that ended with these records, and holds a slot for web1."""
    store = RunStore(str(directory / "runs"))
    run = store.new("night", NOON_S, lambda count: "ab" * count)
    with Journal(run.journal, clock=lambda: NOON_S) as journal:
        journal.append([started(["web1"]), *records])
    world.earlier_runs = str(directory / "runs")
    world.budget.slots = 1
    world.budget.taken_by_others = {"web1": held("web1", controller="c")}


DOWN = events.HostFailed(host="web1", reason=LOST, down=True, phase="down").as_record()


def test_a_slot_that_is_held_for_nothing_is_given_back(tmp_path: Path) -> None:
    world = World("a")
    left_behind(world, tmp_path, *way("web1"))
    began = world.now
    world.conduct()
    assert world.statuses == {"a": Status.DONE} and world.now - began < 30.0
    assert world.budget.taken_by_others == {}


@pytest.mark.parametrize(
    "records",
    [
        way("web1")[:7],
        [*way("web1")[:7], DOWN],
        [*way("web1")[:5], events.HostOwes(host="web1", debt="drain", reason=DRAINED, unavailable=True).as_record()],
    ],
)
def test_one_that_counts_is_kept_and_its_way_out_named(tmp_path: Path, records: list[Record]) -> None:
    world = World("a", stall_timeout=30)
    left_behind(world, tmp_path, *records)
    world.conduct()
    assert world.stopped == "SLOTS_TAKEN" and "web1" in world.budget.taken_by_others
    stopping = next(record for record in world.disk if record["event"] == "run_stopping")
    assert "run night of this controller has ended, and resume: night continues it" in stopping["reason"]["message"]


def test_one_of_a_run_that_lives_is_left_alone(tmp_path: Path) -> None:
    world = World("a", stall_timeout=30)
    left_behind(world, tmp_path, *way("web1"))
    world.budget.alive.add("night")
    world.conduct()
    assert world.stopped == "SLOTS_TAKEN" and "web1" in world.budget.taken_by_others
    stopping = next(record for record in world.disk if record["event"] == "run_stopping")
    assert "resume" not in stopping["reason"]["message"]


def test_a_host_that_an_earlier_run_gave_up_as_down_takes_its_own_slot_over(tmp_path: Path) -> None:
    world = World("web1")
    left_behind(world, tmp_path, *way("web1")[:7], DOWN)
    world.conduct()
    assert world.statuses == {"web1": Status.DONE} and world.budget.taken_by_others == {}


def test_a_journal_that_cannot_be_read_frees_nothing(tmp_path: Path) -> None:
    world = World("a", stall_timeout=30)
    left_behind(world, tmp_path, *way("web1"))
    (tmp_path / "runs/night/journal.jsonl").write_text("{}\n")
    world.conduct()
    assert world.stopped == "SLOTS_TAKEN" and "web1" in world.budget.taken_by_others
