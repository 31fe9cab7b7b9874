# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journal for a report: how the run ended, and the stages of every host over time.

Records are taken in one by one, so the journal of 10,000 hosts is never in memory as a whole. Times are seconds since the first
record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .._journal import events
from .._journal.events import Record
from .._journal.file import FIRST_EVENT, replay, time_of
from .._journal.host_state import HostState
from .._journal.outcome import status_of
from .._journal.phases import Stage
from .._journal.run_state import Change, RunState, damaged
from .capacity import Breach, CapacityAudit, CapacityLevel, EffectiveTerms
from .redact import Redactor
from .timeline import RebootTimeline, timeline_of


@dataclass(slots=True)
class Stretch:
    """Time that a host spent in one stage, in seconds since the run began."""

    stage: Stage
    start_s: float
    end_s: float


@dataclass(slots=True)
class HostReport:
    """Host to reboot, as the journal has it.

    :ivar wave: index into the waves of the run; -1 if it is in none.
    :ivar stretches: in the order of time.
    :ivar timeline: timeline of its last reboot; None if there is none.
    """

    state: HostState
    wave: int
    stretches: list[Stretch] = field(default_factory=list)
    timeline: RebootTimeline | None = None

    @property
    def name(self) -> str:
        return self.state.host

    @property
    def status(self) -> str:
        """Final status: C(done), C(not_needed), C(failed), C(refused), C(discarded), C(skipped) or C(unfinished)."""
        return status_of(self.state)

    @property
    def gain_ms(self) -> float | None:
        """What findings would save of the outage that the controller saw; None without one, or if the host does not say."""
        claimed_ms, outage_ms = self.timeline.gain_ms if self.timeline else None, self.state.outage_ms
        return None if claimed_ms is None or outage_ms is None else min(claimed_ms, outage_ms)

    @property
    def host_class(self) -> str:
        """Host class of hardware and kernel, or only the kernel if the hardware is unknown; empty if both are."""
        return self.state.host_class or self.state.release_after or self.state.release or self.state.release_before


@dataclass(frozen=True, slots=True)
class WaveReport:
    """Wave, and the seconds since the run began at which its hosts were under way; None if none ever was."""

    name: str
    hosts: int
    soak_s: float
    start_s: float | None
    end_s: float | None


@dataclass(slots=True)
class RunReport:
    """Run as its journal has it.

    :ivar started_s: seconds since 1970, UTC.
    :ivar end_s: time of the last record, in seconds since the run began.
    :ivar levels: numbers of unavailable hosts, in the order of time.
    :ivar terms: terms of each controller process, in the order of time; at least one.
    :ivar absences: times without a controller, between an end and a resume.
    :ivar torn: whether the last record is incomplete.
    """

    state: RunState
    hosts: list[HostReport]
    waves: list[WaveReport]
    started_s: float
    end_s: float
    levels: list[CapacityLevel]
    terms: list[EffectiveTerms]
    breaches: list[Breach]
    absences: list[tuple[float, float]]
    torn: bool = False

    @property
    def given_up(self) -> int:
        """Number of hosts that failed and are still down."""
        return sum(host.status == "failed" and host.state.down for host in self.hosts)

    @property
    def most_beside(self) -> int:
        """Maximum number of hosts that were unavailable without being in flight, so that the window does not count them."""
        return max(level.unavailable - level.in_flight for level in self.levels)


def read_run(path: str, redactor: Redactor | None = None) -> RunReport:
    """Read the journal of a run, which may still be running.

    :param redactor: takes names out of each record.
    :raises RolloutError: C(JOURNAL_FAILED) or C(JOURNAL_DAMAGED).
    """
    reader = _Reader()
    torn = replay(path, reader.apply if redactor is None else lambda record: reader.apply(redactor.record(record)))
    return reader.report(torn)


def run_from_records(records: Iterable[Record]) -> RunReport:
    """Build a run from its records.

    :raises RolloutError: C(JOURNAL_DAMAGED).
    """
    reader = _Reader()
    for record in records:
        reader.apply(record)
    return reader.report(torn=False)


class _Reader:
    """State of a run, and the times at which it changed."""

    def __init__(self) -> None:
        self._state = RunState()
        self._started_s = 0.0
        self._now_s = 0.0
        self._open: dict[str, tuple[Stage, float]] = {}
        self._stretches: dict[str, list[Stretch]] = {}
        self._timelines: dict[str, RebootTimeline] = {}
        self._capacity = CapacityAudit()
        self._absences: list[tuple[float, float]] = []

    def apply(self, record: Record) -> None:
        """Take in a record.

        :raises RolloutError: C(JOURNAL_DAMAGED).
        """
        before_s = self._now_s
        try:
            at_s = time_of(record["at"])
            if record["event"] == FIRST_EVENT:
                self._started_s = at_s
            # If the clock was set back, nothing may end before it began.
            self._now_s = max(before_s, at_s - self._started_s)
            change = self._state.read(record)
            if change is not None:
                self._take_in(change, before_s)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise damaged(record, error) from error

    def _take_in(self, change: Change, before_s: float) -> None:
        state = self._state
        match change.event:
            case events.RunStarted():
                self._capacity.begin(self._now_s)
            case events.RunResumed():
                self._capacity.begin(self._now_s)
                # There was no controller; the stages of hosts that were in progress ended with it.
                self._absences.append((before_s, self._now_s))
                for name in list(self._open):
                    if state.hosts[name].stale:
                        self._go_on(name, None, before_s)
            case events.RunTerms() as terms:
                self._capacity.go_by(terms, (*state.hosts, *state.bystanders))
            case events.HostTimeline() as reboot:
                self._timelines[reboot.host] = timeline_of(reboot.timeline)
            case events.HostEvent() as event:
                self._host(event, change)

    def _host(self, event: events.HostEvent, change: Change) -> None:
        host, at_s = change.host, self._now_s
        if isinstance(event, events.HostDown) and event.down_at:
            # The record was written when the outage was noticed, which is later.
            at_s = min(at_s, max(0.0, time_of(event.down_at) - self._started_s))
        if host is not None and host.stage is not change.stage_before:
            self._go_on(host.host, host.stage, at_s)
        in_flight = host is not None and host.in_flight
        self._capacity.count(
            self._now_s, event.host, in_flight=in_flight, down=event.host in self._state.down or bool(host and host.withheld)
        )

    def _go_on(self, name: str, stage: Stage | None, at_s: float) -> None:
        """End the current stage of a host, and begin the next."""
        stretches = self._stretches.setdefault(name, [])
        before = self._open.pop(name, None)
        if before is not None:
            begun_s = before[1]
            at_s = max(at_s, begun_s)
            if at_s > begun_s:
                stretches.append(Stretch(before[0], begun_s, at_s))
        if stage is not None:
            self._open[name] = (stage, at_s)

    def report(self, torn: bool) -> RunReport:
        state = self._state
        for name, (stage, begun_s) in self._open.items():
            if self._now_s > begun_s:
                self._stretches[name].append(Stretch(stage, begun_s, self._now_s))
        numbers = {name: number for number, wave in enumerate(state.waves) for name in wave.hosts}
        hosts = [
            HostReport(host, numbers.get(name, -1), self._stretches.get(name, []), self._timelines.get(name))
            for name, host in state.hosts.items()
        ]
        return RunReport(
            state=state,
            hosts=hosts,
            waves=_waves(state, hosts),
            started_s=self._started_s,
            end_s=self._now_s,
            levels=self._capacity.levels,
            terms=self._capacity.terms,
            breaches=self._capacity.breaches,
            absences=self._absences,
            torn=torn,
        )


def _waves(state: RunState, hosts: Iterable[HostReport]) -> list[WaveReport]:
    spans: dict[int, tuple[float, float]] = {}
    for host in hosts:
        # A host that was given up does not extend its wave.
        way = [each for each in host.stretches if each.stage is not Stage.GIVEN_UP]
        if way:
            start_s, end_s = way[0].start_s, way[-1].end_s
            known = spans.get(host.wave, (start_s, end_s))
            spans[host.wave] = (min(known[0], start_s), max(known[1], end_s))
    waves = []
    for number, wave in enumerate(state.waves):
        start, end = spans.get(number, (None, None))
        waves.append(WaveReport(wave.name, len(wave.hosts), wave.soak_s, start, end))
    return waves
