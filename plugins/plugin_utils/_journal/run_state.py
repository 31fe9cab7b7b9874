# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of a run: the fold over its events that live view, report and resume share.

It is pure, and tolerant of events and fields that a later minor version has added. An event costs the same however many
hosts there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._errors import RolloutError
from .._schedule.hosts import Status
from . import events
from .events import Event, HostEvent, Record, event_of
from .phases import PHASES, Phase, Resume, Stage

_LEFT = frozenset({Status.WAITING, Status.PREPARING, Status.READY, Status.IN_FLIGHT})


@dataclass(slots=True)
class HookRun:
    """Course of a hook; the last of its name and phase, if it ran again."""

    hook: str
    phase: str
    attempts: int
    ok: bool
    duration_ms: int
    message: str


@dataclass(slots=True)
class HostState:
    """Everything that the journal says of a host that is to be rebooted.

    :ivar stale: whether its phase is that of a controller process that has ended, and a resume begins anew with it.
    :ivar in_flight: whether the rollout has made it unavailable.
    :ivar down: whether it was given up and has to be taken for down, and has not been seen up since.
    :ivar called_off: whether its reboot was called off since it was prepared.
    :ivar boot_id: of the system that was to be rebooted, empty before it is prepared.
    :ivar release_before: kernel of that system.
    :ivar release: kernel that was staged; empty for a reboot through firmware.
    :ivar method: C(kexec) or C(firmware), as decided.
    :ivar panic: settings of its kernel that have to be put back; None if none do.
    :ivar maybe_staged: an image may be loaded on it that has to be unloaded if it is not rebooted.
    :ivar maybe_drained: its C(before) hooks may have begun, and C(after) hooks have not made up for it.
    :ivar intended_at: UTC, as the journal writes it.
    :ivar outage_ms: as seen from the controller.
    :ivar probe_seen_by: kind of probe of its service; empty if there is none, or it has not come to an end.
    :ivar timeline: phases of its reboot; None unless timelines are kept.
    """

    host: str
    phase: Phase = Phase.WAITING
    stale: bool = False
    in_flight: bool = False
    down: bool = False
    called_off: bool = False
    reason: Reason | None = None
    combination: str | None = None
    boot_id: str = ""
    release_before: str = ""
    release: str = ""
    method: str = ""
    token: str = ""
    reboot_timeout_s: float = 0.0
    panic: Mapping[str, int] | None = None
    staged: Mapping[str, Any] | None = None
    maybe_staged: bool = False
    maybe_drained: bool = False
    intended_at: str = ""
    path: str = ""
    proof: Mapping[str, Any] | None = None
    release_after: str = ""
    boot_id_after: str = ""
    detected_by: str = ""
    predicted_ms: Mapping[str, Any] | None = None
    prepare_ms: int | None = None
    drain_ms: int | None = None
    outage_ms: int | None = None
    outage_error_ms: int | None = None
    probe_seen_by: str = ""
    probe_outage_ms: int | None = None
    probe_outage_error_ms: int | None = None
    login_ms: int | None = None
    after_ms: int | None = None
    total_ms: int | None = None
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()
    hooks: dict[tuple[str, str], HookRun] = field(default_factory=dict)
    timeline: Mapping[str, Any] | None = None

    @property
    def resume(self) -> Resume:
        """Treatment by a resume."""
        return PHASES[self.phase].resume

    @property
    def status(self) -> Status:
        """Place on its way, as the controller process that runs now sees it."""
        return Status.WAITING if self.stale else PHASES[self.phase].status

    @property
    def stage(self) -> Stage | None:
        """Use of its time just now; None if there is none to draw."""
        if self.phase is Phase.FAILED:
            return Stage.GIVEN_UP if self.down else None
        if self.stale or (self.status is Status.IN_FLIGHT and not self.in_flight):
            return None
        if self.called_off:
            return Stage.UNDOING if self.in_flight else None
        return PHASES[self.phase].stage


@dataclass(slots=True)
class WaveState:
    """Wave of a run.

    :ivar waiting: hosts that have not begun.
    :ivar left: hosts that have not ended.
    """

    name: str
    hosts: tuple[str, ...]
    soak_s: float
    waiting: int = 0
    left: int = 0


@dataclass(slots=True)
class Change:
    """Difference that an event has made.

    :ivar host: its host as it is now; None for an event of the run or of a bystander.
    :ivar phase_before: phase of that host before.
    :ivar stage_before: stage of that host before.
    :ivar begun: the wave that has begun with it.
    :ivar over: the wave that has ended with it.
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
    :ivar hosts: in the order of the run.
    :ivar statuses: how many hosts have each status.
    :ivar down: hosts and bystanders that are down as far as is known.
    :ivar wave: index of the wave that began last; -1 before the first.
    :ivar terms: limits that the current controller process goes by; None if the journal does not have them.
    :ivar stop_reason: why nothing new is started any more; a resume clears it.
    :ivar ended: whether the controller process came to an end of its own.
    :ivar counts: hosts by status at that end.
    """

    def __init__(self, *, timelines: bool = False) -> None:
        self._timelines = timelines
        self.run_id = ""
        self.started_at = ""
        self.controller = ""
        self.collection_version = ""
        self.hosts: dict[str, HostState] = {}
        self.bystanders: tuple[str, ...] = ()
        self.statuses: Counter[Status] = Counter()
        self.down: set[str] = set()
        self.waves: list[WaveState] = []
        self.wave = -1
        self.terms: events.RunTerms | None = None
        self.resumes = 0
        self.stop_reason: Reason | None = None
        self.ended = False
        self.counts: dict[str, int] = {}
        self.duration_ms = 0
        self._wave_of: dict[str, int] = {}

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> RunState:
        """State after all of these records.

        :raises RolloutError: C(JOURNAL_DAMAGED).
        """
        state = cls()
        for record in records:
            state.read(record)
        return state

    def read(self, record: Record) -> Change | None:
        """Take in a record of a journal.

        :return: None for one that a later version has added.
        :raises RolloutError: C(JOURNAL_DAMAGED): it lacks a field of its event, or a field is not what it should be.
        """
        try:
            event = event_of(record)
            return None if event is None else self.apply(event, record.get("at", ""))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise damaged(record, error) from error

    def apply(self, event: Event, at: str) -> Change:
        """Take in an event.

        :param at: UTC, as the journal writes it.
        :raises KeyError: it is about a host that is not in the run.
        """
        if isinstance(event, HostEvent):
            return self._apply_to_host(event, at)
        fold = _RUN_FOLDS.get(type(event))
        if fold is not None:
            fold(self, event, at)
        return Change(event)

    def with_resume(self, resume: Resume) -> list[HostState]:
        """Hosts that a resume treats in this way, in the order of the run."""
        return [host for host in self.hosts.values() if host.resume is resume]

    def retry(self, names: Iterable[str]) -> None:
        """Take hosts for such as have not been begun."""
        for name in names:
            self.hosts[name] = replace(self.hosts[name], phase=Phase.WAITING, reason=None)
        self._count_anew()

    # Inside.

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
            change.host = host = self.hosts[event.host] = _anew(host)
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
        fold = _HOST_FOLDS.get(type(event))
        if fold is not None:
            fold(host, event, at)
        if isinstance(event, events.HostTimeline) and self._timelines:
            host.timeline = event.timeline
        change.over = self._count(host, status)
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
        """Count a host whose status may have changed.

        :return: its wave, if that is over with it.
        """
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
        for number, wave in enumerate(self.waves):
            hosts = [self.hosts[name] for name in wave.hosts]
            wave.waiting = sum(host.status is Status.WAITING for host in hosts)
            wave.left = sum(host.status in _LEFT for host in hosts)
            if any(host.phase is not Phase.WAITING for host in hosts):
                self.wave = number

    def _started(self, event: events.RunStarted, at: str) -> None:
        self.run_id = event.run_id
        self.started_at = at
        self.controller = event.controller
        self.collection_version = event.collection_version
        self.hosts = {host: HostState(host) for host in event.hosts}
        self.bystanders = event.bystanders
        self.waves = [
            WaveState(str(wave["name"]), tuple(wave["hosts"]), events.number(wave.get("soak_s") or 0.0)) for wave in event.waves
        ]
        self._wave_of = {host: number for number, wave in enumerate(self.waves) for host in wave.hosts}
        self._count_anew()

    def _resumed(self, event: events.RunResumed, _at: str) -> None:
        self.controller = event.controller
        self.resumes += 1
        self.terms = None
        self.stop_reason = None
        self.ended = False
        for host in self.with_resume(Resume.ANEW):
            host.stale = True
        self._count_anew()

    def _go_by(self, event: events.RunTerms, _at: str) -> None:
        self.terms = event

    def _stopping(self, event: events.RunStopping, _at: str) -> None:
        # The first reason is why; what comes later follows from it.
        self.stop_reason = self.stop_reason or event.reason

    def _ended(self, event: events.RunEnded, _at: str) -> None:
        self.ended = True
        self.counts = dict(event.counts)
        self.duration_ms = event.duration_ms


def damaged(record: Record, error: Exception) -> RolloutError:
    """Error for a record that can't be used."""
    line = record.get("seq")
    return RolloutError("JOURNAL_DAMAGED", "line %s, %s, can't be used: %r" % (line, record["event"], error), line=line)


# What events carry, host by host.

_Folded = TypeVar("_Folded", bound=HostEvent)
_HOST_FOLDS: dict[type[Event], Callable[[HostState, Any, str], None]] = {}


def _folds(
    event: type[_Folded],
) -> Callable[[Callable[[HostState, _Folded, str], None]], Callable[[HostState, _Folded, str], None]]:
    def enter(fold: Callable[[HostState, _Folded, str], None]) -> Callable[[HostState, _Folded, str], None]:
        _HOST_FOLDS[event] = fold
        return fold

    return enter


def _anew(host: HostState) -> HostState:
    # What an earlier attempt found out is of no use: the host may have changed since. What it left on the host stays.
    return HostState(
        host.host,
        in_flight=host.in_flight,
        combination=host.combination,
        maybe_staged=True,
        maybe_drained=host.maybe_drained,
    )


@_folds(events.HostPrepared)
def _prepared(host: HostState, event: events.HostPrepared, _at: str) -> None:
    host.method = event.method
    host.token = event.token
    host.release = event.release
    host.staged = event.staged
    host.boot_id = event.boot_id
    host.release_before = event.release_before
    host.predicted_ms = event.predicted_ms
    host.reasons = event.reasons
    host.notes = event.notes
    host.prepare_ms = event.duration_ms
    host.combination = event.combination
    host.maybe_staged = event.staged is not None


@_folds(events.HostDraining)
def _draining(host: HostState, _event: events.HostDraining, _at: str) -> None:
    host.maybe_drained = True


@_folds(events.HookEnded)
def _hook(host: HostState, event: events.HookEnded, _at: str) -> None:
    host.hooks[(event.phase, event.hook)] = HookRun(
        event.hook, event.phase, event.attempts, event.ok, event.duration_ms, event.message
    )


@_folds(events.HostDrained)
def _drained(host: HostState, event: events.HostDrained, _at: str) -> None:
    host.drain_ms = event.duration_ms


@_folds(events.HostUndrained)
def _undrained(host: HostState, event: events.HostUndrained, _at: str) -> None:
    host.maybe_drained = not event.ok


@_folds(events.HostUnstaged)
def _unstaged(host: HostState, event: events.HostUnstaged, _at: str) -> None:
    host.maybe_staged = not event.ok
    host.called_off, host.stale = True, False
    # Where no hook drained anything there is nothing to wait for.
    host.in_flight = host.in_flight and any(phase == "before" for phase, _hook in host.hooks)
    # One that was about to be told, and was not, is as good as before its intent.
    untold = host.phase is Phase.INTENT and event.told is False
    if untold or (host.resume is Resume.ANEW and host.phase is not Phase.REFUSED):
        host.phase = Phase.DISCARDED


@_folds(events.HostRefused)
def _refused(host: HostState, event: events.HostRefused, _at: str) -> None:
    host.reason = event.reason
    host.maybe_staged = False


@_folds(events.HostIntent)
def _intent(host: HostState, event: events.HostIntent, at: str) -> None:
    host.called_off = False
    host.boot_id = event.boot_id
    host.token = event.token
    host.method = event.method
    host.release = event.release
    host.reboot_timeout_s = float(event.reboot_timeout_s)
    host.panic = event.panic
    host.intended_at = at
    # A second one follows a boot that was not as asked. How that one came is not how this one does.
    host.path, host.proof, host.boot_id_after, host.release_after = "", None, "", ""


@_folds(events.HostBack)
def _back(host: HostState, event: events.HostBack, _at: str) -> None:
    host.outage_ms = event.outage_ms
    host.outage_error_ms = event.outage_error_ms
    host.detected_by = event.detected_by
    # What was loaded is gone with the kernel that held it.
    host.maybe_staged = False


@_folds(events.HostProbed)
def _probed(host: HostState, event: events.HostProbed, _at: str) -> None:
    host.probe_seen_by = event.probe_seen_by
    host.probe_outage_ms = event.probe_outage_ms
    host.probe_outage_error_ms = event.probe_outage_error_ms
    if event.note is not None:
        host.notes = (*host.notes, event.note.as_dict())


@_folds(events.HostUnproven)
def _unproven(host: HostState, event: events.HostUnproven, _at: str) -> None:
    _came_back_as(host, event)


@_folds(events.HostVerified)
def _verified(host: HostState, event: events.HostVerified, _at: str) -> None:
    _came_back_as(host, event)
    host.login_ms = event.login_ms
    host.reasons = event.reasons or host.reasons


def _came_back_as(host: HostState, event: events.HostUnproven | events.HostVerified) -> None:
    host.path = event.path
    host.proof = event.proof
    host.boot_id_after = event.boot_id
    host.release_after = event.release


@_folds(events.HostHealthy)
def _healthy(host: HostState, event: events.HostHealthy, _at: str) -> None:
    host.after_ms = event.duration_ms
    host.maybe_drained = False


@_folds(events.HostReleased)
def _released(host: HostState, event: events.HostReleased, _at: str) -> None:
    host.total_ms = event.duration_ms
    host.maybe_drained = False


@_folds(events.HostFailed)
def _failed(host: HostState, event: events.HostFailed, _at: str) -> None:
    host.reason = event.reason


_RUN_FOLDS: Mapping[type[Event], Callable[[RunState, Any, str], None]] = {
    events.RunStarted: RunState._started,
    events.RunResumed: RunState._resumed,
    events.RunTerms: RunState._go_by,
    events.RunStopping: RunState._stopping,
    events.RunEnded: RunState._ended,
}
