# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import struct
from array import array

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.relocation import (
    MOVE_ALIGNMENT,
    Relocations,
    draw_move,
    parse_relocations,
    possible_moves,
    relocate,
    relocations_of,
)

from .....bzimages import FLAT_BYTES, INVERSE_WORDS, LINKED_AT, MEMORY_BYTES, QUADS, WORDS, flat_of, make_table, noise
from .....outcomes import code_of, peak_bytes
from ...conftest import RealKernel

MAP_BASE = 0xFFFFFFFF80000000
MIB = 1 << 20


def parse(
    table: bytes, flat_bytes: int = FLAT_BYTES, memory_bytes: int = MEMORY_BYTES, linked_at: int = LINKED_AT
) -> Relocations:
    return parse_relocations(table, linked_at, flat_bytes, memory_bytes)


def relocate_as_the_kernel(flat: bytearray, table: bytes, linked_at: int, move: int, inverse: bool) -> None:
    """handle_relocations() of arch/x86/boot/compressed/misc.c, line by line: the table read backwards."""
    position = len(table)

    def next_address() -> int:
        nonlocal position
        position -= 4
        # extended = *reloc, sign-extended; += map, to a place in the copy
        extended = struct.unpack_from("<i", table, position)[0]
        return int(extended) & 0xFFFFFFFFFFFFFFFF

    while (address := next_address()) & 0xFFFFFFFF:
        at = address - linked_at
        struct.pack_into("<I", flat, at, (struct.unpack_from("<I", flat, at)[0] + move) & 0xFFFFFFFF)
    while inverse and (address := next_address()) & 0xFFFFFFFF:
        at = address - linked_at
        struct.pack_into("<i", flat, at, ((struct.unpack_from("<i", flat, at)[0] - move + (1 << 31)) & 0xFFFFFFFF) - (1 << 31))
    while (address := next_address()) & 0xFFFFFFFF:
        at = address - linked_at
        struct.pack_into("<Q", flat, at, (struct.unpack_from("<Q", flat, at)[0] + move) & 0xFFFFFFFFFFFFFFFF)
    assert position == 0


# --- the table ---------------------------------------------------------------------------


@pytest.mark.parametrize("inverse", [INVERSE_WORDS, (), None])
def test_a_table(inverse: tuple[int, ...] | None) -> None:
    assert parse(make_table(WORDS, inverse, QUADS)) == Relocations(
        words=array("I", WORDS),
        inverse_words=array("I", inverse or ()),
        quads=array("I", QUADS),
        linked_at=LINKED_AT,
        memory_bytes=MEMORY_BYTES,
    )


def test_a_table_with_nothing_in_it() -> None:
    assert parse(make_table((), None, ())).words == array("I")


@pytest.mark.parametrize(
    "table",
    [
        b"",
        bytes(4),
        bytes(4 * 4),
        bytes(4 * 1000),
        make_table(WORDS, INVERSE_WORDS, QUADS) + bytes(4),
        bytes(4) + make_table(WORDS, INVERSE_WORDS, QUADS),
        make_table(WORDS, INVERSE_WORDS, QUADS)[4:],
        make_table(WORDS, INVERSE_WORDS, QUADS)[:-1],
        b"\0" + make_table(WORDS, INVERSE_WORDS, QUADS),
        make_table(WORDS, None, QUADS)[: 4 * (1 + len(QUADS))],
        # Outside: before the image, behind it, the end of a word or quad behind it.
        make_table((-1,), None, ()),
        make_table((), (-1,), ()),
        make_table((), None, (-4,)),
        make_table((FLAT_BYTES - 3,), None, ()),
        make_table((), (FLAT_BYTES - 3,), ()),
        make_table((), None, (FLAT_BYTES - 7,)),
        make_table((MEMORY_BYTES - 4,), None, ()),
        make_table((1 << 30,), None, ()),
        struct.pack("<4I", 0, 0xFFFFFFFF, 0, 0x81000000),
        struct.pack("<4I", 0, 0x81000000, 0, 1),
        # Half of a virtual address where an offset is.
        make_table(WORDS, None, QUADS, linked_at=0),
    ],
)
def test_damage(table: bytes) -> None:
    assert code_of(parse, table) == "PAYLOAD_INVALID"


def test_the_last_word_and_quad() -> None:
    relocations = parse(make_table((FLAT_BYTES - 4,), (0,), (FLAT_BYTES - 8,)))
    assert (relocations.words[0], relocations.inverse_words[0], relocations.quads[0]) == (FLAT_BYTES - 4, 0, FLAT_BYTES - 8)


@pytest.mark.parametrize("flat_bytes", [0, 3, 7])
def test_an_image_too_small_for_one(flat_bytes: int) -> None:
    assert code_of(parse, make_table((), None, (0,)), flat_bytes) == "PAYLOAD_INVALID"


@pytest.mark.parametrize(
    ("linked_at", "memory_bytes"),
    [
        (0, MEMORY_BYTES),
        (0x1000000, MEMORY_BYTES),
        (MAP_BASE - 1, MEMORY_BYTES),
        (MAP_BASE + (1 << 30) - MEMORY_BYTES + 1, MEMORY_BYTES),
        ((1 << 64) - 1, MEMORY_BYTES),
        (LINKED_AT, 1 << 30),
    ],
)
def test_linked_for_where_no_kernel_can_be(linked_at: int, memory_bytes: int) -> None:
    table = make_table(WORDS, None, QUADS, linked_at)
    assert code_of(parse, table, FLAT_BYTES, memory_bytes, linked_at) == "PAYLOAD_INVALID"


@pytest.mark.parametrize("entries", [(0,), (0x81000000,), (0, *[0x81001000] * 9), (0x81001000, 0, 0)])
def test_a_large_table_takes_memory_in_proportion(entries: tuple[int, ...]) -> None:
    table = bytes(4) + struct.pack("<%dI" % len(entries), *entries) * (1 << 18) + bytes(4)

    def parse_it() -> None:
        parse(table, len(table), len(table))

    # The words, the lists, the offsets: that of an array grows by leaps.
    assert peak_bytes(parse_it) < 3.5 * len(table) + 65536


def test_a_table_larger_than_what_it_could_mend() -> None:
    table = make_table([0] * 1000, None, ())
    assert code_of(parse, table, 1000) == "PAYLOAD_INVALID"
    assert len(parse(table, 4000).words) == 1000


# --- moving ------------------------------------------------------------------------------


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("move", [0, 2 * MIB, 16 * MIB, 962 * MIB])
def test_exactly_what_is_listed_moves(inverse: bool, move: int) -> None:
    table = make_table(WORDS, INVERSE_WORDS if inverse else None, QUADS)
    before = flat_of()
    flat = bytearray(before)
    relocate(memoryview(flat), parse(table), move)

    expected = bytearray(before)
    for offset in WORDS:
        word = int.from_bytes(before[offset : offset + 4], "little")
        expected[offset : offset + 4] = ((word + move) % (1 << 32)).to_bytes(4, "little")
    for offset in INVERSE_WORDS if inverse else ():
        word = int.from_bytes(before[offset : offset + 4], "little")
        expected[offset : offset + 4] = ((word - move) % (1 << 32)).to_bytes(4, "little")
    for offset in QUADS:
        quad = int.from_bytes(before[offset : offset + 8], "little")
        expected[offset : offset + 8] = ((quad + move) % (1 << 64)).to_bytes(8, "little")
    assert flat == expected


@pytest.mark.parametrize("seed", range(20))
def test_moving_as_the_kernel_does(seed: int) -> None:
    source = random.Random(seed)
    flat_bytes = source.randrange(64, 5000)
    places = source.sample(range(0, flat_bytes - 7, 8), k=source.randrange(flat_bytes // 8))
    cut, other = sorted(source.choices(range(len(places) + 1), k=2))
    inverse = seed % 2 == 0
    linked_at = source.choice((LINKED_AT, MAP_BASE, MAP_BASE + (256 << 20)))
    table = make_table(places[:cut], places[cut:other] if inverse else None, places[other:], linked_at)
    move = source.randrange(400) * MOVE_ALIGNMENT

    theirs, ours = bytearray(noise(flat_bytes, seed)), bytearray(noise(flat_bytes, seed))
    relocate_as_the_kernel(theirs, table, linked_at, move, inverse)
    relocations = parse_relocations(table, linked_at, flat_bytes, flat_bytes)
    relocate(memoryview(ours), relocations, move)
    assert ours == theirs

    relocate(memoryview(ours), relocations, -move)
    assert ours == noise(flat_bytes, seed)


# --- drawing a move ----------------------------------------------------------------------


def relocations_at(linked_at: int, memory_bytes: int) -> Relocations:
    return parse_relocations(make_table((), None, ()), linked_at, 0, memory_bytes)


@pytest.mark.parametrize(
    ("linked_at", "memory_bytes", "count"),
    [
        # From 16 MiB on, with 48 MiB: 1008 - 48 = 960 MiB of room.
        (LINKED_AT, 48 * MIB, 481),
        (LINKED_AT, 48 * MIB + 1, 480),
        (LINKED_AT, 1008 * MIB, 1),
        (LINKED_AT, 1007 * MIB, 1),
        (LINKED_AT, 1006 * MIB, 2),
        (MAP_BASE, 1 << 30, 1),
    ],
)
def test_how_many_moves_there_are(linked_at: int, memory_bytes: int, count: int) -> None:
    assert possible_moves(relocations_at(linked_at, memory_bytes)) == count


def test_the_whole_range_is_drawn_from() -> None:
    relocations = relocations_at(LINKED_AT, 1000 * MIB)
    numbers = iter(range(10))
    drawn = [draw_move(relocations, lambda size: next(numbers).to_bytes(size, "little")) for _each in range(10)]
    assert drawn == [move * MIB for move in (0, 2, 4, 6, 8, 0, 2, 4, 6, 8)]


def test_the_last_move_is_the_last_that_fits() -> None:
    relocations = relocations_at(LINKED_AT, 48 * MIB)
    last = draw_move(relocations, lambda size: (480).to_bytes(size, "little"))
    assert LINKED_AT + last + 48 * MIB == MAP_BASE + (1 << 30)


# --- real ones ---------------------------------------------------------------------------

ENTRIES = {
    "bookworm-cloud": (70_000, 8_000, 120_000),
    "bookworm-generic": (75_000, 8_000, 130_000),
    "trixie-cloud": (75_000, 12_000, 140_000),
    "trixie-backports-cloud": (105_000, 0, 200_000),
}


def test_a_real_kernel(kernel: RealKernel) -> None:
    vmlinux = kernel.vmlinux
    relocations = relocations_of(kernel.content, vmlinux)
    flat = bytearray(vmlinux.flat_bytes)
    for segment in vmlinux.segments:
        flat[segment.place : segment.place + segment.file_bytes] = kernel.content[
            segment.offset : segment.offset + segment.file_bytes
        ]

    # Point releases differ by some per cent.
    for found, expected in zip((relocations.words, relocations.inverse_words, relocations.quads), ENTRIES[kernel.name]):
        assert expected <= len(found) <= expected * 1.2
    assert bool(relocations.inverse_words) == kernel.inverse
    assert 400 < possible_moves(relocations) < 500

    # Before the move nearly all point into the kernel; the others are some hundred symbols that lie nowhere, and
    # physical addresses.
    begin, end = vmlinux.virtual, vmlinux.virtual + vmlinux.memory_bytes
    quads = [struct.unpack_from("<Q", flat, offset)[0] for offset in relocations.quads]
    words = [struct.unpack_from("<I", flat, offset)[0] | 0xFFFFFFFF00000000 for offset in relocations.words]
    for addresses in (quads, words):
        assert sum(not begin <= address <= end for address in addresses) < len(addresses) * 0.01

    # Each is mended once.
    mended = sorted([(at, 4) for at in (*relocations.words, *relocations.inverse_words)] + [(at, 8) for at in relocations.quads])
    assert all(at + size <= following for (at, size), (following, _size) in zip(mended, mended[1:]))

    theirs = bytearray(flat)
    move = 37 * MOVE_ALIGNMENT
    relocate_as_the_kernel(theirs, kernel.content[vmlinux.end :], vmlinux.virtual, move, kernel.inverse)
    relocate(memoryview(flat), relocations, move)
    assert flat == theirs
