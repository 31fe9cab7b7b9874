# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface of the conductor to the run of one host."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal.events import Event


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
        """Take a slot of the lock; return whether one was free.

        :raises RolloutError: the lock can't be reached, or is lost.
        """

    async def confirm_slot(self, host: str) -> None:
        """Require that the host still holds its slot.

        :raises RolloutError: the slot, or the lease, is lost.
        """

    async def give_slot_back(self, host: str) -> None:
        """Give back the slot of a host that is proven back, has failed, or was never triggered."""

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
