# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task as its playbook has it, for an action that runs once for many hosts.

Before Ansible calls an action, it templates the task's keywords in place, with the variables of the one host that the action runs
on. A run-once action therefore sees that host's C(remote_user), and nothing of the others'. What is needed for the others is read
from the playbook again.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.sentinel import Sentinel
from ansible.template import Templar

# Keywords by which a host is connected to, or that are passed on to what runs on it; in order of their names.
HOST_KEYWORDS = (
    "become",
    "become_exe",
    "become_flags",
    "become_method",
    "become_user",
    "connection",
    "diff",
    "environment",
    "no_log",
    "port",
    "remote_user",
)


def as_written(task: Any) -> Any:
    """Load a task from its playbook again: it inherits keywords as the task does, and none of its own is templated.

    :raises AnsibleError: the task can't be loaded.
    """
    return type(task).load(
        task.get_ds(), block=task._parent, role=task._role, variable_manager=task._variable_manager, loader=task._loader
    )


class HostTasks:
    """Copies of a task for the hosts of its play, each with the host's own :data:`HOST_KEYWORDS`.

    :param task: the task as Ansible has templated it for the host that it runs on.
    :param templar: with any host's variables.
    """

    def __init__(self, task: Any, templar: Templar) -> None:
        self.written = as_written(task)
        self._base = task.copy(exclude_parent=True)
        # Connections are made to each host itself; the parent is what an omitted keyword is inherited from.
        self._base.delegate_to = None
        self._base._parent = task._parent
        self._templated = []
        for keyword in HOST_KEYWORDS:
            value = getattr(self.written, keyword)
            setattr(self._base, keyword, value)
            if templar.is_template(value):
                self._templated.append(keyword)
            else:
                finish(self._base, keyword, templar)

    def on(self, templar: Templar) -> Any:
        """The task for a host; C(templar) has the host's variables.

        :raises AnsibleError: a keyword can't be templated for this host.
        """
        task = self._base.copy(exclude_parent=True)
        task._parent = self._base._parent
        for keyword in self._templated:
            finish(task, keyword, templar)
        return task

    def without_host(self, **keywords: Any) -> Any:
        """The task for a machine that is none of the play's hosts: other :data:`HOST_KEYWORDS` than these have their defaults."""
        task = self._base.copy(exclude_parent=True)
        for keyword in HOST_KEYWORDS:
            setattr(task, keyword, keywords.get(keyword, Sentinel))
        return task


def finish(subject: Any, keyword: str, templar: Templar) -> None:
    """Template a keyword of a task or play context, and convert it to its type, as Ansible does.

    :raises AnsibleError: it can't be templated, or has the wrong type.
    """
    value = subject.post_validate_attribute(keyword, templar=templar)
    if value is not Sentinel:
        setattr(subject, keyword, value)
