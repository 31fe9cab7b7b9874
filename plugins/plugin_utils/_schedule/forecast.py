# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forecast of a rollout: how long it will take, and how many hosts will be in flight when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from .history import History
from .hosts import HostSpec
from .percentiles import percentile
from .plan import Plan
from .settings import Settings
from .simulation import Course, Fate, simulate

# Total over all draws: a large fleet needs fewer draws, because its hosts even out, and takes longer to simulate.
_HOSTS_SIMULATED = 5_000
_LEAST_DRAWS = 5
_MOST_DRAWS = 200


@dataclass(frozen=True)
class Forecast:
    """Forecast of a rollout in which no host fails: percentiles and median course of C(draws) simulated rollouts."""

    total_p50_s: float
    total_p95_s: float
    course: Course
    draws: int

    def as_result(self) -> dict[str, Any]:
        """Plain values for results and the journal."""
        return {
            "total_p50_s": round(self.total_p50_s, 1),
            "total_p95_s": round(self.total_p95_s, 1),
            "out_over_time": [[round(at, 1), out] for at, out in self.course.out_over_time],
        }


def forecast(plan: Plan, settings: Settings, history: History, seed: int) -> Forecast:
    """Simulate rollouts in which no host fails and long outages stop nothing. The same arguments give the same forecast."""
    settings = replace(settings, regression=None)
    random = Random(seed)  # noqa: S311

    def draw(host: HostSpec) -> Fate:
        return Fate(history.draw(host.methods, host.host_class, random, host.prepared))

    draws = max(_LEAST_DRAWS, min(_MOST_DRAWS, _HOSTS_SIMULATED // max(1, len(plan.hosts))))
    courses = sorted((simulate(plan, settings, draw) for _draw in range(draws)), key=lambda course: course.total_s)
    totals_s = [course.total_s for course in courses]
    return Forecast(percentile(totals_s, 50), percentile(totals_s, 95), courses[(draws - 1) // 2], draws)
