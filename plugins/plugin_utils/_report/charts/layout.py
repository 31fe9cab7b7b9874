# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Common parts of charts: sizes of rows, grid, axis and legend.

In a fleet of up to 1,200 hosts each host has a row, at least a pixel high; in a larger fleet several hosts share a row. Rows
without names are drawn by one element for each colour, so that the page stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from ..._text import duration
from ..words import Term
from . import svg
from .scale import Scale
from .svg import Bar

# Pixels.
_BARE_ROWS_HEIGHT = 1000
_AXIS_HEIGHT = 22.0
_AXIS_BASELINE = 14
# Lower bars have no room for a pattern.
_PATTERN_HEIGHT = 6

_MOST_NAMED_ROWS = 60
_MOST_ROWS = 1200


class RowSize(NamedTuple):
    """Heights of a row and of its bar, in pixels."""

    height: float
    bar_height: float


#: Rows with names, high enough for a finger.
NAMED_ROWS = RowSize(20.0, 12.0)


@dataclass(frozen=True)
class RowLabel:
    """Name of a row, with the CSS class of its text."""

    text: str
    css: str


@dataclass(frozen=True)
class LegendEntry:
    sample: Markup
    title: str
    meaning: str


def hosts_per_row(hosts: int) -> int:
    """Number of hosts that share one row."""
    return -(-hosts // _MOST_ROWS)


def row_size(rows: int) -> RowSize:
    """Size of each of C(rows) rows: :data:`NAMED_ROWS`, or smaller if there are too many for names."""
    if rows <= _MOST_NAMED_ROWS:
        return NAMED_ROWS
    row = float(max(1, min(NAMED_ROWS.height, _BARE_ROWS_HEIGHT // rows)))
    return RowSize(row, row - 1 if row > 3 else row)


def layers(size: RowSize, height: float, scale: Scale, shapes: Iterable[tuple[str, Iterable[Bar]]]) -> Markup:
    """Draw the bars of many rows, a layer for each CSS class."""
    drawn = (svg.bars(css, scale, bars) for css, bars in shapes)
    return svg.stretched(height, *drawn, flat=size.bar_height < _PATTERN_HEIGHT)


def grid(scale: Scale, ticks: Iterable[float], height: float) -> Markup:
    """Draw a vertical line at each tick."""
    return Markup().join(svg.vertical("grid", scale, tick, 0, height) for tick in ticks)


def axis(title: str, scale: Scale, labels: Sequence[tuple[float, str]]) -> Markup:
    """Draw the labels below a chart; C(title), their unit, is for screen readers."""
    return svg.chart(_AXIS_HEIGHT, title, svg.tick_labels(scale, labels, _AXIS_BASELINE))


def seconds(value_s: float) -> str:
    """Format the label of a tick in seconds."""
    if value_s == 0:
        return "0"
    if value_s < 1:
        return "%g ms" % (value_s * 1000)
    return "%g s" % value_s if value_s < 120 else duration(value_s).removesuffix("00s")


def legend_entry(term: Term, *, thin: bool = False) -> LegendEntry:
    return LegendEntry(svg.swatch(term.css, thin=thin), term.title, term.meaning)
