# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of one host through a reboot; pure, driven by observations and the clock.

Two things can be observed: whether sshd answers a probe, and, by asking the host, whether its boot_id changed. Only the second
proves a reboot. The first says when asking is worthwhile, and how long the host was down.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._transport.prober import Observation

# How often to ask a host that has not gone down yet whether its trigger failed.
ASK_WHILE_UP_S = 5.0
# How often to ask if the host can't be probed, so that asking is the only source.
ASK_BLIND_S = 1.0
# A host whose sshd answers may still refuse logins for a moment, and sshd penalises failed ones: back off.
RETRY_S = (0.25, 0.5, 1.0, 2.0)


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
        self._failures = 0
        self._next_ask = due + (ASK_WHILE_UP_S if probing else ASK_BLIND_S) if ask_at is None else ask_at

    @property
    def went_down(self) -> bool:
        """Whether the host was seen without an answer."""
        return self._down_at is not None

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
        if self._probing and self.went_down and not self.is_back:
            return None
        return self._next_ask

    def same_boot(self, now: float) -> None:
        """Record that the host answered and still runs the old system."""
        self._last_up = now
        self._down_at = None
        self._back_at = None
        self._failures = 0
        self._next_ask = now + (ASK_WHILE_UP_S if self._probing else ASK_BLIND_S)

    def no_answer(self, now: float) -> None:
        """Record that the host was asked and did not answer."""
        if not self._probing:
            self._down_at = now if self._down_at is None else self._down_at
            self._next_ask = now + ASK_BLIND_S
            return
        self._next_ask = now + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1

    def new_boot(self, asked_at: float) -> None:
        """Record that the host answered a question sent at C(asked_at), and has rebooted."""
        if self._down_at is not None and self._back_at is None:
            self._back_at = asked_at
