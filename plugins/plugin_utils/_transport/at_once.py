# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limit on work that runs at the same time on the controller, in two classes that can't starve one another."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

# Share of the places that work in the background may take.
BACKGROUND_SHARE = 8


class Places:
    """One class of an :class:`AtOnce`: a context manager that holds a place, and waits for one.

    It may be entered any number of times concurrently. Those who wait are served in order.
    """

    def __init__(self, pool: AtOnce, most: int) -> None:
        self._pool = pool
        self._most = most
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> int:
        return self._taken

    async def __aenter__(self) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._pool.hand_out()
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._waiting.remove(place)
            else:
                # It was handed out in the same turn.
                self._give_back()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back()

    def _give_back(self) -> None:
        self._taken -= 1
        self._pool.hand_out()

    def next_in_turn(self) -> bool:
        """Hand a place to the first who waits, if there is anybody and this class may take one more."""
        for place in self._waiting:
            # One that was cancelled is about to leave.
            if not place.done():
                if self._taken >= self._most:
                    return False
                self._waiting.remove(place)
                self._taken += 1
                place.set_result(None)
                return True
        return False


class AtOnce:
    """Limit on what runs at the same time: the pieces of work that need a process, a thread or a connection.

    :ivar urgent: for hosts that are being rebooted; goes first, and leaves one place.
    :ivar background: for looking at other hosts, which may hang for long; takes an eighth of the places, at least one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.urgent = Places(self, max(1, limit - 1))
        self.background = Places(self, max(1, limit // BACKGROUND_SHARE))

    def hand_out(self) -> None:
        """Hand free places to those who wait."""
        while self.urgent.taken + self.background.taken < self._limit:
            if not self.urgent.next_in_turn() and not self.background.next_in_turn():
                break
