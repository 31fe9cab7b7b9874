# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supported architectures."""

from __future__ import annotations

import platform
import struct
from typing import Dict, Optional

from .arm64.architecture import ARM64
from .interface import Architecture
from .x86.architecture import X86_64

ARCHITECTURES: Dict[str, Architecture] = {each.machine: each for each in (X86_64, ARM64)}


def architecture_of(machine: str) -> Architecture:
    """Architecture by its name in C(uname -m); an unsupported one offers nothing.

    Its kernel files go to the x86 reader, whose error names the architecture that they were built for.
    """
    return ARCHITECTURES.get(machine) or Architecture(machine, X86_64.read_kernel, supported=False)


def own_architecture() -> Architecture:
    """Architecture whose machine code this process can run; an unsupported one for a 32-bit process."""
    return architecture_of(platform.machine() if struct.calcsize("P") == 8 else "")


def loader_name(bootloader_type: Optional[int]) -> Optional[str]:
    """Boot loader that started the kernel, by the sysctl C(bootloader_type); None if the number is unknown or missing.

    The numbers mean the same wherever the sysctl exists, 32-bit kernels included, so the machine is not needed.
    """
    names = (each.loader_names.get(bootloader_type >> 4) for each in ARCHITECTURES.values() if bootloader_type is not None)
    return next((name for name in names if name is not None), None)
