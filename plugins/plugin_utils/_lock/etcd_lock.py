# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots that several controllers share, kept in etcd below C(PREFIX/NAME/).

* C(slots/HOST): a taken slot. It has no lease, so that it outlives its controller, as the host's outage does.
* C(runs/RUN_ID): a run whose controller lives; disappears with its lease.
* C(generation): written by every change of who holds what. A run that takes a slot counts first, and writes only if the
  generation has not changed since: of two runs that count the same, one has to count again, and a late request has no effect.
* C(total): the number of slots.

Clocks of different controllers are never compared: etcd times the leases, and its revisions give the order.
"""

from __future__ import annotations

import asyncio
import itertools
import json

from . import etcd_messages as etcd
from .etcd_client import EtcdClient
from .etcd_lease import EtcdLease
from .etcd_messages import KeyRange
from .model import Holder, LockContext, LockError, in_use, mismatch, slot_owed, utc_text
from .options import check_host
from .turns import Turns

# A request mostly waits.
_AT_ONCE = 8


class EtcdLock:
    """See :class:`model.SlotLock`. Each method but C(open) ends within C(timeout_s) for every endpoint, plus one.

    The time counts from its turn: a window of a thousand hosts makes a thousand calls in one moment.
    """

    counted = True

    def __init__(self, client: EtcdClient, *, root: str, name: str, slots: int, ttl_s: int, context: LockContext) -> None:
        self._client = client
        self._name = name
        self._slots = slots
        self._run_id = context.run_id
        self._controller = context.controller
        self._clock = context.clock
        self._now = context.now
        self._slots_prefix = root + "slots/"
        self._runs_prefix = root + "runs/"
        self._run_key = self._runs_prefix + context.run_id
        self._generation_key = root + "generation"
        self._total_key = root + "total"
        self._lease = EtcdLease(client, self._run_key, ttl_s, context)
        self._turns = Turns(_AT_ONCE)
        # One call at a time takes a slot: others would only make it count again.
        self._taking = asyncio.Lock()
        # Slots that this process has taken, with the revision that wrote each.
        self._ours: dict[str, int] = {}
        # Hosts whose release has begun and is not known to be done.
        self._releasing: set[str] = set()
        self._writes = itertools.count()
        self.patience_s = float(ttl_s)

    async def open(self) -> None:
        await self._lease.open(self._register)

    async def _register(self, lease: int, deadline: float) -> bool:
        """Try to write the key of the run; False if another client changed something meanwhile."""
        reads = [
            etcd.get(self._total_key),
            etcd.get(self._generation_key),
            etcd.get_below(self._runs_prefix),
            etcd.get_below(self._slots_prefix, count_only=True),
        ]
        total, generation, runs, slots = (await self._client.transact(deadline, [], reads)).found
        own = next((run for run in runs.keys if run.key == self._run_key), None)
        if own is not None:
            # Ours if the answer to an earlier try was lost.
            if own.lease == lease:
                return True
            raise LockError("LOCK_LOST", "another process took over run %s at the same time" % self._run_id)
        writes = [self._put_generation(), etcd.put(self._run_key, self._run_record(), lease)]
        if self._recorded(total) != self._slots:
            # The number may change while nobody relies on it.
            if total.keys and (slots.count or runs.count):
                raise mismatch(self._name, self._recorded(total), self._slots, in_use(slots.count, runs.count))
            writes.append(etcd.put(self._total_key, json.dumps({"slots": self._slots})))
        checks = [
            etcd.unchanged(self._run_key, 0),
            _as_found(self._generation_key, generation),
            _as_found(self._total_key, total),
        ]
        return (await self._client.transact(deadline, checks, writes)).succeeded

    async def close(self) -> None:
        await self._lease.close()

    # --- slots ---

    async def acquire(self, host: str) -> bool:
        """See :meth:`model.SlotLock.acquire`. Also False if others won every race until the deadline."""
        self._lease.require()
        check_host(host)
        return await self._turns.take(lambda: self._acquire(host))

    async def _acquire(self, host: str) -> bool:
        async with self._taking:
            deadline = self._client.deadline()
            taken = None
            while taken is None and self._clock() < deadline:
                taken = await self._try_acquire(host, deadline)
            return bool(taken)

    async def _try_acquire(self, host: str, deadline: float) -> bool | None:
        """Try once to take a slot; None if another client changed something meanwhile."""
        slot_key = self._slots_prefix + host
        reads = [
            etcd.get(self._run_key),
            etcd.get(self._total_key),
            etcd.get(self._generation_key),
            etcd.get(slot_key),
            etcd.get_below(self._slots_prefix, count_only=True),
        ]
        run, total, generation, slot, slots = (await self._client.transact(deadline, [], reads)).found
        self._lease.judge(run)
        if self._recorded(total) != self._slots:
            raise mismatch(self._name, self._recorded(total), self._slots, "it was changed under this run")
        since = utc_text(self._now())
        if slot.first is not None:
            holder = Holder.from_record(host, slot.first.parsed())
            if holder.run_id != self._run_id:
                return False
            if slot.first.mod_revision == self._ours.get(host) and host not in self._releasing:
                return True
            # Taken by an earlier process of this run, or by a try whose answer was lost. It is written again, so that the earlier
            # process no longer holds it, and a release that is still under way misses it.
            since = holder.since
        elif slots.count >= self._slots:
            return False
        record = self._record(host, since)
        checks = [
            self._lease.lives(),
            _as_found(self._total_key, total),
            _as_found(self._generation_key, generation),
            _as_found(slot_key, slot),
        ]
        answer = await self._client.transact(
            deadline, checks, [etcd.put(slot_key, record), self._put_generation()], [etcd.get(slot_key)]
        )
        revision = answer.revision
        if not answer.succeeded:
            written = answer.found[0].first
            # Was it sent twice, because the first answer was lost?
            if written is None or written.value != record:
                return None
            revision = written.mod_revision
        self._ours[host] = revision
        self._releasing.discard(host)
        return True

    async def confirm(self, host: str) -> None:
        await self._turns.take(lambda: self._confirm(host))

    async def _confirm(self, host: str) -> None:
        self._lease.require()
        revision = self._ours.get(host)
        if revision is None:
            raise LockError("LOCK_LOST", "run %s has taken no slot for %s" % (self._run_id, host))
        deadline = self._client.deadline()
        await self._lease.renew_if_old(deadline)
        slot_key = self._slots_prefix + host
        # Read in both branches: a member answers a transaction that reads nothing from its own state, which may be behind (etcd,
        # server/etcdserver/v3_server.go, isTxnSerializable).
        reads = [etcd.get(self._run_key), etcd.get(slot_key)]
        answer = await self._client.transact(deadline, [self._lease.lives(), etcd.unchanged(slot_key, revision)], reads, reads)
        if not answer.succeeded:
            run, slot = answer.found
            self._lease.judge(run)
            raise LockError("LOCK_LOST", "the slot of %s is %s" % (host, "somebody else's" if slot.keys else "gone"))
        self._lease.require_young(host)

    async def release(self, host: str) -> None:
        """See :meth:`model.SlotLock.release`. Needs no lease for a slot that this process took and no other took over."""
        check_host(host)
        self._releasing.add(host)
        await self._turns.take(lambda: self._release(host))

    async def _release(self, host: str) -> None:
        deadline = self._client.deadline()
        while self._clock() < deadline:
            if await self._try_release(host, deadline):
                self._ours.pop(host, None)
                self._releasing.discard(host)
                return
        raise LockError("LOCK_UNAVAILABLE", "the release of %s kept losing to other transactions until the timeout" % host)

    async def _try_release(self, host: str, deadline: float) -> bool:
        slot_key = self._slots_prefix + host
        (slot,) = (await self._client.transact(deadline, [], [etcd.get(slot_key)])).found
        checks = [_as_found(slot_key, slot)]
        writes = [self._put_generation()]
        if slot.first is not None:
            taken_by = Holder.from_record(host, slot.first.parsed()).run_id
            if not taken_by:
                raise slot_owed(host)
            if taken_by != self._run_id:
                return True
            writes.append(etcd.delete(slot_key))
            if slot.first.mod_revision != self._ours.get(host):
                self._lease.require()
                checks.append(self._lease.lives())
        # Without a slot, write only the generation: a request to take one that is still under way then comes too late.
        answer = await self._client.transact(deadline, checks, writes, [etcd.get(self._run_key)])
        if not answer.succeeded and len(checks) > 1:
            (run,) = answer.found
            self._lease.judge(run)
        return answer.succeeded

    async def holders(self) -> list[Holder]:
        return await self._turns.take(self._holders)

    async def _holders(self) -> list[Holder]:
        (slots,) = (await self._client.transact(self._client.deadline(), [], [etcd.get_below(self._slots_prefix)])).found
        return [Holder.from_record(slot.key[len(self._slots_prefix) :], slot.parsed()) for slot in slots.keys]

    async def lives(self, run_id: str) -> bool:
        return await self._turns.take(lambda: self._lives(run_id))

    async def _lives(self, run_id: str) -> bool:
        (run,) = (await self._client.transact(self._client.deadline(), [], [etcd.get(self._runs_prefix + run_id)])).found
        return run.first is not None

    async def free(self, holder: Holder) -> bool:
        """See :meth:`model.SlotLock.free`."""
        return await self._turns.take(lambda: self._free(holder))

    async def _free(self, holder: Holder) -> bool:
        slot_key = self._slots_prefix + holder.host
        deadline = self._client.deadline()
        (slot,) = (await self._client.transact(deadline, [], [etcd.get(slot_key)])).found
        if slot.first is None or Holder.from_record(holder.host, slot.first.parsed()) != holder:
            return False
        checks = [_as_found(slot_key, slot), etcd.unchanged(self._runs_prefix + holder.run_id, 0)]
        return (await self._client.transact(deadline, checks, [etcd.delete(slot_key), self._put_generation()])).succeeded

    # --- records ---

    def _record(self, host: str, since: str) -> str:
        holder = Holder(host, self._run_id, self._controller, since)
        # Each record is unique, so that our own write can be recognised.
        return json.dumps({**holder.record(), "write": "%x-%d" % (self._lease.id, next(self._writes))})

    def _run_record(self) -> str:
        return json.dumps({"controller": self._controller, "since": utc_text(self._now())})

    def _put_generation(self) -> dict[str, object]:
        # The write matters, not the value.
        return etcd.put(self._generation_key, self._run_id)

    @staticmethod
    def _recorded(total: KeyRange) -> int:
        record = total.first.parsed() if total.first is not None else None
        slots = record.get("slots") if isinstance(record, dict) else None
        return slots if isinstance(slots, int) else 0


def _as_found(key: str, found: KeyRange) -> dict[str, object]:
    return etcd.unchanged(key, found.first.mod_revision if found.first is not None else 0)
