# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Histogram of outages as multiples of their forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..._schedule.percentiles import percentile
from ..._text import counted
from . import layout, svg
from .scale import Scale
from .svg import Bar

_HEIGHT = 80.0
_STEP = 0.1
# Outages beyond this multiple are counted together.
_MOST = 3.0


@dataclass(frozen=True)
class Histogram:
    """Number of hosts by the ratio of their outage to its forecast."""

    drawing: Markup
    axis: Markup
    median: float


def histogram(ratios: Sequence[float]) -> Histogram | None:
    """Draw the ratios of outages to their forecast, in ascending order; None if there are none."""
    if not ratios:
        return None
    cells = [0] * (round(_MOST / _STEP) + 1)
    for ratio in ratios:
        cells[min(len(cells) - 1, int(ratio / _STEP))] += 1
    scale = Scale(0.0, _MOST + _STEP)
    highest = max(cells)
    bars = [
        Bar(at * _STEP, (at + 0.9) * _STEP, _HEIGHT - _HEIGHT * count / highest, _HEIGHT * count / highest)
        for at, count in enumerate(cells)
        if count
    ]
    ticks = (0.0, 1.0, 2.0)
    return Histogram(
        svg.chart(
            _HEIGHT,
            "outage of %s as a multiple of its forecast" % counted(len(ratios), "host"),
            layout.grid(scale, ticks, _HEIGHT),
            svg.stretched(_HEIGHT, svg.bars("ratio", scale, bars)),
            svg.vertical("median", scale, 1.0, 0, _HEIGHT),
        ),
        layout.axis(
            "multiples of the forecast",
            scale,
            list(zip((*ticks, scale.end), ("0", "as forecast", "twice", "3 times and more"), strict=True)),
        ),
        percentile(ratios, 50),
    )
