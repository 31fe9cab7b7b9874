# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots that several runs share: what every backend of the lock offers, and what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError

#: A lease lasts no longer, so nobody waits longer for that of an earlier process.
MAX_LEASE_S = 3600


class LockError(CodedError):
    """Raised when the shared slots can't be used.

    C(LOCK_INVALID): an option is no good. C(LOCK_UNAVAILABLE): the backend can't be reached or refuses; it may be asked again.
    C(LOCK_LOST): the lease or the slot is gone or somebody else's; nothing may be triggered, and the lock does not recover.
    C(LOCK_MISMATCH): others use the same lock with another number of slots.
    """


@dataclass(frozen=True)
class Holder:
    """Slot that is taken.

    :ivar run_id: empty, like what follows, if the record can't be read; it counts all the same.
    :ivar since: UTC, ISO 8601 with seconds; by the clock of that controller, so for people only.
    """

    host: str
    run_id: str
    controller: str
    since: str

    def record(self) -> dict[str, str]:
        """The record that the backend keeps of it, as JSON."""
        return {"host": self.host, "run_id": self.run_id, "controller": self.controller, "since": self.since}

    @classmethod
    def from_record(cls, host: str, record: Any) -> Holder:
        """Slot of a host, whatever is kept there."""
        known = record if isinstance(record, dict) else {}
        return cls(host, *(str(known.get(name, "")) for name in ("run_id", "controller", "since")))


@dataclass(frozen=True)
class LockContext:
    """The run that a lock is for, and what a backend needs of the controller.

    :ivar run_id: one process at a time can have the lock of a run open.
    :ivar controller: who that is, for people.
    :ivar directory: for backends that keep files on the controller.
    :ivar clock: seconds that go on while the machine is suspended.
    :ivar now: the time of day.
    :ivar progress: told when opening has to wait.
    """

    run_id: str
    controller: str
    directory: str
    clock: Callable[[], float]
    now: Callable[[], datetime]
    progress: Callable[[str], None]


class SlotLock(Protocol):
    """Slots that several runs share; a host that is or may be down takes one.

    All methods may be called from several threads, end in time and raise
    :class:`LockError`. A slot stays until it is released, whatever becomes of
    its controller: by this run, or by another process that resumes the run. The lease proves only that the controller lives.

    :ivar at_once: calls that make each other no slower when they are made at the same time.
    """

    at_once: int

    def open(self) -> None:
        """Prove that the backend works, and take the lease of this run.

        Waits for the lease of an earlier process of this run to run out.

        :raises LockError: C(LOCK_UNAVAILABLE); C(LOCK_LOST) if another process of this run lives;
            C(LOCK_MISMATCH) if others use another number of slots.
        """

    def acquire(self, host: str) -> bool:
        """Take a slot for a host that is about to go down.

        Nothing is queued: whoever gets False asks again, once a second or so.

        :returns: True if it is taken, or was already by this run (before a resume); False while all
            are taken or another run holds this host.
        """

    def confirm(self, host: str) -> None:
        """Right before the trigger: ask the backend whether the lease lives and the slot is ours.

        :raises LockError: C(LOCK_LOST): it must not be triggered.
        """

    def release(self, host: str) -> None:
        """Give back the slot of a host that is proven back, or given up. No error if it is not held."""

    def holders(self) -> list[Holder]:
        """Slots that are taken, of all runs, by host."""

    def close(self) -> None:
        """Give up the lease. Slots that were not released stay."""


def utc_text(now: datetime) -> str:
    """Moment as records have it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def mismatch(name: str, recorded: int | None, asked: int | None, because: str) -> LockError:
    """Error for another number of slots than others use."""
    return LockError(
        "LOCK_MISMATCH",
        "lock %s has %s recorded, but this run asks for %s; %s" % (name, _slots_text(recorded), _slots_text(asked), because),
    )


def in_use(taken: int, runs: int) -> str:
    """Reason why the number of slots can't be replaced."""
    return "slots taken: %d, other runs that live: %d" % (taken, runs)


def _slots_text(slots: int | None) -> str:
    return "no limit" if slots is None else "%d slot%s" % (slots, "" if slots == 1 else "s")
