# SPDX-License-Identifier: GPL-3.0-or-later
"""Ideals and bars of the rollouts that are measured."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ansible_collections.fleet.kexec.tests.bench import rollout
from ansible_collections.fleet.kexec.tests.bench.rollout import (
    Measured,
    batches_s,
    judge,
    percentiles,
    sliding_s,
    with_stragglers,
)

GOOD = Measured("good", 1000, 20.5, 24.0, 6.0, 80 << 20, (0.1, 0.2, 0.3), (0.1, 0.3, 0.4))


def test_a_sliding_window_waits_for_nobody() -> None:
    assert sliding_s([1, 1, 1, 1], 1) == 4
    assert sliding_s([1, 1, 1, 1], 2) == 2
    assert sliding_s([1, 1, 1], 10) == 1
    # The long one takes one place; the others go on in the other.
    assert sliding_s([6, 1, 1, 1, 1, 1, 1], 2) == 6
    assert batches_s([6, 1, 1, 1, 1, 1, 1], 2) == 6 + 1 + 1 + 1


def test_stragglers_are_as_many_as_said() -> None:
    down_s = with_stragglers(1000, random.Random(1))
    assert sorted(set(down_s)) == [2.0, 60.0]
    assert down_s.count(60.0) == 20


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles([float(number) for number in range(100)]) == (50.0, 95.0, 99.0)
    assert percentiles([7.0]) == (7.0, 7.0, 7.0)


def test_of_several_runs_the_median_of_each_figure_counts() -> None:
    runs = [replace(GOOD, cpu_ms=cpu_ms, noticed_s=(0.0, p95_s, 1.0)) for cpu_ms, p95_s in ((5.0, 0.9), (9.0, 0.2), (6.0, 0.3))]
    assert rollout.medians(runs) == replace(GOOD, cpu_ms=6.0, noticed_s=(0.0, 0.3, 1.0))


def test_all_bars_are_met() -> None:
    large = replace(GOOD, hosts=10000, peak_rss_bytes=1 << 30, cpu_ms=9.0)
    assert all(each.met for each in judge(GOOD, replace(GOOD, wall_s=22.5), large))


@pytest.mark.parametrize(
    ("which", "bad"),
    [
        ("whole", {"wall_s": 26.1}),
        ("whole", {"cpu_ms": 10.1}),
        ("whole", {"peak_rss_bytes": 151 << 20}),
        ("whole", {"noticed_s": (0.1, 0.26, 0.3)}),
        ("narrow", {"wall_s": 22.6}),
        ("large", {"peak_rss_bytes": (1 << 30) + 1}),
        ("large", {"cpu_ms": 9.1}),
    ],
)
def test_each_bar_can_be_missed(which: str, bad: dict[str, object]) -> None:
    runs = {"whole": GOOD, "narrow": replace(GOOD, wall_s=22.5), "large": GOOD}
    runs[which] = replace(runs[which], **bad)  # type: ignore[arg-type]
    # CPU is compared, so that more of it at the one size makes room at the other.
    assert [each.met for each in judge(**runs)].count(False) == 1


def test_the_table_has_a_line_for_each_run() -> None:
    lines = rollout.render([GOOD, replace(GOOD, label="another")]).splitlines()
    assert len(lines) == 4
    assert lines[2].split()[:6] == ["good", "24.0", "20.5", "6.0", "80", "100"]
