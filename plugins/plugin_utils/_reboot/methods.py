# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot methods behind one interface, and the requests that allow them.

A new method is a class here, and its name in the documentation of M(fleet.kexec.reboot) and M(fleet.kexec.rolling_reboot).
Nothing else knows methods by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import PATH_KEXEC, Evidence, Proof, prove

from .._text import by_path


@dataclass(frozen=True)
class Expectation:
    """Signs that tell the expected boot from the outgoing one, and from any other.

    :ivar boot_id: of the outgoing boot.
    :ivar token: names the trigger's unit; it is on the new command line, too, if the method stages an image.
    :ivar release: of the expected kernel; empty if unknown.
    """

    boot_id: str
    token: str
    release: str


@dataclass(frozen=True)
class Verification:
    """Comparison of a new boot with what was expected.

    :ivar proof: sign by sign; None if the path alone decides.
    :ivar objection: sentence that says why this is not the requested boot; None if it is.
    """

    proof: Proof | None
    objection: str | None


class RebootMethod(ABC):
    """Way to reboot a host.

    :cvar name: in options, results and the journal.
    :cvar verb: of systemctl.
    :cvar stages: whether an image has to be loaded; if not, any loaded image has to be unloaded.
    :cvar fallback: method to try next if this one did not bring the host back as requested.
    """

    name: str
    verb: str
    stages: bool
    fallback: RebootMethod | None

    @abstractmethod
    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare the new boot with what was expected."""

    def is_over(self, expected: Expectation, evidence: Evidence) -> bool:
        """Whether the host has rebooted, whatever it came back as."""
        return evidence.boot_id != expected.boot_id

    def accepts(self, expected: Expectation, evidence: Evidence) -> bool:
        """Whether the new boot is one that this method produces."""
        return self.verify(expected, evidence).objection is None


class FirmwareMethod(RebootMethod):
    """Full reboot through firmware and bootloader."""

    name = "firmware"
    verb = "reboot"
    stages = False
    fallback = None

    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare the path only: the bootloader may boot any kernel, and may itself be a Linux that starts it by kexec."""
        if evidence.path == PATH_KEXEC:
            return Verification(None, "the host came back via kexec, not through firmware")
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
        proof = prove(evidence, expected.boot_id, expected.token, expected.release)
        if proof.proven:
            return Verification(proof, None)
        message = "the host came back %s with %s, but not as staged: no %s"
        return Verification(proof, message % (by_path(evidence.path), evidence.release, ", ".join(proof.missing)))


KEXEC = KexecMethod()

_BY_NAME: dict[str, RebootMethod] = {method.name: method for method in (KEXEC, FIRMWARE)}

#: Request that leaves the method to the host: the first that is possible.
AUTO = "auto"
_ALLOWED = {AUTO: (KEXEC, FIRMWARE), **{name: (method,) for name, method in _BY_NAME.items()}}

#: All requests that users may make.
REQUESTS = tuple(_ALLOWED)


def allowed_by(request: str) -> tuple[RebootMethod, ...]:
    """Methods that one of :data:`REQUESTS` allows, in the order to try them."""
    return _ALLOWED[request]


def method_named(name: str) -> RebootMethod:
    return _BY_NAME[name]
