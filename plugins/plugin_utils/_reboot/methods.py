# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot methods behind one interface, and the requests that allow them.

A new method is a class here, and its name in the documentation of M(fleet.kexec.reboot) and M(fleet.kexec.rolling_reboot).
Nothing else knows methods by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import (
    PATH_KEXEC,
    PATH_SOFT,
    Evidence,
    Proof,
    prove_kexec,
    prove_soft,
)

from .._text import by_path


@dataclass(frozen=True)
class Expectation:
    """Signs that tell the expected system from the outgoing one, and from any other.

    :ivar system: the outgoing one.
    :ivar token: names the trigger's unit; it is on the new command line, too, if the method stages an image.
    :ivar release: of the expected kernel; empty if unknown.
    """

    system: SystemId
    token: str
    release: str


@dataclass(frozen=True)
class Verification:
    """Comparison of a new system with what was expected.

    :ivar proof: sign by sign; None if the path alone decides.
    :ivar objection: sentence that says why this is not the requested reboot; None if it is.
    """

    proof: Proof | None
    objection: str | None


class RebootMethod(ABC):
    """Way to reboot a host.

    :cvar name: in options, results and the journal.
    :cvar verb: of systemctl.
    :cvar stages: whether an image has to be loaded; if not, any loaded image has to be unloaded.
    :cvar facts: subset of M(fleet.kexec.boot_facts) that says whether the host can reboot this way, by its C(blockers); None if
        any host can, or staging tells.
    :cvar keeps_kernel: whether the kernel goes on, so that only the system that it runs is replaced.
    :cvar fallback: method to try next if this one did not bring the host back as requested.
    """

    name: str
    verb: str
    stages: bool
    facts: str | None = None
    keeps_kernel: bool = False
    fallback: RebootMethod | None

    @abstractmethod
    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare the new system with what was expected."""

    def has_ended(self, old: SystemId, now: SystemId) -> bool:
        """Whether what this method ends has ended: the boot, or only the system that ran in it."""
        if now.boot_id != old.boot_id or not self.keeps_kernel:
            return now.boot_id != old.boot_id
        # Where systemd can't be asked, as while it stops or starts, its count is not known to be 0.
        return now.userspace_us is not None and now != old

    def is_over(self, expected: Expectation, evidence: Evidence) -> bool:
        """Whether the host has rebooted, whatever it came back as."""
        return self.has_ended(expected.system, evidence.system)

    def accepts(self, expected: Expectation, evidence: Evidence) -> bool:
        """Whether the new system is one that this method produces."""
        return self.verify(expected, evidence).objection is None


class FirmwareMethod(RebootMethod):
    """Full reboot through firmware and bootloader."""

    name = "firmware"
    verb = "reboot"
    stages = False
    fallback = None

    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare the path only: the bootloader may boot any kernel, and may itself be a Linux that starts it by kexec."""
        if evidence.path in (PATH_KEXEC, PATH_SOFT):
            return Verification(None, "the host came back %s, not through firmware" % by_path(evidence.path))
        return Verification(None, None)


FIRMWARE = FirmwareMethod()


class KexecMethod(RebootMethod):
    """Reboot straight into a staged image."""

    name = "kexec"
    verb = "kexec"
    stages = True
    fallback = FIRMWARE

    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare all four signs; see C(module_utils/_kexec/proof.py)."""
        proof = prove_kexec(evidence, expected.system, expected.token, expected.release)
        if proof.proven:
            return Verification(proof, None)
        message = "the host came back %s with %s, but not as staged: no %s"
        return Verification(proof, message % (by_path(evidence.path), evidence.release, ", ".join(proof.missing)))


KEXEC = KexecMethod()


class SoftMethod(RebootMethod):
    """Reboot of userspace alone: systemd stops everything and starts anew, on the kernel that runs."""

    name = "soft"
    verb = "soft-reboot"
    stages = False
    facts = "soft"
    keeps_kernel = True
    fallback = FIRMWARE

    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare the manager's count and start; see C(module_utils/_kexec/proof.py)."""
        proof = prove_soft(evidence, expected.system)
        if proof.proven:
            return Verification(proof, None)
        message = "the host came back %s with %s, but not by one soft reboot: no %s"
        return Verification(proof, message % (by_path(evidence.path), evidence.release, ", ".join(proof.missing)))


SOFT = SoftMethod()

_BY_NAME: dict[str, RebootMethod] = {method.name: method for method in (KEXEC, SOFT, FIRMWARE)}

#: Request that leaves the method to the host: the first that is possible. A soft reboot keeps the kernel, so it is never chosen.
AUTO = "auto"
#: Request for the least that applies what is pending on the host: nothing at all, or one of these.
LEAST = "least"
_ALLOWED = {
    AUTO: (KEXEC, FIRMWARE),
    LEAST: tuple(_BY_NAME[name] for name in METHODS),
    **{name: (method,) for name, method in _BY_NAME.items()},
}

#: All requests that users may make.
REQUESTS = tuple(_ALLOWED)


def allowed_by(request: str) -> tuple[RebootMethod, ...]:
    """Methods that one of :data:`REQUESTS` allows, in the order to try them."""
    return _ALLOWED[request]


def method_named(name: str) -> RebootMethod:
    return _BY_NAME[name]
