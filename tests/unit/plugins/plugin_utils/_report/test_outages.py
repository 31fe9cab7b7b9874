# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.outages import spread_of


def test_how_values_are_spread() -> None:
    spread = spread_of(range(100, 0, -1))
    assert (spread.count, spread.total_ms, spread.least_ms, spread.longest_ms) == (100, 5050, 1, 100)
    assert (spread.p25_ms, spread.p50_ms, spread.p75_ms, spread.p95_ms) == (25, 50, 75, 95)
