# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run comes to in numbers. Times are milliseconds, but for those that say seconds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from .._journal.run_state import HostState
from .._schedule.percentiles import percentile
from .boots import BEGINNING, IN_OUTAGE, Cost
from .capacity import Breach
from .read import HostReport, RunReport

KEXEC = "kexec"
FIRMWARE = "firmware"

#: What of an outage is not told apart: all of it where there is no timeline, its beginning where the timeline lacks that.
UNDIVIDED = "outage"

_COSTLIEST = 10
_FORECAST = ("prepare", "drain", "outage", "after")


@dataclass(frozen=True)
class Spread:
    """Of how many times, and how they are spread. Percentiles are times that occurred (nearest rank)."""

    count: int
    total_ms: float
    least_ms: float
    p25_ms: float
    p50_ms: float
    p75_ms: float
    p95_ms: float
    longest_ms: float


@dataclass(frozen=True)
class Baseline:
    """How long hosts of a combination are out if they go through firmware, as it was measured.

    :ivar samples: how many such reboots there were.
    """

    p50_ms: float
    samples: int


@dataclass(frozen=True)
class Saved:
    """By how much outages were shorter than through firmware.

    :ivar total_ms: summed over the hosts, of which there is a baseline.
    :ivar hosts: how many those are.
    :ivar rebooted: how many hosts went by kexec.
    :ivar baselines: combination → what was measured.
    """

    total_ms: float
    hosts: int
    rebooted: int
    baselines: dict[str, Baseline]


@dataclass(frozen=True)
class Budget:
    """Whether no more hosts were missing than might be.

    :ivar windows: how many could be out at a time: at first, and whenever a resume changed it.
    :ivar most_out: how many were.
    :ivar allowed: of the whole fleet, for whatever reason: at first, and whenever a resume changed it; None for no such limit.
    :ivar most_unavailable: how many were.
    :ivar limits: how many limits of parts of the fleet there were, by domain or group.
    :ivar held: None if that can't be told: the journal does not have what the run went by.
    :ivar breaches: hosts that were taken out and were one too many.
    """

    windows: list[int]
    most_out: int
    allowed: list[int | None]
    most_unavailable: int
    limits: int
    held: bool | None
    breaches: list[Breach]


@dataclass(frozen=True)
class RunForecast:
    """What was forecast of the run as a whole, and what it took.

    :ivar resumed: whether it is of what was left of the run when it was resumed last.
    :ivar took_ms: None if it did not come to the end that was forecast.
    """

    resumed: bool
    p50_ms: float
    p95_ms: float
    took_ms: float | None


@dataclass(frozen=True)
class Distribution:
    """Outages of the hosts of one combination that went one way.

    :ivar outages_ms: in ascending order.
    """

    combination: str
    path: str
    spread: Spread
    outages_ms: list[float]


@dataclass(frozen=True)
class PhaseCost:
    """What one phase took, over the fleet.

    :ivar in_outage: whether the host was out in it.
    :ivar share: of all time in the outage; None for a phase outside of it, or within another.
    :ivar within: the phase that it is a part of.
    """

    name: str
    spread: Spread
    in_outage: bool
    share: float | None
    within: str | None


@dataclass(frozen=True)
class UnitCost:
    """What one unit or initcall took, over the fleet.

    :ivar when: C(stop), C(start) or C(initcall).
    :ivar hosts: on how many hosts it was among the slowest.
    """

    name: str
    when: str
    hosts: int
    total_ms: float
    mean_ms: float
    longest_ms: float


@dataclass(frozen=True)
class ForecastCost:
    """What was forecast for a phase, and what it took, of hosts for which both are known.

    :ivar forecast_p50_ms: median of the hosts' own.
    :ivar beyond_p95: how many hosts took longer than their own p95, which is expected of one in twenty.
    """

    phase: str
    hosts: int
    forecast_p50_ms: float
    forecast_p95_ms: float
    actual_p50_ms: float
    actual_p95_ms: float
    beyond_p95: int


@dataclass(frozen=True)
class Trouble:
    """One host of a problem."""

    host: str
    message: str
    down: bool


@dataclass(frozen=True)
class Problem:
    """Hosts that ended badly for the same reason.

    :ivar status: C(failed) or C(refused).
    """

    code: str
    status: str
    hint: str
    hosts: list[Trouble]


@dataclass(frozen=True)
class HookTrouble:
    """A hook that did not succeed."""

    host: str
    hook: str
    phase: str
    attempts: int
    message: str


@dataclass(frozen=True)
class Figures:
    """All of it.

    :ivar statuses: status → hosts, of those that there are.
    :ivar paths: C(kexec) or C(firmware) → hosts that were rebooted that way.
    :ivar slowest: the host that was out longest.
    :ivar saved: None where nothing was measured to compare with.
    :ivar run_forecast: None where the journal has none.
    :ivar wall_ms: from the first record to the last, with the time in which there was no controller.
    :ivar ratios: outage of each host, as a multiple of what was forecast (p50), in ascending order.
    """

    hosts: int
    statuses: dict[str, int]
    paths: dict[str, int]
    outage: Spread | None
    slowest: str
    saved: Saved | None
    budget: Budget
    wall_ms: float
    distributions: list[Distribution]
    phases: list[PhaseCost]
    units: list[UnitCost]
    run_forecast: RunForecast | None
    forecast: list[ForecastCost]
    ratios: list[float]
    problems: list[Problem]
    hooks: list[HookTrouble]


def figures_of(run: RunReport, earlier: Mapping[str, Sequence[float]]) -> Figures:
    """The figures of a run.

    :param earlier: combination → outages through firmware in other runs, in milliseconds.
    """
    out = sorted((host.state.outage_ms, host.name) for host in run.hosts if host.state.outage_ms is not None)
    return Figures(
        hosts=len(run.hosts),
        statuses=dict(Counter(host.status for host in run.hosts)),
        paths=dict(Counter(host.state.path for host in run.hosts if host.state.path)),
        outage=spread_of(outage_ms for outage_ms, _name in out) if out else None,
        slowest=out[-1][1] if out else "",
        saved=_saved(run.hosts, earlier),
        budget=_budget(run),
        wall_ms=run.end_s * 1000,
        distributions=distributions_of(run.hosts),
        phases=phases_of(run.hosts),
        units=units_of(run.hosts),
        run_forecast=_run_forecast(run),
        forecast=_forecast(run.hosts),
        ratios=_ratios(run.hosts),
        problems=problems_of(run.hosts),
        hooks=_hooks(run.hosts),
    )


def spread_of(values: Iterable[float]) -> Spread:
    """How values are spread.

    :param values: at least one.
    """
    ordered = sorted(values)
    p25, p50, p75, p95 = (percentile(ordered, percent) for percent in (25, 50, 75, 95))
    return Spread(len(ordered), sum(ordered), ordered[0], p25, p50, p75, p95, ordered[-1])


# Against firmware.


def firmware_outages(hosts: Iterable[HostReport]) -> dict[str, list[float]]:
    """Outages of hosts that were to go through firmware and did, by combination, in milliseconds."""
    found: dict[str, list[float]] = {}
    for host in hosts:
        state = host.state
        # One that came back through firmware against its will, or by its power button, took longer for it.
        meant = state.method == state.path == FIRMWARE and all(each.code != "POWER_CYCLED" for each in state.reasons)
        if meant and state.outage_ms is not None:
            found.setdefault(host.combination, []).append(state.outage_ms)
    return found


def _saved(hosts: Sequence[HostReport], earlier: Mapping[str, Sequence[float]]) -> Saved | None:
    measured = {combination: list(values) for combination, values in earlier.items()}
    for combination, values in firmware_outages(hosts).items():
        measured.setdefault(combination, []).extend(values)
    by_kexec = [host for host in hosts if host.state.path == KEXEC and host.state.outage_ms is not None]
    compared = [host for host in by_kexec if measured.get(host.combination)]
    if not compared:
        return None
    baselines = {
        combination: Baseline(percentile(sorted(measured[combination]), 50), len(measured[combination]))
        for combination in sorted({host.combination for host in compared})
    }
    total_ms = sum(baselines[host.combination].p50_ms - (host.state.outage_ms or 0) for host in compared)
    return Saved(total_ms, len(compared), len(by_kexec), baselines)


# Capacity.


def _budget(run: RunReport) -> Budget:
    windows = [terms.window for terms in run.terms]
    known = [window for window in windows if window is not None]
    held = None if len(known) < len(windows) else not run.breaches
    return Budget(
        windows=[window for window, _same in groupby(known)],
        most_out=max(level.out for level in run.levels),
        allowed=[allowed for allowed, _same in groupby(terms.most_unavailable for terms in run.terms)],
        most_unavailable=max(level.unavailable for level in run.levels),
        limits=max(terms.limits for terms in run.terms),
        held=False if run.breaches else held,
        breaches=run.breaches,
    )


# Outages and phases.


def distributions_of(hosts: Iterable[HostReport]) -> list[Distribution]:
    """How outages are spread, by combination and path; those of most hosts first."""
    groups: dict[tuple[str, str], list[float]] = {}
    for host in hosts:
        if host.state.outage_ms is not None and host.state.path:
            groups.setdefault((host.combination, host.state.path), []).append(host.state.outage_ms)
    made = []
    for (combination, path), outages_ms in groups.items():
        spread = spread_of(outages_ms)
        made.append(Distribution(combination, path, spread, sorted(outages_ms)))
    return sorted(made, key=lambda each: (-each.spread.count, each.combination, each.path))


def phase_times(host: HostReport) -> list[tuple[str, float, str | None]]:
    """Name and length of each phase of a host, and what it is within.

    What only the controller saw is there too: how long it was prepared, drained and checked; and of its outage what no
    timeline tells apart, first of all.
    """
    state = host.state
    times = [(span.name, span.duration_ms, span.within) for span in host.boot.spans] if host.boot else []
    known = {name for name, _duration_ms, _within in times}
    seen = (("stage", state.prepare_ms), ("drain", state.drain_ms), ("healthy", state.after_ms))
    times += [(name, each, None) for name, each in seen if each is not None and name not in known]
    if state.outage_ms is not None and known.isdisjoint(BEGINNING):
        rest_ms = state.outage_ms - sum(each for name, each, within in times if name in IN_OUTAGE and within is None)
        if rest_ms > 0:
            times.insert(0, (UNDIVIDED, rest_ms, None))
    return times


def phases_of(hosts: Iterable[HostReport]) -> list[PhaseCost]:
    """What each phase took, of hosts that were out."""
    times: dict[tuple[str, str | None], list[float]] = {}
    for host in hosts:
        if host.state.outage_ms is not None or host.boot:
            for name, duration_ms, within in phase_times(host):
                times.setdefault((name, within), []).append(duration_ms)
    outside = {"drain", "stage", "healthy"}
    out_ms = sum(sum(values) for (name, within), values in times.items() if name not in outside and within is None)
    costs = []
    for (name, within), values in times.items():
        spread = spread_of(values)
        in_outage = name not in outside
        share = spread.total_ms / out_ms if in_outage and within is None and out_ms else None
        costs.append(PhaseCost(name, spread, in_outage, share, within))
    return costs


def units_of(hosts: Iterable[HostReport]) -> list[UnitCost]:
    """The units and initcalls that took most time in all."""
    times: dict[tuple[str, str], list[float]] = {}

    def add(when: str, costs: Iterable[Cost]) -> None:
        for cost in costs:
            times.setdefault((cost.name, when), []).append(cost.duration_ms)

    for host in hosts:
        if host.boot:
            add("stop", host.boot.stop)
            add("start", host.boot.started)
            add("initcall", host.boot.initcalls)
    costs = [
        UnitCost(name, when, len(values), sum(values), sum(values) / len(values), max(values))
        for (name, when), values in times.items()
    ]
    return sorted(costs, key=lambda each: (-each.total_ms, each.name))[:_COSTLIEST]


# Forecast.


def _run_forecast(run: RunReport) -> RunForecast | None:
    foreseen, state = run.terms[-1].foreseen, run.state
    if foreseen is None:
        return None
    came_to_its_end = state.ended and state.stop_reason is None
    return RunForecast(
        resumed=state.resumes > 0,
        p50_ms=foreseen.total_p50_s * 1000,
        p95_ms=foreseen.total_p95_s * 1000,
        took_ms=state.duration_ms if came_to_its_end else None,
    )


def _actual(state: HostState) -> dict[str, int | None]:
    return {"prepare": state.prepare_ms, "drain": state.drain_ms, "outage": state.outage_ms, "after": state.after_ms}


def _predicted(state: HostState, percent: str, phase: str) -> float | None:
    known = (state.predicted_ms or {}).get(percent)
    value = known.get(phase) if isinstance(known, Mapping) else None
    # Who forecasts nothing has no figure, and what was never a number is none.
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _forecast(hosts: Iterable[HostReport]) -> list[ForecastCost]:
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for host in hosts:
        for phase, actual_ms in _actual(host.state).items():
            p50_ms, p95_ms = (_predicted(host.state, percent, phase) for percent in ("p50", "p95"))
            if actual_ms is not None and p50_ms is not None and p95_ms is not None:
                rows.setdefault(phase, []).append((p50_ms, p95_ms, actual_ms))
    costs = []
    for phase in _FORECAST:
        if phase in rows:
            p50, p95, actual = (sorted(column) for column in zip(*rows[phase], strict=True))
            costs.append(
                ForecastCost(
                    phase=phase,
                    hosts=len(actual),
                    forecast_p50_ms=percentile(p50, 50),
                    forecast_p95_ms=percentile(p95, 50),
                    actual_p50_ms=percentile(actual, 50),
                    actual_p95_ms=percentile(actual, 95),
                    beyond_p95=sum(took_ms > most_ms for _p50_ms, most_ms, took_ms in rows[phase]),
                )
            )
    return costs


def _ratios(hosts: Iterable[HostReport]) -> list[float]:
    ratios = []
    for host in hosts:
        p50_ms = _predicted(host.state, "p50", "outage")
        if p50_ms and host.state.outage_ms is not None:
            ratios.append(host.state.outage_ms / p50_ms)
    return sorted(ratios)


# What went wrong.


def problems_of(hosts: Iterable[HostReport]) -> list[Problem]:
    """Hosts that failed or were refused, by why."""
    groups: dict[tuple[str, str, str], list[Trouble]] = {}
    for host in hosts:
        why = host.state.reason
        if why is not None and host.status in ("failed", "refused"):
            trouble = Trouble(host.name, why.message, host.status == "failed" and host.state.down)
            groups.setdefault((host.status, why.code, why.hint), []).append(trouble)
    made = [Problem(code, status, hint, troubled) for (status, code, hint), troubled in groups.items()]
    return sorted(made, key=lambda each: (each.status, -len(each.hosts), each.code))


def _hooks(hosts: Iterable[HostReport]) -> list[HookTrouble]:
    return [
        HookTrouble(host.name, run.hook, run.phase, run.attempts, run.message)
        for host in hosts
        for run in host.state.hooks.values()
        if not run.ok
    ]
