# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TaskSelection of the play's hosts that a rollout is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible.errors import AnsibleError

from .._errors import RolloutError
from .._transport.play_hosts import PlayHosts


@dataclass(frozen=True)
class TaskSelection:
    """Hosts of a play.

    :ivar names: hosts to reboot, in the play's order.
    :ivar left_out: the play's other hosts, and why the task is not meant for each.
    """

    names: tuple[str, ...]
    left_out: dict[str, str]


def select(hosts: PlayHosts, names: Sequence[str], runs_on: str) -> TaskSelection:
    """Select the hosts that the task is meant for.

    :param names: hosts that the play still has.
    :param runs_on: the host that Ansible runs the task on.
    :raises RolloutError: C(SETTINGS_INVALID) if a condition can't be evaluated for a host, C(CONDITION_CHANGED) if one no longer
        holds for the host that the task runs on, so that nobody knows for which others it held.
    """
    meant = hosts.task_hosts()
    if meant.all:
        return TaskSelection(tuple(names), {})
    left_out = {}
    for name in names:
        try:
            why_not = meant.why_not(name, hosts.templar(hosts.variables(name)))
        except AnsibleError as error:
            raise RolloutError("SETTINGS_INVALID", "whether the task is meant for %s: %s" % (name, error)) from error
        if why_not is not None:
            left_out[name] = why_not
    if runs_on in left_out:
        raise RolloutError(
            "CONDITION_CHANGED", "the task runs for %s, but is no longer meant for it (%s)" % (runs_on, left_out[runs_on])
        )
    return TaskSelection(tuple(name for name in names if name not in left_out), left_out)
