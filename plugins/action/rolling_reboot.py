# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of fleet.kexec.rolling_reboot; documented in C(plugins/modules/rolling_reboot.py)."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.output import Output
from ansible_collections.fleet.kexec.plugins.plugin_utils._console.screen import screen_of
from ansible_collections.fleet.kexec.plugins.plugin_utils._errors import RolloutError
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import request_of, rolling_argument_spec
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.controller import Controller
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.host_options import PER_HOST, PER_HOST_ALIASES, take_per_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.run import Rolling
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.selection import select
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.controller import operator_of, own_boot_id
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.keywords import OF_ROLLING_REBOOT, refusal
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.play_hosts import PlayHosts
from ansible_collections.fleet.kexec.plugins.plugin_utils._variables import rolling_variables

display = Display()


class ActionModule(ActionBase):
    """Reboot the play's hosts in one task that runs once."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _supports_check_mode = True

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Leave to each host the arguments that are templated per host."""
        if name in PER_HOST or name in PER_HOST_ALIASES:
            return value
        return super().finalize_task_arg(name, value, templar, context)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        why_not = refusal(self._task, OF_ROLLING_REBOOT)
        if why_not is not None:
            # Raised, because Ansible would try again after a failed result if the keyword is until.
            error = RolloutError("KEYWORD_UNSUPPORTED", why_not)
            raise AnsibleActionFail(error.reason.message, result=error.as_result())
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        given = dict(self._task.args)
        output = Output(display, os.getppid(), C.DEFAULT_STDOUT_CALLBACK)
        try:
            raw = take_per_host(given)
            checked = ArgumentSpecValidator(rolling_argument_spec()).validate(given)
            if checked.error_messages:
                raise AnsibleActionFail("; ".join(checked.error_messages))
            options = checked.validated_parameters
            # In the order that the play's keyword order asks for; the other variables have that of the inventory.
            names = list(task_vars["ansible_play_batch"])
            left = set(names)
            if left != set(task_vars["ansible_play_hosts"]):
                raise RolloutError("SERIAL", "the play has serial, so this task would see only a part of its hosts at a time")
            hosts = PlayHosts(self, task_vars)
            selection = select(hosts, names, task_vars["inventory_hostname"])
            rolling = Rolling(
                options=options,
                raw=raw,
                hosts=hosts,
                names=selection.names,
                left_out=selection.left_out,
                unavailable=[name for name in task_vars["ansible_play_hosts_all"] if name not in left],
                request=request_of(options, given),
                controller=_controller(output, task_vars),
                variable_names=rolling_variables(task_vars, self._loader.load_from_file),
            )
            result.update(asyncio.run(rolling.plan() if self._task.check_mode else rolling.run()))
        except CodedError as error:
            result.update(error.as_result(), failed=True)
        finally:
            if not output.takes_results():
                # To send the result would block this process for ever. A worker that failed ends a playbook that waits.
                os._exit(1)
        return result


def _controller(output: Output, task_vars: dict[str, Any]) -> Controller:
    screen = screen_of(os.getppid(), os.environ)
    return Controller(
        name=socket.gethostname(),
        own_boot_id=own_boot_id(),
        random=lambda count: os.urandom(count).hex(),
        say=output.say,
        warn=display.warning,
        progress=output.progress,
        columns=screen.size()[0],
        glyphs=screen.glyphs,
        view=lambda state, predictions: screen.view(output, state, predictions),
        operator=operator_of(task_vars, os.environ),
        unread=lambda: output.lost,
    )
