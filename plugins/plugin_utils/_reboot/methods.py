# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods of reboot: one class each behind one interface, and the requests that allow them.

A new method is a class here, and its name in the documentation of M(fleet.kexec.reboot) and M(fleet.kexec.rolling_reboot).
Nothing else knows methods by their names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import PATH_FIRMWARE, Evidence, Proof, prove


@dataclass(frozen=True)
class Expectation:
    """Signs by which the boot that is to come is told from the one that is to end, and from any other.

    :ivar boot_id: of the boot that is to end.
    :ivar token: names the trigger's unit; it is on the new command line, too, if the method stages an image.
    :ivar release: of the kernel that is to come; empty if it can't be told.
    """

    boot_id: str
    token: str
    release: str


@dataclass(frozen=True)
class Verification:
    """Comparison of a new boot with what was expected.

    :ivar proof: sign by sign; None if the path alone decides.
    :ivar objection: why this is not the boot that was asked for, as a sentence; None if it is.
    """

    proof: Proof | None
    objection: str | None


class RebootMethod(ABC):
    """A way to reboot a host.

    :cvar name: in options, results and the journal.
    :cvar verb: of systemctl.
    :cvar stages: whether an image has to be loaded for it. If not, what is loaded has to be unloaded.
    :cvar fallback: the method to try next if this one did not bring the host back as asked.
    """

    name: str
    verb: str
    stages: bool
    fallback: RebootMethod | None

    @abstractmethod
    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare what came back with what was expected."""

    def is_over(self, expected: Expectation, evidence: Evidence) -> bool:
        """Whether the host answers from after the reboot, whatever it came back as."""
        return evidence.boot_id != expected.boot_id

    def accepts(self, expected: Expectation, evidence: Evidence) -> bool:
        """Whether what came back is what this method would have brought."""
        return self.verify(expected, evidence).objection is None


class FirmwareMethod(RebootMethod):
    """Full reboot through firmware and bootloader."""

    name = "firmware"
    verb = "reboot"
    stages = False
    fallback = None

    def verify(self, expected: Expectation, evidence: Evidence) -> Verification:
        """Compare the path only: the bootloader may boot any kernel."""
        if evidence.path == PATH_FIRMWARE:
            return Verification(None, None)
        return Verification(None, "the host came back by kexec, not through firmware")


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
        message = "the host came back by %s with %s, but not as staged: no %s"
        return Verification(proof, message % (evidence.path, evidence.release, ", ".join(proof.missing)))


KEXEC = KexecMethod()

_BY_NAME: dict[str, RebootMethod] = {method.name: method for method in (KEXEC, FIRMWARE)}

#: The request that leaves the method to the host: the first that is possible.
AUTO = "auto"
_ALLOWED = {AUTO: (KEXEC, FIRMWARE), **{name: (method,) for name, method in _BY_NAME.items()}}

#: Everything that users may ask for.
REQUESTS = tuple(_ALLOWED)


def allowed_by(request: str) -> tuple[RebootMethod, ...]:
    """The methods that one of :data:`REQUESTS` allows, in the order in which they are tried."""
    return _ALLOWED[request]


def method_named(name: str) -> RebootMethod:
    """The method of this name.

    :raises KeyError: there is none.
    """
    return _BY_NAME[name]
