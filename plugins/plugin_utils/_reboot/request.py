# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's reboot as requested, and as decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fleet.kexec.plugins.module_utils._kexec.cmdline import Edits
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.least import Need, decide_least
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.preferences import AUTO as NO_PREFERENCE
from ansible_collections.fleet.kexec.plugins.module_utils._kexec.requests import BASES, DEFAULT
from ansible_collections.fleet.kexec.plugins.module_utils._options import image_request

from .errors import RebootError
from .methods import LEAST, Expectation, RebootMethod, allowed_by, method_named

#: Hosts to reboot: all that were named, or those of them that need it.
ONLY_ALL = "all"
ONLY_PENDING = "pending"
ONLY = (ONLY_ALL, ONLY_PENDING)

# Devices come late: links take seconds to negotiate, disks to spin up.
SETTLE_S = 30
SETTLE_MAX_S = 3600


@dataclass(frozen=True)
class RebootRequest:
    """Options of the user.

    :ivar method: one of :data:`methods.REQUESTS`.
    :ivar image: options of M(fleet.kexec.stage) that were given; empty if none were.
    :ivar only: one of :data:`ONLY`.
    :ivar in_flight: whether the host is rebooted even if it needs no reboot any more, because users have noticed by now.
    :ivar policy: what a risk or a difference leads to, by code; those left out are up to the host.
    :ivar compare: whether the machine is remembered before the reboot, and compared after.
    :ivar settle_s: time that the machine has until then to become what it was.
    """

    method: str
    reboot_timeout_s: float
    test_command: str
    message: str
    pre_reboot_delay_s: float = 0.0
    post_reboot_delay_s: float = 0.0
    only: str = ONLY_ALL
    in_flight: bool = False
    image: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    compare: bool = True
    settle_s: int = SETTLE_S

    @property
    def policy_args(self) -> dict[str, Any]:
        """Option C(policy) of modules; the host's own applies without it."""
        return {"policy": dict(self.policy)} if self.policy else {}

    @property
    def methods(self) -> tuple[RebootMethod, ...]:
        """Methods that the request allows, in the order to try them."""
        return allowed_by(self.method)

    @property
    def asks_for_need(self) -> bool:
        """Whether the reboot depends on what is pending on the host."""
        return self.method == LEAST or (self.only == ONLY_PENDING and not self.in_flight)

    @property
    def spares(self) -> bool:
        """Whether a host on which nothing is pending is left as it is."""
        return self.asks_for_need and not self.in_flight

    def methods_for(self, needs: Sequence[Need]) -> tuple[RebootMethod, ...]:
        """Methods that the request allows for a host, in the order to try them.

        :param needs: why it needs a reboot; empty if it needs none, or that was not asked.
        """
        if self.method != LEAST or not needs:
            return self.methods
        return tuple(map(method_named, decide_least(needs, {}).candidates))

    def check(self) -> list[str]:
        """Refuse options that the method or C(only) can't heed, and return a sentence for each without effect on the method.

        :raises RebootError: C(SETTINGS_INVALID).
        """
        if not 0 <= self.settle_s <= SETTLE_MAX_S:
            message = "settle is %d, but has to be a number of seconds from 0 to %d"
            raise RebootError("SETTINGS_INVALID", message % (self.settle_s, SETTLE_MAX_S))
        if not self.asks_for_need and any(method.stages for method in self.methods):
            return []
        # Whoever names a kernel, an initrd or a command line expects it to be booted; the others only say how.
        asked = image_request({"kernel": DEFAULT, **self.image})
        named = {
            "kernel": asked.kernel != DEFAULT,
            "initrd": asked.initrd is not None,
            "cmdline": asked.edits != Edits() or asked.base != BASES[0],
        }
        for option, is_named in named.items():
            if is_named:
                because = "method %s, which boots" % self.method
                if self.asks_for_need:
                    asked_by = "only %s" % self.only if self.only == ONLY_PENDING else "method %s" % self.method
                    because = "%s, which compares the host with" % asked_by
                raise RebootError(
                    "SETTINGS_INVALID", "%s has to be left out with %s the bootloader's default" % (option, because)
                )
        if any(method.stages for method in self.methods):
            return []
        idle = [name for name, value in asked.preferences.items() if value not in (None, NO_PREFERENCE)]
        return ["%s has no effect with method %s, which loads no image" % (name, self.method) for name in idle]


@dataclass(frozen=True)
class Intent(Expectation):
    """Reboot of a host that is ready for its trigger; holds all that is needed to continue from here.

    :ivar panic: C(kernel.panic) and C(kernel.panic_on_oops), to be restored.
    :ivar allowed: methods that the request allows; a boot as another one of them produces it is accepted, too.
    :ivar remembered: system, as one word, in which the machine was remembered: the one that is to end, or an earlier one if the
        host has rebooted since. Empty if it is not to be compared.
    """

    method: RebootMethod
    panic: tuple[int, int]
    allowed: tuple[RebootMethod, ...]
    remembered: str = ""
