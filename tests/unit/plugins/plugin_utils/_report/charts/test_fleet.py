# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.fleet import FleetChart, fleet_chart
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import run_from_records

from ..journals import Night, Timed, records_of, stamped


def made(timed: list[Timed]) -> FleetChart:
    return fleet_chart(run_from_records(stamped(timed)))


def test_rows_have_names_and_waves_a_row_of_their_own() -> None:
    chart = made(records_of(Night(hosts=5, failures=0, refusals=0)))
    assert [label.text for label in chart.labels if label.css == "wave"] == ["canary, 1 host", "wave 1, 4 hosts"]
    assert [label.text for label in chart.labels if label.css == "done"] == ["web%d" % number for number in range(1, 6)]
    assert chart.rows.count('class="s-down"') == 5 and chart.note == "" and chart.forecast
    assert "Down" in [entry.title for entry in chart.legend]


@pytest.mark.parametrize(("hosts", "rows"), [(61, 61), (1300, 650)])
def test_many_rows_have_no_names(hosts: int, rows: int) -> None:
    chart = made(records_of(Night(hosts=hosts, failures=0, refusals=0, timelines=0)))
    assert chart.labels == [] and "wave-name" in chart.waves
    assert chart.rows.split('class="s-down" d="')[1].split('"')[0].count("M") == rows
    assert ("Each row stands for 2 hosts" in chart.note) == (hosts > 1200)


def test_hosts_that_were_never_started_have_no_row() -> None:
    timed = records_of(Night(hosts=5, failures=0, refusals=0))
    chart = made([each for each in timed if each[1].get("host") != "web5"])
    assert chart.note == "Never started: 1 host."
