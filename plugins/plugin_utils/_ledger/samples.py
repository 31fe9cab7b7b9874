# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations of hosts from the ledger, for forecasts when journals are gone."""

from __future__ import annotations

from .._schedule.hosts import Phases
from .histogram import DurationHistogram
from .model import PHASES, Ledger

# Samples made of one class, which show its percentiles.
SAMPLES_MAX = 20


def samples_of_ledger(ledger: Ledger) -> dict[tuple[str, str], list[Phases]]:
    """Durations by path and host class, over all kernels.

    The ledger has each phase for itself. A sample takes all phases at the same rank: a slow machine is slow at everything.
    """
    found: dict[tuple[str, str], dict[str, DurationHistogram]] = {}
    for key, tally in ledger.tallies().items():
        for (path, phase), durations in tally.times.items():
            of_path = found.setdefault((path, key.host_class), {})
            of_path[phase] = of_path[phase].plus(durations) if phase in of_path else durations
    return {key: _samples(by_phase) for key, by_phase in found.items() if "outage" in by_phase}


def outages_of_ledger(ledger: Ledger) -> dict[tuple[str, str], list[float]]:
    """Seconds of outages by path and host class, over all kernels."""
    found: dict[tuple[str, str], DurationHistogram] = {}
    for key, tally in ledger.tallies().items():
        for (path, phase), durations in tally.times.items():
            if phase == "outage":
                of_path = (path, key.host_class)
                found[of_path] = found[of_path].plus(durations) if of_path in found else durations
    return {key: [ms / 1000 for ms in each.spread(min(SAMPLES_MAX, each.total))] for key, each in found.items()}


def _samples(by_phase: dict[str, DurationHistogram]) -> list[Phases]:
    number = min(SAMPLES_MAX, by_phase["outage"].total)
    columns = [list(by_phase[phase].spread(number)) if phase in by_phase else [0.0] * number for phase in PHASES]
    return [Phases(*(ms / 1000 for ms in row)) for row in zip(*columns, strict=True)]
