# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens in whatever order: limits hold at every moment, everybody ends once, and it always comes to an end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import (
    Bystander,
    HostSpec,
    Member,
    Phases,
    Prediction,
    Status,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.scheduler import (
    WAITING,
    Discard,
    Go,
    Past,
    Prepare,
    Scheduler,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import ORDERS, settings_from

from ..fleets import ENOUGH, LOST, refusal

# The same examples every time: what fails here fails for everybody.
BOUNDED = hypothesis_settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=200,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)

HELD = reason("SLOTS_TAKEN", "others hold all slots")
ENDS = {Status.DONE, Status.REFUSED, Status.FAILED, Status.SKIPPED, Status.DISCARDED}


@dataclass(frozen=True)
class Scenario:
    """A fleet, what is asked of it, and how things turn out.

    :ivar unrest: how often machines go down or come up that nobody reboots, in percent of events.
    :ivar stop_after: events until somebody says stop; None: nobody does.
    """

    hosts: list[HostSpec]
    bystanders: list[Bystander]
    options: dict[str, Any]
    seed: int
    failures_percent: int
    unrest: int
    stop_after: int | None
    resumed: bool

    def room(self, limit: str) -> tuple[list[str], int]:
        """The members of a limit, and how many may be unavailable, counted anew and in another way."""
        members: list[Member] = [*self.hosts, *self.bystanders]
        dimension, _equals, domain = limit.partition("=")
        if dimension == "group":
            names = [each.name for each in members if domain in each.groups]
            return names, len(names) - self.options["min_available"][domain]
        names = [each.name for each in members if dimension == "all" or each.domains.get(dimension) == domain]
        value = self.options["max_unavailable"][dimension]
        return names, value if isinstance(value, int) else len(names) * int(value[:-1]) // 100

    def limits_of(self, member: Member) -> list[str]:
        """The limits that a machine counts for."""
        found = ["group=%s" % group for group in self.options["min_available"] if group in member.groups]
        for dimension in self.options["max_unavailable"]:
            if dimension == "all":
                found.append("all=")
            elif dimension in member.domains:
                found.append("%s=%s" % (dimension, member.domains[dimension]))
        return found


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Small fleets with narrow limits, so that these matter."""
    seed = draw(st.integers(0, 2**32))
    random = Random(seed)
    sizes = draw(st.tuples(st.integers(1, 30), st.integers(0, 6)))
    racks, zones = draw(st.tuples(st.integers(1, 5), st.integers(1, 3)))

    def member(name: str) -> tuple[str, dict[str, str], frozenset[str]]:
        domains = {"rack": "r%d" % random.randrange(racks), "zone": "z%d" % random.randrange(zones)}
        if random.random() < 0.1:
            del domains["rack"]
        return name, domains, frozenset(group for group in ("web", "db") if random.random() < 0.5)

    hosts = []
    for number in range(sizes[0]):
        p95 = Phases(*(random.uniform(1, 20) for _phase in range(4)))
        prediction = Prediction(p95, p95)
        hosts.append(HostSpec(*member("h%d" % number), "c%d" % random.randrange(3), draw(st.integers(0, 9)) == 0, prediction))
    percent_or_count = st.one_of(st.integers(1, 6), st.sampled_from(["20%", "50%", "90%"]))
    max_unavailable = draw(st.dictionaries(st.sampled_from(["rack", "zone", "all"]), percent_or_count))
    options = {
        "window": draw(st.integers(1, 8)),
        "max_unavailable": max_unavailable,
        "min_available": draw(st.dictionaries(st.sampled_from(["web", "db"]), st.integers(0, 5))),
        "canaries": {"count": draw(st.integers(0, 2)), "each_host_class": draw(st.booleans()), "soak": draw(st.integers(0, 30))},
        "waves": draw(st.sampled_from([[], [1, "50%"], ["10%"], [3, 7]])),
        "wave_soak": draw(st.integers(0, 20)),
        "failure_budget": draw(
            st.sampled_from([0, "50%", "100%", {"total": "100%", "consecutive": 2}, {"total": 99, "each_domain": {"zone": 1}}])
        ),
        "order": draw(st.sampled_from(ORDERS)),
        "deadline": draw(st.sampled_from([None, None, 50, 500])),
        "stop_on_regression": draw(st.sampled_from([None, None, {"margin": "50%", "samples": 3}])),
        "stall_timeout": 100,
    }
    return Scenario(
        hosts,
        [Bystander(*member("b%d" % number)) for number in range(sizes[1])],
        options,
        seed,
        failures_percent=draw(st.sampled_from([0, 5, 40])),
        unrest=draw(st.sampled_from([0, 5, 40])),
        stop_after=draw(st.one_of(st.none(), st.integers(0, 60))),
        resumed=draw(st.booleans()),
    )


@dataclass
class World:
    """Carries out what the scheduler decides, in random order, and holds it against rules of its own."""

    scenario: Scenario
    random: Random
    scheduler: Scheduler
    waves: list[list[str]]
    now: float = 0.0
    down: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    held_up: set[str] = field(default_factory=set)
    preparing: list[str] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)
    draining: list[str] = field(default_factory=list)
    triggered: list[str] = field(default_factory=list)
    discarding: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    left_out: int = 0
    begun: Counter[str] = field(default_factory=Counter)

    @property
    def out(self) -> set[str]:
        """Hosts that cost capacity because of the rollout."""
        return {*self.draining, *self.triggered, *(name for name in self.discarding if name not in self.ready)}

    def within_limits(self, name: str, unavailable: set[str]) -> bool:
        """Whether no limit that a host counts for is exceeded when these are unavailable."""
        member = next(each for each in self.scenario.hosts if each.name == name)
        limits = map(self.scenario.room, self.scenario.limits_of(member))
        return all(len(unavailable.intersection(names)) <= most for names, most in limits)

    def check_limits(self, name: str) -> None:
        """No limit that a host counts for is exceeded."""
        assert self.within_limits(name, self.out | self.down | self.withheld), name

    def check_nobody_waits_in_vain(self) -> None:
        """Who is ready and may go does go, and who can be prepared ahead is."""
        if self.scheduler.stopped:
            return
        may_go = [
            name
            for name in self.ready.difference(self.discarding, self.down)
            if self.within_limits(name, {name} | self.out | self.down | self.withheld)
        ]
        window = self.scenario.options["window"]
        assert not may_go or len(self.out) >= window
        ahead = self.ready.union(self.preparing)
        # While the window is full nobody looks who of the others could go.
        for_window = self.ready if len(self.out) >= window else self.ready & {*may_go, *self.discarding}
        if len(self.preparing) + len(for_window) >= window:
            return
        for names in self.waves:
            if any("Prepare " + name in self.begun for name in names):
                for name in names:
                    if self.scheduler.status(name) == Status.WAITING:
                        assert not self.within_limits(name, {name} | ahead), name

    def decide(self) -> None:
        """Ask what to do, and begin it."""
        stopped_before = self.scheduler.stopped
        for decision in self.scheduler.next(self.now):
            name = decision.host.name
            if isinstance(decision, Discard):
                assert name in self.ready
                assert name not in self.discarding
                self.discarding.append(name)
                continue
            assert not stopped_before
            self.begun["%s %s" % (type(decision).__name__, name)] += 1
            if isinstance(decision, Prepare):
                wave = next(number for number, names in enumerate(self.waves) if name in names)
                before = [other for names in self.waves[:wave] for other in names]
                assert all(other in self.ended or self.scheduler.status(other) == Status.SKIPPED for other in before)
                self.preparing.append(name)
            else:
                assert isinstance(decision, Go)
                self.ready.remove(name)
                self.draining.append(name)
                assert len(self.out) <= self.scenario.options["window"]
                self.check_limits(name)
                deadline = self.scenario.options["deadline"]
                assert deadline is None or self.now + decision.host.predicted.p95.from_go_s < deadline
        self.check_nobody_waits_in_vain()
        assert len(self.preparing) <= self.scenario.options["window"]
        prepared = len(self.preparing) + len(self.ready)
        lacking = len(self.down) + len(self.withheld) + len(self.scenario.bystanders)
        assert prepared <= 2 * self.scenario.options["window"] + lacking
        if self.scheduler.waiting(self.now) is None:
            assert not self.ready or self.scheduler.stopped

    def ask(self, name: str) -> bool:
        """Ask for the trigger of a host that is drained; whether it was answered for good."""
        denied = self.scheduler.may_trigger(name, self.now)
        if denied is not None and denied.code == WAITING:
            return False
        self.draining.remove(name)
        if denied is None:
            assert not self.scheduler.stopped
            self.triggered.append(name)
            self.check_limits(name)
        else:
            self.discarding.append(name)
        return True

    def go_on(self) -> bool:
        """Something that is under way comes to its end; False: nothing is."""
        going = [*self.preparing, *self.draining, *self.triggered, *self.discarding]
        self.random.shuffle(going)
        for name in going:
            if name in self.draining:
                if self.fails():
                    self.draining.remove(name)
                    self.down.discard(name)
                    self.ended.add(name)
                    self.scheduler.failed(name, self.now, LOST, down=False)
                elif not self.get_slot(name) or not self.ask(name):
                    continue
            elif name in self.preparing:
                self.end_of_preparation(name)
            elif name in self.triggered:
                self.end_of_reboot(name)
            else:
                self.discarding.remove(name)
                self.ready.discard(name)
                self.scheduler.discarded(name)
                self.down.discard(name)
                self.ended.add(name)
            return True
        return False

    def get_slot(self, name: str) -> bool:
        """Whether a host has what it waits for outside of the rollout; some have to wait."""
        if self.scheduler.stopped or self.random.random() < 0.7:
            self.scheduler.goes_on(name)
            self.held_up.discard(name)
            return True
        self.scheduler.held_up(name, HELD, self.now, moved=False)
        self.held_up.add(name)
        return False

    def fails(self) -> bool:
        """Whether this fails."""
        return self.random.randrange(100) < self.scenario.failures_percent

    def end_of_preparation(self, name: str) -> None:
        """A host is ready, refused or has failed."""
        self.preparing.remove(name)
        if not self.fails():
            self.ready.add(name)
            self.scheduler.prepared(name, self.now)
            return
        self.ended.add(name)
        if self.random.random() < 0.5:
            self.scheduler.refused(name, refusal(), self.now)
        else:
            self.down.discard(name)
            self.scheduler.failed(name, self.now, LOST, down=False)

    def end_of_reboot(self, name: str) -> None:
        """A host is released or has failed."""
        self.triggered.remove(name)
        self.ended.add(name)
        self.down.discard(name)
        if self.fails():
            stays_down = self.random.random() < 0.7
            if stays_down:
                self.down.add(name)
            if self.random.random() < 0.3:
                self.withheld.add(name)
                self.scheduler.withheld(name)
            self.scheduler.failed(name, self.now, LOST, stays_down)
        else:
            self.scheduler.released(name, self.now, self.random.choice([None, 20.0, 21.0, 90.0]))

    def flip(self) -> None:
        """A machine goes down, or comes up, for reasons of its own, or is put back into service at last."""
        if self.withheld and self.random.random() < 0.3:
            self.scheduler.restored(self.withheld.pop())
            return
        name = self.random.choice([each.name for each in (*self.scenario.hosts, *self.scenario.bystanders)])
        self.down ^= {name}
        self.scheduler.seen(name, name not in self.down, self.now)


def begin(scenario: Scenario) -> World | None:
    """Plan the rollout; None if its limits can't be met."""
    settings = settings_from(scenario.options)
    try:
        plan = make_plan(scenario.hosts, scenario.bystanders, settings, scenario.seed)
    except RolloutError as error:
        assert error.reason.code in {"LIMIT_UNSATISFIABLE", "GROUP_UNKNOWN", "DOMAIN_UNKNOWN"}
        return None
    random = Random(scenario.seed)
    names = [host.name for host in plan.hosts]
    before = random.sample(names, len(names) // 3) if scenario.resumed else []
    statuses = {name: random.choice([Status.DONE, Status.DONE, Status.FAILED, Status.SKIPPED]) for name in before}
    left_out = [name for name, status in statuses.items() if status is Status.SKIPPED]
    ended = {name: status for name, status in statuses.items() if status is not Status.SKIPPED}
    past = Past(ended, left_out, random.randrange(-1, len(plan.waves)), random.choice([None, -5.0]))
    measured = History({("kexec", "c0"): [Phases(1.0, 0.0, 20.0, 1.0)] * 5}).outages_s
    scheduler = Scheduler(plan, settings, 0.0, measured, past if scenario.resumed else None)
    world = World(scenario, random, scheduler, [[host.name for host in wave.hosts] for wave in plan.waves])
    world.ended = set(before)
    world.left_out = len(left_out)
    if scenario.resumed:
        rest = [name for name in names if name not in world.ended]
        for name in rest[: random.randrange(scenario.options["window"] + 1)]:
            scheduler.adopt(name, 0.0)
            world.triggered.append(name)
    return world


@BOUNDED
@given(scenarios())
def test_limits_hold_and_everybody_ends(scenario: Scenario) -> None:
    world = begin(scenario)
    if world is None:
        return
    scheduler = world.scheduler
    world.decide()
    events = 0
    while not scheduler.finished(world.now):
        events += 1
        assert events < 2000
        world.now += world.random.choice([0.0, 0.5, 3.0])
        if events == scenario.stop_after:
            scheduler.stop(ENOUGH, world.now)
        elif events < 500 and world.random.randrange(100) < scenario.unrest:
            world.flip()
        elif not world.go_on():
            wake_at = scheduler.wake_at(world.now)
            assert wake_at is not None, "nothing will ever happen again"
            world.now = max(world.now, wake_at)
        world.decide()

    assert all(times == 1 for times in world.begun.values())
    counts = scheduler.counts()
    assert sum(counts.values()) == len(scenario.hosts)
    assert {status for status, count in counts.items() if count} <= ENDS
    assert +Counter(counts) == Counter(scheduler.status(host.name) for host in scenario.hosts)
    if counts[Status.SKIPPED] > world.left_out or counts[Status.DISCARDED]:
        assert scheduler.stopped
    assert scheduler.next(world.now) == []
    assert scheduler.wake_at(world.now) is None
