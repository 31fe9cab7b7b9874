# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that a play gives for each of its hosts, templated with the host's variables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from ansible.errors import AnsibleError, AnsibleValueOmittedError
from ansible.module_utils.common.validation import check_type_dict
from ansible.template import Templar

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.errors import KexecError
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.policy import Policy

from .._errors import RolloutError
from .._hooks.hook import PHASES, Hook
from .._hooks.parse import parse_hooks
from .._host_class import hardware_of, hardware_of_setup, host_class_of
from .._host_facts import PreparedBoot, prepared_of
from .._reboot.errors import RebootError
from .._reboot.probe_options import parse_probe
from .._reboot.request import SETTLE_MAX_S, SETTLE_S
from .._reboot.service_watch import Service
from .._text import clean
from .._transport.play_hosts import PlayHosts
from .._transport.shared_options import SharedOptions
from .._values import setting
from .._variables import VariableNames
from .host_hooks import Hooks
from .jump_hosts import SSH_ARGUMENTS, jump_hosts

# Options that are templated for each host. Until then their values may have any type.
PER_HOST = ("compare", "domains", "host_class", *PHASES, "policy", "power_hook", "probe", "probe_ssh", "settle")
PER_HOST_ALIASES = {"combination": "host_class"}

_CONNECTION = ("ansible_connection", "ansible_host", *SSH_ARGUMENTS)
# Option → field of Hooks.
_HOOKS = {**{phase: phase for phase in PHASES}, "power_hook": "power"}
# Options that mean nothing for a host that is not rebooted.
_OF_REBOOTS = (*_HOOKS, "compare", "policy", "probe", "settle")

Value = TypeVar("Value")


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


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Templated options of one host.

    :ivar domains: domain by dimension.
    :ivar host_class: the user's name for its class; empty for that of its hardware.
    :ivar gathered_class: class of the hardware that M(fleet.kexec.boot_facts) has gathered; empty if it has not.
    :ivar gathered_boot: what shortens its outage, as M(fleet.kexec.boot_facts) has gathered; None if it has not.
    :ivar guessed_class: class by the facts of M(ansible.builtin.setup), which have no drivers; empty without any.
    :ivar local: whether the connection is local, so the host is the controller.
    :ivar through: machines that it is reached through.
    :ivar probe_ssh: whether its sshd may be probed.
    :ivar compare: whether its machine is compared with what it was before.
    :ivar settle_s: time that it has until then.
    """

    domains: Mapping[str, str]
    host_class: str
    hooks: Hooks
    address: str
    local: bool
    through: frozenset[str]
    service: Service | None = None
    policy: Mapping[str, str] = field(default_factory=dict)
    probe_ssh: bool = True
    compare: bool = True
    settle_s: int = SETTLE_S
    gathered_class: str = ""
    guessed_class: str = ""
    gathered_boot: PreparedBoot | None = None


class OptionsReader:
    """Reader of hosts' options. Keeps nothing of a host's variables; options without templates are read once for all hosts.

    :param raw: options of :data:`PER_HOST`, not templated yet.
    :param names: variables that users may set for the hosts; None if they are not checked.
    """

    def __init__(self, hosts: PlayHosts, raw: Mapping[str, Any], names: VariableNames | None = None) -> None:
        self._hosts = hosts
        self._raw = raw
        self._names = names
        self._shared = hosts.shared_options((*PER_HOST, *PER_HOST_ALIASES))
        templar = hosts.templar({})
        # Options without templates, their values, and what they were parsed to.
        self._plain = frozenset(option for option, value in raw.items() if not templar.is_template(value))
        self._same: dict[str, Any] = {}
        self._parsed: dict[str, Any] = {}
        self._through: dict[str, frozenset[str]] = {}

    def read(self, name: str, *, rebooted: bool = True) -> HostOptions:
        """Read the options of one host; those of a host that is not rebooted have no hooks and no service.

        :raises RolloutError: C(SETTINGS_INVALID), C(POLICY_INVALID) or C(VARIABLE_UNKNOWN).
        :raises RebootError: C(PROBE_INVALID).
        """
        variables = self._hosts.variables(name)
        templar = self._hosts.templar(variables)
        if rebooted:
            _require_shared(self._shared, name, templar)

        def template(what: str, text: Any) -> Any:
            try:
                return templar.template(text)
            except AnsibleValueOmittedError:
                return None
            except AnsibleError as error:
                raise RolloutError("SETTINGS_INVALID", "%s of %s: %s" % (what, name, error)) from error

        def value_of(option: str, raw: Any) -> Any:
            if option not in self._same:
                value = template(option, raw)
                if option not in self._plain:
                    return value
                self._same[option] = value
            return self._same[option]

        given = {option: value_of(option, raw) for option, raw in self._raw.items() if rebooted or option not in _OF_REBOOTS}
        connection = {
            variable: str(template(variable, variables[variable]) or "") for variable in _CONNECTION if variable in variables
        }
        with _named(name):
            if rebooted and self._names is not None:
                self._names.check(variables)
            given = by_one_name(given)
            hooks = {
                field: self._parse(option, given, partial(_hooks, option)) for option, field in _HOOKS.items() if option in given
            }
            for option, field in _HOOKS.items():
                check_places(self._hosts, option, hooks.get(field, ()))
            facts = variables["ansible_facts"]
            return HostOptions(
                domains=self._parse("domains", given, _domains),
                host_class=str(given.get("host_class") or ""),
                hooks=Hooks(**hooks),
                address=connection.get("ansible_host") or name,
                local=connection.get("ansible_connection") == "local",
                through=self._jump_hosts(connection),
                service=self._parse("probe", given, parse_probe),
                policy=self._parse("policy", given, _policy),
                probe_ssh=self._parse("probe_ssh", given, partial(_true_or_false, "probe_ssh")),
                compare=self._parse("compare", given, partial(_true_or_false, "compare")),
                settle_s=self._parse("settle", given, _settle),
                gathered_class=_gathered_class(facts),
                guessed_class=host_class_of(hardware_of_setup(facts)),
                gathered_boot=prepared_of(facts.get("fleet_kexec")),
            )

    def _parse(self, option: str, given: Mapping[str, Any], parse: Callable[[Any], Value]) -> Value:
        if option not in self._same:
            return parse(given.get(option))
        if option not in self._parsed:
            self._parsed[option] = parse(self._same[option])
        parsed: Value = self._parsed[option]
        return parsed

    def _jump_hosts(self, connection: Mapping[str, str]) -> frozenset[str]:
        # Most hosts have the same arguments.
        arguments = [connection[variable] for variable in SSH_ARGUMENTS if connection.get(variable)]
        for each in arguments:
            if each not in self._through:
                self._through[each] = jump_hosts(each)
        return frozenset().union(*(self._through[each] for each in arguments))


@contextlib.contextmanager
def _named(host: str) -> Iterator[None]:
    """Add the host's name to errors about its options."""
    try:
        yield
    except (RolloutError, RebootError) as error:
        raise type(error)(error.reason.code, "%s (for %s)" % (error.reason.message, host)) from error


def check_places(hosts: PlayHosts, option: str, hooks: Iterable[Hook]) -> None:
    """Check that hooks of an option run on hosts of the inventory; raises RolloutError C(SETTINGS_INVALID)."""
    for hook in hooks:
        if hook.other_host is not None and not hosts.exists(hook.other_host):
            message = "%s hook %s: run_on is %s, which is not in the inventory"
            raise RolloutError("SETTINGS_INVALID", message % (option, hook.name, clean(hook.other_host)))


def _require_shared(shared: SharedOptions, name: str, templar: Templar) -> None:
    """Require that options for the rollout as a whole have the same values for a host as for the first.

    :raises RolloutError: C(SETTINGS_INVALID).
    """
    try:
        differing = shared.differing(templar)
    except AnsibleError as error:
        raise RolloutError("SETTINGS_INVALID", "for %s: %s" % (name, error)) from error
    if differing is not None:
        message = "%s holds for all hosts, but is templated to another value for %s than for the first host" % (differing, name)
        raise RolloutError("SETTINGS_INVALID", message)


def _hooks(option: str, value: Any) -> tuple[Hook, ...]:
    # A single hook need not be in a list.
    return parse_hooks([value] if isinstance(value, Mapping) else value, option)


def _domains(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    given = setting(value, "domains").entries("a dictionary of dimensions and the host's domain in each")
    # An empty domain means that the host is in none.
    return {dimension: str(domain.raw) for dimension, domain in given.items() if domain.raw != ""}


def _policy(value: Any) -> dict[str, str]:
    """Check a policy here as the host would, so that errors in it are found before the rollout begins."""
    if isinstance(value, str):
        # Extra variables may be text, which Ansible takes for a dictionary in the same forms.
        with contextlib.suppress(TypeError):
            value = check_type_dict(value)
    given = {} if value is None else dict(setting(value, "policy").dictionary())
    try:
        Policy().override(given, "policy")
    except KexecError as error:
        raise RolloutError(error.reason.code, error.reason.message) from error
    return given


def _true_or_false(option: str, value: Any) -> bool:
    return True if value is None else setting(value, option).boolean()


def _settle(value: Any) -> int:
    return SETTLE_S if value is None else setting(value, "settle").count(0, SETTLE_MAX_S)


def _gathered_class(facts: Mapping[str, Any]) -> str:
    own = facts.get("fleet_kexec")
    return host_class_of(hardware_of(own.get("hardware"))) if isinstance(own, Mapping) else ""
