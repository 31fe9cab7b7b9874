# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outcome of one host, read from the run's journal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId

from .._errors import RolloutError
from .._reboot.result import (
    NOT_SELECTED,
    UNFINISHED,
    KnownSystem,
    OutageMs,
    ProbedOutage,
    RebootResult,
    with_last_boot,
)
from .._schedule.hosts import AS_ASKED, ENDED, Status
from .events import Record, RunResumed, RunSelected
from .file import READ_BYTES, failed, open_regular
from .host_state import HostState
from .phases import PHASES, Phase
from .run_state import RunState


def status_of(host: HostState) -> str:
    """Final status of a host; C(unfinished) if the controller ended before the host did, or could not see it through."""
    if host.phase is Phase.WAITING and not host.unfinished:
        return Status.SKIPPED.value
    status = PHASES[host.phase].status
    if host.left_out is None:
        return status.value if status in ENDED else UNFINISHED
    if host.unfinished:
        return UNFINISHED
    return (status if status in ENDED else Status.DISCARDED if host.called_off else Status.SKIPPED).value


class NotSelected(RolloutError):
    """Raised about a host of the play that the run's task was not meant for; C(HOST_NOT_IN_RUN)."""

    def __init__(self, name: str, why_not: str) -> None:
        super().__init__("HOST_NOT_IN_RUN", "the task was not meant for %s: %s" % (name, why_not))


def outcomes_not_selected(left_out: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Outcomes of hosts that the task was not meant for, as plain values; C(left_out) says why."""
    return {
        name: RebootResult(status=NOT_SELECTED, failure=NotSelected(name, why_not).reason).as_outcome()
        for name, why_not in left_out.items()
    }


def outcome_of(host: HostState) -> RebootResult:
    """Result of a host's reboot, as far as the journal has it."""
    return RebootResult(
        status=status_of(host),
        method=host.method or None,
        path=host.path or None,
        staged=host.staged,
        proof=host.proof or None,
        needed=host.needed,
        reasons=host.reasons,
        notes=host.notes or None,
        before=KnownSystem(host.system, host.release_before) if host.boot_id else None,
        after=KnownSystem(SystemId(host.boot_id_after, host.soft_reboots_after), host.release_after)
        if host.boot_id_after
        else None,
        model=host.model or None,
        differences=host.differences if host.compared or host.differences else None,
        detected_by=host.detected_by or None,
        outage=_outage(host.outage_ms, host.outage_error_ms),
        probe=ProbedOutage(host.probe_seen_by, _outage(host.probe_outage_ms, host.probe_outage_error_ms))
        if host.probe_seen_by
        else None,
        login_ms=host.login_ms,
        elapsed_ms=host.total_ms,
        down=host.down if host.phase is Phase.FAILED else None,
        failure=host.left_out or host.reason,
        owed=host.owed,
        timeline=host.timeline,
    )


def _outage(duration_ms: int | None, error_ms: int | None) -> OutageMs | None:
    return None if duration_ms is None or error_ms is None else OutageMs(duration_ms, error_ms)


_RESUMED, _NOT_SELECTED = (b'"event":"%s"' % event.name.encode("ascii") for event in (RunResumed, RunSelected))


def read_host(journal: str, name: str) -> HostState:
    """State of one host of a run. Lines about other hosts are not decoded.

    :raises NotSelected: the host is one of the play's that the task was not meant for.
    :raises RolloutError: C(JOURNAL_FAILED), C(JOURNAL_DAMAGED), or C(HOST_NOT_IN_RUN).
    """
    state = RunState(timelines=True)
    try:
        with open(open_regular(journal, 0), "rb", buffering=READ_BYTES) as stream:
            first = json.loads(stream.readline())
            if name not in first["hosts"]:
                raise _not_in_run(name, first["run_id"], stream)
            state.read(dict(first, hosts=[name], waves=[]))
            own = json.dumps({"host": name}, separators=(",", ":"))[1:-1].encode("ascii")
            for line in stream:
                if line.endswith(b"\n") and (own in line or _RESUMED in line):
                    record: Record = json.loads(line)
                    # The name may also occur in another host's output.
                    if record.get("host") == name or record["event"] == RunResumed.name:
                        state.read(record)
        return state.hosts[name]
    except OSError as error:
        raise failed(journal, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RolloutError("JOURNAL_DAMAGED", "%s can't be read: %r" % (journal, error)) from error


def _not_in_run(name: str, run_id: str, lines: Iterable[bytes]) -> RolloutError:
    """Error about a host that is not one of a run's."""
    for line in lines:
        if line.endswith(b"\n") and _NOT_SELECTED in line:
            record: Record = json.loads(line)
            if record["event"] == RunSelected.name and name in record["left_out"]:
                return NotSelected(name, str(record["left_out"][name]))
    return RolloutError("HOST_NOT_IN_RUN", "%s is not one of the hosts of run %s" % (name, run_id))


def outcome_result(outcome: RebootResult, task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Build the result of M(fleet.kexec.outcome); C(task_vars) holds the facts that are known already."""
    known = outcome.as_outcome()
    result: dict[str, Any] = {"changed": False, "status": outcome.status, "outcome": known}
    if outcome.path is not None:
        result.update(with_last_boot(known, task_vars))
    if outcome.status not in AS_ASKED:
        result.update(failed=True, msg="%s: %s" % (outcome.status, known.get("msg", "its turn never came")))
        result.update({name: known[name] for name in ("code", "hint") if name in known})
    return result


def outcomes_of(state: RunState, statuses: Mapping[str, str], results: Mapping[str, RebootResult]) -> dict[str, Any]:
    """Convert the outcome of each host to plain values; C(results) has hosts that this process had in flight."""
    found = {}
    for name, host in state.hosts.items():
        outcome = replace(outcome_of(host), status=statuses[name])
        if name in results:
            # The journal shortens texts; these are complete.
            outcome.notes = results[name].notes
        found[name] = outcome.as_outcome()
    return found
