# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chart of the capacity: how many hosts were unavailable over time, against the limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..read import RunReport
from . import layout, svg
from .scale import Scale

_HEIGHT = 96.0
# Share of the height left free above the highest value.
_HEADROOM = 0.25
# Share of the width that a label takes on a phone.
_LABEL_SHARE = 0.3


@dataclass(frozen=True)
class CapacityChart:
    """Chart of the hosts unavailable over time, with the labels beside it."""

    counts: Markup
    drawing: Markup
    forecast: bool


@dataclass(frozen=True)
class _LimitLine:
    """Limit for as long as it was in force."""

    start_s: float
    end_s: float
    value: int
    title: str
    css: str


def capacity_chart(run: RunReport, scale: Scale, ticks: Sequence[float]) -> CapacityChart:
    """Draw the hosts unavailable over time, in seconds since the run began."""
    forecast = _forecast(run)
    limits = _limits(run)
    most_unavailable = max(level.unavailable for level in run.levels)
    windows = (terms.window or 0 for terms in run.terms)
    most = max([1, most_unavailable, *windows, *(in_flight for _at_s, in_flight in forecast)])
    # A limit far above everything else would squeeze the rest.
    most = max([most, *(limit.value for limit in limits if limit.value <= 2 * most)])
    highest = most * (1 + _HEADROOM)
    counts, rules = _counts(highest)
    drawn = svg.stretched(
        _HEIGHT,
        svg.step_area("c-unavailable", scale, [(level.at_s, float(level.unavailable)) for level in run.levels], highest, _HEIGHT),
        svg.step_area("c-in-flight", scale, [(level.at_s, float(level.in_flight)) for level in run.levels], highest, _HEIGHT),
        svg.step_line("c-forecast", scale, [(at_s, float(in_flight)) for at_s, in_flight in forecast], highest, _HEIGHT),
    )
    title = "unavailable hosts over time: at most %d" % most_unavailable
    lines = _limit_lines([limit for limit in limits if limit.value <= highest], scale, highest)
    lines += _beside(run, scale, highest)
    return CapacityChart(
        counts=counts,
        drawing=svg.chart(_HEIGHT, title, layout.grid(scale, ticks, _HEIGHT), drawn, *rules, *lines),
        forecast=any(terms.forecast for terms in run.terms),
    )


def _y(value: float, highest: float) -> float:
    return _HEIGHT - _HEIGHT * value / highest


def _counts(highest: float) -> tuple[Markup, list[Markup]]:
    """Labels beside the drawing, and a line at each of them."""
    labels, rules = [], []
    for tick in Scale(0, highest).count_ticks():
        y = _y(tick, highest)
        rules.append(svg.rule("grid", y))
        labels.append(svg.margin_label("tick", min(max(y + 4, 10), _HEIGHT), "%d" % tick))
    return svg.margin(_HEIGHT, *labels), rules


def _limits(run: RunReport) -> list[_LimitLine]:
    """Limits of the whole fleet, one after the other if a resume changed them."""
    ends_s = [terms.at_s for terms in run.terms[1:]] + [run.end_s]
    limits: list[_LimitLine] = []
    for terms, end_s in zip(run.terms, ends_s, strict=True):
        for value, name, css in ((terms.window, "window", "window"), (terms.max_unavailable, "max_unavailable", "allowed")):
            if value is not None:
                limits.append(_LimitLine(terms.at_s, end_s, value, "%s %d" % (name, value), css))
    return limits


def _limit_lines(limits: Iterable[_LimitLine], scale: Scale, highest: float) -> list[Markup]:
    """Line for each limit, with its name once."""
    drawn, named = [], set()
    for limit in limits:
        y = _y(limit.value, highest)
        drawn.append(svg.horizontal("limit " + limit.css, scale, limit.start_s, limit.end_s, y))
        if limit.title not in named:
            drawn.append(svg.text("limit-name", scale, limit.start_s, max(10.0, y - 4), limit.title, shift=4))
            named.add(limit.title)
    return drawn


def _beside(run: RunReport, scale: Scale, highest: float) -> list[Markup]:
    """Label of the hosts that are unavailable beside those in flight, at the end of the chart, where they are most."""
    most = run.most_beside
    if not most:
        return []
    from_s = run.end_s * (1 - _LABEL_SHARE)
    ends_s = [level.at_s for level in run.levels[1:]] + [run.end_s]
    top = max(level.unavailable for level, end_s in zip(run.levels, ends_s, strict=True) if end_s >= from_s)
    title = "+%d %s" % (most, "given up" if most <= run.given_up else "otherwise unavailable")
    return [svg.text("limit-name", scale, run.end_s, max(10.0, _y(top, highest) - 4), title, before=True)]


def _forecast(run: RunReport) -> list[tuple[float, int]]:
    """Hosts forecast to be in flight from each moment on, by the latest forecast at that moment."""
    course: list[tuple[float, int]] = []
    for terms in run.terms:
        if terms.forecast is not None:
            course = [each for each in course if each[0] < terms.at_s]
            course += [(terms.at_s + at_s, in_flight) for at_s, in_flight in terms.forecast.in_flight_over_time]
    return [each for each in course if each[0] <= run.end_s]
