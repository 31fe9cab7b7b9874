# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of ways to reboot, each with the runs that took it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .._text import counted
from .outages import (
    UNDIVIDED,
    OutageDistribution,
    PhaseCost,
    Spread,
    UnitCost,
    distributions_of,
    phases_of,
    spread_of,
    units_of,
)
from .problems import Problem, problems_of
from .read import RunReport
from .timeline import IN_OUTAGE
from .words import ms

VERSION = 1


@dataclass(frozen=True)
class MeasuredWay:
    """Figures of one way.

    :ivar hosts: number of different hosts that were rebooted.
    :ivar statuses: number of reboots by final status.
    :ivar times_shorter: median outage of the slowest way divided by that of this way; None for the slowest way, and without an
        outage.
    """

    name: str
    runs: list[str]
    hosts: int
    reboots: int
    statuses: dict[str, int]
    outage: Spread | None
    times_shorter: float | None
    distributions: list[OutageDistribution]
    phases: list[PhaseCost]
    units: list[UnitCost]
    problems: list[Problem]

    @property
    def parts(self) -> list[tuple[str, float]]:
        """Phases of the outage in order, with the median of each in seconds."""
        medians = {cost.name: cost.spread.p50_ms / 1000 for cost in self.phases if cost.in_outage and cost.within is None}
        return [(name, medians[name]) for name in (UNDIVIDED, *IN_OUTAGE) if name in medians]


def ways_of(groups: Mapping[str, Sequence[RunReport]]) -> list[MeasuredWay]:
    """Calculate the figures of ways in the given order, from the runs of each."""
    pooled = {name: [host for run in runs for host in run.hosts] for name, runs in groups.items()}
    spreads: dict[str, Spread | None] = {}
    for name, hosts in pooled.items():
        outages_ms = [host.state.outage_ms for host in hosts if host.state.outage_ms is not None]
        spreads[name] = spread_of(outages_ms) if outages_ms else None
    longest_ms = max((spread.p50_ms for spread in spreads.values() if spread), default=0.0)
    ways = []
    for name, hosts in pooled.items():
        spread, done = spreads[name], [host for host in hosts if host.status == "done"]
        ways.append(
            MeasuredWay(
                name=name,
                runs=[run.state.run_id for run in groups[name]],
                hosts=len({host.name for host in done}),
                reboots=len(done),
                statuses=dict(Counter(host.status for host in hosts)),
                outage=spread,
                times_shorter=longest_ms / spread.p50_ms if spread and 0 < spread.p50_ms < longest_ms else None,
                distributions=distributions_of(hosts),
                phases=phases_of(hosts),
                units=units_of(hosts),
                problems=problems_of(hosts),
            )
        )
    return ways


def headline(ways: Sequence[MeasuredWay]) -> str:
    """Summarize ways in one line."""
    return "; ".join(map(_said, ways)) + "."


def _said(way: MeasuredWay) -> str:
    if way.outage is None:
        return "%s: no outage was seen" % way.name
    times = "" if way.times_shorter is None else ", %.1f times shorter than by the slowest way" % way.times_shorter
    return "%s: outage p50 %s over %s%s" % (way.name, ms(way.outage.p50_ms), counted(way.outage.count, "reboot"), times)


def values_of(ways: Sequence[MeasuredWay]) -> dict[str, Any]:
    return {"version": VERSION, "headline": headline(ways), "ways": list(map(asdict, ways))}
