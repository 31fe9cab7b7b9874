# SPDX-License-Identifier: GPL-3.0-or-later
"""Small bzImages for tests, made field by field from the boot protocol, ELF and the packers' formats."""

from __future__ import annotations

import gzip
import lzma
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

#: Where distributions link and load their kernels.
LINKED_AT = 0xFFFFFFFF81000000
LOADED_AT = 0x1000000


def make_bzimage(
    release: str = "6.12.0-test",
    *,
    setup_sects: int = 3,
    syssize: int = 64,
    protocol: int = 0x020F,
    xloadflags: int = 1,
    cmdline_size: int = 2047,
    magic: bytes = b"HdrS",
    build: str = "#1 SMP",
) -> bytes:
    """A file with a valid setup header and nothing behind it that could boot."""
    image = bytearray((setup_sects + 1) * 512 + syssize * 16)
    struct.pack_into("<BHIHHH", image, 0x1F1, setup_sects, 0, syssize, 0, 0, 0)
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[0x202:0x206] = magic
    struct.pack_into("<H", image, 0x206, protocol)
    version = ("%s (builder@host) %s" % (release, build)).encode()
    offset = 0x400
    struct.pack_into("<H", image, 0x20E, offset - 0x200)
    image[offset : offset + len(version)] = version
    struct.pack_into("<IBB", image, 0x230, 2 << 20, True, 21)
    struct.pack_into("<HI", image, 0x236, xloadflags, cmdline_size)
    struct.pack_into("<I", image, 0x260, 64 << 20)
    return bytes(image)


def signed(image: bytes, signature_bytes: int = 64) -> bytes:
    """A bzImage, or another PE file, with the header and the place of a signature."""
    made = bytearray(image)
    (begin,) = struct.unpack_from("<I", made, 0x3C)
    if not begin:
        begin = 0x40
        struct.pack_into("<2s58xI4sHH12xHH", made, 0, b"MZ", begin, b"PE\0\0", 0x8664, 4, 240, 0x0206)
    optional = begin + 24
    struct.pack_into("<H", made, optional, 0x20B)
    struct.pack_into("<I", made, optional + 108, 16)
    struct.pack_into("<II", made, optional + 112 + 4 * 8, len(image), signature_bytes)
    return bytes(made) + bytes(signature_bytes)


# --- a whole kernel ----------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """A PT_LOAD segment to make.

    :ivar place: offset from the lowest physical address.
    :ivar memory_bytes: by default as many as there is content.
    :ivar virtual: by default as far from LINKED_AT as its place.
    """

    place: int
    content: bytes
    memory_bytes: int | None = None
    virtual: int | None = None


def noise(size_bytes: int, seed: int) -> bytes:
    """Bytes without a pattern, the same every time."""
    # Random.randbytes(), which Python 3.8 lacks.
    return random.Random(seed).getrandbits(8 * size_bytes).to_bytes(size_bytes, "little")


#: As in real ones: text, then per-CPU data linked for 0, then data with some .bss.
LOADS = (
    Load(0, noise(0x1800, 1)),
    Load(0x2000, noise(0x200, 2), virtual=0),
    Load(0x3000, bytes(0x500) + noise(0x100, 3), memory_bytes=0x2000),
)
FLAT_BYTES = 0x3600
MEMORY_BYTES = 0x5000
ENTRY = 0x43


def make_elf(
    loads: Sequence[Load] = LOADS,
    *,
    entry: int = ENTRY,
    kind: int = 2,
    machine: int = 62,
    section_count: int = 2,
) -> bytes:
    """An ELF file that ends with its section headers, as a stripped vmlinux does."""
    offset = 64 + 56 * len(loads)
    headers = b""
    for load in loads:
        virtual = LINKED_AT + load.place if load.virtual is None else load.virtual
        memory_bytes = len(load.content) if load.memory_bytes is None else load.memory_bytes
        headers += struct.pack(
            "<IIQQQQQQ", 1, 7, offset, virtual, LOADED_AT + load.place, len(load.content), memory_bytes, 0x200000
        )
        offset += len(load.content)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack(
        "<HHIQQQIHHHHHH", kind, machine, 1, LOADED_AT + entry, 64, offset, 0, 64, 56, len(loads), 64, section_count, 0
    )
    return identity + header + headers + b"".join(load.content for load in loads) + bytes(64 * section_count)


def make_table(
    words: Sequence[int], inverse_words: Sequence[int] | None, quads: Sequence[int], linked_at: int = LINKED_AT
) -> bytes:
    """A relocation table from offsets into the flat image; without inverse_words there is no list of them."""
    entries: list[int] = []
    for offsets in (quads, inverse_words, words):
        if offsets is not None:
            entries += [0, *(linked_at + offset & 0xFFFFFFFF for offset in offsets)]
    return struct.pack("<%dI" % len(entries), *entries)


WORDS = (0x10, 0x14, 0x7F1, 0x3500)
INVERSE_WORDS = (0x100, 0x2010)
QUADS = (0x200, 0x20F, 0x35F8)


def make_content(inverse: bool = True) -> bytes:
    """An unpacked payload."""
    return make_elf() + make_table(WORDS, INVERSE_WORDS if inverse else None, QUADS)


def flat_of(loads: Sequence[Load] = LOADS) -> bytes:
    """The flat image that has to come of segments."""
    flat = bytearray(max(load.place + len(load.content) for load in loads))
    for load in loads:
        flat[load.place : load.place + len(load.content)] = load.content
    return bytes(flat)


PACKINGS = ("gzip", "xz", "lz4", "zstd")


def pack_stream(packing: str, data: bytes) -> bytes:
    """Packed data. (Stored rather than packed by lz4 and zstd: the formats allow it, and it takes no program.)"""
    if packing == "gzip":
        return gzip.compress(data, mtime=0)
    if packing == "xz":
        filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
        return lzma.compress(data, check=lzma.CHECK_CRC32, filters=filters)
    if packing == "lz4":
        return struct.pack("<I", 0x184C2102) + b"".join(
            lz4_block(lz4_sequence(data[at : at + (8 << 20)])) for at in range(0, len(data), 8 << 20)
        )
    # A frame of a single segment, its size in 4 bytes, no checksum; raw blocks of 128 KiB at most.
    blocks = [data[at : at + (1 << 17)] for at in range(0, len(data), 1 << 17)]
    return struct.pack("<IBI", 0xFD2FB528, 0b10100000, len(data)) + b"".join(
        struct.pack("<I", len(block) << 3 | (index == len(blocks) - 1))[:3] + block for index, block in enumerate(blocks)
    )


def lz4_length(value: int) -> bytes:
    """What follows a token whose half says 15."""
    return b"" if value < 15 else b"\xff" * ((value - 15) // 255) + bytes([(value - 15) % 255])


def lz4_sequence(literals: bytes, distance: int = 0, length: int = 4) -> bytes:
    """Literals and, with a distance, a match of at least 4 bytes."""
    token = min(len(literals), 15) << 4 | min(length - 4, 15)
    sequence = bytes([token]) + lz4_length(len(literals)) + literals
    return sequence + struct.pack("<H", distance) + lz4_length(length - 4) if distance else sequence


def lz4_block(*sequences: bytes) -> bytes:
    """A block with its size in front."""
    return struct.pack("<I", sum(map(len, sequences))) + b"".join(sequences)


def make_payload(packing: str, data: bytes, claimed_bytes: int | None = None) -> bytes:
    """A payload as bzImages carry it: the unpacked size last, which gzip brings along."""
    stream = pack_stream(packing, data)
    if packing == "gzip":
        stream = stream[:-4]
    return stream + struct.pack("<I", len(data) if claimed_bytes is None else claimed_bytes)


def make_kernel(
    payload: bytes,
    *,
    payload_offset: int = 716,
    payload_bytes: int | None = None,
    init_size: int = 1 << 20,
    alignment: int = 2 << 20,
    min_alignment: int = 21,
    relocatable: bool = True,
    pref_address: int = LOADED_AT,
) -> bytes:
    """A bzImage around a payload, with an empty decompressor."""
    image = bytearray(make_bzimage(setup_sects=7, syssize=-(-(716 + len(payload)) // 16)))
    struct.pack_into("<IBB", image, 0x230, alignment, relocatable, min_alignment)
    struct.pack_into("<II", image, 0x248, payload_offset, len(payload) if payload_bytes is None else payload_bytes)
    struct.pack_into("<QII", image, 0x258, pref_address, init_size, 0x190)
    image[:2] = b"MZ"
    image[8 * 512 + 716 : 8 * 512 + 716 + len(payload)] = payload
    return bytes(image)
