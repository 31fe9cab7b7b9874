# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for the stamps that the stub of a fast image leaves in boot_params.

C(stub.S) writes them into C(_pad8) of struct boot_params (arch/x86/include/uapi/asm/bootparam.h), which the kernel keeps and
shows to root as C(/sys/kernel/boot_params/data).
"""

from __future__ import annotations

import struct
from typing import Optional

from ..interface import StubStamps

BOOT_PARAMS = "/sys/kernel/boot_params/data"

_OFFSET = 0xCD0
# Mark with status, entry, moved, exit, address, unused.
_STAMPS = struct.Struct("<6Q")
_MARK = 0x0158454B46
_MARK_BITS = 40
_CHECKED = 1 << 0
_RELOCATED = 1 << 1
_MOVED = 1 << 2


def parse_boot_params(data: bytes) -> Optional[StubStamps]:
    """Parse the stamps in a struct boot_params; None if this boot did not pass through a stub."""
    if len(data) < _OFFSET + _STAMPS.size:
        return None
    mark, entry, moved, leave, address, _unused = _STAMPS.unpack_from(data, _OFFSET)
    if mark & (1 << _MARK_BITS) - 1 != _MARK:
        return None
    status = mark >> _MARK_BITS
    return StubStamps(entry, moved, leave, address, bool(status & _CHECKED), bool(status & _RELOCATED), bool(status & _MOVED))
