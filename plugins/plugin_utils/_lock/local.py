# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots that the runs of one controller share, kept in a directory.

* C(slots/HOST.json): a taken slot, which stays when its run dies.
* C(runs/RUN_ID): locked (flock) by the process that has this run open. This lock is the lease, and ends with the process.
* C(total.json): the number of slots.
* C(guard): locked while any of them is read or changed.

The directory belongs to its owner alone, so nobody else can place links in it, and none are followed. flock works between the
processes of one machine: the directory must not be shared between machines.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from ansible_collections.fleet.kexec.plugins.module_utils._host.atomic import sync_directory, write_atomically

from .._values import Options
from .beside import LockBeside
from .model import Holder, LockContext, LockError, SlotLock, in_use, mismatch, slot_owed, utc_text
from .options import Backend, LockOptions, check_host, read_name, read_timeout_s

_POLL_S = 0.01
_SUFFIX = ".json"


@dataclass(frozen=True, kw_only=True)
class LocalOptions(LockOptions):
    """Options of the backend C(local), which has none of its own."""

    def lock(self, context: LockContext) -> SlotLock:
        return LockBeside(LocalLock(self, context))


def _read(given: Options) -> LocalOptions:
    return LocalOptions(
        name=read_name(given),
        slots=given["slots"].count(1) if "slots" in given else None,
        timeout_s=read_timeout_s(given),
    )


LOCAL = Backend("local", {}, _read)


class LocalLock:
    """See :class:`beside.BlockingLock`. Each method ends within C(timeout_s), if the disk answers."""

    # The guard admits one caller at a time.
    at_once = 1
    # A disk that does not answer is not worth waiting for longer.
    patience_s = 0.0

    def __init__(self, options: LocalOptions, context: LockContext) -> None:
        self._directory = os.path.join(context.directory, options.name)
        self._name = options.name
        self._slots = options.slots
        # Without a limit, a slot lost in a power failure lets nobody take one too many, and the journal of its run still exists.
        # Two syncs are most of the cost of a slot.
        self._lasting = self.counted = options.slots is not None
        self._timeout_s = options.timeout_s
        self._run_id = context.run_id
        self._controller = context.controller
        self._clock = context.clock
        self._now = context.now
        self._lease: int | None = None
        self._threads = threading.Lock()

    # --- the lease ---

    def open(self) -> None:
        with _unavailable():
            for directory in (os.path.dirname(self._directory), self._directory, self._path("slots"), self._path("runs")):
                _make_private(directory)
        deadline = self._clock() + self._timeout_s
        # An earlier process may be about to end.
        while not self._try_open():
            if self._clock() >= deadline:
                raise LockError("LOCK_LOST", "run %s is alive in another process" % self._run_id)
            time.sleep(_POLL_S)

    def _try_open(self) -> bool:
        with self._guarded():
            if self._lease is not None:
                return True
            lease = _open(self._run_path())
            try:
                if not _lock_now(lease):
                    return False
                recorded = self._recorded()
                if recorded is None or recorded != self._asked():
                    taken, runs = len(self._slot_files()), self._other_runs()
                    # The number may change while nobody relies on it.
                    if recorded is not None and (taken or runs):
                        raise mismatch(self._name, recorded.get("slots"), self._slots, in_use(taken, runs))
                    write_atomically(self._path("total" + _SUFFIX), _json(self._asked()))
                self._lease, lease = lease, -1
            finally:
                if lease >= 0:
                    os.close(lease)
        return True

    def _other_runs(self) -> int:
        """Count the other runs that live, and remove the files of dead ones."""
        count = 0
        for name in os.listdir(self._path("runs")):
            if name != self._run_id:
                path = self._path("runs", name)
                descriptor = _open(path)
                try:
                    if _lock_now(descriptor):
                        os.unlink(path)
                    else:
                        count += 1
                finally:
                    os.close(descriptor)
        return count

    def _require_lease(self) -> None:
        if self._lease is None:
            raise LockError("LOCK_LOST", "the lock of run %s is not open" % self._run_id)
        held = os.fstat(self._lease)
        try:
            there = os.lstat(self._run_path())
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            raise LockError("LOCK_LOST", "the lease of run %s was removed from %s" % (self._run_id, self._path("runs")))

    def close(self) -> None:
        with contextlib.suppress(LockError), self._guarded():
            self._require_lease()
            os.unlink(self._run_path())
        lease, self._lease = self._lease, None
        if lease is not None:
            os.close(lease)

    # --- slots ---

    def acquire(self, host: str) -> bool:
        check_host(host)
        with self._guarded():
            self._require_lease()
            if self._recorded() != self._asked():
                recorded = self._recorded() or {}
                raise mismatch(self._name, recorded.get("slots"), self._slots, "it was changed under this run")
            # Read only this host's file, not those of a thousand taken slots.
            if os.path.lexists(self._slot_path(host)):
                taken_by = self._holder(host).run_id
                # A damaged record counts as taken, unless there is no limit.
                if taken_by or self._lasting:
                    return taken_by == self._run_id
            if self._slots is not None and len(self._slot_files()) >= self._slots:
                return False
            holder = Holder(host, self._run_id, self._controller, utc_text(self._now()))
            write_atomically(self._slot_path(host), _json(holder.record()), lasting=self._lasting)
            return True

    def confirm(self, host: str) -> None:
        with self._guarded():
            self._require_lease()
            if not os.path.lexists(self._slot_path(host)):
                raise LockError("LOCK_LOST", "the slot of %s is gone, or was never taken" % host)
            if self._holder(host).run_id != self._run_id:
                raise LockError("LOCK_LOST", "the slot of %s belongs to another run" % host)

    def release(self, host: str) -> None:
        check_host(host)
        with self._guarded():
            if not os.path.lexists(self._slot_path(host)):
                return
            taken_by = self._holder(host).run_id
            if not taken_by and self._lasting:
                raise slot_owed(host)
            # Without a limit, a damaged record holds nobody up, and is of no use.
            if taken_by in ("", self._run_id):
                self._require_lease()
                self._remove_slot(host)

    def holders(self) -> list[Holder]:
        if not os.path.lexists(self._directory):
            return []
        with self._guarded():
            return [self._holder(host) for host in sorted(self._hosts())]

    def lives(self, run_id: str) -> bool:
        with self._guarded():
            return self._is_alive(run_id)

    def free(self, holder: Holder) -> bool:
        """See :meth:`model.SlotLock.free`."""
        check_host(holder.host)
        with self._guarded():
            if not os.path.lexists(self._slot_path(holder.host)) or self._holder(holder.host) != holder:
                return False
            if self._is_alive(holder.run_id):
                return False
            self._remove_slot(holder.host)
            return True

    def _is_alive(self, run_id: str) -> bool:
        try:
            descriptor = os.open(self._path("runs", quote(run_id, safe="")), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _lock_now(descriptor)
        finally:
            os.close(descriptor)

    def _remove_slot(self, host: str) -> None:
        os.unlink(self._slot_path(host))
        if self._lasting:
            sync_directory(self._path("slots"))

    # --- files ---

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        deadline = self._clock() + self._timeout_s
        # Threads of this process wait for one another without polling.
        if not self._threads.acquire(timeout=self._timeout_s):
            raise self._busy()
        try:
            with _unavailable():
                guard = _open(self._path("guard"))
                try:
                    while not _lock_now(guard):
                        if self._clock() >= deadline:
                            raise self._busy()
                        time.sleep(_POLL_S)
                    yield
                finally:
                    os.close(guard)
        finally:
            self._threads.release()

    def _busy(self) -> LockError:
        return LockError("LOCK_UNAVAILABLE", "%s was in use for %g s" % (self._path("guard"), self._timeout_s))

    def _path(self, *names: str) -> str:
        return os.path.join(self._directory, *names)

    def _run_path(self) -> str:
        return self._path("runs", self._run_id)

    def _slot_path(self, host: str) -> str:
        return self._path("slots", quote(host, safe="") + _SUFFIX)

    def _asked(self) -> dict[str, int | None]:
        return {"slots": self._slots}

    def _recorded(self) -> dict[str, Any] | None:
        try:
            recorded = _read_json(self._path("total" + _SUFFIX))
        except FileNotFoundError:
            return None
        return recorded if isinstance(recorded, dict) else {"slots": 0}

    def _slot_files(self) -> list[str]:
        # Others are left over from writes that were killed halfway (atomic.py).
        return [name for name in os.listdir(self._path("slots")) if name.endswith(_SUFFIX)]

    def _hosts(self) -> set[str]:
        return {unquote(name[: -len(_SUFFIX)]) for name in self._slot_files()}

    def _holder(self, host: str) -> Holder:
        return Holder.from_record(host, _read_json(self._slot_path(host)))


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LockError("LOCK_UNAVAILABLE", "the lock's directory can't be used: %s" % error) from error


def _make_private(directory: str) -> None:
    os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise LockError("LOCK_UNAVAILABLE", "%s has to belong to this user, with no rights for others (chmod 0700)" % directory)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_json(path: str) -> Any:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        try:
            return json.loads(stream.read())
        except ValueError:
            return None


def _json(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
