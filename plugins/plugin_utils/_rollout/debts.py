# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debts of a rollout: what was begun on a host, or is held for it, and could not be given back at once.

Each is journalled when it arises, tried again in the background while the rollout goes on and once more at its end, and
journalled when it is paid. What is owed then is left to a resume, or to the user.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._journal import events
from .._journal.events import Event

# Pauses between attempts double from one to the other.
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0
# For the last attempts, at the end of a rollout.
SETTLE_S = 30.0


class Kind(StrEnum):
    """Kind of a debt, as the journal names it."""

    #: An image is loaded, or a trigger pending.
    IMAGE = "image"
    #: Drained by before hooks.
    DRAIN = "drain"
    #: A slot of the shared lock.
    SLOT = "slot"
    #: Settings of kernel.panic and kernel.panic_on_oops.
    PANIC = "panic"
    #: The run's key in the shared lock.
    LOCK = "lock"


# Codes that say by themselves what is owed, and what to do.
_PLAIN = ("UNLOAD_DISABLED",)

_OWED: Mapping[Kind, tuple[str, str]] = {
    Kind.IMAGE: ("IMAGE_OWED", "an image may be loaded: %s"),
    Kind.DRAIN: ("DRAIN_OWED", "it is still drained: %s"),
    Kind.SLOT: ("SLOT_OWED", "its slot is still taken: %s"),
    Kind.PANIC: ("PANIC_OWED", "kernel.panic was not restored: %s"),
    Kind.LOCK: ("LOCK_OWED", "the lock still has the run: %s"),
}

#: Attempt to give something back; raises any exception if that failed.
Pay = Callable[[], Awaitable[None]]


def owed(kind: Kind, why: Reason) -> Reason:
    """Reason of a debt, from that for which it could not be paid."""
    code, words = _OWED[kind]
    return why if why.code in (code, *_PLAIN) else reason(code, words % why.message)


async def attempt(pay: Pay) -> Reason | None:
    """Try to give something back; return why that failed. Raises nothing."""
    try:
        await pay()
    except CodedError as error:
        return error.reason
    except Exception as error:  # whatever it is, it must not end the host's run
        return reason("INTERNAL_ERROR", "%s: %s" % (type(error).__name__, error))
    return None


async def give_up(pay: Pay, timeout_s: float = SETTLE_S) -> Reason | None:
    """Try to give something back until a timeout; return why that failed."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        why = await attempt(pay)
        if why is None or asyncio.get_running_loop().time() + FIRST_PAUSE_S >= deadline:
            return why
        await asyncio.sleep(FIRST_PAUSE_S)


@dataclass
class _Debt:
    """Debt of a host; C(unavailable) if the host counts as unavailable because of it."""

    host: str
    kind: Kind
    unavailable: bool
    task: asyncio.Task[None] | None = None


class Debts:
    """Debts of one rollout.

    :param record: takes events for the journal.
    :param changed: called with a host when a debt of it arises, and when one is paid.
    """

    def __init__(self, record: Callable[[Event], None], changed: Callable[[str], None]) -> None:
        self._record = record
        self._changed = changed
        self._debts: dict[tuple[str, Kind], _Debt] = {}
        self._hurry = asyncio.Event()

    def owes(self, host: str, kind: Kind) -> bool:
        return (host, kind) in self._debts

    def withheld(self, host: str) -> bool:
        """Whether a host counts as unavailable because of a debt."""
        return any(self._debts[host, kind].unavailable for kind in Kind if (host, kind) in self._debts)

    def take_over(self, host: str, kind: Kind, unavailable: bool) -> None:
        """Take over a debt that an earlier process has journalled."""
        self._debts[host, kind] = _Debt(host, kind, unavailable)
        self._changed(host)

    async def give_back(self, host: str, kind: Kind, pay: Pay, *, unavailable: bool = False) -> bool:
        """Give something back; return whether that succeeded at once. If not, it is a debt, and tried again. Raises nothing.

        :param unavailable: whether the host counts as unavailable while it owes this.
        """
        why = await attempt(pay)
        if why is None:
            self.paid(host, kind)
            return True
        self.keep(host, kind, why, unavailable=unavailable)
        self.retry(host, kind, pay)
        return False

    def keep(self, host: str, kind: Kind, why: Reason, *, unavailable: bool = False) -> None:
        """Journal a debt that nothing can be done about yet; see :meth:`retry`."""
        known = self._debts.setdefault((host, kind), _Debt(host, kind, unavailable))
        known.unavailable = unavailable
        self._record(events.HostOwes(host=host, debt=kind.value, reason=owed(kind, why), unavailable=unavailable))
        self._changed(host)

    def retry(self, host: str, kind: Kind, pay: Pay, *, at_once: bool = False) -> None:
        """Have a debt paid in the background, unless that is under way."""
        debt = self._debts.get((host, kind))
        if debt is not None and debt.task is None:
            debt.task = asyncio.create_task(self._pay(debt, pay, 0.0 if at_once else FIRST_PAUSE_S))

    def paid(self, host: str, kind: Kind) -> None:
        """Take in that something was given back, or is gone; does nothing unless it was owed."""
        debt = self._debts.pop((host, kind), None)
        if debt is not None:
            self._record(events.HostPaid(host=host, debt=kind.value))
            self._changed(host)

    def begins_anew(self, host: str) -> bool:
        """Take in that a host is prepared, and from here on gives back by itself what it owes; return whether it may be drained.

        What is staged replaces its image, and the boot that its settings are of is to end.
        """
        self.drop(host, Kind.IMAGE, Kind.PANIC)
        debt = self._debts.get((host, Kind.DRAIN))
        if debt is not None:
            _stop(debt)
        return debt is not None

    def drop(self, host: str, *kinds: Kind) -> None:
        """Forget debts that are not to be paid any more, because what was begun has begun anew."""
        for debt in filter(None, [self._debts.pop((host, kind), None) for kind in kinds]):
            _stop(debt)
        self._changed(host)

    async def hold(self, host: str, kind: Kind) -> None:
        """Wait until nobody tries any more to give back what is needed again."""
        debt = self._debts.get((host, kind))
        task = _stop(debt) if debt is not None else None
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def _pay(self, debt: _Debt, pay: Pay, pause_s: float) -> None:
        hurried = False
        while True:
            if hurried:
                await asyncio.sleep(pause_s)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), pause_s)
                if self._hurry.is_set():
                    hurried, pause_s = True, 0.0
            why = await attempt(pay)
            if why is None:
                self.paid(debt.host, debt.kind)
                return
            pause_s = min(max(pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)

    async def settle(self, timeout_s: float = SETTLE_S) -> None:
        """Have everything tried once more, and again until a timeout."""
        self._hurry.set()
        deadline = asyncio.get_running_loop().time() + timeout_s
        # Paying one may bring up another: a host whose reboot is called off at last is undrained.
        while paying := self._paying():
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            await asyncio.wait(paying, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Try nothing any more."""
        paying = self._paying()
        for task in paying:
            task.cancel()
        await asyncio.gather(*paying, return_exceptions=True)

    def _paying(self) -> list[asyncio.Task[None]]:
        return [debt.task for debt in self._debts.values() if debt.task is not None and not debt.task.done()]


def _stop(debt: _Debt) -> asyncio.Task[None] | None:
    """Stop trying to pay a debt; return the attempt that is being cancelled, if any."""
    task, debt.task = debt.task, None
    if task is not None:
        task.cancel()
    return task
