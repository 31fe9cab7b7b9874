# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts whose journals and results are golden: each goes one of the ways there are."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import GOING_DOWN_RC
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder

from .. import stories
from .._reboot.reboots import BLOCKED, LOCKED
from .._rollout.worlds import HOOKS, World, command, lose_after
from ..fleets import PREDICTION
from ..machines import difference
from ..simulated import Host
from .screens import Screens
from .subject import (
    GOING,
    Event,
    Forecast,
    History,
    Journal,
    Plan,
    Record,
    Rest,
    RunState,
    RunStore,
    Terms,
    ended_as,
    events,
    flat,
    forecast,
    part_of,
    rolling_result,
    summary_of,
    told_of,
    utc,
)

# What the event loop's clock has to be ahead by for a rollout to begin at noon.
NOON_S = 1_795_521_600.0
EPOCH_S = NOON_S - 1000.0

_SHORT_TIMELINE = {"path": "kexec", "start": "2026-11-24T12:00:02.000Z", "phases": []}

LOST_LINK = difference("NIC_NO_CARRIER", "eth1")
SLOWER_CLOCK = difference("CLOCKSOURCE_CHANGED", "clocksource0", "warn", before="tsc", after="hpet")

# No two hosts do anything at the same moment, so that nothing hangs on the order in which the loop wakes them.
_APART_S = 0.012


class Golden(World):
    """A rollout with its journal on a real disk, and everything that is seen of it and said at its end.

    :ivar lives: what each controller process showed and returned.
    """

    def __init__(self, directory: Path, *names: str, **options: Any) -> None:
        super().__init__(*names, **options)
        self.commit_s = 0.0
        # As by default, a slot only keeps two runs from rebooting one host.
        self.budget.counted = False
        self.epoch_s = EPOCH_S
        self.host_class = "qemu/2"
        self.reboot_timeout_s = 40.0
        for number, host in enumerate(self.hosts.values()):
            host.module_s += number * _APART_S
            host.command_s += number * _APART_S / 4
            host.shutdown_s += number * _APART_S
            host.ahead_s = EPOCH_S + 0.04
            host.timeline = _SHORT_TIMELINE
        self.store = RunStore(str(directory))
        self.path = self.store.new("golden", NOON_S, lambda count: "ab" * count).journal
        self.lives: list[dict[str, Any]] = []

    def write(self, record: Record) -> None:
        """Have a record in the journal."""
        self._journal.append([record])
        super().write(record)

    def roll(self, *, resume: bool = False, retry_failed: bool = False, killed_at: tuple[str, str] | None = None) -> Golden:
        """Run a controller to its end.

        :param killed_at: the event and host with whose record it ends.
        """
        self._state = RunState()
        with Journal(self.path, clock=self.hosts_now, replay=self._state.read) as self._journal:
            rest = self.rest(retry_failed=retry_failed) if resume else None
            self.live(rest, kill_at=killed_at)
        life = self._screens.seen()
        if not killed_at:
            life["summary"] = summary_of(self._state, self._foreseen)
            life["result"] = rolling_result(self._state, self._foreseen, self.statuses, self.results)
        self.lives.append(life)
        return self

    async def _conduct(self, rest: Rest | None) -> None:
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        await super()._conduct(rest)
        ended = events.RunEnded(counts=ended_as(self._state, self.statuses), duration_ms=round((self.now - self._began) * 1000))
        self.disk_full = False
        await self.commit([ended])
        self.show(ended)

    def first_events(self, plan: Plan, terms: Terms, rest: Rest | None) -> list[Event]:
        """As a controller writes them."""
        now = datetime.fromtimestamp(self.hosts_now(), UTC)
        left = plan if rest is None else part_of(plan, set(rest.names(GOING)))
        self._foreseen: Forecast = forecast(left, terms.settings_at(now), History({}), 1)
        self._screens = Screens({host.name: PREDICTION for host in plan.hosts}, self._state, self._began)
        first = super().first_events(plan, terms, rest)[0]
        if isinstance(first, events.RunStarted):
            bystanders = tuple(each.name for each in plan.bystanders)
            first = replace(
                first, run_id="golden", controller="admin1", pid=4711, collection_version="0.1.0", bystanders=bystanders
            )
        elif isinstance(first, events.RunResumed):
            first = replace(first, controller="admin2", pid=815)
        opening = [first, events.RunTerms.of(plan, terms.settings, self._foreseen)]
        for event in opening:
            self.show(event)
        return opening

    def show(self, event: Event) -> None:
        """Have it seen, if there is anybody yet to show it."""
        if self._death.done():
            return
        self._screens.show(self._state.apply(event, utc(self.hosts_now())), super().hosts_now())

    def tick(self, now: float) -> None:
        """Have time pass in what is seen."""
        super().tick(now)
        self._screens.tick(now, self.scheduler.waiting(now))

    def told(self) -> dict[str, Any]:
        """All that there is to know of it."""
        told = told_of(self.path, self.store)
        result = self.lives[-1]["result"]
        result["hosts"] = {name: _beside(flat(known), told["outcomes"][name]) for name, known in result["hosts"].items()}
        return {
            **told,
            "lives": self.lives,
            "done to": {name: host.log for name, host in self.hosts.items()},
            "timelines": {
                name: [in_ms(seen) for seen in host.timelines_asked]
                for name, host in self.hosts.items()
                if host.timeline is TIMELINE
            },
        }


def _beside(known: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    """What a result says of a host otherwise than the journal does, so that not everything stands there twice."""
    said = {name: value for name, value in known.items() if outcome.get(name) != value}
    return {**said, "unsaid": sorted(outcome.keys() - known.keys())}


def in_ms(seen: dict[str, Any]) -> str:
    """What the module that makes timelines is told, in whole milliseconds: nanoseconds would tell how often the loop turned."""
    return re.sub(r'_ns": (-?\d+)', lambda found: '_ms": %d' % round(int(found[1]) / 1e6), json.dumps(seen, sort_keys=True))


Story = Callable[[Path], Golden]
STORIES: dict[str, Story] = {}


def _story(tell: Story) -> Story:
    STORIES[tell.__name__] = tell
    return tell


def _interrupt(conductor: Any) -> None:
    conductor.stop(reason("INTERRUPTED", "the playbook was interrupted"))


# Hosts that are done.


@_story
def done_by_kexec(directory: Path) -> Golden:
    return Golden(directory, "a", "b", "c", hooks=HOOKS).roll()


@_story
def through_firmware(directory: Path) -> Golden:
    world = Golden(directory, "asked", "blocked", "locked", window=2)
    world.method = "auto"
    world.hosts["blocked"].blockers = [BLOCKED]
    world.hosts["locked"].stage_error = LOCKED
    # It falls through, and that is good enough.
    world.hosts["asked"].boots = "firmware"
    return world.roll()


@_story
def method_firmware(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", failure_budget=1)
    world.method = "firmware"
    world.hosts["b"].boots = "somebody's kexec"
    return world.roll()


@_story
def waves(directory: Path) -> Golden:
    names = ["web%d" % number for number in range(1, 5)]
    world = Golden(directory, *names, window=2, canaries={"count": 1, "soak": 20}, waves=[2], wave_soak=5)
    return world.roll()


@_story
def limits(directory: Path) -> Golden:
    world = Golden(directory, *"abcd", window=3, max_unavailable={"rack": 1, "all": "50%"}, min_available={"all": 2})
    world.domains = {name: {"rack": "r%d" % (number % 2)} for number, name in enumerate("abcd")}
    return world.roll()


@_story
def slot_of_others(directory: Path) -> Golden:
    world = Golden(directory, "a", "b")
    world.budget.taken_by_others = {"a": Holder("a", "night", "elsewhere", "2026-11-24T11:00:00Z")}
    world.actions = [(30.0, lambda conductor: world.budget.taken_by_others.clear())]
    return world.roll()


TIMELINE: dict[str, Any] = {
    **stories.TIMELINE,
    "phases": [
        {"name": "drain", "start_ms": 0.0, "duration_ms": 200.5, "error_ms": 1, "source": "controller", "within": None},
        {"name": "jump", "start_ms": 1700.0, "duration_ms": 41.5, "error_ms": 0.2, "source": "tsc", "within": None},
        {"name": "stub", "start_ms": 1710.0, "duration_ms": 3.25, "error_ms": 0.2, "source": "tsc", "within": "jump"},
        {"name": "userspace", "start_ms": 3000, "duration_ms": 2600.125, "error_ms": 1.5, "source": "systemd", "within": None},
    ],
    "outage": {"start_ms": 1600, "duration_ms": 6000, "error_ms": 50, "seen_by": "ssh"},
    "probe_outage": {"start_ms": 1610, "duration_ms": 8990, "error_ms": 80, "seen_by": "tcp 443"},
    "units": {
        "stop": [{"unit": "nginx.service", "duration_ms": 812.5}],
        "start": [{"unit": "docker.service", "duration_ms": 1511.0}],
    },
    "initcalls": [{"name": "acpi_init", "duration_ms": 31.25}],
}


@_story
def timelines(directory: Path) -> Golden:
    world = Golden(directory, "full", "none", "unwell", hooks={"after": [command("check", "health")]}, failure_budget=1, window=3)
    world.hosts["full"].timeline, world.hosts["full"].timeline_s = TIMELINE, 30.0
    world.hosts["none"].timeline = None
    world.hosts["unwell"].timeline = TIMELINE
    world.hosts["unwell"].answers["health"] = (1, "no answer")
    return world.roll()


@_story
def probe(directory: Path) -> Golden:
    names = ("back", "early", "down", "never")
    world = Golden(directory, *names, hooks={"after": [command("check", "it", retries=20, delay=1.0)]}, window=4)
    world.probe = {"port": 443}
    world.hosts["back"].timeline = TIMELINE
    world.hosts["back"].answers["it"] = (1, "not yet")
    world.actions = [(20.0, lambda conductor: world.hosts["back"].answers.clear())]
    world.hosts["early"].service_lag_s = 0.0
    world.hosts["down"].service_lag_s = 1e5
    world.hosts["never"].serves_before = False
    return world.roll()


# Hosts that nothing happens to.


@_story
def refused(directory: Path) -> Golden:
    world = Golden(directory, "locked", "blocked", "container", "facts", "no_way", "mine", "fine")
    world.hosts["locked"].stage_error = LOCKED
    world.hosts["blocked"].blockers = [BLOCKED]
    world.hosts["container"].refuses = True
    world.hosts["container"].blockers = [{"code": "CONTAINER", "message": "a container", "hint": ""}]
    world.hosts["facts"].facts_error = {"msg": "no python"}
    world.no_way_to = {"no_way"}
    world.hosts["mine"].boot_id = "mine"
    return world.roll()


@_story
def interrupted(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", "c", hooks=HOOKS)
    world.actions = [(6.0, _interrupt)]
    return world.roll()


@_story
def interrupted_while_draining(directory: Path) -> Golden:
    hooks = {"before": [command("lb", "drain"), command("wait", "long")], "after": [command("lb", "undrain")]}
    world = Golden(directory, "a", hooks=hooks)
    world.actions = [(1.3, _interrupt)]
    world.hosts["a"].answers["undrain"] = (1, "the balancer said no\nand\tmore")
    return world.roll()


@_story
def lock_lost(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS)
    lose_after(world, "host_intent")
    return world.roll()


@_story
def disk_full(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS)

    def fill(_conductor: Any) -> None:
        world.disk_full = True

    world.actions = [(0.5, fill)]
    return world.roll()


@_story
def deadline(directory: Path) -> Golden:
    return Golden(directory, "a", "b", "c", deadline=212.0).roll()


# Hosts that fail.


@_story
def before_hook_fails(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS)
    world.hosts["a"].answers["drain"] = (1, "still 7 connections")
    return world.roll()


@_story
def image_stays(directory: Path) -> Golden:
    world = Golden(directory, "a", hooks=HOOKS)
    world.hosts["a"].answers["drain"] = (1, "still 7 connections")
    world.hosts["a"].call_off_rc = 1
    return world.roll()


@_story
def trigger_failed(directory: Path) -> Golden:
    world = Golden(directory, "refused", "later", "unheard", "heard_again", hooks=HOOKS, failure_budget=3)
    world.hosts["refused"].trigger_rc = 1
    world.hosts["later"].trigger_fails_later = True
    world.hosts["unheard"].lost_triggers = 2
    world.hosts["heard_again"].lost_triggers = 1
    return world.roll()


@_story
def not_rebooted(directory: Path) -> Golden:
    world = Golden(directory, "called_off", "perhaps", "c", hooks=HOOKS, failure_budget=2, window=2)
    for name in ("called_off", "perhaps"):
        world.hosts[name].shutdown_s = 1e9
    world.hosts["perhaps"].call_off_rc = 1
    return world.roll()


@_story
def stays_down(directory: Path) -> Golden:
    world = Golden(directory, "away", "late", "hangs", "distrusted", "b", hooks=HOOKS, failure_budget=4, window=4)
    world.probe = {"port": 443}
    world.hosts["away"].comes_back = False
    world.hosts["late"].outage_s = 55.0
    world.hosts["hangs"].hangs = True
    world.hosts["distrusted"].distrusted, world.hosts["distrusted"].patience = "Host key verification failed.", 2
    return world.roll()


@_story
def capacity_given_back(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", failure_budget=1, max_unavailable={"rack": 1})
    world.domains = {"a": {"rack": "r"}, "b": {"rack": "r"}}
    world.hosts["a"].outage_s = 70.0
    return world.roll()


@_story
def capacity_spent(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", failure_budget=1, max_unavailable={"rack": 1}, stall_timeout=60)
    world.domains = {"a": {"rack": "r"}, "b": {"rack": "r"}}
    world.hosts["a"].comes_back = False
    return world.roll()


@_story
def unreachable(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", failure_budget=1)
    world.hosts["a"].down_at = 0.0
    return world.roll()


@_story
def budget_spent(directory: Path) -> Golden:
    world = Golden(directory, *"abcd", hooks={"after": [command("check", "health")]}, failure_budget=1, window=2)
    for name in "ac":
        world.hosts[name].answers["health"] = (1, "no answer\nfrom 10.0.0.1")
    return world.roll()


@_story
def canary_failed(directory: Path) -> Golden:
    world = Golden(
        directory, "a", "b", "c", hooks={"after": [command("check", "health")]}, canaries={"count": 1}, failure_budget=2
    )
    world.hosts["a"].answers["health"] = (1, "no answer")
    return world.roll()


@_story
def regression(directory: Path) -> Golden:
    world = Golden(directory, *"abcd", stop_on_regression={"margin": "50%", "samples": 2})
    world.hosts["c"].outage_s = 30.0
    return world.roll()


# Fallbacks.


@_story
def not_proven(directory: Path) -> Golden:
    world = Golden(directory, "foreign", "fell_through", "b", hooks=HOOKS, failure_budget=2)
    world.hosts["foreign"].boots = "foreign"
    world.hosts["fell_through"].boots = "firmware"
    return world.roll()


@_story
def not_proven_then_firmware(directory: Path) -> Golden:
    world = Golden(
        directory, "helped", "not_helped", "fell_through", fallback="firmware", hooks=HOOKS, failure_budget=2, window=3
    )
    world.hosts["helped"].boots = "foreign"
    world.hosts["not_helped"].boots = "somebody's kexec"
    world.hosts["fell_through"].boots = "firmware"
    return world.roll()


@_story
def degraded(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", "warned", "never_seen", hooks=HOOKS, failure_budget=2, window=2)
    for name in ("a", "b"):
        world.hosts[name].machine.differs = {1: [LOST_LINK, difference("PCI_DEVICE_LOST", "0000:3b:00.0"), SLOWER_CLOCK]}
    world.hosts["warned"].machine.differs = {1: [SLOWER_CLOCK]}
    unknown = difference("MACHINE_UNKNOWN", "", "warn")
    answer = {"compared": False, "model": "", "before": None, "settled_ms": 0, "differences": [unknown]}
    world.hosts["never_seen"].machine.answers["compared"] = answer
    return world.roll()


@_story
def degraded_then_firmware(directory: Path) -> Golden:
    world = Golden(directory, "helped", "not_helped", fallback="firmware", hooks=HOOKS, failure_budget=2, window=2)
    world.hosts["helped"].machine.differs = {1: [LOST_LINK]}
    world.hosts["not_helped"].machine.differs = {1: [LOST_LINK], 2: [LOST_LINK]}
    return world.roll()


@_story
def not_proven_without_lock(directory: Path) -> Golden:
    world = Golden(directory, "a", fallback="firmware")
    world.hosts["a"].boots = "foreign"
    lose_after(world, "host_back")
    return world.roll()


@_story
def somebody_else_s_kexec(directory: Path) -> Golden:
    world = Golden(directory, "ours", "theirs", failure_budget=1)
    for host in world.hosts.values():
        host.trigger_rc = GOING_DOWN_RC
    world.hosts["theirs"].boots = "somebody's kexec"
    return world.roll()


@_story
def soft(directory: Path) -> Golden:
    world = Golden(directory, "able", "pending", hooks=HOOKS)
    world.method = "soft"
    pending = reason(
        "SOFT_INCOMPLETE", "a soft reboot keeps the running kernel and would not apply: the default entry boots 2, 1 runs"
    )
    world.hosts["pending"].soft = {"blockers": [pending.as_dict()], "warnings": []}
    return world.roll()


@_story
def least(directory: Path) -> Golden:
    """Each host is rebooted by the least that it needs: none, a soft one, and a kexec in place of one that is not possible."""
    world = Golden(directory, "current", "userspace", "old", "kernel", "cold", hooks=HOOKS)
    world.method = "least"
    userspace = reason("PENDING_USERSPACE", "dbus.service runs what was replaced since it started: libc.so.6").as_dict()
    kernel = reason("PENDING_KERNEL", "the default entry boots 2, 1 runs").as_dict()
    firmware = reason("PENDING_FIRMWARE", "an EFI capsule is to be processed at the next start of firmware").as_dict()
    needs = {"userspace": [(userspace, "soft")], "old": [(userspace, "soft")], "kernel": [(userspace, "soft"), (kernel, "kexec")]}
    needs["cold"] = [(firmware, "firmware")]
    for name, reasons in needs.items():
        world.hosts[name].needs = [{**each, "method": method} for each, method in reasons]
    unsupported = reason("SOFT_UNSUPPORTED", "systemd 252 knows no soft reboot, which systemd 254 brought")
    world.hosts["old"].soft = {"blockers": [unsupported.as_dict()], "warnings": []}
    return world.roll()


@_story
def power_hook(directory: Path) -> Golden:
    hooks = {**HOOKS, "power": [command("ipmi", "cycle")]}
    world = Golden(directory, "helped", "in_vain", "broken", fallback="power_hook", hooks=hooks, failure_budget=3, window=3)
    for host in world.hosts.values():
        host.beside = {"cycle"}
        host.comes_back = False
    world.hosts["helped"].comes_back, world.hosts["helped"].outage_s, world.hosts["helped"].boots = True, 60.0, "firmware"
    world.hosts["broken"].answers["cycle"] = (1, "no such chassis")
    return world.roll()


# Hosts around them.


@_story
def bystander(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", max_unavailable={"rack": 1})
    world.domains = {name: {"rack": "r"} for name in ("a", "b", "other")}
    other = world.bystanders["other"] = Host("other")
    other.down_at, other.up_at = 0.0, world.now + 50

    def fall(_conductor: Any) -> None:
        other.down_at, other.up_at = other.now, other.now + 40

    world.actions = [(75.0, fall)]
    return world.roll()


@_story
def bystander_known_to_be_down(directory: Path) -> Golden:
    world = Golden(directory, "a", max_unavailable={"rack": 1}, stall_timeout=30)
    world.domains = {name: {"rack": "r"} for name in ("a", "other")}
    other = world.bystanders["other"] = Host("other")
    other.down_at, other.direct = 0.0, False
    world.down_at_start = ["other"]
    return world.roll()


# Runs that are resumed.


def _resumed(world: Golden, event: str, host: str = "a", after_s: float = 20.0, **options: Any) -> Golden:
    world.roll(killed_at=(event, host))
    world.now += after_s
    return world.roll(resume=True, **options)


@_story
def resumed_came_back(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS)
    world.hosts["a"].timeline = TIMELINE
    return _resumed(world, "host_down")


@_story
def resumed_on_its_way(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS)
    world.hosts["a"].outage_s = 25.0
    return _resumed(world, "host_triggered", after_s=0.0)


@_story
def resumed_never_heard(directory: Path) -> Golden:
    return _resumed(Golden(directory, "a", "b", hooks=HOOKS), "host_intent")


@_story
def resumed_stays_away(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS)
    world.hosts["a"].comes_back = False
    return _resumed(world, "host_down")


@_story
def resumed_no_way(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS, failure_budget=1)
    world.roll(killed_at=("host_triggered", "a"))
    world.no_way_to = {"a"}
    return world.roll(resume=True)


@_story
def resumed_while_prepared(directory: Path) -> Golden:
    return _resumed(Golden(directory, "a", "b", hooks=HOOKS), "host_prepared", "b")


@_story
def resumed_and_interrupted(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", hooks=HOOKS)
    world.roll(killed_at=("hook_ended", "a"))
    world.actions = [(0.0, _interrupt)]
    return world.roll(resume=True)


@_story
def resumed_after_discarded(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", "c", hooks=HOOKS)
    world.actions = [(6.0, _interrupt)]
    world.roll()
    world.now += 300.0
    return world.roll(resume=True)


def _half_failed(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", "c", hooks={"after": [command("check", "health")]}, failure_budget=1)
    world.hosts["a"].answers["health"] = (1, "no answer")
    world.hosts["b"].stage_error = LOCKED
    world.roll()
    world.hosts["a"].answers.clear()
    world.hosts["b"].stage_error = None
    world.now += 300.0
    return world


@_story
def resumed_after_failed(directory: Path) -> Golden:
    return _half_failed(directory).roll(resume=True)


@_story
def resumed_and_retried(directory: Path) -> Golden:
    return _half_failed(directory).roll(resume=True, retry_failed=True)


@_story
def resumed_twice(directory: Path) -> Golden:
    world = Golden(directory, "a", "b", "c", hooks=HOOKS, canaries={"count": 1, "soak": 30})
    world.probe = {"port": 443}
    world.roll(killed_at=("host_verified", "a"))
    world.now += 3600.0
    world.roll(resume=True, killed_at=("host_drained", "b"))
    world.now += 5.0
    return world.roll(resume=True)


# Journals that nobody rolled.


def night(directory: Path, journal: Sequence[Record], cut_bytes: int = 0) -> tuple[bytes, dict[str, Any]]:
    """A journal with these records, one each 1.5 s, and what it tells.

    :param cut_bytes: torn off its end.
    """
    store = RunStore(str(directory))
    path = store.new("golden", NOON_S, lambda count: "ab" * count).journal
    times = itertools.count()
    with Journal(path, clock=lambda: NOON_S + 1.5 * next(times)) as opened:
        for record in journal:
            opened.append([record])
    os.truncate(path, os.path.getsize(path) - cut_bytes)
    state = RunState()
    screens = Screens(dict.fromkeys(journal[0]["hosts"], PREDICTION), state, 0.0)
    for number, record in enumerate(journal):
        change = state.read(dict(record, at=utc(NOON_S + 1.5 * number)))
        assert change is not None
        screens.show(change, 1.5 * number)
        screens.tick(1.5 * number + 0.5)
    told = {**told_of(path, store), **screens.seen(), "summary": summary_of(state, None)}
    return Path(path).read_bytes(), told


def written(name: str, directory: Path) -> tuple[bytes, dict[str, Any]]:
    """The journal of a rollout, and everything else that is known of it."""
    if name in NIGHTS:
        return night(directory, *NIGHTS[name])
    world = STORIES[name](directory)
    return Path(world.path).read_bytes(), world.told()


NIGHTS: dict[str, tuple[Any, ...]] = {
    "every_event": (stories.night(),),
    "torn": (stories.night()[:30], 25),
}
ROLLOUTS = (*NIGHTS, *STORIES)
