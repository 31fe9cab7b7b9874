# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations of hosts in earlier runs, and predictions from them."""

from __future__ import annotations

import functools
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
    """Measured durations by method (the path by which hosts came back) and host class.

    A host that may be rebooted by several methods has those of all of them. Without any, it has the default prediction.
    """

    def __init__(self, samples: Mapping[tuple[str, str], Sequence[Phases]], default: Prediction = DEFAULT) -> None:
        self._samples = samples
        self._default = default
        # For each phase its median, and the ratio of its p95 to that.
        pairs = zip(astuple(default.p50), astuple(default.p95), strict=True)
        self._spread = [(p50, p95 / p50 if p50 else 1.0) for p50, p95 in pairs]
        self._of = functools.cache(self._gather)
        self._predictions = functools.cache(self._predict)

    def prediction(self, methods: tuple[str, ...], host_class: str) -> Prediction:
        """Prediction for hosts of a class that are rebooted by one of these methods. Percentiles are of each phase for itself."""
        return self._predictions(methods, host_class)

    def draw(self, methods: tuple[str, ...], host_class: str, random: Random) -> Phases:
        """Draw durations for a host: a measured sample, or else values around the default."""
        values = self._of(methods, host_class)
        if values:
            return random.choice(values)
        # A log-normal distribution with one deviation for all phases: a slow machine is slow at everything.
        deviation = random.gauss(0.0, 1.0) / _Z95
        return Phases(*[p50 * ratio**deviation for p50, ratio in self._spread])

    def outages_s(self, methods: tuple[str, ...], host_class: str) -> list[float]:
        """Measured outages in seconds of hosts of a class that were rebooted by one of these methods."""
        return [phases.outage_s for phases in self._of(methods, host_class)]

    def _gather(self, methods: tuple[str, ...], host_class: str) -> Sequence[Phases]:
        return [phases for method in methods for phases in self._samples.get((method, host_class), ())]

    def _predict(self, methods: tuple[str, ...], host_class: str) -> Prediction:
        values = self._of(methods, host_class)
        return _prediction(values) if values else self._default


def _prediction(values: Sequence[Phases]) -> Prediction:
    columns = [sorted(column) for column in zip(*map(astuple, values), strict=True)]
    p50, p95 = (Phases(*(percentile(column, percent) for column in columns)) for percent in (50, 95))
    return Prediction(p50, p95)
