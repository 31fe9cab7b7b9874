# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal as a report sees it: how the run ended, and what every host did when.

Records are taken in one by one, so that the journal of 10,000 hosts is never in
memory as a whole. Seconds count from the first record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .._errors import RolloutError
from .._journal.file import FIRST_EVENT, replay, time_of
from .._journal.outcome import status_of
from .._journal.records import Record
from .._journal.run_state import HostState, Phase, Resume, RunState
from .boots import Boot, boot_of, finite
from .capacity import Breach, Capacity, Level, Terms


class Stage(StrEnum):
    """What a host was at, as seen from the controller."""

    PREPARING = "preparing"
    READY = "ready"
    DRAINING = "draining"
    GATE = "gate"
    SHUTTING_DOWN = "shutting_down"
    DOWN = "down"
    CHECKING = "checking"
    AFTER = "after"
    UNDOING = "undoing"
    GIVEN_UP = "given_up"


@dataclass(slots=True)
class Stretch:
    """A time in which a host was at one thing. Seconds since the run began."""

    stage: Stage
    start_s: float
    end_s: float


@dataclass(slots=True)
class HostReport:
    """What is known of a host that was to be rebooted.

    :ivar wave: index into the waves of the run; -1 if it is in none.
    :ivar stretches: in the order of time.
    :ivar boot: of its last reboot; None if there is no timeline of it.
    """

    state: HostState
    wave: int
    stretches: list[Stretch] = field(default_factory=list)
    boot: Boot | None = None

    @property
    def name(self) -> str:
        """In the inventory."""
        return self.state.host

    @property
    def status(self) -> str:
        """How it ended: C(done), C(failed), C(refused), C(discarded), C(skipped) or C(unfinished)."""
        return status_of(self.state)

    @property
    def combination(self) -> str:
        """Of hardware and kernel, or the kernel alone where nothing was said of the hardware; empty if that isn't known."""
        return self.state.combination or self.state.release_after or self.state.release or self.state.release_before


@dataclass(frozen=True, slots=True)
class WaveReport:
    """A wave, and when its hosts were under way.

    :ivar start_s: seconds since the run began; None if none of its hosts ever was.
    """

    name: str
    hosts: int
    soak_s: float
    start_s: float | None
    end_s: float | None


@dataclass(slots=True)
class RunReport:
    """A run, as its journal tells it.

    :ivar started_s: seconds since 1970, UTC.
    :ivar end_s: when the last record was written, seconds since the run began.
    :ivar levels: how many hosts were missing, in the order of time.
    :ivar terms: what each process of the controller went by, in the order of time; at least one.
    :ivar breaches: hosts that were taken out against them.
    :ivar absences: when there was no controller, between an end and a resume.
    :ivar torn: whether the last record is not whole.
    """

    state: RunState
    hosts: list[HostReport]
    waves: list[WaveReport]
    started_s: float
    end_s: float
    levels: list[Level]
    terms: list[Terms]
    breaches: list[Breach]
    absences: list[tuple[float, float]]
    torn: bool = False


def read_run(path: str) -> RunReport:
    """Read the journal of a run, while it lasts or after.

    :raises RolloutError: C(JOURNAL_FAILED) or C(JOURNAL_DAMAGED).
    """
    reader = _Reader()
    torn = replay(path, reader.apply)
    return reader.report(torn)


def run_from_records(records: Iterable[Record]) -> RunReport:
    """A run from its records.

    :raises RolloutError: C(JOURNAL_DAMAGED).
    """
    reader = _Reader()
    for record in records:
        reader.apply(record)
    return reader.report(torn=False)


# What a host is at from the record of an event on; None: nothing any more.
_STAGES: dict[str, Stage | None] = {
    "host_preparing": Stage.PREPARING,
    "host_prepared": Stage.READY,
    "host_draining": Stage.DRAINING,
    "host_drained": Stage.GATE,
    "host_intent": Stage.SHUTTING_DOWN,
    "host_down": Stage.DOWN,
    "host_back": Stage.CHECKING,
    "host_verified": Stage.AFTER,
    "host_released": None,
    "host_refused": None,
    "host_undrained": None,
}
# What is calculated with.
_NUMBERS = ("outage_ms", "outage_error_ms", "duration_ms")
_BEGINNINGS = frozenset((FIRST_EVENT, "run_resumed"))
_GONE_OUT = frozenset(("host_draining", "host_intent"))
_BACK_IN = frozenset(("host_released", "host_failed", "host_refused", "host_undrained"))


class _Reader:
    def __init__(self) -> None:
        self._state = RunState()
        self._started_s = 0.0
        self._now_s = 0.0
        self._open: dict[str, tuple[Stage, float]] = {}
        self._stretches: dict[str, list[Stretch]] = {}
        self._boots: dict[str, Boot] = {}
        self._capacity = Capacity()
        self._absences: list[tuple[float, float]] = []
        self._handlers: dict[str, Callable[[str, Record], None]] = {
            "host_timeline": self._timeline,
            "host_seen": self._seen,
            "host_failed": self._failed,
            "host_unstaged": self._unstaged,
        }

    def apply(self, record: Record) -> None:
        event = record["event"]
        before_s = self._now_s
        try:
            at_s = time_of(record["at"])
            if event == FIRST_EVENT:
                self._started_s = at_s
            # A clock that was set back makes nothing end before it began.
            self._now_s = max(before_s, at_s - self._started_s)
            self._state.apply(record)
            if event in _BEGINNINGS:
                self._capacity.begin(self._now_s)
            if event == "run_resumed":
                self._resumed(before_s)
            elif event == "run_terms":
                self._capacity.go_by(record, (*self._state.hosts, *self._state.bystanders))
            elif "host" in record:
                self._host(str(record["host"]), event, record)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _damaged(record.get("seq"), event, error) from error

    def _host(self, name: str, event: str, record: Record) -> None:
        for field_ in _NUMBERS:
            if record.get(field_) is not None:
                finite(record[field_])
        if event in self._handlers:
            self._handlers[event](name, record)
        elif event in _STAGES:
            at_s = self._now_s
            if event == "host_down" and record.get("down_at"):
                # It is written when it was noticed.
                at_s = min(at_s, max(0.0, time_of(record["down_at"]) - self._started_s))
            self._go_on(name, _STAGES[event], at_s)
        if event in _GONE_OUT:
            self._capacity.take_out(self._now_s, name)
        elif event in _BACK_IN:
            self._capacity.bring_in(self._now_s, name)
        elif event == "host_back":
            self._capacity.see(self._now_s, name, up=True)

    def _go_on(self, name: str, stage: Stage | None, at_s: float) -> None:
        """End what a host was at, and begin the next."""
        stretches = self._stretches.setdefault(name, [])
        before = self._open.pop(name, None)
        if before is not None:
            begun_s = before[1]
            at_s = max(at_s, begun_s)
            if at_s > begun_s:
                stretches.append(Stretch(before[0], begun_s, at_s))
        if stage is not None:
            self._open[name] = (stage, at_s)

    def _timeline(self, name: str, record: Record) -> None:
        self._boots[name] = boot_of(record["timeline"])

    def _seen(self, name: str, record: Record) -> None:
        self._capacity.see(self._now_s, name, up=record["up"])
        host = self._state.hosts.get(name)
        if host is not None and host.phase is Phase.FAILED:
            self._go_on(name, None if record["up"] else Stage.GIVEN_UP, self._now_s)

    def _failed(self, name: str, record: Record) -> None:
        if record["down"]:
            self._capacity.see(self._now_s, name, up=False)
        self._go_on(name, Stage.GIVEN_UP if record["down"] else None, self._now_s)

    def _unstaged(self, name: str, _record: Record) -> None:
        # What was drained is undrained now; where no hook drained anything there is nothing to wait for.
        drained = any(phase == "before" for phase, _hook in self._state.hosts[name].hooks)
        undoing = drained and self._capacity.is_out(name)
        self._go_on(name, Stage.UNDOING if undoing else None, self._now_s)
        if not undoing:
            self._capacity.bring_in(self._now_s, name)

    def _resumed(self, before_s: float) -> None:
        """What a controller had begun ended with it; hosts that were on their way went on without it."""
        self._absences.append((before_s, self._now_s))
        for host in self._state.hosts.values():
            if host.resume is Resume.ANEW and host.host in self._open:
                self._go_on(host.host, None, before_s)

    def report(self, torn: bool) -> RunReport:
        state = self._state
        for name, (stage, begun_s) in self._open.items():
            if self._now_s > begun_s:
                self._stretches[name].append(Stretch(stage, begun_s, self._now_s))
        try:
            numbers = {name: number for number, wave in enumerate(state.waves) for name in wave["hosts"]}
            hosts = [
                HostReport(host, numbers.get(name, -1), self._stretches.get(name, []), self._boots.get(name))
                for name, host in state.hosts.items()
            ]
            waves = _waves(state, hosts)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(1, FIRST_EVENT, error) from error
        return RunReport(
            state=state,
            hosts=hosts,
            waves=waves,
            started_s=self._started_s,
            end_s=self._now_s,
            levels=self._capacity.levels,
            terms=self._capacity.terms,
            breaches=self._capacity.breaches,
            absences=self._absences,
            torn=torn,
        )


def _damaged(line: Any, event: str, error: Exception) -> RolloutError:
    return RolloutError("JOURNAL_DAMAGED", "line %s, %s, can't be used: %r" % (line, event, error), line=line)


def _waves(state: RunState, hosts: Iterable[HostReport]) -> list[WaveReport]:
    spans: dict[int, tuple[float, float]] = {}
    for host in hosts:
        # A host that is given up holds up nobody.
        way = [each for each in host.stretches if each.stage is not Stage.GIVEN_UP]
        if way:
            start_s, end_s = way[0].start_s, way[-1].end_s
            known = spans.get(host.wave, (start_s, end_s))
            spans[host.wave] = (min(known[0], start_s), max(known[1], end_s))
    waves = []
    for number, wave in enumerate(state.waves):
        start, end = spans.get(number, (None, None))
        waves.append(WaveReport(str(wave["name"]), len(wave["hosts"]), finite(wave.get("soak_s") or 0.0), start, end))
    return waves
