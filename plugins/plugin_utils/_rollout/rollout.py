# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout put together: the hosts and what is known of them, the plan, the run, and what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, reason

from .._errors import RolloutError
from .._journal.events import RunTerms
from .._journal.file import replay
from .._journal.outcome import outcome_of
from .._journal.phases import PHASES, Phase, Resume
from .._journal.run_state import RunState
from .._journal.run_store import RunStore
from .._reboot.host_reboot import HostReboot
from .._reboot.request import RebootRequest
from .._reboot.result import RebootResult
from .._schedule.forecast import Forecast
from .._schedule.history import History
from .._schedule.hosts import Bystander, HostSpec, Phases, Status
from .._schedule.limits import Limit
from .._schedule.plan import Plan
from .._schedule.settings import Settings
from .._transport.session import SessionLost
from .fleet import PlayFleet

# Runs that tell how long hosts take, and the number of hosts that is enough: to read a journal of 10,000 takes seconds.
RUNS_REMEMBERED = 20
HOSTS_REMEMBERED = 10_000


# What is known before.


def samples_of(store: RunStore, but: str | None = None) -> dict[str, list[Phases]]:
    """How long the phases of hosts took in earlier runs, by combination. A journal that can't be read tells nothing.

    :param but: a run that is left out.
    """
    samples: dict[str, list[Phases]] = {}
    for run in store.list()[:RUNS_REMEMBERED]:
        if sum(map(len, samples.values())) >= HOSTS_REMEMBERED:
            break
        state = RunState()
        try:
            if run.run_id != but:
                replay(run.journal, state.read)
        except RolloutError:
            continue
        for host in state.hosts.values():
            if host.phase is Phase.RELEASED and host.outage_ms is not None:
                times_ms = (host.prepare_ms or 0, host.drain_ms or 0, host.outage_ms, host.after_ms or 0)
                samples.setdefault(host.combination or "", []).append(Phases(*(each / 1000 for each in times_ms)))
    return samples


def outages_of(samples: Mapping[str, Sequence[Phases]]) -> dict[str, list[float]]:
    """The outages among them, in seconds."""
    return {combination: [phases.outage_s for phases in values] for combination, values in samples.items()}


def specs_of(
    names: Sequence[str],
    fleet: PlayFleet,
    groups: Callable[[str], frozenset[str]],
    history: History,
    lock_machines: Iterable[str],
) -> list[HostSpec]:
    """The hosts to reboot."""
    machines = tuple(lock_machines)
    specs = []
    for name in names:
        options = fleet.options(name)
        specs.append(
            HostSpec(
                name=name,
                domains=options.domains,
                groups=groups(name),
                combination=options.combination,
                last=fleet.goes_last(name, machines),
                predicted=history.prediction(options.combination),
            )
        )
    return specs


def bystanders_of(names: Iterable[str], fleet: PlayFleet, groups: Callable[[str], frozenset[str]]) -> list[Bystander]:
    """The hosts that count for limits and are not rebooted."""
    return [Bystander(name, fleet.options(name).domains, groups(name)) for name in names]


def done_before(state: RunState) -> dict[str, Status]:
    """How hosts ended in the run that is resumed, those that a resume leaves alone."""
    return {host.host: PHASES[host.phase].status for host in state.with_resume(Resume.DONE)}


# The plan.


async def look_at(
    names: Sequence[str], reboot_of: Callable[[str], HostReboot], request: RebootRequest
) -> dict[str, RebootResult]:
    """Have every host say how it would be rebooted; to be run in check mode, so that nothing is staged.

    :return: with the reason why it can't be as asked, if it can't.
    """

    async def look(name: str) -> RebootResult:
        try:
            host = reboot_of(name)
            await host.prepare(request)
        except SessionLost as error:
            return RebootResult(failure=reason("UNREACHABLE", "the host could not be reached: %s" % error))
        except CodedError as error:
            return RebootResult(failure=error.reason)
        except AnsibleError as error:
            return RebootResult(failure=reason("CONNECTION_FAILED", "the host can't be used as it is told: %s" % error))
        return host.result

    looked = await asyncio.gather(*map(look, names))
    return dict(zip(names, looked, strict=True))


def forecast_result(forecast: Forecast) -> dict[str, Any]:
    """A forecast as plain values."""
    return {
        "total_p50_s": round(forecast.total_p50_s, 1),
        "total_p95_s": round(forecast.total_p95_s, 1),
        "out_over_time": [[round(at, 1), out] for at, out in forecast.course.out_over_time],
    }


def terms_of(plan: Plan, settings: Settings, forecast: Forecast) -> RunTerms:
    """Terms of a rollout, in numbers of hosts."""
    members: dict[Limit, list[str]] = {}
    for name, limits in plan.limits.items():
        for limit in limits:
            members.setdefault(limit, []).append(name)
    return RunTerms(
        window=plan.window,
        limits=tuple({"of": limit.of, "most": limit.most, "hosts": names} for limit, names in members.items()),
        forecast=forecast_result(forecast),
        failure_budget=settings.failure_budget.total.of(len(plan.hosts)),
    )


def plan_hosts(hosts: Sequence[HostSpec], looked: Mapping[str, RebootResult]) -> dict[str, dict[str, Any]]:
    """What is planned with each host, as plain values."""
    planned: dict[str, dict[str, Any]] = {}
    for host in hosts:
        result = looked[host.name]
        refused = result.failure
        if refused:
            told = {"code": refused.code, "msg": refused.message, "hint": refused.hint}
            planned[host.name] = {"status": Status.REFUSED.value, **told}
        else:
            planned[host.name] = {
                "status": "planned",
                "method": result.method,
                "reasons": [each.as_dict() for each in result.reasons],
                "predicted_ms": host.predicted.as_ms(),
                "predicted_jump_ms": result.predicted_ms,
            }
    return planned


# What it came to.


def hosts_result(state: RunState, statuses: Mapping[str, Status], results: Mapping[str, RebootResult]) -> dict[str, Any]:
    """What became of each host, as plain values.

    :param results: of the hosts that this process had under way.
    """
    found = {}
    for name, host in state.hosts.items():
        outcome = replace(outcome_of(host), status=statuses[name].value)
        if name in results:
            # In full, where a journal bounds texts.
            outcome.notes = results[name].notes
        found[name] = outcome.as_outcome()
    return found
