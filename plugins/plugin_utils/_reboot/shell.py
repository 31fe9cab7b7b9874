# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run scripts on one host around its reboot, and read their answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.trigger import CALL_OFF, GOING_DOWN_RC, TRIGGER
from ansible_collections.fleet.kexec.plugins.module_utils._one_boot_args import PANIC_S, has_one_boot_args
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.axis import Offset

from .._transport.session import Session, SessionLost
from . import scripts
from .errors import NotRebooted, RebootError
from .request import Intent
from .sights import measure

# Before the trigger the host is up, and slow at worst.
COMMAND_TIMEOUT_S = 60.0
ASK_TIMEOUT_S = 30.0
# Limit for calling off, even beyond the deadline: an image that stays loaded turns the next reboot into a kexec.
CALL_OFF_TIMEOUT_S = 60.0
CALL_OFF_TRIES = 2
# Reads clocks, on a host that is up but may be busy.
CLOCK_TIMEOUT_S = 30.0

# Kept of each error of ssh, for a message; its end has the cause.
UNANSWERED_MAX_CHARS = 300


class HostShell:
    """Scripts of :mod:`scripts` and :mod:`trigger` on one host.

    :ivar unanswered: why questions had no answer: the first, and the last if there was more than one.
    """

    def __init__(self, session: Session, progress: Callable[[str], None]) -> None:
        self._session = session
        self._progress = progress
        self._now = asyncio.get_running_loop().time
        self.unanswered: list[str] = []

    async def trigger(self, intent: Intent, message: str, delay_s: float, timeout_s: float) -> None:
        """Have the host reboot after a delay.

        :raises NotRebooted: C(TRIGGER_FAILED).
        """
        arguments = [intent.token, intent.method.verb, "%.3f" % delay_s, message, intent.boot_id]
        try:
            answer = await self._session.run(TRIGGER, arguments, become=True, timeout_s=timeout_s)
        except SessionLost as error:
            # The host may have received it: it will say so, or be seen to go down.
            self._progress("no answer to the trigger: %s" % error)
            return
        if answer.rc == GOING_DOWN_RC:
            # How the host comes back shows what that was.
            self._progress("somebody shuts the host down already")
        elif answer.rc != 0:
            message = "the reboot could not be triggered: %s" % answer.last_words()
            raise await self.not_begun("TRIGGER_FAILED", message, intent.token)

    async def call_off(self, token: str) -> bool:
        """Stop the trigger, if any, and unload the image; return whether both are certain. C(token) is empty before a trigger."""
        deadline = self._now() + CALL_OFF_TIMEOUT_S
        for _try in range(CALL_OFF_TRIES):
            with contextlib.suppress(SessionLost):
                answer = await self._session.run(CALL_OFF, [token], become=True, timeout_s=deadline - self._now())
                return answer.rc == 0
            if self._now() >= deadline:
                break
        return False

    async def not_begun(self, code: str, message: str, token: str) -> NotRebooted:
        """Call off a reboot that did not begin; return the error for it."""
        if await self.call_off(token):
            return NotRebooted(code, message, called_off=True)
        message += "; calling it off failed, so it may still happen, and an image may be loaded"
        return NotRebooted("REBOOT_TIMEOUT" if code == "NOT_REBOOTED" else code, message, called_off=False)

    async def trigger_failed(self, token: str) -> NotRebooted:
        """Call off a reboot whose trigger failed on the host; return the error for it."""
        try:
            answer = await self._session.run(scripts.TRIGGER_LOG, [token], become=True, timeout_s=ASK_TIMEOUT_S)
            said = answer.last_words()
        except SessionLost:
            said = "its journal could not be read"
        return await self.not_begun("TRIGGER_FAILED", "the host could not begin its reboot: %s" % said, token)

    async def ask(self, token: str, timeout_s: float) -> scripts.HostAnswer | None:
        """Ask the host which boot it runs; None if it gives no usable answer."""
        try:
            answer = await self._session.run(scripts.STATE, [token], become=False, timeout_s=timeout_s)
        except Exception as error:  # while a host goes down or comes up, any error is no answer
            self._unanswered_because(str(error))
            return None
        state = scripts.parse_state(answer.stdout) if answer.rc == 0 else None
        if state is None:
            self._unanswered_because(answer.last_words())
        else:
            self.unanswered.clear()
        return state

    def _unanswered_because(self, said: str) -> None:
        line = "; ".join(line.strip() for line in said.splitlines() if line.strip())[-UNANSWERED_MAX_CHARS:]
        if line:
            self.unanswered = [*self.unanswered[:1], line]

    async def clock_offset(self, utc_ns: Callable[[], int]) -> Offset | None:
        """Measure how far the host's clock is ahead; None if it can't be measured."""
        return await measure(
            lambda: self._session.run(scripts.CLOCK, [], become=False, timeout_s=CLOCK_TIMEOUT_S),
            utc_ns,
        )

    async def restore_panic(self, intent: Intent, state: scripts.HostAnswer, timeout_s: float) -> None:
        """Restore what our one-boot arguments set, unless the host has its own settings by now."""
        now = (state.panic_s, state.panic_on_oops)
        if not has_one_boot_args(state.evidence.cmdline) or state.panic_s != PANIC_S or intent.panic == now:
            return
        arguments = [str(value) for value in intent.panic]
        try:
            await self._session.run(scripts.RESTORE_PANIC, arguments, become=True, timeout_s=timeout_s)
        except SessionLost as error:
            self._progress("kernel.panic stays at %d: %s" % (PANIC_S, error))

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
                except SessionLost as error:
                    said = str(error)
            if self._now() + pause_s >= deadline:
                raise RebootError("TEST_COMMAND_FAILED", "test_command failed: %s" % said)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)
