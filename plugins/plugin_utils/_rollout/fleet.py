# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play's hosts as a rollout uses them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError, AnsibleValueOmittedError

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import TOKEN_BYTES

from .._errors import RolloutError
from .._hooks.hook import PHASES, Hook
from .._hooks.parse import parse_hooks
from .._hooks.runner import HookRunner
from .._reboot.errors import RebootError
from .._reboot.host_reboot import HostReboot
from .._reboot.probe_options import parse_probe
from .._reboot.request import RebootRequest
from .._reboot.service_watch import Service, ServiceWatch
from .._schedule.history import History
from .._schedule.hosts import Bystander, HostSpec
from .._transport.play_hosts import PlayHosts
from .._transport.prober import Prober, Sshd
from .._transport.session import ActionSession, Session, SessionError
from .._values import setting
from .desk import Desk
from .host_hooks import Hooks
from .host_run import HostRun

# A host that takes longer to run an empty command counts as down.
ANSWER_TIMEOUT_S = 30.0

# Options that are templated for each host. Until then their values may have any type.
PER_HOST = ("domains", "host_class", *PHASES, "power_hook", "probe")
PER_HOST_ALIASES = {"combination": "host_class"}

# Options of ssh_config(5) that name jump hosts; option names are case-insensitive.
_PROXY = re.compile(r"(proxyjump|proxycommand)\s*[=\s]\s*(.*)", re.IGNORECASE | re.DOTALL)


def take_per_host(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options of :data:`PER_HOST`, aliases included, out of a task's arguments."""
    return {name: given.pop(name) for name in (*PER_HOST, *PER_HOST_ALIASES) if name in given}


def by_one_name(given: dict[str, Any]) -> dict[str, Any]:
    """Templated options of a host, by their names; an option may also be given by its alias.

    :raises RolloutError: C(SETTINGS_INVALID).
    """
    for alias, option in PER_HOST_ALIASES.items():
        value = given.pop(alias, None)
        if value is not None and given.get(option) is not None:
            raise RolloutError("SETTINGS_INVALID", "%s and %s mean the same; leave one of them out" % (option, alias))
        if value is not None:
            given[option] = value
    return given


@dataclass(frozen=True)
class HostOptions:
    """Templated options of one host.

    :ivar domains: domain by dimension.
    :ivar local: whether the connection is local, so the host is the controller.
    """

    domains: Mapping[str, str]
    host_class: str
    hooks: Hooks
    address: str
    local: bool
    service: Service | None = None


class PlayFleet:
    """Hosts of a play; see :class:`conductor.Fleet`.

    :param raw: options of :data:`PER_HOST`, not templated yet.
    :param connections: maximum number of connections, modules and hooks in use at once.
    :param random: draws this number of bytes, as hexadecimal digits.
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
        connections: int,
        own_boot_id: str,
        random: Callable[[int], str],
        progress: Callable[[str, str], None],
    ) -> None:
        self._hosts = hosts
        self._raw = raw
        self._prober = prober
        self._service_prober = service_prober
        self._request = request
        self._fallback = fallback
        self._connect_timeout_s = connect_timeout_s
        self._at_once = asyncio.Semaphore(connections)
        self._own_boot_id = own_boot_id
        self._random = random
        self._progress = progress
        self._options: dict[str, HostOptions] = {}
        self._jumps: set[str] = set()
        self._controller: Session | None = None

    def read(self, names: Sequence[str], *, with_hooks: bool = True) -> None:
        """Template the options of these hosts, so that errors in them are found before the rollout begins.

        :raises RolloutError: C(SETTINGS_INVALID).
        :raises RebootError: C(PROBE_INVALID).
        """
        for name in names:
            variables = self._hosts.variables(name)
            templar = self._hosts.templar(variables)

            def template(what: str, text: Any, name: str = name, templar: Any = templar) -> Any:
                try:
                    return templar.template(text)
                except AnsibleValueOmittedError:
                    return None
                except AnsibleError as error:
                    raise RolloutError("SETTINGS_INVALID", "%s of %s: %s" % (what, name, error)) from error

            given = {option: template(option, raw) for option, raw in self._raw.items()}
            connection = {
                variable: str(template(variable, variables[variable]) or "") for variable in _CONNECTION if variable in variables
            }
            with _named(name):
                given = by_one_name(given)
                hooks = {field: _hooks(given.get(option), option) for option, field in _HOOKS.items()}
                self._options[name] = HostOptions(
                    domains=_domains(given.get("domains")),
                    host_class=_host_class(given.get("host_class"), variables),
                    hooks=Hooks(**hooks) if with_hooks else Hooks(),
                    address=connection.get("ansible_host") or name,
                    local=connection.get("ansible_connection") == "local",
                    service=parse_probe(given.get("probe")) if with_hooks else None,
                )
            for variable in _SSH_ARGUMENTS:
                self._jumps.update(_jump_hosts(connection.get(variable, "")))

    def options(self, name: str) -> HostOptions:
        return self._options[name]

    def hosts(self, names: Iterable[str], history: History, lock_machines: Iterable[str]) -> list[HostSpec]:
        """Hosts to reboot, for the plan."""
        machines = tuple(lock_machines)
        return [
            HostSpec(
                name=name,
                domains=self._options[name].domains,
                groups=self._hosts.groups(name),
                host_class=self._options[name].host_class,
                last=self.goes_last(name, machines),
                predicted=history.prediction(self._options[name].host_class),
            )
            for name in names
        ]

    def bystanders(self, names: Iterable[str]) -> list[Bystander]:
        """Hosts that count for limits and are not rebooted, for the plan."""
        return [Bystander(name, self._options[name].domains, self._hosts.groups(name)) for name in names]

    def goes_last(self, name: str, also: Iterable[str]) -> bool:
        """Whether other hosts need this one: they are reached through it, or it is in C(also), the machines of the lock."""
        return not {name, self._options[name].address}.isdisjoint({*self._jumps, *also})

    def run_of(self, host: HostSpec, desk: Desk) -> HostRun:
        options = self._options[host.name]
        session = self.session(host.name)
        return HostRun(
            host,
            reboot=self.reboot_of(host.name, session),
            runner=HookRunner(session, self._controller_session()),
            hooks=options.hooks,
            request=self._request,
            fallback=self._fallback,
            desk=desk,
        )

    def reboot_of(self, name: str, session: Session | None = None) -> HostReboot:
        service = self._options[name].service if name in self._options else None
        return HostReboot(
            session=session or self.session(name),
            prober=self._prober,
            own_boot_id=self._own_boot_id,
            new_token=lambda: self._random(TOKEN_BYTES),
            progress=lambda text: self._progress(name, text),
            service=ServiceWatch(service, self._service_prober) if service is not None else None,
        )

    def session(self, name: str) -> Session:
        """Connections to a host.

        :raises RebootError: C(CONTROL_NODE) or C(CONNECTION_FAILED).
        """
        if name in self._options and self._options[name].local:
            raise RebootError("CONTROL_NODE", "the connection is local: this host is the machine that runs the playbook")
        try:
            action, variables = self._hosts.connect(name)
        except AnsibleError as error:
            raise RebootError("CONNECTION_FAILED", "the host can't be connected to as configured: %s" % error) from error
        return ActionSession(action, variables, self._connect_timeout_s, self._at_once)

    async def sshd(self, name: str) -> Sshd | None:
        return await self.session(name).sshd()

    async def answers(self, name: str) -> bool:
        try:
            return (await self.session(name).run("exit 0", [], become=False, timeout_s=ANSWER_TIMEOUT_S)).rc == 0
        except SessionError:
            return False

    def _controller_session(self) -> Session:
        if self._controller is None:
            action, variables = self._hosts.controller()
            self._controller = ActionSession(action, variables, at_once=self._at_once)
        return self._controller


_SSH_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
_CONNECTION = ("ansible_connection", "ansible_host", *_SSH_ARGUMENTS)
# Option → field of Hooks.
_HOOKS = {**{phase: phase for phase in PHASES}, "power_hook": "power"}


@contextlib.contextmanager
def _named(host: str) -> Iterator[None]:
    """Add the host's name to errors about its options."""
    try:
        yield
    except (RolloutError, RebootError) as error:
        raise type(error)(error.reason.code, "%s (for %s)" % (error.reason.message, host)) from error


def _hooks(value: Any, option: str) -> tuple[Hook, ...]:
    # A single hook need not be in a list.
    return parse_hooks([value] if isinstance(value, Mapping) else value, option)


def _domains(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    given = setting(value, "domains").entries("a dictionary of dimensions and the host's domain in each")
    # An empty domain means that the host is in none.
    return {dimension: str(domain.raw) for dimension, domain in given.items() if domain.raw != ""}


def _host_class(value: Any, variables: Mapping[str, Any]) -> str:
    """The user's value, or else the product and kernel from facts that were gathered."""
    if value:
        return str(value)
    facts = variables["ansible_facts"]
    return " ".join(str(facts[fact]) for fact in ("product_name", "kernel") if facts.get(fact))


def _jump_hosts(arguments: str) -> set[str]:
    """Jump hosts named in arguments of ssh, as far as they can be recognised."""
    try:
        words = shlex.split(arguments)
    except ValueError:
        words = arguments.split()
    found: set[str] = set()
    # An option's value is the rest of its word, or the next word.
    for word, following in itertools.pairwise([*words, ""]):
        value = word[2:] or following
        if word.startswith("-J"):
            found.update(map(_host_of, value.split(",")))
        proxy = _PROXY.match(value.strip()) if word.startswith("-o") else None
        if proxy is not None:
            # Which word of a ProxyCommand names the machine is unknown, so all words are taken. Only hosts of the play match.
            found.update(map(_host_of, re.split(r"[,\s]+", proxy[2])))
    return found


def _host_of(jump: str) -> str:
    host = jump.rpartition("@")[2].removeprefix("ssh://")
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
