# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: order, and hosts that are put aside."""

from __future__ import annotations

from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.limits import Limit
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.queue import HostQueue

ONE, OTHER = Limit("one", 1), Limit("other", 1)


def queue(*positions: int) -> HostQueue:
    made = HostQueue()
    for position in positions:
        made.add(position)
    return made


def test_in_order() -> None:
    made = queue(3, 1, 2)
    assert [made.pop(), made.pop(), made.pop()] == [1, 2, 3]
    assert not made


def test_who_is_held_up_is_in_nobodys_way() -> None:
    made = queue(1, 2)
    made.hold(made.pop(), ONE)
    assert made.pop() == 2
    assert not made
    assert (made.held, made.held_by()) == (1, ONE)
    made.freed(OTHER)
    assert not made


def test_one_is_looked_at_and_then_the_next() -> None:
    made = queue(1, 2, 3)
    for _host in range(3):
        made.hold(made.pop(), ONE)
    made.freed(ONE)
    made.freed(ONE)
    assert made.held == 2, "one is enough to see whether there is room"
    position = made.pop()
    assert position == 1
    made.leave(position)
    assert made.pop() == 2
    made.hold(2, ONE)
    assert not made, "there was no more room"
    assert made.held == 2


def test_who_finds_another_limit_lets_the_next_one_look() -> None:
    made = queue(1, 2)
    for _host in range(2):
        made.hold(made.pop(), ONE)
    made.freed(ONE)
    made.hold(made.pop(), OTHER)
    assert made.pop() == 2
