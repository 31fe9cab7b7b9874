# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scales of charts: where values lie along the width, and which of them have a tick."""

from __future__ import annotations

from dataclasses import dataclass

_TIME_STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400),
)
_WEEK_S = 604_800


@dataclass(frozen=True)
class Scale:
    """Range of values along the width of a chart; ticks count from C(origin), such as midnight for a time of day."""

    start: float
    end: float
    origin: float = 0.0

    def fraction(self, value: float) -> float:
        """Position of a value, from 0 to 1; values beyond an end lie at that end."""
        if self.end <= self.start:
            return 0.0
        return min(1.0, max(0.0, (value - self.start) / (self.end - self.start)))

    def time_ticks(self, most: int = 6) -> list[float]:
        """Find round times for ticks, in seconds."""
        return self._ticks(next((step for step in _TIME_STEPS_S if (self.end - self.start) / step <= most), _WEEK_S))

    def count_ticks(self, most: int = 4) -> list[float]:
        """Find round whole numbers for ticks."""
        step = 1
        while (self.end - self.start) / step > most:
            digits = str(step)
            step = step * 5 // 2 if digits[0] == "2" else step * 2
        return self._ticks(step)

    def _ticks(self, step: float) -> list[float]:
        first = -int(-(self.start - self.origin) / step // 1)
        last = int((self.end - self.origin) / step // 1)
        ticks = [self.origin + index * step for index in range(first, last + 1)]
        return [tick for tick in ticks if self.start <= tick <= self.end]
