# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of fleet.kexec.reboot; documented in C(plugins/modules/reboot.py)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.staging import TOKEN_BYTES
from ansible_collections.fleet.kexec.plugins.module_utils._options import image_argument_spec, policy_argument_spec
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CodedError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.builtin_options import ARGUMENTS as BUILTIN_ARGUMENTS
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.builtin_options import method_from
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.errors import RebootError
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_reboot import HostReboot
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.methods import AUTO, REQUESTS
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.probe_options import parse_probe
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.reboot_host import reboot_host
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.request import SETTLE_S, RebootRequest
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.result import RebootResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.service_watch import ServiceWatch
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.controller import own_boot_id
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.interrupts import Interrupts
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.keywords import OF_REBOOT, refusal
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.prober import Prober
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import ActionSession

display = Display()

ARGUMENT_SPEC: dict[str, Any] = {
    **image_argument_spec(),
    **policy_argument_spec(),
    **BUILTIN_ARGUMENTS,
    "method": {"type": "str", "choices": list(REQUESTS), "default": AUTO},
    "reboot_timeout": {"type": "int", "default": 600, "aliases": ["reboot_timeout_sec"]},
    "connect_timeout": {"type": "int", "aliases": ["connect_timeout_sec"]},
    "test_command": {"type": "str", "default": "whoami"},
    "msg": {"type": "str", "default": "Reboot initiated by Ansible"},
    "pre_reboot_delay": {"type": "int", "default": 0, "aliases": ["pre_reboot_delay_sec"]},
    "post_reboot_delay": {"type": "int", "default": 0, "aliases": ["post_reboot_delay_sec"]},
    "compare": {"type": "bool", "default": True},
    "settle": {"type": "int", "default": SETTLE_S},
    "probe_ssh": {"type": "bool", "default": True},
    # Checked where it is parsed, so that its errors have a code and show none of its values.
    "probe": {"type": "raw", "no_log": True},
}


class ActionModule(ActionBase):
    """Reboot one host and prove how it came back."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        why_not = refusal(self._task, OF_REBOOT)
        if why_not is not None:
            # Raised, because Ansible would try again after a failed result if the task has until.
            error = RebootError("KEYWORD_UNSUPPORTED", why_not)
            raise AnsibleActionFail(error.reason.message, result=error.as_result())
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(ARGUMENT_SPEC)
        try:
            rebooted = asyncio.run(self._reboot(args, task_vars or {}))
            result.update(rebooted.as_result(), **rebooted.as_facts(task_vars or {}))
        except CodedError as error:
            # A host that can't be reached, too: Ansible's "unreachable" would not stop a rolling reboot.
            result.update(error.as_result(), failed=True)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        return result

    async def _reboot(self, args: dict[str, Any], task_vars: dict[str, Any]) -> RebootResult:
        if self._connection.transport == "local":
            raise RebootError("CONTROL_NODE", "the connection is local: this host is the machine that runs the playbook")
        name = task_vars.get("inventory_hostname")
        service = parse_probe(args["probe"])
        prober = Prober()
        host = HostReboot(
            session=ActionSession(self, task_vars, args["connect_timeout"]),
            prober=prober,
            own_boot_id=own_boot_id(),
            new_token=lambda: os.urandom(TOKEN_BYTES).hex(),
            progress=lambda text: display.v("reboot: %s" % text, host=name),
            service=ServiceWatch(service, prober) if service is not None else None,
            probe_ssh=args["probe_ssh"],
        )
        request = RebootRequest(
            method=method_from(args),
            reboot_timeout_s=args["reboot_timeout"],
            test_command=args["test_command"],
            message=args["msg"],
            pre_reboot_delay_s=max(0, args["pre_reboot_delay"]),
            post_reboot_delay_s=max(0, args["post_reboot_delay"]),
            policy=args["policy"] or {},
            compare=args["compare"],
            settle_s=args["settle"],
            image={name: args[name] for name in image_argument_spec() if name in self._task.args},
        )
        for sentence in request.check():
            display.warning(sentence)
        task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]  # always inside a task
        try:
            with Interrupts(task.cancel) as interrupts:
                return await reboot_host(host, request, interrupts.release, check_mode=bool(self._task.check_mode))
        finally:
            prober.close()
