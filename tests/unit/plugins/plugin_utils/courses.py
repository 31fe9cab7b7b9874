# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of rollouts, with the times at which they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import HostSpec, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import Plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import Settings
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.simulation import Course, Fate, simulate

from . import stories
from .fleets import LOST

RUN_ID = "20261124T150000Z-5f0c"
Timed = tuple[float, Record]


def begun(waves: Sequence[tuple[str, Sequence[str], float]]) -> Record:
    """A run begins."""
    return events.RunStarted(
        run_id=RUN_ID,
        controller="admin1",
        collection_version="0.1.0",
        hosts=tuple(host for _name, hosts, _soak_s in waves for host in hosts),
        bystanders=("db1",),
        settings={},
        waves=tuple({"name": name, "hosts": list(hosts), "soak_s": soak_s} for name, hosts, soak_s in waves),
    ).as_record()


def terms(window: int, failure_budget: int = 0) -> Record:
    """It goes by these."""
    return events.RunTerms(window=window, limits=(), forecast=None, failure_budget=failure_budget).as_record()


def rollout(plan: Plan, settings: Settings, draw: Callable[[HostSpec], Fate]) -> tuple[Course, list[Timed]]:
    """A simulated rollout, and its records in the order of time."""
    fates: dict[str, Fate] = {}

    def drawn(host: HostSpec) -> Fate:
        return fates.setdefault(host.name, draw(host))

    course = simulate(plan, settings, drawn)
    timed: list[Timed] = []
    for host in plan.hosts:
        if host.name not in course.spans:
            continue
        go_s, end_s = course.spans[host.name]
        phases = fates[host.name].phases
        steps = stories.way(host.name)
        trigger_s = go_s + phases.drain_s
        back_s = trigger_s + phases.outage_s
        steps[8]["outage_ms"] = round(phases.outage_s * 1000)
        steps[12]["duration_ms"] = round((end_s - go_s) * 1000)
        times = [go_s, go_s, go_s, trigger_s, trigger_s, trigger_s, trigger_s, trigger_s, back_s, back_s, end_s, end_s, end_s]
        if fates[host.name].end == Status.FAILED:
            steps[8:] = [events.HostFailed(host=host.name, reason=LOST, down=True, phase="down").as_record()]
            times[8:] = [end_s]
        timed += zip(times, steps, strict=True)
    timed.sort(key=lambda each: each[0])
    first = begun([(wave.name, [host.name for host in wave.hosts], wave.soak_s) for wave in plan.waves])
    return course, [(0.0, first), (0.0, terms(plan.window)), *timed]
