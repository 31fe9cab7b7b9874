# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.phases import Stage
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import (
    HostReport,
    RunReport,
    read_run,
    run_from_records,
)

from ....outcomes import code_of
from .. import stories
from .journals import Night, Timed, host_timeline, records_of, stamped, write_journal

LOST = reason("REBOOT_TIMEOUT", "it did not come back")


def run_of(timed: list[Timed]) -> RunReport:
    return run_from_records(stamped(timed))


def way(host: str, *times_s: float) -> list[Timed]:
    """A host that goes well: preparing, prepared, draining, hook, drained, intent, triggered, down, back, verified, hook,
    healthy, released."""
    steps = stories.way(host)
    # That of another night.
    steps[7] = events.HostDown(host=host).as_record()
    return list(zip(times_s, steps, strict=True))


TIMES = (1, 3, 5, 6, 7, 8, 8, 10, 18, 19, 20, 20, 21)


def stages(host: HostReport) -> list[tuple[str, float, float]]:
    return [(each.stage.value, round(each.start_s, 3), round(each.end_s, 3)) for each in host.stretches]


def levels(run: RunReport) -> list[tuple[float, int, int]]:
    return [(round(each.at_s, 3), each.in_flight, each.unavailable) for each in run.levels]


def test_what_a_host_was_at_when() -> None:
    run = run_of([(0, stories.started(["web1", "web2"])), *way("web1", *TIMES)])
    assert stages(run.hosts[0]) == [
        ("preparing", 1, 3),
        ("ready", 3, 5),
        ("draining", 5, 7),
        ("gate", 7, 8),
        ("shutting_down", 8, 10),
        ("down", 10, 18),
        ("checking", 18, 19),
        ("after", 19, 21),
    ]
    assert run.hosts[1].stretches == [] and run.hosts[1].status == "skipped"
    assert levels(run) == [(0, 0, 0), (5, 1, 1), (21, 0, 0)]
    assert run.end_s == 21


def test_a_host_is_down_since_it_did_not_answer() -> None:
    steps = way("web1", *TIMES)
    steps[7] = (10, events.HostDown(host="web1", down_at="2026-11-24T01:58:39.250Z").as_record())
    down = run_of([(0, stories.started(["web1"])), *steps]).hosts[0].stretches[5]
    assert (down.stage, round(down.start_s, 3)) == (Stage.DOWN, 9.25)


@pytest.mark.parametrize("at", ["2026-11-24T01:00:00.000Z", "2026-11-25T01:00:00.000Z"])
def test_no_clock_makes_anything_end_before_it_began(at: str) -> None:
    steps = way("web1", *TIMES)
    steps[7] = (10, events.HostDown(host="web1", down_at=at).as_record())
    host = run_of([(0, stories.started(["web1"])), *steps]).hosts[0]
    ends = [0.0, *(each.end_s for each in host.stretches)]
    assert ends == sorted(ends)
    assert all(each.start_s <= each.end_s for each in host.stretches)


def test_a_clock_that_is_set_back() -> None:
    record = stamped([(0, stories.started(["web1"])), *way("web1", *TIMES)])
    record[6]["at"] = "2026-11-24T00:00:00.000Z"
    run = run_from_records(record)
    assert [level.at_s for level in run.levels] == sorted(level.at_s for level in run.levels)


def test_a_host_that_is_given_up_counts_until_it_is_seen() -> None:
    timed = [
        (0.0, stories.started(["web1"], ("db1",))),
        *way("web1", *TIMES)[:8],
        (11.0, events.HostSeen(host="db1", up=False).as_record()),
        (30.0, events.HostFailed(host="web1", reason=LOST, down=True, phase="down").as_record()),
        (40.0, events.HostSeen(host="web1", up=True).as_record()),
        (50.0, events.HostSeen(host="db1", up=True).as_record()),
    ]
    run = run_of(timed)
    assert levels(run) == [(0, 0, 0), (5, 1, 1), (11, 1, 2), (30, 0, 2), (40, 0, 1), (50, 0, 0)]
    assert stages(run.hosts[0])[-2:] == [("down", 10, 30), ("given_up", 30, 40)]
    # Nobody waited for it that long.
    assert run.waves[0].end_s == 30


def test_what_is_called_off_is_in_service_again() -> None:
    undrained = [
        *way("web1", *TIMES)[:5],
        (9.0, events.HostUnstaged(host="web1", ok=True).as_record()),
        (11.0, events.HostUndrained(host="web1", ok=True).as_record()),
    ]
    run = run_of([(0, stories.started(["web1"])), *undrained])
    assert levels(run)[-1] == (11, 0, 0)
    assert stages(run.hosts[0])[-1] == ("undoing", 9, 11)
    without_hooks = [(at_s, record) for at_s, record in undrained[:-1] if record["event"] != "hook_ended"]
    run = run_of([(0, stories.started(["web1"])), *without_hooks])
    assert levels(run)[-1] == (9, 0, 0)
    assert run.hosts[0].status == "discarded"


def test_a_resume_leaves_a_gap() -> None:
    timed = [
        (0.0, stories.started(["web1", "web2"])),
        *way("web1", *TIMES)[:8],
        (12.0, events.HostPreparing(host="web2").as_record()),
        (14.0, stories.prepared("web2")),
        (60.0, events.RunResumed(controller="admin2", pid=7).as_record()),
        (61.0, events.HostBack(host="web1", outage_ms=None, outage_error_ms=None, detected_by="resume").as_record()),
    ]
    run = run_of(timed)
    assert run.absences == [(14, 60)]
    # One was on its way and went on; with the other nothing was done any more.
    assert stages(run.hosts[0])[-1] == ("down", 10, 61)
    assert stages(run.hosts[1]) == [("preparing", 12, 14)]


def test_the_end_of_an_unfinished_journal() -> None:
    run = run_of(
        [(0.0, stories.started(["web1"])), *way("web1", *TIMES)[:9], (30.0, events.HostSeen(host="db1", up=True).as_record())]
    )
    assert stages(run.hosts[0])[-1] == ("checking", 18, 30)
    assert run.hosts[0].status == "unfinished"
    assert not run.state.ended


def test_the_kernel_stands_for_a_class_that_is_not_known() -> None:
    timed = [(0.0, stories.started(["web1"])), *way("web1", *TIMES)]
    assert run_of(timed).hosts[0].host_class == "qemu/" + stories.RELEASE
    for _at_s, record in timed:
        if record["event"] == "host_prepared":
            record["host_class"] = ""
    assert run_of(timed).hosts[0].host_class == stories.RELEASE


def test_a_story_with_every_event_from_its_file(tmp_path: Path) -> None:
    timed = [(float(at_s), record) for at_s, record in enumerate(stories.night())]
    run = read_run(str(write_journal(tmp_path, timed)))
    assert {host.name: host.status for host in run.hosts} == {
        "web1": "done",
        "web2": "failed",
        "web3": "unfinished",
        "web4": "discarded",
        "web5": "refused",
        "web6": "skipped",
        "web7": "failed",
    }
    assert not run.torn
    with (tmp_path / "night" / "journal.jsonl").open("a") as stream:
        stream.write('{"v":1,"seq":')
    assert read_run(str(tmp_path / "night" / "journal.jsonl")).torn


def test_timelines_are_read_and_unknown_phases_kept() -> None:
    timed = records_of(Night(hosts=3, failures=0, refusals=0, timelines=1))
    for _at_s, record in timed:
        if record["event"] == "host_timeline":
            record["timeline"]["phases"].append({"name": "later", "start_ms": 1, "duration_ms": 2, "error_ms": None})
            record["timeline"]["new"] = True
    timelines = [host.timeline for host in run_of(timed).hosts]
    assert all(each and each.spans[-1].name == "later" and each.stop and each.outages for each in timelines)


DAMAGED: list[Record] = [
    {"event": "host_timeline", "host": "web1"},
    {"event": "host_timeline", "host": "web1", "timeline": {"path": "kexec", "start": "", "phases": [{"name": "x"}]}},
    {"event": "host_timeline", "host": "web1", "timeline": []},
    host_timeline("web1", {"path": "kexec", "start": "", "phases": [{"name": "x", "start_ms": 0, "duration_ms": float("inf")}]}),
    {"event": "host_down", "host": "web1", "down_at": "yesterday"},
    {"event": "host_back", "host": "web1", "outage_ms": "9", "outage_error_ms": 5, "detected_by": "banner"},
    {"event": "host_back", "host": "web1", "outage_ms": float("inf"), "outage_error_ms": 5, "detected_by": "banner"},
    {"event": "host_released", "host": "web1", "duration_ms": True},
    {"event": "host_seen", "host": "web1"},
    {"event": "host_failed", "host": "web1", "reason": 7, "down": True, "phase": "x"},
]


@pytest.mark.parametrize("record", DAMAGED)
def test_a_damaged_record(record: Record) -> None:
    assert code_of(run_of, [(0, stories.started(["web1"])), (1, record)]) == "JOURNAL_DAMAGED"


@pytest.mark.parametrize("waves", [[{"hosts": ["web1"]}], [{"name": "w"}], [{"name": "w", "hosts": [], "soak_s": "x"}]])
def test_damaged_waves(waves: list[dict[str, object]]) -> None:
    assert code_of(run_of, [(0, dict(stories.started(["web1"]), waves=waves))]) == "JOURNAL_DAMAGED"


LIMIT = {"of": "rack r1", "most": 1, "hosts": ["web1"]}
FORECAST = {"total_p50_s": 1.0, "total_p95_s": 2, "out_over_time": [[0.0, 0]]}


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"window": "1", "limits": []},
        {"window": True, "limits": []},
        {"window": 10**300, "limits": []},
        {"window": 1, "limits": [7]},
        {"window": 1, "limits": [{"of": "rack r1", "most": 1}]},
        {"window": 1, "limits": [{**LIMIT, "most": -1}]},
        {"window": 1, "limits": [LIMIT], "forecast": {}},
        {"window": 1, "limits": [LIMIT], "forecast": {**FORECAST, "total_p50_s": float("inf")}},
        {"window": 1, "limits": [LIMIT], "forecast": {**FORECAST, "out_over_time": [[1]]}},
        {"window": 1, "limits": [LIMIT], "forecast": {**FORECAST, "out_over_time": [[1, "2"]]}},
    ],
)
def test_damaged_terms(terms: dict[str, object]) -> None:
    first = stories.started(["web1"])
    assert code_of(run_of, [(0, first), (0, {"event": "run_terms", **terms})]) == "JOURNAL_DAMAGED"
    whole = {"event": "run_terms", "window": 1, "limits": [LIMIT], "forecast": FORECAST, "later": 1}
    resumed = events.RunResumed(controller="admin2", pid=7).as_record()
    assert [each.at_s for each in run_of([(0, first), (0, whole), (1, resumed), (2, whole)]).terms] == [0, 1]


def test_events_of_a_later_version_are_left_out() -> None:
    run = run_of([(0, stories.started(["web1"])), (1, {"event": "host_promoted", "host": "web1"}), (2, {"event": "run_paused"})])
    assert run.hosts[0].stretches == []
