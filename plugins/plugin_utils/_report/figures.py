# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a run: outages, and how they compare with firmware, limits and forecast. Times are in milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ansible_collections.fleet.kexec.plugins.module_utils._json import finite_number

from .._journal.host_state import HostState
from .._schedule.hosts import AS_ASKED
from .._schedule.percentiles import percentile
from .._text import clean
from .capacity import Breach
from .gains import FleetGains, gains_of
from .machines import Machines, machines_of
from .outages import (
    OutageDistribution,
    PhaseCost,
    Spread,
    UnitCost,
    distributions_of,
    phases_of,
    spread_of,
    units_of,
)
from .problems import FailedHook, Problem, failed_hooks_of, problems_of
from .read import HostReport, RunReport

DONE = "done"
KEXEC = "kexec"
FIRMWARE = "firmware"

_FORECAST = ("prepare", "drain", "outage", "after")


@dataclass(frozen=True)
class Baseline:
    """Median outage of a host class through firmware, from C(samples) reboots."""

    p50_ms: float
    samples: int


@dataclass(frozen=True)
class Savings:
    """Outage saved by kexec against reboots through firmware.

    :ivar total_ms: sum over the hosts that have a baseline.
    :ivar hosts: number of hosts that have a baseline.
    :ivar rebooted: number of hosts that rebooted via kexec.
    :ivar kexec_p50_ms: median outage of the hosts that have a baseline.
    :ivar firmware_p50_ms: median of the baselines of these hosts.
    :ivar times_shorter: the second divided by the first; None if kexec saved nothing.
    """

    total_ms: float
    hosts: int
    rebooted: int
    baselines: dict[str, Baseline]
    kexec_p50_ms: float
    firmware_p50_ms: float
    times_shorter: float | None


@dataclass(frozen=True)
class KernelChange:
    """Kernel releases before and after the reboot, with the number of hosts that came back; empty if unknown."""

    before: str
    after: str
    hosts: int


@dataclass(frozen=True)
class CapacityUse:
    """Unavailable hosts against the limits of the run.

    :ivar windows: maximum number of hosts in flight: at first, and after each change by a resume.
    :ivar allowed: maximum number of unavailable hosts in the whole fleet, likewise; None for no such limit.
    :ivar limits: number of limits by domain or group.
    :ivar held: whether no host exceeded a limit; None if the journal lacks the limits.
    """

    windows: list[int]
    most_in_flight: int
    allowed: list[int | None]
    most_unavailable: int
    limits: int
    held: bool | None
    breaches: list[Breach]


@dataclass(frozen=True)
class RunForecast:
    """Forecast and actual duration of the run.

    :ivar resumed: whether the forecast covers only what was left at the last resume.
    :ivar took_ms: None if the run did not complete.
    """

    resumed: bool
    p50_ms: float
    p95_ms: float
    took_ms: float | None


@dataclass(frozen=True)
class ForecastCost:
    """Forecast and actual times of a phase, over the hosts for which both are known.

    :ivar forecast_p50_ms: median of the hosts' own p50; C(forecast_p95_ms) likewise.
    :ivar beyond_p95: number of hosts that exceeded their own p95, which is expected of one in twenty.
    """

    phase: str
    hosts: int
    forecast_p50_ms: float
    forecast_p95_ms: float
    actual_p50_ms: float
    actual_p95_ms: float
    beyond_p95: int


@dataclass(frozen=True)
class Figures:
    """Figures of a run.

    :ivar statuses: number of hosts by final status.
    :ivar paths: number of rebooted hosts by path, C(kexec), C(soft), C(firmware) or C(unknown).
    :ivar slowest: name of the host with the longest outage.
    :ivar kernels: in descending order of hosts.
    :ivar saved: None if there is no baseline.
    :ivar wall_ms: time from the first record to the last, times without a controller included.
    :ivar gains: what would shorten the outages; None if no host says.
    :ivar run_forecast: None if the journal has no forecast.
    :ivar ratios: outage of each host as a multiple of its forecast (p50), in ascending order.
    """

    hosts: int
    statuses: dict[str, int]
    paths: dict[str, int]
    outage: Spread | None
    slowest: str
    kernels: list[KernelChange]
    saved: Savings | None
    capacity: CapacityUse
    wall_ms: float
    distributions: list[OutageDistribution]
    phases: list[PhaseCost]
    units: list[UnitCost]
    gains: FleetGains | None
    run_forecast: RunForecast | None
    forecast: list[ForecastCost]
    ratios: list[float]
    problems: list[Problem]
    machines: Machines

    @property
    def as_asked(self) -> bool:
        """Whether every host was rebooted, or needed no reboot."""
        return sum(self.statuses.get(status, 0) for status in AS_ASKED) == self.hosts

    @property
    def others(self) -> str:
        """Hosts that were not rebooted, by status; empty if there are none."""
        return ", ".join(
            "%d %s" % (number, status.replace("_", " ")) for status, number in self.statuses.items() if status != "done"
        )

    hooks: list[FailedHook]


def figures_of(run: RunReport, earlier: Mapping[str, Sequence[float]]) -> Figures:
    """Calculate the figures of a run; C(earlier) has outages through firmware of other runs in ms, by host class."""
    outages = sorted((host.state.outage_ms, host.name) for host in run.hosts if host.state.outage_ms is not None)
    return Figures(
        hosts=len(run.hosts),
        statuses=dict(Counter(host.status for host in run.hosts)),
        paths=dict(Counter(host.state.path for host in run.hosts if host.state.path)),
        outage=spread_of(outage_ms for outage_ms, _name in outages) if outages else None,
        slowest=outages[-1][1] if outages else "",
        kernels=_kernels(run.hosts),
        saved=_saved(run.hosts, earlier),
        capacity=_capacity(run),
        wall_ms=run.end_s * 1000,
        distributions=distributions_of(run.hosts),
        phases=phases_of(run.hosts),
        units=units_of(run.hosts),
        gains=gains_of(run.hosts),
        run_forecast=_run_forecast(run),
        forecast=_forecast(run.hosts),
        ratios=_ratios(run.hosts),
        problems=problems_of(run.hosts),
        machines=machines_of(run.hosts),
        hooks=failed_hooks_of(run.hosts),
    )


def outages_by_path(hosts: Iterable[HostReport]) -> dict[str, Spread]:
    """Outages of hosts by the path that they took, in the order of its name."""
    found: dict[str, list[float]] = {}
    for host in hosts:
        if host.state.outage_ms is not None and host.state.path:
            found.setdefault(clean(host.state.path), []).append(host.state.outage_ms)
    return {path: spread_of(outages_ms) for path, outages_ms in sorted(found.items())}


def firmware_outages(hosts: Iterable[HostReport]) -> dict[str, list[float]]:
    """Outages of hosts that were meant to reboot through firmware and did, by host class."""
    found: dict[str, list[float]] = {}
    for host in hosts:
        state = host.state
        # A host that fell back to firmware, or had to be power-cycled, was out for longer.
        meant = state.method == state.path == FIRMWARE and all(each.code != "POWER_CYCLED" for each in state.reasons)
        if meant and state.outage_ms is not None:
            found.setdefault(host.host_class, []).append(state.outage_ms)
    return found


def _saved(hosts: Sequence[HostReport], earlier: Mapping[str, Sequence[float]]) -> Savings | None:
    measured = {host_class: list(values) for host_class, values in earlier.items()}
    for host_class, values in firmware_outages(hosts).items():
        measured.setdefault(host_class, []).extend(values)
    by_kexec = [host for host in hosts if host.state.path == KEXEC and host.state.outage_ms is not None]
    compared = [host for host in by_kexec if measured.get(host.host_class)]
    if not compared:
        return None
    baselines = {
        host_class: Baseline(percentile(sorted(measured[host_class]), 50), len(measured[host_class]))
        for host_class in sorted({host.host_class for host in compared})
    }
    pairs_ms = [(host.state.outage_ms or 0, baselines[host.host_class].p50_ms) for host in compared]
    kexec_ms, firmware_ms = (percentile(sorted(column), 50) for column in zip(*pairs_ms, strict=True))
    return Savings(
        total_ms=sum(through_ms - via_ms for via_ms, through_ms in pairs_ms),
        hosts=len(compared),
        rebooted=len(by_kexec),
        baselines=baselines,
        kexec_p50_ms=kexec_ms,
        firmware_p50_ms=firmware_ms,
        times_shorter=firmware_ms / kexec_ms if 0 < kexec_ms < firmware_ms else None,
    )


def _kernels(hosts: Iterable[HostReport]) -> list[KernelChange]:
    counts = Counter(
        (host.state.release_before, host.state.release_after)
        for host in hosts
        if host.status == DONE and (host.state.release_before or host.state.release_after)
    )
    changes = [KernelChange(before, after, number) for (before, after), number in counts.items()]
    return sorted(changes, key=lambda each: (-each.hosts, each.before, each.after))


def _capacity(run: RunReport) -> CapacityUse:
    windows = [terms.window for terms in run.terms]
    known = [window for window in windows if window is not None]
    held = None if len(known) < len(windows) else not run.breaches
    return CapacityUse(
        windows=[window for window, _same in groupby(known)],
        most_in_flight=max(level.in_flight for level in run.levels),
        allowed=[allowed for allowed, _same in groupby(terms.max_unavailable for terms in run.terms)],
        most_unavailable=max(level.unavailable for level in run.levels),
        limits=max(terms.limits for terms in run.terms),
        held=False if run.breaches else held,
        breaches=run.breaches,
    )


def _run_forecast(run: RunReport) -> RunForecast | None:
    forecast, state = run.terms[-1].forecast, run.state
    if forecast is None:
        return None
    completed = state.ended and state.stop_reason is None
    return RunForecast(
        resumed=state.resumes > 0,
        p50_ms=forecast.total_p50_s * 1000,
        p95_ms=forecast.total_p95_s * 1000,
        took_ms=state.duration_ms if completed else None,
    )


def _actual(state: HostState) -> dict[str, int | None]:
    return {"prepare": state.prepare_ms, "drain": state.drain_ms, "outage": state.outage_ms, "after": state.after_ms}


def _predicted(state: HostState, percent: str, phase: str) -> float | None:
    known = (state.predicted_ms or {}).get(percent)
    value = known.get(phase) if isinstance(known, Mapping) else None
    # The journal may have no forecast for this phase, or none that is a number.
    return finite_number(value)


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
