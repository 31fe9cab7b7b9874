# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sshd that is watched: on a connection that is kept while it is up, by probes while it is not."""

from __future__ import annotations

import select
from collections.abc import Callable, Hashable, Sequence

from .attempt import Attempt, keep, outcome_of
from .observation import Tell
from .pace import Outcome, Pace
from .probing import NEVER, Probing, Target
from .sshd import BANNER_MAX_BYTES, BANNER_START, Sshd

# How often a host that is down is tried. An unanswered SYN is not waited for: the next attempt overlaps it.
INTERVAL_S = 0.05
# Share of all probes for sshds. With more hosts down than it allows, each is tried less often: a thousand of them five times a
# second each, which is most of what a rollout costs a controller.
SSHD_PROBES_PER_S = 5000.0
# Concurrent attempts at one sshd. SYNs sent to a machine that was down may reach it all at once when its network comes up. All
# but one are connections without a login then, of which fail2ban's usual limit is five; OpenSSH's PerSourcePenalties forgive 15.
UNDER_WAY = 3
# If there are as many, the oldest makes way after this time. By then it has had its chance, wherever on earth the host is, or,
# once accepted, however busy it is.
ANSWER_S = 0.4
ACCEPTED_ANSWER_S = 5.0
# While a connection waits for its banner, the next one is opened after this interval, doubled for each further one that waits: a
# host that is busy starting has to start a process for every connection.
PENDING_INTERVAL_S = 0.5
# Interval between probes that are refused while a kept connection lives: its sshd listens no more, and its system still counts.
CLOSING_INTERVAL_S = 2.0
# Connections without a login to a host that stays up: so many at first, the checks among them, and then one in this time. They
# are fewer than the five in ten minutes that fail2ban forbids by default.
CONNECTIONS_WHILE_UP = 4
WHILE_UP_INTERVAL_S = 200.0


class SshdTarget(Target):
    """Sshd at one address.

    :param slowed: called with the reason when probes become few.
    :param banner_timeout_s: limit for a banner, once a connection is made. After it, sshd has gone with its machine.
    :param checks_after_s: make probes after these times even if the kept connection has not ended, which may outlive the sshd
        that listened.
    """

    def __init__(
        self,
        probing: Probing,
        key: Hashable,
        sshd: Sshd,
        tell: Tell,
        *,
        slowed: Callable[[str], object],
        banner_timeout_s: float,
        checks_after_s: Sequence[float],
    ) -> None:
        super().__init__(probing, key, sshd.address, tell, sshd.source)
        self._slowed = slowed
        self._banner_timeout_s = banner_timeout_s
        now = probing.now()
        self._checks = [now + after_s for after_s in checks_after_s]
        self._pace = Pace()
        # By the outcomes so far, there should be no probe earlier.
        self._not_before = 0.0
        self._received: dict[Attempt[Target], bytes] = {}
        self._kept: Attempt[Target] | None = None
        # Banners since the host was last seen down, and what the last probe met.
        self._banners = 0
        self._last: Outcome | None = None
        if sshd.connection is not None:
            kept = Attempt[Target](self, sshd.connection, sshd.connection.fileno(), now, NEVER, connected=True)
            probing.poll(kept, select.EPOLLIN)
            self._keep(kept)
            self.next_at = self._next_check()

    @property
    def interval_s(self) -> float:
        """Time between two probes while the host is down; grows with the number of targets."""
        if self._kept is not None and self._last in (Outcome.CLOSED, Outcome.REJECTED):
            return CLOSING_INTERVAL_S
        return max(INTERVAL_S, len(self.probing.targets) / SSHD_PROBES_PER_S)

    def check(self) -> None:
        """Make one probe although the host was up when it was last heard of."""
        if self.next_at == NEVER:
            self._resume()

    def _next_check(self) -> float:
        now = self.probing.now()
        return next((at for at in self._checks if at > now), NEVER)

    def _resume(self) -> None:
        self.next_at = max(self.probing.now(), self._not_before)
        self.probing.schedule(self.next_at, self)

    def start(self, now: float) -> None:
        if now < self._not_before:
            self.next_at = self._not_before
            return
        waiting = sum([attempt.connected for attempt in self.attempts])
        pending_s = PENDING_INTERVAL_S * 2 ** (waiting - 1) if waiting else 0.0
        self.next_at = now + max(self.interval_s, pending_s)
        while len(self.attempts) >= min(self.probing.share, UNDER_WAY):
            oldest = self.attempts[0]
            chance_until = oldest.started + (ACCEPTED_ANSWER_S if oldest.connected else ANSWER_S)
            if now < chance_until:
                self.next_at = chance_until
                return
            self.expired(oldest)
            if not self.watched or now < self._not_before:
                return
        self.probing.begin(self, now)

    def failed(self, attempt: Attempt[Target], error: int) -> None:
        self._took(attempt, outcome_of(error, attempt.sock, self.address))

    def expired(self, attempt: Attempt[Target]) -> None:
        # A connection that was made and brings nothing: its host has gone since.
        self._took(attempt, Outcome.SILENT)

    def ready(self, attempt: Attempt[Target]) -> None:
        if attempt is self._kept:
            self._hear(attempt)
            return
        if attempt not in self._received:
            self._received[attempt] = b""
            self.probing.read(attempt, self._banner_timeout_s)
            return
        try:
            data = attempt.sock.recv(BANNER_MAX_BYTES - len(self._received[attempt]))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        received = self._received[attempt] = self._received[attempt] + data
        if received.startswith(BANNER_START):
            self._took(attempt, Outcome.BANNER)
        elif not data or len(received) >= BANNER_MAX_BYTES:
            self._took(attempt, Outcome.REFUSING)

    def _took(self, attempt: Attempt[Target], outcome: Outcome) -> None:
        """Take in the outcome of an attempt, which is over."""
        now, self._last = self.probing.now(), outcome
        if outcome is Outcome.BANNER:
            self.probing.release(attempt)
            self._keep(attempt)
            # Earlier attempts may still fail; that would be old news.
            self.drop_attempts()
            self.next_at = self._next_check()
        elif attempt in self.attempts:
            self.probing.drop(attempt)
        if self._kept is not None and outcome in (Outcome.CLOSED, Outcome.REJECTED):
            self.next_at = max(self.next_at, now + self.interval_s)
        self._received.pop(attempt, None)
        if outcome in (Outcome.CLOSED, Outcome.SILENT):
            self._banners = 0
        was_slow = self._pace.slow
        self._not_before = max(self._not_before, now + self._pace.take(outcome, attempt.started))
        if self._pace.slow:
            # Those under way would count as well.
            self.drop_attempts()
            if not was_slow:
                self._slowed(self._pace.slow)
        if outcome is not Outcome.REJECTED and self.watched:
            # A firewall that rejects has nothing to say about what is behind it.
            self.tell(now if outcome.up else attempt.started, outcome.up, outcome is Outcome.REFUSING)

    # The kept connection.

    def _keep(self, attempt: Attempt[Target]) -> None:
        kept, self._kept = self._kept, attempt
        keep(attempt.sock)
        self._banners += 1
        if self._banners >= CONNECTIONS_WHILE_UP:
            self._not_before = self.probing.now() + WHILE_UP_INTERVAL_S
        if kept is not None:
            self._close(kept)

    def _hear(self, attempt: Attempt[Target]) -> None:
        """Take in what comes over the kept connection: the rest of the banner, or its end."""
        try:
            if attempt.sock.recv(BANNER_MAX_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._kept = None
        self._close(attempt)
        if self._banners < CONNECTIONS_WHILE_UP:
            # Whatever its system has counted ends with it.
            self._not_before = 0.0
        self._resume()

    def _close(self, attempt: Attempt[Target]) -> None:
        self.probing.let_go(attempt)
        attempt.sock.close()

    def drop_attempts(self) -> None:
        super().drop_attempts()
        self._received.clear()

    def end(self) -> None:
        super().end()
        kept, self._kept = self._kept, None
        if kept is not None:
            self._close(kept)
