# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ledger in words, for terminals, differences and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._text import clean, clipped, counted
from .model import LedgerClass, LedgerResult
from .standing import ClassStanding, LedgerRow

_RESULTS = {
    LedgerResult.KEXEC: "%d by kexec",
    LedgerResult.FAILED: "%d failed",
    LedgerResult.DEGRADED: "%d degraded",
    LedgerResult.UNCLEAR: "%d unclear",
    LedgerResult.FIRMWARE: "%d through firmware",
    LedgerResult.FIRMWARE_FAILED: "%d failed through firmware",
}
_DAY_CHARS = len("2026-11-24")


def kernels(key: LedgerClass) -> str:
    """Kernels of a class, such as C(6.1.0-28-amd64 -> 6.1.0-29-amd64)."""
    if key.before == key.after:
        return clean(key.before) or "unknown"
    return "%s -> %s" % (clean(key.before) or "unknown", clean(key.after) or "unknown")


def bound_text(bound: float | None) -> str:
    """Upper bound on a probability of failure, such as C(fails in under 1.0 %); empty if it says nothing."""
    if bound is None or bound > 0.5:
        return ""
    percent = bound * 100
    return "fails in under %s %% (95 %%)" % ("%.1f" % percent if percent >= 0.1 else "%.2f" % percent)


def row_text(row: LedgerRow) -> str:
    """Line about a class."""
    tally = row.tally
    parts = [words % tally.of(result) for result, words in _RESULTS.items() if tally.of(result)]
    if tally.fallbacks:
        parts.append(counted(tally.fallbacks, "fallback"))
    outage = tally.times.get(("kexec", "outage"))
    if outage is not None and outage.total:
        parts.append("outage p50 %.1f s, p95 %.1f s" % (outage.percentile(50) / 1000, outage.percentile(95) / 1000))
    parts += [words for words in (bound_text(row.bound),) if words]
    if tally.last_at:
        parts.append("last %s" % tally.last_at[:_DAY_CHARS])
    if row.cleared:
        parts.append("cleared %s by %s: %s" % (row.cleared.at[:_DAY_CHARS], clean(row.cleared.by), clean(row.cleared.reason)))
    said = ", ".join(parts) or "nothing counted"
    return "%s: %s, %s: %s" % (row.standing.value, clean(row.key.host_class), kernels(row.key), said)


def ledger_text(rows: Sequence[LedgerRow], named: Mapping[LedgerClass, Sequence[str]] | None = None) -> list[str]:
    """Lines about all classes, and their totals.

    :param named: names of hosts that failed or were degraded, which follow the line of their class.
    """
    standings = totals_of(rows)
    classes = "1 class" if len(rows) == 1 else "%d classes" % len(rows)
    said = ", ".join(
        "%d %s" % (standings[each.value], each.value)
        for each in (ClassStanding.PROVEN, ClassStanding.UNPROVEN, ClassStanding.BLOCKED)
    )
    lines = []
    for row in rows:
        lines.append(row_text(row))
        lines += ["  " + clean(name) for name in (named or {}).get(row.key, ())]
    return [*lines, "%s: %s" % (classes, said)]


def warning_text(why: Reason) -> str:
    """Warning about the ledger, in one line."""
    return "%s: %s. %s" % (why.code, clipped(why.message), why.hint)


def totals_of(rows: Sequence[LedgerRow]) -> dict[str, int]:
    """Numbers of classes, in all and by standing."""
    standings = Counter(row.standing.value for row in rows)
    return {"classes": len(rows), **{each.value: standings[each.value] for each in ClassStanding}}
