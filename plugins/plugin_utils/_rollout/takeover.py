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
        # Hosts that there is no way to any more.
        self._out_of_reach: set[str] = set()
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

        Those of hosts that are or may be down are kept. If the lock can't be asked, that stops the rollout, and what the run may
        hold by its journal is owed.
        """
        if not self._before:
            return
        try:
            held = dict.fromkeys(await self._slots.of_this_run(self._before))
        except RolloutError:
            held = dict.fromkeys(name for name, left in self._before.items() if left.state.maybe_has_slot)
        else:
            for name in (name for name in self._before if name not in held):
                # It was given back after all, or by hand.
                self._debts.paid(name, Kind.SLOT)
        idle = []
        for name in held:
            left = self._before.get(name)
            absent = name not in self._limits
            if left is None or (left.treatment in AT_ONCE and not absent and not self._is_adrift(name)):
                continue
            self._slots.held.add(name)
            down = not absent and (left.state.down or Kind.IMAGE in left.state.withheld)
            if not down or not self._desk.keep_slot(name, reason("UNREACHABLE", "the host is down")):
                idle.append(name)
        # Before anybody takes a slot: a host whose turn comes needs its own again, and others may wait for them.
        await asyncio.gather(*map(self._give_slot_back, idle))

    def _is_adrift(self, name: str) -> bool:
        """Whether nothing is done about a host, and its slot is of no use."""
        return name in self._out_of_reach and not self._slots.counted

    async def _give_slot_back(self, name: str) -> None:
        await self._debts.give_back(name, Kind.SLOT, lambda: self._slots.free(name))

    async def clean_up(self, skipped: Callable[[str], bool]) -> None:
        """Undo what was begun on hosts whose turn did not come."""
        await asyncio.gather(*(self._clean_up(left) for left in self._before.values() if skipped(left.state.host)))

    async def _clean_up(self, left: Left) -> None:
        state = left.state
        if state.astray and state.maybe_drained and Kind.DRAIN not in state.owed:
            # It waited for its turn as it was.
            why = state.given_up_for or reason("NOT_PROVEN", "it came back otherwise than it should")
            self._debts.keep(state.host, Kind.DRAIN, reason(why.code, "%s; it was not rebooted again" % why.message))
        if left.treatment is not Treatment.TURN or not (state.unfinished or state.owed.keys() - {Kind.SLOT}):
            return
        try:
            await self._fleet.run_of(self._hosts[state.host], self._desk).clean_up(state)
        except CodedError as error:
            self.owe(left, error.reason)

    def owe(self, left: Left, why: Reason) -> None:
        """Take in that nothing can be done about what was begun on a host."""
        self._out_of_reach.add(left.state.host)
        untriggered = left.treatment in (*TO_PREPARE, Treatment.UNDO)
        if untriggered and left.state.maybe_staged:
            self._debts.keep(left.state.host, Kind.IMAGE, why)
        if untriggered and left.state.maybe_drained:
            self._debts.keep(left.state.host, Kind.DRAIN, why, unavailable=True)
