# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch of bystanders, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.bystanders import BYSTANDER_PAUSE_S, Bystanders

from ...virtual_time import run


class Fleet:
    """Hosts that answer a login after a while."""

    def __init__(self, answer_s: float = 0.1) -> None:
        self.answer_s = answer_s
        self.down: set[str] = set()
        self.asked: list[tuple[float, str]] = []
        self.at_once = self.most_at_once = 0

    async def answers(self, name: str) -> bool:
        if name == "none":
            raise RebootError("CONNECTION_FAILED", "no way")
        self.asked.append((asyncio.get_running_loop().time(), name))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.answer_s)
        self.at_once -= 1
        return name not in self.down


def watched(fleet: Fleet, names: list[str], seconds: float) -> list[tuple[str, bool]]:
    seen: list[tuple[str, bool]] = []

    async def work() -> None:
        bystanders = Bystanders(
            fleet,
            is_up=lambda name: name not in fleet.down,
            active=lambda name: False,
            tell=lambda name, up: seen.append((name, up)),
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await bystanders.watch(names)

    run(work())
    return seen


def test_each_is_looked_at_again_and_again() -> None:
    fleet = Fleet()
    fleet.down = {"b"}
    assert watched(fleet, ["a", "b"], 3.5 * BYSTANDER_PAUSE_S) == [("a", True), ("b", False)] * 4


def test_one_that_there_is_no_way_to_hinders_nobody() -> None:
    assert watched(Fleet(), ["none", "a"], 1.0) == [("a", True)]


@pytest.mark.parametrize("answer_s", [0.1, 30.0])
def test_a_thousand_of_them_take_few_connections(answer_s: float) -> None:
    fleet = Fleet(answer_s)
    names = ["host%d" % number for number in range(1000)]
    seen = watched(fleet, names, 600.0)
    assert fleet.most_at_once <= 8
    assert len(seen) <= 100 + 2 * 600 + 1
    if answer_s < 1:
        assert {name for name, _up in seen} == set(names), "all have had their turn"


@pytest.mark.parametrize("late", [False, True])
def test_one_that_is_down_is_looked_at_soon_however_many_are_up(late: bool) -> None:
    fleet = Fleet()
    names = ["host%d" % number for number in range(3000)]
    last = names[-1]

    async def work() -> None:
        known = set() if late else {last}
        fleet.down = {last}
        looked: list[float] = []

        def tell(name: str, up: bool) -> None:
            if name == last:
                looked.append(asyncio.get_running_loop().time())

        bystanders = Bystanders(fleet, is_up=lambda name: name not in known, active=lambda name: False, tell=tell)
        task = asyncio.create_task(bystanders.watch(names))
        await asyncio.sleep(100.0)
        known.add(last)
        await asyncio.sleep(100.0)
        # Its rollout ended with it down, or it was down from the start.
        assert len(looked) >= (6 if late else 15)
        task.cancel()

    run(work())


def test_what_was_asked_before_a_host_was_rebooted_says_nothing_about_it() -> None:
    seen: list[str] = []

    async def work() -> None:
        bystanders = Bystanders(
            Fleet(5.0), is_up=lambda name: True, active=lambda name: False, tell=lambda name, up: seen.append(name)
        )
        task = asyncio.create_task(bystanders.watch(["a"]))
        await asyncio.sleep(1.0)
        bystanders.leave("a")
        await asyncio.sleep(6.0)
        assert seen == []
        await asyncio.sleep(BYSTANDER_PAUSE_S + 5.0)
        assert seen == ["a"]
        task.cancel()

    run(work())
