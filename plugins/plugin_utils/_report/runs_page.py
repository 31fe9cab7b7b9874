# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Page of many runs, from C(runs.html.j2)."""

from __future__ import annotations

from .certification import Certification
from .charts.trend import failure_trend, outage_trends
from .runs import RunSeries, headline
from .template import template


def render_runs(series: RunSeries, title: str | None = None, certification: Certification | None = None) -> str:
    """Render the page of many runs."""
    return template("runs.html.j2").render(
        title=title or "Rolling reboots",
        headline=headline(series),
        series=series,
        newest_first=series.runs[::-1],
        outages=outage_trends(series.runs),
        failures=failure_trend(series.runs),
        codes=series.codes,
        certification=certification or Certification(),
    )
