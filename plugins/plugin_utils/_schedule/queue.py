# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in the order of the plan, with those that a limit holds up put aside.

Nobody looks at a host again before the limit that holds it up frees. Then the
first of those it holds up is looked at, and only if that one leaves the queue,
or turns out to be held up by something else, the next one. So looking costs as
much as there is to do, however many hosts a limit holds up, and a host that is
held up is in nobody's way.
"""

from __future__ import annotations

from heapq import heappop, heappush

from .limits import Limit


class HostQueue:
    """Positions of hosts in the plan; the lowest come first. What was popped either leaves or is held up."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._held: dict[Limit, list[int]] = {}
        # Hosts that were let out to see whether their limit has room, and the limits that have one out.
        self._scouts: dict[int, Limit] = {}
        self._scouted: set[Limit] = set()
        #: How many are held up by a limit.
        self.held = 0

    def __bool__(self) -> bool:
        """Whether there is one to look at."""
        return bool(self._free)

    def held_by(self) -> Limit | None:
        """One of the limits that hold up hosts."""
        return next((limit for limit, held in self._held.items() if held), None)

    def add(self, position: int) -> None:
        """A host comes in."""
        heappush(self._free, position)

    def pop(self) -> int:
        """The next host to look at; then call :meth:`hold` or :meth:`leave`."""
        return heappop(self._free)

    def hold(self, position: int, limit: Limit) -> None:
        """The host that was popped is held up by a limit."""
        heappush(self._held.setdefault(limit, []), position)
        self.held += 1
        came_from = self._back(position)
        if came_from is not None and came_from is not limit:
            self.freed(came_from)

    def leave(self, position: int) -> None:
        """The host that was popped needs to be here no more."""
        came_from = self._back(position)
        if came_from is not None:
            self.freed(came_from)

    def freed(self, limit: Limit) -> None:
        """A limit may have room."""
        held = self._held.get(limit)
        if not held or limit in self._scouted:
            return
        position = heappop(held)
        self.held -= 1
        self._scouts[position] = limit
        self._scouted.add(limit)
        heappush(self._free, position)

    def _back(self, position: int) -> Limit | None:
        limit = self._scouts.pop(position, None)
        if limit is not None:
            self._scouted.discard(limit)
        return limit
