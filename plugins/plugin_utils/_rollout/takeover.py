# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takeover of what earlier processes of a run hold or owe. Hosts that are unavailable because of them have runs of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._errors import RolloutError
from .._schedule.hosts import HostSpec
from .._schedule.plan import Plan
from .bystanders import Sight
from .debts import Debts, Kind
from .desk import Desk
from .host_run import HostRun
from .resuming import AT_ONCE, TO_PREPARE, Left, Treatment
from .slots_desk import SlotsDesk


class Fleet(Sight, Protocol):
    """Access of the conductor to hosts."""

    def run_of(self, host: HostSpec, desk: Desk) -> HostRun:
        """Course of a host through the rollout.

        :raises CodedError: there is no way to connect to it as configured.
        """


class Takeover:
    """Takeover of debts, slots and preparations.

    :param before: hosts of the run that is resumed.
    :ivar paying: first attempts to pay debts.
    """

    def __init__(
        self, before: Mapping[str, Left], plan: Plan, *, fleet: Fleet, desk: Desk, slots: SlotsDesk, debts: Debts
    ) -> None:
        self._before = before
        self._limits = plan.limits
        self._hosts = {host.name: host for host in plan.hosts}
        self._fleet = fleet
        self._desk = desk
        self._slots = slots
        self._debts = debts
        self.paying: list[asyncio.Task[None]] = []

    def take_debts(self) -> None:
        """Take over what hosts owe, and have it paid for those that are not begun any more."""
        for name, left in self._before.items():
            # A later version may know of other kinds.
            for kind in (kind for kind in Kind if kind in left.state.owed):
                self._debts.take_over(name, kind, kind in left.state.withheld)
            if left.treatment in (Treatment.ENDED, Treatment.LEAVE) and left.state.owed.keys() - {Kind.SLOT}:
                with contextlib.suppress(CodedError):
                    self.paying.append(asyncio.create_task(self._fleet.run_of(self._hosts[name], self._desk).pay(left.state)))

    async def take_slots(self) -> None:
        """Give back slots of hosts that are up, or were never triggered, and of hosts that exist no longer.

        Those of hosts that are or may be down are kept. If the lock can't be asked, that stops the rollout.
        """
        if not self._before:
            return
        idle = []
        with contextlib.suppress(RolloutError):
            held = dict.fromkeys(await self._slots.of_this_run())
            for name in (name for name in self._before if name not in held):
                # It was given back after all, or by hand.
                self._debts.paid(name, Kind.SLOT)
            for name in held:
                left = self._before.get(name)
                absent = name not in self._limits
                if left is None or (left.treatment in AT_ONCE and not absent):
                    continue
                self._slots.held.add(name)
                down = not absent and (left.state.down or Kind.IMAGE in left.state.withheld)
                if not down or not self._desk.keep_slot(name, reason("UNREACHABLE", "the host is down")):
                    idle.append(name)
        # Before anybody takes a slot: a host whose turn comes needs its own again, and others may wait for them.
        await asyncio.gather(*map(self._give_slot_back, idle))

    async def _give_slot_back(self, name: str) -> None:
        await self._debts.give_back(name, Kind.SLOT, lambda: self._slots.free(name))

    async def clean_up(self, skipped: Callable[[str], bool]) -> None:
        """Undo what was begun on hosts whose turn did not come."""
        await asyncio.gather(*(self._clean_up(left) for left in self._before.values() if skipped(left.state.host)))

    async def _clean_up(self, left: Left) -> None:
        state = left.state
        if left.treatment is not Treatment.TURN or not (state.unfinished or state.owed.keys() - {Kind.SLOT}):
            return
        try:
            await self._fleet.run_of(self._hosts[state.host], self._desk).clean_up(state)
        except CodedError as error:
            self.owe(left, error.reason)

    def owe(self, left: Left, why: Reason) -> None:
        """Take in that nothing can be done about what was begun on a host that was never triggered."""
        if left.treatment in TO_PREPARE and left.state.maybe_staged:
            self._debts.keep(left.state.host, Kind.IMAGE, why)
        if left.treatment in TO_PREPARE and left.state.maybe_drained:
            self._debts.keep(left.state.host, Kind.DRAIN, why, unavailable=True)
