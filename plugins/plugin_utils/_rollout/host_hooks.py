# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks around the reboot of one host, run one after the other and journalled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._hooks.hook import AFTER, BEFORE, ON_FAILURE, POWER, Hook, HookPhase, HookSubject
from .._hooks.runner import HookOutcome, HookRunner
from .._journal import events
from .._journal.events import Event


@dataclass(frozen=True)
class Hooks:
    """Hooks of one host; C(power) power-cycles it if it does not come back."""

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()
    on_failure: tuple[Hook, ...] = ()
    power: tuple[Hook, ...] = ()

    @property
    def other_hosts(self) -> frozenset[str]:
        """Hosts of the inventory that they name to run on."""
        hooks = (*self.before, *self.after, *self.on_failure, *self.power)
        return frozenset(hook.other_host for hook in hooks if hook.other_host is not None)


class HostHooks:
    """Runner of one host's hooks.

    :param subject: the host and its run.
    :param method: returns the method of its reboot; None while that is not known.
    """

    def __init__(
        self,
        hooks: Hooks,
        *,
        subject: HookSubject,
        runner: HookRunner,
        method: Callable[[], str | None],
        record: Callable[[Event], None],
    ) -> None:
        self._hooks = hooks
        self._subject = subject
        self._runner = runner
        self._method = method
        self._record = record

    @property
    def drains(self) -> bool:
        """Whether there are hooks whose effect may have to be undone."""
        return bool(self._hooks.before)

    @property
    def has_power(self) -> bool:
        return bool(self._hooks.power)

    async def before(self) -> Reason | None:
        """Drain the host; return the failure of the first hook that failed, or None. See :meth:`HookRunner.run`."""
        return await self._run(BEFORE, self._hooks.before)

    async def after(self) -> Reason | None:
        """Put the host back into service, with the result of :meth:`before`."""
        return await self._run(AFTER, self._hooks.after)

    async def power(self) -> Reason | None:
        """Power-cycle the host, with the result of :meth:`before`."""
        return await self._run(POWER, self._hooks.power)

    async def on_failure(self, why: Reason) -> None:
        """Notify that the host has failed."""
        await self._run(ON_FAILURE, self._hooks.on_failure, why)

    async def _run(self, phase: HookPhase, hooks: Sequence[Hook], why: Reason | None = None) -> Reason | None:
        def ended(hook: Hook, outcome: HookOutcome) -> None:
            self._record(
                events.HookEnded(
                    host=self._subject.host,
                    hook=hook.name,
                    phase=phase.name,
                    attempts=outcome.attempts,
                    ok=outcome.ok,
                    duration_ms=outcome.duration_ms,
                    message=outcome.message,
                )
            )

        subject = replace(self._subject, method=self._method() or "", failure=why)
        return await self._runner.run(phase, hooks, subject, ended)
