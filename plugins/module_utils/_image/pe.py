# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for PE files, which kernels with an EFI stub and unified kernel images are, on every architecture.

Source: the PE format; for signatures what the kernel checks of it (C(pefile_parse_binary) in
crypto/asymmetric_keys/verify_pefile.c).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import List, Optional

from .errors import ImageError

# Start of the file that holds the section table; it is in the first 4 KiB of images that ukify makes.
HEAD_BYTES = 64 << 10

_DOS_HEADER_BYTES = 64
_OFFSET_PE = 0x3C
_PE_MAGIC = b"PE\0\0"
# Machine, NumberOfSections, TimeDateStamp, PointerToSymbolTable, NumberOfSymbols, SizeOfOptionalHeader, Characteristics
_COFF = struct.Struct("<HHIIIHH")
# Name, VirtualSize, VirtualAddress, SizeOfRawData, PointerToRawData; relocations, line numbers and flags follow.
_SECTION = struct.Struct("<8sIIII16x")

# Offsets in the optional header of a PE32+ file: number of data directories, and the one with the signatures (the fifth).
_PE32_PLUS = 0x20B
_OFFSET_DIRECTORIES = 108
_OFFSET_SIGNATURES = 112 + 4 * 8
_MACHINES = {
    0x014C: "i386",
    0x01C0: "arm",
    0x5064: "riscv64",
    0x6264: "loongarch64",
    0x8664: "x86_64",
    0xAA64: "aarch64",
}


@dataclass(frozen=True)
class Section:
    """Content of a section in the file."""

    name: str
    offset: int
    size_bytes: int


def _coff_offset(head: bytes) -> Optional[int]:
    """Offset of the COFF header, behind the magic; None if this is no PE file."""
    if head[:2] != b"MZ" or len(head) < _DOS_HEADER_BYTES:
        return None
    (offset,) = struct.unpack_from("<I", head, _OFFSET_PE)
    coff = int(offset) + len(_PE_MAGIC)
    return coff if coff + 2 <= len(head) and head[offset:coff] == _PE_MAGIC else None


def pe_machine(head: bytes) -> Optional[str]:
    """Architecture that a PE file was built for, as in C(uname -m); empty if its number is unknown, None if it is no PE file."""
    coff = _coff_offset(head)
    return _MACHINES.get(struct.unpack_from("<H", head, coff)[0], "") if coff is not None else None


def is_signed(head: bytes) -> bool:
    """Whether a file has a signature, as the kernel and firmware look for one."""
    coff = _coff_offset(head)
    optional = coff + _COFF.size if coff is not None else len(head)
    if optional + _OFFSET_SIGNATURES + 8 > len(head) or struct.unpack_from("<H", head, optional)[0] != _PE32_PLUS:
        return False
    (directories,) = struct.unpack_from("<I", head, optional + _OFFSET_DIRECTORIES)
    (signature_bytes,) = struct.unpack_from("<I", head, optional + _OFFSET_SIGNATURES + 4)
    return bool(directories > 4 and signature_bytes > 0)


def section_table(head: bytes, name: str) -> List[Section]:
    """Parse the section table; sections may lie past the end of the file.

    :param head: first C(HEAD_BYTES) of the file.
    :raises ImageError: C(KERNEL_INVALID) or C(KERNEL_TRUNCATED).
    """
    if not head:
        raise ImageError("KERNEL_TRUNCATED", "%s is empty" % name)
    if head[:2] != b"MZ":
        raise ImageError("KERNEL_INVALID", "%s is not a PE file" % name)
    if len(head) < _DOS_HEADER_BYTES:
        raise ImageError("KERNEL_TRUNCATED", "%s ends within its DOS header" % name)
    (begin,) = struct.unpack_from("<I", head, _OFFSET_PE)
    coff = begin + len(_PE_MAGIC)
    if coff + _COFF.size > len(head):
        raise _past_end(head, name, "PE header")
    if head[begin:coff] != _PE_MAGIC:
        raise ImageError("KERNEL_INVALID", "%s is not a PE file" % name)
    _machine, count, _time, _symbols, _symbol_count, optional_bytes, _flags = _COFF.unpack_from(head, coff)
    table = coff + _COFF.size + optional_bytes
    if table + count * _SECTION.size > len(head):
        raise _past_end(head, name, "section table")
    found: List[Section] = []
    for index in range(count):
        raw_name, virtual_bytes, _address, raw_bytes, offset = _SECTION.unpack_from(head, table + index * _SECTION.size)
        # The raw size is rounded up to the alignment in the file; the virtual size covers zeros that the file lacks.
        section_name = raw_name.split(b"\0", 1)[0].decode("latin-1")
        found.append(Section(section_name, offset, min(virtual_bytes, raw_bytes)))
    return found


def _past_end(head: bytes, name: str, part: str) -> ImageError:
    if len(head) < HEAD_BYTES:
        return ImageError("KERNEL_TRUNCATED", "%s ends before its %s" % (name, part))
    return ImageError("KERNEL_INVALID", "%s has no %s in its first %d KiB" % (name, part, HEAD_BYTES >> 10))
