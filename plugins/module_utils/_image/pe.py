# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Header of a PE file, which is what an EFI stub makes of a kernel, on every architecture.

Source: the PE format, for what the kernel checks of it (C(pefile_parse_binary) in crypto/asymmetric_keys/verify_pefile.c).
"""

from __future__ import annotations

import struct
from typing import Optional

# Offsets in the optional header of a PE32+ file: number of data directories, and the one with the signatures (the fifth).
_PE32_PLUS = 0x20B
_OFFSET_DIRECTORIES = 108
_OFFSET_SIGNATURES = 112 + 4 * 8
_COFF_BYTES = 20
_MACHINES = {
    0x014C: "i386",
    0x01C0: "arm",
    0x5064: "riscv64",
    0x6264: "loongarch64",
    0x8664: "x86_64",
    0xAA64: "aarch64",
}


def _coff_offset(head: bytes) -> Optional[int]:
    """Offset of the COFF header, behind the magic; None if this is no PE file."""
    if head[:2] != b"MZ" or len(head) < 0x40:
        return None
    (offset,) = struct.unpack_from("<I", head, 0x3C)
    if offset + 6 > len(head) or head[offset : offset + 4] != b"PE\0\0":
        return None
    return int(offset) + 4


def pe_machine(head: bytes) -> Optional[str]:
    """Architecture that a PE file was built for, as in C(uname -m); empty if its number is unknown, None if it is no PE file."""
    coff = _coff_offset(head)
    return _MACHINES.get(struct.unpack_from("<H", head, coff)[0], "") if coff is not None else None


def is_signed(head: bytes) -> bool:
    """Whether a file has a signature, as the kernel and firmware look for one."""
    coff = _coff_offset(head)
    optional = coff + _COFF_BYTES if coff is not None else len(head)
    if optional + _OFFSET_SIGNATURES + 8 > len(head) or struct.unpack_from("<H", head, optional)[0] != _PE32_PLUS:
        return False
    (directories,) = struct.unpack_from("<I", head, optional + _OFFSET_DIRECTORIES)
    (signature_bytes,) = struct.unpack_from("<I", head, optional + _OFFSET_SIGNATURES + 4)
    return bool(directories > 4 and signature_bytes > 0)
