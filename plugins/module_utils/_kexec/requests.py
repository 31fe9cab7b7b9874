# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks staging for, and whose fault it is where that is impossible."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Optional

from .cmdline import Edits

DEFAULT = "default"
NEWEST = "newest"
RUNNING = "running"
NO_INITRD = "none"

# Lines to start from.
ENTRY = "entry"
RUNNING_LINE = "running"
BASES = (ENTRY, RUNNING_LINE)


@dataclass(frozen=True)
class StagingRequest:
    """User's request.

    :ivar kernel: C(default) for the bootloader's default entry, C(newest), C(running), a release, or an absolute path.
    :ivar initrd: an absolute path, C(none), or None for those that belong to the kernel.
    :ivar base: command line to start from, C(entry) for the default entry's or C(running).
    :ivar profile: whether the boot is to log the time of each initcall.
    :ivar preferences: fields of C(preferences.Preferences) by name; the host's own apply where one is absent or None.
    """

    kernel: str = DEFAULT
    initrd: Optional[str] = None
    edits: Edits = field(default_factory=Edits)
    base: str = ENTRY
    profile: bool = False
    preferences: Mapping[str, Any] = field(default_factory=dict)


# Codes that say what the host can't do, and are a reason to reboot another way.
HOST_CODES = frozenset(
    (
        "ARCH_UNSUPPORTED",
        "CMA_BZIMAGE",
        "KEXEC_LOAD_DISABLED",
        "KEXEC_LOAD_LIMIT",
        "LOADER_UNAVAILABLE",
        "LOAD_FAILED",
        "LOAD_UNVERIFIED",
        "LOCKDOWN",
        "NO_KERNEL",
        "NO_KEXEC_SUPPORT",
        "NO_KEXEC_TOOLS",
        "NO_MEMORY",
        "NO_SYSTEMD",
    )
)


def _names_kernel(request: StagingRequest) -> bool:
    return request.kernel not in (DEFAULT, NEWEST)


def _names_initrd(request: StagingRequest) -> bool:
    return request.initrd is not None or _names_kernel(request)


def _edits_line(request: StagingRequest) -> bool:
    return request.edits != Edits()


# Codes that say so only if the request does not name what is wrong.
_SHARED_CODES: Dict[str, Callable[[StagingRequest], bool]] = {
    "CMDLINE_INVALID": _edits_line,
    "CMDLINE_TOO_LONG": _edits_line,
    "INITRD_INVALID": _names_initrd,
    "INITRD_NOT_FOUND": _names_initrd,
    "KERNEL_INVALID": _names_kernel,
    "KERNEL_NOT_FOUND": _names_kernel,
    "KERNEL_TRUNCATED": _names_kernel,
    "WRONG_ARCH": _names_kernel,
}


def is_fault_of_host(code: str, request: StagingRequest) -> bool:
    """Whether a refusal of staging is due to the host, so that it can reboot another way, and not to the request."""
    names_it = _SHARED_CODES.get(code)
    return code in HOST_CODES or (names_it is not None and not names_it(request))
