# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result of one host's reboot, as far as it is known, and the forms in which tasks return it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import Hardware
from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._host_facts import PreparedBoot, gathered
from .difference import ReportedDifference
from .host_track import HostOutage
from .service_track import ServiceOutage

DONE = "done"
UNFINISHED = "unfinished"
NOT_NEEDED = "not_needed"
NOTHING_PENDING = "nothing is pending on this host that a reboot would apply"
#: Status of a host of the play that a rollout is not meant for.
NOT_SELECTED = "not_selected"


@dataclass(frozen=True)
class KnownSystem:
    """System that a host runs, with the release of its kernel."""

    system: SystemId
    release: str

    def as_dict(self) -> dict[str, str | int]:
        return {"boot_id": self.system.boot_id, "soft_reboots": self.system.soft_reboots, "release": self.release}


@dataclass(frozen=True)
class OutageMs:
    """Length of an outage as probes saw it; C(error_ms) is how much shorter it may have been."""

    duration_ms: int
    error_ms: int

    @classmethod
    def of(cls, seen: HostOutage | ServiceOutage | None) -> OutageMs | None:
        return None if seen is None else cls(seen.duration_ms, seen.error_ms)


@dataclass(frozen=True)
class ProbedOutage:
    """Outage of the service that was probed beside sshd; C(seen_by) is free of secrets."""

    seen_by: str
    outage: OutageMs | None


@dataclass
class RebootResult:
    """Result of one host's reboot; None for what is not known, or not yet.

    :ivar status: C(done), C(unfinished), C(not_needed), C(not_selected), or another status of a rollout.
    :ivar rebooted: None until it is decided.
    :ivar path: how the host says it came back, C(kexec), C(firmware) or C(unknown).
    :ivar staged: as M(fleet.kexec.stage) returns it, like C(predicted_ms) and C(notes), to which a probe may add one.
    :ivar proof: sign by sign; None if the method has none.
    :ivar auto: method that C(auto) would have chosen, if another request was made that depends on the host; None if unknown.
    :ivar needed: why the host needs a reboot; None if that was not asked.
    :ivar reasons: why the method is not the first one requested, and what it took to bring the host back.
    :ivar model: vendor and product of the machine.
    :ivar differences: of the machine from what it was; None if it was not compared.
    :ivar detected_by: C(banner) or C(connection), by which the host was noticed to be back.
    :ivar login_ms: from the first answer of sshd to the first command.
    :ivar elapsed_ms: from before the trigger, or in a rollout the drain, until the host was healthy.
    :ivar down: whether a host that a rollout gave up has to be assumed down.
    :ivar failure: why the reboot is not done.
    :ivar hardware: as the host tells it; None if unknown, like C(prepared), what shortens its outage.
    :ivar owed: what could not be given back on the host, by kind of debt.
    :ivar timeline: as M(fleet.kexec.timeline) returns it.
    """

    status: str = UNFINISHED
    rebooted: bool | None = None
    method: str | None = None
    path: str | None = None
    staged: Mapping[str, Any] | None = None
    predicted_ms: Mapping[str, Any] | None = None
    proof: Mapping[str, Any] | None = None
    auto: str | None = None
    needed: tuple[Reason, ...] | None = None
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Mapping[str, Any], ...] | None = None
    before: KnownSystem | None = None
    after: KnownSystem | None = None
    model: str | None = None
    differences: tuple[ReportedDifference, ...] | None = None
    detected_by: str | None = None
    outage: OutageMs | None = None
    probe: ProbedOutage | None = None
    login_ms: int | None = None
    elapsed_ms: int | None = None
    down: bool | None = None
    failure: Reason | None = None
    owed: Mapping[str, Reason] = field(default_factory=dict)
    timeline: Mapping[str, Any] | None = None
    hardware: Hardware | None = None
    prepared: PreparedBoot | None = None

    def as_result(self) -> dict[str, Any]:
        """Result of M(fleet.kexec.reboot), as far as the steps have come; null means unknown."""
        result: dict[str, Any] = {"notes": list(self.notes or ())}
        if self.before is not None:
            result["before"] = self.before.as_dict()
        if self.staged is not None:
            result["predicted_ms"] = self.predicted_ms
        if self.needed is not None:
            result["needed"] = self._needed()
        if self.status == NOT_NEEDED:
            return {**result, "method": None, "rebooted": False, "changed": False, "msg": NOTHING_PENDING}
        if self.method is not None:
            result.update(method=self.method, reasons=self._reasons(), staged=self.staged)
        if self.path is not None:
            result.update(
                path=self.path,
                proof=self.proof,
                after=self.after.as_dict() if self.after else None,
                detected_by=self.detected_by,
                login_ms=self.login_ms,
                **_named("outage", self.outage),
            )
        if self.probe is not None:
            result.update(probe_seen_by=self.probe.seen_by, **_named("probe_outage", self.probe.outage))
        if self.differences is not None:
            result.update(model=self.model, differences=self._differences())
        if self.elapsed_ms is not None:
            result["elapsed_ms"] = self.elapsed_ms
        if self.status == DONE:
            result["timeline"] = self.timeline
        if self.rebooted is not None:
            # False only in check mode, where the host would be rebooted.
            result.update(rebooted=self.rebooted, changed=True)
        return result

    def as_outcome(self) -> dict[str, Any]:
        """All that is known, in one flat dictionary, as M(fleet.kexec.rolling_reboot) and M(fleet.kexec.outcome) return it."""
        known = {
            "status": self.status,
            "method": self.method,
            "path": self.path,
            "staged": self.staged,
            "proof": self.proof,
            "needed": self._needed() or None,
            "reasons": self._reasons(),
            **_named("outage", self.outage),
            "probe_seen_by": self.probe.seen_by if self.probe else None,
            **_named("probe_outage", self.probe.outage if self.probe else None),
            "notes": None if self.notes is None else list(self.notes),
            "model": self.model,
            "differences": self._differences(),
            "detected_by": self.detected_by,
            "login_ms": self.login_ms,
            "elapsed_ms": self.elapsed_ms,
            "down": self.down,
            "owed": [{"debt": debt, **why.as_dict()} for debt, why in self.owed.items()] or None,
            "timeline": self.timeline,
            "before": self.before.as_dict() if self.before else None,
            "after": self.after.as_dict() if self.after else None,
        }
        if self.failure is not None:
            known.update(code=self.failure.code, msg=self.failure.message, hint=self.failure.hint)
        return {name: value for name, value in known.items() if value not in (None, "")}

    def as_facts(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """C(ansible_facts) of M(fleet.kexec.reboot) with the fact C(fleet_kexec.last_boot); empty without a reboot."""
        if not self.rebooted:
            return {}
        # Notes are about the staging, and in the result already.
        return with_last_boot({name: value for name, value in self.as_outcome().items() if name != "notes"}, task_vars)

    def _differences(self) -> list[dict[str, str | None]] | None:
        return None if self.differences is None else [each.as_dict() for each in self.differences]

    def _needed(self) -> list[dict[str, str]]:
        return [each.as_dict() for each in self.needed or ()]

    def _reasons(self) -> list[dict[str, str]]:
        return [each.as_dict() for each in self.reasons]


def with_last_boot(last_boot: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    """C(ansible_facts) with C(fleet_kexec.last_boot), merged into the known facts of C(fleet_kexec)."""
    gathered_facts = gathered(task_vars)
    known = gathered_facts if isinstance(gathered_facts, Mapping) else {}
    return {"ansible_facts": {"fleet_kexec": {**known, "last_boot": last_boot}}}


def _named(name: str, outage: OutageMs | None) -> dict[str, int | None]:
    """Outage as two values, C(NAME_ms) and C(NAME_error_ms)."""
    return {
        "%s_ms" % name: outage.duration_ms if outage else None,
        "%s_error_ms" % name: outage.error_ms if outage else None,
    }
