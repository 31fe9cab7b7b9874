# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play's hosts as a rollout uses them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.fleet.kexec.plugins.module_utils._host.hardware import Hardware
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import Judgement
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import TOKEN_BYTES

from .._errors import RolloutError
from .._hooks.hook import Hook, HookSessions, HookSubject
from .._hooks.interrupt import Interrupt
from .._hooks.runner import HookRunner
from .._host_class import host_class_of
from .._host_facts import PreparedBoot, ReportedFacts
from .._ledger.judge import ClassJudge
from .._reboot.errors import RebootError
from .._reboot.host_reboot import HostReboot
from .._reboot.request import RebootRequest
from .._reboot.service_watch import ServiceWatch
from .._schedule.history import History
from .._schedule.hosts import Bystander, HostSpec
from .._transport.at_once import AtOnce
from .._transport.play_hosts import PlayHosts
from .._transport.prober import Prober
from .._transport.session import ActionSession, Session, SessionError
from .._variables import VariableNames
from .desk import Desk
from .fallbacks import FALLBACK_POWER_HOOK
from .host_options import HostOptions, OptionsReader
from .host_run import HostRun
from .identities import Identities

# A host that takes longer to run an empty command counts as down.
ANSWER_TIMEOUT_S = 30.0


class PlayFleet:
    """Hosts of a play; see :class:`conductor.Fleet`.

    :param raw: options of :data:`host_options.PER_HOST`, not templated yet.
    :param identities: machines that are known by their names from before.
    :param connections: maximum number of connections, modules and hooks in use at once.
    :param random: draws this number of bytes, as hexadecimal digits.
    :param names: variables that users may set for the hosts; None if they are not checked.
    :ivar judge: judges classes by the ledger; None to judge none.
    :ivar host_classes: classes of hosts in earlier runs, by their names.
    :ivar methods: those by which hosts will be rebooted, as far as they said so, by their names.
    :ivar prepared: what shortens the outages of hosts, as far as they said so, by their names.
    :ivar prepared_before: what their latest reboots in earlier runs had, by their names.
    :ivar to_prove: what a kexec of a host would prove, by its name; see :class:`HostSpec`.
    """

    def __init__(
        self,
        hosts: PlayHosts,
        raw: Mapping[str, Any],
        *,
        prober: Prober,
        service_prober: Prober,
        request: RebootRequest,
        fallback: str,
        connect_timeout_s: int | None,
        identities: Identities | None = None,
        connections: int,
        own_boot_id: str,
        random: Callable[[int], str],
        progress: Callable[[str, str], None],
        interrupt: Interrupt,
        names: VariableNames | None = None,
    ) -> None:
        self._hosts = hosts
        self._reader = OptionsReader(hosts, raw, names)
        self._prober = prober
        self._service_prober = service_prober
        self._request = request
        self._fallback = fallback
        self._connect_timeout_s = connect_timeout_s
        self._identities = identities or Identities()
        self._at_once = AtOnce(connections)
        self._own_boot_id = own_boot_id
        self._random = random
        self._progress = progress
        self.judge: ClassJudge | None = None
        self.host_classes: Mapping[str, str] = {}
        self.to_prove: Mapping[str, str] = {}
        self.methods: Mapping[str, str] = {}
        self.prepared: Mapping[str, PreparedBoot] = {}
        self.prepared_before: Mapping[str, PreparedBoot] = {}
        self._options: dict[str, HostOptions] = {}
        # Names and addresses of hosts through which others are reached, or on which hooks of others run.
        self._needed: set[str] = set()
        self._controller: Session | None = None
        self._interrupt = interrupt
        # Of the run that the hosts' hooks are for, once it has a name and a journal.
        self.run_subject = HookSubject()

    def read(self, names: Sequence[str], *, rebooted: bool = True) -> None:
        """Template the options of these hosts, so that errors in them are found before the rollout begins.

        :raises RolloutError: C(SETTINGS_INVALID), C(POLICY_INVALID) or C(VARIABLE_UNKNOWN).
        :raises RebootError: C(PROBE_INVALID).
        """
        for name in names:
            options = self._options[name] = self._reader.read(name, rebooted=rebooted)
            self._needed.update(options.through, options.hooks.other_hosts - {name})
            if rebooted and self._fallback == FALLBACK_POWER_HOOK:
                _check_power_hooks(options.hooks.power, name)

    def options(self, name: str) -> HostOptions:
        return self._options[name]

    def hosts(self, names: Iterable[str], history: History, lock_machines: Collection[str]) -> list[HostSpec]:
        """Hosts to reboot, for the plan."""
        return [
            HostSpec(
                name=name,
                domains=self._options[name].domains,
                groups=self._hosts.groups(name),
                host_class=self.host_class(name),
                last=self.goes_last(name, lock_machines),
                predicted=history.prediction(self.methods_of(name), self.host_class(name), self.prepared_of(name)),
                to_prove=self.to_prove.get(name, ""),
                methods=self.methods_of(name),
                prepared=self.prepared_of(name),
                spared_s=history.spared_s(self.methods_of(name), self.host_class(name), self.prepared_of(name)),
            )
            for name in names
        ]

    def methods_of(self, name: str) -> tuple[str, ...]:
        """Methods by which a host may be rebooted: one if that is known, or else all that are allowed."""
        known = self.methods.get(name)
        return (known,) if known is not None else tuple(method.name for method in self._request.methods)

    def prepared_of(self, name: str) -> PreparedBoot | None:
        """What shortens the next outage of a host: as it says, as was gathered, or what its reboot in an earlier run had."""
        return self.prepared.get(name) or self._options[name].gathered_boot or self.prepared_before.get(name)

    def host_class(self, name: str, hardware: Hardware | None = None) -> str:
        """Class of a host: the user's name for it, or that of its hardware as it is, was gathered, or was in an earlier run, or a
        guess from other facts; empty if nothing is known.
        """
        options = self._options[name]
        known = (host_class_of(hardware), options.gathered_class, self.host_classes.get(name), options.guessed_class)
        return options.host_class or next(filter(None, known), "")

    def _judge_class(self, name: str, facts: ReportedFacts, release: str) -> Judgement:
        """Judge a kexec of a host by the ledger; see :data:`_reboot.preparing.Judge`."""
        if self.judge is None or name not in self._options:
            return Judgement()
        return self.judge.judge_facts(name, self.host_class(name, facts.hardware), facts, release)

    def bystanders(self, names: Iterable[str]) -> list[Bystander]:
        """Hosts that count for limits and are not rebooted, for the plan."""
        return [Bystander(name, self._options[name].domains, self._hosts.groups(name)) for name in names]

    def goes_last(self, name: str, also: Collection[str]) -> bool:
        """Whether others need this host: they are reached through it, their hooks run on it, or it keeps the lock (C(also))."""
        return any(known in self._needed or known in also for known in (name, self._options[name].address))

    def run_of(self, host: HostSpec, desk: Desk) -> HostRun:
        options = self._options[host.name]
        session = self.session(host.name)
        return HostRun(
            host,
            reboot=self.reboot_of(host.name, session),
            runner=self.hook_runner(session),
            hooks=options.hooks,
            subject=replace(self.run_subject, host=host.name),
            request=self.request_of(host.name),
            fallback=self._fallback,
            desk=desk,
            classify=functools.partial(self.host_class, host.name),
        )

    def request_of(self, name: str) -> RebootRequest:
        """Request of the user for one host."""
        options = self._options[name]
        return replace(self._request, policy=options.policy, compare=options.compare, settle_s=options.settle_s)

    def hook_runner(self, session: Session | None) -> HookRunner:
        """Runner of the hooks of a host, or of those of the run if C(session) is None."""
        # The hooks of a host run one after the other, so a connection of their own to each other host is enough.
        other = functools.cache(self.session)
        sessions = HookSessions(session, self._controller_session(), other, self._at_once.urgent)
        return HookRunner(sessions, self._interrupt)

    def reboot_of(self, name: str, session: Session | None = None) -> HostReboot:
        options = self._options.get(name)
        service = options.service if options is not None else None
        return HostReboot(
            session=session or self.session(name),
            prober=self._prober,
            own_boot_id=self._own_boot_id,
            new_token=lambda: self._random(TOKEN_BYTES),
            progress=lambda text: self._progress(name, text),
            service=ServiceWatch(service, self._service_prober) if service is not None else None,
            probe_ssh=options is None or options.probe_ssh,
            claim=lambda boot_id: self._identities.claim(name, boot_id),
            judge=functools.partial(self._judge_class, name),
        )

    def session(self, name: str, *, urgent: bool = True) -> Session:
        """Connections to a host.

        :param urgent: whether they are for a host that is being rebooted.
        :raises RebootError: C(CONTROL_NODE) or C(CONNECTION_FAILED).
        """
        if name in self._options and self._options[name].local:
            raise RebootError("CONTROL_NODE", "the connection is local: this host is the machine that runs the playbook")
        try:
            action, variables = self._hosts.connect(name)
        except AnsibleError as error:
            raise RebootError("CONNECTION_FAILED", "the host can't be connected to as configured: %s" % error) from error
        places = self._at_once.urgent if urgent else self._at_once.background
        return ActionSession(action, variables, self._connect_timeout_s, places)

    async def answers(self, name: str) -> bool:
        try:
            return (await self.session(name, urgent=False).run("exit 0", [], become=False, timeout_s=ANSWER_TIMEOUT_S)).rc == 0
        except SessionError:
            return False

    def _controller_session(self) -> Session:
        if self._controller is None:
            action, variables = self._hosts.controller()
            self._controller = ActionSession(action, variables, at_once=self._at_once.urgent)
        return self._controller


def _check_power_hooks(hooks: Sequence[Hook], name: str) -> None:
    """Require hooks that can power-cycle a host that is down.

    :raises RolloutError: C(SETTINGS_INVALID).
    """
    if not hooks:
        raise RolloutError("SETTINGS_INVALID", "fallback is power_hook, but there is no power_hook (for %s)" % name)
    for hook in hooks:
        if hook.runs_on(name):
            raise RolloutError(
                "SETTINGS_INVALID",
                "the power_hook %s runs on the host, which is down when it is needed; use controller_command, http, or "
                "run_on another host or the controller (for %s)" % (hook.name, name),
            )
