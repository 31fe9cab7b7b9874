# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result of a rollout for the task, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason

from .._journal.outcome import outcomes_of, status_of
from .._journal.run_state import RunState
from .._reboot.result import UNFINISHED, RebootResult
from .._schedule.hosts import AS_ASKED, Status
from .._schedule.plan import Plan
from .arguments import FAILURES_FAIL


def waves_of(plan: Plan) -> list[dict[str, Any]]:
    """Waves of a plan: C(name), C(hosts) and C(soak_s) of each."""
    return [{"name": wave.name, "hosts": [host.name for host in wave.hosts], "soak_s": wave.soak_s} for wave in plan.waves]


def final_statuses(state: RunState, statuses: Mapping[str, Status]) -> dict[str, str]:
    """Final status of each host: the scheduler's, except for hosts that a resume left out, and those that are in no plan."""
    return {
        **{name: status_of(host) for name, host in state.hosts.items() if name not in statuses},
        **{
            name: status_of(state.hosts[name]) if state.hosts[name].left_out is not None else status.value
            for name, status in statuses.items()
        },
    }


def counts_of(statuses: Mapping[str, str]) -> dict[str, int]:
    """Number of hosts by final status, in the order of the statuses."""
    counts = Counter(statuses.values())
    return {status: counts[status] for status in (*(each.value for each in Status), UNFINISHED) if counts[status]}


def result_of(
    state: RunState,
    statuses: Mapping[str, str],
    results: Mapping[str, RebootResult],
    *,
    failures: str,
    asked_for: Collection[str],
) -> dict[str, Any]:
    """Build the task's result, and decide whether the task fails.

    :param statuses: final status of each host.
    :param results: hosts that this process had in flight.
    :param failures: the option of this name.
    :param asked_for: hosts that the play has. Others make the task fail only if something was begun on them and is not over.
    """
    stopped = state.stop_reason
    result: dict[str, Any] = {
        "counts": state.counts,
        "stopped": {"code": stopped.code, "message": stopped.message, "hint": stopped.hint} if stopped else None,
        "owed": [{"debt": debt, **why.as_dict()} for debt, why in state.owed.items()],
        "hosts": outcomes_of(state, statuses, results),
        "duration_ms": state.duration_ms,
    }
    concerned = [name for name, status in statuses.items() if name in asked_for or status == UNFINISHED]
    left = [name for name in concerned if statuses[name] not in AS_ASKED]
    if left and failures == FAILURES_FAIL:
        reasons = (state.hosts[name].reason or state.hosts[name].left_out for name in left)
        why = stopped or next((each for each in reasons if each), None)
        named = _named(left)
        result.update(failed=True, msg="%d of %d hosts were not rebooted as asked: %s" % (len(left), len(concerned), named))
        if why is not None:
            result.update(msg="%s. %s" % (result["msg"], why.message), code=why.code, hint=why.hint)
    owing = [name for name, host in state.hosts.items() if host.owed] + [state.run_id] * bool(state.owed)
    if owing and not left and failures == FAILURES_FAIL:
        why = reason("DEBT_OWED", "the hosts were rebooted as asked, but something could not be given back: %s" % _named(owing))
        result.update(failed=True, msg=why.message, code=why.code, hint=why.hint)
    return result


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and %d more" % (len(names) - 3) if len(names) > 3 else "")
