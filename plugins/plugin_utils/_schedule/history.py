# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations of hosts in earlier runs, and predictions from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from random import Random

from .hosts import Phases, Prediction
from .percentiles import percentile

#: Prediction for a host whose class has not been rebooted yet: without drain or health hooks,
#: via kexec, with a p95 that leaves room for a full reboot through firmware.
DEFAULT = Prediction(p50=Phases(5.0, 0.0, 30.0, 2.0), p95=Phases(20.0, 0.0, 180.0, 10.0))

# The standard normal distribution's 95th percentile.
_Z95 = 1.6449


class History:
    """Measured durations by host class; those without samples have the default prediction."""

    def __init__(self, samples: Mapping[str, Sequence[Phases]], default: Prediction = DEFAULT) -> None:
        self.samples = {host_class: values for host_class, values in samples.items() if values}
        self._default = default
        # For each phase its median, and the ratio of its p95 to that.
        pairs = zip(astuple(default.p50), astuple(default.p95), strict=True)
        self._spread = [(p50, p95 / p50 if p50 else 1.0) for p50, p95 in pairs]
        self._predictions = {host_class: _prediction(values) for host_class, values in self.samples.items()}

    def prediction(self, host_class: str) -> Prediction:
        """Prediction for hosts of a class. Percentiles are of each phase for itself."""
        return self._predictions.get(host_class, self._default)

    def draw(self, host_class: str, random: Random) -> Phases:
        """Draw durations for a host: a measured sample, or else values around the default."""
        values = self.samples.get(host_class)
        if values:
            return random.choice(values)
        # A log-normal distribution with one deviation for all phases: a slow machine is slow at everything.
        deviation = random.gauss(0.0, 1.0) / _Z95
        return Phases(*[p50 * ratio**deviation for p50, ratio in self._spread])


def _prediction(values: Sequence[Phases]) -> Prediction:
    columns = [sorted(column) for column in zip(*map(astuple, values), strict=True)]
    p50, p95 = (Phases(*(percentile(column, percent) for column in columns)) for percent in (50, 95))
    return Prediction(p50, p95)
