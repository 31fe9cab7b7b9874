# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns of calls that a lock serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .model import LockError

Answer = TypeVar("Answer")


class Turns:
    """Limit on concurrent calls, which get their turns in order.

    Once the lock is found unavailable, the calls that wait fail too: each would otherwise wait for its own time limit, in turn.
    """

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._unavailable = ""
        self._failures = 0

    async def take(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Make a call when it is its turn; raises what it raises, or LockError C(LOCK_UNAVAILABLE)."""
        failures = self._failures
        async with self._free:
            if self._failures != failures:
                raise LockError("LOCK_UNAVAILABLE", self._unavailable)
            try:
                return await call()
            except LockError as error:
                if error.reason.code == "LOCK_UNAVAILABLE":
                    self._failures += 1
                    self._unavailable = error.reason.message
                raise
