# SPDX-License-Identifier: GPL-3.0-or-later
"""In place of the play's hosts: their variables, and Ansible's own templating of them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, NoReturn

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.shared_options import SharedOptions


class Inventory:
    """Hosts that nobody connects to.

    :param hosts: the variables of each; strings in them are templates.
    """

    def __init__(self, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        self._hosts = hosts

    def variables(self, name: str) -> dict[str, Any]:
        """Of a host."""
        return {"inventory_hostname": name, "ansible_facts": {}, **trusted(dict(self._hosts[name]))}

    def exists(self, name: str) -> bool:
        """Whether there is such a host."""
        return name in self._hosts

    def connect(self, name: str, variables: Mapping[str, Any] | None = None) -> NoReturn:
        """Nobody does."""
        raise AnsibleError("there is no way to %s" % name)

    def shared_options(self, per_host: Container[str]) -> SharedOptions:
        """None is a template."""
        return SharedOptions({}, {}, per_host, self.templar({}))

    def groups(self, name: str) -> frozenset[str]:
        """Of a host."""
        return frozenset({"all"})

    def members(self, groups: Iterable[str]) -> list[str]:
        """The hosts of groups."""
        return list(self._hosts) if "all" in groups else []

    def templar(self, variables: dict[str, Any]) -> Templar:
        """A real one."""
        return Templar(loader=DataLoader(), variables=variables)


def trusted(value: Any) -> Any:
    """What stands in a play or inventory: its strings are templates."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: trusted(each) for key, each in value.items()}
    return [trusted(each) for each in value] if isinstance(value, list) else value
