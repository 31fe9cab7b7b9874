# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certification matrix: host classes with their kernels, and what is proven of each by the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._errors import RolloutError
from .._journal.run_store import Run
from .._ledger.errors import LedgerError
from .._ledger.file import read_ledger
from .._ledger.model import Ledger, LedgerClass
from .._ledger.standing import LedgerRow, rows_of, values_of
from .._ledger.update import with_run
from .._ledger.words import bound_text, kernels, totals_of
from .redact import Redactor
from .words import ms

# Rows of the matrix; the others are in the JSON.
_MOST_ROWS = 100


@dataclass(frozen=True)
class MatrixRow:
    """Row of the matrix: a class, and whether the run that is reported on has rebooted any host of it."""

    row: LedgerRow
    here: bool

    @property
    def kernels(self) -> str:
        return kernels(self.row.key)

    @property
    def bound(self) -> str:
        return bound_text(self.row.bound)

    @property
    def outage(self) -> str:
        """Outage by kexec, as C(8.5 s, p95 9.3 s); empty if unknown."""
        times = self.row.tally.times.get(("kexec", "outage"))
        return "%s, p95 %s" % (ms(times.percentile(50)), ms(times.percentile(95))) if times is not None and times.total else ""


@dataclass(frozen=True)
class Certification:
    """Certification matrix.

    :ivar rows: those of classes in the runs first.
    :ivar notice: what there is to say about the ledger; empty if nothing.
    """

    rows: Sequence[MatrixRow] = ()
    totals: Mapping[str, int] = field(default_factory=dict)
    notice: str = ""

    @property
    def shown(self) -> Sequence[MatrixRow]:
        return self.rows[:_MOST_ROWS]

    def as_values(self) -> dict[str, Any]:
        classes = values_of(each.row for each in self.rows)
        return {
            "notice": self.notice or None,
            "totals": dict(self.totals),
            "classes": [{**values, "here": each.here} for values, each in zip(classes, self.rows, strict=True)],
        }


def certification_of(path: str, runs: Sequence[Run], proven_after: int, redactor: Redactor | None = None) -> Certification:
    """Make the matrix from the ledger, with what these runs add to it. A ledger that can't be read is no error.

    :param redactor: takes names out of host classes and clearings.
    """
    notice, ledger = "", Ledger()
    try:
        ledger = read_ledger(path) or ledger
    except LedgerError as error:
        message = error.reason.message if redactor is None else redactor.text(error.reason.message)
        notice = "%s: %s. The matrix has these runs only." % (error.reason.code, message)
    here: set[LedgerClass] = set()
    for run in runs:
        try:
            ledger, source = with_run(ledger, run)
        except RolloutError:
            # The report itself says so.
            continue
        here.update(source.tallies)
    rows = [MatrixRow(row, row.key in here) for row in rows_of(ledger, proven_after)]
    if redactor is not None:
        rows = [replace(each, row=_redacted(each.row, redactor)) for each in rows]
    return Certification(sorted(rows, key=lambda each: not each.here), totals_of([each.row for each in rows]), notice)


def _redacted(row: LedgerRow, redactor: Redactor) -> LedgerRow:
    cleared = row.cleared and replace(row.cleared, by=redactor.user(row.cleared.by), reason=redactor.text(row.cleared.reason))
    return replace(row, key=replace(row.key, host_class=redactor.text(row.key.host_class)), cleared=cleared)
