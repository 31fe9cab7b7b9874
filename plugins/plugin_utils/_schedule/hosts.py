# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of a rollout, and other hosts that count for its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import METHODS

from .._host_facts import PreparedBoot
from .settings import EVERYTHING


class Status(StrEnum):
    """Progress of a host through a rollout. The last six are final."""

    WAITING = "waiting"
    PREPARING = "preparing"
    #: Prepared; everything can still be undone.
    READY = "ready"
    #: From its Go until it is released: unavailable because of the rollout.
    IN_FLIGHT = "out"
    DONE = "done"
    #: It needs no reboot, and only hosts that do are rebooted.
    NOT_NEEDED = "not_needed"
    #: Not to be rebooted; nothing was changed.
    REFUSED = "refused"
    FAILED = "failed"
    #: Never begun.
    SKIPPED = "skipped"
    #: Begun, and everything was undone.
    DISCARDED = "discarded"


ENDED = frozenset({Status.DONE, Status.NOT_NEEDED, Status.REFUSED, Status.FAILED, Status.SKIPPED, Status.DISCARDED})
# Ends with which a host is as the user asked.
AS_ASKED = frozenset({Status.DONE, Status.NOT_NEEDED})


@dataclass(frozen=True)
class Phases:
    """Durations of a host's phases.

    :ivar prepare_s: facts and staging; the host still serves.
    :ivar drain_s: from its Go to the trigger.
    :ivar outage_s: from the trigger until the host is back.
    :ivar after_s: from then until it is released.
    """

    prepare_s: float
    drain_s: float
    outage_s: float
    after_s: float

    @property
    def from_trigger_s(self) -> float:
        """Time from the trigger until the host is released."""
        return self.outage_s + self.after_s

    @property
    def from_go_s(self) -> float:
        """Time for which the host is in flight."""
        return self.drain_s + self.outage_s + self.after_s

    @property
    def total_s(self) -> float:
        return self.prepare_s + self.drain_s + self.outage_s + self.after_s


@dataclass(frozen=True)
class Prediction:
    """Predicted durations of a host: medians and 95th percentiles."""

    p50: Phases
    p95: Phases

    def as_ms(self) -> dict[str, dict[str, int]]:
        """Durations in milliseconds: C(p50) and C(p95), each by phase (C(prepare), C(drain), C(outage), C(after))."""
        phases = {"p50": self.p50, "p95": self.p95}
        return {
            name: {phase.removesuffix("_s"): round(seconds * 1000) for phase, seconds in asdict(values).items()}
            for name, values in phases.items()
        }


@dataclass(frozen=True)
class Member:
    """Machine that counts for limits. Its domains are by dimension (rack, zone, …), its groups those of the inventory."""

    name: str
    domains: Mapping[str, str]
    groups: frozenset[str]

    def domain(self, dimension: str) -> str | None:
        """Domain of the machine in a dimension; in the dimension C(all) all machines share one."""
        return EVERYTHING if dimension == EVERYTHING else self.domains.get(dimension)


@dataclass(frozen=True)
class Bystander(Member):
    """Machine that counts for limits and is not rebooted."""


@dataclass(frozen=True)
class HostSpec(Member):
    """Host to reboot.

    :ivar host_class: of hardware; hosts with the same one are expected to behave alike.
    :ivar to_prove: what a kexec of it would prove, its class with its kernels; empty if nothing.
    :ivar methods: those by which it may be rebooted (of :data:`METHODS`); one if it is known.
    :ivar prepared: what shortens its next outage; None if that is not known.
    :ivar spared_s: seconds by which its outage is predicted to be shorter for that than those of its class were.
    :ivar last: whether it goes after all others, because they are reached through it or it holds the lock.
    """

    host_class: str
    last: bool
    predicted: Prediction
    to_prove: str = ""
    methods: tuple[str, ...] = METHODS
    prepared: PreparedBoot | None = None
    spared_s: float = 0.0
