# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for the tests of hooks: simulated, with real processes where a test wants them."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._command import CommandResult
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.hook import (
    AFTER,
    Hook,
    HookPhase,
    HookSessions,
    HookSubject,
)
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.interrupt import Interrupt
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.parse import parse_hooks
from ansible_collections.fleet.kexec.plugins.plugin_utils._hooks.runner import HookOutcome, HookRunner
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.at_once import AtOnce
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.bounded import CallAbandoned, bounded_call
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.session import SessionLost
from ansible_collections.fleet.kexec.plugins.plugin_utils._transport.sshd import Sshd

from ... import virtual_time


def hook(**given: Any) -> Hook:
    """A hook as it is parsed."""
    (parsed,) = parse_hooks([given], "before")
    return parsed


class Host:
    """A host that is this machine, if it is asked to run a command, or answers in turn as a test told it to."""

    def __init__(self, *answers: Any, takes_s: float = 0.0) -> None:
        self._answers = list(answers)
        self._takes_s = takes_s
        self.asked: list[tuple[Any, ...]] = []

    async def _answer(self, timeout_s: float) -> Any:
        if self._takes_s > timeout_s:
            await asyncio.sleep(timeout_s)
            raise SessionLost("no answer within %.1f s" % timeout_s)
        await asyncio.sleep(self._takes_s)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run(self, script: str, args: Sequence[str], become: bool, timeout_s: float) -> CommandResult:
        self.asked.append(("run", become, timeout_s))
        if self._answers or self._takes_s:
            answer: CommandResult = await self._answer(timeout_s)
            return answer
        # As ssh does: one string, for the login shell there.
        command = "exec " + shlex.join(["/bin/sh", "-c", script, "fleet-kexec", *args])

        def work() -> CommandResult:
            done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
            return CommandResult(done.returncode, done.stdout, done.stderr)

        try:
            return await bounded_call(work, timeout_s)
        except CallAbandoned as error:
            raise SessionLost(str(error)) from error

    async def module(self, name: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        self.asked.append((name, dict(args), timeout_s))
        answer: dict[str, Any] = await self._answer(timeout_s)
        return answer

    async def sshd(self) -> Sshd | None:
        raise AssertionError("hooks don't ask for it")

    async def leave(self) -> None:
        raise AssertionError("hooks don't ask for it")

    def restore(self) -> None:
        raise AssertionError("hooks don't ask for it")


#: What hooks are for, unless a test says so.
SUBJECT = HookSubject(run_id="night", journal="/runs/night/journal.jsonl", host="web1", method="kexec")


def sessions(host: Host | None = None, controller: Host | None = None, **others: Host) -> HookSessions:
    return HookSessions(host or Host(), controller or Host(), others.__getitem__, AtOnce(8).urgent)


async def outcomes(
    *hooks: Hook,
    phase: HookPhase = AFTER,
    subject: HookSubject = SUBJECT,
    among: HookSessions | None = None,
    interrupt: Interrupt | None = None,
) -> list[HookOutcome]:
    """What comes of hooks."""
    found: list[HookOutcome] = []
    runner = HookRunner(among or sessions(), interrupt or Interrupt())
    await runner.run(phase, hooks, subject, lambda hook, outcome: found.append(outcome))
    return found


async def outcome_of(wanted: Hook, **how: Any) -> HookOutcome:
    (found,) = await outcomes(wanted, **how)
    return found


def run(wanted: Hook, host: Host | None = None, controller: Host | None = None, **how: Any) -> HookOutcome:
    """In real time."""
    return asyncio.run(outcome_of(wanted, among=sessions(host, controller), **how))


def run_virtually(wanted: Hook, host: Host | None = None, controller: Host | None = None, **how: Any) -> HookOutcome:
    return virtual_time.run(outcome_of(wanted, among=sessions(host, controller), **how))
