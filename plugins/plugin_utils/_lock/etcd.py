# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A budget shared by several controllers, kept in etcd.

Keys below C(PREFIX/NAME/):

C(slots/HOST): a slot that is taken. Without a lease, so that it outlives its
controller, as the host's outage does.

C(runs/RUN_ID): a run whose controller lives; goes away with its lease.

C(generation): written by everything that changes who holds what. Whoever
takes a slot counts first, and writes only if no generation came between; so
of two that count the same one has to count again, and a request that arrives
late does nothing.

C(budget): the number of slots.

No clock of one controller is compared with that of another: leases are timed
by etcd, and order is that of its revisions.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import threading
from collections.abc import Callable
from datetime import datetime

from . import etcd_client as etcd
from .etcd_client import EtcdClient, Found
from .model import Holder, LockError, in_use, mismatch, utc_text
from .options import check_host

# The lease is renewed so many times while it lasts, and sooner again when that failed.
_RENEWALS = 3
_RENEWALS_FAILING = 10
# How often an earlier process's lease is looked at.
_POLL_S = 0.2


class EtcdLock:
    """See :class:`model.SlotLock`. Each method but C(open) ends within timeout_s for every endpoint, and once more."""

    # A request is mostly waiting.
    at_once = 8

    def __init__(
        self,
        *,
        client: EtcdClient,
        prefix: str,
        name: str,
        slots: int,
        ttl_s: int,
        run_id: str,
        controller: str,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        progress: Callable[[str], None],
    ) -> None:
        self._client = client
        self._name = name
        self._slots = slots
        self._ttl_s = ttl_s
        self._run_id = run_id
        self._controller = controller
        self._clock = clock
        self._now = now
        self._progress = progress
        root = "%s/%s/" % (prefix, name)
        self._slots_prefix = root + "slots/"
        self._runs_prefix = root + "runs/"
        self._run_key = self._runs_prefix + run_id
        self._generation_key = root + "generation"
        self._budget_key = root + "budget"
        # One at a time of this process takes a slot: others would only make it count again.
        self._acquiring = threading.Lock()
        self._state = threading.Lock()
        self._lease = 0
        self._valid_until = 0.0
        self._lost = ""
        # Slots that this process has taken, by the revision that wrote them.
        self._ours: dict[str, int] = {}
        # Hosts whose release began, and is not known to be done.
        self._releasing: set[str] = set()
        self._writes = itertools.count()
        self._closing = threading.Event()

    # --- the lease ---

    def open(self) -> None:
        """Take the lease; waits for an earlier process's to run out.

        :raises LockError: see :class:`model.SlotLock`.
        """
        if self._lease:
            self._require_lease()
            return
        if self._closing.is_set():
            raise LockError("LOCK_LOST", "the lock of run %s was closed" % self._run_id)
        deadline = self._await_earlier_process()
        sent_at = self._clock()
        granted = self._client.call("/v3/lease/grant", {"TTL": str(self._ttl_s)}, deadline)
        try:
            lease, ttl_s = int(granted["ID"]), int(granted["TTL"])
        except (KeyError, ValueError) as error:
            raise LockError(
                "LOCK_UNAVAILABLE", "etcd granted no lease: %s" % granted.get("error", "it does not say why")
            ) from error
        while not self._register(lease, deadline):
            pass
        self._lease, self._ttl_s, self._valid_until = lease, ttl_s, sent_at + ttl_s
        threading.Thread(target=self._keep_alive, name="lease", daemon=True).start()

    def _await_earlier_process(self) -> float:
        patience_until = None
        while True:
            deadline = self._client.deadline()
            answer = self._client.transact(deadline, [], [etcd.get(self._run_key)])
            earlier = answer.found[0].first
            if earlier is None:
                return deadline
            if patience_until is None:
                # What the lease was granted for, and what its revocation may take; not what is left of it,
                # which a new leader among etcd's members sets back.
                lasts = self._client.call("/v3/lease/timetolive", {"ID": str(earlier.lease)}, deadline)
                wait_s = int(lasts.get("grantedTTL", 0)) + 2
                patience_until = self._clock() + wait_s
                self._progress("waiting up to %d s for the lease of an earlier process of run %s" % (wait_s, self._run_id))
            if self._clock() >= patience_until:
                record = earlier.parsed()
                who = record.get("controller") if isinstance(record, dict) else None
                raise LockError("LOCK_LOST", "run %s is alive on %s" % (self._run_id, who or "another controller"))
            self._closing.wait(_POLL_S)

    def _register(self, lease: int, deadline: float) -> bool:
        """Try to write the key of the run.

        :returns: False if somebody else changed something meanwhile.
        """
        budget, generation, runs, slots = self._client.transact(
            deadline,
            [],
            [
                etcd.get(self._budget_key),
                etcd.get(self._generation_key),
                etcd.get_below(self._runs_prefix),
                etcd.get_below(self._slots_prefix, count_only=True),
            ],
        ).found
        own = next((run for run in runs.keys if run.key == self._run_key), None)
        if own is not None:
            # Ours if the answer to an earlier try was lost.
            if own.lease == lease:
                return True
            raise LockError("LOCK_LOST", "run %s was taken up by another process at the same time" % self._run_id)
        writes = [self._put_generation(), etcd.put(self._run_key, self._run_record(), lease)]
        if self._recorded(budget) != self._slots:
            # It may change while it means nothing to anybody.
            if budget.keys and (slots.count or runs.count):
                raise mismatch(self._name, self._recorded(budget), self._slots, in_use(slots.count, runs.count))
            writes.append(etcd.put(self._budget_key, json.dumps({"slots": self._slots})))
        checks = [
            etcd.unchanged(self._run_key, 0),
            _as_found(self._generation_key, generation),
            _as_found(self._budget_key, budget),
        ]
        return self._client.transact(deadline, checks, writes).succeeded

    def _keep_alive(self) -> None:
        wait_s = self._ttl_s / _RENEWALS
        while not self._closing.wait(wait_s):
            try:
                self._renew()
                wait_s = self._ttl_s / _RENEWALS
            except LockError as error:
                if error.reason.code == "LOCK_LOST":
                    return
                wait_s = self._ttl_s / _RENEWALS_FAILING

    def _renew(self, deadline: float = math.inf) -> None:
        sent_at = self._clock()
        deadline = min(deadline, sent_at + self._ttl_s / _RENEWALS)
        timeout_s = self._ttl_s / _RENEWALS / self._client.endpoints
        # A stream of answers, of which there is one.
        answer = self._client.call("/v3/lease/keepalive", {"ID": str(self._lease)}, deadline, timeout_s).get("result")
        if not isinstance(answer, dict):
            raise LockError("LOCK_UNAVAILABLE", "etcd gave an answer about the lease that makes no sense")
        ttl_s = int(answer.get("TTL", 0))
        if ttl_s <= 0:
            raise self._lose("the lease of run %s ran out" % self._run_id)
        with self._state:
            self._valid_until = max(self._valid_until, sent_at + ttl_s)

    def _lose(self, message: str) -> LockError:
        with self._state:
            self._lost = self._lost or message
            return LockError("LOCK_LOST", self._lost)

    def _require_lease(self) -> None:
        if self._lost:
            raise LockError("LOCK_LOST", self._lost)
        if not self._lease or self._closing.is_set():
            raise LockError("LOCK_LOST", "the lock of run %s is not open" % self._run_id)

    def close(self) -> None:
        """Give up the lease. If etcd can't be reached it runs out by itself."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self._lease and not self._lost:
            with contextlib.suppress(LockError):
                self._client.call("/v3/lease/revoke", {"ID": str(self._lease)}, self._client.deadline())

    # --- slots ---

    def acquire(self, host: str) -> bool:
        """Take a slot; False, too, if others were quicker until the time was up.

        :raises LockError: see :class:`model.SlotLock`.
        """
        self._require_lease()
        check_host(host)
        deadline = self._client.deadline()
        if not self._acquiring.acquire(timeout=max(0.0, deadline - self._clock())):
            return False
        try:
            taken = None
            while taken is None and self._clock() < deadline:
                taken = self._try_acquire(host, deadline)
            return bool(taken)
        finally:
            self._acquiring.release()

    def _try_acquire(self, host: str, deadline: float) -> bool | None:
        """One try.

        :returns: None if somebody else changed something meanwhile.
        """
        slot_key = self._slots_prefix + host
        run, budget, generation, slot, slots = self._client.transact(
            deadline,
            [],
            [
                etcd.get(self._run_key),
                etcd.get(self._budget_key),
                etcd.get(self._generation_key),
                etcd.get(slot_key),
                etcd.get_below(self._slots_prefix, count_only=True),
            ],
        ).found
        if run.first is None or run.first.lease != self._lease:
            raise self._lose(self._lost_to(run))
        if self._recorded(budget) != self._slots:
            raise mismatch(self._name, self._recorded(budget), self._slots, "it was changed under this run")
        since = utc_text(self._now())
        if slot.first is not None:
            holder = Holder.from_record(host, slot.first.parsed())
            if holder.run_id != self._run_id:
                return False
            if slot.first.mod_revision == self._ours.get(host) and host not in self._releasing:
                return True
            # Of an earlier process of this run, or of a try whose answer was lost. Written anew, so that the
            # earlier process no longer holds it, and a release that is still on its way misses it.
            since = holder.since
        elif slots.count >= self._slots:
            return False
        record = self._record(host, since)
        checks = [
            etcd.lives(self._run_key, self._lease),
            _as_found(self._budget_key, budget),
            _as_found(self._generation_key, generation),
            _as_found(slot_key, slot),
        ]
        answer = self._client.transact(
            deadline, checks, [etcd.put(slot_key, record), self._put_generation()], [etcd.get(slot_key)]
        )
        revision = answer.revision
        if not answer.succeeded:
            written = answer.found[0].first
            # Sent twice, because the first answer was lost?
            if written is None or written.value != record:
                return None
            revision = written.mod_revision
        with self._state:
            self._ours[host] = revision
            self._releasing.discard(host)
        return True

    def confirm(self, host: str) -> None:
        """Ask etcd whether the lease lives and the slot is ours, in one transaction.

        :raises LockError: see :class:`model.SlotLock`.
        """
        self._require_lease()
        with self._state:
            revision = self._ours.get(host)
        if revision is None:
            raise LockError("LOCK_LOST", "run %s has taken no slot for %s" % (self._run_id, host))
        deadline = self._client.deadline()
        if self._clock() >= self._valid_until:
            self._renew(deadline)
        slot_key = self._slots_prefix + host
        # Read in both branches: a transaction that reads nothing is answered by a member from what it
        # knows, and it may be behind (etcd, server/etcdserver/v3_server.go, isTxnSerializable).
        reads = [etcd.get(self._run_key), etcd.get(slot_key)]
        answer = self._client.transact(
            deadline, [etcd.lives(self._run_key, self._lease), etcd.unchanged(slot_key, revision)], reads, reads
        )
        if not answer.succeeded:
            run, slot = answer.found
            if run.first is None or run.first.lease != self._lease:
                raise self._lose(self._lost_to(run))
            raise LockError("LOCK_LOST", "the slot of %s is %s" % (host, "somebody else's" if slot.keys else "gone"))
        # The process may have been stopped between etcd's answer and this.
        if self._clock() >= self._valid_until:
            raise self._lose("the answer of etcd about %s is older than the lease of run %s" % (host, self._run_id))
        self._require_lease()

    def release(self, host: str) -> None:
        """Give back a slot.

        One that this process took is given back even when the lease is lost, unless another process
        has taken it over.

        :raises LockError: see :class:`model.SlotLock`.
        """
        check_host(host)
        deadline = self._client.deadline()
        with self._state:
            self._releasing.add(host)
        while self._clock() < deadline:
            if self._try_release(host, deadline):
                with self._state:
                    self._ours.pop(host, None)
                    self._releasing.discard(host)
                return
        raise LockError("LOCK_UNAVAILABLE", "others were quicker than the release of %s until the time was up" % host)

    def _try_release(self, host: str, deadline: float) -> bool:
        slot_key = self._slots_prefix + host
        (slot,) = self._client.transact(deadline, [], [etcd.get(slot_key)]).found
        checks = [_as_found(slot_key, slot)]
        writes = [self._put_generation()]
        if slot.first is not None:
            if Holder.from_record(host, slot.first.parsed()).run_id != self._run_id:
                return True
            writes.append(etcd.delete(slot_key))
            with self._state:
                revision = self._ours.get(host)
            if slot.first.mod_revision != revision:
                self._require_lease()
                checks.append(etcd.lives(self._run_key, self._lease))
        # Where there is no slot the generation alone is written: a request for it that is still on its way
        # comes too late then.
        answer = self._client.transact(deadline, checks, writes, [etcd.get(self._run_key)])
        if not answer.succeeded and len(checks) > 1:
            (run,) = answer.found
            if run.first is None or run.first.lease != self._lease:
                raise self._lose(self._lost_to(run))
        return answer.succeeded

    def holders(self) -> list[Holder]:
        """All slots that are taken.

        :raises LockError: C(LOCK_UNAVAILABLE).
        """
        (slots,) = self._client.transact(self._client.deadline(), [], [etcd.get_below(self._slots_prefix)]).found
        return [Holder.from_record(slot.key[len(self._slots_prefix) :], slot.parsed()) for slot in slots.keys]

    # --- what is written ---

    def _record(self, host: str, since: str) -> str:
        holder = Holder(host, self._run_id, self._controller, since)
        # Each is different, so that what was written can be recognised.
        return json.dumps({**holder.record(), "write": "%x-%d" % (self._lease, next(self._writes))})

    def _run_record(self) -> str:
        return json.dumps({"controller": self._controller, "since": utc_text(self._now())})

    def _put_generation(self) -> dict[str, object]:
        # That it is written matters, not what.
        return etcd.put(self._generation_key, self._run_id)

    def _lost_to(self, run: Found) -> str:
        if run.first is None:
            return "the lease of run %s ran out" % self._run_id
        return "run %s was taken up by another process" % self._run_id

    @staticmethod
    def _recorded(budget: Found) -> int:
        record = budget.first.parsed() if budget.first is not None else None
        slots = record.get("slots") if isinstance(record, dict) else None
        return slots if isinstance(slots, int) else 0


def _as_found(key: str, found: Found) -> dict[str, object]:
    return etcd.unchanged(key, found.first.mod_revision if found.first is not None else 0)
