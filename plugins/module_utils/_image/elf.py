# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parser for the kernel's ELF file in an unpacked payload. Source: the ELF-64 specification."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import List, Tuple, Union

from .errors import ImageError

Content = Union[bytes, memoryview]

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_LITTLE_ENDIAN = 1
_ET_EXEC = 2
_PT_LOAD = 1
# e_type, e_machine, e_version, e_entry, e_phoff, e_shoff, e_flags, e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum,
# e_shstrndx
_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
# p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
_SEGMENT = struct.Struct("<IIQQQQQQ")

# No kernel takes more memory; a file that claims more is damaged.
_IMAGE_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Segment:
    """A PT_LOAD segment.

    :ivar offset: its position in the payload.
    :ivar place: its position in the flat image.
    :ivar file_bytes: size of its content in the payload.
    :ivar memory_bytes: memory it takes; the kernel clears what goes beyond the content.
    :ivar virtual: address it is linked for.
    """

    offset: int
    place: int
    file_bytes: int
    memory_bytes: int
    virtual: int


@dataclass(frozen=True)
class Vmlinux:
    """A kernel as an ELF file.

    :ivar segments: by place, lowest first.
    :ivar entry: offset of its first instruction in the flat image.
    :ivar end: end of the ELF file in the payload; relocations follow.
    :ivar flat_bytes: size of the flat image, up to the end of its content.
    :ivar memory_bytes: memory it takes from its first byte on.
    """

    segments: Tuple[Segment, ...]
    entry: int
    end: int
    flat_bytes: int
    memory_bytes: int

    @property
    def virtual(self) -> int:
        """Address that the flat image is linked for (not the lowest address: per-CPU data is linked for 0)."""
        return self.segments[0].virtual


def _invalid(message: str) -> ImageError:
    return ImageError("PAYLOAD_INVALID", "the unpacked kernel " + message)


def parse_vmlinux(content: Content, machine: int, machine_name: str) -> Vmlinux:
    """Parse an unpacked payload of a 64-bit, little-endian architecture, C(machine) in C(e_machine).

    :raises ImageError: C(PAYLOAD_INVALID) or C(WRONG_ARCH).
    """
    if len(content) < _HEADER.size or content[:4] != _MAGIC:
        raise _invalid("is not an ELF file")
    kind, built_for, _version, entry, phoff, shoff, _flags, _ehsize, phentsize, phnum, shentsize, shnum, _shstrndx = (
        _HEADER.unpack_from(content)
    )
    if built_for != machine or content[4] != _CLASS_64 or content[5] != _LITTLE_ENDIAN:
        raise ImageError(
            "WRONG_ARCH", "the unpacked kernel is an ELF file for machine %d, not for %s" % (built_for, machine_name)
        )
    if kind != _ET_EXEC:
        raise _invalid("is an ELF file of type %d, not an executable" % kind)
    if phentsize != _SEGMENT.size or phoff + phnum * phentsize > len(content):
        raise _invalid("has program headers past its end")
    end = shoff + shnum * shentsize
    if not shoff or end > len(content):
        raise _invalid("has section headers past its end")
    loads = sorted(
        (header[4], header)
        for header in (_SEGMENT.unpack_from(content, phoff + index * phentsize) for index in range(phnum))
        if header[0] == _PT_LOAD
    )
    if not loads:
        raise _invalid("has nothing to load")
    segments = _place_segments([header for _address, header in loads], end)
    last = max(segments, key=lambda segment: segment.place + segment.file_bytes)
    vmlinux = Vmlinux(
        segments=segments,
        entry=entry - loads[0][0],
        end=end,
        flat_bytes=last.place + last.file_bytes,
        memory_bytes=max(segment.place + segment.memory_bytes for segment in segments),
    )
    if not any(segment.place <= vmlinux.entry < segment.place + segment.file_bytes for segment in segments):
        raise _invalid("begins at %#x, outside its segments" % entry)
    return vmlinux


def _place_segments(headers: List[Tuple[int, ...]], end: int) -> Tuple[Segment, ...]:
    base = headers[0][4]
    segments: List[Segment] = []
    taken = 0
    for _type, _flags, offset, virtual, address, file_bytes, memory_bytes, _align in headers:
        place = address - base
        if offset + file_bytes > end:
            raise _invalid("has a segment of %d bytes at %#x, past its end" % (file_bytes, offset))
        if file_bytes > memory_bytes:
            raise _invalid("has a segment with more content than memory")
        if place < taken:
            raise _invalid("has segments that overlap at %#x" % address)
        taken = place + memory_bytes
        if taken > _IMAGE_MAX_BYTES:
            raise _invalid("has a segment at %#x, more than 1 GiB from its start" % address)
        segments.append(Segment(offset, place, file_bytes, memory_bytes, virtual))
    return tuple(segments)
