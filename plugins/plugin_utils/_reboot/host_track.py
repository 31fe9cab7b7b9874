# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of one host through a reboot; pure, driven by observations and the clock.

Two things can be observed: whether sshd answers a probe, and, by asking the host, whether its boot_id changed. Only the second
proves a reboot. The first says when asking is worthwhile, and how long the host was down.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._transport.observation import Observation
from .._transport.pace import SLOW_S
from .unanswered import Refusal

# When to ask a host first that has not gone down yet whether its trigger failed, and how often from then on. Each question is a
# connection, and limits on new ones count those that log in, too.
ASK_FIRST_S = 5.0
ASK_WHILE_UP_S = 11.0
# How often to ask if the host can't be probed, so that asking is the only source; and after how many questions in a row as seldom
# as any other host: so many that were answered by the old boot, or by a port that nobody listens on.
ASK_BLIND_S = 1.0
ASK_BLIND_MAX = 3
# A host whose sshd answers may not answer a question yet: back off.
RETRY_S = (0.25, 0.5, 1.0, 2.0)
# It may refuse logins for a moment, but failed ones are counted: the fifth comes after a quarter of a minute.
RETRY_LOGIN_S = (0.25, 1.0, 3.0, 10.0, 30.0)
# If it lets nobody connect, although its sshd has answered, every further attempt may renew a ban.
RETRY_CONNECTION_S = (0.25, SLOW_S)
_RETRIES = {
    Refusal.NOT_LET_IN: RETRY_LOGIN_S,
    Refusal.UNREACHABLE: RETRY_CONNECTION_S,
    Refusal.REFUSED: RETRY_CONNECTION_S,
    Refusal.TURNED_AWAY: RETRY_CONNECTION_S,
}
# Those that ask for patience if asking is all there is.
_IN_VAIN = (Refusal.NOT_LET_IN, Refusal.REFUSED, Refusal.TURNED_AWAY)


@dataclass(frozen=True)
class HostOutage:
    """Time during which a host's sshd gave no answer.

    :ivar duration_ms: from its last answer to its first.
    :ivar error_ms: how much shorter it may have been: the time between its last answer and the first failed probe.
    :ivar began_at: monotonic seconds of its last answer.
    """

    duration_ms: int
    error_ms: int
    began_at: float


class HostTrack:
    """One host between trigger and proof.

    :param due: when the reboot is due, in monotonic seconds; in the past if another process triggered it.
    :param deadline: when to give up.
    :param probing: whether the host's sshd can be probed from here.
    :param ask_at: when to ask the host first; by default some time after C(due).
    :param before: earlier track of a host that is still down, to continue.
    """

    def __init__(
        self, due: float, deadline: float, probing: bool, ask_at: float | None = None, before: HostTrack | None = None
    ) -> None:
        self.due = due
        self.deadline = deadline
        self._probing = probing
        self._last_up: float = before._last_up if before else due
        self._down_at: float | None = before._down_at if before else None
        self._back_at: float | None = None
        # Questions in a row: without an answer, and those that were refused or answered by the old boot.
        self._failures = 0
        self._in_vain = 0
        self._next_ask = due + (ASK_FIRST_S if probing else ASK_BLIND_S) if ask_at is None else ask_at

    @property
    def went_down(self) -> bool:
        """Whether the host was seen without an answer."""
        return self._down_at is not None

    @property
    def is_down(self) -> bool:
        """Whether the host gave no answer when it was last heard of."""
        return self.went_down and not self.is_back

    @property
    def is_back(self) -> bool:
        """Whether the host answers again after that."""
        return self._back_at is not None

    @property
    def back_at(self) -> float | None:
        return self._back_at

    @property
    def outage(self) -> HostOutage | None:
        """Outage of the host; None while it lasts, or if nothing could observe it."""
        if self._back_at is None or self._down_at is None:
            return None
        duration_s, error_s = self._back_at - self._last_up, self._down_at - self._last_up
        return HostOutage(round(duration_s * 1000), round(error_s * 1000), self._last_up)

    def observe(self, observation: Observation) -> bool:
        """Record the result of a probe; return whether it is news: the host went down, came back, or went away again."""
        before = (self.went_down, self.is_back)
        if not observation.up:
            if self._down_at is None:
                self._down_at = max(observation.at, self._last_up)
            if self._back_at is not None and observation.at > self._back_at:
                self._back_at = None
        elif self._down_at is None:
            self._last_up = observation.at
        elif self._back_at is None:
            self._back_at = observation.at
            self._failures = 0
            self._next_ask = observation.at
        return before != (self.went_down, self.is_back)

    def next_ask(self) -> float | None:
        """When to ask the host for its boot_id; None: not before a probe is answered."""
        if self._probing and self.is_down:
            return None
        return self._next_ask

    def same_boot(self, now: float) -> None:
        """Record that the host answered and still runs the old system."""
        self._last_up = now
        self._down_at = None
        self._back_at = None
        self._failures = 0
        self._next_ask = now + (ASK_WHILE_UP_S if self._probing else self._blind_s(in_vain=True))

    def no_answer(self, now: float, why: Refusal | None = None) -> None:
        """Record that the host was asked and did not answer. A refusal is an answer: it does not make the host count as down."""
        if not self._probing:
            if why not in (Refusal.TURNED_AWAY, Refusal.NOT_LET_IN) and self._down_at is None:
                self._down_at = now
            self._next_ask = now + self._blind_s(in_vain=why in _IN_VAIN)
            return
        retry_s = RETRY_S if why is None else _RETRIES.get(why, RETRY_S)
        self._next_ask = now + retry_s[min(self._failures, len(retry_s) - 1)]
        self._failures += 1

    def _blind_s(self, in_vain: bool) -> float:
        """Seconds until the next question to a host that can't be probed."""
        self._in_vain = self._in_vain + 1 if in_vain else 0
        return ASK_BLIND_S if self._in_vain <= ASK_BLIND_MAX else ASK_WHILE_UP_S

    def new_boot(self, asked_at: float) -> None:
        """Record that the host answered a question sent at C(asked_at), and has rebooted."""
        if self._down_at is not None and self._back_at is None:
            self._back_at = asked_at
