# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run of one host through a rollout, from its facts to its release.

Until the intent is in the journal, all preparations are undone if the host does not go on. From then on the host may have
rebooted, so this process, or the one that resumes the run, has to find out how the reboot ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import Hardware
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason
from ansible_collections.fleet.kexec.plugins.module_utils._timeline.timeline import Interval

from .._errors import RolloutError
from .._hooks.hook import HookSubject
from .._hooks.runner import HookRunner
from .._journal import events
from .._journal.events import Event
from .._journal.file import time_of
from .._journal.host_state import HostState
from .._journal.phases import Phase
from .._reboot.errors import NotNeeded, RebootError
from .._reboot.host_reboot import TRIGGER_GRACE_S, HostReboot
from .._reboot.request import Intent, RebootRequest
from .._reboot.result import RebootResult
from .._reboot.scripts import HostAnswer
from .._schedule.hosts import HostSpec
from .._schedule.scheduler import WAITING
from .._transport.session import SessionError, SessionLost
from .debts import Kind, attempt
from .desk import Desk
from .fallbacks import Fallbacks
from .flight import Flight, GivenUp, intent_of
from .host_debts import HostDebts
from .host_hooks import Hooks, HostHooks
from .resuming import Left, Treatment

# A host that does not answer a resume within this time counts as down.
ASK_TIMEOUT_S = 10.0


class _Discarded(Exception):
    """Raised when a host may no longer go."""


class HostRun:
    """Run of one host.

    :param subject: the host and its run, for its hooks.
    :param now_utc: returns seconds since 1970.
    :param classify: host class of a host with this hardware; None for that of the plan.
    :ivar returns: whether an earlier process had begun with the host, and all of that was undone because there is no room for it
        now. Its turn comes later.
    """

    def __init__(
        self,
        host: HostSpec,
        *,
        reboot: HostReboot,
        runner: HookRunner,
        hooks: Hooks,
        subject: HookSubject,
        request: RebootRequest,
        fallback: str,
        desk: Desk,
        now_utc: Callable[[], float] = time.time,
        classify: Callable[[Hardware | None], str] | None = None,
    ) -> None:
        self._host = host
        self._name = host.name
        self._reboot = reboot
        self._request = request
        self._desk = desk
        self._now_utc = now_utc
        self._now = asyncio.get_running_loop().time
        self._hooks = HostHooks(hooks, subject=subject, runner=runner, method=lambda: reboot.result.method, record=desk.record)
        self._flight = Flight(host.name, reboot, request, desk, now_utc)
        self._fallbacks = Fallbacks(
            fallback,
            name=host.name,
            flight=self._flight,
            reboot=reboot,
            request=request,
            hooks=self._hooks,
            desk=desk,
        )
        self._debts = HostDebts(host.name, reboot, self._hooks, desk)
        self._run_id = subject.run_id
        self._classify = classify or (lambda _hardware: host.host_class)
        # As planned, until the hardware is known.
        self._host_class = host.host_class
        self.returns = False
        # System in which an earlier process had the host remember its machine; empty if none had.
        self._remembered = ""
        # Reason for which an earlier process, or this one, had given it up; None if none had.
        self._given_up_for: Reason | None = None
        # For the timeline.
        self._draining: Interval | None = None
        self._healthy_at: float | None = None

    @property
    def result(self) -> RebootResult:
        return self._reboot.result

    async def run(self, state: HostState | None = None) -> None:
        """Take the host from its facts to its release; C(state) is what earlier processes left of it, if any."""
        if state is not None:
            self._debts.adopt_image(state)
            self._remembered, self._given_up_for = state.remembered, state.given_up_for
        await self._guarded(self._from_the_start())
        await attempt(self._end_probe)

    async def resume(self, left: Left) -> None:
        """Continue with a host that another process had drained or triggered, or put it back."""
        self._remembered, self._given_up_for = left.state.remembered, left.state.given_up_for
        if left.reason is not None:
            self._flight.forbid(left.reason)
            self._fallbacks.forbid()
        steps = {Treatment.FIRST: self._from_the_drain, Treatment.UNDO: self._put_back}.get(left.treatment, self._from_the_intent)
        await self._guarded(steps(left.state))
        await attempt(self._end_probe)

    async def clean_up(self, state: HostState) -> None:
        """Undo the preparations of another process on a host that may no longer go, and pay what it owes."""
        if state.owed.keys() - {Kind.SLOT}:
            await self.pay(state)
        if state.maybe_staged and Kind.IMAGE not in state.owed:
            self._debts.adopt(state)
            await self._debts.put_back(self._flight.told)

    async def pay(self, state: HostState) -> None:
        """Pay what a host owes from another process, which has finished with it."""
        await self._debts.pay_for(state, intent_of(state, self._request.methods))

    async def _guarded(self, steps: Awaitable[None]) -> None:
        """Run steps, and make sure that the host ends in exactly one way."""
        try:
            await steps
            return
        except _Discarded:
            if self.returns or not self._debts.astray:
                await self._discard()
                return
            why, down = self._astray(), False
        except NotNeeded:
            await self._put_back_if_begun()
            self._record(events.HostNotNeeded(host=self._name))
            self._desk.not_needed(self._name)
            return
        except GivenUp as error:
            why, down = error.reason, error.down
        except SessionError as error:
            why, down = error.reason, isinstance(error, SessionLost)
        except RolloutError as error:
            # The run can't continue; the host itself has no problem.
            if not self._flight.triggered and not self._debts.astray:
                await self._discard()
                return
            why, down = (error.reason, True) if self._flight.triggered else (self._astray(), False)
        except CodedError as error:
            why, down = error.reason, False
            if self._flight.phase is Phase.PREPARING and not self._debts.astray:
                await self._put_back_if_begun()
                self._record(events.HostRefused(host=self._name, reason=why))
                self._desk.refused(self._name, why)
                return
        except Exception as error:
            why, down = reason("INTERNAL_ERROR", "%s: %s" % (type(error).__name__, error)), self._flight.triggered
        await self._fail(why, down)

    def _astray(self) -> Reason:
        """Reason to give up a host that came back from an earlier reboot, not as it should, and is not rebooted again."""
        why = self._given_up_for or reason("NOT_PROVEN", "it came back otherwise than it should")
        return reason(why.code, "%s; it was not rebooted again" % why.message)

    async def _put_back_if_begun(self) -> None:
        """Put back a host that this process, or an earlier one, has staged an image on or drained."""
        if self._reboot.touched or self._debts.drained:
            await self._debts.put_back(self._flight.told)

    async def _discard(self) -> None:
        await self._debts.put_back(self._flight.told)
        if not self.returns:
            self._desk.discarded(self._name)

    async def _fail(self, why: Reason, down: bool) -> None:
        await attempt(self._end_probe)
        # A host that rebooted and is not as expected stays drained; on_failure hooks notify of it.
        if not self._flight.triggered:
            await self._debts.put_back(self._flight.told)
        elif self._flight.may_begin:
            self._debts.astray = self._debts.astray or self._flight.came_back_from is not None
            down = not await self._debts.call_off()
            if down:
                await self._debts.keep_slot(why)
        elif down:
            await self._debts.keep_slot(why)
        else:
            await self._debts.free_slot()
        await attempt(lambda: self._hooks.on_failure(why))
        # These hooks took a while.
        down = down and not self._debts.reboot_over
        self._record(events.HostFailed(host=self._name, reason=why, down=down, phase=self._flight.phase.value))
        self._desk.failed(self._name, why, down)
        await self._tell_timeline()

    async def _end_probe(self) -> None:
        self._reboot.end_probe()

    async def _put_back(self, state: HostState) -> None:
        self._debts.adopt(state)
        raise _Discarded

    async def _from_the_drain(self, state: HostState) -> None:
        """Prepare and drain a host anew that another process may have drained."""
        self._debts.adopt(state)
        await self._from_the_start(out=True)

    async def _from_the_start(self, out: bool = False) -> None:
        """Take the host from its facts to its release; C(out) if it is in flight already and needs no Go."""
        self._flight.phase = Phase.PREPARING
        denied = self._desk.may_trigger(self._name) if out else None
        if denied is not None:
            # Waiting for room while drained could last for ever, because others may wait for this host.
            self.returns = denied.code == WAITING
            raise _Discarded
        self._record(events.HostPreparing(host=self._name))
        self._debts.drained = self._desk.begins_anew(self._name) or self._debts.drained
        await self._desk.durable()
        began = self._now()
        # A host that is in flight is rebooted even if it no longer needs it.
        intent = await self._reboot.prepare(replace(self._request, in_flight=out))
        result = self._reboot.result
        self._host_class = self._classify(result.hardware)
        self._record(
            events.HostPrepared(
                host=self._name,
                method=intent.method.name,
                token=intent.token,
                release=intent.release,
                staged=result.staged,
                boot_id=intent.system.boot_id,
                soft_reboots=intent.system.soft_reboots,
                release_before=result.before.release if result.before else "",
                predicted_ms=self._host.predicted.as_ms(),
                reasons=result.reasons,
                notes=result.notes or (),
                duration_ms=self._ms_since(began),
                host_class=self._host_class,
                hardware=asdict(result.hardware) if result.hardware else None,
            )
        )
        if result.needed:
            self._record(events.HostNeeded(host=self._name, reasons=result.needed))
        self._flight.phase = Phase.READY
        if not out and await self._desk.go(self._name) is not None:
            raise _Discarded
        went = self._now()
        self._require_calm()
        await self._take_slot()
        await self._drain()
        intent = await self._remember(intent)
        # This takes a while, so it comes before the gate, after which the trigger has to follow soon.
        await self._reboot.locate()
        await self._pass_the_gate()
        await self._flight.declare(intent)
        # Writing the intent may have taken long: a run that lost its lease or was stopped meanwhile must not trigger.
        await self._desk.confirm_slot(self._name)
        denied = self._desk.may_trigger(self._name)
        if denied is not None and denied.code != WAITING:
            raise _Discarded
        await self._flight.trigger(intent)
        await self._see_through(intent, went, due=self._now() + TRIGGER_GRACE_S)

    def _require_calm(self) -> None:
        """Refuse a host whose class has failed since it was prepared; nothing on it has changed for its users."""
        try:
            self._reboot.require_calm()
        except RebootError:
            self._flight.phase = Phase.PREPARING
            raise

    async def _drain(self) -> None:
        began = self._now()
        self._flight.phase = Phase.DRAINING
        self._record(events.HostDraining(host=self._name))
        self._desk.drains(self._name)
        if self._hooks.drains:
            # Without hooks there is nothing to undo after a crash, so the host need not wait for the disk.
            await self._desk.durable()
        # Even a hook that failed may have done part of its work.
        self._debts.drained = self._debts.drained or self._hooks.drains
        failed = await self._hooks.before()
        if failed is not None and failed.code == "INTERRUPTED":
            raise _Discarded
        if failed is not None:
            raise GivenUp(failed, down=False)
        self._draining = self._reboot.since(began)
        self._record(events.HostDrained(host=self._name, duration_ms=self._ms_since(began)))

    async def _remember(self, intent: Intent) -> Intent:
        """Have the host remember its machine, unless it has rebooted since that was done: what it is now may be the damage."""
        if self._remembered and self._remembered != str(intent.system):
            return replace(intent, remembered=self._remembered)
        return await self._reboot.remember(self._request, intent)

    async def _take_slot(self) -> None:
        """Wait for a slot of the lock shared with other controllers, before anything that users of the host would notice."""
        while True:
            denied = self._desk.may_trigger(self._name)
            if denied is not None and denied.code != WAITING:
                raise _Discarded
            if denied is not None:
                await self._desk.change()
            elif await self._desk.take_slot(self._name):
                return
            else:
                await self._desk.slot_news()

    async def _pass_the_gate(self) -> None:
        """Wait for capacity, which may have been lost while the host was drained."""
        self._flight.phase = Phase.GATE
        while True:
            denied = self._desk.may_trigger(self._name)
            if denied is None:
                return
            if denied.code != WAITING:
                raise _Discarded
            await self._desk.change()

    async def _from_the_intent(self, state: HostState) -> None:
        """Find out how the reboot of a host that may have been triggered went, and take it to its release."""
        self._debts.drained, self._debts.astray = state.maybe_drained, state.astray
        self._flight.triggered = self._flight.told = True
        self._flight.acknowledged = state.acknowledged
        self._flight.phase = Phase.DOWN if state.starts_over_unsettled else state.phase
        self._host_class = state.host_class or self._host_class
        intent = intent_of(state, self._request.methods)
        self._reboot.adopt(intent, state.release_before, state.staged)
        # It is watched even without a slot.
        await self._desk.take_slot_again(self._name)
        now, ago_s = self._now(), max(0.0, self._now_utc() - time_of(state.intended_at))
        answer = await self._reboot.ask(intent.token, ASK_TIMEOUT_S)
        if state.starts_over_unsettled and (answer is None or intent.method.is_over(intent, answer.evidence)):
            await self._over_again(state, answer)
            return
        if answer is not None and answer.idle and not intent.method.is_over(intent, answer.evidence):
            # The host never received the trigger, or someone stopped it.
            self._flight.triggered = False
            if self._flight.forbidden is not None:
                raise _Discarded
            # One that was put back by an earlier process is in service, and waits for its turn as any other.
            self.returns = state.called_off and not (state.in_flight or state.maybe_drained)
            if self.returns:
                raise _Discarded
            await self._from_the_start(out=True)
            return
        await self._reboot.locate()
        await self._see_through(intent, now - ago_s, due=now - ago_s, ask_at=now)

    async def _over_again(self, state: HostState, answer: HostAnswer | None) -> None:
        """Start over with a host that was given up while it was down, once it has come back from that reboot."""
        if answer is None:
            self._flight.may_begin = Kind.IMAGE in state.withheld
            raise GivenUp(reason("UNREACHABLE", "it does not answer since it was given up"), down=True)
        self._debts.astray, self._flight.triggered = True, False
        if self._flight.forbidden is not None:
            raise _Discarded
        await self._from_the_start(out=True)

    async def _see_through(self, intent: Intent, went: float, due: float, ask_at: float | None = None) -> None:
        intent, answer = await self._fallbacks.until_back(intent, due, ask_at)
        while True:
            await self._debts.restore_panic(intent, answer)
            self._flight.verified(answer)
            degraded = await self._flight.compare(intent)
            if degraded is None:
                break
            # Ends: no method is the fallback of the last one.
            intent, answer = await self._fallbacks.from_degraded(intent, answer, degraded)
        began = self._now()
        failed = await self._hooks.after()
        if failed is not None:
            raise GivenUp(failed, down=False)
        self._debts.undrained()
        self._flight.phase = Phase.HEALTHY
        self._healthy_at = self._now()
        self._record(events.HostHealthy(host=self._name, duration_ms=self._ms_since(began)))
        await self._debts.free_slot()
        self._reboot.end_probe()
        self._record(events.HostReleased(host=self._name, duration_ms=self._ms_since(went)))
        outage = self._reboot.result.outage
        self._desk.released(self._name, outage.duration_ms / 1000 if outage else None)
        await self._tell_timeline()

    async def _tell_timeline(self) -> None:
        """Journal the timeline. The host has ended by then, so only the end of the run waits for this."""
        if self._flight.came_back_from is None:
            return
        timeline = await self._reboot.timeline(
            self._flight.came_back_from,
            healthy_at=self._healthy_at,
            drain=self._draining,
            host_class=self._host_class,
            run_id=self._run_id,
        )
        if timeline is not None:
            self._record(events.HostTimeline(host=self._name, timeline=timeline))

    def _record(self, event: Event) -> None:
        self._desk.record(event)

    def _ms_since(self, began: float) -> int:
        return round((self._now() - began) * 1000)
