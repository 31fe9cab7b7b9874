# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run hooks one after the other, with retries and time limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .hook import Hook, HookAttempt, HookPhase, HookSessions, HookSubject
from .interrupt import GraceOver, Interrupt

#: Limit for a message, which keeps its end.
MESSAGE_MAX_CHARS = 1000


@dataclass(frozen=True)
class HookOutcome:
    """Outcome of a hook: time for all attempts and delays, message of the last attempt on one line and free of secrets.

    :ivar interrupted: whether it was given up because the run was interrupted; it may have had no attempt at all.
    """

    ok: bool
    attempts: int
    duration_ms: int
    message: str
    interrupted: bool = False


#: Takes in the outcome of each hook.
Ended = Callable[[Hook, HookOutcome], object]


class HookRunner:
    """Runner for the hooks of one host, or of a run; C(interrupt) is that of the run."""

    def __init__(self, sessions: HookSessions, interrupt: Interrupt) -> None:
        self._sessions = sessions
        self._interrupt = interrupt
        self._now = asyncio.get_running_loop().time

    async def run(self, phase: HookPhase, hooks: Sequence[Hook], subject: HookSubject, ended: Ended) -> Reason | None:
        """Run the hooks of a phase. Return the failure of the first one that failed, or None.

        The code is C(HOOK_FAILED), or C(INTERRUPTED) if an interrupt of the run leaves the phase no time at all. The caller may
        be cancelled. Processes on the controller are then killed; a command that a connection plugin leaves running on a host
        can't be.
        """
        failed: Reason | None = None
        began = self._now()
        for hook in hooks:
            outcome = await self._run(phase, began, hook, subject)
            ended(hook, outcome)
            if outcome.ok:
                continue
            failed = failed or _failure(phase, hook, outcome)
            if not phase.goes_on:
                break
        return failed

    async def _run(self, phase: HookPhase, phase_began: float, hook: Hook, subject: HookSubject) -> HookOutcome:
        """Run a hook until it succeeds, its attempts are used up, or its time after an interrupt is over."""
        began = self._now()
        environment = subject.environment(phase)
        attempts = 0
        interrupted = False
        try:
            async with self._interrupt.grace(phase_began, phase.grace_s):
                while True:
                    attempts += 1
                    attempt = await hook.action.attempt(self._sessions, environment, hook.timeout_s)
                    if attempt.ok or attempts > hook.retries:
                        break
                    await self._pause(phase, hook.delay_s)
                    if phase.once and self._interrupt.at is not None:
                        break
        except GraceOver:
            interrupted = True
            how = "the hooks of this phase then have %g s" % phase.grace_s if phase.grace_s else "nothing more is to be prepared"
            attempt = HookAttempt(False, "given up, because the playbook was interrupted and %s" % how)
        return HookOutcome(attempt.ok, attempts, round((self._now() - began) * 1000), _one_line(attempt.message), interrupted)

    async def _pause(self, phase: HookPhase, delay_s: float) -> None:
        if phase.once:
            await self._interrupt.wait(delay_s)
        else:
            await asyncio.sleep(delay_s)


def _failure(phase: HookPhase, hook: Hook, outcome: HookOutcome) -> Reason:
    message = "%s hook %s: %s" % (phase.name, hook.name, outcome.message)
    if outcome.interrupted and not phase.grace_s:
        return reason("INTERRUPTED", message)
    return reason("HOOK_FAILED", message)


def _one_line(text: str) -> str:
    """Text on one line that a terminal shows as it is; only the end of a long one."""
    line = "".join(each if each.isprintable() else " " for each in text).strip()
    return line if len(line) <= MESSAGE_MAX_CHARS else "…" + line[-MESSAGE_MAX_CHARS + 1 :]
