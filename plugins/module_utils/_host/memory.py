# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional

from .files import HostFiles


@dataclass(frozen=True)
class Memory:
    """Figures of C(/proc/meminfo); C(cma_total_bytes), the contiguous memory area, is 0 if there is none."""

    total_bytes: int
    available_bytes: int
    cma_total_bytes: int


def parse_meminfo(text: Optional[str]) -> Memory:
    """Parse C(/proc/meminfo); missing figures count as 0."""
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
    return parse_meminfo(files.read_text("/proc/meminfo"))
