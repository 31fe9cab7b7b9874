# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures that can be checked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import utc
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import (
    Figures,
    figures_of,
    firmware_outages,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.problems import AffectedHost, Problem
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import RunReport, run_from_records

from .journals import host_timeline, stamped

NOTE = reason("POWER_CYCLED", "it did not come back by itself")


def host(
    name: str, outage_ms: int, path: str = "kexec", method: str = "", host_class: str = "a", reasons: Any = ()
) -> list[Record]:
    """A host that was rebooted."""
    forecast = {"prepare": 1000, "drain": 500, "outage": 10_000, "after": 2000}
    return [
        events.HostPreparing(host=name).as_record(),
        events.HostPrepared(
            host=name,
            method=method or path,
            token="t",
            release="6.12",
            staged=None,
            boot_id="b",
            release_before="6.11",
            predicted_ms={"p50": forecast, "p95": {**forecast, "outage": 20_000}},
            duration_ms=1000,
            host_class=host_class,
        ).as_record(),
        events.HostDraining(host=name).as_record(),
        events.HostDrained(host=name, duration_ms=600).as_record(),
        events.HostIntent(
            host=name, boot_id="b", token="t", unit="u", method=method or path, release="6.12", reboot_timeout_s=300
        ).as_record(),
        events.HostBack(host=name, outage_ms=outage_ms, outage_error_ms=50, detected_by="banner").as_record(),
        events.HostVerified(host=name, path=path, proof={}, boot_id="c", release="6.12", reasons=tuple(reasons)).as_record(),
        events.HostHealthy(host=name, duration_ms=2500).as_record(),
        events.HostReleased(host=name, duration_ms=outage_ms + 3100).as_record(),
    ]


def terms(window: int = 100, forecast: Any = None, **limits: tuple[int, list[str]]) -> Record:
    """What a run goes by."""
    named = [{"of": of, "most": most, "hosts": members} for of, (most, members) in limits.items()]
    return events.RunTerms(window=window, limits=tuple(named), forecast=forecast, failure_budget=0).as_record()


def run_of(*hosts: list[Record], terms: Record | None = None, bystanders: Any = ()) -> RunReport:
    names = [record["host"] for each in hosts for record in each if "host" in record]
    names = [name for name in dict.fromkeys(names) if name not in bystanders]
    first = events.RunStarted(
        run_id="r",
        controller="c",
        collection_version="",
        hosts=tuple(names),
        bystanders=tuple(bystanders),
        settings={},
        waves=({"name": "wave 1", "hosts": names, "soak_s": 0},),
    ).as_record()
    timed = [(float(at_s), record) for at_s, record in enumerate([first, *(record for each in hosts for record in each)])]
    timed[1:1] = [(0.0, terms)] if terms else []
    return run_from_records(stamped(timed))


def figures(*hosts: list[Record], earlier: dict[str, list[float]] | None = None, **more: Any) -> Figures:
    return figures_of(run_of(*hosts, **more), earlier or {})


def test_the_headline_figures() -> None:
    made = figures(host("a", 9000), host("b", 12_000), host("c", 30_000, path="firmware"))
    assert made.hosts == 3
    assert made.statuses == {"done": 3}
    assert made.paths == {"kexec": 2, "firmware": 1}
    assert made.outage is not None
    assert (made.outage.p50_ms, made.outage.p95_ms, made.outage.longest_ms, made.slowest) == (12_000, 30_000, 30_000, "c")
    assert made.wall_ms == 27_000


def test_saved_is_against_firmware_that_was_measured() -> None:
    # Two via kexec of a kind of which one went through firmware, and one of a kind of which none did.
    made = figures(host("a", 9000), host("b", 11_000), host("c", 70_000, "firmware"), host("d", 5000, host_class="other"))
    assert made.saved is not None
    assert made.saved.total_ms == 2 * 70_000 - 9000 - 11_000
    assert (made.saved.hosts, made.saved.rebooted) == (2, 3)
    assert {name: (each.p50_ms, each.samples) for name, each in made.saved.baselines.items()} == {"a": (70_000, 1)}


def test_the_median_is_compared_with_that_of_the_same_hosts_through_firmware() -> None:
    made = figures(host("a", 9000), host("b", 11_000), host("c", 5000, host_class="other"), earlier={"a": [90_000.0, 99_000.0]})
    assert made.saved is not None
    assert (made.saved.kexec_p50_ms, made.saved.firmware_p50_ms, made.saved.times_shorter) == (9000, 90_000, 10.0)
    longer = figures(host("a", 9000), earlier={"a": [5000.0]}).saved
    assert longer is not None and longer.times_shorter is None


def test_kernels_from_and_to() -> None:
    made = figures(host("a", 9000), host("b", 11_000))
    assert [each.hosts for each in made.kernels] == [2]
    assert figures().kernels == []


def test_equal_messages_are_folded() -> None:
    gone = [reason("REBOOT_TIMEOUT", "%s did not come back, as web1.old did not" % name) for name in ("web1", "web2")]
    hosts = [AffectedHost(name, why.message, True) for name, why in zip(("web1", "web2"), gone, strict=True)]
    other = AffectedHost("a", "a bad disk in a", False)
    problem = Problem("REBOOT_TIMEOUT", "failed", "", [other, *hosts])
    assert [(same.message, len(same.hosts)) for same in problem.folded] == [
        ("the host did not come back, as web1.old did not", 2),
        ("a bad disk in a", 1),
    ]


def test_earlier_runs_are_a_baseline_too_and_a_loss_is_not_hidden() -> None:
    made = figures(host("a", 9000), earlier={"a": [5000.0, 7000.0, 8000.0]})
    assert made.saved is not None
    assert made.saved.total_ms == -2000


@pytest.mark.parametrize("earlier", [{}, {"other": [60_000.0]}, {"a": []}])
def test_without_a_measured_reboot_nothing_is_said_to_be_saved(earlier: dict[str, list[float]]) -> None:
    assert figures(host("a", 9000), earlier=earlier).saved is None


def test_only_meant_reboots_through_firmware_are_a_baseline() -> None:
    run = run_of(
        host("meant", 60_000, "firmware"),
        host("fallen", 90_000, "firmware", method="kexec"),
        host("cycled", 700_000, "firmware", reasons=[NOTE]),
    )
    assert firmware_outages(run.hosts) == {"a": [60_000]}


def interleaved(count: int) -> list[Record]:
    """So many hosts that are out at the same time."""
    ways = [host("h%d" % number, 9000) for number in range(count)]
    return [record for step in zip(*ways, strict=True) for record in step]


HOSTS = ["h0", "h1", "h2"]


@pytest.mark.parametrize(
    ("going_by", "out", "broken"),
    [
        (terms(2), 2, []),
        (terms(2), 3, [("h2", "the window", 2, 3)]),
        (terms(3, fleet=(3, HOSTS)), 3, []),
        (terms(3, fleet=(2, HOSTS)), 3, [("h2", "fleet", 2, 3)]),
        (terms(3, rack=(1, ["h0", "h2"]), zone=(2, HOSTS[:2])), 3, [("h2", "rack", 1, 2)]),
        (terms(3, rack=(1, ["h2", "db1"])), 3, []),
    ],
)
def test_capacity(going_by: Record, out: int, broken: list[tuple[str, str, int, int]]) -> None:
    made = figures(interleaved(out), terms=going_by).capacity
    assert (made.most_in_flight, made.held) == (out, not broken)
    assert [(each.host, each.of, each.most, each.unavailable) for each in made.breaches] == broken


def test_limits_of_the_whole_fleet_and_of_parts() -> None:
    going_by = terms(3, fleet=(2, [*HOSTS, "db1"]), rack=(1, ["h0", "h2"]), group=(3, ["h0", "db1"]))
    made = figures(interleaved(3), terms=going_by, bystanders=["db1"]).capacity
    assert (made.windows, made.allowed, made.limits) == ([3], [2], 2)


def test_hosts_that_go_down_on_their_own_break_no_budget() -> None:
    others = ["db0", "db1", "db2"]
    down = [events.HostSeen(host=name, up=False).as_record() for name in others]
    up = [events.HostSeen(host=name, up=True).as_record() for name in others]
    way = host("a", 9000)
    first, last = way[:4], way[4:]
    going_by = terms(1, fleet=(2, ["a", *others]), group=(1, ["db0", "db1"]))
    made = figures(first, down, last, terms=going_by, bystanders=others).capacity
    assert (made.most_in_flight, made.most_unavailable, made.held) == (1, 4, True)
    # Taking one more while they are down does.
    made = figures(down, way, terms=going_by, bystanders=others).capacity
    assert [(each.host, each.of, each.unavailable) for each in made.breaches] == [("a", "fleet", 4)]
    # And does not when they are up again.
    assert figures(down, up, way, terms=going_by, bystanders=others).capacity.held is True


def test_a_host_that_was_given_up_counts_until_it_is_seen() -> None:
    lost = [
        *host("a", 1)[:5],
        events.HostFailed(host="a", reason=reason("REBOOT_TIMEOUT", "gone"), down=True, phase="down").as_record(),
    ]
    going_by = terms(1, fleet=(1, ["a", "b"]))
    assert figures(lost, host("b", 9000), terms=going_by).capacity.held is False
    assert figures(lost, [events.HostSeen(host="a", up=True).as_record()], host("b", 9000), terms=going_by).capacity.held is True


def test_a_resume_may_go_by_something_else() -> None:
    hosts = interleaved(2)
    resumed = events.RunResumed(controller="c", pid=1).as_record()
    wider = terms(2, rack=(1, ["h1"]))
    made = figures([resumed, wider], hosts, terms=terms(1)).capacity
    assert (made.windows, made.allowed, made.limits, made.held) == ([1, 2], [None], 1, True)
    # Who is out when it begins is no breach of it; who goes after that is.
    narrower = terms(1, fleet=(1, ["h0", "h1"]))
    assert figures(hosts[:6], [resumed, narrower], hosts[6:], terms=terms(2)).capacity.held is True
    breaches = figures(hosts[:5], [resumed, narrower], hosts[5:], terms=terms(2)).capacity.breaches
    assert {(each.host, each.of) for each in breaches} == {("h1", "the window"), ("h1", "fleet")}


def test_a_journal_without_terms_can_not_be_judged() -> None:
    assert figures(interleaved(2)).capacity.held is None
    resumed = events.RunResumed(controller="c", pid=1).as_record()
    assert figures([resumed], interleaved(2), terms=terms(2)).capacity.held is None
    assert figures(interleaved(2), [resumed], terms=terms(1)).capacity.held is False


FORECAST = {"total_p50_s": 20, "total_p95_s": 30.5, "out_over_time": [[0, 0], [1.5, 2], [19.0, 0]]}


def test_the_forecast_of_the_run() -> None:
    ended = events.RunEnded(counts={"done": 1}, duration_ms=26_000).as_record()
    made = figures(host("a", 9000), [ended], terms=terms(forecast=FORECAST)).run_forecast
    assert made is not None
    assert (made.resumed, made.p50_ms, made.p95_ms, made.took_ms) == (False, 20_000, 30_500, 26_000)
    # One that was resumed is judged by what was forecast of the rest of it.
    resumed = [events.RunResumed(controller="c", pid=1).as_record(), terms(forecast={**FORECAST, "total_p50_s": 7})]
    made = figures(resumed, host("a", 9000), [ended], terms=terms(forecast=FORECAST)).run_forecast
    assert made is not None
    assert (made.resumed, made.p50_ms) == (True, 7000)


def test_a_run_that_did_not_come_to_its_end_is_not_held_against_its_forecast() -> None:
    stopping = events.RunStopping(reason=reason("INTERRUPTED", "the playbook was interrupted")).as_record()
    ended = events.RunEnded(counts={"done": 1}, duration_ms=26_000).as_record()
    for last in ([], [stopping, ended]):
        made = figures(host("a", 9000), last, terms=terms(forecast=FORECAST)).run_forecast
        assert made is not None and made.took_ms is None
    assert figures(host("a", 9000), [ended], terms=terms()).run_forecast is None


def test_distribution_by_host_class_and_path() -> None:
    made = figures(host("a", 3000), host("b", 1000), host("c", 9000, "firmware"), host("d", 2000, host_class="z")).distributions
    assert [(each.host_class, each.path, each.outages_ms) for each in made] == [
        ("a", "kexec", [1000, 3000]),
        ("a", "firmware", [9000]),
        ("z", "kexec", [2000]),
    ]


def timeline(name: str, kernel_ms: float, units: list[tuple[str, float]]) -> Record:
    """Of a reboot with three phases, one of them within another."""
    phases = [("stop_units", 4000.0, None), ("jump", 1000.0, None), ("stub", 100.0, "jump"), ("kernel", kernel_ms, None)]
    at_ms, made = 0.0, []
    for phase, duration_ms, within in phases:
        made.append({"name": phase, "start_ms": at_ms, "duration_ms": duration_ms, "error_ms": 1.0, "within": within})
        at_ms += 0 if within else duration_ms
    stop = [{"unit": unit, "duration_ms": duration_ms} for unit, duration_ms in units]
    return host_timeline(
        name, {"path": "kexec", "start": utc(0), "phases": made, "units": {"stop": stop, "start": []}, "initcalls": []}
    )


def test_where_the_seconds_went() -> None:
    made = figures(
        [*host("a", 8000), timeline("a", 3000, [("x.service", 300), ("y.service", 20)])],
        [*host("b", 10_000), timeline("b", 5000, [("x.service", 500)])],
        host("c", 2000),
    )
    totals = {each.name: (each.spread.total_ms, each.share) for each in made.phases}
    # 20 s in all: of the third host only the whole is known.
    assert totals == {
        "stop_units": (8000, 0.4),
        "jump": (2000, 0.1),
        "stub": (200, None),
        "kernel": (8000, 0.4),
        "outage": (2000, 0.1),
        "stage": (3000, None),
        "drain": (1800, None),
        "healthy": (7500, None),
    }
    assert [(each.name, each.when, each.hosts, each.total_ms, each.mean_ms, each.longest_ms) for each in made.units] == [
        ("x.service", "stop", 2, 800, 400, 500),
        ("y.service", "stop", 1, 20, 20, 20),
    ]


def test_what_a_timeline_lacks_of_an_outage_is_not_told_apart() -> None:
    half = timeline("a", 3000, [])
    half["timeline"]["phases"] = [each for each in half["timeline"]["phases"] if each["name"] == "kernel"]
    made = figures([*host("a", 8000), half])
    totals = {each.name: each.spread.total_ms for each in made.phases if each.in_outage}
    assert totals == {"outage": 5000, "kernel": 3000}


def test_only_the_ten_most_costly_units_are_named() -> None:
    units = [("u%02d.service" % number, float(number)) for number in range(30)]
    made = figures([*host("a", 8000), timeline("a", 3000, units)]).units
    assert [each.name for each in made] == ["u%02d.service" % number for number in range(29, 19, -1)]


def test_forecast_against_actual() -> None:
    made = figures(host("a", 8000), host("b", 12_000), host("c", 25_000))
    by_phase = {each.phase: each for each in made.forecast}
    assert list(by_phase) == ["prepare", "drain", "outage", "after"]
    outage = by_phase["outage"]
    assert (outage.forecast_p50_ms, outage.actual_p50_ms, outage.forecast_p95_ms, outage.actual_p95_ms) == (
        10_000,
        12_000,
        20_000,
        25_000,
    )
    assert (outage.hosts, outage.beyond_p95) == (3, 1)
    assert made.ratios == [0.8, 1.2, 2.5]


@pytest.mark.parametrize("predicted", [None, {}, {"outage": 9000}, {"p50": {"outage": 0}, "p95": {}}, {"p50": 7, "p95": 8}])
def test_a_forecast_that_is_not_there(predicted: Any) -> None:
    way = host("a", 8000)
    way[1]["predicted_ms"] = predicted
    made = figures(way)
    assert made.forecast == [] and made.ratios == []


def test_problems_by_code_with_their_hints() -> None:
    blocked, lost = reason("LOCKDOWN", "locked down"), reason("REBOOT_TIMEOUT", "gone")
    hook = events.HookEnded(host="b", hook="h", phase="before", attempts=3, ok=False, duration_ms=1, message="no").as_record()
    owed = reason("SLOT_OWED", "its slot is still taken")
    paid = [events.HostOwes(host="f", debt="slot", reason=owed).as_record(), events.HostPaid(host="f", debt="slot").as_record()]
    made = figures(
        [events.HostPreparing(host="a").as_record(), events.HostRefused(host="a", reason=blocked).as_record()],
        [*host("b", 1)[:5], hook, events.HostFailed(host="b", reason=lost, down=True, phase="down").as_record()],
        [events.HostPreparing(host="c").as_record(), events.HostRefused(host="c", reason=blocked).as_record()],
        [events.HostPreparing(host="d").as_record(), events.HostUnstaged(host="d", ok=True).as_record()],
        [*host("e", 1), events.HostOwes(host="e", debt="slot", reason=owed).as_record()],
        [*host("f", 1), *paid],
    )
    assert [(each.status, each.code, [every.host for every in each.hosts]) for each in made.problems] == [
        ("failed", "REBOOT_TIMEOUT", ["b"]),
        ("owed", "SLOT_OWED", ["e"]),
        ("refused", "LOCKDOWN", ["a", "c"]),
    ]
    assert made.problems[0].hosts[0].down and made.problems[2].hint == blocked.hint
    assert [(each.host, each.attempts, each.message) for each in made.hooks] == [("b", 3, "no")]


def test_a_run_without_hosts() -> None:
    made = figures(terms=terms())
    assert (made.hosts, made.outage, made.saved, made.distributions, made.phases) == (0, None, None, [], [])
    assert made.capacity.held
