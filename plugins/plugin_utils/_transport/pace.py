# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pace of probes to an sshd that is expected back; pure, driven by outcomes and the clock.

A machine that is off is not harmed by any number of probes. Once its network is up, each of them may count: C(ufw limit) admits
five new connections in 30 seconds from one address, and every further one, although it is refused, renews the ban. Probes at the
full rate would spend that allowance before sshd listens, and keep the ban up for ever.

A limit shows in one of three ways, always after a silence:

* The host's own firewall rejects a probe, which ICMP tells (:attr:`Outcome.REJECTED`).
* Probes are answered at first and then no more, as rules that drop do it.
* Probes are refused for longer than an sshd takes to start, as rules that send a TCP reset do it. A port that nobody listens on
  yet looks the same, which is why this one takes a while.

From then on there are only as many probes as such rules forgive.
"""

from __future__ import annotations

import enum

# All that was counted is forgotten after so long without a connection: the 30 seconds of ufw, and one more.
FORGET_S = 31.0
# A rejected connection counts twice in iptables' module recent, with --set and with --update, so at most two of them may fall
# into 30 seconds if the next connection is to be admitted. Where none was rejected, this leaves two for logins.
SLOW_S = 10.5
# Longest wait, for limits that count over minutes.
SLOWEST_S = 168.0
# An sshd may take so long from the first refusal until it listens.
STARTING_S = 30.0
# Refusals before a silence that is taken for a limit's. Whoever has refused more was an initramfs whose network went away.
ADMITTED_MAX = 20
# Silent probes, each after a wait, after which a host that dropped them is taken for one that is off.
GONE_PROBES = 3


class Outcome(enum.Enum):
    """Outcome of one probe of an sshd.

    Any answer over a connection shows that the host is up. A refusing sshd is up: it turns this controller away, for example
    because of C(PerSourcePenalties).
    """

    BANNER = "its sshd answers"
    REFUSING = "it accepts a connection, and ends it without a banner"
    CLOSED = "nothing listens on the port"
    REJECTED = "its firewall rejects the connection"
    SILENT = "nothing answers"

    @property
    def up(self) -> bool:
        """Whether the host is up."""
        return self in (Outcome.BANNER, Outcome.REFUSING)


class Pace:
    """Pace of the probes of one sshd.

    :ivar slow: why probes are few: something seems to limit new connections; empty while nothing does.
    """

    def __init__(self) -> None:
        self._pause_s = FORGET_S
        self._forget()

    def _forget(self) -> None:
        """Begin anew, as with a host that was last seen up."""
        self.slow = ""
        self._silent = False
        self._silent_from = 0.0
        # Since the silence: start of the first and of the last probe that was refused, and how many were.
        self._first_closed: float | None = None
        self._last_closed = 0.0
        self._closed = 0
        self._wait_s = SLOW_S
        self._gone = 0

    def take(self, outcome: Outcome, started: float) -> float:
        """Take in the outcome of a probe that was sent at C(started); return how many seconds the next one has to wait at least.

        Outcomes may arrive in another order than that of the probes.
        """
        if outcome is Outcome.BANNER:
            self._pause_s = FORGET_S
            self._forget()
            return 0.0
        if outcome is Outcome.REFUSING:
            return self._slowed("its sshd turns this controller away", SLOW_S)
        if outcome is Outcome.REJECTED:
            return self._rejected()
        if outcome is Outcome.CLOSED:
            return self._refused(started)
        return self._unanswered(started)

    def _slowed(self, why: str, wait_s: float) -> float:
        self.slow = self.slow or why
        return wait_s

    def _paused(self, why: str) -> float:
        """Wait until what was counted is forgotten, twice as long each time."""
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, SLOWEST_S)
        return self._slowed(why, pause_s)

    def _rejected(self) -> float:
        if not self.slow:
            return self._paused(Outcome.REJECTED.value) if self._silent else self._slowed(Outcome.REJECTED.value, SLOW_S)
        # It remembers for longer than assumed.
        wait_s, self._wait_s = self._wait_s, min(self._wait_s * 2, SLOWEST_S)
        return wait_s

    def _refused(self, started: float) -> float:
        self._gone = 0
        if not self._silent:
            # It goes down: its sshd has ended before its network. What the old system counts ends with it.
            return 0.0
        self._closed += 1
        self._last_closed = max(self._last_closed, started)
        if self._first_closed is None:
            self._first_closed = started
        if started - self._first_closed >= STARTING_S:
            # No pause: most probably its sshd is slow to start, and a limit is forgotten at this pace, too.
            return self._slowed("it has refused connections for %d s" % STARTING_S, SLOW_S)
        return SLOW_S if self.slow else 0.0

    def _unanswered(self, started: float) -> float:
        if self.slow:
            self._gone += 1
            if self._gone <= GONE_PROBES and self._silent:
                return self._wait_s
            self._forget()
        elif self._first_closed is not None:
            if started <= self._last_closed:
                # Lost on the way, or sent before the network was up: later probes were answered.
                return 0.0
            if self._closed <= ADMITTED_MAX:
                return self._paused("it no longer answers after %d refused connections" % self._closed)
            self._forget()
        if not self._silent:
            self._silent, self._silent_from = True, started
        elif self._pause_s > FORGET_S and started - self._silent_from >= self._pause_s:
            # A limit was met before; it may still be there, and remember for longer than was waited.
            return self._paused("it does not answer, and has limited connections before")
        return 0.0
