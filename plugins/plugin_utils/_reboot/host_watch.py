# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch one host through its reboot with probes and questions, until it answers from the new boot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from .._transport.prober import Observation, Prober, Sshd
from . import scripts
from .errors import NotRebooted
from .host_track import HostTrack
from .request import Intent
from .service_watch import ServiceWatch
from .shell import ASK_TIMEOUT_S, COMMAND_TIMEOUT_S, HostShell

# If asking is all there is, a host that is down must not delay the next question.
ASK_BLIND_TIMEOUT_S = 5.0
# A controller that runs, however busy, is never called this late.
OVERSLEPT_S = 5.0


class HostWatch:
    """Watch of one host; :class:`HostTrack` says when to ask, and records observations.

    :param sshd: None if it can't be probed from here.
    :param service: told when the host goes down.
    :param again: triggers again within this many seconds, for a host that did not receive the trigger; None for never.
    :param went_down: called when the host first stops answering.
    """

    def __init__(
        self,
        shell: HostShell,
        prober: Prober,
        sshd: Sshd | None,
        intent: Intent,
        track: HostTrack,
        *,
        service: ServiceWatch | None,
        again: Callable[[float], Awaitable[None]] | None,
        went_down: Callable[[], None],
        progress: Callable[[str], None],
    ) -> None:
        self._shell = shell
        self._prober = prober
        self._sshd = sshd
        self._intent = intent
        self._track = track
        self._service = service
        self._again = again
        self._tell_went_down = went_down
        self._progress = progress
        self._now = asyncio.get_running_loop().time
        self._timeout_s = track.deadline - track.due
        self._told = False
        self._answered = False
        self._overslept = False
        self._news = asyncio.Event()
        self._question: asyncio.Task[scripts.HostAnswer | None] | None = None
        self._asked_at = 0.0
        if sshd:
            prober.watch(self, sshd, self._observe)

    def end(self) -> None:
        """Stop probing and asking."""
        self._prober.forget(self)
        if self._question is not None:
            self._question.cancel()

    async def until_back(self) -> scripts.HostAnswer:
        """Wait until the host answers from the new boot.

        :raises NotRebooted: C(REBOOT_TIMEOUT), C(HOST_KEY_CHANGED), C(NOT_REBOOTED) or C(TRIGGER_FAILED), or that of a host
            which refuses to be triggered.
        """
        while True:
            now = self._now()
            if now >= self._track.deadline and not self._looks_once_more(now):
                raise await self._timed_out()
            if self._question is not None and self._question.done():
                answer, self._question = self._question.result(), None
                if answer is not None and self._intent.method.is_over(self._intent, answer.evidence):
                    self._track.new_boot(self._asked_at)
                    return answer
                await self._still_old(answer)
                continue
            next_ask = self._track.next_ask()
            if self._question is None and next_ask is not None and now >= next_ask:
                self._ask(now)
            wait_until = self._track.deadline
            if self._question is None and next_ask is not None:
                wait_until = min(wait_until, next_ask)
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(wait_until):
                    await self._news.wait()

    def _looks_once_more(self, now: float) -> bool:
        """Extend the deadline once, if nobody has looked for a while, as when the controller was stopped."""
        overslept_s = now - self._track.deadline
        if self._overslept or overslept_s < OVERSLEPT_S:
            return False
        self._overslept = True
        self._track.deadline = now + ASK_TIMEOUT_S
        self._progress("nobody has looked for %d s; looking once more" % overslept_s)
        return True

    def _ask(self, now: float) -> None:
        limit_s = ASK_TIMEOUT_S if self._sshd else ASK_BLIND_TIMEOUT_S
        self._asked_at = now
        self._question = asyncio.create_task(self._shell.ask(self._intent.token, min(limit_s, self._track.deadline - now)))
        self._question.add_done_callback(lambda task: self._news.set())

    def _observe(self, observation: Observation) -> None:
        was_back = self._track.is_back
        if not self._track.observe(observation):
            return
        self._news.set()
        if self._track.is_back:
            # Ask first: its sshd may penalise further probes.
            self._prober.forget(self)
            self._progress("sshd answers")
            self._answered = True
            return
        if not was_back and not self._told:
            self._told = True
            self._shell.unanswered.clear()
            self._tell_went_down()
            if self._service is not None:
                self._service.host_goes()
        self._progress("sshd is gone")
        if self._question is not None:
            # The question went to the system that has just gone.
            self._question.cancel()
            self._question = None

    async def _still_old(self, answer: scripts.HostAnswer | None) -> None:
        """Handle a host that gave no answer, or one from before the reboot.

        :raises NotRebooted: C(TRIGGER_FAILED).
        """
        now = self._now()
        # Its sshd answered, but not yet to us, or it was that of the old boot: it may go down (again).
        if self._sshd and self._track.is_back:
            self._prober.watch(self, self._sshd, self._observe, gently=True)
        if answer is None:
            self._track.no_answer(now)
            return
        if answer.trigger == "failed":
            raise await self._shell.trigger_failed(self._intent.token)
        if answer.idle:
            # The trigger was not received, or somebody stopped it. Its unit is named by the token, so triggering again can't
            # reboot the host twice.
            if self._again is None:
                message = "the host was told twice to reboot and has not begun to"
                raise await self._shell.not_begun("TRIGGER_FAILED", message, self._intent.token)
            again, self._again = self._again, None
            await again(min(COMMAND_TIMEOUT_S, self._track.deadline - now))
        self._track.same_boot(self._now())

    async def _timed_out(self) -> NotRebooted:
        if not self._track.went_down:
            message = "the host did not reboot within %g s" % self._timeout_s
            return await self._shell.not_begun("NOT_REBOOTED", message, self._intent.token)
        message = "the host went down and was not back in time (%g s)" % self._timeout_s
        # It may be up, or be another machine: no reason to cut its power.
        code = "HOST_KEY_CHANGED" if self._shell.key_changed else "REBOOT_TIMEOUT"
        if self._answered and self._shell.unanswered:
            # Once it has turned a controller away often enough, sshd does not even send its banner, and that is all ssh reports
            # then: the first error has the cause.
            first, last = self._shell.unanswered[0], self._shell.unanswered[-1]
            message += "; its sshd has answered, but the host could not be asked: %s" % first
            if last != first:
                message += "; at last: %s" % last
        return NotRebooted(code, message, called_off=False)
