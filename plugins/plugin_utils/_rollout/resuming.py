# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rest of a run: what a resume does with each host, from the run's state and the hosts that the play has now. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._errors import RolloutError
from .._journal.file import time_of
from .._journal.host_state import HostState
from .._journal.phases import PHASES, Phase, Resume
from .._journal.run_state import RunState
from .._schedule.hosts import HostSpec
from .._schedule.plan import Wave
from .._schedule.scheduler import Past


class Treatment(Enum):
    """Treatment of one host by a resume."""

    #: Left alone: it is done, or has failed.
    ENDED = "ended"
    #: Rebooted when its turn comes.
    TURN = "turn"
    #: Maybe drained already, and so unavailable: rebooted before others.
    FIRST = "first"
    #: Maybe triggered: asked what became of it, and triggered again if it never received its trigger.
    ASK = "ask"
    #: Maybe triggered, and no longer to be rebooted: seen through, or put back if it never received its trigger.
    SEE_THROUGH = "see_through"
    #: Staged or drained, and no longer to be rebooted: put back.
    UNDO = "undo"
    #: Untouched, and not to be rebooted.
    LEAVE = "leave"
    #: In flight, drained or staged, and not in the inventory any more, so that nothing can be done about it from here.
    LOST = "lost"


#: Hosts that may be rebooted.
GOING = frozenset({Treatment.TURN, Treatment.FIRST, Treatment.ASK})
#: Hosts that are prepared before they are rebooted.
TO_PREPARE = frozenset({Treatment.TURN, Treatment.FIRST})
#: Hosts that are unavailable when the resume begins, or may be, and that something is done to at once.
AT_ONCE = frozenset({Treatment.FIRST, Treatment.ASK, Treatment.SEE_THROUGH, Treatment.UNDO})


@dataclass(frozen=True)
class Left:
    """Host of a run that is resumed.

    :ivar state: state of the host as the journal has it.
    :ivar reason: reason why it will not be rebooted; None if it may be, or has ended.
    """

    state: HostState
    treatment: Treatment
    reason: Reason | None = None


@dataclass(frozen=True)
class Selection:
    """Hosts that the play has when it resumes a run.

    :ivar names: hosts that may be rebooted.
    :ivar failed: hosts that failed or could not be reached earlier in the play.
    :ivar left_out: hosts that the task is not meant for → why.
    :ivar exists: whether a host is in the inventory.
    """

    names: Collection[str]
    failed: Collection[str]
    left_out: Mapping[str, str]
    exists: Callable[[str], bool]

    def why_not(self, name: str) -> Reason | None:
        """Reason why a host that exists may not be rebooted; None if it may."""
        if name in self.names:
            return None
        why = "the play does not have it (see --limit)"
        if name in self.failed:
            why = "it failed or could not be reached earlier in the play"
        elif name in self.left_out:
            why = self.left_out[name]
        return reason("HOST_NOT_SELECTED", "%s is not rebooted: %s" % (name, why))


class Rest:
    """Rest of a run.

    :param before: state of the run.
    :param retry_failed: whether hosts that failed start over.
    :raises RolloutError: C(HOST_NOT_IN_RUN): the run has none of the play's hosts.
    """

    def __init__(self, before: RunState, selection: Selection, *, retry_failed: bool = False) -> None:
        failed = (host.host for host in before.hosts.values() if host.phase is Phase.FAILED)
        #: Hosts that failed and start over.
        self.retried = [name for name in failed if retry_failed and name in selection.names and selection.exists(name)]
        before.retry(self.retried)
        self.before = before
        self.hosts: Mapping[str, Left] = {name: _left(host, selection) for name, host in before.hosts.items()}
        #: Hosts that the play has and the run has not.
        self.strangers = [name for name in selection.names if name not in self.hosts]
        if self.hosts.keys().isdisjoint([*selection.names, *selection.failed, *selection.left_out]):
            raise RolloutError(
                "HOST_NOT_IN_RUN",
                "resume: run %s has none of the play's hosts, such as %s"
                % (before.run_id, ", ".join(self.strangers[:3]) or "none at all"),
            )
        #: Hosts that exist no longer.
        self.absent = frozenset(name for name in self.hosts if not selection.exists(name))
        #: Hosts of the play that are to be done when the resume is over.
        self.asked_for = [name for name in self.hosts if name in selection.names]

    def of(self, treatments: Collection[Treatment]) -> list[Left]:
        """Hosts that are treated this way, in the order of the run."""
        return [left for left in self.hosts.values() if left.treatment in treatments]

    def names(self, treatments: Collection[Treatment]) -> list[str]:
        """Names of hosts that are treated this way, in the order of the run."""
        return [left.state.host for left in self.of(treatments)]

    def reasons(self) -> dict[str, Reason]:
        """Reason why a host will not be rebooted, for each one that has not ended and will not."""
        return {name: left.reason for name, left in self.hosts.items() if left.reason is not None}

    @property
    def owing(self) -> list[str]:
        """Names of hosts that exist and owe something."""
        return [name for name, left in self.hosts.items() if left.state.owed and name not in self.absent]

    @property
    def nothing_to_do(self) -> bool:
        """Whether the last process ended in an orderly way, and left nothing that could be done now."""
        # A slot is the lock's: it can be given back though its host exists no longer.
        slots_owed = any("slot" in left.state.owed for left in self.hosts.values())
        return self.before.ended and not self.owing and not slots_owed and not self.of(GOING | AT_ONCE)

    def waves(self, hosts: Mapping[str, HostSpec]) -> list[Wave]:
        """Waves of the run, in its order. Hosts that are in none, as a damaged journal may have them, go last."""
        waves = [Wave(wave.name, tuple(hosts[name] for name in wave.hosts), wave.soak_s) for wave in self.before.waves]
        in_some = {name for wave in self.before.waves for name in wave.hosts}
        others = tuple(host for name, host in hosts.items() if name not in in_some)
        return [*waves, Wave("rest", others, 0.0)] if others else waves

    def past(self, now: float, now_utc: float) -> Past:
        """Part of the run that is over, for the scheduler; C(now) is monotonic, C(now_utc) in seconds since 1970."""
        ended_at = self.before.ended_at
        return Past(
            ended=self.before.settled(),
            left_out=self.names({Treatment.LEAVE, Treatment.LOST}),
            wave=self.before.wave,
            last_end=now - max(0.0, now_utc - time_of(ended_at)) if ended_at else None,
        )


def _left(host: HostState, selection: Selection) -> Left:
    if host.resume is Resume.DONE:
        return Left(host, Treatment.ENDED)
    if not selection.exists(host.host):
        gone = "%s is not in the inventory any more" % host.host
        if host.unfinished:
            gone = "%s, and nothing can be done about what was begun on it: %s" % (gone, _begun(host))
        return Left(host, Treatment.LOST if host.unfinished else Treatment.LEAVE, reason("HOST_NOT_IN_INVENTORY", gone))
    why_not = selection.why_not(host.host)
    if host.resume is Resume.ASK:
        return Left(host, Treatment.SEE_THROUGH if why_not else Treatment.ASK, why_not)
    if why_not is not None:
        return Left(host, Treatment.UNDO if host.unfinished else Treatment.LEAVE, why_not)
    return Left(host, Treatment.FIRST if host.maybe_drained else Treatment.TURN)


def _begun(host: HostState) -> str:
    """Work on a host that was begun, in words."""
    if host.starts_over_unsettled:
        return "it was down when it was given up"
    if host.resume is Resume.ASK:
        return "it was %s" % PHASES[host.phase].words
    parts = ["an image may be loaded"] if host.maybe_staged else []
    return " and ".join([*parts, "it may be drained"] if host.maybe_drained else parts)
