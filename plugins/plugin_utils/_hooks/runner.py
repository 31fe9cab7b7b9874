# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the hooks of one host, with retries and time limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .._transport.session import Session
from .hook import Hook, HookSessions

#: Limit for a message, which keeps its end.
MESSAGE_MAX_CHARS = 1000


@dataclass(frozen=True)
class HookOutcome:
    """Outcome of a hook: time for all attempts and delays, message of the last attempt on one line and free of secrets."""

    ok: bool
    attempts: int
    duration_ms: int
    message: str


class HookRunner:
    """Runner for the hooks of one host."""

    def __init__(self, session: Session, controller: Session) -> None:
        self._sessions = HookSessions(session, controller)

    async def run(self, hook: Hook) -> HookOutcome:
        """Run a hook until it succeeds or its attempts are used up. A failure is returned, not raised.

        The caller may be cancelled. Processes on the controller are then killed; a command that a connection plugin leaves
        running on a host can't be.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        attempts = 0
        while True:
            attempts += 1
            attempt = await hook.action.attempt(self._sessions, hook.timeout_s)
            if attempt.ok or attempts > hook.retries:
                break
            await asyncio.sleep(hook.delay_s)
        return HookOutcome(attempt.ok, attempts, round((loop.time() - began) * 1000), _one_line(attempt.message))


def _one_line(text: str) -> str:
    """Text on one line that a terminal shows as it is; only the end of a long one."""
    line = "".join(each if each.isprintable() else " " for each in text).strip()
    return line if len(line) <= MESSAGE_MAX_CHARS else "…" + line[-MESSAGE_MAX_CHARS + 1 :]
