# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call a blocking lock from an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from .._transport.bounded import CallAbandoned, bounded_call
from .model import MAX_LEASE_S, Holder, LockError

# The lock bounds its own requests; this is for the case that it does not.
TIMEOUT_S = 120.0
# Opening may have to wait until the lease of an earlier process runs out.
OPEN_TIMEOUT_S = MAX_LEASE_S + TIMEOUT_S
# Requests that one thread handles in one go.
BATCH = 32

Answer = TypeVar("Answer")
_Asked = tuple[Callable[[], Any], asyncio.Future[Any]]


class BlockingLock(Protocol):
    """:class:`model.SlotLock` whose methods block, and are thread-safe.

    :ivar at_once: number of concurrent calls that do not slow each other down.
    """

    at_once: int
    counted: bool
    patience_s: float

    def open(self) -> None:
        """See :meth:`model.SlotLock.open`."""

    def acquire(self, host: str) -> bool:
        """See :meth:`model.SlotLock.acquire`."""

    def confirm(self, host: str) -> None:
        """See :meth:`model.SlotLock.confirm`."""

    def release(self, host: str) -> None:
        """See :meth:`model.SlotLock.release`."""

    def holders(self) -> list[Holder]:
        """See :meth:`model.SlotLock.holders`."""

    def lives(self, run_id: str) -> bool:
        """See :meth:`model.SlotLock.lives`."""

    def free(self, holder: Holder) -> bool:
        """See :meth:`model.SlotLock.free`."""

    def close(self) -> None:
        """See :meth:`model.SlotLock.close`."""


class LockBeside:
    """:class:`model.SlotLock` made of one that blocks, which is called in threads, in order.

    A window of a thousand hosts makes a thousand calls in one moment. A thread for each would cost a stack for each, and the time
    limit of a call would run while others are served. So there are only as many threads as the lock can serve concurrently, and
    each also takes the requests that have arrived meanwhile.
    """

    def __init__(self, lock: BlockingLock) -> None:
        self._lock = lock
        self._waiting: deque[_Asked] = deque()
        self._threads: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        await _bounded(self._lock.open, OPEN_TIMEOUT_S)

    @property
    def counted(self) -> bool:
        return self._lock.counted

    @property
    def patience_s(self) -> float:
        return self._lock.patience_s

    async def close(self) -> None:
        await _bounded(self._lock.close, TIMEOUT_S)

    async def lives(self, run_id: str) -> bool:
        return await self._call(lambda: self._lock.lives(run_id))

    async def free(self, holder: Holder) -> bool:
        return await self._call(lambda: self._lock.free(holder))

    async def holders(self) -> list[Holder]:
        return await self._call(self._lock.holders)

    async def acquire(self, host: str) -> bool:
        return await self._call(lambda: self._lock.acquire(host))

    async def confirm(self, host: str) -> None:
        await self._call(lambda: self._lock.confirm(host))

    async def release(self, host: str) -> None:
        await self._call(lambda: self._lock.release(host))

    async def _call(self, ask: Callable[[], Answer]) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, answer))
        if len(self._threads) < self._lock.at_once:
            self._threads.add(asyncio.create_task(self._serve()))
        return await answer

    async def _serve(self) -> None:
        try:
            await self._ask_waiting()
        finally:
            # Right here, not when the task is seen to have ended: a caller answered meanwhile may ask again before that.
            self._threads.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _ask_waiting(self) -> None:
        while self._waiting:
            batch: list[_Asked] = []
            while self._waiting and len(batch) < BATCH:
                # The caller may have been cancelled.
                if not self._waiting[0][1].done():
                    batch.append(self._waiting[0])
                self._waiting.popleft()
            asks = [ask for ask, _answer in batch]
            try:
                answers = await _bounded(lambda asks=asks: _ask(asks), TIMEOUT_S)  # type: ignore[misc]
            except LockError as error:
                answers = [error] * len(batch)
            for (_ask_it, answer), said in zip(batch, answers, strict=True):
                if answer.done():
                    continue
                if isinstance(said, BaseException):
                    answer.set_exception(said)
                else:
                    answer.set_result(said)


async def _bounded(ask: Callable[[], Answer], timeout_s: float) -> Answer:
    try:
        return await bounded_call(ask, timeout_s)
    except CallAbandoned as error:
        raise LockError("LOCK_UNAVAILABLE", "the lock gave %s" % error) from error


def _ask(batch: list[Callable[[], Any]]) -> list[Any]:
    """Make the calls in order; exceptions take the place of results."""
    answers: list[Any] = []
    unavailable: LockError | None = None
    for ask in batch:
        try:
            # Once the lock is unavailable, each further call would wait for its time limit.
            answers.append(unavailable or ask())
        except LockError as error:
            unavailable = error if error.reason.code == "LOCK_UNAVAILABLE" else None
            answers.append(error)
        except Exception as error:
            answers.append(error)
    return answers
