# SPDX-License-Identifier: GPL-3.0-or-later
"""Outages that are too long for their class."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.percentiles import percentile
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.regression import Measured, Outages
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import Regression

from ..fleets import host


def measured(**of_classes: list[float]) -> Measured:
    return lambda _methods, host_class: of_classes.get(host_class, [])


def test_methods_stand_for_themselves() -> None:
    """A kexec that follows soft reboots takes longer than they do, and is no regression."""
    softly = replace(host("a"), methods=("soft",))
    history = History({("soft", "c"): [Phases(1, 0, 6, 1)] * 9, ("kexec", "c"): [Phases(1, 0, 20, 1)] * 9})
    outages = Outages(Regression(), history.outages_s)
    assert outages.judge(softly, 6.0) is None
    assert outages.judge(replace(host("b"), methods=("kexec",)), 20.0) is None
    assert outages.judge(softly, 20.0) is not None


def test_nothing_is_judged_by_too_few() -> None:
    outages = Outages(Regression(), measured(c=[10.0] * 4))
    assert outages.judge(host("a"), 1000.0) is None


def test_the_margin_is_above_the_p95() -> None:
    outages = Outages(Regression(), measured(c=[*[10.0] * 94, *[20.0] * 6]))
    assert outages.judge(host("a"), 30.0) is None
    verdict = outages.judge(host("b"), 30.1)
    assert verdict is not None
    assert verdict.code == "REGRESSION"
    assert "b had an outage of 30.1 s, more than 50% above 20.0 s" in verdict.message


def test_this_run_counts_too_and_classes_stand_for_themselves() -> None:
    outages = Outages(Regression(samples=2), measured(other=[1000.0] * 9))
    assert outages.judge(host("a"), 10.0) is None
    assert outages.judge(host("b"), 10.0) is None
    assert outages.judge(host("c", "third"), 100.0) is None
    assert outages.judge(host("d"), 100.0) is not None


def test_percentiles_are_of_what_occurred() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert [percentile(ordered, percent) for percent in (0, 50, 95, 100)] == [1, 50, 95, 100]
    assert percentile([7.0], 95) == 7.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
