# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: what is said of a run, put into C(page.html.j2).

Everything that comes from a journal is cleaned and escaped as it is put in,
whichever expression puts it there. The page forbids itself everything but its
own style sheet, by a Content-Security-Policy with that one's hash.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from .._text import clean, clipped, counted, duration
from . import words
from .charts import svg
from .charts.compositions import composition_of_ways, compositions
from .charts.fleet import fleet_chart
from .charts.histogram import histogram
from .charts.share import share_bar
from .charts.strips import strip_plots
from .charts.waterfalls import waterfalls
from .compare import Comparison, compared
from .figures import Budget, Figures, PhaseCost, Saved, UnitCost
from .read import HostReport, RunReport
from .ways import Way
from .ways import headline as ways_headline

# Hosts that are named of one problem, and rows of the table, before it is only said how many there are.
_MOST_NAMED = 50
_BREACHES_NAMED = 5
_MOST_LISTED = 2000


@dataclass(frozen=True)
class State:
    """How a run stands, in a word."""

    title: str
    css: str


@dataclass(frozen=True)
class Tile:
    """A number that is to be seen at once."""

    title: str
    value: str
    note: str
    css: str = ""


@dataclass(frozen=True)
class _PhaseRow:
    cost: PhaseCost
    name: words.Term
    drawn: Markup | None
    share: str


@dataclass(frozen=True)
class _UnitRow:
    cost: UnitCost
    when: str
    drawn: Markup


def render(run: RunReport, figures: Figures, before: tuple[RunReport, Figures] | None = None) -> str:
    """The page of a run.

    :param before: another run to compare it with, and its figures.
    """
    distributions = [(run.state.run_id, figures.distributions)]
    if before is not None:
        distributions.append((before[0].state.run_id, before[1].distributions))
    with_outage = [host for host in run.hosts if host.state.outage_ms is not None or host.boot]
    return _template("page.html.j2").render(
        run=run,
        figures=figures,
        state=state_of(run, figures),
        headline=headline(run, figures),
        notices=_notices(run),
        tiles=_tiles(figures),
        most_named=_MOST_NAMED,
        comparison=_comparison(run, figures, before),
        fleet=fleet_chart(run),
        budget_text=budget_text(run, figures.budget),
        strips=strip_plots(distributions),
        saved_text=_saved_text(figures.saved),
        phases=_phase_rows(figures),
        units=_unit_rows(figures),
        timed=counted(len(with_outage), "host"),
        untimed=sum(host.boot is None for host in with_outage),
        compositions=compositions(run),
        waterfalls=waterfalls(run),
        forecast_texts=[each for each in (_run_forecast_text(figures), _forecast_text(figures)) if each],
        histogram=histogram(figures.ratios),
        listed=_listed(run),
    )


@dataclass(frozen=True)
class _WaysRow:
    """Medians of a phase, one for each way."""

    name: words.Term
    inner: bool
    cells: list[str]


def render_ways(ways: Sequence[Way], runs: Sequence[RunReport]) -> str:
    """The page that compares ways.

    :param runs: all of them.
    """
    shown = [way for way in ways if way.parts and way.outage]
    return _template("ways.html.j2").render(
        ways=ways,
        headline=ways_headline(ways),
        started=min(run.started_s for run in runs),
        ended=max(run.started_s + run.end_s for run in runs),
        controller=", ".join(dict.fromkeys(run.state.controller for run in runs)),
        most_named=_MOST_NAMED,
        composition=composition_of_ways([(way.name, way.parts, way.outage.p50_ms) for way in shown if way.outage])
        if shown
        else None,
        phases=_ways_rows(ways),
        strips=strip_plots([(way.name, way.distributions) for way in ways]),
    )


def _ways_rows(ways: Sequence[Way]) -> list[_WaysRow]:
    known = [{(cost.name, cost.within): cost.spread.p50_ms for cost in way.phases} for way in ways]
    keys = {key for each in known for key in each}
    order = {name: at for at, name in enumerate(words.PHASES)}
    return [
        _WaysRow(words.phase(key[0]), key[1] is not None, [words.ms(each[key]) if key in each else "" for each in known])
        for key in sorted(keys, key=lambda key: (order.get(key[0], len(order)), key[0], key[1] or ""))
    ]


def _template(name: str) -> Template:
    directory = os.path.dirname(__file__)
    environment = Environment(
        loader=FileSystemLoader(directory),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ms=words.ms,
        with_error=words.with_error,
        moment=words.moment,
        counted=counted,
        clipped=clipped,
        lines=_lines,
        path_css=words.path_css,
    )
    with open(os.path.join(directory, "page.css"), encoding="utf-8") as stream:
        style = stream.read()
    environment.globals.update(
        style=Markup(style),  # noqa: S704
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
        swatch=svg.swatch,
    )
    return environment.get_template(name)


def _cleaned(value: object) -> object:
    """What an expression of the template comes to, before it is escaped."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    # A name of nothing but what is left out would be nowhere to be seen.
    return clean(value) or (ascii(value)[1:-1] if value.strip() else "")


def _lines(text: str) -> Markup:
    """A text of several lines, which stay lines."""
    return Markup("\n").join(escape(clean(each)) for each in text.splitlines())


# What is said.


def state_of(run: RunReport, figures: Figures) -> State:
    """How the run stands."""
    if run.state.stop_reason is not None:
        return State("Stopped", "bad")
    if not run.state.ended:
        return State("Not ended", "warn")
    if figures.statuses.get("done", 0) == figures.hosts:
        return State("Done", "good")
    return State("Ended", "bad" if figures.statuses.get("failed") else "warn")


def headline(run: RunReport, figures: Figures) -> str:
    """The run in one line."""
    parts = ["%d of %s rebooted" % (figures.statuses.get("done", 0), counted(figures.hosts, "host"))]
    rest = ["%d %s" % (number, status) for status, number in figures.statuses.items() if status != "done"]
    if rest:
        parts[0] += " (%s)" % ", ".join(rest)
    if figures.paths:
        parts.append(_paths(figures))
    if figures.outage:
        times = (figures.outage.p50_ms, figures.outage.p95_ms, figures.outage.longest_ms)
        parts.append("outage p50 %s, p95 %s, longest %s" % tuple(map(words.ms, times)))
    parts.append("host-hours saved against firmware %s" % (words.hours(figures.saved.total_ms) if figures.saved else "n/a"))
    parts.append("budget %s" % _held(figures.budget))
    parts.append("took %s" % duration(run.end_s))
    return "; ".join(parts) + "."


def _paths(figures: Figures) -> str:
    return ", ".join("%d by %s" % (number, clean(path)) for path, number in sorted(figures.paths.items(), reverse=True))


def _held(budget: Budget) -> str:
    return {True: "held", False: "exceeded", None: "not known"}[budget.held]


def budget_text(run: RunReport, budget: Budget) -> str:
    """Whether the budget was held, and what that is judged by."""
    text = "At most %d were out at a time" % budget.most_out
    if budget.windows:
        text += ", and the window was %s" % _in_turn(budget.windows)
    if any(allowed is not None for allowed in budget.allowed):
        allowed = _in_turn("not limited" if each is None else each for each in budget.allowed)
        text += "; at most %d of the fleet were missing for whatever reason, and max_unavailable was %s" % (
            budget.most_unavailable,
            allowed,
        )
    if budget.limits:
        text += "; %s by domain or group had to be kept, too" % counted(budget.limits, "limit")
    verdict = {
        True: "the budget was held.",
        False: "the budget was exceeded.",
        None: "the journal does not have what the run went by, so this can't be judged.",
    }[budget.held]
    breaches = [
        "At %s UTC %s was taken out, and with it %d were missing: of %s %d might be."
        % (words.clock(run.started_s + each.at_s), clean(each.host), each.missing, each.of, each.most)
        for each in budget.breaches[:_BREACHES_NAMED]
    ]
    more = len(budget.breaches) - len(breaches)
    return " ".join(["%s: %s" % (text, verdict), *breaches, *(["And %d more such." % more] if more else [])])


def _in_turn(values: Iterable[object]) -> str:
    return ", then ".join(map(str, values))


def _saved_text(saved: Saved | None) -> str:
    if saved is None:
        return ""
    text = "Against firmware, %s host-hours of outage were saved" % words.hours(saved.total_ms)
    if saved.hosts < saved.rebooted:
        text += ", counting %d of %s that went by kexec: of the others' hardware and kernel there is no measured reboot" % (
            saved.hosts,
            counted(saved.rebooted, "host"),
        )
    measured = [
        "%s %s (median of %d)" % (combination or "hosts of no known combination", words.ms(each.p50_ms), each.samples)
        for combination, each in saved.baselines.items()
    ]
    more = " and %d more" % (len(measured) - 5) if len(measured) > 5 else ""
    return "%s. Measured through firmware: %s%s." % (text, "; ".join(measured[:5]), more)


def _notices(run: RunReport) -> list[str]:
    notices = []
    if not run.state.ended:
        notices.append(
            "The journal has no end: the run is still going on, or its controller was ended. The last record is of %s UTC."
            % words.moment(run.started_s + run.end_s)
        )
    if run.torn:
        notices.append("The last line of the journal is not whole, and was left out.")
    if run.state.resumes:
        notices.append(
            "The run was resumed %s; without a controller it was for %s."
            % (counted(run.state.resumes, "time"), duration(sum(end_s - start_s for start_s, end_s in run.absences)))
        )
    return notices


def _tiles(figures: Figures) -> list[Tile]:
    done, statuses = figures.statuses.get("done", 0), figures.statuses
    others = ", ".join("%d %s" % (number, status) for status, number in statuses.items() if status != "done")
    tiles = [
        Tile(
            "Hosts done",
            "%d of %d" % (done, figures.hosts),
            others or "none failed, none refused",
            "good" if done == figures.hosts else "bad" if statuses.get("failed") else "warn",
        )
    ]
    by_kexec, rebooted = figures.paths.get("kexec", 0), sum(figures.paths.values())
    tiles.append(Tile("Path", "%d kexec" % by_kexec, "%d through firmware" % (rebooted - by_kexec)))
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
        tiles.append(Tile("Outage, median", "n/a", "no host was seen to go and come back"))
    saved = figures.saved
    if saved:
        note = "against %d measured firmware reboots" % sum(each.samples for each in saved.baselines.values())
        tiles.append(Tile("Host-hours saved", words.hours(saved.total_ms), note))
    else:
        tiles.append(Tile("Host-hours saved", "n/a", "no firmware reboot of the same kind was measured"))
    budget = figures.budget
    css = {True: "good", False: "bad", None: "warn"}[budget.held]
    tiles.append(
        Tile(
            "Budget", _held(budget), "at most %d out, window %s" % (budget.most_out, _in_turn(budget.windows) or "not known"), css
        )
    )
    tiles.append(Tile("Wall time", duration(figures.wall_ms / 1000), "from the first record to the last"))
    return tiles


def _phase_rows(figures: Figures) -> list[_PhaseRow]:
    order = {name: at for at, name in enumerate(words.PHASES)}
    rows = []
    for cost in sorted(figures.phases, key=lambda each: (order.get(each.name, len(order)), each.name)):
        name = words.phase(cost.name)
        drawn = None if cost.share is None else share_bar(cost.share, name.css)
        rows.append(_PhaseRow(cost, name, drawn, words.share(cost.share or 0.0)))
    return rows


def _unit_rows(figures: Figures) -> list[_UnitRow]:
    most_ms = max((unit.total_ms for unit in figures.units), default=1.0) or 1.0
    css = {"stop": "p-stop_units", "start": "p-userspace", "initcall": "p-kernel"}
    return [
        _UnitRow(unit, words.WHEN.get(unit.when, unit.when), share_bar(unit.total_ms / most_ms, css.get(unit.when, "p-other")))
        for unit in figures.units
    ]


def _run_forecast_text(figures: Figures) -> str:
    forecast = figures.run_forecast
    if forecast is None:
        return ""
    what = "What was left of the run when it was resumed" if forecast.resumed else "The run"
    text = "%s was forecast to take %s, and in 95 of 100 cases no more than %s; " % (
        what,
        duration(forecast.p50_ms / 1000),
        duration(forecast.p95_ms / 1000),
    )
    if forecast.took_ms is None:
        return text + "it did not come to that end."
    apart_ms = forecast.took_ms - forecast.p50_ms
    than = "longer" if apart_ms >= 0 else "less"
    return text + "it took %s, %s %s." % (duration(forecast.took_ms / 1000), duration(abs(apart_ms) / 1000), than)


def _forecast_text(figures: Figures) -> str:
    outage = next((each for each in figures.forecast if each.phase == "outage"), None)
    if outage is None:
        return ""
    apart_ms = outage.actual_p50_ms - outage.forecast_p50_ms
    than = "%s %s than forecast" % (words.ms(abs(apart_ms)), "longer" if apart_ms > 0 else "shorter")
    usual = max(1, round(outage.hosts / 20))
    text = "The median outage was %s. " % (than if abs(apart_ms) >= 1 else "as forecast")
    text += "%d of %s took longer than the p95 forecast for it" % (outage.beyond_p95, counted(outage.hosts, "host"))
    return text + (", more than the one in twenty that a p95 leaves." if outage.beyond_p95 > usual else ".")


def _comparison(run: RunReport, figures: Figures, before: tuple[RunReport, Figures] | None) -> Comparison | None:
    return None if before is None else compared(run, figures, *before)


def _listed(run: RunReport) -> list[HostReport]:
    """Hosts of the table: what went wrong first, then the longest outage."""
    first = {"failed": 0, "unfinished": 1, "refused": 2, "discarded": 3}
    return sorted(run.hosts, key=lambda host: (first.get(host.status, 4), -(host.state.outage_ms or 0), host.name))[:_MOST_LISTED]
