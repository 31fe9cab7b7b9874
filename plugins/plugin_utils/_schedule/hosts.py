# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a rollout, and those around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from .settings import EVERYTHING


class Status(StrEnum):
    """Where a host is on its way. The last five are where it ends."""

    WAITING = "waiting"
    PREPARING = "preparing"
    #: Prepared, and everything can still be undone.
    READY = "ready"
    #: From its Go until it is released: it costs capacity.
    OUT = "out"
    DONE = "done"
    #: Nothing was touched, nothing is lost.
    REFUSED = "refused"
    FAILED = "failed"
    #: It was never begun.
    SKIPPED = "skipped"
    #: It was begun, and everything was undone.
    DISCARDED = "discarded"


ENDED = frozenset({Status.DONE, Status.REFUSED, Status.FAILED, Status.SKIPPED, Status.DISCARDED})


@dataclass(frozen=True)
class Phases:
    """How long a host takes, in seconds.

    :ivar prepare_s: facts and staging; it still serves.
    :ivar drain_s: from its Go to the trigger.
    :ivar outage_s: from the trigger until it is back.
    :ivar after_s: from then until it is released.
    """

    prepare_s: float
    drain_s: float
    outage_s: float
    after_s: float

    @property
    def from_trigger_s(self) -> float:
        """From the trigger until it is released."""
        return self.outage_s + self.after_s

    @property
    def from_go_s(self) -> float:
        """How long the host costs capacity."""
        return self.drain_s + self.outage_s + self.after_s

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.prepare_s + self.drain_s + self.outage_s + self.after_s


@dataclass(frozen=True)
class Prediction:
    """How long a host will take: half of the times no longer, and in 95 of 100."""

    p50: Phases
    p95: Phases

    def as_ms(self) -> dict[str, dict[str, int]]:
        """C(p50) and C(p95), each by phase (C(prepare), C(drain), C(outage), C(after)), in milliseconds."""
        phases = {"p50": self.p50, "p95": self.p95}
        return {
            name: {phase.removesuffix("_s"): round(seconds * 1000) for phase, seconds in asdict(values).items()}
            for name, values in phases.items()
        }


@dataclass(frozen=True)
class Member:
    """A machine that counts for capacity.

    :ivar domains: dimension (rack, zone, …) → the domain it is in.
    :ivar groups: names of the inventory's groups that it is in.
    """

    name: str
    domains: Mapping[str, str]
    groups: frozenset[str]

    def domain(self, dimension: str) -> str | None:
        """Its domain in a dimension; the dimension C(all) has one for everybody."""
        return EVERYTHING if dimension == EVERYTHING else self.domains.get(dimension)


@dataclass(frozen=True)
class Bystander(Member):
    """A machine that counts for capacity and is not rebooted."""


@dataclass(frozen=True)
class HostSpec(Member):
    """A host to reboot.

    :ivar combination: of hardware and kernel; hosts of one are expected to behave alike.
    :ivar last: others are reached through it, or it holds the lock, so it goes when they are done.
    """

    combination: str
    last: bool
    predicted: Prediction
