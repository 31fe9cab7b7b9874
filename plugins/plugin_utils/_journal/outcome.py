# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of one host in a run, from the run's journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._errors import RolloutError
from .._reboot.last_boot import last_boot_facts
from .._schedule.hosts import ENDED, Status
from .events import Record, RunResumed
from .file import READ_BYTES, failed, open_regular
from .phases import PHASES, Phase
from .run_state import HostState, RunState


def status_of(host: HostState) -> str:
    """End of a host; C(unfinished) if it has none, because its controller ended before."""
    if host.phase is Phase.WAITING:
        return Status.SKIPPED.value
    status = PHASES[host.phase].status
    return status.value if status in ENDED else "unfinished"


def outcome_of(host: HostState) -> dict[str, Any]:
    """What is known of a host, as plain values; what is not known is left out."""
    known: dict[str, Any] = {
        "status": status_of(host),
        "method": host.method,
        "path": host.path,
        "staged": host.staged,
        "proof": host.proof or None,
        "reasons": [{"code": each.code, "message": each.message, "hint": each.hint} for each in host.reasons],
        "outage_ms": host.outage_ms,
        "outage_error_ms": host.outage_error_ms,
        "probe_seen_by": host.probe_seen_by,
        "probe_outage_ms": host.probe_outage_ms,
        "probe_outage_error_ms": host.probe_outage_error_ms,
        "notes": list(host.notes) or None,
        "detected_by": host.detected_by,
        "login_ms": host.login_ms,
        "elapsed_ms": host.total_ms,
        "down": host.down if host.phase is Phase.FAILED else None,
        "timeline": host.timeline,
    }
    if host.boot_id:
        known["before"] = {"boot_id": host.boot_id, "release": host.release_before}
    if host.boot_id_after:
        known["after"] = {"boot_id": host.boot_id_after, "release": host.release_after}
    if host.reason is not None:
        known.update(code=host.reason.code, msg=host.reason.message, hint=host.reason.hint)
    return {name: value for name, value in known.items() if value not in (None, "")}


_RESUMED = b'"event":"%s"' % RunResumed.name.encode("ascii")


def read_host(journal: str, name: str) -> HostState:
    """One host of a run, without taking apart what the journal says of the others.

    :raises RolloutError: C(JOURNAL_FAILED), C(JOURNAL_DAMAGED), or C(HOST_NOT_IN_RUN).
    """
    state = RunState(timelines=True)
    try:
        with open(open_regular(journal, 0), "rb", buffering=READ_BYTES) as stream:
            first = json.loads(stream.readline())
            if name not in first["hosts"]:
                raise RolloutError("HOST_NOT_IN_RUN", "%s is not one of the hosts of run %s" % (name, first["run_id"]))
            state.read(dict(first, hosts=[name], waves=[]))
            own = json.dumps({"host": name}, separators=(",", ":"))[1:-1].encode("ascii")
            for line in stream:
                if line.endswith(b"\n") and (own in line or _RESUMED in line):
                    record: Record = json.loads(line)
                    # Others may speak of it, in what they printed.
                    if record.get("host") == name or record["event"] == RunResumed.name:
                        state.read(record)
        return state.hosts[name]
    except OSError as error:
        raise failed(journal, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RolloutError("JOURNAL_DAMAGED", "%s can't be read: %r" % (journal, error)) from error


def outcome_result(outcome: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The result of M(fleet.kexec.outcome) for a host.

    :param facts: C(fleet_kexec) as it is known already; the rest of it stays.
    """
    result: dict[str, Any] = {"changed": False, "status": outcome["status"], "outcome": outcome}
    if "path" in outcome:
        result["ansible_facts"] = last_boot_facts(facts, outcome)
    if outcome["status"] != "done":
        message = outcome.get("msg", "its turn never came")
        result.update(failed=True, msg="%s: %s" % (outcome["status"], message))
        result.update({name: outcome[name] for name in ("code", "hint") if name in outcome})
    return result
