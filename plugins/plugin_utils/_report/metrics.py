# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report as metrics for Prometheus, for the node exporter's textfile collector.

Text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). Of the metrics of a run, only one has the name
of the run as a label, so the series of the others continue from run to run. The metrics of the history have one series for each
of the newest runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from .._schedule.hosts import AS_ASKED
from .._text import clean
from .figures import Figures, outages_by_path
from .history import RunSummary
from .read import RunReport

_PREFIX = "fleet_kexec_"

_STATUSES = ("done", "not_needed", "failed", "refused", "discarded", "skipped", "unfinished")

_Sample = tuple[dict[str, str], float]


def as_metrics(run: RunReport, figures: Figures, history: Sequence[RunSummary] = ()) -> str:
    """Format a run, and the newest runs beside it, as metrics."""
    state, capacity = run.state, figures.capacity
    about = {"run_id": state.run_id, "controller": state.controller, "version": state.collection_version}
    start_s = run.started_s
    parts = [
        _gauge("run_info", "The run that the other metrics are of.", [(about, 1)]),
        _gauge("run_start_timestamp_seconds", "When the run began.", [({}, start_s)]),
        _gauge("run_last_record_timestamp_seconds", "When the journal of the run was written last.", [({}, start_s + run.end_s)]),
        _gauge("run_ended", "Whether the run came to an end of its own (1) or not (0).", [({}, int(state.ended))]),
        _gauge("run_stopped", "Whether something stopped the run early (1) or not (0).", [({}, int(bool(state.stop_reason)))]),
        _gauge("run_stop_info", "Code of the reason that stopped the run.", _stop(run)),
        _gauge("run_duration_seconds", "From the first record of the run to the last.", [({}, run.end_s)]),
        _gauge("run_hosts", "Hosts of the run, by how they ended.", _hosts(figures)),
        _gauge("run_reboots", "Hosts that were rebooted, by the path they took.", _paths(figures)),
        _gauge("run_problems", "Hosts that failed, were refused or still have something owed, by code.", _problems(figures)),
        _gauge("run_hosts_compared", "Hosts compared with the machines that they were before.", _compared(figures)),
        _gauge("run_differences", "Hosts that came back different, by the code of the difference.", _differences(figures)),
        _gauge("run_hosts_down", "Hosts that were given up while down and were not seen up since.", [({}, len(_down(run)))]),
        _gauge("run_hosts_unavailable", "Hosts unavailable at the last record.", [({}, run.levels[-1].unavailable)]),
        _gauge("run_hosts_pending", "Hosts found in need of a reboot that the run did not reboot.", _pending(run)),
        _outages(run),
        _gauge("run_phase_seconds", "Time in each phase of the reboots, summed over the hosts.", _phases(figures)),
        _gauge("run_window", "How many hosts could be in flight at a time.", [({}, window) for window in capacity.windows[-1:]]),
        _gauge("run_most_out", "The most hosts that were in flight at a time.", [({}, capacity.most_in_flight)]),
    ]
    if capacity.held is not None:
        parts.append(_gauge("run_budget_held", "Whether all limits were kept (1) or exceeded (0).", [({}, int(capacity.held))]))
    if figures.run_forecast is not None:
        text = "How long the run, or what was left of it when it was resumed, was forecast to take."
        percentiles = (("50", figures.run_forecast.p50_ms), ("95", figures.run_forecast.p95_ms))
        samples = [({"percentile": percent}, value_ms / 1000) for percent, value_ms in percentiles]
        parts.append(_gauge("run_forecast_seconds", text, samples))
    if figures.saved is not None:
        saved_s = figures.saved.total_ms / 1000
        parts.append(_gauge("run_saved_host_seconds", "Outage saved against measured firmware reboots.", [({}, saved_s)]))
    parts.append(_gauge("host_outage_seconds", "Outage of each host, as seen by the controller.", _each_host(run)))
    parts.append(_gauge("host_down", "Each host that was given up while down and was not seen up since.", _each_down(run)))
    return "".join([*parts, *_history(history)])


def _history(runs: Sequence[RunSummary]) -> list[str]:
    def gauge(name: str, text: str, value: Callable[[RunSummary], float]) -> str:
        return _gauge("history_" + name, text, [({"run_id": run.run_id}, value(run)) for run in runs])

    hosts: list[_Sample] = [
        ({"run_id": run.run_id, "status": status}, run.statuses.get(status, 0)) for run in runs for status in _STATUSES
    ]
    outages: list[_Sample] = [
        ({"run_id": run.run_id, "percentile": percent}, value_ms / 1000)
        for run in runs
        if run.outage is not None
        for percent, value_ms in (("50", run.outage.p50_ms), ("95", run.outage.p95_ms), ("100", run.outage.longest_ms))
    ]
    return [
        gauge("start_timestamp_seconds", "When each of the newest runs began.", lambda run: run.started_s),
        gauge("duration_seconds", "From the first record of each run to its last.", lambda run: run.duration_s),
        gauge("ended", "Whether each run came to an end of its own (1) or not (0).", lambda run: run.ended),
        gauge("stopped", "Whether something stopped each run early (1) or not (0).", lambda run: run.stopped),
        _gauge("history_hosts", "Hosts of each run, by how they ended.", hosts),
        _gauge("history_outage_seconds", "Outages of the hosts of each run.", outages),
    ]


def _gauge(name: str, text: str, samples: Sequence[_Sample]) -> str:
    return _metric(name, "gauge", text, [("", labels, value) for labels, value in samples]) if samples else ""


def _metric(name: str, kind: str, text: str, samples: Iterable[tuple[str, dict[str, str], float]]) -> str:
    name = _PREFIX + name
    lines = ["# HELP %s %s" % (name, text), "# TYPE %s %s" % (name, kind)]
    lines += ["%s%s%s %s" % (name, suffix, _labels(labels), _number(value)) for suffix, labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    return "{%s}" % ",".join('%s="%s"' % (name, _escaped(value)) for name, value in labels.items()) if labels else ""


def _escaped(value: str) -> str:
    return clean(value).replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    return "%d" % value if value == int(value) else "%.3f" % value


def _hosts(figures: Figures) -> list[_Sample]:
    return [({"status": status}, figures.statuses.get(status, 0)) for status in _STATUSES]


def _stop(run: RunReport) -> list[_Sample]:
    return [({"code": clean(run.state.stop_reason.code)}, 1)] if run.state.stop_reason else []


def _down(run: RunReport) -> list[str]:
    return [host.name for host in run.hosts if host.state.down]


def _pending(run: RunReport) -> list[_Sample]:
    # Only a run of the hosts that need a reboot finds out which of them do.
    if not any(host.state.needed or host.status == "not_needed" for host in run.hosts):
        return []
    return [({}, sum(bool(host.state.needed) and host.status not in AS_ASKED for host in run.hosts))]


def _paths(figures: Figures) -> list[_Sample]:
    return [({"path": path}, number) for path, number in sorted(figures.paths.items())]


def _problems(figures: Figures) -> list[_Sample]:
    # The same code may occur with several hints.
    counts: Counter[tuple[str, str]] = Counter()
    for problem in figures.problems:
        counts[clean(problem.status), clean(problem.code)] += len(problem.hosts)
    return [({"status": status, "code": code}, number) for (status, code), number in sorted(counts.items())]


def _compared(figures: Figures) -> list[_Sample]:
    return [({}, figures.machines.compared)]


def _differences(figures: Figures) -> list[_Sample]:
    # Codes that clean to the same label are one series.
    counts: Counter[tuple[str, str]] = Counter()
    for each in figures.machines.codes:
        counts[clean(each.code), clean(each.effect)] += each.hosts
    return [({"code": code, "effect": effect}, number) for (code, effect), number in sorted(counts.items())]


def _outages(run: RunReport) -> str:
    samples: list[tuple[str, dict[str, str], float]] = []
    for path, spread in outages_by_path(run.hosts).items():
        for quantile, value_ms in (("0.5", spread.p50_ms), ("0.95", spread.p95_ms), ("1", spread.longest_ms)):
            samples.append(("", {"path": path, "quantile": quantile}, value_ms / 1000))
        samples.append(("_sum", {"path": path}, spread.total_ms / 1000))
        samples.append(("_count", {"path": path}, spread.count))
    return _metric("run_outage_seconds", "summary", "Outages of the hosts, by the path they took.", samples) if samples else ""


def _phases(figures: Figures) -> list[_Sample]:
    totals: Counter[str] = Counter()
    for cost in figures.phases:
        totals[clean(cost.name)] += round(cost.spread.total_ms)
    return [({"phase": name}, total_ms / 1000) for name, total_ms in sorted(totals.items())]


def _each_host(run: RunReport) -> list[_Sample]:
    # Names that clean to the same label are one series, and a series has one value.
    outages: dict[tuple[str, str], float] = {}
    for host in run.hosts:
        if host.state.outage_ms is not None:
            outages.setdefault((clean(host.name), clean(host.state.path or "unknown")), host.state.outage_ms / 1000)
    return [({"host": name, "path": path}, value) for (name, path), value in outages.items()]


def _each_down(run: RunReport) -> list[_Sample]:
    return [({"host": name}, 1) for name in dict.fromkeys(map(clean, _down(run)))]
