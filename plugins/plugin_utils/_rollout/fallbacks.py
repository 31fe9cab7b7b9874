# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fallbacks for a host that does not come back, or not with the expected system, as far as the user allows them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._errors import RolloutError
from .._reboot.errors import NotRebooted, RebootError
from .._reboot.host_reboot import TRIGGER_GRACE_S, HostReboot
from .._reboot.request import ONLY_ALL, Intent, RebootRequest
from .._reboot.scripts import HostAnswer
from .._transport.session import SessionLost
from .desk import Desk
from .flight import Flight, GivenUp
from .host_hooks import HostHooks

FALLBACK_NONE = "none"
FALLBACK_FIRMWARE = "firmware"
FALLBACK_POWER_HOOK = "power_hook"
FALLBACKS = (FALLBACK_NONE, FALLBACK_FIRMWARE, FALLBACK_POWER_HOOK)


class Fallbacks:
    """Fallbacks of one host.

    :param fallback: one of :data:`FALLBACKS`. All but C(none) allow the method's own; C(power_hook) also allows the hook.
    """

    def __init__(
        self,
        fallback: str,
        *,
        name: str,
        flight: Flight,
        reboot: HostReboot,
        request: RebootRequest,
        hooks: HostHooks,
        desk: Desk,
    ) -> None:
        self._fallback = fallback
        self._name = name
        self._flight = flight
        self._reboot = reboot
        self._request = request
        self._hooks = hooks
        self._desk = desk
        self._now = asyncio.get_running_loop().time

    def forbid(self) -> None:
        """Allow none: each of them reboots the host once more."""
        self._fallback = FALLBACK_NONE

    async def until_back(self, intent: Intent, due: float, ask_at: float | None) -> tuple[Intent, HostAnswer]:
        """Watch until the host is back and proven; return the intent that it came back from, which a fallback may replace.

        :raises GivenUp: the host is not back and proven after all fallbacks that are allowed.
        """
        try:
            answer = await self._flight.watch(intent, due, ask_at)
        except RebootError as error:
            if not self._may_cycle_power(error):
                raise self._flight.failed(error) from error
            return intent, await self._power_cycle(intent, error)
        try:
            self._flight.verify(intent, answer)
        except RebootError as error:
            return await self._by_another_method(intent, answer, error.reason)
        return intent, answer

    async def from_degraded(self, intent: Intent, answer: HostAnswer, why: Reason) -> tuple[Intent, HostAnswer]:
        """Reboot a host that is proven and degraded once more; return as :meth:`until_back`. The reason stays in its result.

        :raises GivenUp: no other method is allowed, or none would help.
        """
        came_by = await self._by_another_method(intent, answer, why)
        result = self._reboot.result
        result.reasons = (*result.reasons, why)
        return came_by

    def _may_cycle_power(self, error: RebootError) -> bool:
        """Whether a host gave no answer to a login either, and the user allows this.

        A host that was up when last heard of may still serve, and one that refuses a login does.
        """
        silent = error.reason.code == "REBOOT_TIMEOUT" and not (isinstance(error, NotRebooted) and error.may_begin)
        return silent and self._fallback == FALLBACK_POWER_HOOK and self._hooks.has_power

    async def _power_cycle(self, intent: Intent, error: RebootError) -> HostAnswer:
        """Power-cycle a host that stays down, once. It comes back through firmware, so no proof is needed."""
        failed = await self._hooks.power()
        if failed is not None:
            given_up = self._flight.failed(error)
            raise GivenUp(reason(error.reason.code, "%s; %s" % (error.reason.message, failed.message)), down=given_up.down)
        try:
            answer = await self._flight.watch_on(intent)
        except RebootError as again:
            message = "%s; nor after its power was cycled" % error.reason.message
            raise GivenUp(reason(again.reason.code, message), down=True) from again
        result = self._reboot.result
        result.reasons = (*result.reasons, reason("POWER_CYCLED", error.reason.message))
        return answer

    async def _by_another_method(self, intent: Intent, answer: HostAnswer, why: Reason) -> tuple[Intent, HostAnswer]:
        """Reboot a host that came back otherwise than it should once more, by the fallback of its method.

        :raises GivenUp: that is not allowed, or is useless: it would bring the host back as it is now.
        """
        method = intent.method.fallback
        if self._fallback == FALLBACK_NONE or method is None or method.accepts(intent, answer.evidence):
            raise GivenUp(why, down=False)
        try:
            prepared = await self._reboot.prepare(replace(self._request, method=method.name, only=ONLY_ALL))
        except CodedError as error:
            message = "%s; and it could not be prepared for another reboot: %s" % (why.message, error.reason.message)
            raise GivenUp(replace(why, message=message), down=isinstance(error, SessionLost)) from error
        # The current panic settings are those of the unexpected boot; the original ones have to be restored. Likewise, what the
        # machine was at first is what it has to be.
        again = replace(prepared, system=answer.evidence.system, panic=intent.panic, remembered=intent.remembered)
        await self._reboot.locate()
        await self._flight.declare(again)
        try:
            await self._desk.confirm_slot(self._name)
        except RolloutError as lost:
            raise GivenUp(why, down=False) from lost
        await self._flight.trigger(again)
        try:
            answer = await self._flight.watch(again, self._now() + TRIGGER_GRACE_S)
            self._flight.verify(again, answer)
        except RebootError as failed:
            raise self._flight.failed(failed) from failed
        return again, answer
