# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that the running kernel has reserved, and the memory there is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import List, Optional, Pattern

from .files import HostFiles
from .memory import read_memory

CRASH_SIZE = "/sys/kernel/kexec_crash_size"
_CRASH_LOADED = "/sys/kernel/kexec_crash_loaded"
_SYSTEM_RAM = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", re.MULTILINE)
# Lies within the other, and so is indented.
_CRASH_KERNEL = re.compile(r"^ *([0-9a-f]+)-([0-9a-f]+) : Crash kernel$", re.MULTILINE)


@dataclass(frozen=True)
class Reservations:
    """What is reserved, in bytes.

    :ivar crash_bytes: for a crash kernel; None if the kernel has no kexec.
    :ivar crash_low_bytes: how much of that lies below 4 GiB, beside the area for the
        kernel itself; 0 where it is not counted, as before Linux 6.5.
    :ivar crash_loaded: whether a crash kernel is loaded.
    :ivar cma_bytes: contiguous memory area.
    :ivar ram_bytes: all memory, that which is reserved included.
    """

    crash_bytes: Optional[int]
    crash_low_bytes: int
    crash_loaded: bool
    cma_bytes: int
    ram_bytes: int


def read_reservations(files: HostFiles) -> Reservations:
    """Reservations as they are now. Without privileges the size of memory is a little too small."""
    memory = read_memory(files)
    crash_bytes = files.read_int(CRASH_SIZE)
    iomem = files.read_text("/proc/iomem") or ""
    areas = _sizes(_CRASH_KERNEL, iomem)
    return Reservations(
        crash_bytes=crash_bytes,
        crash_low_bytes=areas[0] if len(areas) == 2 and sum(areas) == crash_bytes else 0,
        crash_loaded=bool(files.read_int(_CRASH_LOADED)),
        cma_bytes=memory.cma_total_bytes,
        ram_bytes=max(sum(_sizes(_SYSTEM_RAM, iomem)), memory.total_bytes + (crash_bytes or 0)),
    )


def _sizes(pattern: Pattern[str], iomem: str) -> List[int]:
    """Sizes of areas, the lowest first. Addresses are all 0 for those who may not see them."""
    return [int(end, 16) - int(start, 16) + 1 for start, end in pattern.findall(iomem) if int(end, 16)]


def shrink_crash_reservation(files: HostFiles, size_bytes: int) -> int:
    """Give memory back that is reserved for a crash kernel.

    :return: what is still reserved, in bytes.
    :raises OSError: the kernel refused, as it does while a crash kernel is loaded.
    """
    descriptor = os.open(files.path(CRASH_SIZE), os.O_WRONLY)
    try:
        os.write(descriptor, b"%d" % size_bytes)
    finally:
        os.close(descriptor)
    return files.read_int(CRASH_SIZE) or 0
