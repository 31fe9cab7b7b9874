# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.capacity import CapacityChart, capacity_chart
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.scale import Scale
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import run_from_records

from ..journals import Night, records_of, stamped


def made(window: int, limit: int | None = None) -> CapacityChart:
    timed = records_of(Night(hosts=6, failures=0, refusals=0, settings={"window": window}))
    if limit is not None:
        timed[1][1]["limits"] = [{"of": "the fleet", "most": limit, "hosts": [*timed[0][1]["hosts"], "db1"]}]
    return capacity_chart(run_from_records(stamped(timed)), Scale(0.0, 100.0), [0.0, 50.0])


def test_unavailable_hosts_are_drawn_against_the_window() -> None:
    chart = made(2)
    assert 'aria-label="unavailable hosts over time: at most 2"' in chart.drawing
    assert ">window 2<" in chart.drawing and chart.forecast
    for css in ("c-unavailable", "c-in-flight", "c-forecast"):
        assert 'class="%s"' % css in chart.drawing


@pytest.mark.parametrize(("limit", "drawn"), [(3, True), (50, False)])
def test_a_limit_far_above_everything_is_not_drawn(limit: int, drawn: bool) -> None:
    assert (">max_unavailable %d<" % limit in made(2, limit).drawing) is drawn
