# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few bytes of position-independent machine code, called in this process.

Python has no instruction for reading the time-stamp counter, and none that
checks memory at the speed of memory; a managed host has no compiler.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, Callable


class NativeCode:
    """Machine code in anonymous executable memory, for the machine it was assembled for.

    :param code: position-independent, functions by the System V ABI.
    :raises OSError: the host allows no memory that is both written and
        executed (SELinux C(deny_execmem), systemd C(MemoryDenyWriteExecute)).
    """

    def __init__(self, code: bytes) -> None:
        self._memory = mmap.mmap(-1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory[:] = code

    def function(self, offset: int, result: Any, *arguments: Any) -> Callable[..., Any]:
        """The function that begins at an offset, with ctypes' types for its result and arguments.

        It stays valid for as long as this object is referenced.
        """
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory, offset))
        return ctypes.CFUNCTYPE(result, *arguments)(address)
