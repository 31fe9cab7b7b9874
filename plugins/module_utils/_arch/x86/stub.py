# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration and checksums of a fast image's stub, which is C(stub.S), assembled in C(stub_code.py)."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from typing import Tuple, Union

from ..._native import NativeCode
from ..interface import Checksummer
from .stub_code import CODE, CONFIG_OFFSET, CRASH_ENTRY_OFFSET, SUMS_OFFSET

Sums = Tuple[int, int, int, int]
NO_SUMS: Sums = (0, 0, 0, 0)

#: Entry point of the 64-bit boot protocol in the protected-mode part.
ENTRY_OFFSET = 0x200
#: Memory of the code with its stack, from the start of the protected-mode part (STACK_OFFSET).
STUB_BYTES = 0x1000

_CHECK = 1 << 0
_RELOCATED = 1 << 1
# flags, kernel_bytes, kernel_entry, initrd_bytes, kernel_at, initrd_at, kernel_sums, initrd_sums
_CONFIG = struct.Struct("<QQQQQQ4I4I")


@dataclass(frozen=True)
class StubConfig:
    """Configuration of a stub; all sums are ignored without C(check), and C(initrd_bytes) without it and C(kernel_at).

    :ivar kernel_at: physical address of a kernel that is in place already, with its initrd; 0 for one behind the stub.
    """

    kernel_bytes: int
    kernel_entry: int
    relocated: bool = False
    check: bool = False
    kernel_sums: Sums = NO_SUMS
    initrd_bytes: int = 0
    initrd_sums: Sums = NO_SUMS
    kernel_at: int = 0
    initrd_at: int = 0

    def pack(self) -> bytes:
        flags = (_CHECK if self.check else 0) | (_RELOCATED if self.relocated else 0)
        return _CONFIG.pack(
            flags,
            self.kernel_bytes,
            self.kernel_entry,
            self.initrd_bytes,
            self.kernel_at,
            self.initrd_at,
            *self.kernel_sums,
            *self.initrd_sums,
        )


def assemble(config: StubConfig) -> bytes:
    return CODE[:CONFIG_OFFSET] + config.pack()


def crash_page() -> Tuple[bytes, int]:
    """Page with code that resets the machine, and the offset of its entry."""
    page = bytearray(STUB_BYTES)
    page[ENTRY_OFFSET : ENTRY_OFFSET + CONFIG_OFFSET] = CODE[:CONFIG_OFFSET]
    return bytes(page), ENTRY_OFFSET + CRASH_ENTRY_OFFSET


class StubChecksummer(Checksummer):
    """Calculator that runs the stub's own code: CRC-32C in four streams, see C(stub.S)."""

    def __init__(self) -> None:
        code = NativeCode(CODE)
        self._code = code
        self._sums = code.function(SUMS_OFFSET, None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)

    def sums(self, data: Union[bytearray, memoryview]) -> Sums:
        """Calculate the sums; the CPU must have SSE 4.2."""
        out = (ctypes.c_uint32 * 4)()
        if len(data):
            begin = ctypes.c_char.from_buffer(data)
            self._sums(ctypes.addressof(begin), len(data), ctypes.addressof(out))
        else:
            self._sums(None, 0, ctypes.addressof(out))
        return (out[0], out[1], out[2], out[3])
