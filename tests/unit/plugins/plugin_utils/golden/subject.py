# SPDX-License-Identifier: GPL-3.0-or-later
"""What the golden files pin, as plain values. Only here is the code under test imported, so that only this follows a move.

Fields are named one by one: how they are kept may change, what is known may not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.lines import View
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.live import LiveView
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.plain import PlainView
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.summary import summary
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event, Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import Journal, read, replay, utc
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.host_state import HostState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.outcome import outcome_of, outcome_result, read_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.phases import Resume
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import Change, RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.samples import remembered
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.result import RebootResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.capacity import RecordedForecast
from ansible_collections.fleet.kexec.plugins.plugin_utils._report.read import HostReport, RunReport, read_run
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import FAILURES_FAIL
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.results import counts_of, final_statuses, result_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.resuming import GOING, Rest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.terms import Terms
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.forecast import Forecast, forecast
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Prediction, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import Plan, part_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._text import ASCII, UNICODE
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionLost

__all__ = (
    "ASCII",
    "GOING",
    "UNICODE",
    "Change",
    "Event",
    "Forecast",
    "History",
    "Journal",
    "LiveView",
    "PlainView",
    "Plan",
    "Prediction",
    "Reason",
    "RebootError",
    "Record",
    "Rest",
    "RunState",
    "RunStore",
    "SessionLost",
    "Terms",
    "View",
    "ended_as",
    "events",
    "forecast",
    "part_of",
    "task_result",
    "utc",
)

# Of the tasks.
_KNOWN = {"ansible_facts": {"fleet_kexec": {"kept": True}}}

#: In place of where the test has it.
JOURNAL = "/var/lib/runs/golden/journal.jsonl"

_HOST_FIELDS = (
    "host",
    "phase",
    "resume",
    "reason",
    "down",
    "host_class",
    "boot_id",
    "release_before",
    "release",
    "method",
    "token",
    "reboot_timeout_s",
    "panic",
    "staged",
    "maybe_staged",
    "maybe_drained",
    "intended_at",
    "path",
    "proof",
    "release_after",
    "boot_id_after",
    "remembered",
    "compared",
    "model",
    "differences",
    "detected_by",
    "predicted_ms",
    "prepare_ms",
    "drain_ms",
    "outage_ms",
    "outage_error_ms",
    "probe_seen_by",
    "probe_outage_ms",
    "probe_outage_error_ms",
    "login_ms",
    "after_ms",
    "total_ms",
    "reasons",
    "notes",
    "timeline",
)
_RUN_FIELDS = (
    "run_id",
    "started_at",
    "controller",
    "collection_version",
    "bystanders",
    "resumes",
    "stop_reason",
    "ended",
    "counts",
    "duration_ms",
)
# What may be left on a host, or held by it.
_LEFT = {"staged": "maybe_staged", "drained": "maybe_drained", "down": "down"}


def told_of(path: str, store: RunStore) -> dict[str, Any]:
    """All that the journal of a run tells.

    :param store: with this run alone in it.
    """
    state = RunState(timelines=True)
    replay(path, state.read)
    hosts = {name: read_host(path, name) for name in state.hosts}
    return {
        "run": flat({name: _plain(getattr(state, name)) for name in _RUN_FIELDS}),
        "hosts": {name: _host(host) for name, host in state.hosts.items()},
        "otherwise if read alone": [name for name, host in state.hosts.items() if _host(hosts[name]) != _host(host)],
        "steps": _steps(path),
        "outcomes": {name: flat(outcome_of(host).as_outcome()) for name, host in hosts.items()},
        "results": {name: _outcome_result(outcome_of(host)) for name, host in hosts.items()},
        "report": _report(read_run(path)),
        "samples": flat(_plain({" ".join(key): values for key, values in remembered(store).samples.items()})),
    }


def _host(host: HostState) -> dict[str, Any]:
    """All that is known of a host; what is not known, or not so, is left out."""
    known = {name: _plain(getattr(host, name)) for name in _HOST_FIELDS}
    known["hooks"] = [
        {
            "phase": run.phase,
            "hook": run.hook,
            "attempts": run.attempts,
            "ok": run.ok,
            "duration_ms": run.duration_ms,
            "message": run.message,
        }
        for run in host.hooks.values()
    ]
    return flat({name: value for name, value in known.items() if value not in (None, "", [], {}) and value is not False})


def task_result(done: RebootResult) -> dict[str, Any]:
    """The result of M(fleet.kexec.reboot), with its facts."""
    return {**done.as_result(), **done.as_facts(_KNOWN)}


def _outcome_result(reboot: RebootResult) -> dict[str, Any]:
    """The result of M(fleet.kexec.outcome), without saying the outcome itself again."""
    outcome, result = reboot.as_outcome(), outcome_result(reboot, _KNOWN)
    facts = result.get("ansible_facts", {}).get("fleet_kexec")
    if facts:
        facts["last_boot"] = "the outcome" if facts["last_boot"] == outcome else facts["last_boot"]
    return flat({**result, "outcome": "the outcome" if result["outcome"] == outcome else result["outcome"]})


def _steps(path: str) -> list[str]:
    """How the state changes with each record: what a resume would do after a controller that was killed there."""
    state = RunState()
    steps = []
    for record in read(path)[0]:
        state.read(record)
        name = record.get("host", "")
        step = [record["event"], name]
        if name in state.hosts:
            host = state.hosts[name]
            in_flight = host.maybe_drained or host.resume is Resume.ASK
            unavailable = host.down if host.status is Status.FAILED else in_flight
            step += [
                host.phase.value,
                host.resume.value,
                *(["out"] if unavailable else []),
                *(word for word, flag in _LEFT.items() if getattr(host, flag)),
            ]
        steps.append(" ".join(filter(None, step)))
    return steps


def _report(run: RunReport) -> dict[str, Any]:
    return {
        "hosts": {host.name: _host_report(host) for host in run.hosts},
        "waves": [
            _line([wave.name, wave.hosts, wave.soak_s, _rounded(wave.start_s), _rounded(wave.end_s)]) for wave in run.waves
        ],
        "started_s": _rounded(run.started_s),
        "end_s": _rounded(run.end_s),
        "levels": ["%.3f: %d out, %d unavailable" % (each.at_s, each.in_flight, each.unavailable) for each in run.levels],
        "terms": [
            {
                "at_s": _rounded(each.at_s),
                "window": each.window,
                "most_unavailable": each.max_unavailable,
                "limits": each.limits,
                "foreseen": _line(_foreseen(each.forecast)),
            }
            for each in run.terms
        ],
        "breaches": [
            "%.3f: %s, %d missing of %s, at most %d" % (each.at_s, each.host, each.unavailable, each.of, each.most)
            for each in run.breaches
        ],
        "absences": [[_rounded(began_s), _rounded(ended_s)] for began_s, ended_s in run.absences],
        "torn": run.torn,
    }


def _foreseen(forecast: RecordedForecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    return {
        "out_over_time": _plain(forecast.in_flight_over_time),
        "total_p50_s": forecast.total_p50_s,
        "total_p95_s": forecast.total_p95_s,
    }


def _host_report(host: HostReport) -> dict[str, Any]:
    return {
        "status": host.status,
        "wave": host.wave,
        "host_class": host.host_class,
        "stretches": ["%s %.3f to %.3f" % (each.stage.value, each.start_s, each.end_s) for each in host.stretches],
        "boot": _line(_plain(host.timeline)) if host.timeline else None,
    }


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of which each takes one line, or one for each element of a list."""

    def told(value: Any) -> Any:
        return _line(value) if isinstance(value, (Mapping, list, tuple)) else value

    return {name: [told(each) for each in value] if isinstance(value, list) else told(value) for name, value in values.items()}


def _line(value: Any) -> str:
    """A value on a line of its own, with quotes that need no escape in JSON."""
    return json.dumps(value, sort_keys=True).replace('"', "'")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return _plain(asdict(value)) if hasattr(value, "__dataclass_fields__") else value


# What is known beyond the journal.


def rolling_result(
    state: RunState, foreseen: Forecast, statuses: Mapping[str, Status], results: Mapping[str, RebootResult]
) -> dict[str, Any]:
    """The result of M(fleet.kexec.rolling_reboot).

    :param results: what the conductor says of each host.
    """
    return {
        "changed": any(known.path is not None for known in results.values()),
        "run_id": state.run_id,
        "forecast": _line(foreseen.as_result()),
        **result_of(state, final_statuses(state, statuses), results, failures=FAILURES_FAIL, asked_for=statuses),
    }


def ended_as(state: RunState, statuses: Mapping[str, Status]) -> dict[str, int]:
    """How many hosts ended how."""
    return counts_of(final_statuses(state, statuses))


def summary_of(state: RunState, foreseen: Forecast | None) -> list[str]:
    """What is said at the end."""
    return summary(state, foreseen, JOURNAL, columns=80, glyphs=UNICODE)
