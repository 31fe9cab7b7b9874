# SPDX-License-Identifier: GPL-3.0-or-later
"""What would shorten the outages of a fleet most."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.figures import figures_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.gains import FleetGains, gains_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.page import render
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import RunReport, run_from_records
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.sentences import gains_text
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.timeline import timeline_of

from .journals import HOSTILE, Night, Timed, records_of, stamped

QUIET = Night(hosts=3, failures=0, refusals=0, firmware=0, timelines=1)


def run_with(*reboots: dict[str, Any]) -> RunReport:
    """A run whose hosts have these in their timelines, in the order of the journal; each was down for ten seconds."""
    timed: list[Timed] = records_of(QUIET)
    left = list(reboots)
    for _at_s, record in timed:
        if record["event"] == "host_back":
            record["outage_ms"] = 10_000
        if record["event"] == "host_timeline":
            for name in ("findings", "gain_ms"):
                record["timeline"].pop(name)
            record["timeline"].update(left.pop(0) if left else {})
    return run_from_records(stamped(timed))


def finding(code: str, gain_ms: float | None, basis: str = "measured") -> dict[str, Any]:
    return {"code": code, "time_ms": gain_ms or 700.0, "gain_ms": gain_ms, "basis": basis, "phases": {}, "evidence": []}


def gains(*reboots: dict[str, Any]) -> FleetGains:
    found = gains_of(run_with(*reboots).hosts)
    assert found is not None
    return found


def test_kinds_are_ranked_by_hosts_times_median_gain() -> None:
    made = gains(
        {"findings": [finding("DHCP", 2000.0), finding("FSCK", 3000.0), finding("SMP_BRINGUP", None)], "gain_ms": 4000.0},
        {"findings": [finding("DHCP", 1000.0), finding("FSCK", 100.0)], "gain_ms": 1000.0},
        {"findings": [finding("DHCP", 4000.0)], "gain_ms": 4000.0},
    )
    assert [(each.code, each.hosts, each.p50_ms, each.longest_ms, each.rank_ms) for each in made.kinds] == [
        ("DHCP", 3, 2000.0, 4000.0, 6000.0),
        ("FSCK", 2, 100.0, 3000.0, 200.0),
        ("SMP_BRINGUP", 1, None, None, 0.0),
    ]
    assert made.kinds[0].title == "Wait for an address by DHCP or router advertisement"
    assert (made.hosts, made.outage_ms, made.total_ms) == (3, 30_000, 9000.0), "not the sum of the findings"
    assert gains_text(made).startswith("All of it together would save up to 9.0 s of 30.0 s of outage (30 %) over 3 hosts.")


def test_hosts_that_do_not_say_are_not_counted() -> None:
    assert gains_of(run_with().hosts) is None
    made = gains({"findings": [], "gain_ms": 0.0})
    assert (made.hosts, made.outage_ms, made.kinds) == (1, 10_000, [])


def test_a_host_that_exaggerates() -> None:
    """No host saves more than the outage that the controller saw."""
    made = gains({"findings": [finding("DHCP", 1e12)], "gain_ms": 1e12})
    assert (made.total_ms, made.kinds[0].longest_ms) == (10_000, 10_000)


def test_a_kind_of_a_later_version_goes_by_its_code() -> None:
    kind = gains({"findings": [finding("LATER", 100.0)], "gain_ms": 100.0}).kinds[0]
    assert (kind.title, kind.hint, kind.risk, kind.part) == ("LATER", "", "", "")


@pytest.mark.parametrize(
    "value",
    [
        {"findings": 7, "gain_ms": "much"},
        {"findings": [7, {}, {"code": "DHCP", "gain_ms": "x"}, {"code": "DHCP", "evidence": [7]}], "gain_ms": float("inf")},
        {"findings": [{"code": "DHCP", "time_ms": 10**400}], "gain_ms": 10**400},
        {"findings": {"code": "DHCP"}, "gain_ms": None},
    ],
)
def test_malformed_findings_are_left_out(value: dict[str, Any]) -> None:
    timeline = timeline_of({"path": "kexec", "start": "", "phases": [], **value})
    assert (timeline.findings, timeline.gain_ms) == ((), None)


def test_evidence_of_a_host_stays_text() -> None:
    for name in HOSTILE:
        hostile = dict(finding("DHCP", 100.0), evidence=[{"unit": name, "ms": 1.0, "note": name}])
        run = run_with({"findings": [hostile, finding(name, 5.0)], "gain_ms": 100.0})
        page = render(run, figures_of(run, {}))
        assert "<script" not in page and "<img" not in page and "\x1b" not in page and "\u202e" not in page


CODES = st.sampled_from(["DHCP", "FSCK", "CONSOLE_SERIAL", "LATER"])
TIMES = st.none() | st.floats(-1e9, 1e9)
REBOOTS = st.lists(st.tuples(st.lists(st.tuples(CODES, TIMES), max_size=5), TIMES), max_size=3)


@given(REBOOTS)
def test_totals_never_exceed_the_outages(reboots: list[Any]) -> None:
    made = gains_of(
        run_with(*({"findings": [finding(*each) for each in found], "gain_ms": gain_ms} for found, gain_ms in reboots)).hosts
    )
    if made is not None:
        assert 0.0 <= made.total_ms <= made.outage_ms
        for kind in made.kinds:
            assert kind.told <= kind.hosts <= made.hosts
            assert kind.longest_ms is None or 0.0 <= kind.longest_ms <= 10_000
