# SPDX-License-Identifier: GPL-3.0-or-later
"""The forecast of a rollout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.fleet.kexec.plugins.plugin_utils._host_facts import PreparedBoot
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.forecast import Forecast, forecast
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import History
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Phases, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import make_plan
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import settings_from

from ..fleets import host

USUAL = Phases(5.0, 0.0, 20.0, 0.0)
SLOW = Phases(5.0, 0.0, 320.0, 0.0)


def make(history: History, hosts: int = 4, seed: int = 1, **options: Any) -> Forecast:
    settings = settings_from(options)
    return forecast(make_plan([host("h%d" % number) for number in range(hosts)], [], settings, 0), settings, history, seed)


def test_what_is_certain() -> None:
    made = make(History({("kexec", "c"): [USUAL]}), window=2)
    assert made.total_p50_s == made.total_p95_s == made.course.total_s == 45.0
    assert made.course.out_over_time == [(0.0, 0), (5.0, 2), (45.0, 0)]


def test_parts_that_no_reboot_has_tried_shorten_the_rollout() -> None:
    hosts = [
        replace(host("a"), methods=("kexec",)),
        replace(host("b"), methods=("kexec",), prepared=PreparedBoot(("quiet",), 4.0)),
    ]
    settings = settings_from({"window": 1})
    made = forecast(make_plan(hosts, [], settings, 0), settings, History({("kexec", "c"): [USUAL]}), 1)
    assert made.total_p50_s == 5.0 + 20.0 + 16.0


def test_stragglers_show_in_the_p95() -> None:
    """One in forty, and four hosts: one rollout in ten has one."""
    made = make(History({("kexec", "c"): [*[USUAL] * 39, SLOW]}))
    assert made.total_p50_s == made.course.total_s == 85.0
    assert made.total_p95_s == 385.0
    assert made.draws == 200


def test_the_same_seed_gives_the_same_forecast() -> None:
    history = History({})
    assert make(history) == make(history)
    assert make(history) != make(history, seed=2)


def test_a_long_outage_ends_no_forecast() -> None:
    made = make(History({("kexec", "c"): [*[USUAL] * 39, SLOW]}), hosts=60, window=5, stop_on_regression={"samples": 1})
    assert made.course.stopped is None
    assert made.course.counts[Status.DONE] == 60


def test_the_deadline_shows() -> None:
    made = make(History({("kexec", "c"): [USUAL]}), deadline=100)
    assert made.course.stopped is not None
    assert made.course.stopped.code == "DEADLINE"
    assert made.course.counts[Status.DONE] == 2


def test_large_fleets_are_drawn_less_often() -> None:
    made = make(History({("kexec", "c"): [USUAL]}), hosts=2000, window=500)
    assert made.draws == 5
    assert 80 <= made.total_p50_s <= 90
