# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a lock beside an event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.fleet.kexec.plugins.plugin_utils._lock import beside
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.beside import LockBeside
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.interface import lock_options, make_lock
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder, LockError, SlotLock


class Asked:
    """A lock that notes who asks it, and when."""

    def __init__(self, answer: Callable[[str], bool], at_once: int = 1) -> None:
        self.at_once = at_once
        self.counted, self.patience_s = True, 0.0
        self.hosts: list[str] = []
        self.threads: set[int] = set()
        self.most_at_once = 0
        self._now = 0
        self._answer = answer

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def acquire(self, host: str) -> bool:
        """Ask."""
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        self.hosts.append(host)
        self.threads.add(threading.get_ident())
        try:
            return self._answer(host)
        finally:
            self._now -= 1

    def confirm(self, host: str) -> None:
        """As acquire."""
        self.acquire(host)

    def release(self, host: str) -> None:
        """As acquire."""
        self.acquire(host)

    def holders(self) -> list[Holder]:
        """Nobody."""
        return []

    def lives(self, run_id: str) -> bool:
        """No run does."""
        return False

    def free(self, holder: Holder) -> bool:
        """As acquire."""
        return self.acquire(holder.host)


async def acquire_all(lock: SlotLock, hosts: list[str]) -> list[bool | BaseException]:
    return await asyncio.gather(*map(lock.acquire, hosts), return_exceptions=True)


HOSTS = ["web%d" % number for number in range(500)]


def test_a_window_of_hundreds_is_served_in_time_and_in_order() -> None:
    # Each is quick, all of them are not: nobody's time limit may run while others have their turn.
    lock = Asked(lambda host: int(host[3:]) % 2 == 0)
    answers = asyncio.run(acquire_all(LockBeside(lock), HOSTS))
    assert answers == [number % 2 == 0 for number in range(500)]
    assert lock.hosts == HOSTS
    assert lock.most_at_once == 1


@pytest.mark.parametrize("hosts", [1, 3, 40])
def test_who_asks_again_at_once_is_answered_again(hosts: int) -> None:
    lock = Asked(lambda host: True)

    async def one(lock_beside: LockBeside, host: str) -> None:
        assert await lock_beside.acquire(host)
        await lock_beside.confirm(host)
        await lock_beside.release(host)

    async def work() -> None:
        lock_beside = LockBeside(lock)
        async with asyncio.timeout(10):
            await asyncio.gather(*(one(lock_beside, host) for host in HOSTS[:hosts]))

    asyncio.run(work())
    assert len(lock.hosts) == 3 * hosts


def test_the_local_lock_serves_more_hosts_than_its_time_limit_has_room_for(tmp_path: Path) -> None:
    async def work() -> None:
        lock = make_lock(lock_options({"timeout_s": 0.05, "slots": 400}), "run", "ctl", directory=str(tmp_path / "locks"))
        await lock.open()
        assert await acquire_all(lock, HOSTS) == [True] * 400 + [False] * 100
        assert len(await lock.holders()) == 400
        await lock.close()

    asyncio.run(work())


def test_as_many_at_once_as_the_lock_serves() -> None:
    four = threading.Barrier(4)

    def together(host: str) -> bool:
        four.wait(10)
        return True

    lock = Asked(together, at_once=4)
    # Batches of one, so that each has a thread.
    answers = asyncio.run(acquire_all(LockBeside(lock), HOSTS[: 4 * beside.BATCH]))
    assert answers == [True] * 4 * beside.BATCH
    assert len(lock.threads) == 4


def test_an_error_is_whose_it_is_and_one_that_says_unavailable_is_not_waited_for_again() -> None:
    began = time.monotonic()

    def fail(host: str) -> bool:
        if host == "web1":
            raise LockError("LOCK_LOST", "gone")
        if int(host[3:]) >= 3:
            time.sleep(0.2)
            raise LockError("LOCK_UNAVAILABLE", "no answer")
        return True

    answers = asyncio.run(acquire_all(LockBeside(Asked(fail)), HOSTS[: beside.BATCH]))
    codes = [answer.reason.code if isinstance(answer, LockError) else answer for answer in answers]
    assert codes == [True, "LOCK_LOST", True] + ["LOCK_UNAVAILABLE"] * (beside.BATCH - 3)
    assert time.monotonic() - began < 2


def test_who_is_cancelled_is_not_asked_for() -> None:
    asked = threading.Event()
    go_on = threading.Event()

    def wait(host: str) -> bool:
        asked.set()
        return go_on.wait(10)

    lock = Asked(wait)

    async def work() -> None:
        lock_beside = LockBeside(lock)
        first = asyncio.create_task(lock_beside.acquire("first"))
        await asyncio.to_thread(asked.wait, 10)
        second = asyncio.create_task(lock_beside.acquire("second"))
        await asyncio.sleep(0)
        second.cancel()
        go_on.set()
        assert await first
        assert await lock_beside.acquire("third")

    asyncio.run(work())
    assert lock.hosts == ["first", "third"]


def test_a_lock_that_never_answers_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "TIMEOUT_S", 0.1)
    go_on = threading.Event()
    answers = asyncio.run(acquire_all(LockBeside(Asked(lambda host: go_on.wait(10))), HOSTS[:3]))
    assert [isinstance(answer, LockError) and answer.reason.code for answer in answers] == ["LOCK_UNAVAILABLE"] * 3
    go_on.set()


@pytest.mark.parametrize("call", ["open", "close"])
def test_opening_and_closing_end_in_time(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(beside, "OPEN_TIMEOUT_S", 0.1)
    go_on = threading.Event()
    lock = Asked(lambda host: True)
    monkeypatch.setattr(lock, call, lambda: go_on.wait(10))
    began = time.monotonic()
    with pytest.raises(LockError) as raised:
        asyncio.run(getattr(LockBeside(lock), call)())
    assert raised.value.reason.code == "LOCK_UNAVAILABLE"
    assert time.monotonic() - began < 5
    go_on.set()
