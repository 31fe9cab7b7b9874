# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons why questions to a host had no answer, and what they say about the host."""

from __future__ import annotations

import enum
import re

from .._transport.session import SessionError, SessionLost

# Kept of each error of ssh, for a message; its end has the cause.
UNANSWERED_MAX_CHARS = 300


class Refusal(enum.Enum):
    """Ways in which a question goes unanswered."""

    # Nothing came back in time: the host hangs, or is busy.
    SILENCE = enum.auto()
    # No connection: the host is down, or something on the way drops it.
    UNREACHABLE = enum.auto()
    # No connection: nothing listens, or something on the way rejects it.
    REFUSED = enum.auto()
    # The host is up, and its sshd has had enough of this controller.
    TURNED_AWAY = enum.auto()
    # The host is up, and lets nobody in yet, or not as configured.
    NOT_LET_IN = enum.auto()
    # It answered, but not the question.
    NONSENSE = enum.auto()


# Messages of ssh(1) and sshd(8), in the order in which they decide.
_MESSAGES = (
    (Refusal.TURNED_AWAY, re.compile("not allowed at this time", re.IGNORECASE)),
    (Refusal.NOT_LET_IN, re.compile("not permitted to log in|permission denied", re.IGNORECASE)),
    (Refusal.SILENCE, re.compile("during banner exchange|no answer", re.IGNORECASE)),
    (Refusal.REFUSED, re.compile("connect.*refused", re.IGNORECASE)),
    (Refusal.UNREACHABLE, re.compile("connect.*timed out|no route to host|network is unreachable", re.IGNORECASE)),
)


def refusal(error: SessionError) -> Refusal:
    """What an error of a session says about its host."""
    if not isinstance(error, SessionLost):
        return Refusal.NOT_LET_IN
    return next((kind for kind, message in _MESSAGES if message.search(error.said)), Refusal.NONSENSE)


class Unanswered:
    """Questions without an answer, since the last one that had one.

    :ivar kind: of the last of them; None if there is none.
    :ivar code: that of the last error; empty if there was none.
    """

    def __init__(self) -> None:
        self.kind: Refusal | None = None
        self.code = ""
        self._said: list[str] = []

    def failed(self, error: SessionError) -> None:
        """Take in the error of a question."""
        self.kind, self.code = refusal(error), error.reason.code
        self._add(error.said)

    def nonsense(self, said: str) -> None:
        """Take in an answer that means nothing."""
        self.kind, self.code = Refusal.NONSENSE, ""
        self._add(said)

    def _add(self, said: str) -> None:
        line = "; ".join(line.strip() for line in said.splitlines() if line.strip())[-UNANSWERED_MAX_CHARS:]
        if line:
            self._said = [*self._said[:1], line]

    def clear(self) -> None:
        """Forget all of them."""
        self.kind, self.code, self._said = None, "", []

    def __str__(self) -> str:
        """The first reason, and the last one if it differs.

        Once it has turned a controller away often enough, sshd does not even send its banner, and that is all ssh reports then:
        the first reason has the cause.
        """
        if not self._said:
            return ""
        first, last = self._said[0], self._said[-1]
        return first if last == first else "%s; at last: %s" % (first, last)
