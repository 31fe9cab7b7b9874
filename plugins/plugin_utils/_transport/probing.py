# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets and times of all probes of one event loop. What is probed, how often and what an answer is, targets decide."""

from __future__ import annotations

import asyncio
import errno
import heapq
import itertools
import resource
import select
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable

from .attempt import Attempt, open_probe
from .observation import Observation, Tell
from .sshd import ANY_SOURCE, SockAddr, Source

# A connection that is not made within this time fails.
CONNECT_TIMEOUT_S = 1.0
# Over all targets.
PROBES_PER_S = 6000.0
# Probes due within a tick are started together, at most as many as PROBES_PER_S allows for _BURST_TICKS ticks: other work of this
# loop, such as asking the hosts that answer, must not wait for a thousand probes.
TICK_S = 0.01
_BURST_TICKS = 3

NEVER = float("inf")


class Target(ABC):
    """Host or service that is probed.

    :ivar next_at: monotonic seconds of the next attempt.
    :ivar attempts: those under way, oldest first.
    :ivar watched: whether anybody is still interested.
    """

    def __init__(self, probing: Probing, key: Hashable, address: SockAddr, tell: Tell, source: Source = ANY_SOURCE) -> None:
        self.probing = probing
        self.key = key
        self.address = address
        self.source = source
        self.next_at = probing.now()
        self.attempts: list[Attempt[Target]] = []
        self.watched = True
        # When it is due; kept by Probing.
        self.due_at = NEVER
        self._tell = tell

    @abstractmethod
    def start(self, now: float) -> None:
        """Begin an attempt, unless others have to end first, and set C(next_at)."""

    @abstractmethod
    def failed(self, attempt: Attempt[Target], error: int) -> None:
        """Take in that an attempt could not connect; its socket is still open, and C(error) is its errno."""

    @abstractmethod
    def expired(self, attempt: Attempt[Target]) -> None:
        """Take in that an attempt reached its deadline."""

    @abstractmethod
    def ready(self, attempt: Attempt[Target]) -> None:
        """Take in that an attempt has connected, or that its connection can be read."""

    def tell(self, at: float, up: bool, refusing: bool = False) -> None:
        """Pass an observation on; afterwards the target may no longer be watched."""
        self._tell(Observation(self.key, at, up, refusing))

    def end(self) -> None:
        """Stop probing."""
        self.watched = False
        self.drop_attempts()

    def drop_attempts(self) -> None:
        while self.attempts:
            self.probing.drop(self.attempts[-1])


class Probing:
    """Attempts under way, and what is due next.

    :param sockets: limit on open sockets; by default half of the process's limit, since the rest is for connections to the hosts.
        Each host may have one even beyond the limit; services take turns.
    :ivar open: number of sockets of attempts.
    """

    def __init__(self, sockets: int | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self.sockets = sockets or resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        self.open = 0
        self.targets: dict[Hashable, Target] = {}
        # The overhead of the module selectors shows at a hundred thousand probes.
        self._epoll = select.epoll()
        self._polled: dict[int, Attempt[Target]] = {}
        self._loop.add_reader(self._epoll, self._ready)
        # Next attempts at targets, and attempts to give up, by time.
        self._due: list[tuple[float, int, Target | Attempt[Target]]] = []
        # Attempts to give up CONNECT_TIMEOUT_S after they began, oldest first.
        self._connecting: deque[Attempt[Target]] = deque()
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_at = self._loop.time()

    def close(self) -> None:
        """Stop everything."""
        for target in list(self.targets.values()):
            target.end()
        self.targets.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._epoll)
        self._epoll.close()

    @property
    def in_turns(self) -> bool:
        """Whether there are more targets than sockets."""
        return len(self.targets) > self.sockets

    @property
    def share(self) -> int:
        """Number of sockets for each target."""
        return max(1, self.sockets // max(1, len(self.targets)))

    # Time.

    def schedule(self, at: float, what: Target | Attempt[Target]) -> None:
        """Have a target start, or an attempt expire, at this time if that is still its time by then."""
        if isinstance(what, Target):
            if at >= what.due_at:
                # It is scheduled again once it is due.
                return
            what.due_at = at
        heapq.heappush(self._due, (at, next(self._order), what))
        if self._timer is None or at < self._timer.when():
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        next_at = self._due[0][0] if self._due else NEVER
        if self._connecting:
            next_at = min(next_at, self._connecting[0].started + CONNECT_TIMEOUT_S)
        # The loop can't be expected to come round more often.
        next_at = max(next_at, self._loop.time() + TICK_S)
        self._timer = self._loop.call_at(next_at, self._tick) if next_at < NEVER else None

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        left = max(1, round(PROBES_PER_S * min(now - self._ticked_at, _BURST_TICKS * TICK_S)))
        self._ticked_at = now
        while self._connecting and self._connecting[0].started + CONNECT_TIMEOUT_S <= now:
            self._expire(self._connecting.popleft(), now)
        while left and self._due and self._due[0][0] <= now:
            at, _order, what = heapq.heappop(self._due)
            if isinstance(what, Attempt):
                self._expire(what, now)
            elif what.watched and at == what.due_at:
                what.due_at = NEVER
                if now >= what.next_at:
                    what.start(now)
                    left -= 1
                if what.next_at < NEVER:
                    self.schedule(what.next_at, what)
        self._set_timer()

    def _expire(self, attempt: Attempt[Target], now: float) -> None:
        if not attempt.dropped and now >= attempt.deadline:
            attempt.target.expired(attempt)

    # Sockets.

    def begin(self, target: Target, now: float, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
        """Begin an attempt; return whether there was a socket for it, which says nothing about the host."""
        try:
            sock = open_probe(target.address, target.source)
        except OSError:
            return False
        attempt = Attempt(target, sock, sock.fileno(), now, now + timeout_s)
        # EINPROGRESS is the rule, a hundred thousand times over; an exception each time would be noticeable.
        error = sock.connect_ex(target.address[1])
        if error not in (0, errno.EINPROGRESS):
            # No route, or refused at once: a failed probe like any other.
            target.failed(attempt, error)
            sock.close()
            return True
        self.open += 1
        self.poll(attempt, select.EPOLLOUT)
        target.attempts.append(attempt)
        if timeout_s == CONNECT_TIMEOUT_S:
            self._connecting.append(attempt)
        else:
            self.schedule(attempt.deadline, attempt)
        return True

    def poll(self, attempt: Attempt[Target], events: int) -> None:
        """Have a socket polled that was not."""
        self._epoll.register(attempt.descriptor, events)
        self._polled[attempt.descriptor] = attempt

    def read(self, attempt: Attempt[Target], timeout_s: float) -> None:
        """Wait for what comes over a new connection."""
        self._epoll.modify(attempt.descriptor, select.EPOLLIN)
        attempt.deadline = self._loop.time() + timeout_s
        self.schedule(attempt.deadline, attempt)

    def let_go(self, attempt: Attempt[Target]) -> None:
        """Poll a socket no longer. Closing it is not enough: a process that was just forked may hold it for a moment."""
        self._epoll.unregister(attempt.descriptor)
        del self._polled[attempt.descriptor]

    def release(self, attempt: Attempt[Target]) -> None:
        """End an attempt, but leave its socket as it is."""
        attempt.target.attempts.remove(attempt)
        attempt.dropped = True
        self.open -= 1

    def drop(self, attempt: Attempt[Target]) -> None:
        """End an attempt."""
        self.release(attempt)
        self.let_go(attempt)
        attempt.sock.close()

    def _ready(self) -> None:
        # Look up all attempts before advancing any: a descriptor that is closed may be reused at once.
        news = [self._polled[descriptor] for descriptor, _events in self._epoll.poll(0)]
        for attempt in news:
            # Another one's news may have ended it.
            if self._polled.get(attempt.descriptor) is not attempt:
                continue
            if not attempt.connected:
                error = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    attempt.target.failed(attempt, error)
                    continue
                attempt.connected = True
            attempt.target.ready(attempt)
