# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout stands, and how long it will take yet."""

from __future__ import annotations

from random import Random

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.progress import Progress
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import HostSpec, Phases, Prediction, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.simulation import Fate

from ..courses import begun, rollout, terms
from ..fleets import host
from ..stories import night, way

ALIKE = Prediction(Phases(0.0, 2.0, 20.0, 3.0), Phases(0.0, 4.0, 40.0, 6.0))


def told(*applied: Record) -> Progress:
    progress = Progress(RunState())
    for number, record in enumerate(applied):
        apply(progress, record, float(number))
    return progress


def apply(progress: Progress, record: Record, now: float) -> None:
    change = progress.state.read(record)
    if change is not None:
        progress.apply(change, now)


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"window": 1}, 0.01),
        ({"window": 7}, 0.01),
        ({"window": "50%"}, 0.01),
        ({"window": 4, "canaries": {"count": 2, "soak": 60}, "waves": ["25%"], "wave_soak": 30}, 0.01),
        # What a limit lets go is not in the records, but can be seen from them.
        ({"window": 10, "max_unavailable": 2}, 0.15),
    ],
)
def test_what_is_left_of_a_rollout_that_goes_as_predicted(options: dict[str, object], tolerance: float) -> None:
    settings = settings_from(options)
    plan = make_plan([host("web%d" % number, predicted=ALIKE) for number in range(40)], [], settings, 0)
    course, timed = rollout(plan, settings, lambda _host: Fate(ALIKE.p50))
    progress = Progress(RunState(), {spec.name: spec.predicted for spec in plan.hosts})
    compared = 0
    for at, (now, record) in enumerate(timed):
        apply(progress, record, now)
        # Half a prediction into the run, and whenever all records of a moment are there.
        if now > 30.0 and (at + 1 == len(timed) or timed[at + 1][0] > now):
            left_s = progress.left_s(now)
            assert left_s == pytest.approx(course.total_s - now, rel=tolerance, abs=25.5 if tolerance > 0.1 else 1.0), now
            compared += 1
    assert compared >= 2
    assert progress.left_s(course.total_s) == 0.0
    assert progress.state.statuses[Status.DONE] == 40


def test_what_is_left_of_a_rollout_whose_hosts_differ() -> None:
    settings = settings_from({"window": 10})
    plan = make_plan([host("web%d" % number) for number in range(300)], [], settings, 0)
    random = Random(1)

    # Predicted are 23 s, so what hosts really take has to be learnt.
    def draw(_host: HostSpec) -> Fate:
        return Fate(Phases(0.0, 1.0, random.uniform(10.0, 90.0), 2.0))

    course, timed = rollout(plan, settings, draw)
    progress = Progress(RunState(), {spec.name: spec.predicted for spec in plan.hosts})
    for now, record in timed:
        apply(progress, record, now)
        if now > course.total_s / 2:
            break
    assert progress.left_s(course.total_s / 2) == pytest.approx(course.total_s / 2, rel=0.1)


def test_nothing_is_forecast_without_anything_to_go_by() -> None:
    assert told(begun([("wave 1", ["a", "b"], 0.0)])).left_s(1.0) is None
    progress = told(begun([("wave 1", ["a", "b"], 0.0)]), *way("a")[:1])
    assert progress.left_s(2.0) is None


def test_a_host_that_is_overdue_is_awaited_until_its_p95_and_then_any_moment() -> None:
    progress = Progress(RunState(), dict.fromkeys("abc", ALIKE))
    for record in (begun([("wave 1", ["a"], 0.0)]), *way("a")[:8]):
        apply(progress, record, 0.0)
    assert [progress.left_s(now) for now in (0.0, 20.0, 30.0, 60.0)] == [25.0, 5.0, 20.0, 0.0]


def test_after_a_stop_only_hosts_that_are_out_are_awaited() -> None:
    progress = Progress(RunState(), dict.fromkeys("abc", ALIKE))
    for record in (begun([("wave 1", ["a", "b", "c"], 0.0)]), terms(1), *way("a")[:8], *way("b")[:2]):
        apply(progress, record, 0.0)
    assert progress.left_s(10.0) == 65.0
    apply(progress, events.RunStopping(reason=Reason("INTERRUPTED", "somebody pressed Ctrl-C", "")).as_record(), 10.0)
    assert progress.left_s(10.0) == 15.0


def test_who_counts_as_what() -> None:
    progress = told(*night()[:-4])
    assert {status.value: number for status, number in progress.state.statuses.items() if number} == {
        "done": 1,
        "refused": 1,
        "failed": 2,
        "discarded": 1,
        "out": 1,
        "waiting": 1,
    }
    assert progress.state.down == {"db1", "web2"}
    assert list(progress.active) == ["web3"]
    apply(progress, events.HostSeen(host="web2", up=True).as_record(), 100.0)
    apply(progress, events.HostSeen(host="db1", up=True).as_record(), 100.0)
    assert not progress.state.down


@pytest.mark.parametrize("by_state", [False, True])
def test_a_resume_goes_on_where_the_journal_ends(by_state: bool) -> None:
    before = night()[:-4]
    progress = Progress(RunState.from_records(before)) if by_state else told(*before)
    apply(progress, events.RunResumed(controller="admin2", pid=1).as_record(), 1000.0)
    # What was refused or called off is tried anew.
    assert {status.value: number for status, number in progress.state.statuses.items() if number} == {
        "done": 1,
        "failed": 2,
        "out": 1,
        "waiting": 3,
    }
    assert progress.state.stop_reason is None
    assert progress.state.down == {"db1", "web2"}
    assert progress.state.waves[1].left == 4
    assert progress.in_wave() is progress.state.waves[1]
    if by_state:
        assert progress.active["web3"].since == 1000.0
        assert progress.elapsed_s(1010.0) == 10.0


def test_hosts_that_ended_leave_nothing_but_their_status() -> None:
    names = ["web%d" % number for number in range(50)]
    progress = told(begun([("wave 1", names, 0.0)]), *(record for name in names for record in way(name)))
    assert not progress.active
    assert progress.state.statuses[Status.DONE] == 50


def test_what_is_not_known_changes_nothing() -> None:
    progress = told(begun([("wave 1", ["a"], 0.0)]))
    for record in ({"event": "host_blessed", "host": "a"}, {"event": "run_paused"}):
        apply(progress, record, 5.0)
    assert progress.state.statuses[Status.WAITING] == 1
    assert not progress.active
    assert progress.window is None
