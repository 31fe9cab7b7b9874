# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the run of one host has begun and has to give back, whatever becomes of the host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ansible_collections.fleet.kexec.plugins.module_utils._host.running_system import SystemId
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._errors import RolloutError
from .._journal import events
from .._journal.host_state import HostState
from .._reboot.errors import RebootError
from .._reboot.host_reboot import HostReboot
from .._reboot.methods import FIRMWARE, method_named
from .._reboot.request import Intent
from .._reboot.scripts import HostAnswer
from .debts import Kind, Pay
from .desk import Desk
from .host_hooks import HostHooks

# A host that owes something is up, and slow at worst.
ASK_TIMEOUT_S = 30.0


class HostDebts:
    """Image, drain, slot and kernel settings of one host. No method raises: what fails is a debt, and tried again.

    :ivar drained: whether before hooks may have run whose effect was not undone.
    :ivar astray: whether the host came back as something else than it should, and so is not to be undrained.
    :ivar reboot_over: whether a reboot that could not be called off at first has been called off since, or is over.
    """

    def __init__(self, name: str, reboot: HostReboot, hooks: HostHooks, desk: Desk) -> None:
        self._name = name
        self._reboot = reboot
        self._hooks = hooks
        self._desk = desk
        self.drained = self.astray = False
        self.reboot_over = False
        # System that an earlier process saw; None if there is none.
        self._system: SystemId | None = None

    async def put_back(self, told: bool) -> None:
        """Give back everything of a host that is certainly not rebooted; C(told) if a trigger was ever sent."""
        unloaded = not self._reboot.touched or await self._desk.give_back(self._name, Kind.IMAGE, _telling(self._call_off))
        self._desk.record(events.HostUnstaged(host=self._name, ok=unloaded, told=told))
        await self._undrain_and_free()

    async def call_off(self) -> bool:
        """Call off a reboot that may still begin; return whether that is done.

        Until it is, now or later, the host is unavailable, stays drained and keeps its slot.
        """
        return await self._desk.give_back(self._name, Kind.IMAGE, self._late_call_off, unavailable=True)

    async def restore_panic(self, intent: Intent, answer: HostAnswer) -> None:
        """Restore the kernel settings of a host that came back, unless it has rebooted since."""

        async def pay(again: bool) -> None:
            now = await self._asked() if again else answer
            if now.evidence.boot_id == answer.evidence.boot_id:
                await self._reboot.restore_panic(intent, now)

        await self._desk.give_back(self._name, Kind.PANIC, _telling(pay))

    def undrained(self) -> None:
        """Take in that the host is back in service."""
        self.drained = self.astray = False
        self._desk.paid(self._name, Kind.DRAIN)

    async def free_slot(self) -> None:
        """Give back the slot of a host that is up, or that is not rebooted."""
        await self._desk.give_back(self._name, Kind.SLOT, lambda: self._desk.free_slot(self._name))

    async def keep_slot(self, why: Reason) -> None:
        """Keep the slot of a host that is or may be down until it is seen up, if slots are counted."""
        if not self._desk.keep_slot(self._name, why):
            await self.free_slot()

    def adopt(self, state: HostState) -> None:
        """Take over a host that an earlier process may have prepared, and did not trigger."""
        self.drained = state.maybe_drained
        self.adopt_image(state)

    def adopt_image(self, state: HostState) -> None:
        """Take over an image that an earlier process may have staged: until another is staged, or this one is unloaded."""
        self.astray = state.astray
        self._system = state.system if state.boot_id else None
        if state.maybe_staged:
            self._reboot.owes_image(state.token)

    async def pay_for(self, state: HostState, intent: Intent) -> None:
        """Pay the debts of a host that an earlier process has finished with; its slot is the conductor's."""
        self._reboot.adopt(intent, state.release_before, state.staged)
        self._reboot.owes_image(state.token)
        self.drained, self.astray = state.maybe_drained, state.astray
        if Kind.IMAGE in state.withheld:
            # It is undrained once that is done, and not before.
            await self.call_off()
        elif Kind.IMAGE in state.owed:
            await self._desk.give_back(self._name, Kind.IMAGE, lambda: self._call_off(again=True))
        if Kind.DRAIN in state.owed and Kind.IMAGE not in state.withheld and not self.astray:
            await self._desk.give_back(self._name, Kind.DRAIN, self._undrain, unavailable=True)
        if Kind.PANIC in state.owed:
            await self._desk.give_back(self._name, Kind.PANIC, lambda: self._restore_panic_of(intent, state.boot_id_after))

    async def _undrain_and_free(self) -> None:
        if self.drained and not self.astray:
            ok = await self._desk.give_back(self._name, Kind.DRAIN, self._undrain, unavailable=True)
            self._desk.record(events.HostUndrained(host=self._name, ok=ok))
        await self.free_slot()

    async def _undrain(self) -> None:
        failed = await self._hooks.after()
        if failed is not None:
            raise RolloutError(failed.code, failed.message)
        self.drained = False

    async def _late_call_off(self) -> None:
        if await self._runs_on():
            unloaded = True
            try:
                await self._reboot.call_off()
            except RebootError:
                if self._reboot.maybe_triggered:
                    raise
                # Nobody can unload the image, but nothing will reboot the host.
                unloaded = False
            self._desk.record(events.HostUnstaged(host=self._name, ok=unloaded, told=True))
            await self._undrain_and_free()
        else:
            # It came back after all, too late to be verified. It stays drained, as any that failed after its reboot.
            self._desk.paid(self._name, Kind.DRAIN)
            await self.free_slot()
        self.reboot_over = True
        self._desk.seen_up(self._name)

    async def _call_off(self, again: bool) -> None:
        # An image is gone with the boot in which it was loaded.
        if not again or await self._runs_on():
            await self._reboot.call_off()

    async def _restore_panic_of(self, intent: Intent, boot_id: str) -> None:
        now = await self._asked()
        if now.evidence.boot_id == boot_id:
            await self._reboot.restore_panic(intent, now)

    async def _runs_on(self) -> bool:
        """Whether what the reboot was to end goes on.

        :raises RolloutError: C(UNREACHABLE).
        """
        result = self._reboot.result
        before = result.before.system if result.before is not None else self._system
        method = method_named(result.method or FIRMWARE.name)
        return before is None or not method.has_ended(before, (await self._asked()).evidence.system)

    async def _asked(self) -> HostAnswer:
        answer = await self._reboot.ask("", ASK_TIMEOUT_S)
        if answer is None:
            raise RolloutError("UNREACHABLE", "the host does not answer")
        return answer


def _telling(pay: Callable[[bool], Awaitable[None]]) -> Pay:
    """Have attempts told whether they are not the first."""
    tried = False

    async def attempt() -> None:
        nonlocal tried
        again, tried = tried, True
        await pay(again)

    return attempt
