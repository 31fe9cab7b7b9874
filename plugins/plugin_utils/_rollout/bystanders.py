# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch of the hosts that are not being rebooted, and on which some limit or slot depends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

from .._transport.prober import Observation, Prober, Sshd

# Interval at which such a host is looked at.
BYSTANDER_PAUSE_S = 10.0
# Maximum number of concurrent searches for a host's sshd.
_LOOKUPS = 16


class Seeing(Protocol):
    """Ways to see whether a host is up."""

    async def sshd(self, name: str) -> Sshd | None:
        """Find the sshd of a host or bystander; None if it does not answer, or can't be reached from here."""

    async def answers(self, name: str) -> bool:
        """Whether a host or bystander answers over its own connection."""


class Bystanders:
    """Watch of hosts while they are not active.

    :param active: whether a host's own run watches it now.
    :param seen: called with a host and whether it is up, whenever it was looked at.
    """

    def __init__(self, fleet: Seeing, prober: Prober, active: Callable[[str], bool], seen: Callable[[str, bool], None]) -> None:
        self._fleet = fleet
        self._prober = prober
        self._active = active
        self._seen = seen
        self._at_once = asyncio.Semaphore(_LOOKUPS)
        self._sshds: dict[str, Sshd] = {}
        self._looking: dict[str, asyncio.Task[None]] = {}

    def watch(self, names: Iterable[str]) -> None:
        """Watch hosts from here on, whenever they are not active."""
        for name in names:
            looked = self._looking.get(name)
            # A host that was up and could not be probed may have gone down since.
            if looked is None or (looked.done() and name not in self._sshds):
                self._looking[name] = asyncio.create_task(self._look_for(name))

    def begins(self, name: str) -> None:
        """Take in that a host's own run watches it from here on."""
        self._prober.forget(name)

    def ended(self, name: str) -> None:
        """Take in that a host's own run no longer watches it."""
        if name in self._sshds:
            self._look_at(name)

    async def close(self) -> None:
        for task in self._looking.values():
            task.cancel()
        for name in self._sshds:
            self._prober.forget(name)
        await asyncio.gather(*self._looking.values(), return_exceptions=True)

    async def _look_for(self, name: str) -> None:
        while self._active(name) or not await self._find(name):
            await asyncio.sleep(BYSTANDER_PAUSE_S)

    async def _find(self, name: str) -> bool:
        """Find out whether a host is up, and how to watch it from here on; returns whether nothing is left to find out.

        A host that is up and can't be probed from here, for example behind a jump host, is not looked at again.
        """
        try:
            async with self._at_once:
                sshd = await self._fleet.sshd(name)
                up = sshd is not None or await self._fleet.answers(name)
        except CodedError:
            # There is no way to connect to it, and so none to watch it.
            return True
        if self._active(name):
            return False
        self._seen(name, up)
        if sshd is not None:
            self._sshds[name] = sshd
            self._look_at(name)
        return up

    def _look_at(self, name: str) -> None:
        self._prober.watch(name, self._sshds[name], self._probed, gently=True, pause_s=BYSTANDER_PAUSE_S)

    def _probed(self, observation: Observation) -> None:
        self._seen(str(observation.key), observation.up)
