# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch of hosts that limits depend on, while they are not being rebooted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from .._transport.prober import Observation, Prober, Sshd

# Interval at which a host is looked at.
BYSTANDER_PAUSE_S = 10.0
# Maximum number of concurrent searches for a host's sshd.
_LOOKUPS = 16


class Sight(Protocol):
    """Ways to find out whether a host or bystander is up."""

    async def sshd(self, name: str) -> Sshd | None:
        """Find the sshd of a host or bystander; None if it does not answer, or can't be reached from here."""

    async def answers(self, name: str) -> bool:
        """Whether a host or bystander answers over its own connection."""


class Bystanders:
    """Watch of hosts and bystanders.

    :param active: whether a host is being rebooted; its own run watches it then.
    :param tell: called with the name of a host and whether it is up, each time it was looked at.
    """

    def __init__(
        self, sight: Sight, prober: Prober, *, active: Callable[[str], bool], tell: Callable[[str, bool], object]
    ) -> None:
        self._sight = sight
        self._prober = prober
        self._active = active
        self._tell = tell
        self._sshds: dict[str, Sshd] = {}
        self._at_once = asyncio.Semaphore(_LOOKUPS)
        self._searches: dict[str, asyncio.Task[None]] = {}

    async def watch(self, names: Iterable[str]) -> None:
        """Watch these hosts, and those of :meth:`also`, until cancelled."""
        try:
            for name in names:
                self.also(name)
            await asyncio.get_running_loop().create_future()
        finally:
            for search in self._searches.values():
                search.cancel()
            await asyncio.gather(*self._searches.values(), return_exceptions=True)
            for name in self._sshds:
                self._prober.forget(name)

    def also(self, name: str) -> None:
        """Watch one more host, or search again for one that could not be probed and may have gone down since."""
        search = self._searches.get(name)
        if search is None or (search.done() and name not in self._sshds):
            self._searches[name] = asyncio.create_task(self._search(name))

    def leave(self, name: str) -> None:
        """Stop watching a host that its own run watches from here on."""
        self._prober.forget(name)

    def take_back(self, name: str) -> None:
        """Watch a host again whose run has ended."""
        if name in self._sshds:
            self._probe(name)

    async def _search(self, name: str) -> None:
        while self._active(name) or not await self._find(name):
            await asyncio.sleep(BYSTANDER_PAUSE_S)

    async def _find(self, name: str) -> bool:
        """Find out whether a host is up, and how to watch it from here on; returns whether nothing is left to find out.

        A host that is up and can't be probed from here, for example behind a jump host, is not looked at again.
        """
        try:
            async with self._at_once:
                sshd = await self._sight.sshd(name)
                up = sshd is not None or await self._sight.answers(name)
        except CodedError:
            # There is no way to connect to it, and so none to watch it.
            return True
        if self._active(name):
            return False
        self._tell(name, up)
        if sshd is not None:
            self._sshds[name] = sshd
            self._probe(name)
        return up

    def _probe(self, name: str) -> None:
        self._prober.watch(name, self._sshds[name], self._probed, gently=True, pause_s=BYSTANDER_PAUSE_S)

    def _probed(self, observation: Observation) -> None:
        self._tell(str(observation.key), observation.up)
