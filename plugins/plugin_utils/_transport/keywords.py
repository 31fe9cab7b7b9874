# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keywords of a task that can't be given what they promise, and what to use instead.

Ansible carries out some keywords around an action, without asking it: it calls it again, or cuts it off. All other keywords are
harmless, or are heeded for each host (:mod:`written_task`, :mod:`task_hosts`); docs/rolling-reboot.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .task_hosts import in_rescue

Given = Callable[[Any], str | None]


def _loop(task: Any) -> str | None:
    if task.loop_with:
        return "with_%s" % task.loop_with
    return "loop" if task.loop is not None else None


def _until(task: Any) -> str | None:
    if task.until:
        return "until"
    return "retries" if task.retries is not None else None


def _timeout(task: Any) -> str | None:
    return "timeout" if task.timeout else None


def _async(task: Any) -> str | None:
    return "async" if task.async_val else None


def _delegate_to(task: Any) -> str | None:
    return "delegate_to" if task.delegate_to is not None else None


def _rescue(task: Any) -> str | None:
    return "rescue" if in_rescue(task) else None


_TIMEOUT_BECAUSE = "it would cut off the task in the middle, with images loaded"

#: For M(fleet.kexec.rolling_reboot): what finds the keyword in a task, and why it is refused, with a way out.
OF_ROLLING_REBOOT: Mapping[Given, str] = {
    _loop: "each turn would reboot the same hosts again; options that are templated for each host need no loop, and several "
    "rollouts in a row are tasks of their own, or a loop over include_tasks",
    _until: "each attempt would reboot hosts again that are done; after hooks have retries, and resume with retry_failed "
    "goes on with the hosts that failed",
    _timeout: _TIMEOUT_BECAUSE + ", hosts drained and the journal open; use deadline, reboot_timeout and stall_timeout, and "
    "timeout: 0 on this task if the keyword comes from its block, role, play or configuration",
    _async: "the task controls the rollout from here all the time; run the playbook in the background instead",
    _rescue: "which hosts go on with rescue can't be told from here; have rescue set a fact, and put the task behind the block, "
    "with when",
    _delegate_to: "the task runs on the controller, and connects to each host by itself; leave it out",
}

#: The same for M(fleet.kexec.reboot), which runs for each host: Ansible's other keywords mean what they mean for any task.
OF_REBOOT: Mapping[Given, str] = {
    _timeout: _TIMEOUT_BECAUSE + "; use reboot_timeout, and timeout: 0 on this task if the keyword comes from its block, "
    "role, play or configuration",
    _async: "the task controls the reboot from here all the time; run the playbook in the background instead",
}


def refusal(task: Any, keywords: Mapping[Given, str]) -> str | None:
    """Why a task can't be run, because of a keyword that it has or inherits; None if it can.

    :param task: as Ansible has templated it.
    """
    for given, because in keywords.items():
        keyword = given(task)
        if keyword is not None:
            return "%s is not supported here: %s" % (keyword, because)
    return None
