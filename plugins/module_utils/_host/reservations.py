# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that the running kernel has reserved, and the memory there is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Optional

from .files import HostFiles
from .memory import read_memory

CRASH_SIZE = "/sys/kernel/kexec_crash_size"
_CRASH_LOADED = "/sys/kernel/kexec_crash_loaded"
_IOMEM = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", re.MULTILINE)


@dataclass(frozen=True)
class Reservations:
    """What is reserved, in bytes.

    :ivar crash_bytes: for a crash kernel; None if the kernel has no kexec.
    :ivar crash_loaded: whether a crash kernel is loaded.
    :ivar cma_bytes: contiguous memory area.
    :ivar ram_bytes: all memory, that which is reserved included.
    """

    crash_bytes: Optional[int]
    crash_loaded: bool
    cma_bytes: int
    ram_bytes: int


def read_reservations(files: HostFiles) -> Reservations:
    """Reservations as they are now. Without privileges the size of memory is a little too small."""
    memory = read_memory(files)
    crash_bytes = files.read_int(CRASH_SIZE)
    # Addresses are all 0 for those who may not see them.
    listed = sum(
        int(end, 16) - int(start, 16) + 1 for start, end in _IOMEM.findall(files.read_text("/proc/iomem") or "") if int(end, 16)
    )
    return Reservations(
        crash_bytes=crash_bytes,
        crash_loaded=bool(files.read_int(_CRASH_LOADED)),
        cma_bytes=memory.cma_total_bytes,
        ram_bytes=max(listed, memory.total_bytes + (crash_bytes or 0)),
    )


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
