# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that are killed at every record, and resumed with other hosts and limits each time."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.resuming import AT_ONCE, Rest
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.terms import Terms
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import Plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionError, SessionLost

from ..machines import difference
from .worlds import HOOKS, World

RACKS = ("r0", "r1")
ENDS = {Status.DONE, Status.FAILED, Status.REFUSED}


class Watched(World):
    """A world that compares, whenever a host becomes unavailable, how many there are with how many may be.

    :ivar state: state of the run as its controller has it.

    A host is unavailable while it is drained or down, whatever the journal says of it. One that failed stays drained.
    """

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__(*names, **options)
        self.breaches: list[str] = []
        self._out: set[str] = set()
        self._held: set[str] = set()
        self.state = RunState()

    def drained(self, name: str) -> bool:
        last = [line for line in self.hosts[name].log if line in ("run lb drain", "run lb undrain")][-1:]
        return last == ["run lb drain"]

    def unavailable(self) -> set[str]:
        there = (name for name in self.hosts if name not in self.gone)
        return {name for name in there if not self.hosts[name].up or self.drained(name)}

    def first_events(self, plan: Plan, terms: Terms, rest: Rest | None) -> list[Event]:
        first = super().first_events(plan, terms, rest)
        for event in first:
            self.state.apply(event, "")
        return first

    def show(self, event: Event) -> None:
        self.state.apply(event, "")
        self.look()

    async def commit(self, batch: Sequence[Event]) -> None:
        await super().commit(batch)
        self.look()

    def look(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        unavailable = self.unavailable()
        out = {name for name in unavailable if self.scheduler.status(name) is not Status.FAILED}
        self._held = {name for name in self._held if self.scheduler.status(name) in (Status.WAITING, Status.IN_FLIGHT)}
        new, self._out = out - self._out - self._held, out
        window, rack_limit = int(self.options["window"]), self.options.get("max_unavailable", {}).get("rack")
        if new and len(out) > window:
            self.breaches.append("%s are out, and the window is %d" % (sorted(out), window))
        for rack in RACKS:
            owing = {name for name in unavailable if self.state.hosts[name].withheld}
            of_rack = {name for name in out | owing if self.domains[name]["rack"] == rack}
            if rack_limit and of_rack & new and len(of_rack) > rack_limit:
                self.breaches.append("%s of rack %s are out, and %d may be" % (sorted(of_rack), rack, rack_limit))

    async def _conduct(self, rest: Rest | None) -> None:
        # Hosts that are out already when the process begins, or may be, are not its fault.
        vars(self).pop("scheduler", None)
        self._out = self.unavailable()
        self.state = RunState.from_records(self.disk)
        self._held = set(rest.names(AT_ONCE) if rest is not None else ())
        await super()._conduct(rest)


def fleet(random: Random) -> Watched:
    names = "abcdefgh"[: random.randint(3, 7)]
    options: dict[str, Any] = {"window": random.randint(1, 3), "failure_budget": "100%"}
    if random.random() < 0.5:
        options["canaries"] = {"count": 1, "soak": random.choice([0, 40])}
    if random.random() < 0.5:
        options["waves"] = [random.randint(1, 3)]
    if random.random() < 0.5:
        options["max_unavailable"] = {"rack": random.randint(1, 2)}
    if random.random() < 0.3:
        options["order"] = "shuffle"
    world = Watched(*names, hooks=HOOKS, **options)
    world.domains = {name: {"rack": RACKS[number % 2]} for number, name in enumerate(names)}
    for host in world.hosts.values():
        host.shutdown_s += random.random()
        host.outage_s += 10 * random.random()
        host.module_s += random.random()
        fate = random.random()
        if fate < 0.1:
            host.stage_error = {"code": "LOCKDOWN", "msg": "locked down"}
        elif fate < 0.2 and "canaries" not in options:
            host.boots = "foreign"
        elif fate < 0.3:
            host.lost_triggers = 1
        elif fate < 0.4 and "canaries" not in options:
            host.machine.differs = {boot: [difference("CPU_LOST", "3")] for boot in range(1, random.randint(2, 3))}
    return world


def resume(world: Watched, random: Random, *, everything: bool) -> None:
    """Resume a run with other hosts and limits, and kill it again unless it is to do everything that is left."""
    names = list(world.hosts)
    world.gone = set() if everything else {name for name in names if random.random() < 0.15}
    only = set(names) if everything else {name for name in names if random.random() < 0.7}
    failed = set() if everything else {name for name in only if random.random() < 0.15}
    if not only - failed - world.gone:
        only, world.gone = set(names), set()
    world.options = {**world.options, "window": random.randint(1, 3)}
    if "max_unavailable" in world.options:
        world.options["max_unavailable"] = {"rack": random.randint(1, 2)}
    world.now += random.choice([0.0, 5.0, 300.0])
    triggers = {name: world.triggers(name) for name in names}
    settled = RunState.from_records(world.disk).settled()
    killed = not everything and random.random() < 0.7
    world.statuses = {}
    world.conduct(resume=True, only=only, failed=failed, kill_after=len(world.disk) + random.randint(1, 40) if killed else None)
    for name in names:
        may_go = name in only - failed - world.gone and name not in settled
        assert may_go or world.triggers(name) == triggers[name], "%s was rebooted" % name
    if world.statuses:
        require_tidy(world)


def require_tidy(world: Watched) -> None:
    """Require that nothing is left on hosts that exist, except on those that failed, and what is owed."""
    for name, host in world.hosts.items():
        if name in world.gone:
            continue
        owed = world.state.hosts[name].owed
        failed = world.statuses[name] is Status.FAILED
        assert host.staged is None or "image" in owed or (failed and host.down_at <= world.now), "an image is loaded on %s" % name
        assert not world.drained(name) or "drain" in owed or failed, "%s is drained" % name
        assert name not in world.budget.held or "slot" in owed, "%s holds a slot" % name
        require_whole(world, name)


def require_whole(world: Watched, name: str) -> None:
    """Require that a host which is done was compared with what it was at first, and is that."""
    host = world.hosts[name]
    assert host.machine.remembered in (None, "old-" + name), "%s was remembered anew" % name
    if world.statuses[name] is Status.DONE:
        assert host.machine.asked[-1] == ("compared", host.boot_id), "%s was not compared" % name
        assert not host.machine.differs.get(host.boots_so_far), "%s is degraded" % name


@pytest.mark.parametrize("seed", range(3))
def test_no_resume_exceeds_its_limits_or_leaves_anything_behind(seed: int) -> None:
    records = len(fleet(Random(seed)).conduct().disk)
    for count in range(1, records + 1):
        random = Random(1000 * seed + count)
        world = fleet(Random(seed))
        world.conduct(kill_after=count)
        for _attempt in range(random.randint(0, 3)):
            resume(world, random, everything=False)
        resume(world, random, everything=True)
        message = "seed %d, killed at record %d" % (seed, count)
        assert not world.breaches, "%s: %s" % (message, world.breaches)
        assert world.stopped in (None, "CANARY_FAILED"), message
        if world.stopped is None:
            assert set(world.statuses.values()) <= ENDS, message
        for name, host in world.hosts.items():
            assert host.boots_so_far == (world.statuses[name] in (Status.DONE, Status.FAILED)), "%s: %s" % (message, name)


CALLS = ("boot_facts", "stage", "machine", "trigger", "call off", "state", "restore panic", "drain", "undrain", "someone")
ERRORS = (SessionLost("no answer"), SessionError("BECOME_FAILED", "sudo: LDAP is away"), SessionError("MODULE_FAILED", "noise"))
LOCK_CALLS = ("acquire", "confirm", "release", "holders")


def break_something(world: Watched, random: Random) -> None:
    """Have calls of sessions, hooks and the lock fail from now on, each for some times."""
    for host in world.hosts.values():
        host.raises = {call: (random.choice(ERRORS), random.choice([1, 2, 4, 40])) for call in CALLS if random.random() < 0.15}
        host.answers = {call: (1, "exit code 1") for call in ("drain", "undrain") if random.random() < 0.07}
        host.comes_back = random.random() > 0.05
    unavailable = LockError("LOCK_UNAVAILABLE", "connection refused")
    world.budget.raises = {call: (unavailable, random.choice([1, 3, 20, 60])) for call in LOCK_CALLS if random.random() < 0.15}
    world.budget.lost_answers = random.choice([0, 0, 1, 3])
    world.budget.slots = random.randint(1, 4)
    if random.random() < 0.2:
        world.interrupt_at(30 * random.random())


def mend(world: Watched) -> None:
    """Have everything work again, and every host that is down come up."""
    world.budget.lost_answers = 0
    world.budget.raises, world.budget.slots, world.options["stall_timeout"] = {}, 10, 7200
    for host in world.hosts.values():
        host.raises, host.answers, host.comes_back = {}, {}, True
        if host.down_at < float("inf"):
            host.up_at = min(host.up_at, max(world.now, host.down_at) + 5.0)


@pytest.mark.parametrize("seed", range(100))
def test_whatever_fails_debts_are_paid_or_told_and_limits_hold(seed: int) -> None:
    random = Random(seed)
    world = fleet(random)
    world.options["stall_timeout"] = 300
    world.reboot_timeout_s = 60.0
    world.fallback = random.choice(["none", "firmware"])
    world.hooks = random.choice([HOOKS, HOOKS, {}, {"after": HOOKS["after"]}])
    began = world.now
    break_something(world, random)
    if random.random() < 0.2:
        world.actions.append((60 * random.random(), lambda conductor: vars(world).update(disk_full=True)))
    world.conduct(kill_after=random.choice([None, random.randint(1, 100)]))
    world.actions, world.disk_full = [], False
    for _attempt in range(random.randint(0, 3)):
        break_something(world, random)
        resume(world, random, everything=False)
    break_something(world, random)
    resume(world, random, everything=True)
    assert world.stopped != "INTERNAL_ERROR"
    assert world.now - began < 5 * 3600, "the run ends"
    mend(world)
    world.actions.clear()
    world.now += 30.0
    resume(world, random, everything=True)
    assert not world.breaches, world.breaches
    assert world.stopped in (None, "CANARY_FAILED")
    for name, host in world.hosts.items():
        state = world.state.hosts[name]
        assert state.owed == {} and name not in world.budget.held, "%s owes %s" % (name, state.owed)
        assert host.staged is None, "an image is loaded on %s" % name
        assert state.reason is None or state.reason.code != "INTERNAL_ERROR"
        assert host.boots_so_far <= 1 + (world.fallback != "none"), "%s was rebooted too often" % name
        events = world.events(name)
        assert events.count("host_released") + events.count("host_failed") <= 1, "%s ended twice" % name
