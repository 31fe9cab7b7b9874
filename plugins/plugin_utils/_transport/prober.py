# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Noticing within a fraction of a second that a host's sshd went away or came back.

A probe is a TCP connection that reads the start of the SSH banner: tens of
microseconds, against milliseconds for starting ssh. Many hosts are probed by
one thread, beside whatever else its event loop does.

OpenSSH 9.8 and later hold connections that close before authentication
against their source address (PerSourcePenalties): one second each, and from
15 seconds on it refuses that address altogether, the playbook's own
connections included. So a host that answers is probed quickly only for a
while, and then about once a second; a host that is down costs nobody
anything and is probed as fast as asked.

A service that the user names is probed in the same way, and as fast whether
it answers or not. A connection is its answer, or what is then said over it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import heapq
import itertools
import re
import resource
import select
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# How often a host that is down is tried. A SYN that goes unanswered is not
# waited for: the next attempt overlaps it.
INTERVAL_S = 0.05
CONNECT_TIMEOUT_S = 1.0
# A service is tried more often; with the ticks in between it comes to 20 times a second or more.
SERVICE_INTERVAL_S = 0.035
# With few sockets an attempt has to make room for the next one. It has had its chance then, wherever on earth the host is,
# or however busy, if it was accepted.
ANSWER_S = 0.4
ACCEPTED_ANSWER_S = 5.0
# Accepted, but no banner yet: sshd may be slow, or be gone with its machine.
BANNER_TIMEOUT_S = 20.0
# Of one sshd. What was sent to a machine that was down may reach it all at once when its network comes up, and a penalising
# sshd holds each connection against us, with no more than 15 to forgive.
UNDER_WAY = 8
# While a connection waits for its banner, the next is opened after so long, and
# with each that waits after twice as long: a host that is busy starting has a
# process to start for every one of them.
PENDING_INTERVAL_S = 0.5

# Over all that are watched.
PROBES_PER_S = 6000.0
# Of these, what one takes that asks something.
CONVERSATION_COST = 2
# What sshds get of them. One that is down is tried less often where there are more than that allows: a thousand five times a
# second each, which is most of what a rollout costs a controller.
SSHD_PROBES_PER_S = 5000.0
# Probes that fall due meanwhile are started together, and no more than PROBES_PER_S allows for so many ticks: what else this loop
# does, such as asking the hosts that answer, must not wait for a thousand of them.
TICK_S = 0.01
_BURST_TICKS = 3
# A service whose turn finds no socket left waits for so long.
_TURN_RETRY_S = 0.05

# Probes that a penalising sshd forgives at once, below its 15, at this pace, which has them last for a second; and one more
# for every so many seconds.
FORGIVEN_PROBES = 10
FORGIVEN_INTERVAL_S = 0.1
FORGIVE_INTERVAL_S = 1.1

_BANNER_START = b"SSH-"
_BANNER_MAX_BYTES = 255
_OPENSSH = re.compile(r"OpenSSH_(\d+)\.(\d+)")
_PENALISES_SINCE = (9, 8)

SockAddr = tuple[int, tuple[object, ...]]

# Says something over a connected socket, which it takes over, and tells whether the answer is a good one. Never fails.
Converse = Callable[[socket.socket], Coroutine[Any, Any, bool]]


class Sshd(NamedTuple):
    """An sshd that answered, and what it said."""

    address: SockAddr
    banner: str


class Observation(NamedTuple):
    """What one probe saw.

    :ivar at: monotonic time in seconds: of the answer's arrival if the host
        is up, of the probe's start if it is not.
    """

    key: Hashable
    at: float
    up: bool


def penalises(banner: str) -> bool:
    """Whether the sshd of this banner may hold probes against us; unknown versions may."""
    version = _OPENSSH.search(banner)
    if version is None:
        return "OpenSSH" in banner
    return (int(version.group(1)), int(version.group(2))) >= _PENALISES_SINCE


class Allowance:
    """A token bucket: how many probes of a host that answers are still free.

    :param limited: False for an sshd that holds nothing against anybody.
    """

    def __init__(self, limited: bool, now: float) -> None:
        self._limited = limited
        self._left = float(FORGIVEN_PROBES)
        self._at = now

    def forgo(self, now: float) -> float:
        """Do without the quick probes; seconds until the first may follow."""
        self._left = 0.0
        self._at = now
        return FORGIVE_INTERVAL_S if self._limited else INTERVAL_S

    def spend(self, now: float) -> float:
        """Account for a probe that was answered; seconds until the next may follow."""
        if not self._limited:
            return INTERVAL_S
        self._left = min(float(FORGIVEN_PROBES), self._left + (now - self._at) / FORGIVE_INTERVAL_S) - 1
        self._at = now
        return FORGIVEN_INTERVAL_S if self._left >= 1 else FORGIVE_INTERVAL_S


@dataclass(eq=False, slots=True)
class _Attempt:
    target: _Target
    sock: socket.socket
    descriptor: int
    started: float
    deadline: float
    connected: bool = False
    received: bytes = b""
    # Whether its end is not waited for any more: its descriptor may be another's by now.
    dropped: bool = False
    # Whether the socket is a conversation's, and not polled here any more.
    handed_over: bool = False
    conversation: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class _Service:
    """What makes an answer of something that is no sshd.

    :ivar converse: None if a connection is enough.
    :ivar timeout_s: of the conversation.
    """

    converse: Converse | None
    timeout_s: float


@dataclass(eq=False)
class _Target:
    key: Hashable
    address: SockAddr
    allowance: Allowance
    tell: Callable[[Observation], object]
    next_at: float
    pause_s: float = 0.0
    service: _Service | None = None
    attempts: list[_Attempt] = field(default_factory=list)
    watched: bool = True


class Prober:
    """Probes hosts until told to stop, in the running event loop.

    :param sockets: how many may be open at a time, though each host, but no service, may have one; half of the process's limit
        if omitted.
    :param banner_timeout_s: how long to wait for the banner on a connection.
    """

    def __init__(self, sockets: int | None = None, banner_timeout_s: float = BANNER_TIMEOUT_S) -> None:
        self._banner_timeout_s = banner_timeout_s
        self._loop = asyncio.get_running_loop()
        # The rest is for connections.
        self._sockets = sockets or resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        # A hundred thousand probes feel what the module selectors lays over it.
        self._epoll = select.epoll()
        self._polled: dict[int, _Attempt] = {}
        self._loop.add_reader(self._epoll, self._ready)
        self._open = 0
        self._targets: dict[Hashable, _Target] = {}
        # What is to be done when: the next attempt at a target, or giving one up.
        self._due: list[tuple[float, int, _Target | _Attempt]] = []
        # Attempts that are given up CONNECT_TIMEOUT_S after they began, in that order.
        self._connecting: deque[_Attempt] = deque()
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_at = self._loop.time()

    def watch(
        self,
        key: Hashable,
        sshd: Sshd,
        tell: Callable[[Observation], object],
        *,
        gently: bool = False,
        pause_s: float = 0.0,
    ) -> None:
        """Start probing a host.

        :param tell: called with what each probe saw. May call :meth:`watch` and :meth:`forget`.
        :param gently: leave out the quick probes at the beginning, where its
            sshd may count them.
        :param pause_s: between two probes at least, for a host that is only looked at now and then.
        """
        self.forget(key)
        now = self._loop.time()
        allowance = Allowance(penalises(sshd.banner), now)
        target = _Target(key, sshd.address, allowance, tell, now + (allowance.forgo(now) if gently else 0.0), pause_s)
        self._targets[key] = target
        self._schedule(target.next_at, target)

    def watch_service(
        self,
        key: Hashable,
        address: SockAddr,
        tell: Callable[[Observation], object],
        converse: Converse | None = None,
        timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        """Start probing a service.

        Of one that takes connections, and answers slowly, nothing more is asked until it has answered, or has not in time.

        :param tell: called with what each probe saw. May call :meth:`forget`.
        :param converse: what is said over a connection; if omitted, to be connected is the answer.
        :param timeout_s: until a conversation has failed.
        """
        self.forget(key)
        now = self._loop.time()
        target = _Target(key, address, Allowance(False, now), tell, now, service=_Service(converse, timeout_s))
        self._targets[key] = target
        self._schedule(now, target)

    def forget(self, key: Hashable) -> None:
        """Stop probing a host or service."""
        target = self._targets.pop(key, None)
        if target is not None:
            target.watched = False
            self._drop_attempts(target)

    def close(self) -> None:
        """Stop probing altogether."""
        for key in list(self._targets):
            self.forget(key)
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._epoll)
        self._epoll.close()

    @property
    def interval_s(self) -> float:
        """Between two probes of a host that is down: longer where there are many."""
        return max(INTERVAL_S, len(self._targets) / SSHD_PROBES_PER_S)

    def _interval_of(self, target: _Target) -> float:
        if target.service is None:
            return self.interval_s
        cost = 1 if target.service.converse is None else CONVERSATION_COST
        interval_s = max(SERVICE_INTERVAL_S, cost * len(self._targets) / PROBES_PER_S)
        # In turns, if all of them may be silent.
        return max(interval_s, ANSWER_S * len(self._targets) / self._sockets) if self._in_turns else interval_s

    @property
    def _in_turns(self) -> bool:
        """Whether there are more than sockets for them."""
        return len(self._targets) > self._sockets

    # Time.

    def _schedule(self, at: float, what: _Target | _Attempt) -> None:
        heapq.heappush(self._due, (at, next(self._order), what))
        if self._timer is None or at < self._timer.when():
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        next_at = self._due[0][0] if self._due else float("inf")
        if self._connecting:
            next_at = min(next_at, self._connecting[0].started + CONNECT_TIMEOUT_S)
        # Not more often than the loop can be expected to come round.
        next_at = max(next_at, self._loop.time() + TICK_S)
        self._timer = self._loop.call_at(next_at, self._tick) if self._due or self._connecting else None

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        left = max(1, round(PROBES_PER_S * min(now - self._ticked_at, _BURST_TICKS * TICK_S)))
        self._ticked_at = now
        while self._connecting and self._connecting[0].started + CONNECT_TIMEOUT_S <= now:
            self._give_up(self._connecting.popleft(), now)
        while left and self._due and self._due[0][0] <= now:
            what = heapq.heappop(self._due)[2]
            if isinstance(what, _Attempt):
                self._give_up(what, now)
            elif what.watched:
                if now >= what.next_at:
                    self._start(what, now)
                    left -= 1
                self._schedule(what.next_at, what)
        self._set_timer()

    def _give_up(self, attempt: _Attempt, now: float) -> None:
        """End an attempt, if it has had its time."""
        if not attempt.dropped and now >= attempt.deadline:
            self._end(attempt, up=False)

    # Sockets.

    def _start(self, target: _Target, now: float) -> None:
        waiting = sum([attempt.connected for attempt in target.attempts])
        if waiting and target.service is not None:
            target.next_at = now + self._interval_of(target)
            return
        if target.service is not None and self._in_turns and self._open >= self._sockets:
            target.next_at = now + _TURN_RETRY_S
            return
        pending_s = PENDING_INTERVAL_S * 2 ** (waiting - 1) if waiting else 0.0
        target.next_at = now + max(target.pause_s, self._interval_of(target), pending_s)
        # A SYN that was lost is sent again after a second, a new attempt sends one at once.
        most = max(1, self._sockets // len(self._targets))
        while len(target.attempts) >= (most if target.service is not None else min(most, UNDER_WAY)):
            oldest = target.attempts[0]
            chance_until = oldest.started + (ACCEPTED_ANSWER_S if oldest.connected else ANSWER_S)
            if now < chance_until:
                target.next_at = chance_until
                return
            self._end(oldest, up=False)
            if not target.watched:
                return
        family, address = target.address
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            # Out of descriptors says nothing about the host.
            return
        # To be under way is what is expected, a hundred thousand times; an exception each would be felt.
        if sock.connect_ex(address) not in (0, errno.EINPROGRESS):
            # No route, or refused at once: an answer like any other.
            sock.close()
            target.tell(Observation(target.key, now, False))
            return
        hurried = target.service is not None and self._in_turns
        descriptor = sock.fileno()
        attempt = _Attempt(target, sock, descriptor, now, now + (ANSWER_S if hurried else CONNECT_TIMEOUT_S))
        self._open += 1
        self._epoll.register(descriptor, select.EPOLLOUT)
        self._polled[descriptor] = attempt
        target.attempts.append(attempt)
        if hurried:
            self._schedule(attempt.deadline, attempt)
        else:
            self._connecting.append(attempt)

    def _ready(self) -> None:
        # Whose the news is has to be known before any of it is acted on: a descriptor that is closed may be another's at once.
        news = [self._polled[descriptor] for descriptor, _events in self._epoll.poll(0)]
        for attempt in news:
            if not attempt.dropped:
                self._advance(attempt)

    def _advance(self, attempt: _Attempt) -> None:
        """Go on with an attempt whose socket has news."""
        if not attempt.connected:
            if attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._end(attempt, up=False)
                return
            attempt.connected = True
            if attempt.target.service is not None:
                self._reached(attempt, attempt.target.service)
                return
            self._epoll.modify(attempt.descriptor, select.EPOLLIN)
            attempt.deadline = self._loop.time() + self._banner_timeout_s
            self._schedule(attempt.deadline, attempt)
            return
        try:
            data = attempt.sock.recv(_BANNER_MAX_BYTES - len(attempt.received))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        attempt.received += data
        if attempt.received.startswith(_BANNER_START):
            self._end(attempt, up=True)
        elif not data or len(attempt.received) >= _BANNER_MAX_BYTES:
            self._end(attempt, up=False)

    def _reached(self, attempt: _Attempt, service: _Service) -> None:
        """Go on with a connection to a service."""
        target = attempt.target
        if self._loop.time() >= attempt.deadline:
            # Its SYN was sent again, and this loop was late to give it up: later attempts tell more of the time since.
            self._end(attempt, up=False)
            return
        for other in list(target.attempts):
            if other.started < attempt.started:
                # Sent earlier and not answered: it got there before the service did.
                self._end(other, up=False)
            elif other is not attempt and service.converse is not None:
                self._drop(other)
        if not target.watched:
            return
        if service.converse is None:
            self._drop(attempt)
            # Later ones of a host far away are on their way still.
            target.tell(Observation(target.key, self._loop.time(), True))
            return
        self._let_go(attempt)
        attempt.handed_over = True
        attempt.conversation = asyncio.create_task(self._converse(attempt, service.converse))
        attempt.conversation.add_done_callback(lambda task: attempt.sock.close())
        attempt.deadline = self._loop.time() + service.timeout_s
        self._schedule(attempt.deadline, attempt)

    async def _converse(self, attempt: _Attempt, converse: Converse) -> None:
        up = await converse(attempt.sock)
        target, now = attempt.target, self._loop.time()
        # It has ended by itself.
        attempt.conversation = None
        self._drop(attempt)
        target.tell(Observation(target.key, now if up else attempt.started, up))
        if target.watched and now >= attempt.started + self._interval_of(target):
            self._start(target, now)

    def _end(self, attempt: _Attempt, up: bool) -> None:
        target = attempt.target
        self._drop(attempt)
        if not up:
            target.tell(Observation(target.key, attempt.started, False))
            return
        now = self._loop.time()
        # Attempts begun earlier may still fail; that would be old news.
        self._drop_attempts(target)
        target.next_at = now + max(target.pause_s, target.allowance.spend(now))
        target.tell(Observation(target.key, now, True))

    def _drop_attempts(self, target: _Target) -> None:
        while target.attempts:
            self._drop(target.attempts[-1])

    def _drop(self, attempt: _Attempt) -> None:
        attempt.target.attempts.remove(attempt)
        attempt.dropped = True
        self._open -= 1
        if attempt.conversation is not None:
            # The socket is closed when it has let go of it.
            attempt.conversation.cancel()
            return
        if not attempt.handed_over:
            self._let_go(attempt)
        attempt.sock.close()

    def _let_go(self, attempt: _Attempt) -> None:
        """Poll a socket no more."""
        # Closing it would not do: a process that was just forked may hold it for a moment.
        self._epoll.unregister(attempt.descriptor)
        del self._polled[attempt.descriptor]


def service_sockets() -> int:
    """How many sockets a prober of services should have beside one of hosts: a quarter of the process's limit."""
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


def first_banner(addresses: Iterable[SockAddr], timeout_s: float) -> Sshd | None:
    """The first address that answers with an SSH banner; None if none does."""
    for family, address in addresses:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(address)
            banner = sock.recv(_BANNER_MAX_BYTES)
            if banner.startswith(_BANNER_START):
                return Sshd((family, address), banner.decode("ascii", "replace").splitlines()[0])
    return None
