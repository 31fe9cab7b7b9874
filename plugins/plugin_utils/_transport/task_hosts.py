# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of a play that a task is meant for, for an action that runs once.

Ansible calls the action if the task is meant for the first host, and keeps to itself which others come to the task. So that is
found out here as Ansible would: from the conditions of the task, of the blocks and roles around it, and of the dynamic includes
(C(include_tasks), C(include_role)) that it came by, which Ansible evaluates for the include and does not pass on; from
C(end_role); and from failures in a block whose C(rescue) the host has gone on with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible.errors import AnsibleError
from ansible.playbook.block import Block
from ansible.template import Templar, trust_as_template

# Variable of a host that has failed in a block with rescue: the task, as plain values.
_FAILED_TASK = "ansible_failed_task"
_LOOP_ITEMS = trust_as_template("query(plugin, *terms)")


class _Rule(Protocol):
    def why_not(self, name: str, templar: Templar) -> str | None:
        """Why the task is not meant for a host; None if it is, as far as this rule goes.

        :raises AnsibleError: it can't be told.
        """


@dataclass(frozen=True)
class _Notified:
    """Hosts that notified a handler."""

    names: frozenset[str]

    def why_not(self, name: str, templar: Templar) -> str | None:
        return None if name in self.names else "it did not notify the handler"


@dataclass(frozen=True)
class _Condition:
    condition: Any

    def why_not(self, name: str, templar: Templar) -> str | None:
        return None if _holds(self.condition, templar) else "when: %s" % self.condition


@dataclass(frozen=True)
class _Turn:
    """Turn of a loop over a dynamic include.

    :ivar plugin: lookup plugin of C(with_PLUGIN); empty for C(loop).
    :ivar item: the turn's value of the loop variable.
    """

    terms: Any
    plugin: str
    item: Any

    def why_not(self, name: str, templar: Templar) -> str | None:
        terms = templar.template(self.terms)
        if self.plugin:
            terms = terms if isinstance(terms, list) else [terms]
            terms = templar.evaluate_expression(_LOOP_ITEMS, local_variables={"plugin": self.plugin, "terms": terms})
        return None if self.item in terms else "the loop around the task does not have %r for it" % (self.item,)


@dataclass(frozen=True)
class _EndedRole:
    """C(end_role) before the task."""

    conditions: Sequence[Any]

    def why_not(self, name: str, templar: Templar) -> str | None:
        return "its role was ended" if all(_holds(each, templar) for each in self.conditions) else None


@dataclass(frozen=True)
class _Rescue:
    """Block with C(rescue) around the task: a host that failed in it has left it, and goes on.

    :ivar earlier: name and action of each task of the block that comes before.
    :ivar knows_all: whether these are all; those of dynamic includes are not known.
    """

    earlier: frozenset[tuple[str, str]]
    knows_all: bool

    def why_not(self, name: str, templar: Templar) -> str | None:
        failed = templar.available_variables.get(_FAILED_TASK)
        if not failed:
            return None
        if (failed["name"], failed["action"]) in self.earlier:
            return "it failed before, in task %r, and went on with rescue" % failed["name"]
        if self.knows_all:
            return None
        raise AnsibleError(
            "it failed in task %r, and the block around this task has rescue and includes, so it can't be told whether it failed "
            "in this block; put the task into a block of its own" % failed["name"]
        )


class TaskHosts:
    """Test of which hosts a task is meant for.

    :param task: the task as Ansible runs it.
    :param written: the same as written (:func:`written_task.as_written`).
    """

    def __init__(self, task: Any, written: Any) -> None:
        self._rules = list(_rules(task, written))

    @property
    def all(self) -> bool:
        """Whether the task is meant for all hosts, whatever their variables are."""
        return not self._rules

    def why_not(self, name: str, templar: Templar) -> str | None:
        """Why the task is not meant for a host; None if it is.

        :param templar: with the host's variables.
        :raises AnsibleError: it can't be told.
        """
        found = (rule.why_not(name, templar) for rule in self._rules)
        return next((why_not for why_not in found if why_not is not None), None)


def _rules(task: Any, written: Any) -> Iterator[_Rule]:
    # Only handlers have it.
    notified = getattr(task, "notified_hosts", None)
    if notified is not None:
        yield _Notified(frozenset(host.name for host in notified))
    above = list(_above(task))
    # Outer rules first: inner conditions may only make sense if the outer ones hold.
    stages = [*(each for each in reversed(above) if not getattr(each, "statically_loaded", True)), written]
    told: set[str] = set()
    for each in stages:
        # A task has the conditions of what is around it, too.
        for condition in each.when:
            if repr(condition) not in told:
                told.add(repr(condition))
                yield _Condition(condition)
        if each is not written and each.loop:
            yield _Turn(each.loop, each.loop_with or "", each.vars[each.loop_control.loop_var])
    inside = task
    for each in above:
        if isinstance(each, Block) and each.rescue and _has(each.block, inside):
            earlier = list(_before(each.block, inside))
            yield _Rescue(
                frozenset((known.name, known.action) for known in earlier),
                all(getattr(known, "statically_loaded", True) for known in earlier),
            )
        inside = each
    # The blocks of a role name it, too.
    ends = {end._uuid: end for role, part in _roles(task, above) for end in _before(role.get_task_blocks(), part)}
    yield from (_EndedRole(end.when) for end in ends.values() if end._get_meta() == "end_role")


def _holds(condition: Any, templar: Templar) -> bool:
    try:
        return bool(templar.evaluate_conditional(condition))
    except AnsibleError as error:
        raise AnsibleError("the condition %r can't be evaluated: %s" % (condition, error)) from error


def _above(task: Any) -> Iterator[Any]:
    """Blocks and includes around a task, the innermost first."""
    above = task._parent
    while above is not None:
        yield above
        above = above._parent


def _roles(task: Any, above: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Roles around a task, each with the part of it by which it comes to the task: the task itself, or a dynamic include."""
    part = task
    for each in (task, *above):
        if not getattr(each, "statically_loaded", True):
            part = each
        role = getattr(each, "_role", None)
        if role is not None and any(_contains(block, part) for block in role.get_task_blocks()):
            yield role, part


def in_rescue(task: Any) -> bool:
    """Whether a task is part of a C(rescue)."""
    inside = task
    for each in _above(task):
        if isinstance(each, Block) and _has(each.rescue, inside):
            return True
        inside = each
    return False


def _has(section: Sequence[Any], part: Any) -> bool:
    """Whether a section of a block has this very task or block."""
    return any(each._uuid == part._uuid for each in section)


def _before(parts: Sequence[Any], end: Any) -> Iterator[Any]:
    """Tasks in blocks and tasks that come before a task or block; all of them if it is not there."""
    for part in parts:
        if isinstance(part, Block) and part._uuid != end._uuid:
            yield from _before(_sections(part), end)
        elif part._uuid != end._uuid:
            yield part
        if _contains(part, end):
            return


def _contains(part: Any, end: Any) -> bool:
    """Whether a block or task is this one, or has it in it."""
    return part._uuid == end._uuid or any(_contains(each, end) for each in _sections(part))


def _sections(part: Any) -> list[Any]:
    """What is in a block, with rescue and always; nothing is in a task."""
    return [*part.block, *part.rescue, *part.always] if isinstance(part, Block) else []
