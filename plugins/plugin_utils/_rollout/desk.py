# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface of the conductor to the run of one host."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal.events import Event
from .debts import Kind, Pay


class Desk(Protocol):
    """Journal, permissions, slots and reports for the run of one host."""

    def record(self, event: Event) -> None:
        """See :meth:`Recorder.record`."""

    async def durable(self) -> None:
        """See :meth:`Recorder.durable`."""

    async def go(self, host: str) -> Reason | None:
        """Report a host as ready, and wait until it may go (None) or may no longer go (the reason)."""

    def may_trigger(self, host: str) -> Reason | None:
        """See :meth:`Scheduler.may_trigger`."""

    async def change(self, timeout_s: float | None = None) -> None:
        """Wait for the next change of the rollout, at most for C(timeout_s)."""

    async def take_slot(self, host: str) -> bool:
        """Take a slot of the lock; return whether there was one. If not, it is shown who holds them.

        :raises RolloutError: the lock can't be reached, or is lost.
        """

    async def take_slot_again(self, host: str) -> None:
        """Take the slot of a host in flight again, which it still holds unless the lock has lost its state. Raises nothing."""

    async def slot_news(self) -> None:
        """Wait until it is worthwhile to ask for a slot again; not for long."""

    async def confirm_slot(self, host: str) -> None:
        """Require that the host still holds its slot.

        :raises RolloutError: the slot, or the lease, is lost.
        """

    async def free_slot(self, host: str) -> None:
        """Give back the slot of a host, if it may hold one; see :meth:`HostDebts.free_slot`.

        :raises CodedError: the lock can't be reached, or is lost.
        """

    def keep_slot(self, host: str, why: Reason) -> bool:
        """Keep the slot of a host that is or may be down until it is seen up; return False if it holds none that counts."""

    async def give_back(self, host: str, kind: Kind, pay: Pay, *, unavailable: bool = False) -> bool:
        """See :meth:`Debts.give_back`."""

    def paid(self, host: str, kind: Kind) -> None:
        """See :meth:`Debts.paid`."""

    def begins_anew(self, host: str) -> bool:
        """Report a host that is prepared, and return whether it may be drained; see :meth:`Debts.begins_anew`."""

    def drains(self, host: str) -> None:
        """Report that a host is drained for its reboot: no drain from before is owed any more."""

    def seen_up(self, host: str) -> None:
        """Report a host up that was given up as down."""

    def refused(self, host: str, why: Reason) -> None:
        """Report a host that can't be rebooted; all changes to it have been undone."""

    def not_needed(self, host: str) -> None:
        """Report a host that needs no reboot; nothing on it was changed."""

    def failed(self, host: str, why: Reason, down: bool) -> None:
        """Report a host that failed; C(down) if it has to count as down."""

    def discarded(self, host: str) -> None:
        """Report a host on which all preparations were undone."""

    def released(self, host: str, outage_s: float | None) -> None:
        """Report a host that is back in service; the outage is None if it was not measured."""
