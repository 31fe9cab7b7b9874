# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standing of the classes of a ledger: proven, unproven or blocked. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .confidence import failure_bound
from .model import Clearing, Ledger, LedgerClass, LedgerResult, Tally

#: Number of reboots by kexec after which a class is proven, unless the user says otherwise.
PROVEN_AFTER = 1


class ClassStanding(StrEnum):
    """Standing of a class."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    #: It failed, and was not cleared since.
    BLOCKED = "blocked"


@dataclass(frozen=True)
class LedgerRow:
    """Class of the ledger, with all that is known of it.

    :ivar failed_at: time of its last bad reboot; empty if there was none.
    :ivar cleared: how it was cleared last; None if it never was.
    """

    key: LedgerClass
    tally: Tally
    standing: ClassStanding
    failed_at: str = ""
    cleared: Clearing | None = None

    @property
    def bound(self) -> float | None:
        """Upper bound on the probability that a kexec of this class goes wrong, at 95 %; None if nothing is known."""
        return failure_bound(self.tally.bad, self.tally.trials) if self.tally.trials else None


_ORDER = (ClassStanding.BLOCKED, ClassStanding.UNPROVEN, ClassStanding.PROVEN)


def rows_of(ledger: Ledger, proven_after: int = PROVEN_AFTER) -> list[LedgerRow]:
    """Rows of all classes: blocked ones first, then unproven ones, then those with most reboots."""
    tallies, blocked = ledger.tallies(), ledger.blocked()
    keys = {*tallies, *ledger.failed, *ledger.cleared}
    rows = []
    for key in keys:
        tally = tallies.get(key, Tally())
        standing = standing_of(tally, is_blocked=key in blocked, proven_after=proven_after)
        rows.append(LedgerRow(key, tally, standing, ledger.failed.get(key, ""), ledger.cleared.get(key)))
    return sorted(rows, key=lambda row: (_ORDER.index(row.standing), -row.tally.reboots, row.key))


def standing_of(tally: Tally, *, is_blocked: bool, proven_after: int) -> ClassStanding:
    if is_blocked:
        return ClassStanding.BLOCKED
    return ClassStanding.PROVEN if tally.of(LedgerResult.KEXEC) >= proven_after else ClassStanding.UNPROVEN


def values_of(rows: Iterable[LedgerRow]) -> list[dict[str, Any]]:
    """Convert rows to plain values, as M(fleet.kexec.ledger) returns them."""
    return [_values(row) for row in rows]


def _values(row: LedgerRow) -> dict[str, Any]:
    tally = row.tally
    durations: dict[str, dict[str, dict[str, float]]] = {}
    for (path, phase), each in sorted(tally.times.items()):
        if each.total:
            durations.setdefault(path, {})[phase] = {
                "count": each.total,
                "p50_ms": each.percentile(50),
                "p95_ms": each.percentile(95),
                "longest_ms": each.percentile(100),
            }
    return {
        "host_class": row.key.host_class,
        "before": row.key.before,
        "after": row.key.after,
        "standing": row.standing.value,
        **{result.value: tally.of(result) for result in LedgerResult},
        "fallbacks": tally.fallbacks,
        "failure_bound": None if row.bound is None else round(row.bound, 5),
        "differences": dict(tally.differences),
        "durations": durations,
        "last_at": tally.last_at or None,
        "failed_at": row.failed_at or None,
        "cleared": {"at": row.cleared.at, "by": row.cleared.by, "reason": row.cleared.reason} if row.cleared else None,
    }
