# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables and connections of all hosts of a play, for an action that runs once.

Ansible gives an action one host. This module sets up the others with Ansible's own code, as for a task on that host. It is the
only module that depends on these internals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.executor.task_executor import TaskExecutor
from ansible.plugins.action import ActionBase
from ansible.template import Templar

from .templates import Templates

LOCALHOST = "localhost"


# Variables that list hosts of the play.
_LISTS_OF_HOSTS = ("ansible_play_hosts_all", "ansible_play_hosts", "ansible_play_batch", "play_hosts")


def _of_all_hosts(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variables[name] for name in _LISTS_OF_HOSTS if name in variables}


class HostAction(ActionBase):
    """Action that only carries one host's connection; it is never run itself."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        raise NotImplementedError


class _Connector(TaskExecutor):
    """Connection-making part of Ansible's task executor, whose constructor differs between 2.19 and 2.21."""

    # A property in 2.21: the task that the process runs.
    _task = None

    def __init__(self, task: Any, play_context: Any, shared_loader_obj: Any) -> None:
        self._task = task
        self._play_context = play_context
        self._shared_loader_obj = shared_loader_obj
        self._connection: Any = None


class PlayHosts:
    """Hosts around an action, by name; C(task_vars) are those of the host that the action happens to run on."""

    def __init__(self, action: ActionBase, task_vars: dict[str, Any]) -> None:
        self._action = action
        self._templates = Templates(action._loader)
        self._shared = _of_all_hosts(task_vars)
        self._shared_in_vars = _of_all_hosts(task_vars.get("vars", {}))
        self._hostvars = task_vars["hostvars"]
        self._variable_manager = self._hostvars._variable_manager
        self._inventory = self._hostvars._inventory

    def variables(self, name: str) -> dict[str, Any]:
        """A host's variables, not templated, as for a task of this play on it; raises AnsibleError if the host is unknown."""
        host = self._inventory.get_host(name)
        if host is None:
            raise AnsibleError("%s is not in the inventory" % name)
        # Lists of all hosts of the play would be made anew for each host; they are the same for all.
        found: dict[str, Any] = self._variable_manager.get_vars(
            play=self._action._task.play, host=host, task=self._action._task, _hosts=[name], _hosts_all=[name]
        )
        for variables, shared in ((found, self._shared), (found["vars"], self._shared_in_vars)):
            variables.update(shared)
        # A copy, because Ansible stores the interpreter it discovers in it.
        found["ansible_facts"] = dict(found.get("ansible_facts") or {})
        return found

    def exists(self, name: str) -> bool:
        """Whether a host is in the inventory, in this play or not."""
        return self._inventory.get_host(name) is not None

    def groups(self, name: str) -> frozenset[str]:
        """Inventory groups of a host, C(all) and C(ungrouped) included."""
        host = self._inventory.get_host(name)
        return frozenset(group.name for group in host.get_groups()) if host is not None else frozenset()

    def members(self, groups: Iterable[str]) -> list[str]:
        """Hosts of inventory groups, each once."""
        found: dict[str, None] = {}
        for group in groups:
            known = self._inventory.groups.get(group)
            found.update(dict.fromkeys(host.name for host in (known.get_hosts() if known else ())))
        return list(found)

    def templar(self, variables: dict[str, Any]) -> Templar:
        return self._templates.templar(variables)

    def connect(self, name: str, variables: dict[str, Any] | None = None) -> tuple[HostAction, dict[str, Any]]:
        """Action on a host with its own connection and become settings, and the host's variables.

        Does not connect yet. Call it from the main thread.

        :raises AnsibleError: the variables describe no usable connection.
        """
        return self._connected(name, self.variables(name) if variables is None else variables, None)

    def controller(self) -> tuple[HostAction, dict[str, Any]]:
        """Action on the controller, as the user who runs the playbook."""
        variables = dict(self.variables(LOCALHOST), ansible_connection="local", ansible_become=False)
        return self._connected(LOCALHOST, variables, "local")

    def _connected(self, name: str, variables: dict[str, Any], connection_type: str | None) -> tuple[HostAction, dict[str, Any]]:
        action, templar = self._action, self.templar(variables)
        task = action._task.copy()
        task.delegate_to = None
        play_context = action._play_context.set_task_and_variable_override(task=task, variables=variables, templar=templar)
        play_context.remote_addr = variables.get("ansible_host", name)
        executor = _Connector(task, play_context, action._shared_loader_obj)
        if connection_type is None:
            connection_type = templar.template(variables.get("ansible_connection", task.connection))
        executor._connection = executor._get_connection(variables, templar, connection_type)
        executor._set_connection_options(variables, templar)
        connection = executor._connection
        connection.update_vars(variables)
        connection._play_context = play_context
        host_action = HostAction(
            task=task,
            connection=connection,
            play_context=play_context,
            loader=action._loader,
            templar=templar,
            shared_loader_obj=action._shared_loader_obj,
        )
        return host_action, variables
