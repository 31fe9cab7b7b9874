# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots of the shared lock for one rollout: taking them, and saying who holds those that are waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import NamedTuple, Protocol, TypeVar

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._errors import RolloutError
from .._lock.model import Holder, unreadable
from .._text import clipped
from .earlier_runs import EarlierRuns, SlotUse

# Pause between attempts to ask a lock that does not answer.
RETRY_S = 1.0
# Interval between attempts to take a slot while others hold all of them.
POLL_S = 2.0
# Interval at which the holders are looked at.
LOOK_S = 10.0
# Holders that a message names.
_NAMED = 3

Answer = TypeVar("Answer")


class Slots(Protocol):
    """Slots shared with other controllers; the methods of :class:`SlotLock` that a rollout needs.

    :ivar counted: whether their number is limited.
    :ivar patience_s: how long a lock that does not answer is asked again.
    """

    @property
    def counted(self) -> bool: ...

    @property
    def patience_s(self) -> float: ...

    async def acquire(self, host: str) -> bool:
        """Take a slot."""

    async def confirm(self, host: str) -> None:
        """Make sure that a slot is still held."""

    async def release(self, host: str) -> None:
        """Give a slot back."""

    async def holders(self) -> list[Holder]:
        """Holders of all runs."""

    async def lives(self, run_id: str) -> bool:
        """Whether a run's controller lives."""

    async def free(self, holder: Holder) -> bool:
        """Give back the slot of a run that has ended."""


class Held(NamedTuple):
    """Why a slot can't be had now, and whether the holders have changed since that was said last."""

    why: Reason
    moved: bool


class SlotsDesk:
    """Desk at which hosts take slots.

    :param earlier: runs of this controller, which may have left slots behind.
    :param stop: stops the rollout.
    """

    def __init__(self, lock: Slots, *, run_id: str, earlier: EarlierRuns, stop: Callable[[Reason], None]) -> None:
        self._lock = lock
        self._run_id = run_id
        self._earlier = earlier
        self._stop = stop
        self._now = asyncio.get_running_loop().time
        self._stopped = asyncio.Event()
        # Replaced whenever a slot of this run becomes free.
        self._freed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._looked_at = float("-inf")
        self._holders: list[Holder] = []
        self._words = ""
        self.held: set[str] = set()

    @property
    def counted(self) -> bool:
        return self._lock.counted

    def stopped(self) -> None:
        """End all waits."""
        self._stopped.set()
        self._wake()

    async def take(self, host: str) -> Held | None:
        """Take a slot; return why there is none.

        :raises RolloutError: the lock can't be asked, or is lost.
        """
        # An attempt whose answer is lost may have taken it.
        self.held.add(host)
        if await self._asked(lambda: self._lock.acquire(host)):
            return None
        self.held.discard(host)
        moved = await self._look(host)
        return Held(reason("SLOTS_TAKEN", self._said(host)), moved)

    async def take_again(self, host: str) -> None:
        """Take the slot of a host in flight again, from an earlier process of the run; see :meth:`Desk.take_slot_again`."""
        self.held.add(host)
        with contextlib.suppress(CodedError):
            if not await self._lock.acquire(host):
                self.held.discard(host)

    async def news(self) -> None:
        """Wait until it is worthwhile to try again: a slot became free here, some time has passed, or the rollout is stopped."""
        if not self._stopped.is_set():
            await asyncio.wait([self._freed], timeout=POLL_S)

    async def confirm(self, host: str) -> None:
        """Require that a slot is held; raises RolloutError otherwise."""
        await self._asked(lambda: self._lock.confirm(host))

    async def free(self, host: str) -> None:
        """Give a slot back; raises CodedError."""
        await self._lock.release(host)
        self.held.discard(host)
        self._wake()

    async def of_this_run(self, hosts: Collection[str]) -> list[str]:
        """Hosts whose slots this run holds, perhaps from an earlier process, or may hold.

        :param hosts: those of the run. A slot of one of them whose record can't be read may be the run's.
        :raises RolloutError: the lock can't be asked.
        """
        holders = await self._asked(self._lock.holders)
        return [each.host for each in holders if each.run_id == self._run_id or (not each.run_id and each.host in hosts)]

    def _wake(self) -> None:
        freed, self._freed = self._freed, asyncio.get_running_loop().create_future()
        freed.set_result(None)

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask the lock, again for a while if it does not answer, and stop the rollout if there is no answer.

        :raises RolloutError: the lock can't be asked, or is lost.
        """
        deadline = self._now() + self._lock.patience_s
        while True:
            try:
                return await ask()
            except CodedError as error:
                if error.reason.code != "LOCK_UNAVAILABLE" or self._now() >= deadline or self._stopped.is_set():
                    self._stop(error.reason)
                    raise RolloutError(error.reason.code, error.reason.message) from error
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), RETRY_S)

    # Who holds them.

    async def _look(self, host: str) -> bool:
        """Look at the holders, unless that was done a moment ago; return whether they have changed."""
        if self._now() < self._looked_at + LOOK_S:
            return False
        self._looked_at = self._now()
        before = self._holders
        try:
            self._holders = await self._lock.holders()
            self._words = await self._left_behind(host)
        except CodedError as error:
            self._words = "; the lock does not say who holds them: %s" % error.reason.message
        return before != self._holders

    async def _left_behind(self, host: str) -> str:
        """Give back slots that ended runs of this controller hold for nothing, and name the way out for the others."""
        words = ""
        for run_id in dict.fromkeys(holder.run_id for holder in self._holders if holder.run_id != self._run_id):
            holders = [holder for holder in self._holders if holder.run_id == run_id]
            left = await self._earlier.left_by(holders)
            if left is None or await self._lock.lives(run_id):
                continue
            for holder in holders:
                if left[holder.host] is SlotUse.NOTHING or (left[holder.host] is SlotUse.DOWN and holder.host == host):
                    # A host that wants a slot itself is up by now.
                    await self._lock.free(holder)
                    self._looked_at = float("-inf")
                elif run_id not in words:
                    words += "; run %s of this controller has ended, and resume: %s continues it" % (run_id, run_id)
        return words

    def _said(self, host: str) -> str:
        own = [holder for holder in self._holders if holder.host == host]
        if own and not own[0].run_id:
            return "%s, and nobody can have it until it is freed by hand" % unreadable(host)
        if own:
            return "another run holds the slot of %s%s" % (_named(own), self._words)
        return "other runs hold all slots%s%s" % (": " * bool(self._holders) + _named(self._holders), self._words)


def _named(holders: Sequence[Holder]) -> str:
    """Name the eldest holders; their texts come from other controllers."""
    eldest = sorted(holders, key=lambda holder: holder.since)[:_NAMED]
    names = [
        "%s (run %s of %s since %s)" % (each.host, *map(_said_by, (each.run_id, each.controller, each.since))) for each in eldest
    ]
    more = " and %d more" % (len(holders) - len(eldest)) if len(holders) > len(eldest) else ""
    return ", ".join(names) + more


def _said_by(text: str) -> str:
    return clipped(text, 40) or "?"
