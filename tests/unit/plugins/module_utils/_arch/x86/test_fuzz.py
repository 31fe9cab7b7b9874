# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged kernels, from the file to the moved image: a coded error or a clean result, in bounded memory."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import parse_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.fast import FastBzImages, file_bytes, kernel_offset
from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.relocation import (
    draw_move,
    parse_relocations,
    possible_moves,
    relocate,
    relocations_of,
)
from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError
from ansible_collections.fleet.kexec.plugins.module_utils._image.lz4 import Lz4Error, unpack_legacy
from ansible_collections.fleet.kexec.plugins.module_utils._image.payload import Unpacker, payload_of
from ansible_collections.fleet.kexec.plugins.module_utils._reasons import CATALOGUE

from .....bzimages import (
    FLAT_BYTES,
    LINKED_AT,
    MEMORY_BYTES,
    make_content,
    make_elf,
    make_kernel,
    make_payload,
    make_table,
    pack_stream,
)
from .....outcomes import peak_bytes

# The same examples every time: what fails here fails for everybody.
BOUNDED = settings(derandomize=True, deadline=None, database=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])

#: A host without programs: lz4 is unpacked by our own decoder. (What zstd does is zstd's.)
NO_PROGRAMS = "/nonexistent"

# What a decompressor holds for itself, the head of the image with the stub, and Python's own.
SLACK_BYTES = 1 << 20


@dataclass(frozen=True)
class Patch:
    """Bytes to write over others."""

    offset: int
    data: bytes


def patched(image: bytes, patches: Sequence[Patch]) -> bytes:
    made = bytearray(image)
    for patch in patches:
        part = patch.data[: max(0, len(made) - patch.offset)]
        made[patch.offset : patch.offset + len(part)] = part
    return bytes(made)


def build_and_move(image: bytes) -> int:
    """All that is done with a kernel; how many bytes have to be in memory for it."""
    header = parse_bzimage(image[:33280], len(image))
    content = Unpacker(NO_PROGRAMS).unpack(payload_of(memoryview(image), header))
    fast = FastBzImages()
    vmlinux = fast.parse(content)
    relocations = relocations_of(content, vmlinux)
    with tempfile.TemporaryFile() as out:
        layout = fast.write(out, image, header, content, vmlinux)
        out.flush()
        assert os.fstat(out.fileno()).st_size == file_bytes(layout)
        assert file_bytes(layout) <= header.setup_bytes + (3 << 20) + header.memory_bytes
        move = draw_move(relocations, lambda size: b"\xa5" * size)
        assert 0 <= move < 1 << 30
        with mmap.mmap(out.fileno(), file_bytes(layout)) as mapped, memoryview(mapped) as view:
            relocate(view[kernel_offset(layout) :], relocations, move)
    return len(image) + len(content)


def check(image: bytes, honest_bytes: int) -> None:
    def attempt() -> None:
        try:
            build_and_move(image)
        except ImageError as error:
            assert error.reason.code in CATALOGUE
            raise

    assert peak_bytes(attempt) <= 2 * honest_bytes + SLACK_BYTES


# --- what to damage ----------------------------------------------------------------------

CONTENTS = (make_content(), make_content(inverse=False))
KERNELS = tuple(make_kernel(make_payload(packing, content)) for packing in ("gzip", "xz", "lz4") for content in CONTENTS)
HONEST_BYTES = max(map(len, KERNELS)) + max(map(len, CONTENTS))

#: The fields of the setup header that are read, with their sizes.
HEADER_FIELDS = (
    (0x1F1, 1), (0x1F4, 4), (0x1FE, 2), (0x202, 4), (0x206, 2), (0x20E, 2), (0x230, 4), (0x234, 1), (0x236, 2), (0x238, 4),
    (0x248, 4), (0x24C, 4), (0x258, 8), (0x260, 4), (0x264, 4),
)  # fmt: skip
#: Those of the ELF header and of three program headers.
ELF_FIELDS = (
    (4, 1), (5, 1), (16, 2), (18, 2), (24, 8), (32, 8), (40, 8), (54, 2), (56, 2), (58, 2), (60, 2),
    *((64 + 56 * index + offset, 4 if not offset else 8) for index in range(3) for offset in (0, 8, 16, 24, 32, 40)),
)  # fmt: skip

_SMALL = st.integers(0, 0x6000)
_EDGES = st.sampled_from(
    [1, 2, 4, 8, 0x1000, 1 << 20, 2 << 20, 0x1000000, 1 << 30, 3 << 30, (1 << 32) - 1, 1 << 32, LINKED_AT, (1 << 64) - 1]
)
_VALUES = st.one_of(
    _SMALL,
    _EDGES,
    st.builds(lambda edge, near: (edge + near) % (1 << 64), _EDGES, st.integers(-16, 16)),
    st.integers(0, (1 << 64) - 1),
)


def fields(places: Sequence[tuple[int, int]]) -> st.SearchStrategy[list[Patch]]:
    """Some fields, with values that mean something or nothing."""
    patch = st.builds(
        lambda place, value: Patch(place[0], struct.pack("<Q", value)[: place[1]]), st.sampled_from(places), _VALUES
    )
    return st.lists(patch, min_size=1, max_size=3)


def anywhere(size_bytes: int) -> st.SearchStrategy[list[Patch]]:
    return st.lists(st.builds(Patch, st.integers(0, size_bytes - 1), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4)


@BOUNDED
@given(st.sampled_from(KERNELS), fields(HEADER_FIELDS))
def test_damaged_headers(image: bytes, patches: list[Patch]) -> None:
    check(patched(image, patches), HONEST_BYTES)


@BOUNDED
@given(st.sampled_from(KERNELS), anywhere(len(KERNELS[0])), st.integers(0, 40000))
def test_damage_anywhere_in_the_file(image: bytes, patches: list[Patch], end: int) -> None:
    check(patched(image, patches)[: end + 5000], HONEST_BYTES)


@BOUNDED
@given(st.sampled_from(CONTENTS), fields(ELF_FIELDS), st.sampled_from((1 << 20, 1 << 30, (1 << 32) - 1)))
def test_damaged_elf_headers_in_a_good_payload(content: bytes, patches: list[Patch], init_size: int) -> None:
    check(make_kernel(make_payload("lz4", patched(content, patches)), init_size=init_size), HONEST_BYTES)


@BOUNDED
@given(
    st.lists(
        st.one_of(st.just(0), st.builds(lambda offset: (LINKED_AT + offset) & 0xFFFFFFFF, _SMALL), st.integers(0, (1 << 32) - 1))
    )
)
def test_damaged_relocations_in_a_good_payload(entries: list[int]) -> None:
    content = make_elf() + struct.pack("<%dI" % len(entries), *entries)
    check(make_kernel(make_payload("lz4", content)), HONEST_BYTES)


@BOUNDED
@given(_VALUES, _SMALL, _VALUES)
def test_every_relocation_that_is_taken_lies_inside(linked_at: int, flat_bytes: int, memory_bytes: int) -> None:
    table = make_table((FLAT_BYTES - 4,), (0,), (FLAT_BYTES - 8,), linked_at)
    try:
        relocations = parse_relocations(table, linked_at, flat_bytes, memory_bytes)
    except ImageError as error:
        assert error.reason.code == "PAYLOAD_INVALID"
    else:
        assert flat_bytes >= FLAT_BYTES
        assert possible_moves(relocations) >= 1


_LZ4_CONTENT = make_content() * 3
_LZ4_STREAM = pack_stream("lz4", _LZ4_CONTENT)


@BOUNDED
@given(anywhere(len(_LZ4_STREAM)), st.binary(max_size=40))
def test_damaged_lz4(patches: list[Patch], tail: bytes) -> None:
    def attempt() -> None:
        with suppress(Lz4Error):
            unpack_legacy(patched(_LZ4_STREAM, patches) + tail, len(_LZ4_CONTENT))

    # A damaged block may unpack to all that a block may.
    assert peak_bytes(attempt) <= 2 * ((8 << 20) + len(_LZ4_STREAM))


@BOUNDED
@given(st.sampled_from(["gzip", "xz", "lz4"]), st.binary(max_size=200), st.integers(1, 1 << 30))
def test_payloads_that_only_begin_like_one(packing: str, data: bytes, claimed_bytes: int) -> None:
    begin = pack_stream(packing, zlib.compress(b"", 0))[:10]
    payload = begin + data + struct.pack("<I", claimed_bytes)
    check(make_kernel(payload, init_size=1 << 30), MEMORY_BYTES)
