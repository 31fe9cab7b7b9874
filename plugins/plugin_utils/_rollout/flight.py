# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reboot of one host in a rollout, from its intent to the proof of how it came back.

Every step is journalled; the intent is on disk before the host is triggered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._paths import trigger_unit
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._errors import RolloutError
from .._journal import events
from .._journal.file import utc
from .._journal.host_state import HostState
from .._journal.phases import Phase
from .._reboot.errors import NotCompared, NotRebooted, RebootError
from .._reboot.host_reboot import TRIGGER_GRACE_S, HostReboot
from .._reboot.methods import FIRMWARE, RebootMethod, method_named
from .._reboot.request import Intent, RebootRequest
from .._reboot.scripts import HostAnswer
from .._reboot.service_watch import Probed
from .debts import Kind
from .desk import Desk


class GivenUp(Exception):
    """Raised when a host has failed; C(down) if it has to count as down."""

    def __init__(self, why: Reason, down: bool) -> None:
        super().__init__(why.message)
        self.reason = why
        self.down = down


class Flight:
    """Reboot of one host, and a second one if the first does not end as expected.

    :param now_utc: seconds since 1970.
    :ivar phase: phase of the host, before its intent too.
    :ivar triggered: whether the host may have rebooted, or may still reboot.
    :ivar told: whether a trigger was ever sent, even if it was called off later.
    :ivar acknowledged: whether the host has acknowledged the last trigger.
    :ivar may_begin: whether a reboot that could not be called off may still begin.
    :ivar forbidden: reason why the host may not be triggered any more, though it may reboot yet; None if it may.
    :ivar came_back_from: intent of the reboot that the host came back from last; None if it did not come back.
    """

    def __init__(self, name: str, reboot: HostReboot, request: RebootRequest, desk: Desk, now_utc: Callable[[], float]) -> None:
        self._name = name
        self._reboot = reboot
        self._request = request
        self._desk = desk
        self._now_utc = now_utc
        self._now = asyncio.get_running_loop().time
        self.phase = Phase.PREPARING
        self.triggered = False
        self.told = self.acknowledged = False
        self.may_begin = False
        self.forbidden: Reason | None = None
        self.came_back_from: Intent | None = None
        reboot.probed = self._probed

    def forbid(self, why: Reason) -> None:
        """Trigger no reboot from here on. One that is under way is seen through."""
        self.forbidden = why

    async def declare(self, intent: Intent) -> None:
        """Write the intent to disk before the host is triggered, so that a resume asks the host."""
        self.acknowledged = False
        self._desk.record(
            events.HostIntent(
                host=self._name,
                boot_id=intent.system.boot_id,
                soft_reboots=intent.system.soft_reboots,
                userspace_us=intent.system.userspace_us,
                token=intent.token,
                unit=trigger_unit(intent.token) + ".service",
                method=intent.method.name,
                release=intent.release,
                reboot_timeout_s=self._request.reboot_timeout_s,
                panic={"panic_s": intent.panic[0], "panic_on_oops": intent.panic[1]},
                remembered=intent.remembered,
            )
        )
        await self._desk.durable()

    async def trigger(self, intent: Intent) -> None:
        """Trigger the reboot; raises :class:`GivenUp` if that fails."""
        self.phase = Phase.INTENT
        self.triggered = True
        try:
            await self._tell(intent)
        except RebootError as error:
            raise self.failed(error) from error

    async def _tell(self, intent: Intent, timeout_s: float | None = None) -> None:
        self.told = True
        bound = {} if timeout_s is None else {"timeout_s": timeout_s}
        self.acknowledged = await self._reboot.trigger(intent, self._request.message, TRIGGER_GRACE_S, **bound)
        if self.acknowledged:
            self.phase = Phase.TRIGGERED
            self._desk.record(events.HostTriggered(host=self._name))

    async def _tell_again(self, intent: Intent, timeout_s: float) -> None:
        try:
            if self.forbidden is not None:
                raise RolloutError(self.forbidden.code, self.forbidden.message)
            await self._desk.confirm_slot(self._name)
        except RolloutError:
            # The reboot has not begun, and must not begin without a slot. It no longer counts as triggered once that is certain.
            self.may_begin = True
            with contextlib.suppress(RebootError):
                await self._reboot.call_off()
            # The image may stay where nobody can unload it.
            self.triggered = self.may_begin = self._reboot.maybe_triggered
            raise
        await self._tell(intent, timeout_s)

    def failed(self, error: RebootError) -> GivenUp:
        """Exception for a failed reboot. If the reboot certainly never began, the host stays in service."""
        if not isinstance(error, NotRebooted):
            return GivenUp(error.reason, down=False)
        # A host that came back from an earlier reboot, as something else, stays drained.
        self.triggered = self.came_back_from is not None or not error.called_off
        # Of a host that has not acknowledged its trigger and does not answer, nobody knows whether it has received it.
        self.may_begin = error.may_begin or not (error.called_off or self.acknowledged)
        return GivenUp(error.reason, down=not error.called_off and not error.up)

    async def watch(self, intent: Intent, due: float, ask_at: float | None = None) -> HostAnswer:
        """Watch until the host is back, as :meth:`HostReboot.watch` does."""

        def went_down() -> None:
            self.phase = Phase.DOWN
            self._desk.record(events.HostDown(host=self._name, down_at=utc(self._now_utc())))

        answer = await self._reboot.watch(
            intent,
            due,
            self._request.reboot_timeout_s,
            again=lambda timeout_s: self._tell_again(intent, timeout_s),
            went_down=went_down,
            ask_at=ask_at,
        )
        self._came_back(intent)
        return answer

    async def watch_on(self, intent: Intent) -> HostAnswer:
        """Watch a host that has exceeded its timeout for another one."""
        answer = await self._reboot.watch(intent, self._now(), self._request.reboot_timeout_s)
        self._came_back(intent)
        return answer

    def _came_back(self, intent: Intent) -> None:
        self.came_back_from = intent
        self.phase = Phase.BACK
        # An image is gone with the boot in which it was loaded.
        self._desk.paid(self._name, Kind.IMAGE)
        outage = self._reboot.result.outage
        self._desk.record(
            events.HostBack(
                host=self._name,
                outage_ms=outage.duration_ms if outage else None,
                outage_error_ms=outage.error_ms if outage else None,
                detected_by=self._reboot.result.detected_by or "",
            )
        )

    def _probed(self, probed: Probed) -> None:
        outage = probed.outage
        self._desk.record(
            events.HostProbed(
                host=self._name,
                probe_seen_by=probed.seen_by,
                probe_outage_ms=outage.duration_ms if outage else None,
                probe_outage_error_ms=outage.error_ms if outage else None,
                probe_down_at=utc(self._now_utc() - self._now() + outage.last_good) if outage else None,
                note=probed.note,
            )
        )

    def verify(self, intent: Intent, answer: HostAnswer) -> None:
        """Compare the running system with the requested one, and journal it if they differ.

        :raises RebootError: C(NOT_PROVEN).
        """
        try:
            self._reboot.verify(intent, answer)
        except RebootError:
            self._desk.record(events.HostUnproven(host=self._name, **self._came_back_as(answer)))
            raise

    def verified(self, answer: HostAnswer) -> None:
        """Record that the host came back as requested, or by a fallback that is allowed."""
        self.phase = Phase.VERIFIED
        result = self._reboot.result
        self._desk.record(
            events.HostVerified(host=self._name, **self._came_back_as(answer), login_ms=result.login_ms, reasons=result.reasons)
        )

    async def compare(self, intent: Intent) -> Reason | None:
        """Compare the machine with what it was, and journal it; return why the host is degraded, or None.

        :raises GivenUp: C(NOT_COMPARED): nobody knows whether it is.
        """
        began = self._now()
        try:
            comparison = await self._reboot.compare(self._request, intent)
        except NotCompared as error:
            raise GivenUp(error.reason, down=not error.up) from error
        if comparison is None:
            return None
        self._desk.record(
            events.HostCompared(
                host=self._name,
                compared=comparison.compared,
                model=comparison.model,
                differences=comparison.differences,
                more=comparison.more,
                settled_ms=comparison.settled_ms,
                duration_ms=round((self._now() - began) * 1000),
            )
        )
        return comparison.degraded

    def _came_back_as(self, answer: HostAnswer) -> dict[str, Any]:
        evidence = answer.evidence
        return {
            "path": evidence.path,
            "proof": self._reboot.result.proof or {},
            "boot_id": evidence.boot_id,
            "soft_reboots": evidence.system.soft_reboots,
            "release": evidence.release,
        }


def intent_of(host: HostState, allowed: tuple[RebootMethod, ...]) -> Intent:
    """Intent of an earlier process, from the journal."""
    panic = host.panic or {"panic_s": 0, "panic_on_oops": 0}
    return Intent(
        system=host.system,
        token=host.token,
        release=host.release,
        method=method_named(host.method or FIRMWARE.name),
        panic=(panic["panic_s"], panic["panic_on_oops"]),
        allowed=allowed,
        remembered=host.remembered,
    )
