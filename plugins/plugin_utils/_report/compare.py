# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .._text import by_path, clean
from . import words
from .figures import Figures
from .outages import Spread
from .read import RunReport

# Smallest relative difference that is marked as better or worse.
_LEAST = 0.02
_MOST_HOST_CLASSES = 20


@dataclass(frozen=True)
class ComparisonRow:
    """One figure of both runs, in words; C(css) is C(less) if it is better than before, C(more) if it is worse."""

    title: str
    before: str = ""
    now: str = ""
    difference: str = ""
    css: str = ""
    heading: bool = False


@dataclass(frozen=True)
class Comparison:
    """Comparison of a run with another, whose name and start (UTC) it has."""

    name: str
    started: str
    rows: list[ComparisonRow]


def compared(run: RunReport, now: Figures, other: RunReport, before: Figures) -> Comparison:
    """Compare a run with another, the base of all differences."""
    rows = [
        _count("Hosts", before.hosts, now.hosts),
        *(
            _count(status.replace("_", " ").capitalize(), before.statuses.get(status, 0), now.statuses.get(status, 0))
            for status in _union(before.statuses, now.statuses)
        ),
        *(
            _count(words.capital(by_path(path)), before.paths.get(path, 0), now.paths.get(path, 0))
            for path in _union(before.paths, now.paths)
        ),
        *(
            [_count("Came back different", before.machines.different, now.machines.different)]
            if before.machines.compared and now.machines.compared
            else []
        ),
        _time("Wall time", before.wall_ms, now.wall_ms),
        _count("Most in flight at a time", before.capacity.most_in_flight, now.capacity.most_in_flight),
        ComparisonRow("Outage", heading=True),
        *_spread("", before.outage, now.outage),
    ]
    rows += _host_classes(before, now)
    rows += _phases(before, now)
    return Comparison(other.state.run_id, words.moment(other.started_s), rows)


def _union(one: dict[str, int], two: dict[str, int]) -> list[str]:
    return list(dict.fromkeys([*two, *one]))


def _count(title: str, before: int, now: int) -> ComparisonRow:
    return ComparisonRow(title, "%d" % before, "%d" % now, "%+d" % (now - before) if now != before else "same")


def _time(title: str, before_ms: float | None, now_ms: float | None) -> ComparisonRow:
    if before_ms is None or now_ms is None:
        before, now = ("n/a" if each is None else words.ms(each) for each in (before_ms, now_ms))
        return ComparisonRow(title, before, now)
    apart_ms = now_ms - before_ms
    share = apart_ms / before_ms if before_ms else 0.0
    said = "%s%s" % ("+" if apart_ms > 0 else "", words.ms(apart_ms))
    if before_ms:
        said += " (%+.0f %%)" % (share * 100)
    css = "" if abs(share) < _LEAST else "more" if apart_ms > 0 else "less"
    return ComparisonRow(title, words.ms(before_ms), words.ms(now_ms), said if apart_ms else "same", css)


_PICKED: tuple[tuple[str, Callable[[Spread], float]], ...] = (
    ("p50", lambda spread: spread.p50_ms),
    ("p95", lambda spread: spread.p95_ms),
    ("longest", lambda spread: spread.longest_ms),
)


def _spread(title: str, before: Spread | None, now: Spread | None) -> list[ComparisonRow]:
    return [
        _time((title + " " + name).strip(), pick(before) if before else None, pick(now) if now else None)
        for name, pick in _PICKED
    ]


def _host_classes(before: Figures, now: Figures) -> list[ComparisonRow]:
    pairs: dict[tuple[str, str], list[Spread | None]] = {}
    for at, figures in ((1, now), (0, before)):
        for each in figures.distributions:
            pairs.setdefault((each.host_class, each.path), [None, None])[at] = each.spread
    order = sorted(pairs.items(), key=lambda item: None in item[1])
    rows = []
    for (host_class, path), spreads in order[:_MOST_HOST_CLASSES]:
        before_ms, now_ms = (spread.p50_ms if spread else None for spread in spreads)
        rows.append(_time("%s, %s" % (clean(host_class) or "host class unknown", path), before_ms, now_ms))
    return [ComparisonRow("Median outage by hardware and kernel", heading=True), *rows] if rows else []


def _phases(before: Figures, now: Figures) -> list[ComparisonRow]:
    medians = [{each.name: each.spread.p50_ms for each in figures.phases} for figures in (before, now)]
    names = [name for name in words.PHASES if name in medians[0] or name in medians[1]]
    rows = [_time(words.phase(name).title, medians[0].get(name), medians[1].get(name)) for name in names]
    return [ComparisonRow("Median of each phase", heading=True), *rows] if rows else []
