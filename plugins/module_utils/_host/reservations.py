# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory reserved by the running kernel, and total memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Optional

from .crash_area import CRASH_LOADED, parse_iomem
from .files import HostFiles
from .memory import read_memory

CRASH_SIZE = "/sys/kernel/kexec_crash_size"


@dataclass(frozen=True)
class Reservations:
    """Reserved memory.

    :ivar crash_bytes: for a crash kernel; None if the kernel lacks kexec support.
    :ivar crash_low_bytes: part of that below 4 GiB, in an area separate from the kernel's own; 0 if it is not counted, as
        before Linux 6.5.
    :ivar cma_bytes: size of the contiguous memory area.
    :ivar ram_bytes: all memory, including what is reserved.
    """

    crash_bytes: Optional[int]
    crash_low_bytes: int
    crash_loaded: bool
    cma_bytes: int
    ram_bytes: int


def read_reservations(files: HostFiles) -> Reservations:
    """Read the current reservations. Without privileges, total memory comes out slightly too small."""
    memory = read_memory(files)
    crash_bytes = files.read_int(CRASH_SIZE)
    crash, ram = parse_iomem(files.read_text("/proc/iomem") or "")
    sizes = [area.size_bytes for area in crash]
    return Reservations(
        crash_bytes=crash_bytes,
        crash_low_bytes=sizes[0] if len(sizes) == 2 and sum(sizes) == crash_bytes else 0,
        crash_loaded=bool(files.read_int(CRASH_LOADED)),
        cma_bytes=memory.cma_total_bytes,
        ram_bytes=max(sum(area.size_bytes for area in ram), memory.total_bytes + (crash_bytes or 0)),
    )


def shrink_crash_reservation(files: HostFiles, size_bytes: int) -> int:
    """Release memory reserved for a crash kernel; returns the bytes still reserved.

    :raises OSError: the kernel refused, as it does while a crash kernel is loaded.
    """
    descriptor = os.open(files.path(CRASH_SIZE), os.O_WRONLY)
    try:
        os.write(descriptor, b"%d" % size_bytes)
    finally:
        os.close(descriptor)
    return files.read_int(CRASH_SIZE) or 0
