# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a run: when each host entered its phase, and how much longer the rollout will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._journal.events import HostPrepared, HostReleased, HostTriggered, RunResumed
from .._journal.host_state import HostState
from .._journal.phases import PHASES, Phase, Resume
from .._journal.run_state import Change, RunState, WaveState
from .._schedule.hosts import Prediction, Status
from .._text import clean, columns_of, counted, duration

# Number of hosts that have to be done before the estimate uses their measured times instead of predictions.
_DONE_TELLS = 5

_BEFORE_GO = (Status.WAITING, Status.PREPARING, Status.READY)
ACTIVE = frozenset({Status.PREPARING, Status.READY, Status.IN_FLIGHT})


@dataclass(slots=True)
class ActiveHost:
    """Host that has begun and not ended. Times are seconds.

    :ivar since: time at which its phase began.
    :ivar in_flight_since: time from which the rollout keeps it unavailable; None if it does not.
    :ivar triggered_at: time at which its outage began; None if unknown.
    """

    state: HostState
    name: str
    since: float
    in_flight_since: float | None = None
    triggered_at: float | None = None
    predicted: Prediction | None = None

    @property
    def words(self) -> str:
        return PHASES[self.state.phase].words

    def outage_s(self, now: float) -> float | None:
        """Length of its outage, measured or so far; None if there is none yet, or if it was not observed."""
        if self.state.outage_ms is not None:
            return self.state.outage_ms / 1000
        return None if self.triggered_at is None else now - self.triggered_at

    def beyond_p95(self, now: float) -> bool:
        """Whether its outage exceeds the predicted 95th percentile."""
        outage_s = self.outage_s(now)
        return outage_s is not None and self.predicted is not None and outage_s > self.predicted.p95.outage_s


class Progress:
    """Progress of a run. The cost of an event does not depend on the number of hosts, except for the first event.

    :param state: updated by the caller, who passes every change to :meth:`apply`.
    """

    def __init__(self, state: RunState, predictions: Mapping[str, Prediction] | None = None) -> None:
        self.state = state
        self.begun_at: float | None = None
        self.active: dict[str, ActiveHost] = {}
        self.name_columns = 0
        self._last_end = 0.0
        self._predictions = predictions or {}
        # Times from a host's Go to its release, predicted and measured, and measured times of preparation.
        self._predicted = _Mean()
        for prediction in self._predictions.values():
            self._predicted.add(prediction.p50.from_go_s)
        self._took = _Mean()
        self._prepare = _Mean()
        # Hosts in flight while others wait, integrated over time: how many the limits really allow.
        self._busy_s = 0.0
        self._busy_host_s = 0.0
        self._busy_at = 0.0
        self._busy = 0
        for host in state.with_resume(Resume.ASK):
            self.active[host.host] = self._active(host, 0.0)

    @property
    def total(self) -> int:
        return len(self.state.hosts)

    @property
    def to_go(self) -> int:
        return sum(self.state.statuses[status] for status in _BEFORE_GO)

    @property
    def window(self) -> int | None:
        return self.state.terms.window if self.state.terms else None

    @property
    def failure_budget(self) -> int:
        return self.state.terms.failure_budget if self.state.terms else 0

    def elapsed_s(self, now: float) -> float:
        return 0.0 if self.begun_at is None else now - self.begun_at

    def in_wave(self) -> WaveState | None:
        """Wave that began last; None before the first."""
        return self.state.waves[self.state.wave] if self.state.wave >= 0 else None

    def begin(self, now: float) -> None:
        """Start the clock; the first event does so, too."""
        self.begun_at = self._busy_at = self._last_end = now
        self.name_columns = max((columns_of(clean(host)) for host in self.state.hosts), default=0)
        for host in self.active.values():
            # The times of these hosts in the journal are of another clock, so theirs start now.
            host.since = host.in_flight_since = now

    def apply(self, change: Change, now: float) -> ActiveHost | None:
        """Take in a change of the state, and return its host, as it is now or was when it ended."""
        if self.begun_at is None:
            self.begin(now)
        host = self._follow(change, change.host, now) if change.host else None
        if isinstance(change.event, RunResumed):
            # The scheduler soaks again, and hosts that had not been triggered wait again.
            self._last_end = now
            self.active = {name: host for name, host in self.active.items() if not host.state.stale}
        self._count_busy(now)
        return host

    def waiting_for(self, now: float) -> str:
        """Reason why no more hosts go now; empty if there is none, or if it can't be told from events."""
        if self.state.stop_reason or not self.to_go:
            return ""
        soak_s = self._soak_left_s(now)
        if soak_s:
            over, following = self.state.waves[self.state.wave : self.state.wave + 2]
            return "%s is over; %s begins in %s" % (clean(over.name), clean(following.name), duration(soak_s))
        if self.window is not None and self.state.statuses[Status.IN_FLIGHT] >= self.window:
            return "the window of %s is full" % counted(self.window, "host")
        return ""

    def left_s(self, now: float) -> float | None:
        """Estimated time until the rollout ends, from predictions and measured times; None if there are neither.

        Hosts that are not in flight yet count with the mean, so the estimate does not foresee stragglers at the end.
        """
        state = self.state
        each_s = self._each_s()
        ends_s = sorted(
            self._remaining_s(host, now, each_s or 0.0) for host in self.active.values() if host.state.status is Status.IN_FLIGHT
        )
        longest_s = ends_s[-1] if ends_s else 0.0
        if state.stop_reason or state.ended or not self.to_go:
            return longest_s
        if each_s is None:
            return None
        parallel = self._parallel(each_s)
        wave = self.in_wave()
        # All hosts in flight belong to this wave: the next one begins only when none is.
        to_go = wave.left - state.statuses[Status.IN_FLIGHT] if wave else 0
        left_s = max(longest_s, _last_end_s(ends_s, to_go, parallel, each_s))
        if to_go > 0 and not ends_s:
            left_s += self._prepare.value or 0.0
        soak_left_s = self._soak_left_s(now)
        for number in range(state.wave + 1, len(state.waves)):
            soak_s = state.waves[number - 1].soak_s if number else 0.0
            left_s += soak_left_s if number == state.wave + 1 and soak_left_s else soak_s
            left_s += (self._prepare.value or 0.0) + _last_end_s([], state.waves[number].left, parallel, each_s)
        return left_s

    def _active(self, host: HostState, now: float) -> ActiveHost:
        return ActiveHost(host, clean(host.host), now, predicted=self._predictions.get(host.host))

    def _follow(self, change: Change, host: HostState, now: float) -> ActiveHost:
        active = self.active.get(host.host)
        if active is None or active.state is not host:
            active = self._active(host, now)
        if host.phase is not change.phase_before:
            active.since = now
        if not host.in_flight:
            active.in_flight_since = None
        elif active.in_flight_since is None:
            active.in_flight_since = now
        self._measure(change, active, now)
        if host.status in ACTIVE:
            self.active[host.host] = active
        elif self.active.pop(host.host, None) is not None or host.phase is not change.phase_before:
            self._last_end = now
        return active

    def _measure(self, change: Change, active: ActiveHost, now: float) -> None:
        event = change.event
        if isinstance(event, HostPrepared) and event.duration_ms is not None:
            self._prepare.add(event.duration_ms / 1000)
        elif isinstance(event, HostTriggered):
            active.triggered_at = now
        elif isinstance(event, HostReleased) and event.duration_ms is not None:
            self._took.add(event.duration_ms / 1000)
        elif active.state.phase is Phase.BACK:
            # Without a measured outage its length is unknown.
            active.triggered_at = None

    def _each_s(self) -> float | None:
        if self._took.number >= _DONE_TELLS or self._predicted.value is None:
            return self._took.value
        return self._predicted.value

    def _parallel(self, each_s: float) -> int:
        window = self.window or 1
        if self._busy_s <= each_s:
            return window
        return max(1, min(window, round(self._busy_host_s / self._busy_s)))

    @staticmethod
    def _remaining_s(host: ActiveHost, now: float, each_s: float) -> float:
        predicted = host.predicted
        p50_s, p95_s = (predicted.p50.from_go_s, predicted.p95.from_go_s) if predicted else (each_s, each_s)
        gone_s = now - (host.in_flight_since or 0.0)
        return p50_s - gone_s if gone_s < p50_s else max(0.0, p95_s - gone_s)

    def _soak_left_s(self, now: float) -> float:
        wave = self.in_wave()
        if wave is None or wave.left or self.state.wave + 1 == len(self.state.waves):
            return 0.0
        return max(0.0, self._last_end + wave.soak_s - now)

    def _count_busy(self, now: float) -> None:
        if self._busy:
            self._busy_s += now - self._busy_at
            self._busy_host_s += (now - self._busy_at) * self._busy
        self._busy_at = now
        in_flight, wave = self.state.statuses[Status.IN_FLIGHT], self.in_wave()
        self._busy = in_flight if wave is not None and wave.left > in_flight else 0


class _Mean:
    def __init__(self) -> None:
        self.number = 0
        self._sum = 0.0

    def add(self, value: float) -> None:
        self.number += 1
        self._sum += value

    @property
    def value(self) -> float | None:
        return self._sum / self.number if self.number else None


def _last_end_s(ends_s: Sequence[float], to_go: int, parallel: int, each_s: float) -> float:
    """Time until the last of C(to_go) hosts ends, if each takes equally long and goes as soon as another ends."""
    if to_go <= 0:
        return 0.0
    free = parallel - len(ends_s)
    rounds, position = divmod(to_go - 1, parallel)
    begins_s = 0.0 if position < free else ends_s[min(position - max(0, free), len(ends_s) - 1)]
    return begins_s + (rounds + 1) * each_s
