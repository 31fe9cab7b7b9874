# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conductor of a rollout, in one event loop: the scheduler decides, one coroutine for each host acts, the journal records."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._errors import RolloutError
from .._journal import events
from .._journal.events import Event
from .._journal.writer import Recorder
from .._reboot.result import RebootResult
from .._schedule.hosts import HostSpec, Status
from .._schedule.plan import Plan
from .._schedule.scheduler import Discard, Go, Prepare, Scheduler
from .bystanders import Bystanders
from .debts import SETTLE_S, Debts, Kind, Pay
from .earlier_runs import EarlierRuns
from .host_run import HostRun
from .resuming import AT_ONCE, Left, Treatment
from .slots_desk import Slots, SlotsDesk
from .takeover import Fleet, Takeover

# Interval at which the view is updated.
TICK_S = 0.5


class Conductor:
    """Conductor of one rollout.

    :param run_id: name under which the run holds slots.
    :param earlier: runs of this controller, which may have left slots behind.
    :param before: hosts of the run that is resumed.
    :param down: hosts and bystanders known to be down.
    :param shown: called with every event, for the live view.
    :param tick: called every :data:`TICK_S`, for the live view.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        scheduler: Scheduler,
        fleet: Fleet,
        slots: Slots,
        run_id: str,
        earlier: EarlierRuns,
        commit: Callable[[Sequence[Event]], Awaitable[None]],
        before: Mapping[str, Left] | None = None,
        down: Collection[str] = (),
        shown: Callable[[Event], None] = lambda event: None,
        tick: Callable[[float], None] = lambda now: None,
    ) -> None:
        self._plan = plan
        self._scheduler = scheduler
        self._fleet = fleet
        self._before = before or {}
        self._tick = tick
        self._now = asyncio.get_running_loop().time
        self._recorder = Recorder(commit, shown, self._journal_failed)
        self._hosts = {host.name: host for host in plan.hosts}
        self._runs: dict[str, HostRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting_to_go: dict[str, asyncio.Future[Reason | None]] = {}
        self._slots = SlotsDesk(slots, run_id=run_id, earlier=earlier, stop=self.stop)
        self._debts = Debts(self.record, self._debts_changed)
        # Replaced after every change, to wake those who wait for one.
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turn_due = asyncio.Event()
        self._up = dict.fromkeys(down, False)
        self._bystanders = Bystanders(
            fleet, is_up=lambda name: self._up.get(name, True), active=self._runs.__contains__, tell=self._seen
        )
        self._told_stop = False
        self._takeover = Takeover(self._before, plan, fleet=fleet, desk=self, slots=self._slots, debts=self._debts)
        self.results: dict[str, RebootResult] = {}

    async def run(self) -> None:
        """Run the rollout to its end."""
        background = [asyncio.create_task(self._tick_for_ever())]
        try:
            for name in self._up:
                self._scheduler.seen(name, False, self._now())
            self._takeover.take_debts()
            self._adopt()
            await self._takeover.take_slots()
            limited = [name for name, limits in self._plan.limits.items() if limits]
            background.append(asyncio.create_task(self._bystanders.watch(limited)))
            while True:
                self._turn_due.clear()
                self._take_turn()
                if self._scheduler.finished(self._now()) and not self._tasks:
                    break
                wake_at = self._scheduler.wake_at(self._now())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._turn_due.wait(), None if wake_at is None else max(0.0, wake_at - self._now()))
            await self._takeover.clean_up(lambda name: self._scheduler.status(name) is Status.SKIPPED)
            await self._settle()
        finally:
            background += self._takeover.paying
            for task in [*background, *self._tasks]:
                task.cancel()
            await self._debts.close()
            await asyncio.gather(*background, *self._tasks, return_exceptions=True)
            with contextlib.suppress(CodedError):
                await self._recorder.durable()

    def _take_turn(self) -> None:
        now = self._now()
        for decision in self._scheduler.next(now):
            host = decision.host
            if isinstance(decision, Prepare):
                self._begin(host)
            elif isinstance(decision, Go):
                self._waiting_to_go.pop(host.name).set_result(None)
            elif isinstance(decision, Discard):
                self._waiting_to_go.pop(host.name).set_result(decision.reason)
        if self._scheduler.stopped and not self._told_stop:
            self._told_stop = True
            self.record(events.RunStopping(reason=self._scheduler.stopped))
        changed, self._changed = self._changed, asyncio.get_running_loop().create_future()
        changed.set_result(None)

    def _begin(self, host: HostSpec, resumed: Left | None = None) -> None:
        try:
            run = self._fleet.run_of(host, self)
        except CodedError as error:
            if resumed:
                self._slots.held.add(host.name)
                self.keep_slot(host.name, error.reason)
                self._takeover.owe(resumed, error.reason)
            if resumed and resumed.treatment is Treatment.UNDO:
                self.record(events.HostLeftOut(host=host.name, reason=error.reason))
                self.discarded(host.name)
            elif resumed:
                self.record(events.HostFailed(host=host.name, reason=error.reason, down=True, phase=resumed.state.phase.value))
                self.failed(host.name, error.reason, down=True)
            else:
                self.record(events.HostRefused(host=host.name, reason=error.reason))
                self.refused(host.name, error.reason)
            return
        self._bystanders.leave(host.name)
        self._runs[host.name] = run
        before = self._before.get(host.name)
        steps = run.resume(resumed) if resumed else run.run(before.state if before else None)
        task = asyncio.create_task(steps, name=host.name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        name = task.get_name()
        run = self._runs.pop(name, None)
        if run is not None:
            self.results[name] = run.result
            if run.returns:
                self._scheduler.returned(name, self._now())
        left = self._before.get(name)
        if left is not None and left.reason is not None and self._scheduler.status(name) is Status.DISCARDED:
            self.record(events.HostLeftOut(host=name, reason=left.reason))
        if not task.cancelled() and task.exception() is not None:
            # An error that a host's run does not catch is a bug; the host's state is unknown then.
            why = reason("INTERNAL_ERROR", "%s: %r" % (name, task.exception()))
            self.stop(why)
            with contextlib.suppress(ValueError):
                self._scheduler.failed(name, self._now(), why, down=True)
        self._turn_due.set()

    def _happened(self) -> None:
        self._turn_due.set()

    async def _tick_for_ever(self) -> None:
        while True:
            self._tick(self._now())
            await asyncio.sleep(TICK_S)

    def _adopt(self) -> None:
        """Take over what earlier processes left: hosts that are in flight or drained, and so unavailable from the beginning."""
        for name, left in self._before.items():
            if left.treatment in AT_ONCE:
                self._scheduler.adopt(name, self._now())
                self._begin(self._hosts[name], left)
            elif left.reason is not None:
                self.record(events.HostLeftOut(host=name, reason=left.reason))

    async def _settle(self) -> None:
        """Have all debts paid that can be, within a time."""
        paying = self._takeover.paying
        paying += [asyncio.create_task(self._look_at(host)) for host in self._hosts if self._debts.owes(host, Kind.SLOT)]
        if paying:
            await asyncio.wait(paying, timeout=SETTLE_S)
        await self._debts.settle()

    async def _look_at(self, host: str) -> None:
        """Look once more at a host whose slot is kept because it was down."""
        if not self._up.get(host, True):
            with contextlib.suppress(CodedError):
                self._seen(host, await self._fleet.answers(host))

    def _debts_changed(self, host: str) -> None:
        if host not in self._plan.limits:
            return
        if self._debts.withheld(host):
            self._scheduler.withheld(host)
        else:
            self._scheduler.restored(host)
            self._free_kept_slot(host)
        self._happened()

    def _free_kept_slot(self, host: str) -> None:
        """Give back the slot of a host that was given up as down, once it is up and owes nothing that may take it down."""
        if self._up.get(host, False) and self._debts.owes(host, Kind.SLOT) and not self._debts.withheld(host):
            self._debts.retry(host, Kind.SLOT, lambda: self._slots.free(host), at_once=True)

    def _seen(self, name: str, up: bool) -> None:
        """Take in whether a host is up that is not being rebooted."""
        if self._up.get(name, True) == up:
            return
        self._up[name] = up
        self.record(events.HostSeen(host=name, up=up))
        if name in self._plan.limits:
            self._scheduler.seen(name, up, self._now())
        self._free_kept_slot(name)
        self._happened()

    # Implementation of desk.Desk.

    def record(self, event: Event) -> None:
        """Queue an event for the journal."""
        self._recorder.record(event)

    async def durable(self) -> None:
        """Wait until all events so far are on disk."""
        await self._recorder.durable()

    async def go(self, host: str) -> Reason | None:
        """Wait until a host that is ready may go."""
        waiting: asyncio.Future[Reason | None] = asyncio.get_running_loop().create_future()
        self._waiting_to_go[host] = waiting
        self._scheduler.prepared(host, self._now())
        self._happened()
        return await waiting

    def may_trigger(self, host: str) -> Reason | None:
        """Check once more before the trigger; see :meth:`Scheduler.may_trigger`."""
        now = self._now()
        wake_at = self._scheduler.wake_at(now)
        denied = self._scheduler.may_trigger(host, now)
        if self._scheduler.wake_at(now) != wake_at:
            # This was the last host that was not waiting: from here on the time runs after which the rollout stops.
            self._happened()
        return denied

    async def change(self, timeout_s: float | None = None) -> None:
        """Wait until anything happens, or until a timeout."""
        await asyncio.wait([self._changed], timeout=timeout_s)

    async def take_slot(self, host: str) -> bool:
        await self._debts.hold(host, Kind.SLOT)
        held = await self._slots.take(host)
        self._debts.paid(host, Kind.SLOT)
        if held is None:
            self._scheduler.goes_on(host)
        else:
            self._scheduler.held_up(host, held.why, self._now(), held.moved)
            self._happened()
        return held is None

    async def take_slot_again(self, host: str) -> None:
        await self._slots.take_again(host)

    async def slot_news(self) -> None:
        await self._slots.news()

    async def confirm_slot(self, host: str) -> None:
        await self._slots.confirm(host)

    async def free_slot(self, host: str) -> None:
        if host in self._slots.held or host in self._before:
            await self._slots.free(host)

    def keep_slot(self, host: str, why: Reason) -> bool:
        if not self._slots.counted or host not in self._slots.held:
            return False
        # What was seen before it went down is no reason to give it back.
        self._up[host] = False
        self._debts.keep(host, Kind.SLOT, why)
        self._bystanders.also(host)
        return True

    async def give_back(self, host: str, kind: Kind, pay: Pay, *, unavailable: bool = False) -> bool:
        return await self._debts.give_back(host, kind, pay, unavailable=unavailable)

    def paid(self, host: str, kind: Kind) -> None:
        self._debts.paid(host, kind)

    def begins_anew(self, host: str) -> bool:
        return self._debts.begins_anew(host)

    def drains(self, host: str) -> None:
        self._debts.drop(host, Kind.DRAIN)

    def seen_up(self, host: str) -> None:
        self._seen(host, up=True)

    def refused(self, host: str, why: Reason) -> None:
        """Take in that a host can't be rebooted."""
        self._scheduler.refused(host, why, self._now())
        self._happened()

    def not_needed(self, host: str) -> None:
        """Take in that a host needs no reboot."""
        self._scheduler.not_needed(host, self._now())
        self._happened()

    def failed(self, host: str, why: Reason, down: bool) -> None:
        """Take in that a host failed."""
        self._up[host] = not down
        self._scheduler.failed(host, self._now(), why, down)
        self._happened()

    def discarded(self, host: str) -> None:
        """Take in that all preparations of a host were undone."""
        self._scheduler.discarded(host)
        self._happened()

    def released(self, host: str, outage_s: float | None) -> None:
        """Take in that a host is available again."""
        self._up[host] = True
        self._scheduler.released(host, self._now(), outage_s)
        self._happened()

    def stop(self, why: Reason) -> None:
        """Start no more hosts."""
        self._scheduler.stop(why, self._now())
        self._slots.stopped()
        self._happened()

    def _journal_failed(self, error: RolloutError) -> None:
        self.stop(error.reason)
