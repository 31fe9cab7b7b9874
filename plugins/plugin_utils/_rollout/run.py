# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollout of a play's hosts, from options to result."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError, Reason, reason

from .._console.summary import plan_text, summary
from .._errors import RolloutError
from .._hooks.hook import GRACE_S, HookSubject
from .._hooks.interrupt import Interrupt
from .._host_facts import PreparedBoot
from .._journal import events
from .._journal.events import Event, Record, RunTerms
from .._journal.file import Journal, replay, utc
from .._journal.outcome import outcomes_not_selected, status_of
from .._journal.run_state import Change, RunState
from .._journal.run_store import Run, RunStore
from .._journal.samples import remembered
from .._ledger.judge import ClassJudge
from .._ledger.samples import outages_of_ledger, samples_of_ledger
from .._lock.interface import lock_options, make_lock
from .._lock.model import SlotLock
from .._reboot.methods import LEAST
from .._reboot.request import RebootRequest
from .._reboot.result import RebootResult
from .._schedule.forecast import Forecast, forecast
from .._schedule.history import History
from .._schedule.path_outages import PathOutages
from .._schedule.plan import Plan, part_of
from .._schedule.scheduler import Scheduler
from .._schedule.settings import settings_from
from .._text import counted
from .._transport.bounded import CallAbandoned, bounded_call
from .._transport.interrupts import Interrupts
from .._transport.play_hosts import PlayHosts
from .._transport.prober import Prober, service_sockets
from .._variables import VariableNames
from .combinations import options_without_effect, refuse_contradictions
from .conductor import Conductor
from .controller import Controller
from .debts import Kind, give_up, owed
from .earlier_runs import EarlierRuns
from .fleet import PlayFleet
from .host_options import check_places
from .identities import Identities
from .opening import resumed, started
from .planning import Planner
from .preview import ask_for_needs, look_at, methods_of, plan_of_least, previews, saved_by_least, told_of_rest
from .process import Orphaned, allow_all_descriptors, short_collections, while_parent_lives
from .proving import RunLedger, ask_for_classes, canaries_of, risks_by_ledger
from .results import counts_of, final_statuses, result_of, waves_of
from .resuming import AT_ONCE, GOING, TO_PREPARE, Rest, Selection
from .run_hooks import RUN_HOOKS, RunHookLists, RunHooks
from .terms import Terms, terms_again, terms_of, told_at_resume, told_of_strangers

# If a sync takes longer than this, the disk is treated as full.
COMMIT_TIMEOUT_S = 60.0

INTERRUPTED = "the playbook was interrupted; before hooks are given up at once, and others have %g s" % GRACE_S
UNREAD = "nobody reads the playbook's output any more"


class Probers(NamedTuple):
    """Probers with separate sockets and intervals, so that probes of services never delay those of hosts."""

    hosts: Prober
    services: Prober


@dataclass(frozen=True)
class _Planned:
    """Plan, with what it was made from; C(rest) is that of the run that is resumed."""

    plan: Plan
    terms: Terms
    fleet: PlayFleet
    history: History
    outages: PathOutages
    rest: Rest | None
    judge: ClassJudge


class Rolling:
    """Rollout of a play's hosts.

    :param options: validated parameters of M(fleet.kexec.rolling_reboot), except those of :data:`host_options.PER_HOST`.
    :param raw: options of :data:`host_options.PER_HOST`, not templated yet.
    :param names: hosts that the play still has.
    :param left_out: hosts of the play that the task is not meant for, and why.
    :param unavailable: hosts of the play that have failed or could not be reached.
    :param variable_names: variables that users may set for the hosts; None if they are not checked.
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
        left_out: Mapping[str, str] | None = None,
        variable_names: VariableNames | None = None,
    ) -> None:
        refuse_contradictions(options)
        for sentence in request.check():
            controller.warn(sentence)
        self._run_hooks = RunHookLists.parse(options)
        # Nothing else may see them, since they may hold secrets.
        options = {name: value for name, value in options.items() if name not in RUN_HOOKS}
        self._options = options
        self._raw = raw
        self._hosts = hosts
        self._names = list(names)
        self._left_out = dict(left_out or {})
        self._unavailable = list(unavailable)
        self._request = request
        self._controller = controller
        self._variable_names = variable_names
        self._store = RunStore.at(options["run_directory"], os.environ)
        self._ledger = RunLedger(self._store, options["ledger"], controller.warn)
        # Of a resume, the journal has a say in them.
        self._terms = None if options["resume"] else terms_of(options, request, _now())
        settings_from({**options, "deadline": None})
        self._lock = lock_options(options["lock"] or {})
        self._interrupt = Interrupt()
        # Drawn once, so that repeated plans are the same.
        self._seed = int(controller.random(4), 16)
        self._planner = Planner(
            hosts,
            self._names,
            left_out=self._left_out,
            unavailable=self._unavailable,
            machines=self._lock.machines,
            seed=self._seed,
        )

    async def plan(self) -> dict[str, Any]:
        """Plan the rollout, or the rest of the run that is resumed, without touching any host.

        :raises CodedError: the rollout as a whole is refused.
        :raises Orphaned: nobody is left to read the plan.
        """

        def look() -> None:
            if self._controller.unread():
                raise Orphaned(UNREAD)

        return await while_parent_lives(self._plan(), lambda: False, look)

    async def _plan(self) -> dict[str, Any]:
        async with _probers() as probers:
            before = None
            if self._options["resume"]:
                before = RunState()
                run = self._store.open(self._options["resume"])
                replay(run.journal, self._reader(before))
                planned = self._planned(probers, before, but=run.run_id)
            else:
                planned = await self._with_canaries(self._planned(probers, None), [])
            rest, fleet = planned.rest, planned.fleet
            # One in flight may be down, and tells what became of it once it is asked.
            left = [host for host in planned.plan.hosts if rest is None or rest.hosts[host.name].treatment in TO_PREPARE]
            looked = await look_at(
                [host.name for host in left], fleet.reboot_of, fleet.request_of, at_once=self._options["connections"]
            )
            refused = {name: result.failure for name, result in looked.items() if result.failure is not None}
            spared = [name for name, result in looked.items() if result.not_needed]
            needed = {name: result.needed for name, result in looked.items() if result.needed}
            if planned.terms.request.method == LEAST:
                fleet.methods = {**fleet.methods, **methods_of(looked)}
            # Only these are planned again: most hosts say what is known of them.
            said = {name: result.prepared for name, result in looked.items() if result.prepared is not None}
            fleet.prepared = {name: prepared for name, prepared in said.items() if prepared != fleet.prepared_of(name)}
            plan = self._left(planned, [*refused, *spared])
            foreseen = self._foresee(planned, plan)
            saves_s = saved_by_least(left, looked, planned.outages) if planned.terms.request.method == LEAST else None
            unasked = {**(rest.reasons() if rest is not None else {}), **refused}
            lines = plan_text(plan, foreseen, unasked, spared, needed, risks=risks_by_ledger(looked), **self._layout())
            self._say([*lines, *(plan_of_least(looked, saves_s, **self._layout()) if saves_s is not None else [])])
            predicted = {host.name: host.predicted for host in (*left, *plan.hosts)}
            told = previews(left, looked, predicted, saves_s)
            told.update(told_of_rest(rest) if rest is not None else {})
            told.update(self._beside(told, rest))
            result = {
                "changed": bool(plan.hosts) or (rest is not None and bool(rest.of(AT_ONCE))),
                "waves": waves_of(plan),
                "hosts": told,
                "forecast": foreseen.as_result(),
            }
            if refused and not result["changed"]:
                why = next(iter(refused.values())).message
                raise RolloutError("ALL_REFUSED", "no host would be rebooted; the first one because %s" % why, **result)
            return result

    async def run(self) -> dict[str, Any]:
        """Carry out the rollout.

        :raises CodedError: the rollout as a whole is refused.
        :raises Orphaned: the playbook's process is gone.
        """
        allow_all_descriptors()
        state = RunState()
        async with _probers() as probers, contextlib.AsyncExitStack() as opened:
            opened.enter_context(short_collections())
            first: Event
            spared: list[str] = []
            if self._options["resume"]:
                run = self._store.open(self._options["resume"])
                journal = opened.enter_context(Journal(run.journal, replay=self._reader(state)))
                rest = self._rest(copy.deepcopy(state))
                if rest.nothing_to_do:
                    return self._nothing(run, state, rest)
                planned = self._planned(probers, rest.before, but=run.run_id, rest=rest)
                first = resumed(self._controller, planned.terms, rest)
            else:
                planned = self._planned(probers, None)
                spared = await self._not_in_need(planned)
                planned = await self._with_canaries(replace(planned, plan=self._left(planned, spared)), spared)
                run = self._store.new(self._options["run_id"], time.time(), self._controller.random)
                journal = opened.enter_context(Journal(run.journal))
                # A run that its lock refuses, for example, leaves no trace.
                opened.callback(self._store.abandon, run)
                if journal.begun:
                    raise RolloutError("RUN_EXISTS", "run %s has just been begun by another process" % run.run_id)
                first = started(run.run_id, self._controller, planned.terms, planned.plan, spared)
            foreseen = self._foresee(planned, self._left(planned, ()) if planned.rest else planned.plan)

            async def commit(batch: Sequence[Event]) -> None:
                records = [event.as_record() for event in batch]
                try:
                    await bounded_call(lambda: journal.append(records), COMMIT_TIMEOUT_S)
                except CallAbandoned as error:
                    raise RolloutError("JOURNAL_FAILED", "%s: %s" % (run.journal, error)) from error

            lock = make_lock(self._lock, run.run_id, self._controller.name, progress=self._controller.say)
            await lock.open()
            opened.push_async_callback(_close, lock)
            selected = [events.RunSelected(left_out=self._left_out)] if self._left_out and planned.rest is None else []
            opening = [first, *selected, RunTerms.of(planned.plan, planned.terms.settings, foreseen)]
            opening += [events.HostNotNeeded(host=name) for name in spared]
            await commit(opening)
            changes = [self._apply(state, event) for event in opening]
            return await self._conduct(
                run=run,
                changes=changes,
                state=state,
                planned=planned,
                foreseen=foreseen,
                lock=lock,
                commit=commit,
            )

    async def _conduct(
        self,
        *,
        run: Run,
        changes: Sequence[Change],
        state: RunState,
        planned: _Planned,
        foreseen: Forecast,
        lock: SlotLock,
        commit: Callable[[Sequence[Event]], Any],
    ) -> dict[str, Any]:
        now = asyncio.get_running_loop().time
        began = now()
        subject = planned.fleet.run_subject = HookSubject(run_id=run.run_id, journal=run.journal)
        plan, rest = planned.plan, planned.rest
        scheduler = Scheduler(
            plan,
            planned.terms.settings_at(_now()),
            began,
            planned.history.outages_s,
            past=rest.past(began, time.time()) if rest is not None else None,
        )
        view = self._controller.view(state, {host.name: host.predicted for host in plan.hosts})
        # These changes precede the view.
        for change in changes:
            view.show(change, began)

        def shown(event: Event) -> None:
            view.show(self._apply(state, event), now())

        conductor = Conductor(
            plan=plan,
            scheduler=scheduler,
            fleet=planned.fleet,
            slots=lock,
            run_id=run.run_id,
            earlier=EarlierRuns(self._store, self._controller.name),
            commit=commit,
            before=rest.hosts if rest is not None else {},
            down=self._down(plan, rest),
            shown=shown,
            tick=lambda now: view.tick(now, scheduler.waiting(now)),
        )
        run_hooks = RunHooks(self._run_hooks, subject=subject, runner=planned.fleet.hook_runner(None), record=conductor.record)

        def interrupted(why: str = INTERRUPTED) -> None:
            conductor.stop(reason("INTERRUPTED", why))
            self._interrupt.occur()

        def look() -> None:
            if scheduler.stopped is None and self._controller.unread():
                interrupted(UNREAD)

        owed_to_ledger: list[Reason] = []
        try:
            with Interrupts(interrupted):
                await while_parent_lives(_course(conductor, run_hooks, state), lambda: scheduler.stopped is not None, look)
                why = await give_up(lock.close)
                if why is not None:
                    owes = events.RunOwes(debt=Kind.LOCK.value, reason=owed(Kind.LOCK, why))
                    with contextlib.suppress(CodedError):
                        await commit([owes])
                    shown(owes)
                statuses = final_statuses(state, {host.name: scheduler.status(host.name) for host in plan.hosts})
                ended = events.RunEnded(counts=counts_of(statuses), duration_ms=round((now() - began) * 1000))
                with contextlib.suppress(CodedError):
                    await commit([ended])
                shown(ended)
        finally:
            owed_to_ledger = await self._ledger.keep(run)
            view.close()
        self._ledger.say(owed_to_ledger)
        self._say(summary(state, journal=run.journal, forecast=foreseen, **self._layout()))
        return {
            "changed": any(each.path is not None for each in conductor.results.values()),
            "run_id": run.run_id,
            "journal": run.journal,
            "forecast": foreseen.as_result(),
            "run_hooks": [_told(hook) for hook in state.hooks.values()],
            **self._result(state, statuses, conductor.results, rest),
        }

    def _nothing(self, run: Run, state: RunState, rest: Rest) -> dict[str, Any]:
        """Result of a resume that has nothing to do, and leaves the journal as it is."""
        for name, why in rest.reasons().items():
            state.apply(events.HostLeftOut(host=name, reason=why), "")
        state.stop_reason = None
        self._say(["run %s: nothing is left to do" % run.run_id, *told_of_strangers(rest), ""])
        self._say(summary(state, journal=run.journal, forecast=None, **self._layout()))
        return {
            "changed": False,
            "run_id": run.run_id,
            "journal": run.journal,
            "run_hooks": [],
            **self._result(state, {name: status_of(host) for name, host in state.hosts.items()}, {}, rest),
        }

    def _result(
        self, state: RunState, statuses: Mapping[str, str], results: Mapping[str, RebootResult], rest: Rest | None
    ) -> dict[str, Any]:
        asked_for = set(statuses) if rest is None else set(rest.asked_for)
        result = result_of(state, statuses, results, failures=self._options["failures"], asked_for=asked_for)
        return {**result, "hosts": {**result["hosts"], **self._beside(result["hosts"], rest)}}

    def _beside(self, known: Collection[str], rest: Rest | None) -> dict[str, Any]:
        """Outcomes of hosts of the play that the task is not meant for, or that the run which is resumed does not have."""
        strangers = dict.fromkeys(rest.strangers, "run %s does not have it" % rest.before.run_id) if rest is not None else {}
        left_out = {name: why_not for name, why_not in self._left_out.items() if name not in known}
        return outcomes_not_selected({**strangers, **left_out})

    def _say(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._controller.say(line)

    def _layout(self) -> dict[str, Any]:
        return {"columns": self._controller.columns, "glyphs": self._controller.glyphs}

    def _reader(self, state: RunState) -> Callable[[Record], None]:
        """Function that takes in a record of the journal of a run that is resumed."""

        def read(record: Record) -> None:
            state.read(record)
            self._ledger.fold.read(record)

        return read

    def _apply(self, state: RunState, event: Event) -> Change:
        at = utc(time.time())
        self._ledger.fold.apply(event, at)
        return state.apply(event, at)

    def fleet(self, probers: Probers, request: RebootRequest, before: RunState | None = None) -> PlayFleet:
        return PlayFleet(
            self._hosts,
            self._raw,
            prober=probers.hosts,
            service_prober=probers.services,
            request=request,
            fallback=self._options["fallback"],
            connect_timeout_s=self._options["connect_timeout"],
            identities=Identities(before),
            connections=self._options["connections"],
            own_boot_id=self._controller.own_boot_id,
            random=self._controller.random,
            progress=self._controller.progress,
            interrupt=self._interrupt,
            names=self._variable_names,
        )

    def _planned(self, probers: Probers, before: RunState | None, but: str | None = None, rest: Rest | None = None) -> _Planned:
        memory = remembered(self._store, but)
        self._ledger.read(but)
        # Journals know more of a host's phases than the ledger does.
        history = History({**samples_of_ledger(self._ledger.ledger), **memory.samples}, prepared=memory.prepared_samples)
        prepared_before = {name: PreparedBoot(parts) for name, parts in memory.boot_parts.items()}
        outages = PathOutages({**outages_of_ledger(self._ledger.ledger), **memory.outages_s})
        for option, hooks in self._run_hooks.by_option().items():
            check_places(self._hosts, option, hooks)
        if before is None:
            if self._terms is None:
                raise ValueError("a resume needs the state of its run")
            judge = self._ledger.judge(self._options)
            fleet = self.fleet(probers, self._terms.request)
            fleet.judge, fleet.host_classes, fleet.prepared_before = judge, memory.host_classes, prepared_before
            plan = self._planner.new(fleet, history, self._terms.settings)
            of_hosts = [fleet.options(name).hooks for name in self._names]
            for sentence in options_without_effect(self._options, self._terms.settings, plan, of_hosts):
                self._controller.warn(sentence)
            return self._judged(_Planned(plan, self._terms, fleet, history, outages, None, judge))
        rest = rest or self._rest(before)
        terms = terms_again(self._options, self._request, before, _now())
        self._say(told_at_resume(terms, rest))
        judge = self._ledger.judge(terms.options)
        fleet = self.fleet(probers, terms.request, before)
        fleet.methods = {name: host.method for name, host in before.hosts.items() if host.method}
        fleet.judge, fleet.host_classes, fleet.prepared_before = judge, memory.host_classes, prepared_before
        plan = self._planner.again(fleet, history, terms.settings, rest)
        return self._judged(_Planned(plan, terms, fleet, history, outages, rest, judge))

    def _judged(self, planned: _Planned) -> _Planned:
        """Tell the judge which hosts go ahead."""
        planned.judge.canaries = canaries_of(planned.plan)
        return planned

    async def _with_canaries(self, planned: _Planned, spared: Collection[str]) -> _Planned:
        """Plan once more, with hosts ahead that prove the unproven classes, if they are asked for."""
        if not planned.terms.settings.canaries.unproven:
            return self._judged(planned)
        names = [host.name for host in planned.plan.hosts]
        self._controller.say("asking %s for their hardware and kernels" % counted(len(names), "host"))
        fleet = planned.fleet
        asked = await ask_for_classes(names, fleet, planned.judge, at_once=self._options["connections"])
        fleet.to_prove, fleet.host_classes = asked.to_prove, {**fleet.host_classes, **asked.host_classes}
        plan = self._planner.without(spared, fleet, planned.history, planned.terms.settings)
        return self._judged(replace(planned, plan=plan))

    async def _not_in_need(self, planned: _Planned) -> list[str]:
        """Names of the hosts that are left out because they need no reboot.

        They are found before the rollout, so that canaries, waves and percentages are of hosts that are rebooted.
        """
        if not self._request.spares:
            return []
        names = [host.name for host in planned.plan.hosts]
        self._controller.say("asking %s whether they need a reboot" % counted(len(names), "host"))
        fleet = planned.fleet
        needs = await ask_for_needs(names, fleet.reboot_of, fleet.request_of, at_once=self._options["connections"])
        fleet.methods = needs.methods
        return needs.spared

    def _left(self, planned: _Planned, refused: Collection[str]) -> Plan:
        """Part of a plan that is still to be carried out."""
        if planned.rest is not None:
            return part_of(planned.plan, {name for name in planned.rest.names(GOING) if name not in refused})
        if not refused and not planned.fleet.methods and not planned.fleet.prepared:
            return planned.plan
        return self._planner.without(refused, planned.fleet, planned.history, planned.terms.settings)

    def _foresee(self, planned: _Planned, plan: Plan) -> Forecast:
        return forecast(plan, planned.terms.settings_at(_now()), planned.history, self._seed)

    def _rest(self, before: RunState) -> Rest:
        selection = Selection(
            names=dict.fromkeys(self._names),
            failed=frozenset(self._unavailable),
            left_out=self._left_out,
            exists=self._hosts.exists,
        )
        return Rest(before, selection, retry_failed=self._options["retry_failed"])

    def _down(self, plan: Plan, rest: Rest | None) -> list[str]:
        """Names of hosts known to be down."""
        down = rest.before.down if rest is not None else ()
        return [name for name in dict.fromkeys([*self._unavailable, *down]) if name in plan.limits]


def _now() -> datetime:
    return datetime.now().astimezone()


def _told(hook: events.RunHookEnded) -> dict[str, Any]:
    return {name: value for name, value in hook.as_record().items() if name != "event"}


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
