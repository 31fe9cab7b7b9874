# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles of a histogram are close to those of the durations, and bounds of a probability are those of the books."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.confidence import failure_bound
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.histogram import DurationHistogram
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.percentiles import percentile

DURATIONS = st.lists(st.floats(20, 10_000_000), min_size=1, max_size=50)


@given(DURATIONS, st.sampled_from([1, 50, 95, 100]))
def test_percentiles_are_within_a_twentieth(durations: list[float], percent: int) -> None:
    expected = percentile(sorted(durations), percent)
    assert DurationHistogram.of(durations).percentile(percent) == pytest.approx(expected, rel=0.05, abs=1)


@given(DURATIONS, DURATIONS)
def test_histograms_add_up(one: list[float], other: list[float]) -> None:
    assert DurationHistogram.of(one).plus(DurationHistogram.of(other)) == DurationHistogram.of([*one, *other])


@given(st.lists(st.floats(-1e300, 1e300), min_size=1))
def test_any_duration_has_a_bucket(durations: list[float]) -> None:
    assert DurationHistogram.of(durations).total == len(durations)


def test_a_spread_goes_from_the_shortest_to_the_longest() -> None:
    durations_ms = [1000, 2000, 4000, 8000]
    assert list(DurationHistogram.of(durations_ms).spread(4)) == pytest.approx(durations_ms, rel=0.05)
    assert list(DurationHistogram.of(durations_ms).spread(2)) == pytest.approx([2000, 8000], rel=0.05)


def test_an_empty_histogram_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="0 durations"):
        DurationHistogram().percentile(50)


@pytest.mark.parametrize(
    ("failures", "trials", "bound"),
    [
        (0, 0, 1.0),
        (0, 1, 0.95),
        (0, 300, 0.00994),
        (0, 3, 0.632),
        # Clopper and Pearson's, as R's binom.test(alternative = "less") has them.
        (1, 10, 0.3942),
        (3, 100, 0.0757),
        (5, 5, 1.0),
        (2, 100_000, 0.000063),
    ],
)
def test_bounds_of_a_probability(failures: int, trials: int, bound: float) -> None:
    assert failure_bound(failures, trials) == pytest.approx(bound, rel=0.005)
