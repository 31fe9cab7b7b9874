# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outages of hosts: their distribution, and the phases that they consist of. Times are in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._schedule.percentiles import percentile
from .read import HostReport
from .timeline import BEGINNING, IN_OUTAGE, OUTSIDE_OUTAGE, UnitDuration

#: Part of an outage that the timeline does not divide into phases: its beginning, or all of it.
UNDIVIDED = "outage"

_COSTLIEST = 10


@dataclass(frozen=True)
class Spread:
    """Distribution of a number of times. Percentiles are times that occurred (nearest rank)."""

    count: int
    total_ms: float
    least_ms: float
    p25_ms: float
    p50_ms: float
    p75_ms: float
    p95_ms: float
    longest_ms: float


@dataclass(frozen=True)
class OutageDistribution:
    """Outages of one host class by one path, in ascending order."""

    host_class: str
    path: str
    spread: Spread
    outages_ms: list[float]


@dataclass(frozen=True)
class PhaseCost:
    """Time that one phase took over the fleet.

    :ivar share: share of the total of all outages; None for a phase outside of them, or within another phase.
    :ivar within: phase that contains it.
    """

    name: str
    spread: Spread
    in_outage: bool
    share: float | None
    within: str | None


@dataclass(frozen=True)
class UnitCost:
    """Time that one unit or initcall took over the fleet.

    :ivar when: C(stop), C(start) or C(initcall).
    :ivar hosts: number of hosts on which it was among the slowest.
    """

    name: str
    when: str
    hosts: int
    total_ms: float
    mean_ms: float
    longest_ms: float


def spread_of(values: Iterable[float]) -> Spread:
    """Distribution of one or more values in milliseconds."""
    ordered = sorted(values)
    p25, p50, p75, p95 = (percentile(ordered, percent) for percent in (25, 50, 75, 95))
    return Spread(len(ordered), sum(ordered), ordered[0], p25, p50, p75, p95, ordered[-1])


def distributions_of(hosts: Iterable[HostReport]) -> list[OutageDistribution]:
    """Distributions of outages by host class and path, in descending order of hosts."""
    groups: dict[tuple[str, str], list[float]] = {}
    for host in hosts:
        if host.state.outage_ms is not None and host.state.path:
            groups.setdefault((host.host_class, host.state.path), []).append(host.state.outage_ms)
    made = []
    for (host_class, path), outages_ms in groups.items():
        spread = spread_of(outages_ms)
        made.append(OutageDistribution(host_class, path, spread, sorted(outages_ms)))
    return sorted(made, key=lambda each: (-each.spread.count, each.host_class, each.path))


def phase_times(host: HostReport) -> list[tuple[str, float, str | None]]:
    """Name, duration and containing phase of each phase of a host.

    They include phases that only the controller saw (staging, drain, health checks), and first of all the part of the outage that
    no timeline divides (:data:`UNDIVIDED`).
    """
    state = host.state
    times = [(span.name, span.duration_ms, span.within) for span in host.timeline.spans] if host.timeline else []
    known = {name for name, _duration_ms, _within in times}
    seen = (("stage", state.prepare_ms), ("drain", state.drain_ms), ("healthy", state.after_ms))
    times += [(name, each, None) for name, each in seen if each is not None and name not in known]
    if state.outage_ms is not None and known.isdisjoint(BEGINNING):
        rest_ms = state.outage_ms - sum(each for name, each, within in times if name in IN_OUTAGE and within is None)
        if rest_ms > 0:
            times.insert(0, (UNDIVIDED, rest_ms, None))
    return times


def phases_of(hosts: Iterable[HostReport]) -> list[PhaseCost]:
    times: dict[tuple[str, str | None], list[float]] = {}
    for host in hosts:
        if host.state.outage_ms is not None or host.timeline:
            for name, duration_ms, within in phase_times(host):
                times.setdefault((name, within), []).append(duration_ms)
    inside = [values for (name, within), values in times.items() if name not in OUTSIDE_OUTAGE and within is None]
    total_ms = sum(map(sum, inside))
    costs = []
    for (name, within), values in times.items():
        spread = spread_of(values)
        in_outage = name not in OUTSIDE_OUTAGE
        share = spread.total_ms / total_ms if in_outage and within is None and total_ms else None
        costs.append(PhaseCost(name, spread, in_outage, share, within))
    return costs


def units_of(hosts: Iterable[HostReport]) -> list[UnitCost]:
    """Units and initcalls with the longest total times."""
    times: dict[tuple[str, str], list[float]] = {}

    def add(when: str, durations: Iterable[UnitDuration]) -> None:
        for each in durations:
            times.setdefault((each.name, when), []).append(each.duration_ms)

    for host in hosts:
        if host.timeline:
            add("stop", host.timeline.stop)
            add("start", host.timeline.started)
            add("initcall", host.timeline.initcalls)
    costs = [
        UnitCost(name, when, len(values), sum(values), sum(values) / len(values), max(values))
        for (name, when), values in times.items()
    ]
    return sorted(costs, key=lambda each: (-each.total_ms, each.name))[:_COSTLIEST]
