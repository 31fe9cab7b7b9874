# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of this controller that have left slots of the shared lock behind, and what their journals say about the hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum

from .._errors import RolloutError
from .._journal.file import replay
from .._journal.host_state import HostState
from .._journal.phases import PHASES, Phase
from .._journal.run_state import RunState
from .._journal.run_store import RunStore
from .._lock.model import Holder
from .._schedule.hosts import Status
from .._transport.bounded import CallAbandoned, bounded_call

# A journal of 10,000 hosts takes seconds.
READ_TIMEOUT_S = 60.0


Beside = Callable[[Callable[[], Mapping[str, "SlotUse"]], float], Awaitable[Mapping[str, "SlotUse"]]]


class SlotUse(Enum):
    """Use of a slot that a run holds for a host."""

    #: Nothing: the host is up, or was never triggered.
    NOTHING = "nothing"
    #: It was given up, and was down then.
    DOWN = "down"
    #: It is to be asked what became of it.
    OPEN = "open"


class EarlierRuns:
    """Runs of this controller.

    :param controller: its name.
    :param beside: calls a function beside the event loop, within a time; see :func:`bounded_call`.
    """

    def __init__(self, store: RunStore, controller: str, beside: Beside = bounded_call) -> None:
        self._store = store
        self._controller = controller
        self._beside = beside

    async def left_by(self, holders: Sequence[Holder]) -> Mapping[str, SlotUse] | None:
        """Tell what the run of these holders, one for all, has left to do about each; None for a run of another controller.

        Its process may still live.
        """
        if holders[0].controller != self._controller:
            return None
        try:
            return await self._beside(lambda: self._read(holders), READ_TIMEOUT_S)
        except (RolloutError, CallAbandoned):
            return None

    def _read(self, holders: Sequence[Holder]) -> Mapping[str, SlotUse]:
        state = RunState()
        replay(self._store.open(holders[0].run_id).journal, state.read)
        return {holder.host: _left(state.hosts.get(holder.host)) for holder in holders}


def _left(host: HostState | None) -> SlotUse:
    if host is None or host.withheld:
        return SlotUse.OPEN
    if host.phase is Phase.FAILED:
        # One that is up stays drained, but holds no slot.
        return SlotUse.DOWN if host.down else SlotUse.NOTHING
    return SlotUse.OPEN if host.maybe_drained or PHASES[host.phase].status is Status.IN_FLIGHT else SlotUse.NOTHING
