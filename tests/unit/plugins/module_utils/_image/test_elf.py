# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._image.elf import Segment, Vmlinux, parse_vmlinux

from ....bzimages import ENTRY, FLAT_BYTES, LINKED_AT, LOADED_AT, LOADS, MEMORY_BYTES, Load, make_content, make_elf
from ....outcomes import code_of
from ..conftest import RealKernel

ELF = make_elf()
HEADERS_BYTES = 64 + 3 * 56


def parse(content: bytes) -> Vmlinux:
    return parse_vmlinux(content, 62, "x86_64")


def test_a_kernel() -> None:
    assert parse(make_content()) == Vmlinux(
        segments=(
            Segment(HEADERS_BYTES, 0, 0x1800, 0x1800, LINKED_AT),
            Segment(HEADERS_BYTES + 0x1800, 0x2000, 0x200, 0x200, 0),
            Segment(HEADERS_BYTES + 0x1A00, 0x3000, 0x600, 0x2000, LINKED_AT + 0x3000),
        ),
        entry=ENTRY,
        end=len(ELF),
        flat_bytes=FLAT_BYTES,
        memory_bytes=MEMORY_BYTES,
    )


def test_what_it_is_linked_for() -> None:
    assert parse(ELF).virtual == LINKED_AT


def test_segments_in_any_order() -> None:
    parsed = parse(make_elf(LOADS[::-1]))
    assert [segment.place for segment in parsed.segments] == [0, 0x2000, 0x3000]
    assert parsed.virtual == LINKED_AT


def test_segments_that_are_not_loaded() -> None:
    content = bytearray(ELF)
    struct.pack_into("<I", content, 64 + 56, 4)
    assert [segment.place for segment in parse(bytes(content)).segments] == [0, 0x3000]


def test_an_entry_that_is_not_at_the_start() -> None:
    assert parse(make_elf(entry=0x30FF)).entry == 0x30FF


def patched(offset: int, layout: str, value: int) -> bytes:
    content = bytearray(make_content())
    struct.pack_into(layout, content, offset, value)
    return bytes(content)


# Offsets of the fields of a program header.
P_OFFSET, P_PADDR, P_FILESZ, P_MEMSZ = 64 + 8, 64 + 24, 64 + 32, 64 + 40
SECOND = 56


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "PAYLOAD_INVALID"),
        (b"\x7fELF", "PAYLOAD_INVALID"),
        (ELF[:63], "PAYLOAD_INVALID"),
        (b"\x7fELG" + ELF[4:], "PAYLOAD_INVALID"),
        # Other machines: 32-bit, big endian, aarch64.
        (patched(4, "<B", 1), "WRONG_ARCH"),
        (patched(5, "<B", 2), "WRONG_ARCH"),
        (make_elf(machine=183), "WRONG_ARCH"),
        # A module; a position-independent executable.
        (make_elf(kind=1), "PAYLOAD_INVALID"),
        (make_elf(kind=3), "PAYLOAD_INVALID"),
        # Program headers: their place, size and number.
        (patched(0x20, "<Q", 1 << 63), "PAYLOAD_INVALID"),
        (patched(0x20, "<Q", len(make_content())), "PAYLOAD_INVALID"),
        (patched(0x36, "<H", 32), "PAYLOAD_INVALID"),
        (patched(0x36, "<H", 57), "PAYLOAD_INVALID"),
        (patched(0x38, "<H", 0), "PAYLOAD_INVALID"),
        (patched(0x38, "<H", 0xFFFF), "PAYLOAD_INVALID"),
        # Section headers.
        (patched(0x28, "<Q", 0), "PAYLOAD_INVALID"),
        (patched(0x28, "<Q", 1 << 63), "PAYLOAD_INVALID"),
        (patched(0x3A, "<H", 0xFFFF), "PAYLOAD_INVALID"),
        (patched(0x3C, "<H", 0xFFFF), "PAYLOAD_INVALID"),
        # Nothing to load.
        (make_elf([]), "PAYLOAD_INVALID"),
        # Segments: content past the end, more of it than memory.
        (patched(P_OFFSET, "<Q", len(ELF)), "PAYLOAD_INVALID"),
        (patched(P_OFFSET, "<Q", (1 << 64) - 1), "PAYLOAD_INVALID"),
        (patched(P_MEMSZ, "<Q", 0x17FF), "PAYLOAD_INVALID"),
        (patched(P_FILESZ, "<Q", 1 << 62), "PAYLOAD_INVALID"),
        # Overlapping.
        (patched(P_MEMSZ, "<Q", 0x2001), "PAYLOAD_INVALID"),
        (patched(P_PADDR + SECOND, "<Q", LOADED_AT + 0x17FF), "PAYLOAD_INVALID"),
        (patched(P_PADDR + SECOND, "<Q", LOADED_AT), "PAYLOAD_INVALID"),
        # Too far apart, too large: 1 GiB, 3 GiB, all there is.
        (patched(P_PADDR + 2 * SECOND, "<Q", LOADED_AT + (1 << 30)), "PAYLOAD_INVALID"),
        (patched(P_MEMSZ + 2 * SECOND, "<Q", 3 << 30), "PAYLOAD_INVALID"),
        (patched(P_MEMSZ + 2 * SECOND, "<Q", (1 << 64) - 1), "PAYLOAD_INVALID"),
        (patched(P_PADDR + 2 * SECOND, "<Q", (1 << 64) - 1), "PAYLOAD_INVALID"),
        # Its first instruction: before it, between segments, in .bss, behind it.
        (make_elf(entry=-1), "PAYLOAD_INVALID"),
        (make_elf(entry=0x1800), "PAYLOAD_INVALID"),
        (make_elf(entry=0x3600), "PAYLOAD_INVALID"),
        (make_elf(entry=0x5000), "PAYLOAD_INVALID"),
    ],
)
def test_damage(content: bytes, code: str) -> None:
    assert code_of(parse, content) == code


@pytest.mark.parametrize("end", [*range(0, HEADERS_BYTES + 10, 7), *range(HEADERS_BYTES, len(ELF) - 1, 997), len(ELF) - 1])
def test_cut_off_anywhere(end: int) -> None:
    assert code_of(parse, ELF[:end]) == "PAYLOAD_INVALID"


def test_the_largest_there_can_be() -> None:
    parsed = parse(make_elf([Load(0, b"code", memory_bytes=1 << 30)], entry=0))
    assert (parsed.flat_bytes, parsed.memory_bytes) == (4, 1 << 30)
    assert code_of(parse, make_elf([Load(0, b"code", memory_bytes=(1 << 30) + 1)], entry=0)) == "PAYLOAD_INVALID"


# --- real ones ---------------------------------------------------------------------------


def test_a_real_kernel(kernel: RealKernel) -> None:
    vmlinux = kernel.vmlinux
    assert vmlinux.virtual == LINKED_AT
    assert vmlinux.flat_bytes <= vmlinux.memory_bytes <= kernel.header.memory_bytes
    # Nearly all of the payload is the flat image; what is left behind it is the relocation table.
    assert 0.9 < vmlinux.flat_bytes / kernel.payload.unpacked_bytes < 1
    assert 500_000 < len(kernel.content) - vmlinux.end < 2_000_000
    for segment in vmlinux.segments:
        assert segment.virtual in (0, LINKED_AT + segment.place)
