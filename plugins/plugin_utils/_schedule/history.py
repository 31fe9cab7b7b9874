# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations of hosts in earlier runs, and predictions from them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from random import Random

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import KEXEC

from .._host_facts import PreparedBoot
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

    Of a host whose parts of M(fleet.kexec.prepare_boot) are known, the durations of hosts with the same parts count. As long as
    there are none, those of all count, shortened by what its parts are predicted to save via kexec.

    :param prepared: durations of hosts whose parts are known, by these as well.
    """

    def __init__(
        self,
        samples: Mapping[tuple[str, str], Sequence[Phases]],
        default: Prediction = DEFAULT,
        prepared: Mapping[tuple[str, str, tuple[str, ...]], Sequence[Phases]] | None = None,
    ) -> None:
        self._samples = samples
        self._default = default
        self._prepared = prepared or {}
        # For each phase its median, and the ratio of its p95 to that.
        pairs = zip(astuple(default.p50), astuple(default.p95), strict=True)
        self._spread = [(p50, p95 / p50 if p50 else 1.0) for p50, p95 in pairs]
        self._of = functools.cache(self._gather)
        self._predictions = functools.cache(self._predict)

    def prediction(self, methods: tuple[str, ...], host_class: str, prepared: PreparedBoot | None = None) -> Prediction:
        """Prediction for hosts of a class that are rebooted by one of these methods. Percentiles are of each phase for itself."""
        return self._predictions(methods, host_class, prepared)

    def draw(self, methods: tuple[str, ...], host_class: str, random: Random, prepared: PreparedBoot | None = None) -> Phases:
        """Draw durations for a host: a measured sample, or else values around the default."""
        values = self._of(methods, host_class, prepared)
        if values:
            return random.choice(values)
        # A log-normal distribution with one deviation for all phases: a slow machine is slow at everything.
        deviation = random.gauss(0.0, 1.0) / _Z95
        return Phases(*[p50 * ratio**deviation for p50, ratio in self._spread])

    def spared_s(self, methods: tuple[str, ...], host_class: str, prepared: PreparedBoot | None) -> float:
        """Seconds by which the measured outages of a class are shortened for a host, because no reboot has tried its parts."""
        if prepared is None or KEXEC not in methods or self._with_parts(KEXEC, host_class, prepared):
            return 0.0
        return prepared.untried_s if self._samples.get((KEXEC, host_class)) else 0.0

    def outages_s(self, methods: tuple[str, ...], host_class: str) -> list[float]:
        """Measured outages in seconds of hosts of a class that were rebooted by one of these methods."""
        return [phases.outage_s for phases in self._of(methods, host_class, None)]

    def _with_parts(self, method: str, host_class: str, prepared: PreparedBoot | None) -> Sequence[Phases]:
        return self._prepared.get((method, host_class, prepared.parts), ()) if prepared is not None else ()

    def _gather(self, methods: tuple[str, ...], host_class: str, prepared: PreparedBoot | None) -> Sequence[Phases]:
        found: list[Phases] = []
        for method in methods:
            spared_s = self.spared_s((method,), host_class, prepared)
            alike = self._with_parts(method, host_class, prepared) or self._samples.get((method, host_class), ())
            found += [_shortened(phases, spared_s) for phases in alike] if spared_s else alike
        return found

    def _predict(self, methods: tuple[str, ...], host_class: str, prepared: PreparedBoot | None) -> Prediction:
        values = self._of(methods, host_class, prepared)
        return _prediction(values) if values else self._default


def _shortened(phases: Phases, by_s: float) -> Phases:
    return replace(phases, outage_s=max(0.0, phases.outage_s - by_s))


def _prediction(values: Sequence[Phases]) -> Prediction:
    columns = [sorted(column) for column in zip(*map(astuple, values), strict=True)]
    p50, p95 = (Phases(*(percentile(column, percent) for column in columns)) for percent in (50, 95))
    return Prediction(p50, p95)
