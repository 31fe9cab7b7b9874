# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for unified kernel images: PE files whose sections hold a kernel, its initrd and its command line.

Source: the UAPI group's Unified Kernel Image specification; the stub that boots them, src/boot/pe.c and stub.c of systemd; the
PE format for the section table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import List, Mapping, Tuple

from .errors import ImageError

# Start of the file that holds the section table; it is in the first 4 KiB of images that ukify makes.
HEAD_BYTES = 64 << 10

LINUX = ".linux"
INITRD = ".initrd"
UCODE = ".ucode"
CMDLINE = ".cmdline"
UNAME = ".uname"
OSREL = ".osrel"
PCRSIG = ".pcrsig"
PCRPKEY = ".pcrpkey"
PROFILE = ".profile"

# Sections that the stub passes on as files, each in a separate archive, in the order of C(INITRD_PCRSIG) and the following in
# stub.c. Stubs before systemd 257 pass on only the first two; nothing reads the others where they are not expected.
_PASSED_FILES = (
    (PCRSIG, ".extra/tpm2-pcr-signature.json"),
    (PCRPKEY, ".extra/tpm2-pcr-public-key.pem"),
    (OSREL, ".extra/os-release"),
    (PROFILE, ".extra/profile"),
)

_DOS_HEADER_BYTES = 64
_OFFSET_PE = 0x3C
_PE_MAGIC = b"PE\0\0"
# Machine, NumberOfSections, TimeDateStamp, PointerToSymbolTable, NumberOfSymbols, SizeOfOptionalHeader, Characteristics
_COFF = struct.Struct("<HHIIIHH")
# Name, VirtualSize, VirtualAddress, SizeOfRawData, PointerToRawData; relocations, line numbers and flags follow.
_SECTION = struct.Struct("<8sIIII16x")


@dataclass(frozen=True)
class Section:
    """Content of a section in the file."""

    name: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class UnifiedImage:
    """Sections of a unified kernel image that its first profile boots.

    :ivar sections: by name.
    :ivar profiles: number of profiles; 0 if the image has only one, without a name.
    """

    sections: Mapping[str, Section]
    profiles: int

    @property
    def initrds(self) -> Tuple[Section, ...]:
        """Sections with initrds, in the order in which they are loaded: microcode has to be first."""
        return tuple(self.sections[name] for name in (UCODE, INITRD) if self._has(name))

    @property
    def passed_files(self) -> Tuple[Tuple[Section, str], ...]:
        """Sections that the kernel finds as files, in the order in which they are loaded, each with its path in the initrd."""
        return tuple((self.sections[name], path) for name, path in _PASSED_FILES if self._has(name))

    def _has(self, name: str) -> bool:
        # The stub takes an empty section for a missing one.
        return name in self.sections and self.sections[name].size_bytes > 0


def is_unified(head: bytes) -> bool:
    """Whether a file is a unified kernel image, by its first C(HEAD_BYTES)."""
    try:
        return LINUX in parse_sections(head, "the file").sections
    except ImageError:
        return False


def parse_unified(head: bytes, file_bytes: int, name: str = "the file") -> UnifiedImage:
    """Parse a unified kernel image by its first C(HEAD_BYTES), and check that the file holds its sections.

    :raises ImageError: C(KERNEL_INVALID) or C(KERNEL_TRUNCATED).
    """
    image = parse_sections(head, name)
    if LINUX not in image.sections:
        raise ImageError("KERNEL_INVALID", "%s is not a unified kernel image: it has no section %s" % (name, LINUX))
    if not image.sections[LINUX].size_bytes:
        raise ImageError("KERNEL_INVALID", "%s has an empty section %s" % (name, LINUX))
    for section in image.sections.values():
        if section.offset + section.size_bytes > file_bytes:
            raise ImageError("KERNEL_TRUNCATED", "%s ends within its section %s" % (name, section.name))
    return image


def parse_sections(head: bytes, name: str) -> UnifiedImage:
    """Parse the section table of any PE file; its sections may lie past the end of the file.

    :raises ImageError: C(KERNEL_INVALID) or C(KERNEL_TRUNCATED).
    """
    table = _section_table(head, name)
    starts = [index for index, section in enumerate(table) if section.name == PROFILE]
    base = table[: starts[0]] if starts else table
    first = table[starts[0] : starts[1] if len(starts) > 1 else None] if starts else []
    return UnifiedImage({**_first_ones(base), **_first_ones(first)}, len(starts))


def _first_ones(table: List[Section]) -> Mapping[str, Section]:
    """First section of each name: the stub ignores others."""
    return {section.name: section for section in reversed(table)}


def _section_table(head: bytes, name: str) -> List[Section]:
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
