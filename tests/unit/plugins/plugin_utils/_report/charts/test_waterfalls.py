# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.waterfalls import waterfalls
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import run_from_records

from ..journals import Night, host_timeline, records_of, stamped


def test_each_host_of_a_small_fleet_has_a_chart() -> None:
    run = run_from_records(stamped(records_of(Night(hosts=3, failures=0, refusals=0, firmware=0, timelines=1))))
    charts = waterfalls(run)
    assert [chart.host.name for chart in charts] == ["web1", "web2", "web3"]
    assert [row.title for row in charts[0].rows][:3] == ["Down, by ssh", "Drain", "Stop units"]
    assert charts[0].measured and charts[0].about.startswith("down for ")
    assert "old-system" in charts[0].drawing and "new-system" in charts[0].drawing


def test_of_a_large_fleet_some_are_chosen_for_a_reason() -> None:
    run = run_from_records(stamped(records_of(Night(hosts=60, failures=0.1, refusals=0))))
    charts = waterfalls(run)
    assert len(charts) < 25
    assert {chart.why.split(" of ")[0] for chart in charts} == {"failed", "among the slowest", "typical"}


def test_without_a_timeline_there_is_what_the_controller_saw() -> None:
    run = run_from_records(stamped(records_of(Night(hosts=2, failures=0, refusals=0, timelines=0))))
    chart = waterfalls(run)[0]
    assert not chart.measured and "Down" in [row.title for row in chart.rows]


def test_a_timeline_that_ended_before_the_reboot() -> None:
    timed = records_of(Night(hosts=1, failures=0, refusals=0, timelines=0))
    drain = {"name": "drain", "start_ms": 0, "duration_ms": 900, "error_ms": 1}
    timed.append((timed[-1][0], host_timeline("web1", {"path": "kexec", "start": "", "phases": [drain]})))
    [chart] = waterfalls(run_from_records(stamped(timed)))
    assert [row.title for row in chart.rows] == ["Drain"]
