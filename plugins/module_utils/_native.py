# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Position-independent machine code, called in this process.

Python can't read the time-stamp counter or check memory at memory speed, and managed hosts have no compiler.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, Callable


class NativeCode:
    """Machine code in anonymous executable memory.

    :param code: position-independent, for this machine, with functions of the System V ABI.
    :raises OSError: the host forbids memory that is both writable and executable (SELinux C(deny_execmem), systemd
        C(MemoryDenyWriteExecute)).
    """

    def __init__(self, code: bytes) -> None:
        self._memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory[:] = code

    def function(self, offset: int, result: Any, *arguments: Any) -> Callable[..., Any]:
        """Function at an offset, by ctypes types; valid only while this object is referenced."""
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory, offset))
        return ctypes.CFUNCTYPE(result, *arguments)(address)
