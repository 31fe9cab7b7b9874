# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: things that users want done around a host's reboot.

Arguments, headers, bodies and paths of addresses may hold secrets. They are in no error, no default name and no C(repr()).
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
    """Connections that hooks of a host may use.

    :ivar host: to the host. Its own bound on time, which leaves out the wait for its turn, is that of an attempt.
    :ivar controller: to the machine this runs on, for modules there.
    """

    host: Session
    controller: Session


@dataclass(frozen=True)
class HookAttempt:
    """Outcome of one attempt.

    :ivar message: without secrets; it may have several lines.
    """

    ok: bool
    message: str


class HookAction(Protocol):
    """One thing to do; each kind of hook has its own."""

    @property
    def label(self) -> str:
        """The action in a few words, without what may be secret."""

    async def attempt(self, sessions: HookSessions, timeout_s: float) -> HookAttempt:
        """Do it once. Its failure is no exception, and it ends in time.

        Whoever waits for it may be cancelled.
        """


@dataclass(frozen=True)
class Hook:
    """One thing to do, and how often to try.

    :ivar name: unique among the hooks of an option.
    :ivar timeout_s: of each attempt.
    :ivar retries: further attempts after one that failed.
    :ivar delay_s: between attempts.
    """

    name: str
    action: HookAction
    timeout_s: float = TIMEOUT_S
    retries: int = RETRIES
    delay_s: float = DELAY_S
