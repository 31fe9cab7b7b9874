# SPDX-License-Identifier: GPL-3.0-or-later
"""Capacity: who counts, and for what."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.capacity import Capacity
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.limits import Limit

RACK = Limit("rack r", 1)
FLEET = Limit("the fleet", 2)


def capacity() -> Capacity:
    return Capacity({"a": (RACK, FLEET), "b": (RACK, FLEET), "c": (FLEET,), "d": (FLEET,)})


def test_the_limit_that_forbids_one_more() -> None:
    counted = capacity()
    assert counted.blocked("a") is None
    counted.take("a")
    assert counted.blocked("b") is RACK
    assert counted.blocked("c") is None
    counted.seen("c", up=False)
    assert counted.blocked("d") is FLEET
    assert list(counted.unavailable(FLEET)) == ["a", "c"]
    assert counted.in_flight == 1


def test_out_and_down_counts_once() -> None:
    counted = capacity()
    counted.take("a")
    counted.seen("a", up=False)
    assert len(counted.unavailable(FLEET)) == 1
    assert counted.seen("a", up=True) == (), "it is still out"
    assert counted.give_back("a", down=False) == (RACK, FLEET)
    assert not counted.unavailable(FLEET)


def test_who_stays_down_goes_on_to_count() -> None:
    counted = capacity()
    counted.take("a")
    assert counted.give_back("a", down=True) == ()
    assert counted.in_flight == 0
    assert counted.blocked("b") is RACK
    assert counted.seen("a", up=True) == (RACK, FLEET)
    assert counted.blocked("b") is None


def test_a_host_does_not_block_itself() -> None:
    counted = capacity()
    counted.seen("a", up=False)
    assert counted.blocked("a") is None
    counted.seen("b", up=False)
    assert counted.blocked("a") is RACK


def test_a_limit_names_who_reached_it() -> None:
    assert RACK.reached(["a"]) == "of rack r 1 may be unavailable, and 1 are: a"
    assert FLEET.reached("vwxyz").endswith("and 5 are: v, w, x and 2 more")
