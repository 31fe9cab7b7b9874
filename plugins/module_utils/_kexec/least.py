# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the least reboot that applies what is pending on a host, from facts alone (pure).

A soft reboot replaces userspace, a kexec the kernel and its arguments, too, and firmware applies all there is. So whatever a
method applies, those after it do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterable, List, Mapping, Optional, Sequence, Tuple

from .._reasons import Reason

SOFT = "soft"
KEXEC = "kexec"
FIRMWARE = "firmware"
#: Methods, the least first.
METHODS = (SOFT, KEXEC, FIRMWARE)

# Packages of userspace alone, of those that ask for a reboot (/run/reboot-required.pkgs) or that package managers know to need
# one: https://access.redhat.com/solutions/27943. Any other may be a kernel, microcode, or firmware that a driver loads.
_USERSPACE = re.compile(
    r"(?:glibc|libc6|libc-bin"
    r"|(?:lib)?systemd(?:[0-9]|-(?!boot|ukify)[a-z0-9-]+)?|libnss-systemd|libpam-systemd|udev|libudev1"
    r"|dbus(?:-[a-z0-9-]+)?|libdbus-1-3"
    r"|openssl(?:-libs)?|libssl[0-9.]+(?:t64)?|gnutls|libgnutls30(?:t64)?)"
)
# Microcode, which a kernel loads as it boots, on Debian, SUSE and Red Hat.
_MICROCODE = re.compile(r"(?:intel|amd64)-microcode|ucode-(?:intel|amd)|microcode_ctl")


@dataclass(frozen=True)
class Need:
    """Reason why a host needs a reboot.

    :ivar method: least of :data:`METHODS` that does away with it.
    """

    reason: Reason
    method: str


@dataclass(frozen=True)
class LeastMethod:
    """Least reboot of a host.

    :ivar method: one of :data:`METHODS`; None if nothing is pending.
    :ivar candidates: methods that apply all that is pending, the least first.
    :ivar ruled_out: why the host can't reboot by lesser ones of these.
    """

    method: Optional[str]
    candidates: Tuple[str, ...] = ()
    ruled_out: List[Reason] = field(default_factory=list)


def decide_least(needs: Sequence[Need], obstacles: Mapping[str, Sequence[Reason]]) -> LeastMethod:
    """Decide on the least reboot that applies all that is pending.

    :param obstacles: why the host can't reboot by a method, also for want of permission; a method without any is possible. The
        last method always is.
    """
    least = least_for(needs)
    if least is None:
        return LeastMethod(None)
    candidates = methods_from(least)
    ruled_out: List[Reason] = []
    for method in candidates[:-1]:
        if not obstacles.get(method):
            return LeastMethod(method, candidates, ruled_out)
        ruled_out += obstacles[method]
    return LeastMethod(candidates[-1], candidates, ruled_out)


def least_for(needs: Iterable[Need]) -> Optional[str]:
    """Least method that does away with all reasons; None without any."""
    return max((need.method for need in needs), key=METHODS.index, default=None)


def methods_from(least: str) -> Tuple[str, ...]:
    """List a method and those that apply more, the least first."""
    return METHODS[METHODS.index(least) :]


def loads_into_cpu(package: str) -> bool:
    """Whether a package is one of microcode."""
    return _MICROCODE.fullmatch(package) is not None


def method_for(packages: Sequence[str]) -> str:
    """Least method that applies updates of packages; if they are not told, it may be a kernel."""
    return SOFT if packages and all(map(_USERSPACE.fullmatch, packages)) else KEXEC
