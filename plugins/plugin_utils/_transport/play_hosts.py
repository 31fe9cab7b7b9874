# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables and connections of all hosts of a play, for an action that runs once.

Ansible gives an action one host. This module sets up the others with Ansible's own code, as for a task on that host. It and its
neighbours C(written_task) and C(task_hosts) are the only ones that depend on these internals.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.executor.task_executor import TaskExecutor
from ansible.playbook.play_context import PlayContext
from ansible.plugins.action import ActionBase
from ansible.template import Templar

from .shared_options import SharedOptions
from .task_hosts import TaskHosts
from .templates import Templates
from .written_task import HostTasks, finish

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
        self._templar = self.templar(task_vars)
        self._tasks = HostTasks(action._task, self._templar)
        self._play_context = _play_context_of_all(action, task_vars)

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

    def task_hosts(self) -> TaskHosts:
        """Test of which hosts the task is meant for."""
        return TaskHosts(self._action._task, self._tasks.written)

    def shared_options(self, per_host: Container[str]) -> SharedOptions:
        """Test of whether the task's options, but those that may differ, are the same for all hosts."""
        written = self._tasks.written
        return SharedOptions(written.args, {"check_mode": written.check_mode}, per_host, self._templar)

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
        variables = self.variables(name) if variables is None else variables
        templar = self.templar(variables)
        return self._connected(name, variables, templar, self._tasks.on(templar)), variables

    def controller(self) -> tuple[HostAction, dict[str, Any]]:
        """Action on the controller, as the user who runs the playbook.

        The play's variables and keywords are not consulted: they are meant for its hosts, and may be templates that have no value
        for any other. The environment is the one that the first host would have.
        """
        host = self._inventory.get_host(LOCALHOST)
        variables = dict(self._variable_manager.get_vars(host=host))
        for name in {name for names in C.MAGIC_VARIABLE_MAPPING.values() for name in names}:
            variables.pop(name, None)
        variables["ansible_connection"] = "local"
        task = self._tasks.without_host(
            connection="local", environment=self._action._task.environment, no_log=self._action._task.no_log
        )
        return self._connected(LOCALHOST, variables, self.templar(variables), task), variables

    def _connected(self, name: str, variables: dict[str, Any], templar: Templar, task: Any) -> HostAction:
        play_context = self._play_context.set_task_and_variable_override(task=task, variables=variables, templar=templar)
        for keyword in PlayContext.fattributes:
            if keyword in C.MAGIC_VARIABLE_MAPPING and templar.is_template(getattr(play_context, keyword)):
                finish(play_context, keyword, templar)
        if play_context.remote_addr is None:
            play_context.remote_addr = name
        executor = _Connector(task, play_context, self._action._shared_loader_obj)
        own = variables.get("ansible_connection")
        connection = executor._get_connection(variables, templar, task.connection if own is None else templar.template(own))
        executor._connection = connection
        executor._set_connection_options(variables, templar)
        connection.update_vars(variables)
        connection._play_context = play_context
        return HostAction(
            task=task,
            connection=connection,
            play_context=play_context,
            loader=self._action._loader,
            templar=templar,
            shared_loader_obj=self._action._shared_loader_obj,
        )


def _play_context_of_all(action: ActionBase, variables: dict[str, Any]) -> PlayContext:
    """Play context before a host's variables are applied, with the passwords that were asked for when the playbook started.

    The action's own one is made up of its host's variables, so a password in it may be that host's alone.

    :param variables: variables of the action's host.
    """
    become = action._connection.become
    own = {
        "conn_pass": C.MAGIC_VARIABLE_MAPPING["password"],
        "become_pass": (
            *C.MAGIC_VARIABLE_MAPPING["become_pass"],
            *(C.config.get_plugin_vars("become", become._load_name) if become else ()),
        ),
    }
    known = {"conn_pass": action._play_context.password, "become_pass": action._play_context.become_pass}
    passwords = {
        name: known[name] for name, names in own.items() if not any("pass" in each and each in variables for each in names)
    }
    return PlayContext(passwords=passwords, connection_lockfd=action._play_context.connection_lockfd)
