# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run scripts on one host around its reboot, and read their answers."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, GOING_DOWN_RC, IMAGE_STAYS_RC, TRIGGER
from ansible_collections.fleet.kexec.plugins.module_utils._one_boot_args import PANIC_S, has_one_boot_args
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Offset

from .._transport.session import Session, SessionError, SessionLost
from . import scripts
from .errors import NotRebooted, RebootError
from .host_track import RETRY_CONNECTION_S
from .request import Intent
from .sights import measure
from .unanswered import Unanswered

# Before the trigger the host is up, and slow at worst.
COMMAND_TIMEOUT_S = 60.0
ASK_TIMEOUT_S = 30.0
# Limit for calling off, even beyond the deadline: an image that stays loaded turns the next reboot into a kexec.
CALL_OFF_TIMEOUT_S = 60.0
# Reads clocks, on a host that is up but may be busy.
CLOCK_TIMEOUT_S = 30.0


class HostShell:
    """Scripts of :mod:`scripts` and :mod:`trigger` on one host.

    :ivar unanswered: why questions had no answer.
    :ivar maybe_triggered: whether a trigger may have reached the host, and was not called off since.
    :ivar touched: whether an image may be staged on the host.
    """

    def __init__(self, session: Session, progress: Callable[[str], None]) -> None:
        self._session = session
        self._progress = progress
        self._now = asyncio.get_running_loop().time
        self.unanswered = Unanswered()
        self.maybe_triggered = False
        self.touched = False

    async def trigger(self, intent: Intent, message: str, delay_s: float, timeout_s: float) -> bool:
        """Have the host reboot after a delay; return whether it has acknowledged that.

        :raises NotRebooted: C(TRIGGER_FAILED), or the code of a host that refuses to run the trigger.
        """
        system = intent.system
        # A verb that keeps the kernel ends a system of its boot.
        ends = [system.boot_id, str(system.soft_reboots) if intent.method.keeps_kernel else ""]
        arguments = [intent.token, intent.method.verb, "%.3f" % delay_s, message, *ends]
        try:
            answer = await self._session.run(TRIGGER, arguments, become=True, timeout_s=timeout_s)
        except SessionLost as error:
            # The host may have received it: it will say so, or be seen to go down.
            self._progress("no answer to the trigger: %s" % error.said)
            self.maybe_triggered = True
            return False
        except SessionError as error:
            message = "the reboot could not be triggered: %s" % error.reason.message
            raise await self.not_begun(error.reason.code, message, intent.token) from error
        # Of a trigger that failed, part may have been done.
        self.maybe_triggered = True
        if answer.rc == GOING_DOWN_RC:
            # How the host comes back shows what that was.
            self._progress("somebody shuts the host down already")
        elif answer.rc != 0:
            message = "the reboot could not be triggered: %s" % answer.last_words()
            raise await self.not_begun("TRIGGER_FAILED", message, intent.token)
        return True

    async def call_off(self, token: str, *, patient: bool = False) -> None:
        """Stop the trigger, if any, and unload the image. C(token) is empty before a trigger.

        :param patient: whether a host that can't be reached is asked until :data:`CALL_OFF_TIMEOUT_S`, as seldom as limits on new
            connections forgive; for callers that do not ask again later.
        :raises RebootError: C(IMAGE_OWED): it is not certain that both are done; C(UNLOAD_DISABLED): the trigger is stopped for
            certain, but nobody can unload the image.
        """
        deadline = self._now() + CALL_OFF_TIMEOUT_S
        pauses_s = itertools.chain(RETRY_CONNECTION_S[:1], itertools.repeat(RETRY_CONNECTION_S[-1] if patient else math.inf))
        while True:
            try:
                answer = await self._session.run(CALL_OFF, [token], become=True, timeout_s=deadline - self._now())
                break
            except SessionError as error:
                pause_s = next(pauses_s)
                if not isinstance(error, SessionLost) or self._now() + pause_s >= deadline:
                    raise _image_owed(error.reason.message) from error
            await asyncio.sleep(pause_s)
        if answer.rc == IMAGE_STAYS_RC:
            self.maybe_triggered, self.touched = False, True
            raise RebootError("UNLOAD_DISABLED", answer.last_words())
        if answer.rc != 0:
            raise _image_owed(answer.last_words())
        self.maybe_triggered = self.touched = False

    async def not_begun(self, code: str, message: str, token: str) -> NotRebooted:
        """Call off a reboot that did not begin; return the error for it."""
        try:
            await self.call_off(token, patient=True)
        except RebootError as error:
            if self.maybe_triggered:
                message += "; calling it off failed, so it may still happen, and %s" % error.reason.message
                return NotRebooted(
                    "REBOOT_TIMEOUT" if code == "NOT_REBOOTED" else code, message, called_off=False, may_begin=True
                )
        return NotRebooted(code, message, called_off=True)

    async def trigger_failed(self, token: str) -> NotRebooted:
        """Call off a reboot whose trigger failed on the host; return the error for it."""
        try:
            answer = await self._session.run(scripts.TRIGGER_LOG, [token], become=True, timeout_s=ASK_TIMEOUT_S)
            said = answer.last_words()
        except SessionError:
            said = "its journal could not be read"
        return await self.not_begun("TRIGGER_FAILED", "the host could not begin its reboot: %s" % said, token)

    async def ask(self, token: str, timeout_s: float) -> scripts.HostAnswer | None:
        """Ask the host on a new connection which boot it runs; None if it gives no usable answer.

        The connection of a question that is answered serves what follows: a limit on new ones may have been used up.
        """
        await self._session.leave()
        try:
            answer = await self._session.run(scripts.STATE, [token], become=False, timeout_s=timeout_s)
        except SessionError as error:
            self.unanswered.failed(error)
            return None
        state = scripts.parse_state(answer.stdout) if answer.rc == 0 else None
        if state is None:
            self.unanswered.nonsense(answer.last_words())
        else:
            self.unanswered.clear()
        return state

    async def clock_offset(self, utc_ns: Callable[[], int]) -> Offset | None:
        """Measure how far the host's clock is ahead; None if it can't be measured."""
        return await measure(
            lambda: self._session.run(scripts.CLOCK, [], become=False, timeout_s=CLOCK_TIMEOUT_S),
            utc_ns,
        )

    async def restore_panic(self, intent: Intent, state: scripts.HostAnswer, timeout_s: float) -> None:
        """Restore what our one-boot arguments set, unless the host has its own settings by now.

        :raises RebootError: C(PANIC_OWED).
        """
        now = (state.panic_s, state.panic_on_oops)
        if not has_one_boot_args(state.evidence.cmdline) or state.panic_s != PANIC_S or intent.panic == now:
            return
        arguments = [str(value) for value in intent.panic]
        try:
            answer = await self._session.run(scripts.RESTORE_PANIC, arguments, become=True, timeout_s=timeout_s)
        except SessionError as error:
            raise _panic_owed(error.reason.message) from error
        if answer.rc != 0:
            raise _panic_owed(answer.last_words())

    async def test(self, command: str, deadline: float) -> None:
        """Run the user's test until it succeeds.

        :raises RebootError: C(TEST_COMMAND_FAILED).
        """
        pause_s = 0.25
        while True:
            remaining = deadline - self._now()
            said = "no time was left"
            if remaining > 0:
                try:
                    answer = await self._session.run(command, [], become=True, timeout_s=remaining)
                    if answer.rc == 0:
                        return
                    said = answer.last_words()
                except SessionError as error:
                    said = error.said
            if self._now() + pause_s >= deadline:
                raise RebootError("TEST_COMMAND_FAILED", "test_command failed: %s" % said)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)


def _image_owed(said: str) -> RebootError:
    return RebootError("IMAGE_OWED", "an image may be loaded: %s" % said)


def _panic_owed(said: str) -> RebootError:
    return RebootError("PANIC_OWED", "kernel.panic stays at %d: %s" % (PANIC_S, said))
