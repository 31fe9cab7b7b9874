# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases of a host in a run, and one table of what each means to the scheduler, a resume, a report and the display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from .._schedule.hosts import Status


class Phase(StrEnum):
    """Phase of a host, given by its last event. From C(INTENT) on the host may have rebooted."""

    WAITING = "waiting"
    PREPARING = "preparing"
    READY = "ready"
    DRAINING = "draining"
    GATE = "gate"
    DISCARDED = "discarded"
    NOT_NEEDED = "not_needed"
    REFUSED = "refused"
    INTENT = "intent"
    TRIGGERED = "triggered"
    DOWN = "down"
    BACK = "back"
    VERIFIED = "verified"
    HEALTHY = "healthy"
    RELEASED = "released"
    FAILED = "failed"


class Resume(Enum):
    """Treatment of a host by a resume."""

    #: Leave it alone: it was released, needed no reboot, or has failed.
    DONE = "done"
    #: Ask it first, and never trigger it again before it answers: it may have rebooted.
    ASK = "ask"
    #: Prepare it again, or undo its preparation: it did not reboot.
    ANEW = "anew"


class Stage(StrEnum):
    """Segment of a host's time in a report, as seen from the controller."""

    PREPARING = "preparing"
    READY = "ready"
    DRAINING = "draining"
    GATE = "gate"
    SHUTTING_DOWN = "shutting_down"
    DOWN = "down"
    CHECKING = "checking"
    AFTER = "after"
    UNDOING = "undoing"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class PhaseTraits:
    """Meaning of a phase to the scheduler, a resume, a report (None if there is nothing to draw) and the display."""

    status: Status
    resume: Resume
    stage: Stage | None
    words: str


PHASES: Mapping[Phase, PhaseTraits] = {
    Phase.WAITING: PhaseTraits(Status.WAITING, Resume.ANEW, None, "waiting"),
    Phase.PREPARING: PhaseTraits(Status.PREPARING, Resume.ANEW, Stage.PREPARING, "preparing"),
    Phase.READY: PhaseTraits(Status.READY, Resume.ANEW, Stage.READY, "ready"),
    Phase.DRAINING: PhaseTraits(Status.IN_FLIGHT, Resume.ANEW, Stage.DRAINING, "draining"),
    Phase.GATE: PhaseTraits(Status.IN_FLIGHT, Resume.ANEW, Stage.GATE, "drained"),
    # The cause of DISCARDED and REFUSED may have been fixed by the time of a resume.
    Phase.DISCARDED: PhaseTraits(Status.DISCARDED, Resume.ANEW, None, "not rebooted"),
    Phase.NOT_NEEDED: PhaseTraits(Status.NOT_NEEDED, Resume.DONE, None, "not needed"),
    Phase.REFUSED: PhaseTraits(Status.REFUSED, Resume.ANEW, None, "refused"),
    Phase.INTENT: PhaseTraits(Status.IN_FLIGHT, Resume.ASK, Stage.SHUTTING_DOWN, "triggering"),
    Phase.TRIGGERED: PhaseTraits(Status.IN_FLIGHT, Resume.ASK, Stage.SHUTTING_DOWN, "shutting down"),
    Phase.DOWN: PhaseTraits(Status.IN_FLIGHT, Resume.ASK, Stage.DOWN, "down"),
    Phase.BACK: PhaseTraits(Status.IN_FLIGHT, Resume.ASK, Stage.CHECKING, "answering"),
    Phase.VERIFIED: PhaseTraits(Status.IN_FLIGHT, Resume.ASK, Stage.AFTER, "verified"),
    Phase.HEALTHY: PhaseTraits(Status.IN_FLIGHT, Resume.ASK, Stage.AFTER, "healthy"),
    Phase.RELEASED: PhaseTraits(Status.DONE, Resume.DONE, None, "done"),
    Phase.FAILED: PhaseTraits(Status.FAILED, Resume.DONE, Stage.GIVEN_UP, "failed"),
}
