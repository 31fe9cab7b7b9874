# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capacity: who is unavailable, for whatever reason, and which limit forbids one more."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .limits import Limit


class Capacity:
    """Counts who is out (because of the rollout) or down (for any reason). Who is both counts once.

    Everything here costs as much as a host has limits, however large the fleet.

    :param limits: name → the limits it counts for.
    """

    def __init__(self, limits: Mapping[str, tuple[Limit, ...]]) -> None:
        self._limits = limits
        self._out: set[str] = set()
        self._down: set[str] = set()
        # Names in the order in which they became unavailable.
        self._unavailable: dict[Limit, dict[str, None]] = {limit: {} for each in limits.values() for limit in each}

    @property
    def out(self) -> int:
        """How many are out."""
        return len(self._out)

    def blocked(self, name: str) -> Limit | None:
        """The limit that would be exceeded if this host was unavailable, too, or None. What it costs itself doesn't count."""
        for limit in self._limits[name]:
            unavailable = self._unavailable[limit]
            if len(unavailable) - (name in unavailable) >= limit.most:
                return limit
        return None

    def unavailable(self, limit: Limit) -> Collection[str]:
        """Who counts against a limit now, the longest first."""
        return self._unavailable[limit].keys()

    def take(self, name: str) -> None:
        """A host goes out."""
        self._out.add(name)
        self._count(name)

    def give_back(self, name: str, down: bool) -> tuple[Limit, ...]:
        """A host is no longer out, but may be down.

        :return: the limits that have room now.
        """
        self._out.discard(name)
        return self.seen(name, up=not down)

    def seen(self, name: str, up: bool) -> tuple[Limit, ...]:
        """A host or bystander was seen up or down.

        :return: the limits that have room now.
        """
        if up:
            self._down.discard(name)
        else:
            self._down.add(name)
        return self._count(name)

    def _count(self, name: str) -> tuple[Limit, ...]:
        if name in self._out or name in self._down:
            for limit in self._limits[name]:
                self._unavailable[limit][name] = None
            return ()
        for limit in self._limits[name]:
            self._unavailable[limit].pop(name, None)
        return self._limits[name]
