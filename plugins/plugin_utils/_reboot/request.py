# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's reboot as requested, and as decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .methods import Expectation, RebootMethod, allowed_by


@dataclass(frozen=True)
class RebootRequest:
    """Options of the user.

    :ivar method: one of :data:`methods.REQUESTS`.
    :ivar image: options of M(fleet.kexec.stage) that were given; empty if none were.
    :ivar policy: what a risk leads to, by code; risks left out are up to the host.
    """

    method: str
    reboot_timeout_s: float
    test_command: str
    message: str
    pre_reboot_delay_s: float = 0.0
    post_reboot_delay_s: float = 0.0
    image: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[RebootMethod, ...]:
        """Methods that the request allows, in the order to try them."""
        return allowed_by(self.method)


@dataclass(frozen=True)
class Intent(Expectation):
    """Reboot of a host that is ready for its trigger; holds all that is needed to continue from here.

    :ivar panic: C(kernel.panic) and C(kernel.panic_on_oops), to be restored.
    :ivar allowed: methods that the request allows; a boot as another one of them produces it is accepted, too.
    """

    method: RebootMethod
    panic: tuple[int, int]
    allowed: tuple[RebootMethod, ...]
