# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Page of a run, from C(page.html.j2)."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from .._text import clipped, counted, duration
from . import sentences, words
from .caption import Caption, caption_of
from .certification import Certification
from .charts.compositions import compositions
from .charts.fleet import fleet_chart
from .charts.histogram import histogram
from .charts.share import share_bar
from .charts.strips import strip_plots
from .charts.waterfalls import waterfalls
from .compare import compared
from .figures import Figures
from .gains import KindGain
from .outages import PhaseCost, UnitCost
from .read import HostReport, RunReport
from .template import template

# Maximum number of rows in the table of all hosts.
_MOST_LISTED = 2000


@dataclass(frozen=True)
class Tile:
    """Figure at the top of the page."""

    title: str
    value: str
    note: str
    css: str = ""


@dataclass(frozen=True)
class _PhaseRow:
    cost: PhaseCost
    term: words.Term
    drawn: Markup | None
    share: str


@dataclass(frozen=True)
class _UnitRow:
    cost: UnitCost
    when: str
    drawn: Markup


@dataclass(frozen=True)
class _GainRow:
    gain: KindGain
    drawn: Markup | None
    basis: str


def render(
    run: RunReport,
    figures: Figures,
    before: tuple[RunReport, Figures] | None = None,
    caption: Caption | None = None,
    certification: Certification | None = None,
) -> str:
    """Render the page of a run, compared with another one if C(before) is given.

    :param caption: None for that of the journal.
    """
    distributions = [(run.state.run_id, figures.distributions)]
    if before is not None:
        distributions.append((before[0].state.run_id, before[1].distributions))
    with_outage = [host for host in run.hosts if host.state.outage_ms is not None or host.timeline]
    return template("page.html.j2").render(
        run=run,
        figures=figures,
        caption=caption or caption_of(run),
        certification=certification or Certification(),
        shorter=sentences.shorter(figures.saved),
        kernels_text=sentences.kernels_text(figures.kernels),
        state=sentences.standing_of(run, figures),
        headline=sentences.headline(run, figures),
        notices=sentences.notices(run),
        tiles=_tiles(figures),
        comparison=compared(run, figures, *before) if before is not None else None,
        fleet=fleet_chart(run),
        capacity_text=sentences.capacity_text(run, figures.capacity),
        strips=strip_plots(distributions),
        saved_text=sentences.saved_text(figures.saved),
        phases=_phase_rows(figures),
        units=_unit_rows(figures),
        gains=_gain_rows(figures),
        gains_text=sentences.gains_text(figures.gains) if figures.gains else "",
        timed=counted(len(with_outage), "host"),
        untimed=sum(host.timeline is None for host in with_outage),
        compositions=compositions(run),
        waterfalls=waterfalls(run),
        forecast_texts=sentences.forecast_texts(figures),
        histogram=histogram(figures.ratios),
        listed=_listed(run),
    )


def _tiles(figures: Figures) -> list[Tile]:
    done, statuses = figures.statuses.get("done", 0), figures.statuses
    tiles = [
        Tile(
            "Hosts rebooted",
            "%d of %d" % (done, figures.hosts),
            figures.others or "none failed, none refused",
            "good" if figures.as_asked else "bad" if statuses.get("failed") else "warn",
        )
    ]
    by_kexec, rebooted = figures.paths.get("kexec", 0), sum(figures.paths.values())
    softly, by_firmware = figures.paths.get("soft", 0), figures.paths.get("firmware", 0)
    unknown = rebooted - by_kexec - softly - by_firmware
    detail = ("%d by a soft reboot, " % softly if softly else "") + "%d through firmware" % by_firmware
    detail += ", %d by an unknown path" % unknown if unknown else ""
    tiles.append(Tile("Path", "%d via kexec" % by_kexec, detail))
    if figures.outage:
        tiles.append(
            Tile(
                "Outage, median",
                words.ms(figures.outage.p50_ms),
                "p95 %s, longest %s (%s)"
                % (words.ms(figures.outage.p95_ms), words.ms(figures.outage.longest_ms), clipped(figures.slowest, 40)),
            )
        )
    else:
        tiles.append(Tile("Outage, median", "n/a", "no outage was seen"))
    saved = figures.saved
    if saved:
        note = "against %d measured reboots through firmware" % sum(each.samples for each in saved.baselines.values())
        tiles.append(Tile("Host-hours saved", words.hours(saved.total_ms), note))
    else:
        tiles.append(Tile("Host-hours saved", "n/a", "no comparable reboot through firmware was measured"))
    capacity = figures.capacity
    css = {True: "good", False: "bad", None: "warn"}[capacity.held]
    windows = sentences.in_turn(capacity.windows) or "not known"
    tiles.append(
        Tile("Capacity", sentences.held(capacity), "at most %d in flight, window %s" % (capacity.most_in_flight, windows), css)
    )
    tiles.append(Tile("Wall time", duration(figures.wall_ms / 1000), "from the first record to the last"))
    return tiles


def _phase_rows(figures: Figures) -> list[_PhaseRow]:
    order = {name: at for at, name in enumerate(words.PHASES)}
    rows = []
    for cost in sorted(figures.phases, key=lambda each: (order.get(each.name, len(order)), each.name)):
        term = words.phase(cost.name)
        drawn = None if cost.share is None else share_bar(cost.share, term.css)
        rows.append(_PhaseRow(cost, term, drawn, words.share(cost.share or 0.0)))
    return rows


def _unit_rows(figures: Figures) -> list[_UnitRow]:
    most_ms = max((unit.total_ms for unit in figures.units), default=1.0) or 1.0
    css = {"stop": "p-stop_units", "start": "p-userspace", "initcall": "p-kernel"}
    return [
        _UnitRow(unit, words.WHEN.get(unit.when, unit.when), share_bar(unit.total_ms / most_ms, css.get(unit.when, "p-other")))
        for unit in figures.units
    ]


def _gain_rows(figures: Figures) -> list[_GainRow]:
    kinds = figures.gains.kinds if figures.gains else []
    most_ms = max((kind.rank_ms for kind in kinds), default=1.0) or 1.0
    return [
        _GainRow(kind, share_bar(kind.rank_ms / most_ms, "p-gain") if kind.told else None, words.BASES.get(kind.basis, ""))
        for kind in kinds
    ]


def _listed(run: RunReport) -> list[HostReport]:
    """Hosts of the table: those that failed first, then those with the longest outages."""
    first = {"failed": 0, "unfinished": 1, "refused": 2, "discarded": 3}
    return sorted(run.hosts, key=lambda host: (first.get(host.status, 4), -(host.state.outage_ms or 0), host.name))[:_MOST_LISTED]
