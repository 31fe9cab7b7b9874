# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journals taken into the ledger, each as often as it has grown."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._errors import RolloutError
from .._journal.file import Lines, failed, open_journal, replay
from .._journal.run_store import Run, RunStore
from .errors import LedgerError
from .file import read_ledger
from .fold import NAMES_MAX, RunFold
from .model import Ledger, LedgerClass, LedgerSource


@dataclass(frozen=True)
class LedgerReading:
    """Ledger as a run begins with it, and what there is to say about its file."""

    ledger: Ledger = field(default_factory=Ledger)
    warnings: tuple[Reason, ...] = ()


def read_with_journals(path: str, store: RunStore, most: int, but: str | None = None) -> LedgerReading:
    """Read the ledger, and take in what the newest journals add to it, such as that of a run whose controller was killed.

    Never raises an error because of the ledger; nothing is written.

    :param most: number of journals to look at.
    :param but: name of a run to leave out.
    """
    warnings: list[Reason] = []
    ledger: Ledger | None = None
    try:
        ledger = read_ledger(path)
        if ledger is None and store.list():
            warnings.append(reason("LEDGER_MISSING", "there is no ledger %s, but there are journals" % path))
    except (LedgerError, RolloutError) as error:
        warnings.append(error.reason)
    ledger = ledger or Ledger()
    try:
        grown, _unreadable = grown_sources(store, ledger, most, but)
    except RolloutError:
        # The run itself finds out, and says so.
        grown = []
    return LedgerReading(ledger.with_sources(grown), tuple(warnings))


def grown_sources(store: RunStore, ledger: Ledger, most: int, but: str | None = None) -> tuple[list[LedgerSource], list[Reason]]:
    """Sources for the newest journals of which the ledger has less than there is now, and why some could not be read.

    :raises RolloutError: C(JOURNAL_FAILED): the directory can't be read.
    """
    sources: list[LedgerSource] = []
    unreadable: list[Reason] = []
    for run in store.list()[:most]:
        try:
            source = None if run.run_id == but else _grown(run, ledger)
        except RolloutError as error:
            unreadable.append(error.reason)
            continue
        if source is not None:
            sources.append(source)
    return sources, unreadable


def with_run(ledger: Ledger, run: Run) -> tuple[Ledger, LedgerSource]:
    """Take in a run if the ledger has less of it than there is; returns its source, too.

    :raises RolloutError: as :func:`replay`.
    """
    source = _grown(run, ledger)
    return (ledger, ledger.sources[_id_of(run)]) if source is None else (ledger.with_sources([source]), source)


def _grown(run: Run, ledger: Ledger) -> LedgerSource | None:
    """Source for a journal; None if the ledger has all of it."""
    size_bytes = _journal_bytes(run.journal)
    known = ledger.sources.get(_id_of(run))
    if known is not None and known.version >= size_bytes:
        return None
    fold = RunFold()
    replay(run.journal, fold.read)
    return fold.source(size_bytes)


def _journal_bytes(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except OSError as error:
        raise failed(path, error) from error


def _id_of(run: Run) -> str:
    """Name of the source of a run, from its first record."""
    fold = RunFold()
    try:
        with open_journal(run.journal) as stream:
            for record in Lines(stream, run.journal):
                fold.read(record)
                break
    except OSError as error:
        raise failed(run.journal, error) from error
    return fold.id


def bad_hosts_of(store: RunStore, most: int) -> dict[LedgerClass, list[str]]:
    """Names of hosts that failed or were degraded by kexec, by class, from the newest journals that can be read.

    The ledger has no names.

    :raises RolloutError: C(JOURNAL_FAILED): the directory can't be read.
    """
    found: dict[LedgerClass, list[str]] = {}
    for run in store.list()[:most]:
        fold = RunFold()
        with contextlib.suppress(RolloutError):
            replay(run.journal, fold.read)
        for key, names in fold.bad_hosts.items():
            known = found.setdefault(key, [])
            known += [name for name in names if name not in known][: NAMES_MAX - len(known)]
    return found
