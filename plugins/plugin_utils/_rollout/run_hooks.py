# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks around a whole run, and around each process that resumes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._hooks.hook import RUN_AFTER, RUN_BEFORE, Hook, HookPhase, HookSubject
from .._hooks.parse import parse_hooks
from .._hooks.runner import HookOutcome, HookRunner
from .._journal import events
from .._journal.events import Event

#: Options that are lists of hooks of a run. They may hold secrets, so nothing records them.
RUN_HOOKS = (RUN_BEFORE.name, RUN_AFTER.name)


@dataclass(frozen=True)
class RunHookLists:
    """Hooks of a run, by the options that list them."""

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> RunHookLists:
        """Parse the options of :data:`RUN_HOOKS`; raises RolloutError C(SETTINGS_INVALID)."""
        return cls(*(parse_hooks(options.get(option), option, of_run=True) for option in RUN_HOOKS))

    def by_option(self) -> Mapping[str, tuple[Hook, ...]]:
        return dict(zip(RUN_HOOKS, (self.before, self.after), strict=True))


class RunHooks:
    """Runner of the hooks of a run."""

    def __init__(self, hooks: RunHookLists, *, subject: HookSubject, runner: HookRunner, record: Callable[[Event], None]) -> None:
        self._hooks = hooks
        self._subject = subject
        self._runner = runner
        self._record = record

    async def before(self) -> Reason | None:
        """Prepare for the run; return the failure of the first hook that failed, or None. See :meth:`HookRunner.run`."""
        return await self._run(RUN_BEFORE, self._hooks.before, None)

    async def after(self, stopped: Reason | None) -> None:
        """Clean up after the run, which stopped for this reason, or was completed. Failures are recorded."""
        await self._run(RUN_AFTER, self._hooks.after, stopped)

    async def _run(self, phase: HookPhase, hooks: tuple[Hook, ...], stopped: Reason | None) -> Reason | None:
        def ended(hook: Hook, outcome: HookOutcome) -> None:
            self._record(
                events.RunHookEnded(
                    hook=hook.name,
                    phase=phase.name,
                    attempts=outcome.attempts,
                    ok=outcome.ok,
                    duration_ms=outcome.duration_ms,
                    message=outcome.message,
                )
            )

        return await self._runner.run(phase, hooks, replace(self._subject, failure=stopped), ended)
