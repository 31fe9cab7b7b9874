# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches of journal writes: events recorded during one write go into the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from .._errors import RolloutError
from .events import Event


class Recorder:
    """Queue of events for the journal. Events that can't be written, say to a full disk, are retried with later ones.

    :param commit: writes events and returns when they are on disk; raises :class:`RolloutError`.
    :param tell: called for every event at once, before it is written.
    :param failed: called with the error whenever a write fails.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Event]], Awaitable[None]],
        tell: Callable[[Event], None],
        failed: Callable[[RolloutError], None],
    ) -> None:
        self._commit = commit
        self._tell = tell
        self._failed = failed
        self._pending: list[Event] = []
        # One write runs at a time; during it, the next one is queued.
        self._writing: asyncio.Task[RolloutError | None] | None = None
        self._next: asyncio.Task[RolloutError | None] | None = None

    def record(self, event: Event) -> None:
        self._tell(event)
        self._pending.append(event)
        self._start()

    async def durable(self) -> None:
        """Wait until all events recorded so far are on disk; raises :class:`RolloutError` with C(JOURNAL_FAILED)."""
        if not self._pending and self._writing is None:
            return
        error = await asyncio.shield(self._start())
        if error is not None:
            raise error

    def _start(self) -> asyncio.Task[RolloutError | None]:
        """Queue the write that takes the pending events, unless it is queued already."""
        if self._next is None:
            self._next = asyncio.create_task(self._write(self._writing))
        return self._next

    async def _write(self, before: asyncio.Task[RolloutError | None] | None) -> RolloutError | None:
        if before is not None:
            await before
        # Events recorded from here on go into another write.
        self._writing, self._next = self._next, None
        batch, self._pending = self._pending, []
        error = None
        try:
            if batch:
                await self._commit(batch)
        except RolloutError as caught:
            error = caught
            self._pending = batch + self._pending
            self._failed(caught)
        if self._next is None:
            self._writing = None
        return error
