# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queue of hosts in the order of the plan, which sets aside hosts that a limit holds up.

When a limit has room, its first host is looked at again, and the next one only if the first leaves the queue or is held up by
another limit. So the cost does not depend on how many hosts a limit holds up, and none of them blocks other hosts.
"""

from __future__ import annotations

from heapq import heappop, heappush

from .limits import Limit


class HostQueue:
    """Positions of hosts in the plan, lowest first. A position that was popped either leaves or is held up."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self._held: dict[Limit, list[int]] = {}
        # Hosts that are tried because their limit may have room, and the limits with such a host.
        self._scouts: dict[int, Limit] = {}
        self._scouted: set[Limit] = set()
        #: Number of hosts that a limit holds up.
        self.held = 0

    def __bool__(self) -> bool:
        return bool(self._free)

    def held_by(self) -> Limit | None:
        """Some limit that holds up hosts."""
        return next((limit for limit, held in self._held.items() if held), None)

    def add(self, position: int) -> None:
        heappush(self._free, position)

    def pop(self) -> int:
        """Take the next host to look at; call :meth:`hold` or :meth:`leave` for it."""
        return heappop(self._free)

    def hold(self, position: int, limit: Limit) -> None:
        """Set aside the host that was popped, until a limit has room."""
        heappush(self._held.setdefault(limit, []), position)
        self.held += 1
        came_from = self._back(position)
        if came_from is not None and came_from is not limit:
            self.freed(came_from)

    def leave(self, position: int) -> None:
        """Remove the host that was popped."""
        came_from = self._back(position)
        if came_from is not None:
            self.freed(came_from)

    def freed(self, limit: Limit) -> None:
        """Look again at the first host that a limit holds up."""
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
