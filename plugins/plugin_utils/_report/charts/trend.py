# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of many runs: their outages and failures, the newest on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from ..._text import clean, counted
from .. import words
from ..runs import MeasuredRun
from . import layout, svg
from .scale import Scale
from .svg import Bar

_HEIGHT = 140.0
_FAILURES_HEIGHT = 80.0
_HEADROOM = 1.1
_MOST_LABELS = 9
# Share of its slot that a bar takes.
_BAR_SHARE = 0.6


@dataclass(frozen=True)
class Trend:
    """Chart with the labels beside it, and the axis below."""

    title: str
    labels: Markup
    drawing: Markup
    axis: Markup


def outage_trends(runs: Sequence[MeasuredRun]) -> list[Trend]:
    """Draw the outages of each path, in a chart of its own: those through firmware would squeeze those via kexec."""
    paths = sorted({path for run in runs for path in run.outages}, reverse=True)
    return [_outages(path, runs) for path in paths]


def failure_trend(runs: Sequence[MeasuredRun]) -> Trend | None:
    """Draw the hosts that failed and were refused in each run; None if there were none."""
    most = max((_failed(run) + _refused(run) for run in runs), default=0)
    if not most:
        return None
    scale, highest = _scale(runs), most * _HEADROOM
    labels, rules = _margin(Scale(0.0, highest).count_ticks(), "%d".__mod__, highest, _FAILURES_HEIGHT)
    drawn: list[Markup] = []
    for at, run in enumerate(runs):
        below = 0
        for css, status, number in (("t-failed", "failed", _failed(run)), ("t-refused", "refused", _refused(run))):
            if number:
                height = _FAILURES_HEIGHT * number / highest
                top = _FAILURES_HEIGHT - _FAILURES_HEIGHT * below / highest - height
                left = at + (1 - _BAR_SHARE) / 2
                title = "%s: %s %s" % (clean(run.run_id), counted(number, "host"), status)
                drawn.append(svg.one_bar(css, scale, Bar(left, left + _BAR_SHARE, top, height), title))
                below += number
    title = "hosts that failed or were refused in %s: at most %d" % (counted(len(runs), "run"), most)
    return Trend("", labels, svg.chart(_FAILURES_HEIGHT, title, *rules, *drawn), _axis(runs, scale))


def _outages(path: str, runs: Sequence[MeasuredRun]) -> Trend:
    scale = _scale(runs)
    seen = [(at + 0.5, run) for at, run in enumerate(runs) if path in run.outages]
    highest = max(run.outages[path].longest_ms for _at, run in seen) / 1000 * _HEADROOM or 1.0
    labels, rules = _margin(Scale(0.0, highest).time_ticks(4), layout.seconds, highest, _HEIGHT)
    drawn = [part for at, run in seen for part in _one(at, run, path, scale, highest)]
    title = "median, p95 and longest outage of %s" % counted(len(seen), "run")
    return Trend(path, labels, svg.chart(_HEIGHT, title, *rules, *drawn), _axis(runs, scale))


def _one(at: float, run: MeasuredRun, path: str, scale: Scale, highest: float) -> list[Markup]:
    spread = run.outages[path]
    p50, p95, longest = (_HEIGHT - _HEIGHT * each / 1000 / highest for each in (spread.p50_ms, spread.p95_ms, spread.longest_ms))
    said = tuple(map(words.ms, (spread.p50_ms, spread.p95_ms, spread.longest_ms)))
    title = "%s: %s, p50 %s, p95 %s, longest %s" % (clean(run.run_id), counted(spread.count, "host"), *said)
    half = _BAR_SHARE / 2
    return [
        svg.vertical("whisker", scale, at, longest, p50),
        svg.one_bar("box " + words.path_css(path), scale, Bar(at - half, at + half, p95, max(1.0, p50 - p95)), title),
        svg.horizontal("median", scale, at - half, at + half, p50),
    ]


def _scale(runs: Sequence[MeasuredRun]) -> Scale:
    # One run alone would be as wide as the page.
    return Scale(0.0, float(max(len(runs), 8)))


def _margin(ticks: Sequence[float], label: Callable[[float], str], highest: float, height: float) -> tuple[Markup, list[Markup]]:
    """Labels beside a chart, and a line at each of them."""
    labels, rules = [], []
    for tick in ticks:
        y = height - height * tick / highest
        rules.append(svg.rule("grid", y))
        labels.append(svg.margin_label("tick", min(max(y + 4, 10), height), label(tick)))
    return svg.margin(height, *labels), rules


def _axis(runs: Sequence[MeasuredRun], scale: Scale) -> Markup:
    every = -(-len(runs) // _MOST_LABELS)
    days = [(at + 0.5, datetime.fromtimestamp(run.started_s, UTC).strftime("%m-%d")) for at, run in enumerate(runs)]
    return layout.axis("month and day, UTC", scale, days[::-every][::-1] if days else [])


def _failed(run: MeasuredRun) -> int:
    return run.statuses.get("failed", 0)


def _refused(run: MeasuredRun) -> int:
    return run.statuses.get("refused", 0)
