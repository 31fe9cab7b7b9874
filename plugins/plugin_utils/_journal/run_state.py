# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of a run, folded from its events; display, report and resume share it.

The fold is pure and ignores events and fields that a later minor version added. The cost of an event does not depend on the
number of hosts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._errors import RolloutError
from .._schedule.hosts import Status
from . import events
from .events import Event, HostEvent, Record, event_of
from .fields import number
from .host_state import HostState, anew, fold
from .phases import Phase, Resume, Stage

_LEFT = frozenset({Status.WAITING, Status.PREPARING, Status.READY, Status.IN_FLIGHT})


@dataclass(slots=True)
class WaveState:
    """Wave of a run, with the numbers of hosts that have not begun (C(waiting)) and not ended (C(left))."""

    name: str
    hosts: tuple[str, ...]
    soak_s: float
    waiting: int = 0
    left: int = 0


@dataclass(slots=True)
class Change:
    """Change of the state by an event.

    :ivar host: the host after the event; None for an event of the run or of a bystander.
    :ivar over: wave that the event ended; C(begun) likewise.
    """

    event: Event
    host: HostState | None = None
    phase_before: Phase | None = None
    stage_before: Stage | None = None
    begun: WaveState | None = None
    over: WaveState | None = None


class RunState:
    """State of a run.

    :param timelines: whether to keep them; a resume needs none, and those of 10,000 hosts take a lot of memory.
    :ivar down: hosts and bystanders known to be down.
    :ivar operator: name of the user who began the run; empty in journals of earlier versions.
    :ivar reason: purpose of the run, as its options have it; C(ticket) likewise. A resume may give others.
    :ivar settings: options of the task that began the run or resumed it last.
    :ivar deadlines: text of each deadline that was given → the instant; None in journals of earlier versions.
    :ivar deadline: text of the deadline that was given last; None if there is none.
    :ivar ended_at: time at which a host ended last; empty if none has.
    :ivar wave: index of the wave that began last; -1 before the first.
    :ivar terms: limits of the current controller process; None if the journal does not have them.
    :ivar owed: what is still held for the run as a whole, by kind of debt.
    :ivar stop_reason: reason why no more hosts are started; a resume clears it.
    :ivar hooks: outcomes of the hooks of the run itself, by phase and name; a resume clears them.
    :ivar ended: whether the controller process ended in an orderly way.
    """

    def __init__(self, *, timelines: bool = False) -> None:
        self._timelines = timelines
        self.run_id = ""
        self.started_at = ""
        self.controller = ""
        self.collection_version = ""
        self.operator = ""
        self.reason = ""
        self.ticket = ""
        self.hosts: dict[str, HostState] = {}
        self.bystanders: tuple[str, ...] = ()
        self.statuses: Counter[Status] = Counter()
        self.down: set[str] = set()
        self.settings: Mapping[str, Any] = {}
        self.deadlines: dict[str, str | None] = {}
        self.deadline: str | None = None
        self.ended_at = ""
        self.waves: list[WaveState] = []
        self.wave = -1
        self.terms: events.RunTerms | None = None
        self.resumes = 0
        self.owed: dict[str, Reason] = {}
        self.stop_reason: Reason | None = None
        self.hooks: dict[tuple[str, str], events.RunHookEnded] = {}
        self.ended = False
        self.counts: dict[str, int] = {}
        self.duration_ms = 0
        self._wave_of: dict[str, int] = {}
        # Hosts that are done or have failed, in the order in which they ended.
        self._ends: dict[str, None] = {}

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> RunState:
        """Fold these records.

        :raises RolloutError: C(JOURNAL_DAMAGED).
        """
        state = cls()
        for record in records:
            state.read(record)
        return state

    def read(self, record: Record) -> Change | None:
        """Take in a record of a journal. Returns None for an event that a later version added.

        :raises RolloutError: C(JOURNAL_DAMAGED): a field is missing or invalid.
        """
        try:
            event = event_of(record)
            return None if event is None else self.apply(event, record.get("at", ""))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise damaged(record, error) from error

    def apply(self, event: Event, at: str) -> Change:
        """Take in an event that occurred at a time of the journal; raises KeyError if its host is not in the run."""
        if isinstance(event, HostEvent):
            return self._apply_to_host(event, at)
        fold_run = _RUN_FOLDS.get(type(event))
        if fold_run is not None:
            fold_run(self, event, at)
        return Change(event)

    def with_resume(self, resume: Resume) -> list[HostState]:
        """Hosts that a resume treats this way, in the order of the run."""
        return [host for host in self.hosts.values() if host.resume is resume]

    def settled(self) -> dict[str, Status]:
        """Final statuses of the hosts that are done or have failed, in the order in which they ended."""
        return {name: self.hosts[name].status for name in self._ends}

    def retry(self, names: Iterable[str]) -> None:
        """Reset hosts to C(WAITING), so that they are rebooted again."""
        for name in names:
            self.hosts[name] = replace(self.hosts[name], phase=Phase.WAITING, reason=None)
            self._ends.pop(name, None)
        self._count_anew()

    def _apply_to_host(self, event: HostEvent, at: str) -> Change:
        host = self.hosts.get(event.host)
        if host is None:
            if not isinstance(event, events.HostSeen):
                raise KeyError(event.host)
            self._see(event.host, event.up)
            return Change(event)
        change = Change(event, host, host.phase, host.stage)
        status = host.status
        if isinstance(event, events.HostPreparing):
            change.begun = self._begin_wave_of(event.host)
            change.host = host = self.hosts[event.host] = anew(host)
        if event.leads_to is not None:
            host.phase, host.stale = event.leads_to, False
        if event.in_flight is not None:
            host.in_flight = event.in_flight
        if event.in_flight or isinstance(event, events.HostBack):
            self._see(event.host, up=True)
        elif isinstance(event, events.HostFailed):
            self._see(event.host, up=not event.down)
        elif isinstance(event, events.HostSeen):
            self._see(event.host, event.up)
        fold(host, event, at)
        if isinstance(event, events.HostTimeline):
            host.boot_parts = _boot_parts(event.timeline)
            if self._timelines:
                host.timeline = event.timeline
        if host.phase is not change.phase_before and host.resume is Resume.DONE:
            self._ends[event.host] = None
        change.over = self._count(host, status)
        # One that is put back before it is given up ends with the latter.
        ends = status in _LEFT or host.phase is not change.phase_before
        if ends and host.status not in _LEFT and host.left_out is None:
            self.ended_at = at
        return change

    def _see(self, name: str, up: bool) -> None:
        (self.down.discard if up else self.down.add)(name)
        host = self.hosts.get(name)
        if host is not None:
            host.down = not up and host.phase is Phase.FAILED

    def _begin_wave_of(self, name: str) -> WaveState | None:
        number = self._wave_of.get(name, -1)
        if number <= self.wave:
            return None
        self.wave = number
        return self.waves[number]

    def _count(self, host: HostState, before: Status) -> WaveState | None:
        """Count a host whose status may have changed, and return its wave if that is over now."""
        now = host.status
        if now is before:
            return None
        self.statuses[before] -= 1
        self.statuses[now] += 1
        number = self._wave_of.get(host.host)
        if number is None:
            return None
        wave = self.waves[number]
        wave.waiting += (now is Status.WAITING) - (before is Status.WAITING)
        ended = (before in _LEFT) - (now in _LEFT)
        wave.left -= ended
        return wave if now not in _LEFT and not wave.left else None

    def _count_anew(self) -> None:
        self.statuses = Counter(host.status for host in self.hosts.values())
        self.wave = -1
        for index, wave in enumerate(self.waves):
            hosts = [self.hosts[name] for name in wave.hosts]
            wave.waiting = sum(host.status is Status.WAITING for host in hosts)
            wave.left = sum(host.status in _LEFT for host in hosts)
            if any(host.phase is not Phase.WAITING for host in hosts):
                self.wave = index

    def _started(self, event: events.RunStarted, at: str) -> None:
        self.run_id = event.run_id
        self.started_at = at
        self.controller = event.controller
        self.collection_version = event.collection_version
        self.operator = event.operator
        self.hosts = {host: HostState(host) for host in event.hosts}
        self.bystanders = event.bystanders
        self._configure(event.settings, event.deadline)
        self.waves = [
            WaveState(str(wave["name"]), tuple(wave["hosts"]), number(wave.get("soak_s") or 0.0)) for wave in event.waves
        ]
        self._wave_of = {host: number for number, wave in enumerate(self.waves) for host in wave.hosts}
        self._count_anew()

    def _resumed(self, event: events.RunResumed, _at: str) -> None:
        self.controller = event.controller
        self.resumes += 1
        self.terms = None
        self.owed = {}
        self.stop_reason = None
        self.hooks.clear()
        self.ended = False
        if event.settings is not None:
            self._configure(event.settings, event.deadline)
        for host in self.hosts.values():
            host.left_out = None
        for host in self.with_resume(Resume.ANEW):
            host.stale = True
        # A reader of one host has only that one.
        self.retry(name for name in event.retried if name in self.hosts)

    def _configure(self, settings: Mapping[str, Any], deadline: str | None) -> None:
        self.settings = settings
        for name in ("reason", "ticket"):
            if isinstance(settings.get(name), str):
                setattr(self, name, settings[name])
        text = settings.get("deadline")
        if isinstance(text, str):
            self.deadlines.setdefault(text, deadline)
            self.deadline = text

    def _go_by(self, event: events.RunTerms, _at: str) -> None:
        self.terms = event

    def _hook_ended(self, event: events.RunHookEnded, _at: str) -> None:
        self.hooks[(event.phase, event.hook)] = event

    def _stopping(self, event: events.RunStopping, _at: str) -> None:
        # Later reasons follow from the first.
        self.stop_reason = self.stop_reason or event.reason

    def _owes(self, event: events.RunOwes, _at: str) -> None:
        self.owed[event.debt] = event.reason

    def _ended(self, event: events.RunEnded, _at: str) -> None:
        self.ended = True
        self.counts = dict(event.counts)
        self.duration_ms = event.duration_ms


def damaged(record: Record, error: Exception) -> RolloutError:
    line = record.get("seq")
    return RolloutError("JOURNAL_DAMAGED", "line %s, %s, can't be used: %r" % (line, record["event"], error), line=line)


_RUN_FOLDS: Mapping[type[Event], Callable[[RunState, Any, str], None]] = {
    events.RunStarted: RunState._started,
    events.RunResumed: RunState._resumed,
    events.RunTerms: RunState._go_by,
    events.RunHookEnded: RunState._hook_ended,
    events.RunStopping: RunState._stopping,
    events.RunOwes: RunState._owes,
    events.RunEnded: RunState._ended,
}


def _boot_parts(timeline: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Parts of M(fleet.kexec.prepare_boot) that a reboot had; None if its timeline, which comes from the host, does not tell."""
    parts = timeline.get("boot_parts")
    return tuple(sorted(map(str, parts))) if isinstance(parts, list) else None
