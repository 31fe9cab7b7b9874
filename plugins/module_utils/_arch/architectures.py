# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The architectures there are."""

from __future__ import annotations

import platform
import struct
from typing import Dict, Optional

from .interface import Architecture
from .x86.architecture import X86_64

ARCHITECTURES: Dict[str, Architecture] = {each.machine: each for each in (X86_64,)}


def architecture_of(machine: str) -> Architecture:
    """Architecture by its name, as C(uname -m) says it; an unsupported one has none of the abilities.

    Its kernel files go to the reader of x86, whose error names the architecture that they were built for.
    """
    return ARCHITECTURES.get(machine) or Architecture(machine, X86_64.read_kernel, supported=False)


def own_architecture() -> Architecture:
    """Architecture whose machine code this process can run; an unsupported one for a 32-bit process."""
    return architecture_of(platform.machine() if struct.calcsize("P") == 8 else "")


def loader_name(bootloader_type: Optional[int]) -> Optional[str]:
    """The loader that started a kernel, by the sysctl of that name; None if the number means none, or there is none.

    Where the sysctl exists its numbers mean the same, 32-bit kernels included: the machine need not be known.
    """
    names = (each.loader_names.get(bootloader_type >> 4) for each in ARCHITECTURES.values() if bootloader_type is not None)
    return next((name for name in names if name is not None), None)
