# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a rollout does over its connections to each host, by the code that a rollout does it with.

A command stands for the trigger.

Run in check mode, so that nothing is unloaded. The hosts are this machine, which is never rebooted.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hook import AFTER, Hook, HookSessions, HookSubject
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.interrupt import Interrupt
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.parse import parse_hooks
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import HookOutcome, HookRunner
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.host_reboot import HostReboot
from ansible_collections.fleet.kexec.plugins.plugin_utils._reboot.preparing import FACTS, MODULE_TIMEOUT_S
from ansible_collections.fleet.kexec.plugins.plugin_utils._rollout.arguments import CONNECTIONS
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.at_once import AtOnce
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.play_hosts import PlayHosts
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.prober import Prober
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import ActionSession


class ActionModule(ActionBase):
    """Measures connections to the play's hosts."""

    BYPASS_HOST_LOOP = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        assert task_vars is not None and self._task.check_mode
        hosts = PlayHosts(self, task_vars)
        began, cpu = time.monotonic(), _cpu_s()
        connected = {name: hosts.connect(name) for name in task_vars["ansible_play_hosts"]}
        result["steps"] = [{"step": "variables and connection plugin", **_taken(began, cpu)}]
        asyncio.run(_measure(connected, result["steps"]))
        return result


async def _measure(connected: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    at_once = AtOnce(CONNECTIONS).urgent
    prober = Prober()
    sessions = [ActionSession(action, variables, None, at_once) for action, variables in connected.values()]
    reboots = [
        HostReboot(
            session=session,
            prober=prober,
            own_boot_id="",
            new_token=lambda: "ab" * 8,
            progress=lambda text: None,
        )
        for session in sessions
    ]
    hook: Hook = parse_hooks([{"command": ["true"]}], "before")[0]

    async def modules(session: ActionSession) -> None:
        # What they say of this machine does not matter: it may be a container.
        await session.module("fleet.kexec.boot_facts", {"gather_subset": FACTS}, MODULE_TIMEOUT_S)
        await session.module("fleet.kexec.stage", {"state": "unstaged"}, MODULE_TIMEOUT_S)

    async def command(session: ActionSession) -> HookOutcome | None:
        outcomes: list[HookOutcome] = []
        runner = HookRunner(HookSessions(session, session, lambda name: session, at_once), Interrupt())
        await runner.run(AFTER, [hook], HookSubject(), lambda hook, outcome: outcomes.append(outcome))
        return outcomes[0]

    async def go(session: ActionSession) -> None:
        await session.run("true", [], True, MODULE_TIMEOUT_S)
        await session.leave()

    async def timeline(reboot: HostReboot) -> None:
        await reboot.read_clock()

    each: dict[str, list[Callable[[], Awaitable[Any]]]] = {
        "two modules: boot_facts, stage (first ssh connection)": [partial(modules, each) for each in sessions],
        "one hook: a command on the host": [partial(command, each) for each in sessions],
        "read the clock, ssh -G, read the banner": [each.locate for each in reboots],
        "trigger, leave the shared connection": [partial(go, each) for each in sessions],
        "ask the host on a new connection": [partial(each.ask, "ab" * 8) for each in reboots],
        "read the clock once more": [partial(timeline, each) for each in reboots],
    }
    for step, calls in each.items():
        began, cpu = time.monotonic(), _cpu_s()
        answers = await asyncio.gather(*(call() for call in calls))
        steps.append({"step": step, **_taken(began, cpu)})
        if step.startswith(("one hook", "ask")):
            assert all(answer is not None and getattr(answer, "ok", True) for answer in answers), answers
    for session in sessions:
        session.restore()
    prober.close()


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _taken(began: float, cpu_s: float) -> dict[str, float]:
    return {"wall_s": time.monotonic() - began, "cpu_s": _cpu_s() - cpu_s}
