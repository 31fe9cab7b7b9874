# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Page that compares ways to reboot, from C(ways.html.j2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import words
from .charts.compositions import composition_of_ways
from .charts.strips import strip_plots
from .read import RunReport
from .template import template
from .ways import MeasuredWay, headline


@dataclass(frozen=True)
class _WaysRow:
    term: words.Term
    inner: bool
    cells: list[str]


def render_ways(ways: Sequence[MeasuredWay], runs: Sequence[RunReport]) -> str:
    """Render the page that compares ways, from the figures of each and the runs of all."""
    composed = [(way.name, way.parts, way.outage.p50_ms) for way in ways if way.parts and way.outage]
    return template("ways.html.j2").render(
        ways=ways,
        headline=headline(ways),
        started=min(run.started_s for run in runs),
        ended=max(run.started_s + run.end_s for run in runs),
        controller=", ".join(dict.fromkeys(run.state.controller for run in runs)),
        composition=composition_of_ways(composed) if composed else None,
        phases=_ways_rows(ways),
        strips=strip_plots([(way.name, way.distributions) for way in ways]),
    )


def _ways_rows(ways: Sequence[MeasuredWay]) -> list[_WaysRow]:
    known = [{(cost.name, cost.within): cost.spread.p50_ms for cost in way.phases} for way in ways]
    keys = {key for each in known for key in each}
    order = {name: at for at, name in enumerate(words.PHASES)}
    return [
        _WaysRow(words.phase(key[0]), key[1] is not None, [words.ms(each[key]) if key in each else "" for each in known])
        for key in sorted(keys, key=lambda key: (order.get(key[0], len(order)), key[0], key[1] or ""))
    ]
