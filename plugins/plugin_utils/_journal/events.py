# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the journal: one class each.

C(docs/journal.md) says what each field holds, and a test compares it with this module. Fields are only ever added, with a
default for journals that were written before: whoever reads a journal ignores events and fields that it does not know.

A record is an event as plain values, C(event) first. Version, number and time are the journal's to add. No secret may enter
an event: settings come in as they may be shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._schedule.forecast import Forecast
from .._schedule.limits import Limit
from .._schedule.plan import Plan
from .._schedule.settings import Settings
from .phases import Phase

Record = dict[str, Any]

# Kept of a text that others wrote, such as the output of a hook: its last words say most.
TEXT_MAX_CHARS = 4096
TEXT_HEAD_CHARS = 1024


def bounded(text: str) -> str:
    """Text of at most :data:`TEXT_MAX_CHARS` characters: of a longer one its head and tail, and how much was left out."""
    if len(text) <= TEXT_MAX_CHARS:
        return text
    gap = "\n[%d characters left out]\n"
    tail_chars = TEXT_MAX_CHARS - TEXT_HEAD_CHARS - len(gap % len(text))
    return text[:TEXT_HEAD_CHARS] + gap % (len(text) - TEXT_HEAD_CHARS - tail_chars) + text[-tail_chars:]


@dataclass(frozen=True, slots=True)
class Event:
    """Event of a run, whose :attr:`name` is that of its class in the journal's spelling."""

    name: ClassVar[str]
    _fields: ClassVar[Mapping[str, Callable[[Any], Any]]]

    def as_record(self) -> Record:
        """Plain values for the journal."""
        return {"event": self.name, **{field: _plain(getattr(self, field)) for field in self._fields}}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvent(Event):
    """Event of one host.

    :cvar leads_to: the phase that begins with it; None if it depends on more than the event, or does not change.
    :cvar in_flight: whether the rollout has made the host unavailable from here on; None if that does not change.
    """

    leads_to: ClassVar[Phase | None] = None
    in_flight: ClassVar[bool | None] = None
    host: str


#: Every event, by its name.
EVENTS: dict[str, type[Event]] = {}

_Class = TypeVar("_Class", bound=type[Event])


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _event(cls: _Class) -> _Class:
    """Make a class a frozen dataclass and enter it into :data:`EVENTS`."""
    made: Any = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    made.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
    made._fields = {field.name: _READERS[str(field.type)] for field in fields(made)}
    EVENTS[made.name] = made
    return made  # type: ignore[no-any-return]  # dataclass() keeps the class's type


def event_of(record: Record) -> Event | None:
    """Event of a record; None if a later version of this collection has added it.

    :raises KeyError, TypeError, ValueError: a field is missing, or is not what it should be.
    """
    made = EVENTS.get(record["event"])
    if made is None:
        return None
    return made(**{field: read(record[field]) for field, read in made._fields.items() if field in record})


# Values of fields, as JSON has them and as events do.


def _plain(value: Any) -> Any:
    if isinstance(value, Reason):
        return {"code": value.code, "message": bounded(value.message), "hint": value.hint}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain_item(each) for each in value]
    return value


def _plain_item(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: bounded(each) if isinstance(each, str) else each for key, each in value.items()}
    return _plain(value)


def _text(value: Any) -> str:
    return _of_type(value, str)


def _flag(value: Any) -> bool:
    return _of_type(value, bool)


def _mapping(value: Any) -> dict[str, Any]:
    return _of_type(value, dict)


def number(value: Any) -> Any:
    """Number as JSON has it.

    :raises TypeError: it is none, or infinite.
    """
    # JSON lets a number be larger than any.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError("%r is no number" % (value,))
    return value


def _reason(value: Any) -> Reason:
    # Not by the catalogue: a later version may have codes that this one does not know.
    return Reason(_text(value["code"]), _text(value["message"]), _text(value["hint"]))


_Type = TypeVar("_Type")


def _of_type(value: Any, wanted: type[_Type]) -> _Type:
    if not isinstance(value, wanted):
        raise TypeError("%r is no %s" % (value, wanted.__name__))
    return value


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _each(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: tuple(map(read, _of_type(value, list)))


# By the annotation of a field.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "str": _text,
    "str | None": _or_none(_text),
    "bool": _flag,
    "bool | None": _or_none(_flag),
    "int": number,
    "int | None": _or_none(number),
    "float": number,
    "Reason": _reason,
    "Reason | None": _or_none(_reason),
    "Mapping[str, Any]": _mapping,
    "Mapping[str, Any] | None": _or_none(_mapping),
    "tuple[str, ...]": _each(_text),
    "tuple[Reason, ...]": _each(_reason),
    "tuple[Mapping[str, Any], ...]": _each(_mapping),
}


# The run.


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


@_event
class RunResumed(Event):
    """Another controller process has taken over the run."""

    controller: str
    pid: int


@_event
class RunTerms(Event):
    """Limits that the process goes by that has just begun or resumed the run, in numbers of hosts."""

    window: int
    limits: tuple[Mapping[str, Any], ...]
    forecast: Mapping[str, Any] | None = None
    failure_budget: int = 0

    @classmethod
    def of(cls, plan: Plan, settings: Settings, forecast: Forecast) -> RunTerms:
        """Terms of a plan."""
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
class RunStopping(Event):
    """Nothing new starts from here on."""

    reason: Reason


@_event
class RunEnded(Event):
    """Controller process has come to its end."""

    counts: Mapping[str, Any]
    duration_ms: int


# A host, up to its trigger.


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
    combination: str | None = None


@_event
class HostDraining(HostEvent):
    """Host counts as unavailable, and its C(before) hooks begin."""

    leads_to = Phase.DRAINING
    in_flight = True


@_event
class HookEnded(HostEvent):
    """Hook has ended, after its last attempt."""

    hook: str
    phase: str
    attempts: int
    ok: bool
    duration_ms: int
    message: str = ""

    def as_record(self) -> Record:
        """See :class:`Event`."""
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
    """Host is not rebooted after all, and nothing is left staged on it if C(ok)."""

    ok: bool
    told: bool | None = None


@_event
class HostRefused(HostEvent):
    """Host can't be rebooted; whatever was done to it has been undone."""

    leads_to = Phase.REFUSED
    in_flight = False
    reason: Reason


# A host, from its trigger on.


@_event
class HostIntent(HostEvent):
    """Host is about to be triggered: from here on it has to be asked what became of it."""

    leads_to = Phase.INTENT
    in_flight = True
    boot_id: str
    token: str
    unit: str
    method: str
    release: str
    reboot_timeout_s: float
    panic: Mapping[str, Any] | None = None


@_event
class HostTriggered(HostEvent):
    """Host has acknowledged the trigger."""

    leads_to = Phase.TRIGGERED


@_event
class HostDown(HostEvent):
    """Host does not answer any more."""

    leads_to = Phase.DOWN
    down_at: str | None = None


@_event
class HostBack(HostEvent):
    """Host answers with another boot_id."""

    leads_to = Phase.BACK
    outage_ms: int | None
    outage_error_ms: int | None
    detected_by: str


@_event
class HostProbed(HostEvent):
    """Service of the host answers again, or is not waited for any longer."""

    probe_seen_by: str
    probe_outage_ms: int | None
    probe_outage_error_ms: int | None
    probe_down_at: str | None = None
    note: Reason | None = None


@_event
class HostUnproven(HostEvent):
    """Host came back with another system than it should have."""

    path: str
    proof: Mapping[str, Any]
    boot_id: str
    release: str


@_event
class HostVerified(HostEvent):
    """Host came back with the system that it should have."""

    leads_to = Phase.VERIFIED
    path: str
    proof: Mapping[str, Any]
    boot_id: str
    release: str
    login_ms: int | None = None
    reasons: tuple[Reason, ...] = ()


@_event
class HostHealthy(HostEvent):
    """All C(after) hooks have succeeded."""

    leads_to = Phase.HEALTHY
    duration_ms: int | None = None


@_event
class HostReleased(HostEvent):
    """Host is done, and available again."""

    leads_to = Phase.RELEASED
    in_flight = False
    duration_ms: int | None = None


@_event
class HostTimeline(HostEvent):
    """Phases of a host's reboot; the host is done or given up by then."""

    timeline: Mapping[str, Any]


@_event
class HostFailed(HostEvent):
    """Host is given up."""

    leads_to = Phase.FAILED
    in_flight = False
    reason: Reason
    down: bool
    phase: str


@_event
class HostSeen(HostEvent):
    """Host that is not being rebooted, a bystander or one given up, was seen to be up or down."""

    up: bool
