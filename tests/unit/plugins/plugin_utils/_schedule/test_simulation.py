# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollouts: how long they take, and how long it takes to decide."""

from __future__ import annotations

from dataclasses import replace
from heapq import heapify, heapreplace
from random import Random
from time import process_time
from typing import Any

from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import HostSpec, Phases, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.simulation import Course, Fate, simulate

from ..fleets import host


def run(hosts: list[HostSpec], fates: dict[str, Fate], **options: Any) -> Course:
    settings = settings_from(options)
    return simulate(make_plan(hosts, [], settings, seed=1), settings, lambda each: fates[each.name])


def test_one_after_the_other() -> None:
    fate = Fate(Phases(5.0, 1.0, 20.0, 2.0))
    course = run([host("a"), host("b")], {"a": fate, "b": fate})
    assert course.spans == {"a": (5.0, 28.0), "b": (28.0, 51.0)}
    assert course.total_s == 51.0
    assert course.out_over_time == [(0.0, 0), (5.0, 1), (51.0, 0)]
    assert course.counts[Status.DONE] == 2
    assert course.stopped is None


def test_fates() -> None:
    phases = Phases(5.0, 1.0, 20.0, 2.0)
    fates = {"a": Fate(phases, Status.REFUSED), "b": Fate(phases, Status.FAILED), "c": Fate(phases)}
    course = run([host(name) for name in "abc"], fates)
    assert course.spans == {"b": (10.0, 31.0)}
    assert course.stopped is not None
    assert course.stopped.code == "FAILURE_BUDGET_SPENT"
    assert course.counts[Status.REFUSED] == course.counts[Status.FAILED] == course.counts[Status.DISCARDED] == 1


def test_soaks_and_stalls_take_their_time() -> None:
    fate = Fate(Phases(0.0, 0.0, 10.0, 0.0))
    course = run([host("a"), host("b")], {"a": fate, "b": fate}, canaries={"count": 1, "soak": 60})
    assert course.total_s == 80.0
    dead = Fate(fate.phases, Status.FAILED, down=True)
    course = run([host("a"), host("b")], {"a": dead, "b": fate}, failure_budget=1, max_unavailable=1, stall_timeout=100)
    assert course.stopped is not None
    assert course.stopped.code == "CAPACITY_SPENT"
    assert course.total_s == 110.0


def test_stragglers_hold_up_only_themselves() -> None:
    """As good as a window that slides by itself, and far from batches, which all wait for their slowest."""
    random = Random(1)
    fates = {}
    for number in range(1000):
        outage_s = 600.0 if number % 50 == 25 else random.uniform(18.0, 22.0)
        fates["h%d" % number] = Fate(Phases(5.0, 1.0, outage_s, 2.0))
    course = run([host(name) for name in fates], fates, window=50)

    # The ideal: fifty places, each of which takes the next host the moment it is free.
    costs_s = [fate.phases.from_go_s for fate in fates.values()]
    free_at = [0.0] * 50
    heapify(free_at)
    for cost_s in costs_s:
        heapreplace(free_at, free_at[0] + cost_s)
    ideal_s = max(free_at)
    batches_s = sum(max(costs_s[begin : begin + 50]) for begin in range(0, 1000, 50))

    assert ideal_s <= course.total_s <= ideal_s * 1.1
    assert course.total_s < batches_s / 5
    assert max(out for _at, out in course.out_over_time) == 50


def test_ten_thousand_hosts() -> None:
    random = Random(1)
    hosts = []
    fates = {}
    for number in range(10_000):
        name = "h%d" % number
        domains = {"rack": "r%d" % (number // 25), "row": "w%d" % (number // 1000), "zone": "z%d" % (number % 3)}
        hosts.append(replace(host(name, "c%d" % (number % 4), groups=["web" if number % 2 else "db"]), domains=domains))
        end = Status.DONE if number < 20 else random.choices([Status.DONE, Status.FAILED, Status.REFUSED], [95, 4, 1])[0]
        phases = Phases(random.uniform(2, 8), random.uniform(0, 3), random.uniform(15, 30), random.uniform(1, 3))
        fates[name] = Fate(phases, end, down=random.random() < 0.5)
    began_s = process_time()
    course = run(
        hosts,
        fates,
        window=2000,
        max_unavailable={"rack": 10, "row": 400, "zone": "30%"},
        min_available={"web": "60%"},
        canaries={"count": 5, "each_host_class": True, "soak": 60},
        waves=[1, "10%"],
        failure_budget={"total": "10%", "each_domain": {"row": 100}},
        stop_on_regression={"margin": "100%"},
    )
    took_s = process_time() - began_s
    assert course.stopped is None
    assert sum(course.counts.values()) == 10_000
    assert course.counts[Status.SKIPPED] == course.counts[Status.DISCARDED] == 0
    assert 1000 < max(out for _at, out in course.out_over_time) <= 2000
    # About half a second. What looked at every host at every event would take minutes.
    assert took_s < 10
