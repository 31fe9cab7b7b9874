# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Store of runs: one directory for each, which holds the run's journal.

Symbolic links inside the store are not followed, and files that another user could have written are not trusted.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .._errors import RolloutError
from .._transport.controller import state_directory
from .file import LINE_MAX_BYTES, failed, open_directory, open_regular, require_own, utc

JOURNAL = "journal.jsonl"
LATEST = "latest"

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIRST_LINE = re.compile(rb'\{"v":\d+,"seq":1,"at":"([0-9T:.-]+Z)"')

# Attempts to draw a free name. Names of runs that begin in the same second rarely collide.
_DRAWS = 100


@dataclass(frozen=True)
class Run:
    """Run in the store. Other files about the run may be put into its directory."""

    run_id: str
    directory: str
    journal: str
    started_at: str


def default_directory(environ: Mapping[str, str]) -> str:
    return state_directory(environ, "runs")


class RunStore:
    """Store of runs in a directory, which is created with the first run."""

    def __init__(self, directory: str) -> None:
        # The directory itself may be a symbolic link, because the user named it; nothing inside it may be one.
        self._directory = os.path.realpath(directory)

    @classmethod
    def at(cls, directory: str | None, environ: Mapping[str, str]) -> RunStore:
        """Open the store in a directory, by default in the user's own."""
        return cls(directory or default_directory(environ))

    @property
    def directory(self) -> str:
        return self._directory

    def new(self, run_id: str | None, now: float, random: Callable[[int], str]) -> Run:
        """Create a run with an empty journal; without C(run_id), the name is made from the time.

        The name of a run whose controller was killed before the first record is free again.

        :param now: seconds since 1970.
        :param random: draws this number of bytes, as hexadecimal digits.
        :raises RolloutError: C(RUN_ID_INVALID), C(RUN_EXISTS) or C(JOURNAL_FAILED).
        """
        if run_id is not None:
            _check_name(run_id)
            if run_id == LATEST:
                raise RolloutError("RUN_ID_INVALID", "run_id can't be %s, which stands for the newest run" % LATEST)
        try:
            make_directories(self._directory)
            with self._opened(own=True) as store_fd:
                if run_id is None:
                    run_id = self._make_unnamed(now, random, store_fd)
                elif _never_began(run_id, store_fd):
                    _make_journal(run_id, store_fd)
                else:
                    _make_run(run_id, store_fd)
        except FileExistsError as error:
            raise RolloutError("RUN_EXISTS", "run %s already exists in %s" % (run_id, self._directory)) from error
        except OSError as error:
            raise failed(self._directory, error) from error
        return self._run(run_id, utc(now))

    def _make_unnamed(self, now: float, random: Callable[[int], str], store_fd: int) -> str:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        for _draw in range(_DRAWS):
            run_id = "%s-%s" % (stamp, random(2))
            with contextlib.suppress(FileExistsError):
                _make_run(run_id, store_fd)
                return run_id
        raise RolloutError("RUN_EXISTS", "there is no free name for another run at %s" % stamp)

    def abandon(self, run: Run) -> None:
        """Remove a run without a first record. Call it while the journal is locked, so that nobody else is about to begin it."""
        with contextlib.suppress(OSError, RolloutError), self._opened(own=True) as store_fd:
            if _never_began(run.run_id, store_fd):
                _remove_run(run.run_id, store_fd)

    def open(self, run_id: str) -> Run:
        """Run with this name, or the newest run for C(latest). A run without a first record never began and does not count.

        :raises RolloutError: C(RUN_ID_INVALID), C(RUN_NOT_FOUND) or C(JOURNAL_FAILED).
        """
        _check_name(run_id)
        runs = self.list()
        for run in runs:
            if run_id in (LATEST, run.run_id):
                return run
        there = "the newest is %s" % runs[0].run_id if runs else "there are none"
        raise RolloutError("RUN_NOT_FOUND", "there is no run %s in %s; %s" % (run_id, self._directory, there))

    def list(self) -> list[Run]:
        """Runs that have begun, newest first; raises :class:`RolloutError` with C(JOURNAL_FAILED)."""
        runs = []
        try:
            # root may read every user's runs. To append, it has to own the journal.
            with self._opened(own=os.geteuid() != 0) as store_fd, os.scandir(store_fd) as entries:
                for entry in entries:
                    if RUN_NAME.fullmatch(entry.name):
                        started_at = _started_at(entry.name, store_fd)
                        if started_at:
                            runs.append(self._run(entry.name, started_at))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failed(self._directory, error) from error
        return sorted(runs, key=lambda run: (run.started_at, run.run_id), reverse=True)

    def _run(self, run_id: str, started_at: str) -> Run:
        directory = os.path.join(self._directory, run_id)
        return Run(run_id, directory, os.path.join(directory, JOURNAL), started_at)

    @contextlib.contextmanager
    def _opened(self, own: bool) -> Iterator[int]:
        store_fd = open_directory(self._directory)
        try:
            if own:
                require_own(store_fd, self._directory)
            yield store_fd
        finally:
            os.close(store_fd)


def _check_name(run_id: str) -> None:
    if not RUN_NAME.fullmatch(run_id):
        raise RolloutError(
            "RUN_ID_INVALID", "run_id is %r: 64 letters, digits, dots, dashes and underscores at most, no dot first" % run_id[:80]
        )


def make_directories(path: str) -> None:
    """Create a directory and its parents with mode 0700, and sync each to disk."""
    parent = os.path.dirname(path)
    if os.path.isdir(path):
        return
    make_directories(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    parent_fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent_fd)
    finally:
        os.close(parent_fd)


def _make_run(run_id: str, store_fd: int) -> None:
    """Create the directory of a run and an empty journal, or nothing; raises FileExistsError if the name is taken."""
    os.mkdir(run_id, 0o700, dir_fd=store_fd)
    try:
        _make_journal(run_id, store_fd)
    except BaseException:
        _remove_run(run_id, store_fd)
        raise


def _make_journal(run_id: str, store_fd: int) -> None:
    run_fd = open_directory(run_id, store_fd)
    try:
        os.close(open_regular(JOURNAL, os.O_WRONLY | os.O_CREAT, run_fd))
        os.fsync(run_fd)
    finally:
        os.close(run_fd)
    os.fsync(store_fd)


def _remove_run(run_id: str, store_fd: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink("%s/%s" % (run_id, JOURNAL), dir_fd=store_fd)
    with contextlib.suppress(OSError):
        os.rmdir(run_id, dir_fd=store_fd)


def _never_began(run_id: str, store_fd: int) -> bool:
    """Whether the directory of a run exists, and holds nothing but a journal without a first record, or not even that."""
    try:
        run_fd = open_directory(run_id, store_fd)
        try:
            held = os.listdir(run_fd)
            journal_fd = open_regular(JOURNAL, os.O_RDONLY, run_fd) if held == [JOURNAL] else -1
        finally:
            os.close(run_fd)
    except OSError:
        return False
    if journal_fd < 0:
        return not held
    with open(journal_fd, "rb") as stream:
        return not stream.readline(LINE_MAX_BYTES).endswith(b"\n")


def _started_at(run_id: str, store_fd: int) -> str | None:
    """Time of a run's first record, or of its file if the record is unreadable; None if it never began or is no run."""
    try:
        run_fd = open_directory(run_id, store_fd)
        try:
            journal_fd = open_regular(JOURNAL, os.O_RDONLY, run_fd)
        finally:
            os.close(run_fd)
    except OSError:
        return None
    with open(journal_fd, "rb") as stream:
        line = stream.readline(LINE_MAX_BYTES)
        if not line.endswith(b"\n"):
            return None
        found = _FIRST_LINE.match(line)
        return found[1].decode("ascii") if found else utc(os.fstat(journal_fd).st_mtime)
