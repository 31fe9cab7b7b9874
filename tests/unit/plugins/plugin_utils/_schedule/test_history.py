# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs say about hosts."""

from __future__ import annotations

from random import Random

from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import DEFAULT, History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases, Prediction
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.percentiles import percentile


def test_each_phase_for_itself() -> None:
    samples = [Phases(float(number), 1.0, 200.0 - number, 2.0) for number in range(1, 101)]
    prediction = History({"c": samples}).prediction("c")
    assert prediction == Prediction(p50=Phases(50, 1, 149, 2), p95=Phases(95, 1, 194, 2))


def test_without_samples_there_is_the_default() -> None:
    assert History({"c": []}).prediction("c") == DEFAULT
    own = Prediction(DEFAULT.p95, DEFAULT.p95)
    assert History({}, own).prediction("c") == own


def test_draws_are_hosts_that_were() -> None:
    samples = [Phases(1, 1, 1, 1), Phases(9, 9, 9, 9)]
    history = History({"c": samples})
    random = Random(1)
    assert {history.draw("c", random) for _draw in range(50)} == set(samples)


def test_draws_from_the_default_have_its_percentiles() -> None:
    history = History({})
    random = Random(1)
    drawn = sorted((history.draw("c", random) for _draw in range(5000)), key=lambda phases: phases.outage_s)
    outages = [phases.outage_s for phases in drawn]
    assert 0.9 < percentile(outages, 50) / DEFAULT.p50.outage_s < 1.1
    assert 0.9 < percentile(outages, 95) / DEFAULT.p95.outage_s < 1.1
    assert {phases.drain_s for phases in drawn} == {0.0}
