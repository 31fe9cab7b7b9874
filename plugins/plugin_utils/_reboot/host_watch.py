# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch one host through its reboot with probes and questions, until it answers from the new boot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from .._transport.observation import Observation
from .._transport.pace import FORGET_S, SLOW_S
from .._transport.prober import Prober
from .._transport.sshd import Sshd
from . import scripts
from .errors import NotRebooted
from .host_track import HostTrack
from .request import Intent
from .service_watch import ServiceWatch
from .shell import ASK_TIMEOUT_S, COMMAND_TIMEOUT_S, HostShell
from .unanswered import Refusal

# If asking is all there is, a host that is down must not delay the next question.
ASK_BLIND_TIMEOUT_S = 5.0
# A controller that runs, however busy, is never called this late.
OVERSLEPT_S = 5.0
# From when the reboot is due until the host gets a probe although the connection that is kept has not ended: an sshd that listens
# no more may leave it to another process until the network goes. Each that is answered is one more without a login.
CHECKS_AFTER_S = (0.75, 2.5)
# Before a host is given up, it gets no probe for so long, at most this part of its timeout, and then a question: one that a limit
# on connections would admit, if it was the probes that have used it up unseen.
QUIET_S = FORGET_S
QUIET_PART = 0.25
# That question has this long, even beyond the deadline.
LAST_ASK_TIMEOUT_S = 15.0


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
        again: Callable[[float], Awaitable[object]] | None,
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
        self._refusing = False
        # When probes stop, if the host does not answer by then; None once they have, or if they shall not.
        self._quiet_at: float | None = track.deadline - min(QUIET_S, self._timeout_s * QUIET_PART) if sshd else None
        self._overslept = False
        self._news = asyncio.Event()
        self._question: asyncio.Task[scripts.HostAnswer | None] | None = None
        self._asked_at = 0.0
        if sshd:
            due_in_s = max(0.0, track.due - self._now())
            checks_after_s = [due_in_s + after_s for after_s in CHECKS_AFTER_S]
            prober.watch(self, sshd, self._observe, slowed=self._slowed, checks_after_s=checks_after_s)

    def end(self) -> None:
        """Stop probing and asking."""
        self._prober.forget(self)
        if self._question is not None:
            self._question.cancel()

    async def until_back(self) -> scripts.HostAnswer:
        """Wait until the host answers from the new boot.

        :raises NotRebooted: C(REBOOT_TIMEOUT), C(NOT_REBOOTED) or C(TRIGGER_FAILED); C(LOGIN_FAILED) and those of
            :class:`SessionError` for a host that is up and can't be asked.
        """
        while True:
            now = self._now()
            if now >= self._track.deadline and not self._looks_once_more(now):
                return await self._at_last()
            if self._quiet_at is not None and now >= self._quiet_at:
                self._quiet_at = None
                if self._track.is_down:
                    self._prober.forget(self)
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
            if self._quiet_at is not None:
                wait_until = min(wait_until, self._quiet_at)
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
        self._quiet_at = None
        self._track.deadline = now + ASK_TIMEOUT_S
        self._progress("nobody has looked for %d s; looking once more" % overslept_s)
        return True

    def _ask(self, now: float) -> None:
        limit_s = ASK_TIMEOUT_S if self._sshd else ASK_BLIND_TIMEOUT_S
        self._asked_at = now
        self._question = asyncio.create_task(self._shell.ask(self._intent.token, min(limit_s, self._track.deadline - now)))
        self._question.add_done_callback(lambda task: self._news.set())

    def _slowed(self, why: str) -> None:
        self._progress("%s: probes are as few as a limit on new connections forgives, one in %g s" % (why, SLOW_S))

    def _observe(self, observation: Observation) -> None:
        was_back = self._track.is_back
        self._refusing = observation.refusing
        if not self._track.observe(observation):
            return
        self._news.set()
        if self._track.is_back:
            self._progress("sshd answers" if not observation.refusing else "sshd turns this controller away")
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
        if answer is None:
            self._track.no_answer(now, self._shell.unanswered.kind)
            if not self._track.went_down:
                # The connection that is kept may have outlived the sshd that listened.
                self._prober.check(self)
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

    async def _at_last(self) -> scripts.HostAnswer:
        """Ask a host once more that is not back in time, whatever probes say: nobody may be power-cycled on their word alone.

        :raises NotRebooted: it is not back.
        """
        if self._track.went_down and not self._just_asked():
            asked_at = self._now()
            answer = await self._shell.ask(self._intent.token, LAST_ASK_TIMEOUT_S)
            if answer is not None and self._intent.method.is_over(self._intent, answer.evidence):
                self._progress("the host answers a login, though not a probe")
                # What is left to do needs time.
                self._track.deadline = self._now() + ASK_TIMEOUT_S
                self._track.new_boot(asked_at)
                return answer
            if answer is not None:
                self._track.same_boot(self._now())
        if not self._track.went_down:
            message = "the host did not reboot within %g s" % self._timeout_s
            raise await self._shell.not_begun("NOT_REBOOTED", message, self._intent.token)
        raise self._timed_out()

    def _just_asked(self) -> bool:
        """Whether a question to an sshd that answers has gone unanswered a moment ago."""
        return self._track.is_back and self._now() - self._asked_at < ASK_TIMEOUT_S + 1

    def _timed_out(self) -> NotRebooted:
        message = "the host went down and was not back in time (%g s)" % self._timeout_s
        unanswered = self._shell.unanswered
        if str(unanswered) and (self._track.is_back or unanswered.kind in (Refusal.TURNED_AWAY, Refusal.NOT_LET_IN)):
            message += "; its sshd has answered, but the host could not be asked: %s" % unanswered
        code = self._code()
        return NotRebooted(code, message, called_off=False, up=code != "REBOOT_TIMEOUT")

    def _code(self) -> str:
        """Code for a host that is not back in time; C(REBOOT_TIMEOUT) only if it may be down, or hangs."""
        unanswered = self._shell.unanswered
        if unanswered.code not in ("", "UNREACHABLE"):
            return unanswered.code
        up = self._refusing or unanswered.kind in (Refusal.TURNED_AWAY, Refusal.NOT_LET_IN)
        hangs = unanswered.kind in (Refusal.SILENCE, None)
        return "LOGIN_FAILED" if up or (self._track.is_back and not hangs) else "REBOOT_TIMEOUT"
