# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember a host's machine before its reboot, and compare it after."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId

from .._host_facts import UNREADABLE, known_code
from .._transport.session import Session, SessionError, SessionLost
from .difference import ReportedComparison, comparison_of, model_of, shown, summed_up
from .errors import NotCompared, RebootError
from .host_track import RETRY_CONNECTION_S
from .request import RebootRequest

MODULE = "fleet.kexec.machine"
REMEMBER_TIMEOUT_S = 60.0
# For the module's way to the host and what it reads, beside the time in which the host may settle. A host that has just come back
# may lack what its privileges or its Python depend on, so it is asked again until then.
COMPARE_TIMEOUT_S = 60.0

BOOT_ID_MAX_CHARS = 64
_SAID_MAX_CHARS = 300


class Comparing:
    """Comparison of one host's machine with what it was."""

    def __init__(self, session: Session, request: RebootRequest, progress: Callable[[str], None]) -> None:
        self._session = session
        self._request = request
        self._progress = progress
        self._now = asyncio.get_running_loop().time

    async def remember(self, running: SystemId) -> tuple[SystemId, str]:
        """Have the host remember its machine; return the system in which it did, and its model.

        A host that can't write is rebooted all the same: that may be what mends it. Nothing then is of this system, and the
        comparison says so (C(MACHINE_UNKNOWN)); only a policy that fails such a host keeps it from its reboot.

        :param running: system that is to end.
        :raises RebootError: the module failed, with its code.
        :raises SessionError: the host could not be reached, or refuses.
        """
        # A mistake in the policy is found now, rather than after the reboot.
        args = {"state": "remembered", **self._request.policy_args}
        answer = await self._session.module(MODULE, args, REMEMBER_TIMEOUT_S)
        if answer.get("failed"):
            code, message = known_code(answer.get("code")), "the machine could not be remembered: %s" % _said(answer)
            if code != "MACHINE_NOT_REMEMBERED" or self._request.policy.get("MACHINE_UNKNOWN") == "fail":
                raise RebootError(code, message)
            self._progress("%s; it is rebooted, and not compared" % message)
            return running, ""
        try:
            machine = answer["machine"]
            boot_id = shown(str(machine["boot_id"]), BOOT_ID_MAX_CHARS)
            if not boot_id:
                raise ValueError("no boot_id")
            return SystemId(boot_id, int(machine["soft_reboots"])), model_of(machine)
        except (KeyError, TypeError, ValueError) as error:
            raise RebootError(UNREADABLE, "machine gave an answer that is none: %r" % error) from error

    async def compare(self, remembered: str) -> ReportedComparison:
        """Compare the machine with what it was, once it has settled.

        :param remembered: system, as one word, in which it was remembered.
        :raises NotCompared: that was not possible in time.
        """
        began = self._now()
        deadline = began + self._request.settle_s + COMPARE_TIMEOUT_S
        pauses_s = itertools.chain(RETRY_CONNECTION_S[:1], itertools.repeat(RETRY_CONNECTION_S[-1]))
        while True:
            settle_s = max(0, self._request.settle_s - round(self._now() - began))
            args = {"state": "compared", "settle": settle_s, "system": remembered, **self._request.policy_args}
            try:
                answer = await self._session.module(MODULE, args, deadline - self._now())
                break
            except SessionError as error:
                pause_s = next(pauses_s)
                if self._now() + pause_s >= deadline:
                    raise NotCompared(error.reason.message, up=not isinstance(error, SessionLost)) from error
                self._progress("not compared yet: %s" % error.reason.message)
            # What was shared may lead nowhere.
            await self._session.leave()
            await asyncio.sleep(pause_s)
        if answer.get("failed"):
            raise NotCompared(_said(answer))
        try:
            comparison = comparison_of(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise NotCompared("machine gave an answer that is none: %r" % error) from error
        self._progress("compared: %s" % summed_up(comparison.differences, comparison.more))
        return comparison


def _said(answer: Mapping[str, Any]) -> str:
    return shown(str(answer.get("msg", "no message")), _SAID_MAX_CHARS)
