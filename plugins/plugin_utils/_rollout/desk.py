# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conductor as the run of one host sees it."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal.events import Event


class Desk(Protocol):
    """Leave to go on, slots, and somebody to report to."""

    def record(self, event: Event) -> None:
        """Write an event soon."""

    async def durable(self) -> None:
        """Wait until all events so far are on disk.

        :raises RolloutError: they can't be written.
        """

    async def go(self, host: str) -> Reason | None:
        """Report a host as ready, and wait until it may go.

        :return: why it may not go any more; None if it may.
        """

    def may_trigger(self, host: str) -> Reason | None:
        """See :meth:`Scheduler.may_trigger`."""

    async def change(self, timeout_s: float | None = None) -> None:
        """Wait until anything happens, or for so long."""

    async def take_slot(self, host: str) -> bool:
        """Take a slot of the lock.

        :return: whether one was free.
        :raises RolloutError: the lock can't be asked, or is lost.
        """

    async def confirm_slot(self, host: str) -> None:
        """Make sure that the host still holds its slot.

        :raises RolloutError: the slot, or the lease, is lost.
        """

    async def give_slot_back(self, host: str) -> None:
        """Give back the slot of a host that is proven back, or given up, or was never triggered."""

    def refused(self, host: str, why: Reason) -> None:
        """Report a host that can't be rebooted; nothing was done to it that was not undone."""

    def failed(self, host: str, why: Reason, down: bool) -> None:
        """Report a host that is given up.

        :param down: whether it has to be taken for down.
        """

    def discarded(self, host: str) -> None:
        """Report a host on which all that was begun is undone."""

    def released(self, host: str, outage_s: float | None) -> None:
        """Report a host that is back in service."""
