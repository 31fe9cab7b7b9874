# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processor, as far as it matters to a kexec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Optional

from .files import HostFiles

# What a guest sees of the technology that keeps its memory from its host.
# Hosts that offer it to their guests show some of these too, but they do not
# run under a hypervisor.
_CONFIDENTIAL_FLAGS = ("sev_snp", "sev_es", "sev", "tdx_guest")


@dataclass(frozen=True)
class Cpu:
    """The first processor; the others are taken to be alike.

    :ivar model: its name; figures measured on another one do not hold.
    :ivar sse42: whether it has the C(crc32) instruction.
    :ivar five_level_paging: whether it may run with five-level page tables.
    :ivar confidential: what encrypts the memory of this guest, or None.
    """

    model: str
    sse42: bool
    five_level_paging: bool
    confidential: Optional[str]


def parse_cpuinfo(text: Optional[str]) -> Cpu:
    """Parse the first block of C(/proc/cpuinfo)."""
    values: Dict[str, str] = {}
    for line in (text or "").split("\n\n")[0].splitlines():
        name, _colon, value = line.partition(":")
        values[name.strip()] = value.strip()
    flags = values.get("flags", "").split()
    guest = "hypervisor" in flags
    return Cpu(
        model=values.get("model name", ""),
        sse42="sse4_2" in flags,
        five_level_paging="la57" in flags,
        confidential=next((flag for flag in _CONFIDENTIAL_FLAGS if guest and flag in flags), None),
    )


def read_cpu(files: HostFiles) -> Cpu:
    """The host's processor."""
    return parse_cpuinfo(files.read_text("/proc/cpuinfo"))
