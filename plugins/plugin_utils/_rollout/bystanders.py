# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch of hosts that limits depend on, while they are not being rebooted.

They are looked at by logging in: a connection without a login is held against this controller by what protects an sshd. A login
costs a tenth of a second of CPU, so with many hosts each is looked at less often. Those that are down have a rate of their own:
the rollout may wait for one of them, while thousands are up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

# Interval at which a host is looked at, at least.
BYSTANDER_PAUSE_S = 10.0
# Looks over all hosts that are up, and over all that are down: so many at first, and then so many each second.
_BURST = 100
_LOOKS_PER_S = 2.0
# Interval at which a host that waits for its turn is seen to be down.
_NEWS_S = 30.0
# Connections in use at once.
_AT_ONCE = 8


class Sight(Protocol):
    """Way to find out whether a host or bystander is up."""

    async def answers(self, name: str) -> bool:
        """Whether a host or bystander answers over its own connection.

        :raises CodedError: there is no way to connect to it.
        """


class Bystanders:
    """Watch of hosts and bystanders.

    :param is_up: whether a host is up, as far as the rollout knows.
    :param active: whether a host is being rebooted; its own run watches it then.
    :param tell: called with the name of a host and whether it is up, each time it was looked at.
    """

    def __init__(
        self,
        sight: Sight,
        *,
        is_up: Callable[[str], bool],
        active: Callable[[str], bool],
        tell: Callable[[str, bool], object],
    ) -> None:
        self._sight = sight
        self._is_up = is_up
        self._active = active
        self._tell = tell
        self._now = asyncio.get_running_loop().time
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        # When the next look at one that is up, or down, is due at the rate over all; in the past while there are looks left.
        self._due = dict.fromkeys((True, False), self._now() - _BURST / _LOOKS_PER_S)
        # How often a host became active: what was seen before says nothing about it any more.
        self._left: Counter[str] = Counter()
        self._watches: dict[str, asyncio.Task[None]] = {}

    async def watch(self, names: Iterable[str]) -> None:
        """Watch these hosts, and those of :meth:`also`, until cancelled."""
        try:
            for name in names:
                self.also(name)
            await asyncio.get_running_loop().create_future()
        finally:
            for watch in self._watches.values():
                watch.cancel()
            await asyncio.gather(*self._watches.values(), return_exceptions=True)

    def also(self, name: str) -> None:
        """Watch one more host, unless it is watched."""
        if name not in self._watches:
            self._watches[name] = asyncio.create_task(self._look_again(name))

    def leave(self, name: str) -> None:
        """Stop watching a host that its own run watches from here on."""
        self._left[name] += 1

    async def _look_again(self, name: str) -> None:
        while True:
            await self._turn(name)
            if not self._active(name):
                try:
                    await self._look(name)
                except CodedError:
                    # There is no way to connect to it, and so none to watch it.
                    return
            await asyncio.sleep(BYSTANDER_PAUSE_S)

    async def _turn(self, name: str) -> None:
        up = self._is_up(name)
        due = self._next_due(up)
        while (left_s := due - self._now()) > 0:
            await asyncio.sleep(min(left_s, _NEWS_S))
            if up and not self._is_up(name):
                up, due = False, self._next_due(False)

    def _next_due(self, up: bool) -> float:
        self._due[up] = max(self._due[up], self._now() - _BURST / _LOOKS_PER_S) + 1 / _LOOKS_PER_S
        return self._due[up]

    async def _look(self, name: str) -> None:
        left = self._left[name]
        async with self._at_once:
            up = await self._sight.answers(name)
        if self._left[name] == left:
            self._tell(name, up)
