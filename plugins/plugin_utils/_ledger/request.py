# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What M(fleet.kexec.ledger) is asked for, and its result."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.atomic import write_atomically
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._journal.run_store import RunStore
from .._text import clean
from .errors import LedgerError
from .file import LedgerChange, change_ledger, read_ledger
from .fold import class_text
from .format import encode
from .model import RUNS_MAX, Clearing, Ledger, LedgerClass, LedgerSource
from .standing import PROVEN_AFTER, rows_of, values_of
from .update import bad_hosts_of, grown_sources
from .words import ledger_text, totals_of

STATE_SHOWN = "shown"
STATE_UPDATED = "updated"
STATE_EXPORTED = "exported"
STATE_CLEARED = "cleared"
STATES = (STATE_UPDATED, STATE_SHOWN, STATE_EXPORTED, STATE_CLEARED)

# Ansible's own limit on the size of a difference.
_DIFF_MAX_BYTES = 104_448


@dataclass(frozen=True)
class LedgerRequest:
    """Options of the module.

    :ivar merge: paths of other ledgers to merge in.
    :ivar boots: reboots from hosts' histories.
    :ivar host_class: class to clear; C(before) and C(after) None for those with any kernel.
    :ivar by: name of the user.
    :ivar at: time now, as the journal writes times.
    """

    state: str
    path: str
    merge: Sequence[str] = ()
    boots: Sequence[LedgerSource] = ()
    dest: str | None = None
    host_class: str | None = None
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    by: str = ""
    at: str = ""
    proven_after: int = PROVEN_AFTER
    names: bool = False
    check: bool = False


def carry_out(store: RunStore, request: LedgerRequest) -> tuple[dict[str, Any], list[Reason]]:
    """Do what is asked for; returns the result of M(fleet.kexec.ledger), and warnings.

    :raises CodedError: the ledger or a file can't be read or written, or has no such class.
    """
    result: dict[str, Any] = {"changed": False}
    warnings: list[Reason] = []
    if request.state in (STATE_SHOWN, STATE_EXPORTED):
        ledger = read_ledger(request.path)
        if ledger is None:
            raise LedgerError("LEDGER_MISSING", "there is no ledger %s" % request.path)
        if request.state == STATE_EXPORTED:
            result.update(_export(ledger, request))
    else:
        others = [_other(path) for path in request.merge]

        def change(known: Ledger) -> Ledger:
            grown, unreadable = grown_sources(store, known, RUNS_MAX)
            warnings[:] = unreadable
            made = known.with_sources([*grown, *request.boots])
            for other in others:
                made = made.merged(other)
            return _cleared(made, request) if request.state == STATE_CLEARED else made

        changed = change_ledger(request.path, change, check=request.check)
        ledger = changed.ledger
        result.update(changed=changed.changed, diff=_difference(request, changed))
        if changed.damage is not None:
            warnings.append(changed.damage.reason)
    rows = rows_of(ledger, request.proven_after)
    named = bad_hosts_of(store, RUNS_MAX) if request.names else {}
    result.update(ledger=request.path, classes=values_of(rows), totals=totals_of(rows), lines=ledger_text(rows, named))
    if request.names:
        for row, values in zip(rows, result["classes"], strict=True):
            values["bad_hosts"] = named.get(row.key, [])
    return result, warnings


def _other(path: str) -> Ledger:
    ledger = read_ledger(path)
    if ledger is None:
        raise LedgerError("LEDGER_FAILED", "there is no ledger %s to merge" % path)
    return ledger


def _cleared(ledger: Ledger, request: LedgerRequest) -> Ledger:
    """Clear the classes that are asked for and blocked.

    :raises LedgerError: C(LEDGER_CLASS_UNKNOWN).
    """
    known = [key for key in {*ledger.tallies(), *ledger.failed} if _is_meant(key, request)]
    if not known:
        named = ", ".join(clean(text) for text in (request.host_class, request.before, request.after) if text)
        raise LedgerError("LEDGER_CLASS_UNKNOWN", "%s has no class %s" % (request.path, named))
    for key, failed_at in ledger.blocked().items():
        if _is_meant(key, request):
            # The clock of the controller that saw the failure may be ahead of this one.
            clearing = Clearing(max(request.at, failed_at), class_text(request.by), class_text(request.reason))
            ledger = ledger.with_clearing([key], clearing)
    return ledger


def _is_meant(key: LedgerClass, request: LedgerRequest) -> bool:
    wanted = ((request.host_class, key.host_class), (request.before, key.before), (request.after, key.after))
    return all(text is None or text == has for text, has in wanted)


def _export(ledger: Ledger, request: LedgerRequest) -> dict[str, Any]:
    content, path = encode(ledger), str(request.dest)
    try:
        with open(path, "rb") as stream:
            before: bytes | None = stream.read()
    except FileNotFoundError:
        before = None
    except OSError as error:
        raise LedgerError("LEDGER_FAILED", "%s: %s" % (path, error.strerror or error)) from error
    if before != content and not request.check:
        try:
            write_atomically(os.path.realpath(path), content, 0o600)
        except OSError as error:
            raise LedgerError("LEDGER_FAILED", "%s: %s" % (path, error.strerror or error)) from error
    return {"changed": before != content, "dest": path}


def _difference(request: LedgerRequest, change: LedgerChange) -> Mapping[str, Any]:
    """Difference of the ledger, in words."""
    header = {"before_header": request.path, "after_header": request.path}
    if not change.changed:
        return {**header, "before": "", "after": ""}
    before = "" if change.known is None else _text(change.known, request)
    after = _text(change.ledger, request)
    if max(len(before), len(after)) > _DIFF_MAX_BYTES:
        return {**header, "dst_larger": _DIFF_MAX_BYTES}
    return {**header, "before": before, "after": after}


def _text(ledger: Ledger, request: LedgerRequest) -> str:
    return "".join(line + "\n" for line in ledger_text(rows_of(ledger, request.proven_after)))
