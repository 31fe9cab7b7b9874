# SPDX-License-Identifier: GPL-3.0-or-later
"""Model of what a rollout has begun and has to give back, as somebody sees it who looks at the hosts, the balancer and the lock.

What it states, of docs/rolling-reboot.md ("What is owed", "When the controller dies"), docs/journal.md and docs/locks.md:

* "Whatever was begun on a host is given back, however the host ends: its image, its drain, its slot of the lock, and the
  kernel's panic settings … If that fails …, the host *owes* it", which "is in the journal".
* A host is drained for its reboot. As long as that may still begin, it is not put back into service, nor is its slot given back.
* "A host that came back but is not healthy has failed, and stays drained."
* "The slot of a host that stays down is kept until the host is seen up."
* "A resume pays what is left."
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event, HostEvent
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.conductor import Conductor
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.resuming import Rest
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from ..plugins.plugin_utils._rollout.worlds import Budget, World
from ..plugins.plugin_utils.machines import difference
from ..plugins.plugin_utils.simulated import Host
from ..plugins.virtual_time import run

# How long a connection to nowhere takes to fail.
LOST_AFTER_S = 3.0

ERRORS = {
    "lost": SessionLost("no answer"),
    "sudo": SessionError("BECOME_FAILED", "sudo: LDAP is away"),
    "module": SessionError("MODULE_FAILED", "noise"),
}
AWAY = LockError("LOCK_UNAVAILABLE", "connection refused")


@dataclass(frozen=True)
class Cut:
    """The way to a host is cut some seconds after an event of the host, for some seconds."""

    event: str
    after_s: float
    for_s: float


@dataclass(frozen=True)
class Trouble:
    """What fails while one controller process lives.

    :ivar calls: by host and call: which error, and how often. A call that raises is not carried out.
    :ivar refusing: by host: hooks that fail all the time.
    :ivar lock_calls: by call of the lock: how often it does not answer.
    :ivar unreadable: hosts whose slots, if they have any, turn unreadable before the process begins.
    :ivar full_at_s: from when on the controller's disk is full.
    """

    calls: Mapping[str, Mapping[str, tuple[str, int]]] = field(default_factory=dict)
    refusing: Mapping[str, Collection[str]] = field(default_factory=dict)
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    lock_calls: Mapping[str, int] = field(default_factory=dict)
    lost_answers: int = 0
    unreadable: Collection[str] = ()
    full_at_s: float = math.inf


@dataclass(frozen=True)
class Process:
    """A controller process, and how it ends: by itself, interrupted, or killed after some records or seconds.

    :ivar after_s: seconds since the one before.
    :ivar play: hosts that the play has; None for all.
    """

    trouble: Trouble = Trouble()
    after_s: float = 0.0
    play: Collection[str] | None = None
    retry_failed: bool = False
    window: int = 2
    killed_after: int | None = None
    killed_at_s: float | None = None
    interrupted_at_s: float | None = None


class Guest(Host):
    """A host that knows whether it is drained, and that the controller can't always reach."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.drained = False
        self.cut = (math.inf, math.inf)
        self.wrongs: list[str] = []

    @property
    def cut_off(self) -> bool:
        return self.cut[0] <= self.now < self.cut[1]

    @property
    def seen_up(self) -> bool:
        return super().seen_up and not self.cut_off

    @property
    def going(self) -> bool:
        """Whether it is rebooting, or will."""
        return not self.up or self.down_at < math.inf

    async def _reached(self, timeout_s: float) -> None:
        if self.cut_off:
            await asyncio.sleep(min(LOST_AFTER_S, timeout_s))
            raise SessionLost("no route to host")

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        await self._reached(timeout_s)
        answer = await super().module(name, args, timeout_s)
        await self._reached(timeout_s)
        return answer

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        if args and args[-1] in self.beside:
            return await super().run(script, args, become, timeout_s)
        await self._reached(timeout_s)
        answer = await super().run(script, args, become, timeout_s)
        await self._reached(timeout_s)
        return answer

    def _answer(self, script: str, args: Sequence[str], become: bool) -> CommandResult | None:
        answer = super()._answer(script, args, become)
        if answer is not None and args and args[-1] == "drain":
            self.drained = True
        if answer is not None and args and args[-1] == "undrain" and answer.rc == 0:
            if self.going:
                self.wrongs.append("%s was put back into service before its reboot was over" % self.name)
            self.drained = False
        return answer


class Slots(Budget):
    """The lock, which sees when a slot is given back too early."""

    def __init__(self, hosts: Mapping[str, Guest]) -> None:
        super().__init__()
        self._hosts = hosts
        self.wrongs: list[str] = []

    async def release(self, host: str) -> None:
        before = set(self.held)
        try:
            await super().release(host)
        finally:
            if host in before - self.held and self._hosts[host].going:
                self.wrongs.append("the slot of %s was given back before its reboot was over" % host)


class Owing(World):
    """Hosts, and controllers that die at any point.

    :ivar state: state of the run as its controller tells it.
    """

    def __init__(self, fates: Mapping[str, str], *, hooks: Mapping[str, Any], beside: bool = False) -> None:
        super().__init__(hooks=hooks, failure_budget="100%", stall_timeout=300)
        self.hosts = {name: Guest(name) for name in fates}
        self.guests: dict[str, Guest] = dict(self.hosts)  # type: ignore[arg-type]
        self.budget = self.slots = Slots(self.guests)
        self.reboot_timeout_s = 60.0
        self.state = RunState()
        self._cuts: Mapping[str, Cut] = {}
        for name, fate in fates.items():
            if beside:
                self.guests[name].beside = {"drain", "undrain", "someone"}
            self._befall(self.guests[name], fate)

    @staticmethod
    def _befall(host: Guest, fate: str) -> None:
        if fate == "foreign":
            host.boots = "foreign"
        elif fate == "degraded":
            host.machine.differs = {1: [difference("CPU_LOST", "3")]}
        elif fate == "lost":
            host.comes_back = False
        elif fate == "inhibited":
            # Until somebody lets go, which is later than anybody waits.
            host.inhibited_s = 400.0
        elif fate == "slow":
            host.inhibited_s, host.outage_s = 40.0, 30.0
        elif fate == "deaf":
            host.lost_triggers = 2
        elif fate == "hard of hearing":
            host.lost_triggers = 1
        elif fate == "stuck":
            host.trigger_fails_later = True
        elif fate == "keeping":
            host.load_disabled = True

    def first_events(self, plan: Any, terms: Any, rest: Rest | None) -> list[Event]:
        self.state = RunState.from_records(self.disk)
        first = super().first_events(plan, terms, rest)
        for event in first:
            self.state.apply(event, "")
        return first

    def show(self, event: Event) -> None:
        super().show(event)
        if event.name in ("run_started", "run_resumed"):
            return
        self.state.apply(event, "")
        cut = self._cuts.get(event.host) if isinstance(event, HostEvent) else None
        if cut is not None and isinstance(event, HostEvent) and event.name == cut.event:
            guest = self.guests[event.host]
            guest.cut = (guest.now + cut.after_s, guest.now + cut.after_s + cut.for_s)

    def live_as(self, process: Process, *, resume: bool) -> bool:
        """Have a process live; whether it ended by itself."""
        self._break(process.trouble)
        self.options["window"] = process.window
        self.now += process.after_s
        self.actions = []
        if process.killed_at_s is not None:
            self.actions.append((process.killed_at_s, self._kill))
        if process.interrupted_at_s is not None:
            self.interrupt_at(process.interrupted_at_s)
        if process.trouble.full_at_s < math.inf:
            self.actions.append((process.trouble.full_at_s, lambda conductor: vars(self).update(disk_full=True)))
        self.statuses, self.stopped = {}, None
        self.conduct(
            resume=resume,
            only=process.play,
            retry_failed=process.retry_failed,
            kill_after=None if process.killed_after is None else len(self.disk) + process.killed_after,
        )
        self.disk_full = False
        return bool(self.statuses)

    def _kill(self, _conductor: Conductor) -> None:
        if not self._death.done():
            self._death.set_result(None)

    def _break(self, trouble: Trouble) -> None:
        for name, guest in self.guests.items():
            guest.raises = {call: (ERRORS[error], times) for call, (error, times) in trouble.calls.get(name, {}).items()}
            guest.answers = dict.fromkeys(trouble.refusing.get(name, ()), (1, "exit code 1"))
            guest.cut = (math.inf, math.inf)
        self._cuts = trouble.cuts
        self.slots.raises = {call: (AWAY, times) for call, times in trouble.lock_calls.items()}
        self.slots.lost_answers = trouble.lost_answers
        self.slots.unreadable |= self.slots.held & set(trouble.unreadable)

    def mend(self) -> None:
        """Have everything work again, and hosts that are down for good come up as they went down."""
        # Whose record can't be read is freed by hand.
        self.slots.held -= self.slots.unreadable
        self.slots.unreadable.clear()
        for guest in self.guests.values():
            guest.comes_back, guest.load_disabled = True, False
            if guest.down_at < math.inf:
                guest.up_at = min(guest.up_at, max(self.now, guest.down_at) + 5.0)

    # What is seen.

    def wrongs(self) -> list[str]:
        """What must not have happened at any time."""
        return [*self.slots.wrongs, *(wrong for guest in self.guests.values() for wrong in guest.wrongs)]

    def untold(self) -> list[str]:
        """What is left and not owed, once a process has ended in an orderly way."""
        return looked_at(self._untold, self.now)

    def _untold(self) -> list[str]:
        found = []
        for name, guest in self.guests.items():
            state = self.state.hosts[name]
            may_begin = guest.up and guest.down_at < math.inf
            if guest.up and guest.staged and "image" not in state.owed:
                found.append("an image is loaded on %s" % name)
            if may_begin and "image" not in state.withheld:
                found.append("the reboot of %s may begin" % name)
            failed_after = self.statuses[name] is Status.FAILED and (guest.boots_so_far > 0 or not guest.up)
            if guest.drained and not failed_after and "drain" not in state.owed and "image" not in state.withheld:
                found.append("%s is drained" % name)
            if name in self.slots.held and "slot" not in state.owed:
                found.append("%s has a slot" % name)
        return found

    def left(self) -> list[str]:
        """What is left though nothing was in the way of giving it back."""
        return looked_at(self._left, self.now)

    def _left(self) -> list[str]:
        found = []
        for name, guest in self.guests.items():
            state = RunState.from_records(self.disk).hosts[name]
            if state.owed:
                found.append("%s owes %s" % (name, state.owed))
            if guest.staged or guest.going:
                found.append("%s is staged or about to reboot" % name)
            rebooted_in_vain = self.statuses[name] is Status.FAILED and guest.boots_so_far > 0
            if guest.drained and not rebooted_in_vain:
                found.append("%s is drained" % name)
            if self.hooks and rebooted_in_vain and not guest.drained:
                found.append("%s was put back into service as it came back" % name)
            if name in self.slots.held:
                found.append("%s has a slot" % name)
        return found


def looked_at(look: Callable[[], list[str]], now: float) -> list[str]:
    """Look at hosts as they are at a time of the event loop's clock."""

    async def looked() -> list[str]:
        return look()

    found: list[str] = run(looked(), start=now)
    return found
