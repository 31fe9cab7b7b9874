# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a host's run reports to, and asks whether it may go on: the conductor, as its hosts see it."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal.events import Event


class Desk(Protocol):
    """What a host asks of the conductor, and tells it."""

    def record(self, event: Event) -> None:
        """Write an event soon."""

    async def durable(self) -> None:
        """Wait until all events so far are on disk; :raises RolloutError: they can't be written."""

    async def go(self, host: str) -> Reason | None:
        """Tell that a host is ready, and wait until it may go; or why it may not go any more."""

    def may_trigger(self, host: str) -> Reason | None:
        """See :meth:`Scheduler.may_trigger`."""

    async def change(self, timeout_s: float | None = None) -> None:
        """Wait until anything happens, or for so long."""

    async def take_slot(self, host: str) -> bool:
        """Take a slot of the shared budget; :raises RolloutError: there is none to be had any more."""

    async def confirm_slot(self, host: str) -> None:
        """:raises RolloutError: the slot, or the lease, is lost."""

    async def give_slot_back(self, host: str) -> None:
        """It is proven back, or given up, or was never triggered."""

    def refused(self, host: str, why: Reason) -> None:
        """It is not to be rebooted, and nothing was touched."""

    def failed(self, host: str, why: Reason, down: bool) -> None:
        """It is given up."""

    def discarded(self, host: str) -> None:
        """What was begun on it is undone."""

    def released(self, host: str, outage_s: float | None) -> None:
        """It is back in service."""
