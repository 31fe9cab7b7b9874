# SPDX-License-Identifier: GPL-3.0-or-later
"""Limited places, in virtual time."""

from __future__ import annotations

import asyncio
import random

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.at_once import AtOnce, Places

from ... import virtual_time


class Work:
    """Pieces of work that say when they begin."""

    def __init__(self, limit: int) -> None:
        self.at_once = AtOnce(limit)
        self.began: list[tuple[str, float]] = []
        self.running: dict[str, int] = {"urgent": 0, "background": 0}
        self.most: dict[str, int] = {"urgent": 0, "background": 0, "all": 0}

    async def piece(self, kind: str, seconds: float) -> None:
        places: Places = getattr(self.at_once, kind)
        async with places:
            self.began.append((kind, asyncio.get_running_loop().time() - 1000.0))
            self.running[kind] += 1
            self.most[kind] = max(self.most[kind], self.running[kind])
            self.most["all"] = max(self.most["all"], sum(self.running.values()))
            try:
                await asyncio.sleep(seconds)
            finally:
                self.running[kind] -= 1

    def first(self, kind: str) -> float:
        return next(at for each, at in self.began if each == kind)


@pytest.mark.parametrize(("limit", "urgent", "background"), [(1, 1, 1), (2, 1, 1), (16, 15, 2), (64, 63, 8)])
def test_the_limit_holds_and_each_class_has_its_share(limit: int, urgent: int, background: int) -> None:
    async def go() -> Work:
        work = Work(limit)
        pieces = [work.piece(kind, 1.0) for kind in ("background", "urgent") for _number in range(3 * limit)]
        await asyncio.gather(*pieces)
        return work

    work = virtual_time.run(go())
    assert work.most == {"urgent": urgent, "background": background, "all": limit}
    assert len(work.began) == 6 * limit


def test_looking_at_hosts_that_hang_does_not_hold_up_those_that_reboot() -> None:
    async def go() -> Work:
        work = Work(16)
        watching = [asyncio.create_task(work.piece("background", 30.0)) for _number in range(500)]
        await asyncio.sleep(1.0)
        await asyncio.gather(*(work.piece("urgent", 1.0) for _number in range(14)))
        for task in watching:
            task.cancel()
        return work

    assert 1.0 <= virtual_time.run(go()).first("urgent") < 1.01


def test_hosts_that_reboot_do_not_keep_others_from_being_looked_at() -> None:
    async def go() -> Work:
        work = Work(16)
        rebooting = [asyncio.create_task(work.piece("urgent", 30.0)) for _number in range(500)]
        await asyncio.sleep(1.0)
        await work.piece("background", 1.0)
        for task in rebooting:
            task.cancel()
        return work

    assert 1.0 <= virtual_time.run(go()).first("background") < 1.01


def test_urgent_work_goes_first_where_there_is_one_place() -> None:
    async def go() -> Work:
        work = Work(1)
        await asyncio.gather(*(work.piece(kind, 1.0) for kind in ("background", "background", "urgent", "urgent")))
        return work

    assert [kind for kind, _at in virtual_time.run(go()).began] == ["background", "urgent", "urgent", "background"]


@pytest.mark.parametrize("seed", range(20))
def test_no_place_is_lost_by_whoever_is_cancelled(seed: int) -> None:
    draw = random.Random(seed)

    async def go() -> None:
        work = Work(3)
        tasks = [asyncio.create_task(work.piece(draw.choice(("urgent", "background")), draw.random())) for _number in range(60)]
        for _number in range(40):
            draw.choice(tasks).cancel()
            await asyncio.sleep(draw.choice((0, 0, 0.1)))
        await asyncio.gather(*tasks, return_exceptions=True)
        assert work.most["all"] <= 3
        assert work.at_once.urgent.taken == work.at_once.background.taken == 0
        async with asyncio.timeout(1.0), work.at_once.urgent, work.at_once.urgent, work.at_once.background:
            pass

    virtual_time.run(go())
