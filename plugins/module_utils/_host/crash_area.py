# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory reserved for a crash kernel, and the memory around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Tuple

from .._command import Runner
from .files import HostFiles

CRASH_LOADED = "/sys/kernel/kexec_crash_loaded"
# Units of kdump: the first on Debian and its derivatives.
_KDUMP_UNITS = ("kdump-tools.service", "kdump.service")
_SYSTEMCTL_TIMEOUT_S = 10.0
_LINE = re.compile(r"^( *)([0-9a-f]+)-([0-9a-f]+) : (.*)$")


class Area(NamedTuple):
    """Range of physical addresses, C(end) excluded."""

    begin: int
    end: int

    @property
    def size_bytes(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True)
class CrashArea:
    """Reservation for a crash kernel.

    :ivar area: the part that images are loaded into, which is the upper one of two (C(crashkernel=SIZE,high)).
    :ivar loaded: whether a crash image is loaded.
    :ivar awaited: whether kdump is about to load one, as it does while the host starts.
    :ivar ram: all memory, lowest first.
    """

    area: Area
    loaded: bool
    ram: Tuple[Area, ...]
    awaited: bool = False


def parse_iomem(text: str) -> Tuple[List[Area], List[Area]]:
    """Parse C(/proc/iomem): the reservations for crash kernels, and all memory; both are empty without privileges."""
    crash: List[Area] = []
    ram: List[Area] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        area = Area(int(match.group(2), 16), int(match.group(3), 16) + 1)
        if match.group(4) == "Crash kernel" and area.size_bytes > 1:
            crash.append(area)
        elif match.group(4) == "System RAM" and not match.group(1) and area.size_bytes > 1:
            ram.append(area)
    return sorted(crash), sorted(ram)


def read_crash_area(files: HostFiles, run: Runner) -> Optional[CrashArea]:
    """Read the reservation; None if there is none, or without privileges."""
    crash, ram = parse_iomem(files.read_text("/proc/iomem") or "")
    if not crash:
        return None
    loaded = bool(files.read_int(CRASH_LOADED))
    return CrashArea(crash[-1], loaded, tuple(ram), awaited=not loaded and _kdump_is_awaited(run))


def _kdump_is_awaited(run: Runner) -> bool:
    """Whether a kdump service is starting, or enabled and not started yet."""
    result = run(["systemctl", "show", "--property=ActiveState,UnitFileState", *_KDUMP_UNITS], _SYSTEMCTL_TIMEOUT_S)
    for unit in result.stdout.split("\n\n"):
        state = dict(line.partition("=")[::2] for line in unit.splitlines())
        active, enabled = state.get("ActiveState"), state.get("UnitFileState") == "enabled"
        if active == "activating" or (active == "inactive" and enabled):
            return True
    return False
