# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of a play that a task is meant for, for an action that runs once.

Ansible calls the action if the task is meant for the first host. For the others, conditions are evaluated here: those of the
task, of the blocks and roles around it, and of the dynamic includes (C(include_tasks), C(include_role)) that it came by, which
Ansible evaluates for the include and does not pass on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError
from ansible.template import Templar, trust_as_template

_LOOP_ITEMS = trust_as_template("query(plugin, *terms)")


@dataclass(frozen=True)
class _Turn:
    """A turn of a loop over a dynamic include.

    :ivar item: the turn's value of the loop variable.
    :ivar plugin: lookup plugin of C(with_PLUGIN); empty for C(loop).
    """

    terms: Any
    plugin: str
    item: Any

    def is_of(self, templar: Templar) -> bool:
        """Whether a host's loop has this turn."""
        terms = templar.template(self.terms)
        if self.plugin:
            terms = terms if isinstance(terms, list) else [terms]
            terms = templar.evaluate_expression(_LOOP_ITEMS, local_variables={"plugin": self.plugin, "terms": terms})
        return self.item in terms


class TaskHosts:
    """Test of which hosts a task is meant for.

    :param task: the task as Ansible runs it.
    :param written: the same as written (:func:`written_task.as_written`).
    """

    def __init__(self, task: Any, written: Any) -> None:
        # Only handlers have it.
        notified = getattr(task, "notified_hosts", None)
        self._notified = None if notified is None else {host.name for host in notified}
        includes = list(_dynamic_includes(written))
        self._turns = [
            _Turn(each.loop, each.loop_with or "", each.vars[each.loop_control.loop_var]) for each in includes if each.loop
        ]
        # Outer conditions first: inner ones may only make sense if those hold. An include inherits from what is around it, and so
        # does the task.
        conditions = [condition for each in (*includes, written) for condition in each.when]
        self._conditions = list({repr(condition): condition for condition in conditions}.values())

    @property
    def all(self) -> bool:
        """Whether the task is meant for all hosts, whatever their variables are."""
        return self._notified is None and not self._turns and not self._conditions

    def why_not(self, name: str, templar: Templar) -> str | None:
        """Why the task is not meant for a host; None if it is.

        :param templar: with the host's variables.
        :raises AnsibleError: a condition can't be evaluated for this host.
        """
        if self._notified is not None and name not in self._notified:
            return "the handler was not notified by it"
        for turn in self._turns:
            if not turn.is_of(templar):
                return "its loop over the include has no %r" % (turn.item,)
        for condition in self._conditions:
            try:
                holds = templar.evaluate_conditional(condition)
            except AnsibleError as error:
                raise AnsibleError("the condition %r can't be evaluated: %s" % (condition, error)) from error
            if not holds:
                return "when: %s" % condition
        return None


def _dynamic_includes(task: Any) -> Iterator[Any]:
    """Dynamic includes that a task came by, the outermost first."""
    found: list[Any] = []
    above = task._parent
    while above is not None:
        if not getattr(above, "statically_loaded", True):
            found.append(above)
        above = above._parent
    yield from reversed(found)
