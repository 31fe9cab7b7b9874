# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service that is probed at the full rate, whether it answers or not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from .attempt import Attempt
from .observation import Tell
from .probing import CONNECT_TIMEOUT_S, PROBES_PER_S, Probing, Target
from .sshd import SockAddr

# Interval between attempts; rounded up to ticks, this comes to 20 times a second or more.
SERVICE_INTERVAL_S = 0.035
# When sockets are scarce, an attempt makes way for the next one after this time. By then it has had its chance, wherever on earth
# the service is.
ANSWER_S = 0.4
# Cost of a probe with a conversation, in plain probes.
CONVERSATION_COST = 2
# Wait of a service that found no socket free at its turn.
_TURN_RETRY_S = 0.05

# Talks over a connected socket, which it takes over, and returns whether the answer is good. Never raises.
Converse = Callable[[socket.socket], Coroutine[Any, Any, bool]]


class ServiceTarget(Target):
    """Service at one address. One that accepts a connection gets no further probe until it answers or times out.

    :param converse: conversation over a connection; None if the connection is the answer.
    :param timeout_s: limit for a conversation.
    """

    def __init__(
        self, probing: Probing, key: Hashable, address: SockAddr, tell: Tell, *, converse: Converse | None, timeout_s: float
    ) -> None:
        super().__init__(probing, key, address, tell)
        self._converse = converse
        self._timeout_s = timeout_s
        self._conversations: dict[Attempt[Target], asyncio.Task[None]] = {}

    @property
    def _interval_s(self) -> float:
        cost = 1 if self._converse is None else CONVERSATION_COST
        interval_s = max(SERVICE_INTERVAL_S, cost * len(self.probing.targets) / PROBES_PER_S)
        # All of them may be silent, so they take turns.
        turn_s = ANSWER_S * len(self.probing.targets) / self.probing.sockets
        return max(interval_s, turn_s) if self.probing.in_turns else interval_s

    def start(self, now: float) -> None:
        self.next_at = now + self._interval_s
        if any(attempt.connected for attempt in self.attempts):
            return
        hurried = self.probing.in_turns
        if hurried and self.probing.open >= self.probing.sockets:
            self.next_at = now + _TURN_RETRY_S
            return
        # The kernel repeats a lost SYN after a second; a new attempt sends one at once.
        while len(self.attempts) >= self.probing.share:
            oldest = self.attempts[0]
            if now < oldest.started + ANSWER_S:
                self.next_at = oldest.started + ANSWER_S
                return
            self.expired(oldest)
            if not self.watched:
                return
        self.probing.begin(self, now, ANSWER_S if hurried else CONNECT_TIMEOUT_S)

    def failed(self, attempt: Attempt[Target], error: int) -> None:
        self._bad(attempt)

    def expired(self, attempt: Attempt[Target]) -> None:
        self._bad(attempt)

    def _bad(self, attempt: Attempt[Target]) -> None:
        if attempt in self.attempts:
            self._drop(attempt)
        self.tell(attempt.started, False)

    def ready(self, attempt: Attempt[Target]) -> None:
        if self.probing.now() >= attempt.deadline:
            # Its SYN was repeated, and this loop was late to give it up: later attempts say more about the time since.
            self._bad(attempt)
            return
        for other in list(self.attempts):
            if other.started < attempt.started:
                # Sent earlier and unanswered: it arrived before the service was up.
                self._bad(other)
            elif other is not attempt and self._converse is not None:
                self._drop(other)
        if not self.watched:
            return
        if self._converse is None:
            self._drop(attempt)
            # Later attempts at a distant host are still under way.
            self.tell(self.probing.now(), True)
            return
        self.probing.let_go(attempt)
        conversation = asyncio.create_task(self._talk(attempt, self._converse))
        self._conversations[attempt] = conversation
        conversation.add_done_callback(lambda task: attempt.sock.close())
        attempt.deadline = self.probing.now() + self._timeout_s
        self.probing.schedule(attempt.deadline, attempt)

    async def _talk(self, attempt: Attempt[Target], converse: Converse) -> None:
        up = await converse(attempt.sock)
        now = self.probing.now()
        # The conversation has ended by itself; it must not be cancelled.
        del self._conversations[attempt]
        self.probing.release(attempt)
        self.tell(now if up else attempt.started, up)
        if self.watched and now >= attempt.started + self._interval_s:
            self.start(now)

    def drop_attempts(self) -> None:
        while self.attempts:
            self._drop(self.attempts[-1])

    def _drop(self, attempt: Attempt[Target]) -> None:
        conversation = self._conversations.pop(attempt, None)
        if conversation is None:
            self.probing.drop(attempt)
            return
        # The socket is closed once the conversation has let go of it.
        self.probing.release(attempt)
        conversation.cancel()
