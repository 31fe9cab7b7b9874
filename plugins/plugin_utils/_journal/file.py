# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journal of a run: an append-only file of JSON lines that holds all state of the run. Format: C(docs/journal.md).

Records are on disk before :meth:`Journal.append` returns; each call costs one write and one fsync.
The appending process holds a lock on the file, which the kernel releases when the process ends.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeGuard

from .._errors import RolloutError

if TYPE_CHECKING:
    # The event source reads journals where there may be no Ansible, which events need.
    from .events import Record

#: Major version of the format. It changes only if older readers would misread newer journals.
VERSION = 1
FIRST_EVENT = "run_started"

# Far more than the names of 10,000 hosts need; it keeps a file that is no journal from filling the memory.
LINE_MAX_BYTES = 64 * 1024 * 1024

# Buffer size; large enough that reading spends most of its time on decoding lines.
READ_BYTES = 256 * 1024

_RESERVED = frozenset(("v", "seq", "at"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError("%s is no JSON" % name)


def _is_number(value: object) -> TypeGuard[int]:
    # In Python, True is an int.
    return isinstance(value, int) and not isinstance(value, bool)


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, allow_nan=False)
_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def utc(time_s: float) -> str:
    """Format seconds since 1970 as the journal writes times: C(2026-11-24T15:00:00.123Z)."""
    return datetime.fromtimestamp(time_s, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def time_of(text: str) -> float:
    """Parse a time that :func:`utc` wrote into seconds since 1970; raises ValueError for other text."""
    return datetime.fromisoformat(text).timestamp()


def open_directory(path: str, dir_fd: int | None = None) -> int:
    """Open a directory; raises OSError for a symbolic link, among others."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


def open_regular(path: str, flags: int, dir_fd: int | None = None) -> int:
    """Open a regular file, or create one with mode 0600; raises OSError for a symbolic link or special file, among others."""
    # Without O_NONBLOCK, opening a FIFO would block; regular files ignore the flag.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=dir_fd)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", path)
    return descriptor


def require_own(descriptor: int, path: str) -> None:
    """Require a file or directory that this user owns and no other user can write to; raises C(JOURNAL_FAILED)."""
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid():
        raise RolloutError(
            "JOURNAL_FAILED", "%s belongs to uid %d, but this process runs as uid %d" % (path, status.st_uid, os.geteuid())
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RolloutError("JOURNAL_FAILED", "%s is writable by others (mode %04o)" % (path, stat.S_IMODE(status.st_mode)))


def failed(path: str, error: OSError) -> RolloutError:
    text = error.strerror or str(error)
    if error.errno == errno.ELOOP:
        text = "it is a link, which is not followed"
    return RolloutError("JOURNAL_FAILED", "%s: %s" % (path, text))


class Lines:
    """Iterator over the records of a journal.

    :param stream: stands at C(end), where C(count) records are before it.
    :ivar count: number of the last record read.
    :ivar end: offset in bytes behind the last record read.
    :ivar line: the last record read, as it is in the file.
    :ivar torn: whether an incomplete record follows, left by a writer that was killed.
    """

    def __init__(self, stream: BinaryIO, path: str, count: int = 0, end: int = 0) -> None:
        self._stream = stream
        self._path = path
        self.count = count
        self.end = end
        self.line = b""
        self.torn = False

    def __iter__(self) -> Iterator[Record]:
        while line := self._stream.readline(LINE_MAX_BYTES + 1):
            if len(line) > LINE_MAX_BYTES:
                raise self._damaged("is longer than %d bytes" % LINE_MAX_BYTES)
            if not line.endswith(b"\n"):
                self.torn = True
                return
            try:
                record = _DECODER.decode(line.decode("utf-8"))
            except (ValueError, RecursionError) as error:
                if self._stream.read(1):
                    raise self._damaged("is no JSON: %s" % error) from error
                self.torn = True
                return
            self._check(record)
            self.count += 1
            self.end += len(line)
            self.line = line
            yield record

    def _check(self, record: Any) -> None:
        if not isinstance(record, dict):
            raise self._damaged("is no record")
        version = record.get("v")
        if not _is_number(version):
            raise self._damaged("has no version")
        if version != VERSION:
            raise self._damaged("has version %d of the format, and this collection reads version %d" % (version, VERSION))
        number = self.count + 1
        if not _is_number(record.get("seq")) or record["seq"] != number:
            raise self._damaged("has number %r, so that lines are missing or were put in" % (record.get("seq"),))
        if not isinstance(record.get("event"), str) or not isinstance(record.get("at"), str):
            raise self._damaged("has no event or no time")
        if number == 1 and record["event"] != FIRST_EVENT:
            raise self._damaged("is %s, and a journal begins with %s" % (record["event"], FIRST_EVENT))

    def _damaged(self, what: str) -> RolloutError:
        line = self.count + 1
        return RolloutError("JOURNAL_DAMAGED", "%s, line %d %s" % (self._path, line, what), line=line)


def open_journal(path: str) -> BinaryIO:
    """Open a journal for reading; raises OSError if the file or its directory is a symbolic link, among others."""
    directory_fd = open_directory(os.path.dirname(path) or ".")
    try:
        descriptor = open_regular(os.path.basename(path), os.O_RDONLY, directory_fd)
    finally:
        os.close(directory_fd)
    return open(descriptor, "rb", buffering=READ_BYTES)


def replay(path: str, apply: Callable[[Record], object]) -> bool:
    """Pass the records of a journal to C(apply), one by one. Another process may be appending meanwhile.

    :return: whether the journal ends with an incomplete record, which is skipped.
    :raises RolloutError: C(JOURNAL_DAMAGED), with C(line) among its details, or C(JOURNAL_FAILED).
    """
    try:
        with open_journal(path) as stream:
            lines = Lines(stream, path)
            for record in lines:
                apply(record)
    except OSError as error:
        raise failed(path, error) from error
    if not lines.count:
        raise RolloutError("JOURNAL_DAMAGED", "%s, line 1 is missing: no run began there" % path, line=1)
    return lines.torn


def read(path: str) -> tuple[list[Record], bool]:
    records: list[Record] = []
    torn = replay(path, records.append)
    return records, torn


def lock_holder(descriptor: int, locks: str) -> int | None:
    """Process that holds the lock on an open file by C(/proc/locks), see proc_locks(5); None for one on another machine, say."""
    status = os.fstat(descriptor)
    device = "%02x:%02x" % (os.major(status.st_dev), os.minor(status.st_dev))
    held = re.findall(r"^\d+: FLOCK +ADVISORY +WRITE +(\d+) +([0-9a-f]+:[0-9a-f]+):%d " % status.st_ino, locks, re.MULTILINE)
    # On file systems with anonymous devices, such as btrfs, /proc/locks shows a device other than stat's.
    pids = [pid for pid, where in held if where == device] or [pid for pid, _where in held]
    return int(pids[0]) or None if len(pids) == 1 else None


def _locks() -> str:
    try:
        with open("/proc/locks", encoding="ascii") as stream:
            return stream.read()
    except OSError:
        return ""


# A lock of flock(2) lives as long as any copy of its descriptor. Executed programs lose their copy (O_CLOEXEC). A forked child
# would keep the lock after its parent was killed, so it closes its copy.
_open_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _forked() -> None:
    for journal in list(_open_journals):
        journal.close()


os.register_at_fork(after_in_child=_forked)


class Journal:
    """Journal open for appending, by this process alone, one call at a time.

    :param path: an existing file; see :meth:`run_store.RunStore.new`.
    :param clock: seconds since 1970.
    :param replay: takes the existing records, one by one, while the lock is held.
    :ivar torn: whether an incomplete record of an earlier process was cut off.
    :raises RolloutError: C(RUN_LOCKED), C(JOURNAL_DAMAGED) or C(JOURNAL_FAILED).
    """

    def __init__(
        self,
        path: str,
        *,
        clock: Callable[[], float] = time.time,
        replay: Callable[[Record], object] | None = None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._fd = -1
        # Number of the last record that is known to be on disk, and the offset behind it.
        self._end = (0, 0)
        self._broken = ""
        self.torn = False
        try:
            self._open()
            self._continue(replay)
        except OSError as error:
            self.close()
            raise failed(path, error) from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        directory = os.path.dirname(self._path) or "."
        directory_fd = open_directory(directory)
        try:
            require_own(directory_fd, directory)
            self._fd = open_regular(os.path.basename(self._path), os.O_RDWR | os.O_APPEND, directory_fd)
            _open_journals.add(self)
            require_own(self._fd, self._path)
            # The process that created the file may have been killed before it did this.
            os.fsync(directory_fd)
        finally:
            os.close(directory_fd)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = lock_holder(self._fd, _locks())
            by = "process %d" % pid if pid else "another process, which may be on another machine"
            raise RolloutError("RUN_LOCKED", "%s is in use by %s" % (self._path, by), pid=pid) from error

    def _continue(self, replay: Callable[[Record], object] | None) -> None:
        with open(self._fd, "rb", buffering=READ_BYTES, closefd=False) as stream:
            lines = Lines(stream, self._path)
            for record in lines:
                if replay is not None:
                    replay(record)
        self._end = (lines.count, lines.end)
        self.torn = lines.torn
        if lines.torn:
            os.ftruncate(self._fd, lines.end)
        # Their writer may have been killed before it synced them.
        os.fsync(self._fd)

    @property
    def begun(self) -> bool:
        """Whether the journal has a record."""
        return self._end[0] > 0

    def append(self, records: Sequence[Record]) -> None:
        """Write all of these records or none, and return when they are on disk.

        :raises RolloutError: C(JOURNAL_FAILED): no record was written. After a full disk the call can be repeated. After a
            failed fsync(2), which leaves unknown what is on disk, every later call fails, too.
        :raises ValueError: a record is no JSON, uses a reserved field, or is the first and not C(run_started).
        """
        if self._broken:
            raise RolloutError("JOURNAL_FAILED", self._broken)
        count, size = self._end
        at = utc(self._clock())
        data = b"".join(self._line(count + index, at, record) for index, record in enumerate(records, 1))
        if not data:
            return
        syncing = False
        try:
            self._require_untouched(size)
            _write(self._fd, data)
            syncing = True
            os.fsync(self._fd)
            self._end = (count + len(records), size + len(data))
        except OSError as error:
            refusal = failed(self._path, error)
            if syncing:
                self._broken = refusal.reason.message
            self._take_back(size)
            raise refusal from error
        except RolloutError as error:
            self._broken = error.reason.message
            raise
        except BaseException:
            # Records that were not acknowledged must not stay, after an interrupt either.
            self._take_back(size)
            raise

    def _line(self, number: int, at: str, record: Record) -> bytes:
        event = record["event"]
        if not _RESERVED.isdisjoint(record):
            raise ValueError("a record %s has fields of the journal's own" % event)
        if number == 1 and event != FIRST_EVENT:
            raise ValueError("a journal begins with %s, not with %s" % (FIRST_EVENT, event))
        line = _ENCODER.encode({"v": VERSION, "seq": number, "at": at, **record}).encode("ascii") + b"\n"
        if len(line) > LINE_MAX_BYTES:
            raise ValueError("a record %s has %d bytes" % (event, len(line)))
        return line

    def _require_untouched(self, size: int) -> None:
        """Require that nobody else has removed or changed the file."""
        status = os.fstat(self._fd)
        if not status.st_nlink:
            raise RolloutError("JOURNAL_FAILED", "%s was removed" % self._path)
        if status.st_size != size:
            raise RolloutError("JOURNAL_FAILED", "%s was changed by another process" % self._path)

    def _take_back(self, size: int) -> None:
        """Cut off records that were not acknowledged."""
        if self._end[1] != size:
            return
        try:
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
        except OSError as error:
            self._broken = failed(self._path, error).reason.message

    def close(self) -> None:
        """Close the file. That releases the lock, except in a forked child, which only gives up its copy."""
        _open_journals.discard(self)
        if self._fd >= 0:
            descriptor, self._fd = self._fd, -1
            self._broken = self._broken or "%s is not open in this process" % self._path
            os.close(descriptor)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _write(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    # A nearly full disk first takes a part, then refuses the rest.
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])
