# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capacity of a fleet: which hosts are unavailable, for whatever reason, and which limit forbids one more."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .limits import Limit


class Capacity:
    """Count of unavailable hosts: in flight (because of the rollout), withheld (up, and not back in service), or down.

    A host that is several of these counts once.

    The cost of a call depends on the number of limits of the host, not on the size of the fleet.

    :param limits: name → the limits it counts for.
    """

    def __init__(self, limits: Mapping[str, tuple[Limit, ...]]) -> None:
        self._limits = limits
        self._in_flight: set[str] = set()
        self._withheld: set[str] = set()
        self._down: set[str] = set()
        # Names in the order in which they became unavailable.
        self._unavailable: dict[Limit, dict[str, None]] = {limit: {} for each in limits.values() for limit in each}

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def blocked(self, name: str) -> Limit | None:
        """Limit that would be exceeded if this host became unavailable; None if there is none. It is not counted twice."""
        for limit in self._limits[name]:
            unavailable = self._unavailable[limit]
            if len(unavailable) - (name in unavailable) >= limit.most:
                return limit
        return None

    def unavailable(self, limit: Limit) -> Collection[str]:
        """Members that count against a limit now, the longest unavailable first."""
        return self._unavailable[limit].keys()

    def take(self, name: str) -> None:
        """Count a host as in flight."""
        self._in_flight.add(name)
        self._count(name)

    def give_back(self, name: str, down: bool | None = None) -> tuple[Limit, ...]:
        """Count a host as no longer in flight, and return the limits that may have room now; without C(down), it is as down as
        it was.
        """
        self._in_flight.discard(name)
        return self._count(name) if down is None else self.seen(name, up=not down)

    def withhold(self, name: str) -> None:
        """Count a host as not back in service, even if it is seen up."""
        self._withheld.add(name)
        self._count(name)

    def restore(self, name: str) -> tuple[Limit, ...]:
        """Count a host as no longer withheld, and return the limits that may have room now."""
        self._withheld.discard(name)
        return self._count(name)

    def seen(self, name: str, up: bool) -> tuple[Limit, ...]:
        """Count a host or bystander as up or down, and return the limits that may have room now."""
        if up:
            self._down.discard(name)
        else:
            self._down.add(name)
        return self._count(name)

    def _count(self, name: str) -> tuple[Limit, ...]:
        if name in self._in_flight or name in self._withheld or name in self._down:
            for limit in self._limits[name]:
                self._unavailable[limit][name] = None
            return ()
        for limit in self._limits[name]:
            self._unavailable[limit].pop(name, None)
        return self._limits[name]
