# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupt of a run, as those who are at work hear of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class GraceOver(Exception):
    """Raised when the time that a piece of work has after an interrupt is over."""


class Interrupt:
    """Interrupt of a run, which occurs at most once.

    :ivar at: when it occurred, in the event loop's time; None if it did not.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self._occurred = asyncio.Event()
        # Time limits of those at work, which begin with the interrupt, with the beginning of the work and its grace.
        self._limits: dict[asyncio.Timeout, tuple[float, float]] = {}

    def occur(self) -> None:
        """Interrupt whoever is at work, now or from now on."""
        if self.at is None:
            self.at = asyncio.get_running_loop().time()
            self._occurred.set()
            for limit, (began, grace_s) in self._limits.items():
                limit.reschedule(self._end(self.at, began, grace_s))

    @staticmethod
    def _end(at: float, began: float, grace_s: float) -> float:
        return max(at, began) + grace_s

    async def wait(self, timeout_s: float) -> None:
        """Wait for the interrupt, at most for C(timeout_s)."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._occurred.wait(), timeout_s)

    @contextlib.asynccontextmanager
    async def grace(self, began: float, grace_s: float) -> AsyncIterator[None]:
        """Limit a piece of work to C(grace_s) from the interrupt on, or from its beginning C(began) if that is later.

        :raises GraceOver: that time is over, perhaps before the work began.
        """
        end = None if self.at is None else self._end(self.at, began, grace_s)
        if end is not None and asyncio.get_running_loop().time() >= end:
            raise GraceOver
        limit = asyncio.timeout_at(end)
        try:
            async with limit:
                self._limits[limit] = began, grace_s
                try:
                    yield
                finally:
                    del self._limits[limit]
        except TimeoutError:
            if limit.expired():
                raise GraceOver from None
            raise
