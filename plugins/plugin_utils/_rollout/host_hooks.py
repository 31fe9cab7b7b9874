# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks around the reboot of one host, run one after the other and journalled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason, reason

from .._hooks.hook import Hook
from .._hooks.runner import HookRunner
from .._journal import events
from .._journal.events import Event

ON_FAILURE = "on_failure"


@dataclass(frozen=True)
class Hooks:
    """Hooks of one host; C(power) power-cycles it if it does not come back."""

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    power: tuple[Hook, ...] = ()


class HostHooks:
    """Runner of one host's hooks."""

    def __init__(self, name: str, hooks: Hooks, runner: HookRunner, record: Callable[[Event], None]) -> None:
        self._name = name
        self._hooks = hooks
        self._runner = runner
        self._record = record

    @property
    def drains(self) -> bool:
        """Whether there are hooks whose effect may have to be undone."""
        return bool(self._hooks.before)

    @property
    def has_power(self) -> bool:
        return bool(self._hooks.power)

    async def before(self) -> Reason | None:
        """Drain the host; return the failure of the first hook that failed, or None."""
        return await self._run("before", self._hooks.before)

    async def after(self) -> Reason | None:
        """Put the host back into service, with the result of :meth:`before`."""
        return await self._run("after", self._hooks.after)

    async def power(self) -> Reason | None:
        """Power-cycle the host, with the result of :meth:`before`."""
        return await self._run("power_hook", self._hooks.power)

    async def on_failure(self) -> None:
        """Notify that the host has failed."""
        await self._run(ON_FAILURE, self._hooks.on_failure)

    async def _run(self, phase: str, hooks: Sequence[Hook]) -> Reason | None:
        failed: Reason | None = None
        for hook in hooks:
            outcome = await self._runner.run(hook)
            self._record(
                events.HookEnded(
                    host=self._name,
                    hook=hook.name,
                    phase=phase,
                    attempts=outcome.attempts,
                    ok=outcome.ok,
                    duration_ms=outcome.duration_ms,
                    message=outcome.message,
                )
            )
            if not outcome.ok:
                failed = failed or reason("HOOK_FAILED", "%s hook %s: %s" % (phase, hook.name, outcome.message))
                # A failed notification must not prevent the others.
                if phase != ON_FAILURE:
                    break
        return failed
