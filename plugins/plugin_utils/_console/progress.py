# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rollout stands just now, by its records as they are written.

Other than :mod:`state`, which keeps everything that a resume or a report needs,
this keeps the time at which things happened, and of a host that ended nothing
but how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._journal.records import Record
from .._journal.run_state import Phase, Resume, RunState
from .._schedule.hosts import Prediction, Status
from .._text import clean, columns_of, counted, duration

# How many hosts have to be done before what they took says more than what was predicted.
_DONE_TELLS = 5

_BEGUN = frozenset({Status.PREPARING, Status.READY})
_TO_GO = frozenset({Status.WAITING, *_BEGUN})
_UNDONE = frozenset({Status.REFUSED, Status.DISCARDED, Status.SKIPPED})


@dataclass(slots=True)
class InFlight:
    """A host that was begun and has not ended.

    :ivar name: clean.
    :ivar since: when its phase began; seconds, as every time here.
    :ivar out_since: since when it takes up capacity, if it does.
    :ivar triggered_at: when its outage began, as far as known.
    :ivar predicted: how long it will take, if that is known.
    """

    host: str
    name: str
    phase: Phase
    since: float
    out_since: float | None = None
    triggered_at: float | None = None
    outage_ms: int | None = None
    path: str = ""
    predicted: Prediction | None = None

    def outage_s(self, now: float) -> float | None:
        """How long its outage took, or takes so far."""
        if self.outage_ms is not None:
            return self.outage_ms / 1000
        return None if self.triggered_at is None else now - self.triggered_at

    def beyond_p95(self, now: float) -> bool:
        """Whether its outage takes longer than 95 of 100 do."""
        outage_s = self.outage_s(now)
        return outage_s is not None and self.predicted is not None and outage_s > self.predicted.p95.outage_s


@dataclass(slots=True)
class WaveState:
    """A wave, and how many of its hosts are not begun, and have not ended."""

    name: str
    size: int
    soak_s: float
    waiting: int
    left: int


@dataclass(slots=True)
class News:
    """What a record brought, apart from itself.

    :ivar host: of which it told, as it is now or was when it ended.
    :ivar begun: the wave that began with it.
    :ivar over: the wave that it was the end of.
    """

    host: InFlight | None = None
    begun: WaveState | None = None
    over: WaveState | None = None


class Progress:
    """A fold over records that costs the same for each but the first of a process.

    :ivar stop: code and message of why nothing new is started.
    """

    def __init__(self, predictions: Mapping[str, Prediction] | None = None, state: RunState | None = None) -> None:
        """:param predictions: host → how long it will take.
        :param state: of the run up to the first record that comes here.
        """
        self.run_id = ""
        self.begun_at: float | None = None
        self.counts: Counter[Status] = Counter()
        self.down: set[str] = set()
        self.flying: dict[str, InFlight] = {}
        self.waves: list[WaveState] = []
        self.wave = -1
        self.window: int | None = None
        self.budget = 0
        self.stop: tuple[str, str] | None = None
        self.ended = False
        self.name_columns = 0
        self._status: dict[str, Status] = {}
        self._wave_of: dict[str, int] = {}
        self._last_end = 0.0
        self._predictions = predictions or {}
        # What hosts are predicted to take from their Go on, what they took, and what they took to prepare.
        self._predicted = _Mean()
        for prediction in self._predictions.values():
            self._predicted.add(prediction.p50.from_go_s)
        self._took = _Mean()
        self._prepare = _Mean()
        # Hosts out while others wait, over time: what the limits really let go.
        self._busy_s = 0.0
        self._busy_host_s = 0.0
        self._busy_at = 0.0
        if state is not None:
            self._take_over(state)

    @property
    def total(self) -> int:
        """All hosts to reboot."""
        return len(self._status)

    @property
    def to_go(self) -> int:
        """Hosts that are not out yet."""
        return sum(self.counts[status] for status in _TO_GO)

    def elapsed_s(self, now: float) -> float:
        """Since the first record of this process."""
        return 0.0 if self.begun_at is None else now - self.begun_at

    def in_wave(self) -> WaveState | None:
        """The wave that began last."""
        return self.waves[self.wave] if self.wave >= 0 else None

    def begin(self, now: float) -> None:
        """From here on time is counted. The first record does this, too."""
        self.begun_at = self._busy_at = self._last_end = now
        for host in self.flying.values():
            # Taken over from a journal, by another clock: it is watched from here on.
            host.since = host.out_since = now

    def apply(self, record: Record, now: float) -> News:
        """Take in one more record. What is not known changes nothing."""
        if self.begun_at is None:
            self.begin(now)
        self._count_busy(now)
        event = record["event"]
        happen = _RUN.get(event)
        if happen is not None:
            happen(self, record)
            return News()
        host = record.get("host")
        if host not in self._status:
            # A bystander, which takes up capacity, or does not.
            if event == "host_seen" and host is not None:
                self._seen(host, record["up"])
            return News()
        return self._host(event, host, record, now)

    def waiting_for(self, now: float) -> str:
        """Why no more hosts go just now, as far as records tell; empty if something else holds them up, or nothing."""
        if self.stop or not self.to_go:
            return ""
        soak_s = self._soak_left_s(now)
        if soak_s:
            following = self.waves[self.wave + 1].name
            return "%s is over; %s begins in %s" % (self.waves[self.wave].name, following, duration(soak_s))
        if self.window is not None and self.counts[Status.OUT] >= self.window:
            return "the window has %s, and all are out" % counted(self.window, "host")
        return ""

    def left_s(self, now: float) -> float | None:
        """How long it will take yet, from what was predicted and what hosts took so far; None if neither is known.

        Of a host that is not out yet, the mean is expected, so that a straggler at the end comes as a surprise.
        """
        each_s = self._each_s()
        out_s = sorted(self._remaining_s(host, now, each_s or 0.0) for host in self.flying.values() if host.out_since is not None)
        longest_s = out_s[-1] if out_s else 0.0
        if self.stop or self.ended or not self.to_go:
            return longest_s
        if each_s is None:
            return None
        parallel = self._parallel(each_s)
        to_go = (self.waves[self.wave].left - self._out_in_wave()) if self.wave >= 0 else 0
        left_s = max(longest_s, _last_end_s(out_s, to_go, parallel, each_s))
        if to_go > 0 and not out_s:
            left_s += self._prepare.value or 0.0
        for number in range(self.wave + 1, len(self.waves)):
            wave = self.waves[number]
            soak_s = self.waves[number - 1].soak_s if number else 0.0
            soaking_s = self._soak_left_s(now)
            left_s += soaking_s if number == self.wave + 1 and soaking_s else soak_s
            left_s += (self._prepare.value or 0.0) + _last_end_s([], wave.left, parallel, each_s)
        return left_s

    # Inside.

    def _out_in_wave(self) -> int:
        # All that are out are of the current wave: the next one begins when none is.
        return self.counts[Status.OUT]

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
    def _remaining_s(host: InFlight, now: float, each_s: float) -> float:
        predicted = host.predicted
        p50_s, p95_s = (predicted.p50.from_go_s, predicted.p95.from_go_s) if predicted else (each_s, each_s)
        out_s = now - (host.out_since or 0.0)
        return p50_s - out_s if out_s < p50_s else max(0.0, p95_s - out_s)

    def _soak_left_s(self, now: float) -> float:
        wave = self.in_wave()
        if wave is None or wave.left or self.wave + 1 == len(self.waves):
            return 0.0
        return max(0.0, self._last_end + wave.soak_s - now)

    def _count_busy(self, now: float) -> None:
        out = self.counts[Status.OUT]
        if out and self.wave >= 0 and self.waves[self.wave].left > out:
            self._busy_s += now - self._busy_at
            self._busy_host_s += (now - self._busy_at) * out
        self._busy_at = now

    def _started(self, record: Record) -> None:
        self._begin(record["run_id"], record["hosts"], record["waves"])

    def _begin(self, run_id: str, hosts: Sequence[str], waves: Sequence[Mapping[str, Any]]) -> None:
        self.run_id = clean(run_id)
        self._status = dict.fromkeys(hosts, Status.WAITING)
        self.counts = Counter({Status.WAITING: len(hosts)})
        self._wave_of = {host: number for number, wave in enumerate(waves) for host in wave["hosts"]}
        self.waves = [
            WaveState(clean(wave["name"]), len(wave["hosts"]), wave["soak_s"], len(wave["hosts"]), len(wave["hosts"]))
            for wave in waves
        ]
        self.name_columns = max((columns_of(clean(host)) for host in hosts), default=0)

    def _take_over(self, state: RunState) -> None:
        self._begin(state.run_id, list(state.hosts), state.waves)
        self.down = {host for host, up in state.seen.items() if not up}
        for host in state.hosts.values():
            if host.phase is not Phase.WAITING:
                self.wave = max(self.wave, self._wave_of.get(host.host, -1))
            if host.phase is Phase.RELEASED:
                self._end(host.host, Status.DONE, 0.0)
            elif host.phase is Phase.FAILED:
                self._end(host.host, Status.FAILED, 0.0)
                self._seen(host.host, up=not host.down)
            elif host.resume is Resume.ASK:
                self._set(host.host, Status.OUT)
                self.flying[host.host] = flying = self._in_flight(host.host, host.phase, 0.0)
                flying.out_since = 0.0
                flying.outage_ms = host.outage_ms
                flying.path = clean(host.path)

    def _in_flight(self, host: str, phase: Phase, now: float) -> InFlight:
        return InFlight(host, clean(host), phase, now, predicted=self._predictions.get(host))

    def _resumed(self, _record: Record) -> None:
        self.stop = None
        self.ended = False
        # The scheduler soaks again.
        self._last_end = self._busy_at
        for host, status in self._status.items():
            flying = self.flying.get(host)
            if status in _BEGUN or status in _UNDONE or (flying is not None and flying.out_since is not None and _early(flying)):
                self.flying.pop(host, None)
                self._set(host, Status.WAITING)

    def _terms(self, record: Record) -> None:
        # Of this process: a resumed run may go by others than it did before.
        self.window = record["window"]
        self.budget = record["failure_budget"]

    def _stopping(self, record: Record) -> None:
        reason = record["reason"]
        self.stop = self.stop or (clean(reason["code"]), clean(reason["message"]))

    def _ended(self, _record: Record) -> None:
        self.ended = True

    def _host(self, event: str, host: str, record: Record, now: float) -> News:
        news = News()
        flying = self.flying.get(host)
        if event in _ENDS:
            news.host = flying or self._in_flight(host, Phase.WAITING, now)
            self._ended_as(_ENDS[event], news.host, record, now)
            news.over = self._wave_over(host)
        elif event == "host_unstaged":
            # Of a host that was given up it is the last that is done, and no end of its own.
            untold = flying is not None and flying.phase is Phase.INTENT and record.get("told") is False
            if flying is not None and (_early(flying) or untold):
                news.host = flying
                self._end(host, Status.DISCARDED, now)
                news.over = self._wave_over(host)
        elif event == "host_seen":
            self._seen(host, record["up"])
        elif event == "host_preparing":
            number = self._wave_of.get(host, -1)
            if number > self.wave:
                self.wave = number
                news.begun = self.waves[number]
            self._set(host, Status.PREPARING)
            news.host = self.flying[host] = self._in_flight(host, Phase.PREPARING, now)
        elif flying is not None:
            news.host = flying
            step = _STEPS.get(event)
            if step is not None:
                step(self, flying, record, now)
        return news

    def _ended_as(self, status: Status, host: InFlight, record: Record, now: float) -> None:
        self._end(host.host, status, now)
        took_ms = record.get("duration_ms")
        if status is Status.DONE and took_ms is not None:
            self._took.add(took_ms / 1000)
        if status is Status.FAILED:
            self._seen(host.host, up=not record["down"])

    def _end(self, host: str, status: Status, now: float) -> None:
        self.flying.pop(host, None)
        self._set(host, status)
        self._last_end = now

    def _wave_over(self, host: str) -> WaveState | None:
        wave = self.waves[self._wave_of[host]] if host in self._wave_of else None
        return wave if wave is not None and not wave.left else None

    def _set(self, host: str, status: Status) -> None:
        before = self._status[host]
        self._status[host] = status
        self.counts[before] -= 1
        self.counts[status] += 1
        number = self._wave_of.get(host)
        if number is not None:
            wave = self.waves[number]
            wave.waiting += (status is Status.WAITING) - (before is Status.WAITING)
            wave.left += (status in _TO_GO or status is Status.OUT) - (before in _TO_GO or before is Status.OUT)

    def _seen(self, host: str, up: bool) -> None:
        if up:
            self.down.discard(host)
        else:
            self.down.add(host)

    def _prepared(self, host: InFlight, record: Record, now: float) -> None:
        self._set(host.host, Status.READY)
        _into(host, Phase.READY, now)
        if record.get("duration_ms") is not None:
            self._prepare.add(record["duration_ms"] / 1000)

    def _draining(self, host: InFlight, _record: Record, now: float) -> None:
        self._set(host.host, Status.OUT)
        _into(host, Phase.DRAINING, now)
        host.out_since = now

    def _undrained(self, host: InFlight, _record: Record, now: float) -> None:
        self._set(host.host, Status.READY)
        _into(host, Phase.READY, now)
        host.out_since = None

    def _back(self, host: InFlight, record: Record, now: float) -> None:
        # If nobody watched, it is not known how long it was.
        host.outage_ms = record["outage_ms"]
        host.triggered_at = None
        _into(host, Phase.BACK, now)

    def _verified(self, host: InFlight, record: Record, now: float) -> None:
        host.path = clean(record["path"])
        _into(host, Phase.VERIFIED, now)

    def _triggered(self, host: InFlight, _record: Record, now: float) -> None:
        host.triggered_at = now
        _into(host, Phase.TRIGGERED, now)


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


def _last_end_s(out_s: Sequence[float], to_go: int, parallel: int, each_s: float) -> float:
    """When the last of some hosts ends that take equally long, each going as soon as one ends.

    :param out_s: when those that are out end, in order.
    """
    if to_go <= 0:
        return 0.0
    free = parallel - len(out_s)
    rounds, position = divmod(to_go - 1, parallel)
    begins_s = 0.0 if position < free else out_s[min(position - max(0, free), len(out_s) - 1)]
    return begins_s + (rounds + 1) * each_s


def _early(host: InFlight) -> bool:
    """Whether it can't have been triggered yet."""
    return host.phase in (Phase.PREPARING, Phase.READY, Phase.DRAINING, Phase.GATE)


def _into(host: InFlight, phase: Phase, now: float) -> None:
    host.phase = phase
    host.since = now


def _step(phase: Phase) -> Callable[[Progress, InFlight, Record, float], None]:
    return lambda _progress, host, _record, now: _into(host, phase, now)


_ENDS = {"host_released": Status.DONE, "host_failed": Status.FAILED, "host_refused": Status.REFUSED}

_RUN = {
    "run_started": Progress._started,
    "run_resumed": Progress._resumed,
    "run_terms": Progress._terms,
    "run_stopping": Progress._stopping,
    "run_ended": Progress._ended,
}

_STEPS = {
    "host_prepared": Progress._prepared,
    "host_draining": Progress._draining,
    "host_undrained": Progress._undrained,
    "host_drained": _step(Phase.GATE),
    "host_intent": _step(Phase.INTENT),
    "host_triggered": Progress._triggered,
    "host_down": _step(Phase.DOWN),
    "host_back": Progress._back,
    "host_verified": Progress._verified,
    "host_healthy": _step(Phase.HEALTHY),
}
