# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: actions that users want done around a host's reboot.

Arguments, headers, bodies and paths of URLs may hold secrets; no error, default name or C(repr()) shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .._transport.session import Session

#: Options that are lists of hooks.
PHASES = ("before", "after", "on_failure")

TIMEOUT_S = 60.0
RETRIES = 0
DELAY_S = 1.0


@dataclass(frozen=True)
class HookSessions:
    """Connections for the hooks of a host: to the host itself, and to the controller for modules that run there."""

    host: Session
    controller: Session


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
    def needs_host(self) -> bool:
        """Whether it runs on the host itself, so that it can't run while the host is down."""

    async def attempt(self, sessions: HookSessions, timeout_s: float) -> HookAttempt:
        """Do the action once, in time. A failure is returned, not raised; the caller may be cancelled."""


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
