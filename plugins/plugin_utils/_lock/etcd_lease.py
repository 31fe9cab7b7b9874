# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lease of a run in etcd, which proves that its controller lives."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from . import etcd_messages as etcd
from .etcd_client import EtcdClient
from .etcd_messages import KeyRange
from .model import LockContext, LockError

# Renewals within the time to live, and more often once one has failed.
_RENEWALS = 3
_RENEWALS_FAILING = 10
# How often the lease of an earlier process is checked.
_POLL_S = 0.2

#: Tries to write the key of a run with this lease before a deadline; False if another client changed something meanwhile.
Register = Callable[[int, float], Awaitable[bool]]


class EtcdLease:
    """Lease of a run, renewed in the background until closed or lost. The run's key C(key) disappears with it."""

    def __init__(self, client: EtcdClient, key: str, ttl_s: int, context: LockContext) -> None:
        self._client = client
        self._key = key
        self._ttl_s = ttl_s
        self._run_id = context.run_id
        self._clock = context.clock
        self._progress = context.progress
        self._id = 0
        self._valid_until = 0.0
        self._lost = ""
        self._revoked = False
        self._closing = False
        self._renewing: asyncio.Task[None] | None = None

    @property
    def id(self) -> int:
        """Lease ID in etcd; 0 before it is opened."""
        return self._id

    async def open(self, register: Register) -> None:
        """Take the lease; waits for that of an earlier process to run out. See :meth:`model.SlotLock.open` for errors."""
        if self._id:
            self.require()
            return
        if self._closing:
            raise LockError("LOCK_LOST", "the lock of run %s was closed" % self._run_id)
        deadline = await self._await_earlier_process()
        sent_at = self._clock()
        granted = await self._client.call("/v3/lease/grant", {"TTL": str(self._ttl_s)}, deadline)
        try:
            lease, ttl_s = int(granted["ID"]), int(granted["TTL"])
        except (KeyError, ValueError) as error:
            raise LockError(
                "LOCK_UNAVAILABLE", "etcd granted no lease: %s" % granted.get("error", "it does not say why")
            ) from error
        while not await register(lease, deadline):
            pass
        self._id, self._ttl_s, self._valid_until = lease, ttl_s, sent_at + ttl_s
        self._renewing = asyncio.create_task(self._keep_alive(), name="lease")

    async def _await_earlier_process(self) -> float:
        """Wait until no other process has the run; return the deadline for the requests that follow."""
        patience_until = None
        while True:
            deadline = self._client.deadline()
            answer = await self._client.transact(deadline, [], [etcd.get(self._key)])
            earlier = answer.found[0].first
            if earlier is None:
                return deadline
            if patience_until is None:
                # The duration that was granted and the time a revocation may take, not the remaining time, which a new leader
                # among etcd's members resets.
                lasts = await self._client.call("/v3/lease/timetolive", {"ID": str(earlier.lease)}, deadline)
                wait_s = int(lasts.get("grantedTTL", 0)) + 2
                patience_until = self._clock() + wait_s
                self._progress("waiting up to %d s for the lease of an earlier process of run %s" % (wait_s, self._run_id))
            if self._clock() >= patience_until:
                record = earlier.parsed()
                who = record.get("controller") if isinstance(record, dict) else None
                raise LockError("LOCK_LOST", "run %s is alive on %s" % (self._run_id, who or "another controller"))
            await asyncio.sleep(_POLL_S)

    async def _keep_alive(self) -> None:
        wait_s = self._ttl_s / _RENEWALS
        while True:
            await asyncio.sleep(wait_s)
            try:
                await self._renew(math.inf)
                wait_s = self._ttl_s / _RENEWALS
            except LockError as error:
                if error.reason.code == "LOCK_LOST":
                    return
                wait_s = self._ttl_s / _RENEWALS_FAILING

    async def _renew(self, deadline: float) -> None:
        sent_at = self._clock()
        deadline = min(deadline, sent_at + self._ttl_s / _RENEWALS)
        timeout_s = self._ttl_s / _RENEWALS / self._client.endpoints
        # A stream of messages, of which there is one.
        answered = await self._client.call("/v3/lease/keepalive", {"ID": str(self._id)}, deadline, timeout_s)
        answer = answered.get("result")
        if not isinstance(answer, dict):
            raise LockError("LOCK_UNAVAILABLE", "etcd answered a question about the lease with nonsense")
        ttl_s = int(answer.get("TTL", 0))
        if ttl_s <= 0:
            raise self._lose("the lease of run %s ran out" % self._run_id)
        self._valid_until = max(self._valid_until, sent_at + ttl_s)

    async def renew_if_old(self, deadline: float) -> None:
        """Renew the lease if it may have run out since etcd last answered about it; raises LockError if that fails."""
        if self._clock() >= self._valid_until:
            await self._renew(deadline)

    def require_young(self, host: str) -> None:
        """Check that etcd's answer about a host is still valid (the process may have been stopped); raises C(LOCK_LOST)."""
        if self._clock() >= self._valid_until:
            raise self._lose("the answer of etcd about %s is older than the lease of run %s" % (host, self._run_id))
        self.require()

    def require(self) -> None:
        """Check that the lease is open and not known to be lost; raises C(LOCK_LOST)."""
        if self._lost:
            raise LockError("LOCK_LOST", self._lost)
        if not self._id or self._closing:
            raise LockError("LOCK_LOST", "the lock of run %s is not open" % self._run_id)

    def lives(self) -> dict[str, object]:
        """Transaction condition that the run has this lease."""
        return etcd.lives(self._key, self._id)

    def judge(self, run: KeyRange) -> None:
        """Check that the run has this lease, by its key as read from etcd; raises C(LOCK_LOST)."""
        if run.first is None:
            raise self._lose("the lease of run %s ran out" % self._run_id)
        if run.first.lease != self._id:
            raise self._lose("run %s was taken up by another process" % self._run_id)

    def _lose(self, message: str) -> LockError:
        self._lost = self._lost or message
        return LockError("LOCK_LOST", self._lost)

    async def close(self) -> None:
        """Give up the lease; raises LockError if etcd can't be reached, and the lease runs out by itself."""
        self._closing = True
        if self._renewing is not None:
            self._renewing.cancel()
        if not self._id or self._lost or self._revoked:
            return
        deadline = self._client.deadline()
        try:
            await self._client.call("/v3/lease/revoke", {"ID": str(self._id)}, deadline)
        except LockError:
            # The answer may have been lost, and a lease can't be revoked twice.
            run = (await self._client.transact(deadline, [], [etcd.get(self._key)])).found[0].first
            if run is not None and run.lease == self._id:
                raise
        self._revoked = True
