# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following of journals: the records that were appended since the last look, without a thread and without a lock.

A journal is append-only, except that a writer takes back what it could not sync, and a resume cuts off an incomplete record. So
the last record is looked at again each time, and if it is gone, reading goes back to one that is still there.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from .._errors import RolloutError
from .file import Lines, failed, open_journal
from .run_store import JOURNAL, RUN_NAME

if TYPE_CHECKING:
    from .events import Record

# Records that are remembered. A writer takes back one batch, which rarely has more.
_MARKS = 1024


@dataclass(frozen=True, slots=True)
class _ReadRecord:
    """Record that was read: its number, its place in the file in bytes, and a digest of its line."""

    count: int
    start: int
    end: int
    digest: bytes


class JournalFollower:
    """Reader of one journal that goes on where it stopped.

    :param skipped_bytes: records that end within the first bytes of the file are read, but not returned.
    """

    def __init__(self, path: str, skipped_bytes: int = 0) -> None:
        self._path = path
        self._skipped_bytes = skipped_bytes
        self._marks: deque[_ReadRecord] = deque(maxlen=_MARKS)

    def new_records(self) -> Iterator[Record]:
        """Read the complete records that were appended since the last call; after another file took its place, all of that.

        :raises RolloutError: C(JOURNAL_DAMAGED) or C(JOURNAL_FAILED).
        """
        try:
            with open_journal(self._path) as stream:
                yield from self._read(stream)
        except OSError as error:
            raise failed(self._path, error) from error

    def _read(self, stream: BinaryIO) -> Iterator[Record]:
        while self._marks and not _is_there(stream, self._marks[-1]):
            self._marks.pop()
        last = self._marks[-1] if self._marks else _ReadRecord(0, 0, 0, b"")
        stream.seek(last.end)
        lines = Lines(stream, self._path, last.count, last.end)
        start = last.end
        for record in lines:
            self._marks.append(_ReadRecord(lines.count, start, lines.end, _digest_of(lines.line)))
            start = lines.end
            if lines.end > self._skipped_bytes:
                yield record


def _digest_of(line: bytes) -> bytes:
    return hashlib.sha256(line).digest()


def _is_there(stream: BinaryIO, mark: _ReadRecord) -> bool:
    stream.seek(mark.start)
    return _digest_of(stream.read(mark.end - mark.start)) == mark.digest


@dataclass(slots=True)
class _FollowedRun:
    follower: JournalFollower
    seen: tuple[int, int, int] | None = None


class RunsFollower:
    """Reader of all journals below a directory of runs, which may be created later.

    :param past: whether to return what the journals have at the first look, too.
    :param complain: called with an error, once for each change of a journal that can't be read.
    """

    def __init__(self, directory: str, *, past: bool, complain: Callable[[RolloutError], object]) -> None:
        self._directory = directory
        self._past = past
        self._complain = complain
        self._runs: dict[str, _FollowedRun] = {}

    def new_records(self) -> Iterator[tuple[str, Record]]:
        """Read the records that were appended since the last call, each with the name of its run.

        The records of one run are in order; runs are in the order of their names.
        """
        sizes = self._journals()
        for name in set(self._runs) - set(sizes):
            del self._runs[name]
        for name, (path, seen) in sorted(sizes.items()):
            run = self._runs.get(name)
            if run is None:
                run = self._runs[name] = _FollowedRun(JournalFollower(path, 0 if self._past else seen[1]))
                if not self._past:
                    run.seen = seen
            if run.seen != seen:
                run.seen = seen
                try:
                    for record in run.follower.new_records():
                        yield name, record
                except RolloutError as error:
                    self._complain(error)
        # Journals that appear from now on are new.
        self._past = True

    def _journals(self) -> dict[str, tuple[str, tuple[int, int, int]]]:
        """Path of each run's journal by the name of the run, with its inode, size in bytes and time of change."""
        found = {}
        try:
            names = [name for name in os.listdir(self._directory) if RUN_NAME.fullmatch(name)]
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._complain(failed(self._directory, error))
            return {}
        for name in names:
            path = os.path.join(self._directory, name, JOURNAL)
            try:
                status = os.stat(path, follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found[name] = (path, (status.st_ino, status.st_size, status.st_mtime_ns))
        return found
