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
# Mark with status, entry, moved, exit, address of the stub, address of the kernel.
_STAMPS = struct.Struct("<6Q")
_MARK = 0x0258454B46
_MARK_BITS = 40
_CHECKED = 1 << 0
_RELOCATED = 1 << 1
_MOVED = 1 << 2

# Address of the initrd as the kernel gets it: C(hdr.ramdisk_image), and its upper half.
_RAMDISK_IMAGE, _EXT_RAMDISK_IMAGE = 0x218, 0x0C0


def parse_boot_params(data: bytes) -> Optional[StubStamps]:
    """Parse the stamps in a struct boot_params; None if this boot did not pass through a stub."""
    if len(data) < _OFFSET + _STAMPS.size:
        return None
    mark, entry, moved, leave, address, kernel_address = _STAMPS.unpack_from(data, _OFFSET)
    if mark & (1 << _MARK_BITS) - 1 != _MARK:
        return None
    status = mark >> _MARK_BITS
    low, high = (struct.unpack_from("<I", data, offset)[0] for offset in (_RAMDISK_IMAGE, _EXT_RAMDISK_IMAGE))
    return StubStamps(
        entry_cycles=entry,
        moved_cycles=moved,
        exit_cycles=leave,
        load_address=address,
        kernel_address=kernel_address,
        initrd_address=high << 32 | low,
        checked=bool(status & _CHECKED),
        relocated=bool(status & _RELOCATED),
        moved=bool(status & _MOVED),
    )
