# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a report, as users write them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._ledger.standing import PROVEN_AFTER
from .._values import Value
from .errors import ReportError

ALL_RUNS = "all"
FORMATS = ("html", "json", "metrics")


@dataclass(frozen=True)
class ReportRequest:
    """Options of a report.

    :ivar run_id: name of the run, or C(latest).
    :ivar compare: name of another run to compare it with.
    :ivar paths: path of the file by format; if empty, the page goes beside the journal.
    :ivar ways: runs of each way by its name, to compare ways instead of reporting on one run.
    :ivar runs: runs to report on instead of one: their names, or the number of the newest ones.
    :ivar title: title of the page; None for the name of the run.
    :ivar reason: purpose of the run; None for that of its journal. C(ticket) likewise.
    :ivar redact: take names, addresses and paths out of what is written.
    :ivar ledger: path of the ledger; None for that of the runs.
    :ivar proven_after: number of good reboots by kexec after which a class is proven.
    :ivar mode: permissions of the files; None to keep existing ones.
    :ivar check: write nothing.
    """

    run_id: str
    compare: str | None
    paths: Mapping[str, str]
    ways: Mapping[str, Sequence[str]] | None = None
    runs: Sequence[str] | int | None = None
    title: str | None = None
    reason: str | None = None
    ticket: str | None = None
    redact: bool = False
    ledger: str | None = None
    proven_after: int = PROVEN_AFTER
    mode: int | None = None
    check: bool = False


def parse_mode(value: Any) -> int | None:
    """Parse permissions: C('0644'), or the number that YAML makes of C(0644).

    :raises ReportError: the value is invalid.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777:
        return value
    text = str(value).removeprefix("0o")
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise _option(value, "mode").wrong("octal permissions, such as '0644'")
    return int(text, 8)


def parse_ways(value: Any) -> dict[str, list[str]] | None:
    """Parse the runs of each way: a name, or a list of names.

    :raises ReportError: the value is invalid, or a way has no runs.
    """
    if value is None:
        return None
    ways = _option(value, "ways")
    given = ways.dictionary("a dictionary of ways and their runs")
    if not given:
        raise ways.wrong("a dictionary of at least one way")
    return {
        str(name): [run.text() for run in ways.below(".%s" % name, runs).one_or_more("a run, or a list of at least one")]
        for name, runs in given.items()
    }


def parse_runs(value: Any) -> list[str] | int | None:
    """Parse which runs to report on: a number of the newest ones, C(all), a name, or a list of names.

    :raises ReportError: the value is invalid.
    """
    if value is None:
        return None
    option = _option(value, "runs")
    if value == ALL_RUNS:
        return sys.maxsize
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
        return option.count(1)
    return [run.text() for run in option.one_or_more("all, a number of runs, or a list of at least one name")]


def _option(value: Any, name: str) -> Value:
    return Value(value, name, partial(ReportError, "REPORT_FAILED"))
