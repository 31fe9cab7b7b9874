# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File of the ledger: read, and replaced in one step while a lock is held, so that runs that end together lose nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ansible_collections.fleet.kexec.plugins.module_utils._host.atomic import write_atomically

from .._errors import RolloutError
from .._journal.file import open_directory, open_regular, require_own
from .._journal.run_store import make_directories
from .errors import LedgerError
from .format import MAX_BYTES, decode, encode
from .model import Ledger

NAME = "ledger.json"

# A process holds the lock for as long as it takes to read and write the file.
LOCK_TIMEOUT_S = 20.0
_LOCK_INTERVAL_S = 0.05
_DAMAGED = ".damaged"


class LedgerChange(NamedTuple):
    """Change of a file: its content before and after, the ledgers that these are, and the damage if there was any.

    C(before) and C(known) are None if there was no file, or a damaged one.
    """

    before: bytes | None
    after: bytes
    known: Ledger | None
    ledger: Ledger
    damage: LedgerError | None = None

    @property
    def changed(self) -> bool:
        return self.before != self.after


def default_path(run_directory: str) -> str:
    """Path of the ledger of the runs in a directory."""
    return os.path.join(run_directory, NAME)


def read_ledger(path: str) -> Ledger | None:
    """Read a ledger; None if there is no file.

    :raises LedgerError: C(LEDGER_DAMAGED) or C(LEDGER_FAILED).
    """
    content = _read(path)
    return None if content is None else decode(content, path)


def change_ledger(
    path: str,
    change: Callable[[Ledger], Ledger],
    *,
    check: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> LedgerChange:
    """Read a ledger, change it and write it, unless it stays as it is. One that is damaged is set aside, and begun anew.

    :param check: write nothing.
    :param wait: waits for a number of seconds while another process has the lock.
    :raises LedgerError: C(LEDGER_FAILED).
    """
    with contextlib.nullcontext() if check else _locked(path, wait):
        before, damage, known = _read(path), None, None
        if before is not None:
            try:
                known = decode(before, path)
            except LedgerError as error:
                damage = error
        changed = change(known or Ledger())
        made = LedgerChange(before if known is not None else None, encode(changed), known, changed, damage)
        if made.changed and not check:
            try:
                if damage is not None:
                    os.replace(path, path + _DAMAGED)
                write_atomically(path, made.after, 0o600)
            except OSError as error:
                raise _failed(path, error) from error
    return made


def _read(path: str) -> bytes | None:
    try:
        with open(open_regular(path, os.O_RDONLY), "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, error) from error


@contextlib.contextmanager
def _locked(path: str, wait: Callable[[float], None]) -> Iterator[None]:
    """Hold the lock on a ledger. It is on a file of its own, because the ledger is replaced."""
    directory = os.path.realpath(os.path.dirname(path))
    try:
        make_directories(directory)
        # Another user who can write there could put another file in its place at any time.
        directory_fd = open_directory(directory)
        try:
            require_own(directory_fd, directory)
            lock_fd = open_regular(".%s.lock" % os.path.basename(path), os.O_RDWR | os.O_CREAT, directory_fd)
        finally:
            os.close(directory_fd)
    except RolloutError as error:
        raise LedgerError("LEDGER_FAILED", error.reason.message) from error
    except OSError as error:
        raise _failed(path, error) from error
    try:
        _lock(lock_fd, path, wait)
        yield
    finally:
        os.close(lock_fd)


def _lock(lock_fd: int, path: str, wait: Callable[[float], None]) -> None:
    waited_s = 0.0
    while True:
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if waited_s >= LOCK_TIMEOUT_S:
                raise LedgerError("LEDGER_FAILED", "%s: another process has held its lock for %g s" % (path, waited_s)) from error
        except OSError as error:
            raise _failed(path, error) from error
        wait(_LOCK_INTERVAL_S)
        waited_s += _LOCK_INTERVAL_S


def _failed(path: str, error: OSError) -> LedgerError:
    return LedgerError("LEDGER_FAILED", "%s: %s" % (path, error.strerror or error))
