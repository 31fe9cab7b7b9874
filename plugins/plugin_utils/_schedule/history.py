# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long hosts took in earlier runs, and so how long they will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from random import Random

from .hosts import Phases, Prediction
from .percentiles import percentile

#: What is expected of a host whose combination of hardware and kernel has not been rebooted yet: a machine without
#: drain or health hooks, by kexec, with a p95 that leaves room for a start through firmware.
DEFAULT = Prediction(p50=Phases(5.0, 0.0, 30.0, 2.0), p95=Phases(20.0, 0.0, 180.0, 10.0))

# The standard normal distribution's 95th percentile.
_Z95 = 1.6449


class History:
    """Measured phases by combination.

    :param samples: combination → the phases of hosts that were done.
    :param default: for combinations without samples.
    :ivar samples: those of combinations that have any.
    """

    def __init__(self, samples: Mapping[str, Sequence[Phases]], default: Prediction = DEFAULT) -> None:
        self.samples = {combination: values for combination, values in samples.items() if values}
        self._default = default
        # Each phase's median, and by how much its p95 is longer.
        pairs = zip(astuple(default.p50), astuple(default.p95), strict=True)
        self._spread = [(p50, p95 / p50 if p50 else 1.0) for p50, p95 in pairs]
        self._predictions = {combination: _prediction(values) for combination, values in self.samples.items()}

    def prediction(self, combination: str) -> Prediction:
        """How long a host of a combination will take, each phase for itself."""
        return self._predictions.get(combination, self._default)

    def draw(self, combination: str, random: Random) -> Phases:
        """How long a host might take: as long as one did that was measured, or else about what the default says."""
        values = self.samples.get(combination)
        if values:
            return random.choice(values)
        # One deviation for all phases of a log-normal distribution: a slow machine is slow at everything.
        deviation = random.gauss(0.0, 1.0) / _Z95
        return Phases(*[p50 * ratio**deviation for p50, ratio in self._spread])


def _prediction(values: Sequence[Phases]) -> Prediction:
    columns = [sorted(column) for column in zip(*map(astuple, values), strict=True)]
    p50, p95 = (Phases(*(percentile(column, percent) for column in columns)) for percent in (50, 95))
    return Prediction(p50, p95)
