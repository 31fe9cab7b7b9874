# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notice within a fraction of a second that a host's sshd went away or came back.

A probe is a TCP connection that reads the start of the SSH banner: tens of microseconds, against milliseconds for starting ssh.
One thread probes many hosts, beside whatever else its event loop does.

OpenSSH 9.8 and later penalise a source address for connections that close before authentication (PerSourcePenalties): one second
each, and from 15 seconds on sshd refuses that address altogether, the playbook's own connections included. So a host that answers
is probed quickly only for a while, and then about once a second. A host that is down has no sshd to penalise us, and is probed at
the full rate.

A service that the user names is probed the same way, at the full rate whether it answers or not. Its answer is the connection
itself, or the outcome of what is then said over it.
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

# How often a host that is down is tried. An unanswered SYN is not waited for: the next attempt overlaps it.
INTERVAL_S = 0.05
CONNECT_TIMEOUT_S = 1.0
# Services are tried more often; rounded up to ticks, this comes to 20 times a second or more.
SERVICE_INTERVAL_S = 0.035
# When sockets are scarce, an attempt makes way for the next one after this time. By then it has had its chance, wherever on earth
# the host is, or, once accepted, however busy it is.
ANSWER_S = 0.4
ACCEPTED_ANSWER_S = 5.0
# Accepted, but no banner yet: sshd may be slow, or have gone with its machine.
BANNER_TIMEOUT_S = 20.0
# Concurrent attempts at one sshd. SYNs sent to a machine that was down may reach it all at once when its network comes up, and a
# penalising sshd counts each connection against us and forgives no more than 15.
UNDER_WAY = 8
# While a connection waits for its banner, the next one is opened after this interval, doubled for each further one that waits: a
# host that is busy starting has to start a process for every connection.
PENDING_INTERVAL_S = 0.5

# Over all targets.
PROBES_PER_S = 6000.0
# Cost of a probe with a conversation, in plain probes.
CONVERSATION_COST = 2
# Share for sshds. With more hosts down than it allows, each is tried less often: a thousand of them five times a second each,
# which is most of what a rollout costs a controller.
SSHD_PROBES_PER_S = 5000.0
# Probes due within a tick are started together, at most as many as PROBES_PER_S allows for _BURST_TICKS ticks: other work of this
# loop, such as asking the hosts that answer, must not wait for a thousand probes.
TICK_S = 0.01
_BURST_TICKS = 3
# Wait of a service that found no socket free at its turn.
_TURN_RETRY_S = 0.05

# Quick probes that a penalising sshd forgives, below its limit of 15; FORGIVEN_INTERVAL_S apart, they last a second. It forgives
# one more every FORGIVE_INTERVAL_S.
FORGIVEN_PROBES = 10
FORGIVEN_INTERVAL_S = 0.1
FORGIVE_INTERVAL_S = 1.1

_BANNER_START = b"SSH-"
_BANNER_MAX_BYTES = 255
_OPENSSH = re.compile(r"OpenSSH_(\d+)\.(\d+)")
_PENALISES_SINCE = (9, 8)

SockAddr = tuple[int, tuple[object, ...]]

# Talks over a connected socket, which it takes over, and returns whether the answer is good. Never raises.
Converse = Callable[[socket.socket], Coroutine[Any, Any, bool]]


class Sshd(NamedTuple):
    """Address and banner of an sshd that answered."""

    address: SockAddr
    banner: str


class Observation(NamedTuple):
    """Outcome of one probe.

    :ivar at: monotonic seconds: when the answer arrived if the host is up, when the probe started if it is not.
    """

    key: Hashable
    at: float
    up: bool


def penalises(banner: str) -> bool:
    """Whether an sshd with this banner may penalise probes; assumed for unknown versions of OpenSSH."""
    version = _OPENSSH.search(banner)
    if version is None:
        return "OpenSSH" in banner
    return (int(version.group(1)), int(version.group(2))) >= _PENALISES_SINCE


class Allowance:
    """Token bucket for quick probes of a host that answers; not C(limited) if its sshd does not penalise."""

    def __init__(self, limited: bool, now: float) -> None:
        self._limited = limited
        self._left = float(FORGIVEN_PROBES)
        self._at = now

    def forgo(self, now: float) -> float:
        """Give up the quick probes; return the seconds until the first probe."""
        self._left = 0.0
        self._at = now
        return FORGIVE_INTERVAL_S if self._limited else INTERVAL_S

    def spend(self, now: float) -> float:
        """Account for an answered probe; return the seconds until the next one."""
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
    # No longer waited for; its descriptor may already belong to another attempt.
    dropped: bool = False
    # The socket belongs to the conversation and is no longer polled here.
    handed_over: bool = False
    conversation: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class _Service:
    """Probe settings of a service; without C(converse), a connection is enough."""

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
    """Probe hosts and services in the running event loop until told to stop.

    :param sockets: limit on open sockets; by default half of the process's limit. Each host may have one even beyond the limit;
        services take turns.
    """

    def __init__(self, sockets: int | None = None, banner_timeout_s: float = BANNER_TIMEOUT_S) -> None:
        self._banner_timeout_s = banner_timeout_s
        self._loop = asyncio.get_running_loop()
        # The rest is for connections to the hosts.
        self._sockets = sockets or resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        # The overhead of the module selectors shows at a hundred thousand probes.
        self._epoll = select.epoll()
        self._polled: dict[int, _Attempt] = {}
        self._loop.add_reader(self._epoll, self._ready)
        self._open = 0
        self._targets: dict[Hashable, _Target] = {}
        # Next attempts at targets, and attempts to give up, by time.
        self._due: list[tuple[float, int, _Target | _Attempt]] = []
        # Attempts to give up CONNECT_TIMEOUT_S after they began, oldest first.
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

        :param tell: called with each observation; may call :meth:`watch` and :meth:`forget`.
        :param gently: skip the quick probes at the beginning if the host's sshd may count them.
        :param pause_s: minimum between two probes, for a host that is only checked now and then.
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
        """Start probing a service. One that accepts a connection gets no further probe until it answers or times out.

        :param tell: called with each observation; may call :meth:`forget`.
        :param converse: conversation over a connection; None if the connection is the answer.
        :param timeout_s: limit for a conversation.
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
        for key in list(self._targets):
            self.forget(key)
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._epoll)
        self._epoll.close()

    @property
    def interval_s(self) -> float:
        """Time between two probes of a host that is down; grows with the number of targets."""
        return max(INTERVAL_S, len(self._targets) / SSHD_PROBES_PER_S)

    def _interval_of(self, target: _Target) -> float:
        if target.service is None:
            return self.interval_s
        cost = 1 if target.service.converse is None else CONVERSATION_COST
        interval_s = max(SERVICE_INTERVAL_S, cost * len(self._targets) / PROBES_PER_S)
        # All of them may be silent, so they take turns.
        return max(interval_s, ANSWER_S * len(self._targets) / self._sockets) if self._in_turns else interval_s

    @property
    def _in_turns(self) -> bool:
        """Whether there are more targets than sockets."""
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
        # The loop can't be expected to come round more often.
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
        """End an attempt if its time is up."""
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
        # The kernel repeats a lost SYN after a second; a new attempt sends one at once.
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
            # Running out of descriptors says nothing about the host.
            return
        # EINPROGRESS is the rule, a hundred thousand times over; an exception each time would be noticeable.
        if sock.connect_ex(address) not in (0, errno.EINPROGRESS):
            # No route, or refused at once: a failed probe like any other.
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
        # Look up all attempts before advancing any: a descriptor that is closed may be reused at once.
        news = [self._polled[descriptor] for descriptor, _events in self._epoll.poll(0)]
        for attempt in news:
            if not attempt.dropped:
                self._advance(attempt)

    def _advance(self, attempt: _Attempt) -> None:
        """Continue an attempt whose socket is ready."""
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
        """Handle a new connection to a service."""
        target = attempt.target
        if self._loop.time() >= attempt.deadline:
            # Its SYN was repeated, and this loop was late to give it up: later attempts say more about the time since.
            self._end(attempt, up=False)
            return
        for other in list(target.attempts):
            if other.started < attempt.started:
                # Sent earlier and unanswered: it arrived before the service was up.
                self._end(other, up=False)
            elif other is not attempt and service.converse is not None:
                self._drop(other)
        if not target.watched:
            return
        if service.converse is None:
            self._drop(attempt)
            # Later attempts at a distant host are still under way.
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
        # The conversation has ended by itself; _drop must not cancel it.
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
        # Earlier attempts may still fail; that would be old news.
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
            # The socket is closed once the conversation has let go of it.
            attempt.conversation.cancel()
            return
        if not attempt.handed_over:
            self._let_go(attempt)
        attempt.sock.close()

    def _let_go(self, attempt: _Attempt) -> None:
        # Closing the socket is not enough: a process that was just forked may hold it for a moment.
        self._epoll.unregister(attempt.descriptor)
        del self._polled[attempt.descriptor]


def service_sockets() -> int:
    """Socket limit of a prober of services beside one of hosts: a quarter of the process's limit."""
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


def first_banner(addresses: Iterable[SockAddr], timeout_s: float) -> Sshd | None:
    """First address that answers with an SSH banner; None if none does."""
    for family, address in addresses:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(address)
            banner = sock.recv(_BANNER_MAX_BYTES)
            if banner.startswith(_BANNER_START):
                return Sshd((family, address), banner.decode("ascii", "replace").splitlines()[0])
    return None
