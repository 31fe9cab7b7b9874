# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's way through a rollout, from its facts to its release.

Until the intent is in the journal, everything that was begun is undone if the
host does not go on. From then on the host may have rebooted, and what became
of it is found out, by this process or by the one that resumes the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible.errors import AnsibleError

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.proof import PATH_KEXEC
from ansible_collections.fleet.kexec.plugins.module_utils._paths import trigger_unit
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import Interval

from .._errors import RolloutError
from .._hooks.hook import Hook
from .._hooks.runner import HookRunner
from .._journal import events
from .._journal.events import Event
from .._journal.file import time_of, utc
from .._journal.phases import Phase
from .._journal.run_state import HostState as JournalState
from .._reboot.rebooter import (
    METHOD_FIRMWARE,
    METHOD_KEXEC,
    TRIGGER_GRACE_S,
    HostReboot,
    Intent,
    RebootError,
    RebootRequest,
)
from .._reboot.scripts import HostState
from .._reboot.service_watch import Probed
from .._schedule.hosts import HostSpec
from .._schedule.scheduler import WAITING
from .._transport.session import SessionLost

# What is done for a host that does not come back, or not as staged.
FALLBACK_NONE = "none"
FALLBACK_FIRMWARE = "firmware"
FALLBACK_POWER_HOOK = "power_hook"
FALLBACKS = (FALLBACK_NONE, FALLBACK_FIRMWARE, FALLBACK_POWER_HOOK)

# How soon another controller's slots are looked at again.
SLOT_RETRY_S = 2.0
# A host that is asked by a resume answers soon, or is down.
ASK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Hooks:
    """What is run around a host's reboot.

    :ivar power: power-cycles a host that does not come back.
    """

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    power: tuple[Hook, ...] = ()


class Desk(Protocol):
    """What a host asks of the conductor, and tells it."""

    def record(self, event: Event) -> None:
        """Write an event soon."""

    async def durable(self) -> None:
        """Wait until all events so far are on disk; :raises RolloutError: they can't be written."""

    async def go(self, host: str) -> Reason | None:
        """Tell that a host is ready, and wait until it may go; or why it may not go any more."""

    def may_trigger(self, host: str) -> Reason | None:
        """See :meth:`Scheduler.may_trigger`."""

    async def change(self, timeout_s: float | None = None) -> None:
        """Wait until anything happens, or for so long."""

    async def take_slot(self, host: str) -> bool:
        """Take a slot of the shared budget; :raises RolloutError: there is none to be had any more."""

    async def confirm_slot(self, host: str) -> None:
        """:raises RolloutError: the slot, or the lease, is lost."""

    async def give_slot_back(self, host: str) -> None:
        """It is proven back, or given up, or was never triggered."""

    def refused(self, host: str, why: Reason) -> None:
        """It is not to be rebooted, and nothing was touched."""

    def failed(self, host: str, why: Reason, down: bool) -> None:
        """It is given up."""

    def discarded(self, host: str) -> None:
        """What was begun on it is undone."""

    def released(self, host: str, outage_s: float | None) -> None:
        """It is back in service."""


class _Failed(Exception):
    """The host is given up.

    :ivar down: whether it has to be taken for down.
    """

    def __init__(self, why: Reason, down: bool) -> None:
        super().__init__(why.message)
        self.reason = why
        self.down = down


class _Discarded(Exception):
    """The host is not to go any more."""


class HostRun:
    """One host.

    :param now_utc: seconds since 1970, UTC.
    :ivar result: what is known of it, for the result of the task.
    """

    def __init__(
        self,
        host: HostSpec,
        *,
        reboot: HostReboot,
        runner: HookRunner,
        hooks: Hooks,
        request: RebootRequest,
        fallback: str,
        desk: Desk,
        now_utc: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._name = host.name
        self._reboot = reboot
        self._runner = runner
        self._hooks = hooks
        self._request = request
        self._fallback = fallback
        self._desk = desk
        self._now_utc = now_utc
        self._now = asyncio.get_running_loop().time
        self._phase = Phase.PREPARING
        self._drained = False
        self._triggered = False
        # Whether a trigger was ever sent, though it may have been called off.
        self._told = False
        # For the timeline: what came back, how long it was drained before, and when it was healthy again.
        self._came_back_from: Intent | None = None
        self._draining: Interval | None = None
        self._healthy_at: float | None = None
        reboot.probed = self._probed

    @property
    def result(self) -> dict[str, Any]:
        """What M(fleet.kexec.reboot) would return."""
        return self._reboot.known

    async def run(self) -> None:
        """Take the host through the rollout."""
        await self._guarded(self._from_the_start())
        self._reboot.end_probe()

    async def resume(self, state: JournalState) -> None:
        """Go on with a host that another process had triggered, or was about to."""
        await self._guarded(self._from_the_intent(state))
        self._reboot.end_probe()

    async def clean_up(self, state: JournalState) -> None:
        """Undo what another process had begun on a host that is not to go any more."""
        self._drained = state.maybe_drained
        self._reboot.touched = state.maybe_staged
        with contextlib.suppress(CodedError, SessionLost):
            await self._undo()

    # Ends.

    async def _guarded(self, steps: Any) -> None:
        """Run steps, and see to it that the host ends in one way, and in one only."""
        try:
            await steps
            return
        except _Discarded:
            await self._undo()
            self._desk.discarded(self._name)
            return
        except _Failed as error:
            why, down = error.reason, error.down
        except SessionLost as error:
            why, down = reason("UNREACHABLE", "the host could not be reached: %s" % error), True
        except RolloutError as error:
            # It is the run that can't go on, not the host.
            if not self._triggered:
                await self._undo()
                self._desk.discarded(self._name)
                return
            why, down = error.reason, True
        except CodedError as error:
            why, down = error.reason, False
            if self._phase is Phase.PREPARING:
                if self._reboot.touched:
                    await self._undo()
                self._record(events.HostRefused(host=self._name, reason=why))
                self._desk.refused(self._name, why)
                return
        except AnsibleError as error:
            why, down = reason("CONNECTION_FAILED", "the host can't be used as it is told: %s" % error), self._triggered
        except Exception as error:
            why, down = reason("INTERNAL_ERROR", "%s: %s" % (type(error).__name__, error)), self._triggered
        await self._fail(why, down)

    async def _fail(self, why: Reason, down: bool) -> None:
        self._reboot.end_probe()
        # One that rebooted and is not as it should be stays drained: on_failure says so to whom it concerns.
        if not self._triggered and not await self._undo():
            why = reason(why.code, "%s; an image may be loaded on it still, which makes a kexec of its next reboot" % why.message)
        await self._run_hooks("on_failure", self._hooks.on_failure)
        if self._triggered:
            await self._desk.give_slot_back(self._name)
        self._record(events.HostFailed(host=self._name, reason=why, down=down, phase=self._phase.value))
        self._desk.failed(self._name, why, down)
        await self._tell_timeline()

    async def _undo(self) -> bool:
        """Unload what was staged, and undrain.

        :return: whether it is certain that nothing is loaded.
        """
        unstaged = not self._reboot.touched or await self._reboot.call_off()
        self._record(events.HostUnstaged(host=self._name, ok=unstaged, told=self._told))
        if self._drained:
            ok = await self._run_hooks("after", self._hooks.after) is None
            self._record(events.HostUndrained(host=self._name, ok=ok))
            self._drained = not ok
        await self._desk.give_slot_back(self._name)
        return unstaged

    # Up to the trigger.

    async def _from_the_start(self, out: bool = False) -> None:
        """:param out: it costs capacity already, and need not be let go."""
        self._record(events.HostPreparing(host=self._name))
        await self._desk.durable()
        began = self._now()
        intent = await self._reboot.prepare(self._request)
        known = self._reboot.known
        self._record(
            events.HostPrepared(
                host=self._name,
                method=intent.method,
                token=intent.token,
                release=intent.release,
                staged=known["staged"],
                boot_id=intent.boot_id,
                release_before=known["before"]["release"],
                predicted_ms=self._host.predicted.as_ms(),
                reasons=tuple(Reason(**each) for each in known["reasons"]),
                notes=tuple(known["notes"]),
                duration_ms=self._ms_since(began),
                combination=self._host.combination,
            )
        )
        self._phase = Phase.READY
        if not out and await self._desk.go(self._name) is not None:
            raise _Discarded
        went = self._now()
        await self._drain()
        # From here on nothing of this host's may take long.
        await self._reboot.unshare()
        await self._pass_the_gate()
        await self._declare(intent)
        # The journal may have taken its time; nobody is told to reboot by a run that lost its lease or was stopped meanwhile.
        await self._desk.confirm_slot(self._name)
        denied = self._desk.may_trigger(self._name)
        if denied is not None and denied.code != WAITING:
            raise _Discarded
        await self._commit(intent)
        await self._see_through(intent, went, due=self._now() + TRIGGER_GRACE_S)

    async def _drain(self) -> None:
        began = self._now()
        self._phase = Phase.DRAINING
        self._record(events.HostDraining(host=self._name))
        if self._hooks.before:
            # Else there is nothing that would have to be undone, and a host that is out does not wait for a disk.
            await self._desk.durable()
        # A hook that failed may have done a part of its work.
        self._drained = bool(self._hooks.before)
        failed = await self._run_hooks("before", self._hooks.before)
        if failed is not None:
            raise _Failed(failed, down=False)
        self._draining = self._reboot.since(began)
        self._record(events.HostDrained(host=self._name, duration_ms=self._ms_since(began)))

    async def _pass_the_gate(self) -> None:
        """Wait for room in the budget, and for a slot of the one that is shared with other controllers."""
        self._phase = Phase.GATE
        while True:
            denied = self._desk.may_trigger(self._name)
            if denied is None and not await self._desk.take_slot(self._name):
                await self._desk.change(SLOT_RETRY_S)
                continue
            # Taking the slot took time.
            denied = denied or self._desk.may_trigger(self._name)
            if denied is None:
                return
            await self._desk.give_slot_back(self._name)
            if denied.code != WAITING:
                raise _Discarded
            await self._desk.change()

    async def _declare(self, intent: Intent) -> None:
        """Have it on disk that the host is about to be told, so that whoever comes after asks it."""
        self._record(
            events.HostIntent(
                host=self._name,
                boot_id=intent.boot_id,
                token=intent.token,
                unit=trigger_unit(intent.token) + ".service",
                method=intent.method,
                release=intent.release,
                reboot_timeout_s=self._request.reboot_timeout_s,
                panic={"panic_s": intent.panic[0], "panic_on_oops": intent.panic[1]},
            )
        )
        await self._desk.durable()

    async def _commit(self, intent: Intent) -> None:
        """Tell the host to reboot."""
        self._phase = Phase.INTENT
        self._triggered = True
        try:
            await self._trigger(intent)
        except RebootError as error:
            raise self._not_begun(error) from error
        self._phase = Phase.TRIGGERED
        self._record(events.HostTriggered(host=self._name))

    async def _trigger(self, intent: Intent, timeout_s: float | None = None) -> None:
        self._told = True
        bound = {} if timeout_s is None else {"timeout_s": timeout_s}
        await self._reboot.trigger(intent, self._request.message, TRIGGER_GRACE_S, **bound)

    async def _trigger_again(self, intent: Intent, timeout_s: float) -> None:
        try:
            await self._desk.confirm_slot(self._name)
        except RolloutError:
            # It has not begun. Without a slot it must not; it is undone where that is certain.
            self._triggered = not await self._reboot.call_off()
            raise
        await self._trigger(intent, timeout_s)

    def _not_begun(self, error: RebootError) -> _Failed:
        """A reboot that failed: if it never began, and that is certain, the host serves on."""
        rebooted = error.details.get("rebooted", True)
        self._triggered = rebooted is not False
        return _Failed(error.reason, down=rebooted is None)

    # From the trigger on.

    async def _from_the_intent(self, state: JournalState) -> None:
        """See what became of a host that may have rebooted."""
        self._drained = state.maybe_drained
        self._triggered = self._told = True
        self._phase = state.phase
        panic = state.panic or {"panic_s": 0, "panic_on_oops": 0}
        intent = Intent(
            method=state.method,
            boot_id=state.boot_id,
            token=state.token,
            release=state.release,
            panic=(panic["panic_s"], panic["panic_on_oops"]),
            accepts_firmware=self._request.method != METHOD_KEXEC,
        )
        self._reboot.adopt(intent, state.release_before, state.staged)
        # It holds one, unless the lock has lost its memory. Without one it is watched all the same.
        with contextlib.suppress(RolloutError):
            await self._desk.take_slot(self._name)
        now, ago_s = self._now(), max(0.0, self._now_utc() - time_of(state.intended_at))
        answer = await self._reboot.ask(intent.token, ASK_TIMEOUT_S)
        if answer is not None and answer.evidence.boot_id == intent.boot_id and answer.idle:
            # It never heard of it, or somebody stopped it.
            self._triggered = False
            await self._from_the_start(out=True)
            return
        await self._reboot.unshare()
        await self._see_through(intent, now - ago_s, due=now - ago_s, ask_at=now)

    async def _see_through(self, intent: Intent, went: float, due: float, ask_at: float | None = None) -> None:
        """Watch, verify, and put the host back into service."""
        intent, state = await self._until_back(intent, due, ask_at)
        await self._reboot.restore_panic(intent, state)
        known = self._reboot.known
        self._phase = Phase.VERIFIED
        self._record(
            events.HostVerified(
                host=self._name,
                **self._came_back_as(),
                login_ms=known["login_ms"],
                reasons=tuple(Reason(**each) for each in known["reasons"]),
            )
        )
        began = self._now()
        failed = await self._run_hooks("after", self._hooks.after)
        if failed is not None:
            raise _Failed(failed, down=False)
        self._drained = False
        self._phase = Phase.HEALTHY
        self._healthy_at = self._now()
        self._record(events.HostHealthy(host=self._name, duration_ms=self._ms_since(began)))
        await self._desk.give_slot_back(self._name)
        self._reboot.end_probe()
        known["elapsed_ms"] = self._ms_since(went)
        self._record(events.HostReleased(host=self._name, duration_ms=known["elapsed_ms"]))
        outage_ms = known["outage_ms"]
        self._desk.released(self._name, outage_ms / 1000 if outage_ms is not None else None)
        await self._tell_timeline()

    async def _tell_timeline(self) -> None:
        """Have in the journal where the time went. The host costs nothing any more; only the end of the run waits for it."""
        if self._came_back_from is None:
            return
        timeline = await self._reboot.timeline(
            self._came_back_from, healthy_at=self._healthy_at, drain=self._draining, combination=self._host.combination
        )
        if timeline is not None:
            self._record(events.HostTimeline(host=self._name, timeline=timeline))

    async def _until_back(self, intent: Intent, due: float, ask_at: float | None) -> tuple[Intent, HostState]:
        """Watch until the host is back and proven, with the help of what the user allows."""
        try:
            state = await self._watch(intent, due, ask_at)
        except RebootError as error:
            if error.reason.code != "REBOOT_TIMEOUT" or self._fallback != FALLBACK_POWER_HOOK or not self._hooks.power:
                raise self._not_begun(error) from error
            return await self._power_cycle(intent, error)
        try:
            self._verify(intent, state)
        except RebootError as error:
            if self._fallback == FALLBACK_NONE or state.evidence.path != PATH_KEXEC or intent.method == METHOD_FIRMWARE:
                raise _Failed(error.reason, down=False) from error
            return await self._through_firmware(intent, state, error)
        return intent, state

    def _verify(self, intent: Intent, state: HostState) -> None:
        """Hold what runs against what was asked for, and keep what it is where it is something else."""
        try:
            self._reboot.verify(intent, state)
        except RebootError:
            self._record(events.HostUnproven(host=self._name, **self._came_back_as()))
            raise

    def _came_back_as(self) -> dict[str, Any]:
        known = self._reboot.known
        return {
            "path": known["path"],
            "proof": known["proof"] or {},
            "boot_id": known["after"]["boot_id"],
            "release": known["after"]["release"],
        }

    async def _watch(self, intent: Intent, due: float, ask_at: float | None = None) -> HostState:
        def went_down() -> None:
            self._phase = Phase.DOWN
            self._record(events.HostDown(host=self._name, down_at=utc(self._now_utc())))

        state = await self._reboot.watch(
            intent,
            due,
            self._request.reboot_timeout_s,
            again=lambda timeout_s: self._trigger_again(intent, timeout_s),
            went_down=went_down,
            ask_at=ask_at,
        )
        self._came_back(intent)
        return state

    async def _watch_on(self, intent: Intent) -> HostState:
        """Watch a host that has been down for too long already."""
        state = await self._reboot.watch(intent, self._now(), self._request.reboot_timeout_s)
        self._came_back(intent)
        return state

    def _came_back(self, intent: Intent) -> None:
        known = self._reboot.known
        self._came_back_from = intent
        self._phase = Phase.BACK
        self._record(
            events.HostBack(
                host=self._name,
                outage_ms=known["outage_ms"],
                outage_error_ms=known["outage_error_ms"],
                detected_by=known["detected_by"],
            )
        )

    def _probed(self, probed: Probed) -> None:
        outage = probed.outage
        self._record(
            events.HostProbed(
                host=self._name,
                probe_seen_by=probed.seen_by,
                probe_outage_ms=outage.duration_ms if outage else None,
                probe_outage_error_ms=outage.error_ms if outage else None,
                probe_down_at=utc(self._now_utc() - self._now() + outage.last_good) if outage else None,
                note=probed.note,
            )
        )

    async def _power_cycle(self, intent: Intent, error: RebootError) -> tuple[Intent, HostState]:
        """Once, for a host that stays away: what then comes back comes through firmware."""
        failed = await self._run_hooks("power_hook", self._hooks.power)
        if failed is not None:
            raise _Failed(reason(error.reason.code, "%s; %s" % (error.reason.message, failed.message)), down=True)
        try:
            state = await self._watch_on(intent)
        except RebootError as again:
            message = "%s; nor after its power was cycled" % error.reason.message
            raise _Failed(reason(again.reason.code, message), down=True) from again
        self._note(reason("POWER_CYCLED", error.reason.message))
        return intent, state

    async def _through_firmware(self, intent: Intent, state: HostState, error: RebootError) -> tuple[Intent, HostState]:
        """Reboot a host that came back with something else than was staged the way it always booted."""
        self._note(error.reason)
        request = RebootRequest(
            METHOD_FIRMWARE, self._request.reboot_timeout_s, self._request.test_command, self._request.message
        )
        panic = intent.panic
        intent = await self._reboot.prepare(request)
        intent = Intent(intent.method, state.evidence.boot_id, intent.token, "", panic, accepts_firmware=True)
        await self._reboot.read_clock()
        await self._declare(intent)
        try:
            await self._desk.confirm_slot(self._name)
        except RolloutError as lost:
            raise _Failed(error.reason, down=False) from lost
        await self._commit(intent)
        try:
            state = await self._watch(intent, self._now() + TRIGGER_GRACE_S)
            self._verify(intent, state)
        except RebootError as again:
            raise self._not_begun(again) from again
        return intent, state

    def _note(self, why: Reason) -> None:
        self._reboot.known["reasons"] = [*self._reboot.known.get("reasons", []), why.as_dict()]

    # Small things.

    async def _run_hooks(self, phase: str, hooks: Sequence[Hook]) -> Reason | None:
        """Run hooks one after the other; why the first failed that did. C(on_failure) runs all of them."""
        failed: Reason | None = None
        for hook in hooks:
            outcome = await self._runner.run(hook)
            self._record(
                events.HookEnded(
                    host=self._name,
                    hook=hook.name,
                    phase=phase,
                    attempts=outcome.attempts,
                    ok=outcome.ok,
                    duration_ms=outcome.duration_ms,
                    message=outcome.message,
                )
            )
            if not outcome.ok:
                failed = failed or reason("HOOK_FAILED", "%s hook %s: %s" % (phase, hook.name, outcome.message))
                if phase != "on_failure":
                    break
        return failed

    def _record(self, event: Event) -> None:
        self._desk.record(event)

    def _ms_since(self, began: float) -> int:
        return round((self._now() - began) * 1000)
