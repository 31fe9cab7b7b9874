# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface of the lock: slots that several runs share, and what its backends need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

#: Longest lease, and so the longest wait for the lease of an earlier process.
MAX_LEASE_S = 3600


class LockError(CodedError):
    """Raised when the shared slots can't be used.

    C(LOCK_INVALID): an option is invalid. C(LOCK_UNAVAILABLE): the backend can't be reached or refuses; a retry may succeed.
    C(LOCK_LOST): the lease or slot is gone or belongs to another run; nothing may be triggered, and the lock does not recover.
    C(LOCK_MISMATCH): other runs use the same lock with a different number of slots. C(SLOT_OWED): a slot can't be given back,
    because its record can't be read.
    """


@dataclass(frozen=True)
class Holder:
    """Holder of a slot.

    :ivar run_id: empty, like the fields below, if the record can't be read; the slot counts as taken all the same.
    :ivar since: UTC, ISO 8601 with seconds, by the clock of that controller; for display only.
    """

    host: str
    run_id: str
    controller: str
    since: str

    def record(self) -> dict[str, str]:
        """Record that the backend stores, for JSON."""
        return {"host": self.host, "run_id": self.run_id, "controller": self.controller, "since": self.since}

    @classmethod
    def from_record(cls, host: str, record: Any) -> Holder:
        """Holder by a stored record; fields that are missing or damaged are empty."""
        known = record if isinstance(record, dict) else {}
        return cls(host, *(str(known.get(name, "")) for name in ("run_id", "controller", "since")))


@dataclass(frozen=True)
class LockContext:
    """The run that a lock is for, and the controller it runs on.

    :ivar run_id: only one process at a time can have the lock of a run open.
    :ivar controller: name for display.
    :ivar directory: for backends that keep files on the controller.
    :ivar clock: seconds, which continue while the machine is suspended.
    :ivar progress: called with a message when opening has to wait.
    """

    run_id: str
    controller: str
    directory: str
    clock: Callable[[], float]
    now: Callable[[], datetime]
    progress: Callable[[str], None]


class SlotLock(Protocol):
    """Slots that several runs share; a host that is or may be down takes one.

    All methods may be called concurrently, end in time and raise :class:`LockError`. A slot stays taken, whatever becomes of its
    controller, until this run or another process that resumes it releases it. The lease only proves that the controller lives.

    :ivar counted: whether the number of slots is limited; if not, a slot only keeps two runs from rebooting one host at once.
    :ivar patience_s: how long it is worthwhile to ask again for what was C(LOCK_UNAVAILABLE): the lease lasts that long at least.
    """

    @property
    def counted(self) -> bool: ...

    @property
    def patience_s(self) -> float: ...

    async def open(self) -> None:
        """Check that the backend works, and take this run's lease; waits for that of an earlier process to run out.

        :raises LockError: C(LOCK_UNAVAILABLE); C(LOCK_LOST) if another process of this run lives; C(LOCK_MISMATCH) if other runs
            use a different number of slots.
        """

    async def acquire(self, host: str) -> bool:
        """Take a slot for a host that is about to go down.

        Nothing is queued: a caller that gets False asks again after a second or so.

        :returns: True if this run holds the slot, now or since before a resume; False while all slots are taken or another run
            holds this host.
        """

    async def confirm(self, host: str) -> None:
        """Ask the backend, right before the trigger, whether the lease lives and the slot is ours.

        :raises LockError: C(LOCK_LOST): the host must not be triggered.
        """

    async def release(self, host: str) -> None:
        """Give back the slot of a host that is proven back, or given up; does nothing if it is not held.

        :raises LockError: C(SLOT_OWED) too: it is taken, and nobody can tell by whom.
        """

    async def holders(self) -> list[Holder]:
        """Holders of all runs, ordered by host. Raises LockError C(LOCK_UNAVAILABLE)."""

    async def lives(self, run_id: str) -> bool:
        """Whether the controller of a run lives, as far as its lease tells."""

    async def free(self, holder: Holder) -> bool:
        """Give back the slot of another run, for the case that its controller has died and nothing is left to do about the host.

        :returns: False if that run lives, or the slot has another holder by now.
        """

    async def close(self) -> None:
        """Give up the lease; may be repeated. Slots that were not released stay taken.

        :raises LockError: C(LOCK_UNAVAILABLE): it is left to run out.
        """


def utc_text(now: datetime) -> str:
    """Format a time as records store it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unreadable(host: str) -> str:
    """Say that nobody can tell whose a slot is."""
    return "the record of the slot of %s can't be read" % host


def slot_owed(host: str) -> LockError:
    """Error for a slot that may be anybody's."""
    return LockError("SLOT_OWED", "its slot is still taken: %s, so that nobody can tell whose it is" % unreadable(host))


def mismatch(name: str, recorded: int | None, asked: int | None, because: str) -> LockError:
    """Error for a number of slots that differs from that of other runs."""
    return LockError(
        "LOCK_MISMATCH",
        "lock %s has %s recorded, but this run asks for %s; %s" % (name, _slots_text(recorded), _slots_text(asked), because),
    )


def in_use(taken: int, runs: int) -> str:
    """Reason why the number of slots can't change now."""
    return "slots taken: %d, other runs that live: %d" % (taken, runs)


def _slots_text(slots: int | None) -> str:
    return "no limit" if slots is None else "%d slot%s" % (slots, "" if slots == 1 else "s")
