# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.histogram import histogram


def test_outages_are_counted_by_tenths_of_their_forecast() -> None:
    made = histogram([0.95, 1.0, 1.04, 7.0])
    assert made is not None and made.median == 1.0
    # Two of them share a bar, which is the highest; the last one is counted with all that took three times as long.
    path = made.drawing.split(' d="')[1].split('"')[0]
    assert path.count("M") == 3 and path.count("v80h") == 1 and path.count("v40h") == 2


@pytest.mark.parametrize("ratios", [[], ()])
def test_without_a_forecast_there_is_none(ratios: list[float]) -> None:
    assert histogram(ratios) is None
