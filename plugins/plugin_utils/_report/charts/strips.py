# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strip plots of the outages of each host class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .. import words
from ..outages import OutageDistribution
from . import layout, svg
from .scale import Scale
from .svg import Bar

_HEIGHT = 30.0
_MOST_DOTS = 150
_MOST_STRIPS = 30


@dataclass(frozen=True)
class Strip:
    """Outages of one host class and path; C(run) names their run or way if there are several."""

    distribution: OutageDistribution
    run: str
    drawing: Markup


@dataclass(frozen=True)
class StripPlot:
    """Strips of one path on one axis: outages through firmware would squeeze those via kexec.

    :ivar left_out: number of host classes that are not shown.
    """

    path: str
    strips: list[Strip]
    axis: Markup
    left_out: int


def strip_plots(runs: Sequence[tuple[str, Sequence[OutageDistribution]]]) -> list[StripPlot]:
    """Draw the outages of each path, by name of the run or way."""
    by_path: dict[str, list[tuple[str, OutageDistribution]]] = {}
    for name, distributions in runs:
        for each in distributions:
            by_path.setdefault(each.path, []).append((name, each))
    return [_strip_plot(path, named, len(runs) > 1) for path, named in sorted(by_path.items(), reverse=True)]


def _strip_plot(path: str, named: list[tuple[str, OutageDistribution]], several: bool) -> StripPlot:
    scale = Scale(0.0, max(each.spread.longest_ms for _name, each in named) / 1000 * 1.02 or 1.0)
    ticks = scale.time_ticks()
    order = {each.host_class: at for at, (_name, each) in reversed(list(enumerate(named)))}
    shown = sorted(named, key=lambda each: order[each[1].host_class])[:_MOST_STRIPS]
    return StripPlot(
        path=path,
        strips=[Strip(each, name if several else "", _drawing(each, scale, ticks)) for name, each in shown],
        axis=layout.axis("seconds of outage", scale, [(tick, layout.seconds(tick)) for tick in ticks]),
        left_out=max(0, len(named) - _MOST_STRIPS),
    )


def _drawing(distribution: OutageDistribution, scale: Scale, ticks: Sequence[float]) -> Markup:
    spread = distribution.spread
    middle, css = _HEIGHT / 2, words.path_css(distribution.path)
    dots = [
        # Spread vertically so that they don't hide each other, and the same way every time.
        svg.dot("dot " + css, scale, value_ms / 1000, middle + (at * 7 % 11 - 5) * 1.6)
        for at, value_ms in enumerate(_picked(distribution.outages_ms))
    ]
    box = svg.stretched(
        _HEIGHT,
        svg.bars("box " + css, scale, [Bar(spread.p25_ms / 1000, spread.p75_ms / 1000, middle - 9, 18)]),
    )
    title = "outages from %s to %s, half of them up to %s" % tuple(
        map(words.ms, (spread.least_ms, spread.longest_ms, spread.p50_ms))
    )
    return svg.chart(
        _HEIGHT,
        title,
        layout.grid(scale, ticks, _HEIGHT),
        svg.horizontal("whisker", scale, spread.least_ms / 1000, spread.p95_ms / 1000, middle),
        box if spread.count > 3 else Markup(),
        *dots,
        svg.vertical("median", scale, spread.p50_ms / 1000, middle - 11, middle + 11),
        svg.vertical("whisker", scale, spread.p95_ms / 1000, middle - 7, middle + 7),
    )


def _picked(values: Sequence[float]) -> list[float]:
    """Thin out many values evenly, keeping both ends."""
    step = max(1.0, len(values) / _MOST_DOTS)
    picked = {values[min(len(values) - 1, int(at * step))] for at in range(min(len(values), _MOST_DOTS))}
    return sorted(picked | {values[0], values[-1]})
