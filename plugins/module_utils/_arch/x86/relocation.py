# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relocation of a kernel to other virtual addresses, which is how KASLR works.

Source: arch/x86/tools/relocs.c and handle_relocations() in arch/x86/boot/compressed/misc.c of the kernel. The table consists of
32-bit words and is read backwards: 32-bit relocations until a zero; up to 6.14 inverse ones until a zero (per-CPU symbols, which
shrink by the move); 64-bit ones until a zero. Each word is the low half of the virtual address to patch.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from typing import Callable, List

from ..._image.elf import Content, Vmlinux
from ..._image.errors import ImageError

# Start of the kernel's text mapping (Documentation/arch/x86/x86_64/mm.rst).
_MAP_BASE = 0xFFFFFFFF80000000
_MAP_BYTES = 1 << 30
# A kernel's virtual address has to be a multiple of this (MIN_KERNEL_ALIGN), whatever CONFIG_PHYSICAL_ALIGN is. Its decompressor
# draws multiples of the latter, which gives less to choose from where that is 16 MiB, as at Fedora.
MOVE_ALIGNMENT = 2 << 20

_LOW_HALF = 0xFFFFFFFF
_LISTS_WITH_INVERSE = 3
_LISTS = 2


@dataclass(frozen=True)
class Relocations:
    """Words of a kernel to patch when it moves, as offsets into the flat image.

    :ivar words: 32-bit words to which the move is added.
    :ivar inverse_words: 32-bit words from which it is subtracted.
    :ivar quads: 64-bit words to which it is added.
    """

    words: array[int]
    inverse_words: array[int]
    quads: array[int]
    linked_at: int
    memory_bytes: int


def parse_relocations(table: Content, linked_at: int, flat_bytes: int, memory_bytes: int) -> Relocations:
    """Parse a relocation table, which follows the ELF file in the payload.

    :raises ImageError: C(PAYLOAD_INVALID): there is no table, an entry is outside the flat image, or the image is outside the
        kernel's address range.
    """
    if not _MAP_BASE <= linked_at <= _MAP_BASE + _MAP_BYTES - memory_bytes:
        raise ImageError("PAYLOAD_INVALID", "the kernel is linked for %#x, where no kernel can be" % linked_at)
    # Each word patches 4 bytes of its own, and a zero precedes each list.
    if len(table) % 4 or not 0 < len(table) <= flat_bytes + 4 * _LISTS_WITH_INVERSE:
        raise ImageError("PAYLOAD_INVALID", "the kernel has a relocation table of %d bytes" % len(table))
    entries = array("I")
    entries.frombytes(table)
    if entries[0]:
        raise ImageError("PAYLOAD_INVALID", "the kernel's relocation table does not begin with a zero")
    lists = _split(entries)
    if len(lists) not in (_LISTS, _LISTS_WITH_INVERSE):
        raise ImageError("PAYLOAD_INVALID", "the kernel's relocation table has not 2 or 3 lists")
    quads, words = lists[0], lists[-1]
    inverse = lists[1] if len(lists) == _LISTS_WITH_INVERSE else array("I")
    low = linked_at & _LOW_HALF
    return Relocations(
        words=_offsets(words, low, flat_bytes - 4),
        inverse_words=_offsets(inverse, low, flat_bytes - 4),
        quads=_offsets(quads, low, flat_bytes - 8),
        linked_at=linked_at,
        memory_bytes=memory_bytes,
    )


def relocations_of(content: Content, vmlinux: Vmlinux) -> Relocations:
    """Parse the relocations of an unpacked payload; errors are those of :func:`parse_relocations`."""
    return parse_relocations(memoryview(content)[vmlinux.end :], vmlinux.virtual, vmlinux.flat_bytes, vmlinux.memory_bytes)


def _split(entries: array[int]) -> List[array[int]]:
    """Split the table into its lists, each preceded by a zero; stops after one list too many."""
    lists: List[array[int]] = []
    begin = 1
    while len(lists) <= _LISTS_WITH_INVERSE:
        try:
            end = entries.index(0, begin) if sys.version_info >= (3, 10) else begin + entries[begin:].index(0)
        except ValueError:
            lists.append(entries[begin:])
            break
        lists.append(entries[begin:end])
        begin = end + 1
    return lists


def _offsets(entries: array[int], low: int, last: int) -> array[int]:
    if entries and not low <= min(entries) <= max(entries) <= low + last:
        raise ImageError("PAYLOAD_INVALID", "the kernel has a relocation outside itself")
    return array("I", (entry - low for entry in entries))


def possible_moves(relocations: Relocations) -> int:
    """Number of places where the kernel can be, its own included."""
    room = _MAP_BASE + _MAP_BYTES - relocations.linked_at - relocations.memory_bytes
    return max(0, room // MOVE_ALIGNMENT + 1)


def draw_move(relocations: Relocations, random: Callable[[int], bytes]) -> int:
    """Draw a random distance in bytes to move the kernel by; C(random) returns the number of bytes asked for."""
    return int.from_bytes(random(8), "little") % possible_moves(relocations) * MOVE_ALIGNMENT


def relocate(flat: memoryview, relocations: Relocations, move: int) -> None:
    """Move a kernel's flat image, linked for C(relocations.linked_at), up by C(move) bytes, in place."""
    if not move:
        return
    word, quad = struct.Struct("<I"), struct.Struct("<Q")
    read_word, write_word = word.unpack_from, word.pack_into
    read_quad, write_quad = quad.unpack_from, quad.pack_into
    for offset in relocations.words:
        write_word(flat, offset, read_word(flat, offset)[0] + move & _LOW_HALF)
    for offset in relocations.inverse_words:
        write_word(flat, offset, read_word(flat, offset)[0] - move & _LOW_HALF)
    for offset in relocations.quads:
        write_quad(flat, offset, read_quad(flat, offset)[0] + move & 0xFFFFFFFFFFFFFFFF)
