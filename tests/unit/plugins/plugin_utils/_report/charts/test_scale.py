# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._report.charts.scale import Scale


@pytest.mark.parametrize(
    ("start", "end", "ticks"),
    [
        (0, 0.25, [0, 0.05, 0.1, 0.15, 0.2, 0.25]),
        (0, 59, [0, 10, 20, 30, 40, 50]),
        (0, 61, [0, 15, 30, 45, 60]),
        (0, 3600, [0, 600, 1200, 1800, 2400, 3000, 3600]),
        (0, 10 * 604_800, [604_800.0 * week for week in range(11)]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_at_round_times(start: float, end: float, ticks: list[float]) -> None:
    assert Scale(start, end).time_ticks() == pytest.approx(ticks)


def test_ticks_are_counted_from_an_origin() -> None:
    # The origin is the time of day 01:58:30.
    assert Scale(0.0, 200.0, -(1 * 3600 + 58 * 60 + 30)).time_ticks(4) == [30, 90, 150]


@given(st.floats(0, 1e9), st.floats(0.001, 1e7), st.integers(2, 9))
def test_there_are_never_too_many_ticks(start: float, length: float, most: int) -> None:
    ticks = Scale(start, start + length).time_ticks(most)
    assert len(ticks) <= max(most + 1, length / 604_800 + 2)


@pytest.mark.parametrize("highest", [1, 1.25, 2.5, 5, 12.5, 62.5, 1250, 12_500])
def test_counts_have_whole_ticks(highest: float) -> None:
    ticks = Scale(0, highest).count_ticks()
    assert 2 <= len(ticks) <= 5
    assert all(tick == int(tick) for tick in ticks)


def test_what_is_beyond_a_scale_is_at_its_end() -> None:
    scale = Scale(0.0, 200.0)
    assert (scale.fraction(-5), scale.fraction(500)) == (0, 1)
    assert Scale(3, 3).fraction(7) == 0
