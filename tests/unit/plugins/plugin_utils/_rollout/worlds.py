# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated hosts with a journal, and controllers that roll over them: the real conductor and host runs, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import Hardware
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import Judgement
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE, reason
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hook import HookSessions, HookSubject
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.interrupt import Interrupt
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.parse import parse_hooks
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import HookRunner
from ansible_collections.fleet.kexec.plugins.plugin_utils._host_class import host_class_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal import events
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.events import Event, Record
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.file import utc
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_state import RunState
from ansible_collections.fleet.kexec.plugins.plugin_utils._journal.run_store import RunStore
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.fold import RunFold
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.judge import ClassJudge
from ansible_collections.fleet.kexec.plugins.plugin_utils._ledger.model import Ledger
from ansible_collections.fleet.kexec.plugins.plugin_utils._lock.model import Holder, LockError, slot_owed
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_reboot import HostReboot
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.probe_options import parse_probe
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.result import RebootResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_watch import ServiceWatch
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.conductor import Conductor
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.desk import Desk
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.earlier_runs import EarlierRuns
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.host_hooks import Hooks
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.host_run import HostRun
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.identities import Identities
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.proving import canaries_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.results import waves_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.resuming import GOING, Rest, Selection
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.terms import Terms, terms_again, terms_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.history import DEFAULT
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.hosts import Bystander, HostSpec, Status
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.plan import Plan, make_plan, plan_again
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.scheduler import Scheduler
from ansible_collections.fleet.kexec.plugins.plugin_utils._schedule.settings import Settings, settings_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.at_once import AtOnce

from ...virtual_time import run
from ..simulated import Host, Network

Result = TypeVar("Result")
# Of the module's options.
DEFAULTS = {name: spec.get("default") for name, spec in rolling_argument_spec().items()}


class Killed(BaseException):
    """The controller dies: nothing it would still do is done."""


async def at_once(function: Callable[[], Result], _timeout_s: float) -> Result:
    """Call a function, where virtual time would not wait for a thread."""
    return function()


class Budget:
    """Shared slots of which there are always enough, unless told otherwise.

    :ivar taken_by_others: hosts whose slots other runs hold, with the holders.
    :ivar unreadable: hosts whose slots nobody can tell whose they are.
    :ivar away: whether the lock does not answer.
    :ivar lost_answers: number of calls, from now on, that take or give back a slot and whose answers are lost.
    :ivar raises: error that a call raises, by its name: how often, from now on.
    """

    counted = True
    patience_s = 30.0

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.taken_by_others: dict[str, Holder] = {}
        self.unreadable: set[str] = set()
        self.alive: set[str] = set()
        self.slots = 10**6
        self.lost = False
        self.away = False
        self.lost_answers = 0
        self.raises: dict[str, tuple[Exception, int]] = {}
        self.asked: list[tuple[str, str]] = []

    async def _ask(self, call: str, about: str) -> None:
        self.asked.append((call, about))
        await asyncio.sleep(0.01)
        error, times = self.raises.get(call, (None, 0))
        if error is not None and times > 0:
            self.raises[call] = (error, times - 1)
            raise error
        if self.away:
            raise LockError("LOCK_UNAVAILABLE", "connection refused")
        if self.lost and call in ("acquire", "confirm"):
            raise LockError("LOCK_LOST", "the lease ran out")

    def _answer(self) -> None:
        if self.lost_answers:
            self.lost_answers -= 1
            raise LockError("LOCK_UNAVAILABLE", "no answer")

    async def acquire(self, host: str) -> bool:
        await self._ask("acquire", host)
        if host in self.taken_by_others or host in self.unreadable & self.held:
            return False
        if host not in self.held and len(self.held | {*self.taken_by_others}) >= self.slots:
            return False
        self.held.add(host)
        self._answer()
        return True

    async def confirm(self, host: str) -> None:
        assert host in self.held
        await self._ask("confirm", host)
        if host in self.unreadable:
            raise LockError("LOCK_LOST", "the slot of %s is somebody else's" % host)

    async def release(self, host: str) -> None:
        await self._ask("release", host)
        if host in self.unreadable & self.held:
            raise slot_owed(host)
        self.held.discard(host)
        self._answer()

    async def holders(self) -> list[Holder]:
        await self._ask("holders", "")
        own = [Holder(host, "r", "c", "2026-11-24T12:00:00Z") for host in sorted(self.held - self.unreadable)]
        unreadable = [Holder.from_record(host, None) for host in sorted(self.held & self.unreadable)]
        return [*own, *unreadable, *self.taken_by_others.values()]

    async def lives(self, run_id: str) -> bool:
        await self._ask("lives", run_id)
        return run_id in self.alive

    async def free(self, holder: Holder) -> bool:
        await self._ask("free", holder.host)
        assert holder.run_id not in self.alive
        return self.taken_by_others.pop(holder.host, None) is not None


class World:
    """Hosts, a journal on a disk, and controllers that come and go."""

    def __init__(self, *names: str, hooks: Mapping[str, Any] | None = None, fallback: str = "none", **options: Any) -> None:
        self.hosts = {name: Host(name) for name in names}
        self.domains: dict[str, dict[str, str]] = {}
        self.host_class = ""
        # What the ledger has, if there is one, and what a kexec of each host would prove.
        self.ledger: Ledger | None = None
        self.proven_after = 1
        self.to_prove: dict[str, str] = {}
        self.fold = RunFold()
        self.judge: ClassJudge | None = None
        # Machines that are not rebooted, and hosts that there is no way to.
        self.bystanders: dict[str, Host] = {}
        self.down_at_start: list[str] = []
        self.no_way_to: set[str] = set()
        # Hosts that are no longer in the inventory.
        self.gone: set[str] = set()
        self.hooks = hooks or {}
        self.fallback = fallback
        self.options = options
        self.method, self.only = "kexec", "all"
        self.compare = True
        self.budget = Budget()
        # Directory with runs of this controller.
        self.earlier_runs = "/nonexistent"
        self.disk: list[Record] = []
        self.disk_full = False
        self.commit_s = 0.002
        self._failed: Collection[str] = ()
        self._kill_after: int | None = None
        self._kill_at: tuple[str, str | None] | None = None
        self.now = 1000.0
        # Seconds since 1970 when the event loop's clock is at 0.
        self.epoch_s = 0.0
        self.reboot_timeout_s = 120.0
        self.probe: dict[str, Any] | None = None
        self.statuses: dict[str, Status] = {}
        self.results: dict[str, RebootResult] = {}
        self.stopped: str | None = None
        self.actions: list[tuple[float, Any]] = []
        self.most_down = 0

    # What the conductor needs.

    async def commit(self, batch: Sequence[Event]) -> None:
        await asyncio.sleep(self.commit_s)
        if self.disk_full:
            raise RolloutError("JOURNAL_FAILED", "no space left on device")
        for event in batch:
            if self._death.done():
                raise Killed
            record = event.as_record()
            self.write(record)
            killed = self._kill_after is not None and len(self.disk) >= self._kill_after
            if killed or self._kill_at == (record["event"], record.get("host")):
                self._death.set_result(None)
                raise Killed

    def write(self, record: Record) -> None:
        """Have a record on the disk."""
        self.disk.append(dict(record, at=utc(self.hosts_now())))

    def hosts_now(self) -> float:
        """Seconds since 1970."""
        return asyncio.get_running_loop().time() + self.epoch_s

    def run_of(self, host: HostSpec, desk: Desk) -> HostRun:
        if host.name in self.no_way_to:
            raise RebootError("CONTROL_NODE", "the connection is local")
        session = self.hosts[host.name]
        service = parse_probe(self.probe)
        network: Any = self.network
        return HostRun(
            host,
            reboot=HostReboot(
                session=session,
                prober=network,
                own_boot_id="mine",
                new_token=lambda: "cd" * 8,
                progress=lambda text: None,
                utc_ns=lambda: round(self.hosts_now() * 1e9),
                service=ServiceWatch(service, network) if service else None,
                claim=lambda boot_id: self.identities.claim(host.name, boot_id),
                judge=lambda facts, release: (
                    self.judge.judge_facts(host.name, self.classify(facts.hardware), facts, release)
                    if self.judge
                    else Judgement()
                ),
            ),
            classify=self.classify,
            runner=HookRunner(HookSessions(session, session, self.hosts.__getitem__, AtOnce(64).urgent), self.interrupt),
            subject=HookSubject(run_id="r", journal="journal.jsonl", host=host.name),
            hooks=Hooks(**{phase: parse_hooks(value, phase) for phase, value in self.hooks.items()}),
            request=self.request(),
            fallback=self.fallback,
            desk=desk,
            now_utc=self.hosts_now,
        )

    def classify(self, hardware: Hardware | None) -> str:
        return self.host_class or host_class_of(hardware)

    @property
    def settings(self) -> dict[str, Any]:
        """Options that were given, as the journal has them."""
        return {name: str(value) if name == "deadline" else value for name, value in self.options.items()}

    def request(self) -> RebootRequest:
        return RebootRequest(self.method, self.reboot_timeout_s, "true", "m", only=self.only, compare=self.compare)

    async def answers(self, name: str) -> bool:
        if name in self.no_way_to:
            raise RebootError("CONTROL_NODE", "the connection is local")
        return {**self.hosts, **self.bystanders}[name].up

    # A controller's life.

    def conduct(
        self,
        *,
        resume: bool = False,
        kill_after: int | None = None,
        kill_at: tuple[str, str | None] | None = None,
        only: Collection[str] | None = None,
        failed: Collection[str] = (),
        retry_failed: bool = False,
    ) -> World:
        """Run a controller to its end, whichever that is.

        :param kill_after: number of records on the disk with which the controller is killed.
        :param kill_at: event and host with whose record it is killed.
        :param only: hosts that the play has when it resumes; None for all.
        :param failed: hosts that failed earlier in that play.
        """
        self._failed = failed
        rest = self.rest(only, failed, retry_failed) if resume else None
        return self.live(rest, kill_after=kill_after, kill_at=kill_at)

    def live(self, rest: Rest | None, *, kill_after: int | None = None, kill_at: tuple[str, str | None] | None = None) -> World:
        """Run a controller to its end, or until it is killed."""
        self._kill_after, self._kill_at = kill_after, kill_at
        with contextlib.suppress(Killed):
            run(self._live(rest), start=self.now)
        return self

    async def _live(self, rest: Rest | None) -> None:
        loop = asyncio.get_running_loop()
        self._death: asyncio.Future[None] = loop.create_future()
        conducting = asyncio.ensure_future(self._conduct(rest))
        await asyncio.wait((conducting, self._death), return_when=asyncio.FIRST_COMPLETED)
        self.now = loop.time()
        if self._death.done():
            # Nobody is there any more to hear of what is cut off.
            loop.set_exception_handler(lambda loop, context: None)
            raise Killed
        conducting.result()

    def rest(self, only: Collection[str] | None = None, failed: Collection[str] = (), retry_failed: bool = False) -> Rest:
        """Rest of the run, as a resume finds it."""
        there = [name for name in self.hosts if name not in self.gone]
        names = dict.fromkeys(name for name in there if name not in failed and (only is None or name in only))
        selection = Selection(names=names, failed=failed, left_out={}, exists=there.__contains__)
        return Rest(RunState.from_records(self.disk), selection, retry_failed=retry_failed)

    async def _conduct(self, rest: Rest | None) -> None:
        loop = asyncio.get_running_loop()
        self.interrupt = Interrupt()
        self.identities = Identities(rest.before if rest is not None else None)
        self.network = Network(*self.hosts.values(), *self.bystanders.values())
        now = datetime.fromtimestamp(self.hosts_now(), UTC)
        options = {**DEFAULTS, **self.settings}
        request = self.request()
        terms = terms_again(options, request, rest.before, now) if rest is not None else terms_of(options, request, now)
        plan = self._plan(terms.settings, rest)
        self.begin_ledger(plan, terms)
        first = self.first_events(plan, terms, rest)
        await self.commit(first)
        for event in first:
            self.show(event)
        self.scheduler = Scheduler(
            plan,
            terms.settings_at(datetime.fromtimestamp(self.hosts_now(), UTC)),
            loop.time(),
            past=rest.past(loop.time(), self.hosts_now()) if rest is not None else None,
        )
        known_down = rest.before.down if rest is not None else ()
        conductor = Conductor(
            plan=plan,
            scheduler=self.scheduler,
            fleet=self,
            slots=self.budget,
            run_id="r",
            earlier=EarlierRuns(RunStore(self.earlier_runs), "c", at_once),
            commit=self.commit,
            before=rest.hosts if rest is not None else {},
            down=[name for name in dict.fromkeys([*self.down_at_start, *self._failed, *known_down]) if name in plan.limits],
            shown=self.show,
            tick=self.tick,
        )
        for after_s, action in self.actions:
            loop.call_at(self.now + after_s, action, conductor)
        self.actions = []
        task = asyncio.create_task(conductor.run())
        try:
            await task
        finally:
            self.now = loop.time()
        self.statuses = {name: self.scheduler.status(name) for name in self.hosts}
        self.results = conductor.results
        self.stopped = self.scheduler.stopped.code if self.scheduler.stopped else None
        assert self.scheduler.finished(loop.time())
        assert conductor.results.keys() <= self.hosts.keys()
        assert self.network.probing == 0

    def first_events(self, plan: Plan, terms: Terms, rest: Rest | None) -> list[Event]:
        """Events that a controller writes before all others."""
        if rest is not None:
            return [
                events.RunResumed(
                    controller="c",
                    pid=2,
                    settings=self.settings,
                    deadline=terms.deadline_text,
                    retried=tuple(rest.retried),
                )
            ]
        return [
            events.RunStarted(
                run_id="r",
                controller="c",
                collection_version="1",
                hosts=tuple(host.name for host in plan.hosts),
                bystanders=(),
                settings=self.settings,
                waves=tuple(waves_of(plan)),
                deadline=terms.deadline_text,
            )
        ]

    def begin_ledger(self, plan: Plan, terms: Terms) -> None:
        """Have classes judged, by what is on the disk too."""
        if self.ledger is None:
            return
        self.fold = RunFold()
        for record in self.disk:
            self.fold.read(record)
        canaries = settings_from({"canaries": terms.options.get("canaries")}).canaries
        self.judge = ClassJudge(self.ledger, self.fold, proven_after=self.proven_after, unproven_canaries=canaries.unproven)
        self.judge.canaries = canaries_of(plan)

    def show(self, event: Event) -> None:
        """Take in an event before it is on the disk."""
        self.fold.apply(event, utc(self.hosts_now()))

    def tick(self, now: float) -> None:
        """Look at the hosts, twice a second."""
        self.most_down = max(self.most_down, sum(not host.up for host in self.hosts.values()))

    def interrupt_at(self, after_s: float) -> None:
        """Interrupt the next controller so many seconds after its start, as Ctrl-C does."""

        def act(conductor: Conductor) -> None:
            conductor.stop(reason("INTERRUPTED", "Ctrl-C"))
            self.interrupt.occur()

        self.actions.append((after_s, act))

    def _plan(self, settings: Settings, rest: Rest | None) -> Plan:
        specs = {
            name: HostSpec(
                name=name,
                domains=self.domains.get(name, {}) if name not in self.gone else {},
                groups=frozenset({"all"}),
                host_class=self.host_class,
                last=False,
                predicted=DEFAULT,
                to_prove=self.to_prove.get(name, ""),
            )
            for name in self.hosts
        }
        bystanders = [Bystander(name, self.domains.get(name, {}), frozenset({"all"})) for name in self.bystanders]
        if rest is None:
            return make_plan(list(specs.values()), bystanders, settings, 1)
        return plan_again(rest.waves(specs), bystanders, settings, set(rest.names(GOING)), rest.absent)

    # What is to be seen.

    def triggers(self, name: str) -> int:
        return sum(line.startswith("trigger") for line in self.hosts[name].log)

    def events(self, name: str) -> list[str]:
        return [record["event"] for record in self.disk if record.get("host") == name]

    def code(self, name: str) -> str | None:
        state = RunState.from_records(self.disk).hosts[name]
        if state.reason is not None:
            assert state.reason.code in CATALOGUE
        return state.reason.code if state.reason else None


def command(*argv: str, **options: Any) -> dict[str, Any]:
    return {"command": list(argv), **options}


HOOKS = {"before": [command("lb", "drain")], "after": [command("lb", "undrain")], "on_failure": [command("page", "someone")]}


def lose_after(world: World, event: str) -> None:
    """Have the lease run out while a record is written."""
    commit = world.commit

    async def slow(batch: Sequence[Event]) -> None:
        await commit(batch)
        world.budget.lost = world.budget.lost or any(each.name == event for each in batch)

    world.commit = slow  # type: ignore[method-assign]
