# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional

from .files import HostFiles


@dataclass(frozen=True)
class Memory:
    """Figures of C(/proc/meminfo), in bytes.

    :ivar cma_total_bytes: the contiguous memory area; 0 where there is none.
    """

    total_bytes: int
    available_bytes: int
    cma_total_bytes: int


def parse_meminfo(text: Optional[str]) -> Memory:
    """Parse C(/proc/meminfo); figures that are missing count as 0."""
    kib: Dict[str, int] = {}
    for line in (text or "").splitlines():
        name, _colon, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            kib[name] = int(words[0])
    return Memory(
        total_bytes=kib.get("MemTotal", 0) * 1024,
        available_bytes=kib.get("MemAvailable", 0) * 1024,
        cma_total_bytes=kib.get("CmaTotal", 0) * 1024,
    )


def read_memory(files: HostFiles) -> Memory:
    """Memory as it is now."""
    return parse_meminfo(files.read_text("/proc/meminfo"))
