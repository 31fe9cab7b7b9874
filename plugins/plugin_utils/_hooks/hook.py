# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: actions that users want done around the reboot of a host, or around a run.

Arguments, headers, bodies and paths of URLs may hold secrets; no error, default name or C(repr()) shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.fleet.kexec.plugins.module_utils._reasons import Reason

from .._text import clean, clipped
from .._transport.session import Session

#: Options that are lists of hooks.
PHASES = ("before", "after", "on_failure")

TIMEOUT_S = 60.0
RETRIES = 0
DELAY_S = 1.0

#: Places to run a hook, besides the hosts of the inventory by their names.
ON_HOST = "host"
ON_CONTROLLER = "controller"

#: Time that hooks of a phase have in all once a run is interrupted, for those that put something right.
GRACE_S = 60.0


@dataclass(frozen=True)
class HookSessions:
    """Connections for hooks.

    :ivar host: to the host that the hooks are for; None if they are for a run.
    :ivar controller: for modules that run there.
    :ivar other: makes a connection to another host of the inventory; raises CodedError if there is none as configured.
    :ivar at_once: held while something runs on the controller; connections have their own limit.
    """

    host: Session | None
    controller: Session
    other: Callable[[str], Session]
    at_once: AbstractAsyncContextManager[Any]

    def to(self, place: str) -> Session:
        """Connection to C(host), C(controller), or a host of the inventory."""
        if place == ON_CONTROLLER:
            return self.controller
        if place != ON_HOST:
            return self.other(place)
        if self.host is None:
            raise ValueError("a hook of the run, which has no host of its own, needs one")
        return self.host


@dataclass(frozen=True)
class HookPhase:
    """Point at which hooks run, and what an interrupt of the run means to them.

    :ivar grace_s: seconds that its hooks have in all from then on, or from the beginning of the phase if that is later.
    :ivar once: whether nothing is retried from then on.
    :ivar goes_on: whether a failed hook does not prevent the others.
    """

    name: str
    grace_s: float = GRACE_S
    once: bool = False
    goes_on: bool = False


# The host will not be rebooted any more, so there is no use in draining it.
BEFORE = HookPhase("before", grace_s=0.0)
AFTER = HookPhase("after")
# A failed notification must not prevent the others.
ON_FAILURE = HookPhase("on_failure", once=True, goes_on=True)
POWER = HookPhase("power_hook")
RUN_BEFORE = HookPhase("run_before", grace_s=0.0)
RUN_AFTER = HookPhase("run_after", goes_on=True)


@dataclass(frozen=True)
class HookSubject:
    """What a hook is run for, as it finds it in its environment.

    :ivar host: empty for hooks of a run.
    :ivar method: method of the reboot; empty while it is not known.
    :ivar failure: failure of the host, or reason why the run stopped.
    """

    run_id: str = ""
    journal: str = ""
    host: str = ""
    method: str = ""
    failure: Reason | None = None

    def environment(self, phase: HookPhase) -> dict[str, str]:
        """Environment variables, free of control characters."""
        values = {
            "HOST": self.host,
            "RUN_ID": self.run_id,
            "PHASE": phase.name,
            "CODE": self.failure.code if self.failure else "",
            "MESSAGE": clipped(self.failure.message) if self.failure else "",
            "METHOD": self.method,
            "JOURNAL": self.journal,
        }
        return {"FLEET_KEXEC_" + name: clean(value) for name, value in values.items()}


@dataclass(frozen=True)
class HookAttempt:
    """Outcome of one attempt; the message is free of secrets and may have several lines."""

    ok: bool
    message: str


class HookAction(Protocol):
    """Action of a hook; each kind of hook has its own."""

    @property
    def label(self) -> str:
        """Short description of the action, free of secrets."""

    @property
    def run_on(self) -> str:
        """Where it runs: C(host), C(controller), or the name of a host of the inventory."""

    async def attempt(self, sessions: HookSessions, environment: Mapping[str, str], timeout_s: float) -> HookAttempt:
        """Do the action once, in time. A failure is returned, not raised; the caller may be cancelled.

        :param environment: variables for processes that it starts.
        """


@dataclass(frozen=True)
class Hook:
    """Action, and how often to try it.

    :ivar name: unique among the hooks of an option.
    :ivar timeout_s: per attempt.
    :ivar retries: further attempts after the first.
    """

    name: str
    action: HookAction
    timeout_s: float = TIMEOUT_S
    retries: int = RETRIES
    delay_s: float = DELAY_S

    def runs_on(self, host: str) -> bool:
        """Whether it runs on this host of the inventory if it is a hook for it."""
        return self.action.run_on in (ON_HOST, host)

    @property
    def other_host(self) -> str | None:
        """Host of the inventory that it names to run on; None if it names none."""
        return None if self.action.run_on in (ON_HOST, ON_CONTROLLER) else self.action.run_on
