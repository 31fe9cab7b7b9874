# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of one host of a run, folded from its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._reboot.difference import ReportedDifference
from .._schedule.hosts import Status
from . import events
from .events import Event, HostEvent
from .phases import PHASES, Phase, Resume, Stage


@dataclass(slots=True)
class HostState:
    """State of a host to reboot, as the journal has it.

    :ivar stale: whether the phase dates from a controller process that has ended, and a resume starts the host over.
    :ivar down: whether the host failed, was down then, and has not been seen up since.
    :ivar left_out: reason why the current controller process will not reboot it; None if it may.
    :ivar acknowledged: whether it has acknowledged the trigger of its last intent.
    :ivar astray: whether it came back from a reboot of this run, and was not put back into service since.
    :ivar unsettled: whether it was given up before it was known what became of its reboot.
    :ivar given_up_for: reason for which it failed, though it may have begun anew since; None if it has not failed.
    :ivar called_off: whether the reboot was called off since the host was prepared.
    :ivar boot_id: boot ID of the system to reboot; empty before the host is prepared. With C(soft_reboots) and
        C(userspace_us), it tells that system from any other.
    :ivar release: staged kernel; empty for a reboot through firmware.
    :ivar panic: sysctl values to restore; None if there are none.
    :ivar owed: what could not be given back yet, by kind of debt (:class:`_rollout.debts.Kind`).
    :ivar withheld: kinds of debt because of which the host counts as unavailable.
    :ivar maybe_staged: whether an image may be loaded that has to be unloaded if the host is not rebooted.
    :ivar maybe_drained: whether C(before) hooks may have started that C(after) hooks have not undone yet.
    :ivar remembered: system, as one word, in which the machine was remembered; empty if it was not.
    :ivar compared: whether the machine was compared with that; None if that was not tried.
    :ivar model: vendor and product of the machine; empty if unknown.
    :ivar more_differences: number of differences that the journal does not have.
    :ivar probe_seen_by: kind of service probe; empty if there is none, or if it has not ended.
    :ivar hooks: last run by (phase, name).
    :ivar timeline: None unless timelines are kept.
    :ivar boot_parts: parts of M(fleet.kexec.prepare_boot) that its reboot had, by its timeline; None if that does not tell.
    """

    host: str
    phase: Phase = Phase.WAITING
    stale: bool = False
    in_flight: bool = False
    down: bool = False
    left_out: Reason | None = None
    acknowledged: bool = False
    astray: bool = False
    unsettled: bool = False
    given_up_for: Reason | None = None
    called_off: bool = False
    reason: Reason | None = None
    host_class: str | None = None
    boot_id: str = ""
    soft_reboots: int = 0
    userspace_us: int | None = None
    release_before: str = ""
    release: str = ""
    method: str = ""
    token: str = ""
    reboot_timeout_s: float = 0.0
    panic: Mapping[str, int] | None = None
    staged: Mapping[str, Any] | None = None
    maybe_staged: bool = False
    maybe_drained: bool = False
    owed: dict[str, Reason] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    intended_at: str = ""
    path: str = ""
    proof: Mapping[str, Any] | None = None
    release_after: str = ""
    boot_id_after: str = ""
    soft_reboots_after: int = 0
    remembered: str = ""
    compared: bool | None = None
    model: str = ""
    differences: tuple[ReportedDifference, ...] = ()
    more_differences: int = 0
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
    needed: tuple[Reason, ...] = ()
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()
    hooks: dict[tuple[str, str], events.HookEnded] = field(default_factory=dict)
    timeline: Mapping[str, Any] | None = None
    boot_parts: tuple[str, ...] | None = None

    @property
    def system(self) -> SystemId:
        """System to reboot."""
        return SystemId(self.boot_id, self.soft_reboots, self.userspace_us)

    @property
    def resume(self) -> Resume:
        # One that starts over may still be rebooting from when it was given up.
        return Resume.ASK if self.starts_over_unsettled else PHASES[self.phase].resume

    @property
    def starts_over_unsettled(self) -> bool:
        """Whether it failed and starts over, and has not been asked yet what became of its reboot."""
        return self.phase is Phase.WAITING and self.unsettled

    @property
    def status(self) -> Status:
        if self.left_out is not None and self.resume is not Resume.DONE:
            return Status.SKIPPED
        return Status.WAITING if self.stale else PHASES[self.phase].status

    @property
    def unfinished(self) -> bool:
        """Whether something was done to the host that only a process that reaches it can undo or see through."""
        if self.resume is Resume.DONE:
            return False
        return self.maybe_staged or self.maybe_drained or (self.resume is Resume.ASK and not self.called_off)

    @property
    def maybe_has_slot(self) -> bool:
        """Whether the run may have a slot of the lock for the host, as far as its journal tells."""
        return "slot" in self.owed or PHASES[self.phase].status in (Status.READY, Status.IN_FLIGHT)

    @property
    def stage(self) -> Stage | None:
        if self.phase is Phase.FAILED:
            return Stage.GIVEN_UP if self.down else None
        if self.stale or (self.status is Status.IN_FLIGHT and not self.in_flight):
            return None
        if self.called_off:
            return Stage.UNDOING if self.in_flight else None
        return PHASES[self.phase].stage


# Fields of an event to keep, each in the field of HostState that has its name or the one after the colon.
_KEPT: Mapping[type[Event], str] = {
    events.HostPrepared: "method token release staged boot_id soft_reboots release_before predicted_ms reasons notes host_class"
    " duration_ms:prepare_ms",
    events.HostNeeded: "reasons:needed",
    events.HostDrained: "duration_ms:drain_ms",
    events.HostRefused: "reason",
    events.HostIntent: "boot_id soft_reboots userspace_us token method release reboot_timeout_s panic remembered",
    events.HostBack: "outage_ms outage_error_ms detected_by",
    events.HostProbed: "probe_seen_by probe_outage_ms probe_outage_error_ms",
    events.HostUnproven: "path proof boot_id:boot_id_after soft_reboots:soft_reboots_after release:release_after",
    events.HostVerified: "path proof boot_id:boot_id_after soft_reboots:soft_reboots_after release:release_after login_ms",
    events.HostCompared: "compared model differences more:more_differences",
    events.HostHealthy: "duration_ms:after_ms",
    events.HostReleased: "duration_ms:total_ms",
    events.HostFailed: "reason reason:given_up_for",
    events.HostLeftOut: "reason:left_out",
}
_KEPT_AS = {
    event: [(name.partition(":")[0], name.partition(":")[2] or name) for name in names.split()] for event, names in _KEPT.items()
}


def anew(host: HostState) -> HostState:
    """State of a host that is prepared anew."""
    # Findings of an earlier attempt may be out of date, so they are dropped. Changes that it left on the host remain.
    return HostState(
        host.host,
        in_flight=host.in_flight,
        host_class=host.host_class,
        # A host that has rebooted is still compared with what it was before.
        remembered=host.remembered,
        astray=host.astray,
        given_up_for=host.given_up_for,
        maybe_staged=True,
        maybe_drained=host.maybe_drained,
        # What is staged anew replaces what was staged, and the boot that the settings are of is to end.
        owed={debt: why for debt, why in host.owed.items() if debt not in _OF_A_BOOT},
        withheld=host.withheld - _OF_A_BOOT,
    )


# Phases of hosts that may have been triggered.
_TRIGGERED = frozenset(phase.value for phase, traits in PHASES.items() if traits.resume is Resume.ASK)

# Debts that are gone with the boot in which they arose.
_OF_A_BOOT = frozenset(("image", "panic"))


def fold(host: HostState, event: HostEvent, at: str) -> None:
    """Take in an event of a host, apart from its phase and whether it is unavailable."""
    if isinstance(event, (events.HostOwes, events.HostPaid)):
        _owe(host, event)
    for name, kept_as in _KEPT_AS.get(type(event), ()):
        setattr(host, kept_as, getattr(event, name))
    match event:
        case events.HostPrepared():
            host.maybe_staged = event.staged is not None
        case events.HostDraining():
            host.maybe_drained = True
            # A drain from before is that of this reboot now.
            host.owed.pop("drain", None)
            host.withheld -= {"drain"}
        case events.HookEnded():
            host.hooks[(event.phase, event.hook)] = event
        case events.HostUndrained():
            host.maybe_drained = not event.ok
        case events.HostUnstaged():
            _unstaged(host, event)
        case events.HostRefused() | events.HostNotNeeded() | events.HostBack():
            # A staged image is gone with the kernel that held it.
            host.maybe_staged = "image" in host.owed and not isinstance(event, events.HostBack)
        case events.HostIntent():
            host.called_off = False
            host.intended_at = at
            # A second intent follows an unproven boot, whose result must not be taken for that of this one.
            host.path, host.proof, host.boot_id_after, host.soft_reboots_after, host.release_after = "", None, "", 0, ""
        case events.HostProbed() if event.note is not None:
            host.notes = (*host.notes, event.note.as_dict())
        case events.HostVerified():
            host.reasons = event.reasons or host.reasons
        case events.HostHealthy() | events.HostReleased():
            host.maybe_drained = False
    _fold_reboot(host, event)


def _fold_reboot(host: HostState, event: HostEvent) -> None:
    """Take in what becomes of a reboot, and of the host that came back from it."""
    match event:
        case events.HostIntent():
            host.acknowledged = False
        case events.HostTriggered():
            host.acknowledged = True
        case events.HostBack():
            host.astray = True
        case events.HostFailed():
            host.unsettled = event.down and event.phase in _TRIGGERED
        case events.HostUndrained() if event.ok:
            host.astray = False
        case events.HostHealthy() | events.HostReleased():
            host.astray, host.given_up_for = False, None


def _owe(host: HostState, event: events.HostOwes | events.HostPaid) -> None:
    if isinstance(event, events.HostOwes):
        host.owed[event.debt] = event.reason
        host.withheld = host.withheld - {event.debt} | ({event.debt} if event.unavailable else set())
        return
    host.owed.pop(event.debt, None)
    host.withheld -= {event.debt}
    host.maybe_staged = host.maybe_staged and event.debt != "image"
    host.maybe_drained = host.maybe_drained and event.debt != "drain"


def _unstaged(host: HostState, event: events.HostUnstaged) -> None:
    host.maybe_staged = not event.ok
    host.called_off, host.stale, host.unsettled = True, False, False
    # If no before hook ran, nothing has to be undrained, and the host is available again.
    host.in_flight = host.in_flight and any(phase == "before" for phase, _hook in host.hooks)
    # A host to which no trigger was sent is as good as before its intent.
    untold = host.phase is Phase.INTENT and event.told is False
    if untold or (host.resume is Resume.ANEW and host.phase is not Phase.REFUSED):
        host.phase = Phase.DISCARDED
