# SPDX-License-Identifier: GPL-3.0-or-later
"""Forecasts draw from the ledger where there are no journals any more."""

from __future__ import annotations

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.histogram import DurationHistogram
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import Ledger, LedgerClass, LedgerResult, Tally
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.samples import (
    SAMPLES_MAX,
    outages_of_ledger,
    samples_of_ledger,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import History

from .ledgers import NEW, OLD, R650, X9, ledger_of, source, tally


def test_samples_show_the_percentiles_of_all_kernels() -> None:
    other = LedgerClass(R650.host_class, NEW, OLD)
    tallies = {
        R650: tally(LedgerResult.KEXEC, 90, outage_ms=8000),
        other: tally(LedgerResult.KEXEC, 10, outage_ms=30000),
        X9: tally(LedgerResult.FAILED),
    }
    samples = samples_of_ledger(ledger_of(source(1, tallies=tallies)))
    assert set(samples) == {("kexec", R650.host_class)}, "a class that never came back has no durations"
    assert len(samples["kexec", R650.host_class]) == SAMPLES_MAX
    prediction = History(samples).prediction(("kexec",), R650.host_class)
    assert prediction.p50.outage_s == pytest.approx(8, rel=0.045)
    assert prediction.p95.outage_s == pytest.approx(30, rel=0.045)


def test_few_durations_are_as_many_samples() -> None:
    tallies = {R650: tally(LedgerResult.KEXEC, 2)}
    assert len(samples_of_ledger(ledger_of(source(1, tallies=tallies)))["kexec", R650.host_class]) == 2


def test_all_phases_of_a_sample_have_the_same_rank() -> None:
    times = {("kexec", phase): DurationHistogram.of([1000, 64000]) for phase in ("prepare", "outage")}
    samples = samples_of_ledger(ledger_of(source(1, tallies={R650: Tally({LedgerResult.KEXEC: 2}, times=times)})))
    quick, slow = samples["kexec", R650.host_class]
    assert quick.prepare_s == quick.outage_s < slow.prepare_s == slow.outage_s
    assert quick.drain_s == slow.drain_s == 0


def test_outages_are_those_of_each_path() -> None:
    other = LedgerClass(R650.host_class, NEW, OLD)
    slow = Tally({LedgerResult.FIRMWARE: 1}, times={("firmware", "outage"): DurationHistogram.of([240_000])})
    tallies = {R650: tally(LedgerResult.KEXEC, 2, outage_ms=8000), other: slow, X9: tally(LedgerResult.FAILED)}
    outages_s = outages_of_ledger(ledger_of(source(1, tallies=tallies)))
    assert {key: len(values) for key, values in outages_s.items()} == {
        ("kexec", R650.host_class): 2,
        ("firmware", R650.host_class): 1,
    }
    assert outages_s["firmware", R650.host_class] == pytest.approx([240], rel=0.045)


def test_an_empty_ledger_has_none() -> None:
    assert samples_of_ledger(Ledger()) == {} == outages_of_ledger(Ledger())
