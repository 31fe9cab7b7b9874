# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Noticing within a fraction of a second that a host's sshd went away or came back.

A probe is a TCP connection that reads the start of the SSH banner: tens of
microseconds, against milliseconds for starting ssh. Many hosts are probed by
one thread.

OpenSSH 9.8 and later hold connections that close before authentication
against their source address (PerSourcePenalties): one second each, and from
15 seconds on it refuses that address altogether, the playbook's own
connections included. So a host that answers is probed quickly only for a
while, and then about once a second; a host that is down costs nobody
anything and is probed as fast as asked.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

# How often a host that is down is tried. A SYN that goes unanswered is not
# waited for: the next attempt overlaps it.
INTERVAL_S = 0.1
CONNECT_TIMEOUT_S = 1.0
# Accepted, but no banner yet: sshd may be starting, or be gone with its machine.
BANNER_TIMEOUT_S = 5.0
# While a connection waits for its banner, others are opened at this pace only.
PENDING_INTERVAL_S = 0.5

# Probes that a penalising sshd forgives at once, below its 15, and one more
# for every so many seconds.
FORGIVEN_PROBES = 10
FORGIVE_INTERVAL_S = 1.1

_BANNER_START = b"SSH-"
_BANNER_MAX_BYTES = 255
_OPENSSH = re.compile(r"OpenSSH_(\d+)\.(\d+)")
_PENALISES_SINCE = (9, 8)

SockAddr = tuple[int, tuple[object, ...]]


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
        return INTERVAL_S if self._left >= 1 else FORGIVE_INTERVAL_S


@dataclass(eq=False)
class _Attempt:
    key: Hashable
    sock: socket.socket
    started: float
    connected: float | None = None
    received: bytes = b""


@dataclass
class _Target:
    address: SockAddr
    allowance: Allowance
    next_at: float
    attempts: set[_Attempt] = field(default_factory=set)


class Prober:
    """Probes hosts until told to stop.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._targets: dict[Hashable, _Target] = {}

    def watch(self, key: Hashable, address: SockAddr, banner: str = "", gently: bool = False) -> None:
        """Start probing a host.

        :param address: family and socket address.
        :param banner: what its sshd said before.
        :param gently: leave out the quick probes at the beginning, where its
            sshd may count them.
        """
        self.forget(key)
        now = self._clock()
        allowance = Allowance(penalises(banner), now)
        wait = allowance.forgo(now) if gently else 0.0
        self._targets[key] = _Target(address, allowance, now + wait)

    def forget(self, key: Hashable) -> None:
        """Stop probing a host."""
        target = self._targets.pop(key, None)
        if target is not None:
            self._drop_attempts(target)

    def close(self) -> None:
        """Stop probing altogether."""
        for key in list(self._targets):
            self.forget(key)
        self._selector.close()

    def poll(self, timeout_s: float) -> list[Observation]:
        """Probe for a while.

        :return: what was seen, as soon as there is anything; empty after the timeout.
        """
        deadline = self._clock() + timeout_s
        while True:
            now = self._clock()
            observations = self._expire(now)
            self._start_due(now, observations)
            if observations or now >= deadline:
                return observations
            wait = max(0.0, min([deadline, *(target.next_at for target in self._targets.values())]) - now)
            # Attempts expire too; looking every interval is soon enough.
            for selected, _events in self._selector.select(min(wait, INTERVAL_S)):
                attempt: _Attempt = selected.data
                # It may have been dropped for the news of another.
                if attempt.sock.fileno() >= 0:
                    self._advance(attempt, observations)
            if observations:
                return observations

    def _start_due(self, now: float, observations: list[Observation]) -> None:
        for key, target in self._targets.items():
            if target.next_at <= now:
                target.next_at = now + self._pace(target)
                self._start(key, target, now, observations)

    def _pace(self, target: _Target) -> float:
        waiting = any(attempt.connected is not None for attempt in target.attempts)
        return PENDING_INTERVAL_S if waiting else INTERVAL_S

    def _start(self, key: Hashable, target: _Target, now: float, observations: list[Observation]) -> None:
        family, address = target.address
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(address)
        except BlockingIOError:
            pass
        except OSError:
            # No route, or refused at once: an answer like any other.
            sock.close()
            observations.append(Observation(key, now, False))
            return
        attempt = _Attempt(key, sock, now)
        self._selector.register(sock, selectors.EVENT_WRITE, attempt)
        target.attempts.add(attempt)

    def _advance(self, attempt: _Attempt, observations: list[Observation]) -> None:
        """Go on with an attempt whose socket has news."""
        if attempt.connected is None:
            if attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._end(attempt, observations, up=False)
                return
            attempt.connected = self._clock()
            self._selector.modify(attempt.sock, selectors.EVENT_READ, attempt)
            return
        try:
            data = attempt.sock.recv(_BANNER_MAX_BYTES - len(attempt.received))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        attempt.received += data
        if attempt.received.startswith(_BANNER_START):
            self._end(attempt, observations, up=True)
        elif not data or len(attempt.received) >= _BANNER_MAX_BYTES:
            self._end(attempt, observations, up=False)

    def _end(self, attempt: _Attempt, observations: list[Observation], up: bool) -> None:
        target = self._targets[attempt.key]
        self._drop(target, attempt)
        if not up:
            observations.append(Observation(attempt.key, attempt.started, False))
            return
        now = self._clock()
        # Attempts begun earlier may still fail; that would be old news.
        self._drop_attempts(target)
        target.next_at = now + target.allowance.spend(now)
        observations.append(Observation(attempt.key, now, True))

    def _expire(self, now: float) -> list[Observation]:
        observations: list[Observation] = []
        for target in self._targets.values():
            for attempt in list(target.attempts):
                since, limit = attempt.started, CONNECT_TIMEOUT_S
                if attempt.connected is not None:
                    since, limit = attempt.connected, BANNER_TIMEOUT_S
                if now - since >= limit:
                    self._end(attempt, observations, up=False)
        return observations

    def _drop_attempts(self, target: _Target) -> None:
        for attempt in list(target.attempts):
            self._drop(target, attempt)

    def _drop(self, target: _Target, attempt: _Attempt) -> None:
        target.attempts.discard(attempt)
        self._selector.unregister(attempt.sock)
        attempt.sock.close()


def first_banner(addresses: Iterable[SockAddr], timeout_s: float) -> tuple[SockAddr, str] | None:
    """The first address that answers with an SSH banner, and the banner; None if none does."""
    for family, address in addresses:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(address)
            banner = sock.recv(_BANNER_MAX_BYTES)
            if banner.startswith(_BANNER_START):
                return (family, address), banner.decode("ascii", "replace").splitlines()[0]
    return None
