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
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import re
import resource
import selectors
import socket
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

# How often a host that is down is tried. A SYN that goes unanswered is not
# waited for: the next attempt overlaps it.
INTERVAL_S = 0.05
CONNECT_TIMEOUT_S = 1.0
# With few sockets an attempt has to make room for the next one. It has had its chance then, wherever on earth the host is,
# or however busy, if it was accepted.
ANSWER_S = 0.4
ACCEPTED_ANSWER_S = 5.0
# Accepted, but no banner yet: sshd may be slow, or be gone with its machine.
BANNER_TIMEOUT_S = 20.0
# While a connection waits for its banner, the next is opened after so long, and
# with each that waits after twice as long: a host that is busy starting has a
# process to start for every one of them.
PENDING_INTERVAL_S = 0.5

# Over all hosts. A host that is down is tried less often where there are more of them than that allows.
PROBES_PER_S = 5000.0
# Probes that fall due meanwhile are started together, and no more than PROBES_PER_S allows for so many ticks: what else this loop
# does, such as asking the hosts that answer, must not wait for a thousand of them.
TICK_S = 0.01
_BURST_TICKS = 3

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


class Sshd(NamedTuple):
    """An sshd that answered, and what it said."""

    address: SockAddr
    banner: str


@dataclass(frozen=True)
class Observation:
    """What one probe saw.

    :ivar at: monotonic time in seconds: of the banner's arrival if the host
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


@dataclass(eq=False)
class _Attempt:
    target: _Target
    sock: socket.socket
    started: float
    deadline: float
    connected: bool = False
    received: bytes = b""


@dataclass(eq=False)
class _Target:
    key: Hashable
    address: SockAddr
    allowance: Allowance
    tell: Callable[[Observation], object]
    next_at: float
    pause_s: float = 0.0
    attempts: list[_Attempt] = field(default_factory=list)
    watched: bool = True


class Prober:
    """Probes hosts until told to stop, in the running event loop.

    :param sockets: how many may be open at a time, though each host may have one; half of the process's limit if omitted.
    :param banner_timeout_s: how long to wait for the banner on a connection.
    """

    def __init__(self, sockets: int | None = None, banner_timeout_s: float = BANNER_TIMEOUT_S) -> None:
        self._banner_timeout_s = banner_timeout_s
        self._loop = asyncio.get_running_loop()
        # The rest is for connections.
        self._sockets = sockets or resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        self._selector = selectors.DefaultSelector()
        self._loop.add_reader(self._selector, self._ready)
        self._targets: dict[Hashable, _Target] = {}
        # What is to be done when: the next attempt at a target, or giving one up.
        self._due: list[tuple[float, int, _Target | _Attempt]] = []
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

    def forget(self, key: Hashable) -> None:
        """Stop probing a host."""
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
        self._loop.remove_reader(self._selector)
        self._selector.close()

    @property
    def interval_s(self) -> float:
        """Between two probes of a host that is down: longer where there are many."""
        return max(INTERVAL_S, len(self._targets) / PROBES_PER_S)

    # Time.

    def _schedule(self, at: float, what: _Target | _Attempt) -> None:
        heapq.heappush(self._due, (at, next(self._order), what))
        if self._timer is None or at < self._timer.when():
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # Not more often than the loop can be expected to come round.
        at = max(self._due[0][0], self._loop.time() + TICK_S) if self._due else None
        self._timer = self._loop.call_at(at, self._tick) if at is not None else None

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        left = max(1, round(PROBES_PER_S * min(now - self._ticked_at, _BURST_TICKS * TICK_S)))
        self._ticked_at = now
        while left and self._due and self._due[0][0] <= now:
            what = heapq.heappop(self._due)[2]
            if isinstance(what, _Attempt):
                if what.sock.fileno() >= 0 and now >= what.deadline:
                    self._end(what, up=False)
            elif what.watched:
                if now >= what.next_at:
                    self._start(what, now)
                    left -= 1
                self._schedule(what.next_at, what)
        self._set_timer()

    # Sockets.

    def _start(self, target: _Target, now: float) -> None:
        waiting = sum(attempt.connected for attempt in target.attempts)
        target.next_at = now + max(target.pause_s, self.interval_s, PENDING_INTERVAL_S * 2 ** (waiting - 1) if waiting else 0.0)
        # A SYN that was lost is sent again after a second, a new attempt sends one at once.
        while len(target.attempts) >= max(1, self._sockets // len(self._targets)):
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
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            # Out of descriptors says nothing about the host.
            return
        sock.setblocking(False)
        try:
            sock.connect(address)
        except BlockingIOError:
            pass
        except OSError:
            # No route, or refused at once: an answer like any other.
            sock.close()
            target.tell(Observation(target.key, now, False))
            return
        attempt = _Attempt(target, sock, now, now + CONNECT_TIMEOUT_S)
        self._selector.register(sock, selectors.EVENT_WRITE, attempt)
        target.attempts.append(attempt)
        self._schedule(attempt.deadline, attempt)

    def _ready(self) -> None:
        for selected, _events in self._selector.select(0):
            attempt: _Attempt = selected.data
            # It may have been dropped for the news of another.
            if attempt.sock.fileno() >= 0:
                self._advance(attempt)

    def _advance(self, attempt: _Attempt) -> None:
        """Go on with an attempt whose socket has news."""
        if not attempt.connected:
            if attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._end(attempt, up=False)
                return
            attempt.connected = True
            self._selector.modify(attempt.sock, selectors.EVENT_READ, attempt)
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
        self._selector.unregister(attempt.sock)
        attempt.sock.close()


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
