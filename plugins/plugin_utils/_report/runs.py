# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of many runs, for the trend of their outages and failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from .._journal.file import utc
from .._text import counted
from .caption import Caption, caption_of
from .figures import figures_of, outages_by_path
from .outages import Spread
from .read import RunReport
from .sentences import Standing, standing_of
from .words import ms

VERSION = 1


@dataclass(frozen=True)
class MeasuredRun:
    """Figures of one run.

    :ivar started_s: seconds since 1970, UTC.
    :ivar outage: of all hosts; None if no outage was seen.
    :ivar outages: outages by path.
    :ivar codes: number of hosts that failed or were refused, by status and code.
    :ivar page: address of the page of the run, relative to that of the runs; empty if there is none.
    """

    run_id: str
    caption: Caption
    started_s: float
    duration_s: float
    hosts: int
    statuses: dict[str, int]
    paths: dict[str, int]
    outage: Spread | None
    outages: dict[str, Spread]
    codes: dict[tuple[str, str], int]
    standing: Standing
    page: str = ""


@dataclass(frozen=True)
class UnreadableRun:
    """Run whose journal can't be read, and why."""

    run_id: str
    message: str


@dataclass(frozen=True)
class CodeCount:
    """Number of hosts that failed or were refused for one reason, and of runs in which any did."""

    status: str
    code: str
    hosts: int
    runs: int


@dataclass(frozen=True)
class RunSeries:
    """Runs in the order of time."""

    runs: list[MeasuredRun]
    unreadable: list[UnreadableRun]

    @property
    def codes(self) -> list[CodeCount]:
        """Reasons of all runs, in descending order of hosts."""
        hosts: Counter[tuple[str, str]] = Counter()
        runs: Counter[tuple[str, str]] = Counter()
        for run in self.runs:
            hosts.update(run.codes)
            runs.update(run.codes.keys())
        counts = [CodeCount(status, code, number, runs[status, code]) for (status, code), number in hosts.items()]
        return sorted(counts, key=lambda each: (-each.hosts, each.status, each.code))


def measured(run: RunReport, page: str = "") -> MeasuredRun:
    """Figures of a run for the trend."""
    figures = figures_of(run, {})
    codes: Counter[tuple[str, str]] = Counter()
    for problem in figures.problems:
        if problem.status != "owed":
            codes[problem.status, problem.code] += len(problem.hosts)
    return MeasuredRun(
        run_id=run.state.run_id,
        caption=caption_of(run),
        started_s=run.started_s,
        duration_s=run.end_s,
        hosts=figures.hosts,
        statuses=figures.statuses,
        paths=figures.paths,
        outage=figures.outage,
        outages=outages_by_path(run.hosts),
        codes=dict(codes),
        standing=standing_of(run, figures),
        page=page,
    )


def headline(series: RunSeries) -> str:
    """Summarize runs in one line."""
    runs = series.runs
    if not runs:
        return "No run can be read."
    statuses: Counter[str] = Counter()
    for run in runs:
        statuses.update(run.statuses)
    parts = [
        "%s from %s to %s" % (counted(len(runs), "run"), _day(runs[0].started_s), _day(runs[-1].started_s)),
        counted(statuses["done"], "reboot"),
        "%d failed" % statuses["failed"],
        "%d refused" % statuses["refused"],
    ]
    last = next((run.outage for run in reversed(runs) if run.outage), None)
    if last:
        parts.append("median outage of the newest %s" % ms(last.p50_ms))
    return "; ".join(parts) + "."


def values_of(series: RunSeries) -> dict[str, Any]:
    """Build the values of a page of many runs; the format is in C(docs/report.md)."""
    return {
        "version": VERSION,
        "headline": headline(series),
        "runs": [_values(run) for run in series.runs],
        "unreadable": [asdict(each) for each in series.unreadable],
        "codes": [asdict(each) for each in series.codes],
    }


def _values(run: MeasuredRun) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "reason": run.caption.reason,
        "ticket": run.caption.ticket,
        "operator": run.caption.operator,
        "started": utc(run.started_s),
        "duration_ms": round(run.duration_s * 1000),
        "state": run.standing.title,
        "hosts": run.hosts,
        "statuses": run.statuses,
        "paths": run.paths,
        "outage": asdict(run.outage) if run.outage else None,
        "outages": {path: asdict(spread) for path, spread in run.outages.items()},
    }


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")


def in_order(runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    """Runs, the oldest first."""
    return sorted(runs, key=lambda run: (run.started_s, run.run_id))
