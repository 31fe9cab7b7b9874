# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns at a lock, in virtual time."""

from __future__ import annotations

import asyncio

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import LockError
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.turns import Turns

from ... import virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def test_so_many_at_once_and_in_order() -> None:
    order: list[int] = []

    async def call(number: int) -> int:
        order.append(number)
        await asyncio.sleep(1)
        return number

    async def work() -> float:
        turns, began = Turns(4), now()
        answers = await asyncio.gather(*(turns.take(lambda number=number: call(number)) for number in range(20)))  # type: ignore[misc]
        assert answers == order == list(range(20))
        return now() - began

    assert 4.99 < virtual_time.run(work()) < 5.01


def test_who_waits_while_the_lock_is_found_unavailable_does_not_find_out_anew() -> None:
    available = False

    async def call() -> str:
        await asyncio.sleep(10)
        if not available:
            raise LockError("LOCK_UNAVAILABLE", "no answer")
        return "fine"

    async def lost() -> str:
        raise LockError("LOCK_LOST", "gone")

    async def work() -> None:
        nonlocal available
        turns, began = Turns(2), now()
        answers = await asyncio.gather(*(turns.take(call) for _number in range(1000)), return_exceptions=True)
        assert {isinstance(answer, LockError) and answer.reason.code for answer in answers} == {"LOCK_UNAVAILABLE"}
        assert now() - began < 10.1
        available = True
        assert await turns.take(call) == "fine", "who comes later tries it"
        others = await asyncio.gather(turns.take(lost), turns.take(call), turns.take(call), return_exceptions=True)
        assert isinstance(others[0], LockError) and list(others[1:]) == ["fine", "fine"], "another error is whose it is"

    virtual_time.run(work())
