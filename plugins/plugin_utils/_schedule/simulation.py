# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated rollouts: the real scheduler without hosts, in simulated time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .hosts import HostSpec, Phases, Status
from .plan import Plan
from .scheduler import Discard, Prepare, Scheduler
from .settings import Settings

_DRAWN = reason("REBOOT_TIMEOUT", "as drawn")


@dataclass(frozen=True)
class Fate:
    """Fate of a host. It ends C(done), C(refused), or C(failed) at the end of its outage, possibly down."""

    phases: Phases
    end: Status = Status.DONE
    down: bool = False


@dataclass(frozen=True)
class Course:
    """Course of a rollout.

    :ivar total_s: time until every host had ended.
    :ivar out_over_time: (seconds since the start, number of hosts in flight from then on).
    :ivar spans: host that went → (Go, end), in seconds since the start.
    :ivar stopped: reason why the rollout ended early; None if it did not.
    """

    total_s: float
    out_over_time: list[tuple[float, int]]
    spans: Mapping[str, tuple[float, float]]
    counts: Mapping[Status, int]
    stopped: Reason | None


def simulate(plan: Plan, settings: Settings, draw: Callable[[HostSpec], Fate]) -> Course:
    """Simulate a rollout without outside events; C(draw) is called once for each host that begins."""
    return _Simulation(plan, settings, draw).run()


class _Simulation:
    def __init__(self, plan: Plan, settings: Settings, draw: Callable[[HostSpec], Fate]) -> None:
        self._scheduler = Scheduler(plan, settings, 0.0)
        self._draw = draw
        self._now = 0.0
        # (time, number, handler, host); the number keeps simultaneous events in order.
        self._events: list[tuple[float, int, Callable[[HostSpec], None], HostSpec]] = []
        self._number = 0
        self._fates: dict[str, Fate] = {}
        self._went: dict[str, float] = {}
        self._spans: dict[str, tuple[float, float]] = {}
        self._out = 0
        self._out_over_time = [(0.0, 0)]

    def run(self) -> Course:
        scheduler = self._scheduler
        while True:
            self._decide()
            if scheduler.finished(self._now):
                break
            self._advance()
        return Course(self._now, self._out_over_time, self._spans, scheduler.counts(), scheduler.stopped)

    def _decide(self) -> None:
        for decision in self._scheduler.next(self._now):
            host = decision.host
            if isinstance(decision, Discard):
                self._at(0.0, self._discarded, host)
            elif isinstance(decision, Prepare):
                self._fates[host.name] = fate = self._draw(host)
                self._at(fate.phases.prepare_s, self._prepared, host)
            else:
                self._went[host.name] = self._now
                self._out += 1
                self._at(self._fates[host.name].phases.drain_s, self._drained, host)
        if self._out_over_time[-1][1] != self._out:
            if self._out_over_time[-1][0] == self._now:
                self._out_over_time.pop()
            self._out_over_time.append((self._now, self._out))

    def _advance(self) -> None:
        wake_at = self._scheduler.wake_at(self._now)
        happens_at = self._events[0][0] if self._events else None
        # Either something happens, or the scheduler waits for time to pass.
        self._now = min(at for at in (happens_at, wake_at) if at is not None)
        while self._events and self._events[0][0] == self._now:
            _when, _number, happen, host = heappop(self._events)
            happen(host)

    def _at(self, after_s: float, happen: Callable[[HostSpec], None], host: HostSpec) -> None:
        self._number += 1
        heappush(self._events, (self._now + after_s, self._number, happen, host))

    def _prepared(self, host: HostSpec) -> None:
        if self._fates[host.name].end == Status.REFUSED:
            self._scheduler.refused(host.name, _DRAWN, self._now)
        else:
            self._scheduler.prepared(host.name, self._now)

    def _drained(self, host: HostSpec) -> None:
        # No host goes down outside the rollout here, so a refusal is final.
        phases = self._fates[host.name].phases
        if self._scheduler.may_trigger(host.name, self._now) is None:
            failed = self._fates[host.name].end == Status.FAILED
            self._at(phases.outage_s if failed else phases.from_trigger_s, self._ended, host)
        else:
            self._discarded(host)

    def _ended(self, host: HostSpec) -> None:
        fate = self._fates[host.name]
        self._back_in(host)
        if fate.end == Status.FAILED:
            self._scheduler.failed(host.name, self._now, _DRAWN, fate.down)
        else:
            self._scheduler.released(host.name, self._now, fate.phases.outage_s)

    def _discarded(self, host: HostSpec) -> None:
        if host.name in self._went:
            self._back_in(host)
        self._scheduler.discarded(host.name)

    def _back_in(self, host: HostSpec) -> None:
        self._spans[host.name] = (self._went[host.name], self._now)
        self._out -= 1
