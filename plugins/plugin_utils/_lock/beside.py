# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that is asked beside an event loop."""

from __future__ import annotations

from collections.abc import Callable

from .._transport.bounded import CallAbandoned, Result, bounded_call
from .model import LockError, SlotLock

# Requests are bounded by the lock itself. This is for the case that they are not.
TIMEOUT_S = 120.0


class LockBeside:
    """A :class:`SlotLock`, each call in a thread of its own."""

    def __init__(self, lock: SlotLock) -> None:
        self._lock = lock

    async def acquire(self, host: str) -> bool:
        """See :meth:`SlotLock.acquire`."""
        return await self._call(lambda: self._lock.acquire(host))

    async def confirm(self, host: str) -> None:
        """See :meth:`SlotLock.confirm`."""
        await self._call(lambda: self._lock.confirm(host))

    async def release(self, host: str) -> None:
        """See :meth:`SlotLock.release`."""
        await self._call(lambda: self._lock.release(host))

    async def _call(self, ask: Callable[[], Result]) -> Result:
        try:
            return await bounded_call(ask, TIMEOUT_S)
        except CallAbandoned as error:
            raise LockError("LOCK_UNAVAILABLE", "the lock gave %s" % error) from error
