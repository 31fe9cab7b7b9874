# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollout of a play's hosts, from options to result."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, reason

from .._console.lines import View
from .._console.summary import plan_text, summary
from .._errors import RolloutError
from .._hooks.hook import GRACE_S, HookSubject
from .._hooks.interrupt import Interrupt
from .._journal import events
from .._journal.events import Event, RunTerms
from .._journal.file import Journal, replay, utc
from .._journal.outcome import outcomes_of
from .._journal.phases import Phase
from .._journal.run_state import Change, RunState
from .._journal.run_store import Run, RunStore, default_directory
from .._journal.samples import outages_of, samples_of
from .._lock.interface import lock_options, make_lock
from .._lock.model import SlotLock
from .._reboot.request import RebootRequest
from .._reboot.result import RebootResult
from .._schedule.deadline import seconds_until
from .._schedule.forecast import Forecast, forecast
from .._schedule.history import History
from .._schedule.hosts import Prediction, Status
from .._schedule.plan import Plan, make_plan
from .._schedule.scheduler import Scheduler
from .._schedule.settings import settings_from
from .._text import Glyphs
from .._transport.bounded import CallAbandoned, bounded_call
from .._transport.interrupts import Interrupts
from .._transport.play_hosts import PlayHosts
from .._transport.prober import Prober, service_sockets
from .._values import setting
from .arguments import FAILURES_FAIL
from .conductor import Conductor
from .debts import Kind, give_up, owed
from .earlier_runs import EarlierRuns
from .fleet import PlayFleet
from .host_options import check_places
from .preview import look_at, previews
from .process import allow_all_descriptors, short_collections, while_parent_lives
from .run_hooks import RUN_HOOKS, RunHookLists, RunHooks

# If a sync takes longer than this, the disk is treated as full.
COMMIT_TIMEOUT_S = 60.0

INTERRUPTED = "the playbook was interrupted; before hooks are given up at once, and others have %g s" % GRACE_S


@dataclass(frozen=True)
class Controller:
    """Controller that the rollout runs on, and its interfaces to the user.

    :ivar name: name of this machine, for display.
    :ivar random: draws this number of bytes, as hexadecimal digits.
    :ivar say: shows a line to the user.
    :ivar progress: takes short messages about what a host does.
    :ivar columns: width of the texts before and after the rollout.
    :ivar view: makes the display, from the run's state and the predictions for each host.
    """

    name: str
    own_boot_id: str
    random: Callable[[int], str]
    say: Callable[[str], None]
    progress: Callable[[str, str], None]
    columns: int
    glyphs: Glyphs
    view: Callable[[RunState, Mapping[str, Prediction]], View]


class Probers(NamedTuple):
    """Probers with separate sockets and intervals, so that probes of services never delay those of hosts."""

    hosts: Prober
    services: Prober


@dataclass(frozen=True)
class _Planned:
    """Plan, with what it was made from."""

    plan: Plan
    fleet: PlayFleet
    history: History


class Rolling:
    """Rollout of a play's hosts.

    :param options: validated parameters of M(fleet.kexec.rolling_reboot), except those of :data:`host_options.PER_HOST`.
    :param raw: options of :data:`host_options.PER_HOST`, not templated yet.
    :param names: hosts that the play still has.
    :param unavailable: hosts of the play that have failed or could not be reached.
    :raises CodedError: the options are invalid.
    """

    def __init__(
        self,
        *,
        options: Mapping[str, Any],
        raw: Mapping[str, Any],
        hosts: PlayHosts,
        names: Sequence[str],
        unavailable: Sequence[str],
        request: RebootRequest,
        controller: Controller,
    ) -> None:
        setting(options["connections"], "connections").count(1)
        self._run_hooks = RunHookLists.parse(options)
        # Nothing else may see them, since they may hold secrets.
        options = {name: value for name, value in options.items() if name not in RUN_HOOKS}
        self._options = options
        self._raw = raw
        self._hosts = hosts
        self._names = list(names)
        self._unavailable = list(unavailable)
        self._request = request
        self._controller = controller
        self._store = RunStore(options["run_directory"] or default_directory(os.environ))
        self._settings = settings_from(
            {**options, "deadline": options["deadline"] and seconds_until(options["deadline"], datetime.now().astimezone())}
        )
        self._lock = lock_options(options["lock"] or {})
        self._interrupt = Interrupt()
        # Drawn once, so that repeated plans are the same.
        self._seed = int(controller.random(4), 16)

    async def plan(self) -> dict[str, Any]:
        """Plan the rollout without touching any host.

        :raises CodedError: the rollout as a whole is refused.
        """
        async with _probers() as probers:
            before = None
            if self._options["resume"]:
                before = RunState()
                replay(self._store.open(self._options["resume"]).journal, before.read)
                self._retry(before)
            planned = self._planned(probers, before)
            ended = before.settled() if before else {}
            left = [host for host in planned.plan.hosts if host.name not in ended]
            looked = await look_at(
                [host.name for host in left], planned.fleet.reboot_of, self._request, at_once=self._options["connections"]
            )
            refused = {name: result.failure for name, result in looked.items() if result.failure is not None}
            planned = self._left(planned, [*ended, *refused])
            foreseen = self._foresee(planned)
            self._say(plan_text(planned.plan, foreseen, refused, **self._layout()))
            told = previews(left, looked)
            told.update({name: {"status": status.value} for name, status in ended.items()})
            return {
                "changed": bool(planned.plan.hosts),
                "waves": _waves(planned.plan),
                "hosts": told,
                "forecast": foreseen.as_result(),
            }

    async def run(self) -> dict[str, Any]:
        """Carry out the rollout.

        :raises CodedError: the rollout as a whole is refused.
        :raises Orphaned: the playbook's process is gone.
        """
        allow_all_descriptors()
        state = RunState()
        before: RunState | None = None
        async with _probers() as probers, contextlib.AsyncExitStack() as opened:
            opened.enter_context(short_collections())
            first: Event
            if self._options["resume"]:
                run = self._store.open(self._options["resume"])
                journal = opened.enter_context(Journal(run.journal, replay=state.read))
                before = copy.deepcopy(self._retry(state))
                planned = self._planned(probers, before, but=run.run_id)
                foreseen = self._foresee(self._left(planned, list(before.settled())))
                first = events.RunResumed(controller=self._controller.name, pid=os.getpid())
            else:
                planned = self._planned(probers, None)
                foreseen = self._foresee(planned)
                run = self._store.new(self._options["run_id"], time.time(), self._controller.random)
                journal = opened.enter_context(Journal(run.journal))
                first = self._started(run, planned.plan)

            async def commit(batch: Sequence[Event]) -> None:
                records = [event.as_record() for event in batch]
                try:
                    await bounded_call(lambda: journal.append(records), COMMIT_TIMEOUT_S)
                except CallAbandoned as error:
                    raise RolloutError("JOURNAL_FAILED", "%s: %s" % (run.journal, error)) from error

            opening = [first, RunTerms.of(planned.plan, self._settings, foreseen)]
            await commit(opening)
            changes = [state.apply(event, utc(time.time())) for event in opening]
            lock = make_lock(self._lock, run.run_id, self._controller.name, progress=self._controller.say)
            await lock.open()
            opened.push_async_callback(_close, lock)
            return await self._conduct(
                run=run,
                changes=changes,
                state=state,
                before=before,
                planned=planned,
                foreseen=foreseen,
                lock=lock,
                prober=probers.hosts,
                commit=commit,
            )

    async def _conduct(
        self,
        *,
        run: Run,
        changes: Sequence[Change],
        state: RunState,
        before: RunState | None,
        planned: _Planned,
        foreseen: Forecast,
        lock: SlotLock,
        prober: Prober,
        commit: Callable[[Sequence[Event]], Any],
    ) -> dict[str, Any]:
        now = asyncio.get_running_loop().time
        began = now()
        subject = planned.fleet.run_subject = HookSubject(run_id=run.run_id, journal=run.journal)
        plan = planned.plan
        scheduler = Scheduler(
            plan,
            self._settings,
            began,
            outages_of(planned.history.samples),
            done={name: status for name, status in before.settled().items() if name in plan.limits} if before else None,
        )
        view = self._controller.view(state, {host.name: host.predicted for host in plan.hosts})
        # These changes precede the view.
        for change in changes:
            view.show(change, began)

        def shown(event: Event) -> None:
            view.show(state.apply(event, utc(time.time())), now())

        conductor = Conductor(
            plan=plan,
            scheduler=scheduler,
            fleet=planned.fleet,
            prober=prober,
            slots=lock,
            run_id=run.run_id,
            earlier=EarlierRuns(self._store, self._controller.name),
            commit=commit,
            before=before,
            down=self._down(before),
            shown=shown,
            tick=lambda now: view.tick(now, scheduler.waiting(now)),
        )
        run_hooks = RunHooks(self._run_hooks, subject=subject, runner=planned.fleet.hook_runner(None), record=conductor.record)

        def interrupted() -> None:
            conductor.stop(reason("INTERRUPTED", INTERRUPTED))
            self._interrupt.occur()

        try:
            with Interrupts(interrupted):
                await while_parent_lives(_course(conductor, run_hooks, state), lambda: scheduler.stopped is not None)
                why = await give_up(lock.close)
                if why is not None:
                    owes = events.RunOwes(debt=Kind.LOCK.value, reason=owed(Kind.LOCK, why))
                    with contextlib.suppress(CodedError):
                        await commit([owes])
                    shown(owes)
                counts = {status.value: count for status, count in scheduler.counts().items() if count}
                ended = events.RunEnded(counts=counts, duration_ms=round((now() - began) * 1000))
                with contextlib.suppress(CodedError):
                    await commit([ended])
                shown(ended)
        finally:
            view.close()
        self._say(summary(state, journal=run.journal, forecast=foreseen, **self._layout()))
        return {
            "changed": any(each.path is not None for each in conductor.results.values()),
            "run_id": run.run_id,
            "journal": run.journal,
            "forecast": foreseen.as_result(),
            "run_hooks": [_told(hook) for hook in state.hooks.values()],
            **self._result(state, {host.name: scheduler.status(host.name) for host in plan.hosts}, conductor.results),
        }

    def _result(self, state: RunState, statuses: Mapping[str, Status], results: Mapping[str, RebootResult]) -> dict[str, Any]:
        """Build the task's result, and decide whether the task fails."""
        stopped = state.stop_reason
        result: dict[str, Any] = {
            "counts": state.counts,
            "stopped": {"code": stopped.code, "message": stopped.message, "hint": stopped.hint} if stopped else None,
            "owed": [{"debt": debt, **why.as_dict()} for debt, why in state.owed.items()],
            "hosts": outcomes_of(state, statuses, results),
            "duration_ms": state.duration_ms,
        }
        left = [name for name, status in statuses.items() if status is not Status.DONE]
        if left and self._options["failures"] == FAILURES_FAIL:
            why = stopped or next((host.reason for host in state.hosts.values() if host.reason), None)
            result.update(
                failed=True, msg="%d of %d hosts were not rebooted as asked: %s" % (len(left), len(statuses), _named(left))
            )
            if why is not None:
                result.update(msg="%s. %s" % (result["msg"], why.message), code=why.code, hint=why.hint)
        owing = [name for name, host in state.hosts.items() if host.owed] + [state.run_id] * bool(state.owed)
        if owing and not left and self._options["failures"] == FAILURES_FAIL:
            why = reason("DEBT_OWED", "all hosts were rebooted, but something could not be given back: %s" % _named(owing))
            result.update(failed=True, msg=why.message, code=why.code, hint=why.hint)
        return result

    def _say(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._controller.say(line)

    def _layout(self) -> dict[str, Any]:
        return {"columns": self._controller.columns, "glyphs": self._controller.glyphs}

    def fleet(self, probers: Probers) -> PlayFleet:
        return PlayFleet(
            self._hosts,
            self._raw,
            prober=probers.hosts,
            service_prober=probers.services,
            request=self._request,
            fallback=self._options["fallback"],
            connect_timeout_s=self._options["connect_timeout"],
            connections=self._options["connections"],
            own_boot_id=self._controller.own_boot_id,
            random=self._controller.random,
            progress=self._controller.progress,
            interrupt=self._interrupt,
        )

    def _planned(self, probers: Probers, before: RunState | None, but: str | None = None) -> _Planned:
        names = self._names_of(before)
        history = History(samples_of(self._store, but))
        fleet = self.fleet(probers)
        for option, hooks in self._run_hooks.by_option().items():
            check_places(self._hosts, option, hooks)
        fleet.read(names)
        return self._make_plan(fleet, names, [], history)

    def _make_plan(self, fleet: PlayFleet, names: Sequence[str], others: Sequence[str], history: History) -> _Planned:
        around = dict.fromkeys([*others, *self._unavailable, *self._hosts.members(self._settings.min_available)])
        going, known = set(names), set(others)
        bystanders = [name for name in around if name not in going]
        fleet.read([name for name in bystanders if name not in known], rebooted=False)
        hosts = fleet.hosts(names, history, self._lock.machines)
        plan = make_plan(hosts, fleet.bystanders(bystanders), self._settings, self._seed)
        return _Planned(plan, fleet, history)

    def _left(self, planned: _Planned, others: Sequence[str]) -> _Planned:
        """Reduce a plan by these hosts, which are not rebooted but still count for the limits."""
        left_out = set(others)
        going = [host.name for host in planned.plan.hosts if host.name not in left_out]
        return self._make_plan(planned.fleet, going, others, planned.history)

    def _foresee(self, planned: _Planned) -> Forecast:
        return forecast(planned.plan, self._settings, planned.history, self._seed)

    def _names_of(self, before: RunState | None) -> list[str]:
        """Names of the hosts to reboot: those of the play, or of the run that is resumed."""
        if before is None:
            return self._names
        strangers = [name for name in self._names if name not in before.hosts]
        if strangers:
            raise RolloutError(
                "SETTINGS_INVALID", "resume: run %s has no %s; start a run of its own for it" % (before.run_id, strangers[0])
            )
        return list(before.hosts)

    def _down(self, before: RunState | None) -> list[str]:
        """Names of hosts known to be down."""
        given_up = [name for name, host in before.hosts.items() if host.down] if before is not None else []
        return list(dict.fromkeys([*self._unavailable, *given_up]))

    def _retry(self, state: RunState) -> RunState:
        """Reset failed hosts, if the options ask for it."""
        if self._options["retry_failed"]:
            state.retry([name for name, host in state.hosts.items() if host.phase is Phase.FAILED])
        return state

    def _started(self, run: Run, plan: Plan) -> Event:
        shown = {name: value for name, value in self._options.items() if value is not None and name != "lock"}
        lock = self._options["lock"] or {}
        shown["lock"] = {name: lock[name] for name in ("backend", "name", "slots") if lock.get(name) is not None}
        return events.RunStarted(
            run_id=run.run_id,
            controller=self._controller.name,
            collection_version=collection_version(),
            hosts=tuple(host.name for host in plan.hosts),
            bystanders=tuple(each.name for each in plan.bystanders),
            settings=shown,
            waves=tuple(_waves(plan)),
            pid=os.getpid(),
        )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and %d more" % (len(names) - 3) if len(names) > 3 else "")


def collection_version() -> str:
    """Version of this collection; empty in a checkout."""
    manifest = os.path.join(os.path.dirname(__file__), "../../../MANIFEST.json")
    try:
        with open(manifest, encoding="utf-8") as stream:
            return str(json.load(stream)["collection_info"]["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _told(hook: events.RunHookEnded) -> dict[str, Any]:
    return {name: value for name, value in hook.as_record().items() if name != "event"}


def _waves(plan: Plan) -> list[dict[str, Any]]:
    return [{"name": wave.name, "hosts": [host.name for host in wave.hosts], "soak_s": wave.soak_s} for wave in plan.waves]


async def _course(conductor: Conductor, run_hooks: RunHooks, state: RunState) -> None:
    """Carry out a rollout between the hooks of the run. Hosts in flight of a resume are seen through even if those fail."""
    failed = await run_hooks.before()
    if failed is not None:
        conductor.stop(failed)
    try:
        await conductor.run()
    except Exception as error:
        await run_hooks.after(reason("INTERNAL_ERROR", repr(error)))
        raise
    await run_hooks.after(state.stop_reason)
    with contextlib.suppress(CodedError):
        await conductor.durable()


async def _close(lock: SlotLock) -> None:
    """Give up the lease of a run that ended early; one that can't be given up runs out."""
    with contextlib.suppress(CodedError):
        await lock.close()


@contextlib.asynccontextmanager
async def _probers() -> AsyncIterator[Probers]:
    with contextlib.closing(Prober()) as hosts, contextlib.closing(Prober(sockets=service_sockets())) as services:
        yield Probers(hosts, services)
