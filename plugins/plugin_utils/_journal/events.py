# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the journal, one class each, documented in C(docs/journal.md); a test compares the two.

Fields are only ever added, with a default for older journals; readers ignore events and fields that they do not know.
A record is an event as plain values; the journal adds version, number and time. No event may carry a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._reboot.difference import ReportedDifference
from .._schedule.forecast import Forecast
from .._schedule.limits import Limit
from .._schedule.plan import Plan
from .._schedule.settings import Settings
from .fields import READERS, bounded, plain
from .phases import Phase

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Event of a run; :attr:`name` is the class name in snake case."""

    name: ClassVar[str]
    _fields: ClassVar[Mapping[str, Callable[[Any], Any]]]

    def as_record(self) -> Record:
        return {"event": self.name, **{field: plain(getattr(self, field)) for field in self._fields}}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent(Event):
    """Event of one host.

    :cvar leads_to: phase that the event begins; None if the phase does not change or depends on more than the event.
    :cvar in_flight: whether the rollout keeps the host unavailable from here on; None if the event does not change that.
    """

    leads_to: ClassVar[Phase | None] = None
    in_flight: ClassVar[bool | None] = None
    host: str


# Names of fields in journals of earlier versions → names now.
_RENAMED = {"combination": "host_class"}

#: Event name → class.
EVENTS: dict[str, type[Event]] = {}

_Class = TypeVar("_Class", bound=type[Event])


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _event(cls: _Class) -> _Class:
    made: Any = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    made.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
    made._fields = {field.name: READERS[str(field.type)] for field in fields(made)}
    EVENTS[made.name] = made
    return made  # type: ignore[no-any-return]  # dataclass() keeps the class's type


def event_of(record: Record) -> Event | None:
    """Event of a record; None if the event comes from a later version of this collection.

    :raises KeyError, TypeError, ValueError: a field is missing or invalid.
    """
    made = EVENTS.get(record["event"])
    if made is None:
        return None
    for earlier, field in _RENAMED.items():
        if earlier in record:
            record = {**record, field: record[earlier]}
    return made(**{field: read(record[field]) for field, read in made._fields.items() if field in record})


@_event
class RunStarted(Event):
    """First event of every journal."""

    run_id: str
    controller: str
    pid: int | None = None
    collection_version: str
    hosts: tuple[str, ...]
    bystanders: tuple[str, ...]
    settings: Mapping[str, Any]
    waves: tuple[Mapping[str, Any], ...]
    deadline: str | None = None
    operator: str = ""


@_event
class RunResumed(Event):
    controller: str
    pid: int
    settings: Mapping[str, Any] | None = None
    deadline: str | None = None
    retried: tuple[str, ...] = ()
    operator: str = ""


@_event
class RunSelected(Event):
    """Selection of some hosts of the play by the task's conditions; C(left_out) has the others, and why each is left out."""

    left_out: Mapping[str, Any]


@_event
class RunTerms(Event):
    """Limits, in numbers of hosts, of the process that has just begun or resumed the run."""

    window: int
    limits: tuple[Mapping[str, Any], ...]
    forecast: Mapping[str, Any] | None = None
    failure_budget: int = 0

    @classmethod
    def of(cls, plan: Plan, settings: Settings, forecast: Forecast) -> RunTerms:
        members: dict[Limit, list[str]] = {}
        for name, limits in plan.limits.items():
            for limit in limits:
                members.setdefault(limit, []).append(name)
        return cls(
            window=plan.window,
            limits=tuple({"of": limit.of, "most": limit.most, "hosts": names} for limit, names in members.items()),
            forecast=forecast.as_result(),
            failure_budget=settings.failure_budget.total.of(len(plan.hosts)),
        )


@_event
class RunHookEnded(Event):
    """Hook of the run itself, not of a host, has ended."""

    hook: str
    phase: str
    attempts: int
    ok: bool
    duration_ms: int
    message: str = ""

    def as_record(self) -> Record:
        return {**Event.as_record(self), "message": bounded(self.message)}


@_event
class RunStopping(Event):
    """No more hosts are started from here on."""

    reason: Reason


@_event
class RunOwes(Event):
    """Something that is held for the run as a whole could not be given back."""

    debt: str
    reason: Reason


@_event
class RunEnded(Event):
    counts: Mapping[str, Any]
    duration_ms: int


@_event
class HostPreparing(HostEvent):
    """An image may be staged on the host from here on."""

    leads_to = Phase.PREPARING


@_event
class HostPrepared(HostEvent):
    """Host is ready to be triggered."""

    leads_to = Phase.READY
    method: str
    token: str
    release: str
    staged: Mapping[str, Any] | None
    boot_id: str
    release_before: str
    predicted_ms: Mapping[str, Any] | None = None
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()
    duration_ms: int | None = None
    host_class: str | None = None
    hardware: Mapping[str, Any] | None = None
    soft_reboots: int = 0


@_event
class HostNeeded(HostEvent):
    """Host needs a reboot, and only hosts that do are rebooted."""

    reasons: tuple[Reason, ...]


@_event
class HostDraining(HostEvent):
    """Host counts as unavailable, and its C(before) hooks start."""

    leads_to = Phase.DRAINING
    in_flight = True


@_event
class HookEnded(HostEvent):
    hook: str
    phase: str
    attempts: int
    ok: bool
    duration_ms: int
    message: str = ""

    def as_record(self) -> Record:
        return {**Event.as_record(self), "message": bounded(self.message)}


@_event
class HostDrained(HostEvent):
    """All C(before) hooks have succeeded."""

    leads_to = Phase.GATE
    duration_ms: int | None = None


@_event
class HostUndrained(HostEvent):
    """Host is not rebooted after all, and its C(after) hooks have run."""

    in_flight = False
    ok: bool


@_event
class HostUnstaged(HostEvent):
    """Host is not rebooted after all; if C(ok), nothing is left staged on it."""

    ok: bool
    told: bool | None = None


@_event
class HostOwes(HostEvent):
    """Something that was begun on the host, or is held for it, could not be given back yet; it is tried again.

    C(unavailable): the host counts for the limits until that is paid.
    """

    debt: str
    reason: Reason
    unavailable: bool = False


@_event
class HostPaid(HostEvent):
    """A debt of the host is paid, or is gone with the boot that it was of."""

    debt: str


@_event
class HostRefused(HostEvent):
    """Host can't be rebooted; all changes to it have been undone."""

    leads_to = Phase.REFUSED
    in_flight = False
    reason: Reason


@_event
class HostNotNeeded(HostEvent):
    """Host needs no reboot, and only hosts that do are rebooted."""

    leads_to = Phase.NOT_NEEDED
    in_flight = False


@_event
class HostIntent(HostEvent):
    """Host is about to be triggered; from here on only the host can tell whether it has rebooted."""

    leads_to = Phase.INTENT
    in_flight = True
    boot_id: str
    token: str
    unit: str
    method: str
    release: str
    reboot_timeout_s: float
    panic: Mapping[str, Any] | None = None
    remembered: str = ""
    soft_reboots: int = 0
    userspace_us: int | None = None


@_event
class HostTriggered(HostEvent):
    """Host has acknowledged the trigger."""

    leads_to = Phase.TRIGGERED


@_event
class HostDown(HostEvent):
    leads_to = Phase.DOWN
    down_at: str | None = None


@_event
class HostBack(HostEvent):
    """Host answers from another system than the one that was to end."""

    leads_to = Phase.BACK
    outage_ms: int | None
    outage_error_ms: int | None
    detected_by: str


@_event
class HostProbed(HostEvent):
    """Service on the host answers again, or the wait for it has ended."""

    probe_seen_by: str
    probe_outage_ms: int | None
    probe_outage_error_ms: int | None
    probe_down_at: str | None = None
    note: Reason | None = None


@_event
class HostUnproven(HostEvent):
    """Host came back with a system other than the expected one."""

    path: str
    proof: Mapping[str, Any]
    boot_id: str
    release: str
    soft_reboots: int = 0


@_event
class HostVerified(HostEvent):
    """Host came back with the expected system."""

    leads_to = Phase.VERIFIED
    path: str
    proof: Mapping[str, Any]
    boot_id: str
    release: str
    login_ms: int | None = None
    reasons: tuple[Reason, ...] = ()
    soft_reboots: int = 0


@_event
class HostCompared(HostEvent):
    """Machine of a host that came back was compared with what it was before."""

    compared: bool
    model: str
    differences: tuple[ReportedDifference, ...]
    more: int
    settled_ms: int
    duration_ms: int


@_event
class HostHealthy(HostEvent):
    """All C(after) hooks have succeeded."""

    leads_to = Phase.HEALTHY
    duration_ms: int | None = None


@_event
class HostReleased(HostEvent):
    """Host is done and available again."""

    leads_to = Phase.RELEASED
    in_flight = False
    duration_ms: int | None = None


@_event
class HostTimeline(HostEvent):
    """Phases of a host's reboot, recorded once the host is done or has failed."""

    timeline: Mapping[str, Any]


@_event
class HostFailed(HostEvent):
    leads_to = Phase.FAILED
    in_flight = False
    reason: Reason
    down: bool
    phase: str


@_event
class HostLeftOut(HostEvent):
    """Host of a resumed run that this process will not reboot."""

    reason: Reason


@_event
class HostSeen(HostEvent):
    """Host that is not being rebooted (a bystander, or one that failed) was seen up or down."""

    up: bool
