# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import struct
import subprocess

import pytest

from ansible_collections.fleet.kexec.plugins.module_utils._image.lz4 import Lz4Error, unpack_legacy

from ....bzimages import lz4_block, lz4_length, lz4_sequence, noise
from ....outcomes import peak_bytes

MAGIC = struct.pack("<I", 0x184C2102)
LIMIT = 1 << 30
BLOCK_BYTES = 8 << 20


def unpack(*blocks: bytes) -> bytes:
    return unpack_legacy(MAGIC + b"".join(blocks), LIMIT)


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (lz4_block(lz4_sequence(b"hello")), b"hello"),
        # By hand, lest the maker of blocks is as wrong as what it tests: 3 literals, 5 bytes from 2 back, 1 literal.
        (b"\x08\0\0\0" + b"\x31abc\x02\x00" + b"\x10!", b"abcbcbcb!"),
        (lz4_block(lz4_sequence(b"abcd", 4), lz4_sequence(b"!")), b"abcdabcd!"),
        (lz4_block(lz4_sequence(b"abcdef", 6, 4), lz4_sequence(b"!")), b"abcdefabcd!"),
        (lz4_block(lz4_sequence(b"a", 1, 18), lz4_sequence(b"!")), b"a" * 19 + b"!"),
        (lz4_block(lz4_sequence(b"a", 1, 19), lz4_sequence(b"!")), b"a" * 20 + b"!"),
        (lz4_block(lz4_sequence(b"ab", 2, 1001), lz4_sequence(b"!")), (b"ab" * 600)[:1003] + b"!"),
        (lz4_block(lz4_sequence(bytes(range(14)))), bytes(range(14))),
        (lz4_block(lz4_sequence(bytes(range(15)))), bytes(range(15))),
        (lz4_block(lz4_sequence(bytes(269))), bytes(269)),
        (lz4_block(lz4_sequence(bytes(270))), bytes(270)),
        (
            lz4_block(lz4_sequence(bytes(range(256)) * 256, 65535, 7), lz4_sequence(b"")),
            bytes(range(256)) * 256 + bytes(range(1, 8)),
        ),
        (lz4_block(lz4_sequence(b"abcd"), b"")[:9], b"abcd"),
    ],
)
def test_a_block(block: bytes, content: bytes) -> None:
    assert unpack(block) == content


def test_blocks_follow_each_other() -> None:
    assert unpack(lz4_block(lz4_sequence(b"one")), lz4_block(lz4_sequence(b"ab", 2, 4), lz4_sequence(b"."))) == b"oneababab."


def test_nothing_is_packed() -> None:
    assert unpack() == b""


def test_a_full_block() -> None:
    assert unpack(lz4_block(lz4_sequence(b"a", 1, BLOCK_BYTES - 1), lz4_sequence(b""))) == b"a" * BLOCK_BYTES


GOOD = MAGIC + lz4_block(lz4_sequence(bytes(range(20)), 3, 300), lz4_sequence(b"end"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        MAGIC[:3],
        b"\x04\x22\x4d\x18" + GOOD[4:],
        MAGIC + bytes(4),
        MAGIC + b"\xff\xff\xff\xff",
        MAGIC + struct.pack("<I", 6) + lz4_sequence(b"abcd"),
        MAGIC + lz4_block(lz4_sequence(b"abc", 4), lz4_sequence(b"!")),
        MAGIC + lz4_block(b"\x30abc\x00\x00", lz4_sequence(b"!")),
        # Another block's bytes are out of reach.
        MAGIC + lz4_block(lz4_sequence(b"abcdefgh")) + lz4_block(lz4_sequence(b"x", 2), lz4_sequence(b"!")),
        # Literals that run on into the next block.
        MAGIC + lz4_block(b"\x50ab") + lz4_block(lz4_sequence(b"abcdefgh")),
        # A block that ends with a match, or within one.
        MAGIC + lz4_block(lz4_sequence(b"abcd", 4)) + lz4_block(lz4_sequence(b"abcdefgh")),
        MAGIC + lz4_block(b"\x40abcd\x04") + lz4_block(lz4_sequence(b"abcdefgh")),
        MAGIC + lz4_block(lz4_sequence(b"a", 1, BLOCK_BYTES), lz4_sequence(b"")),
    ],
)
def test_damage(data: bytes) -> None:
    with pytest.raises(Lz4Error):
        unpack_legacy(data, LIMIT)


@pytest.mark.parametrize("end", [end for end in range(len(GOOD)) if end != len(MAGIC)])
def test_cut_off_anywhere(end: int) -> None:
    with pytest.raises(Lz4Error):
        unpack_legacy(GOOD[:end], LIMIT)


def test_a_length_without_end_takes_no_memory() -> None:
    bomb = MAGIC + lz4_block(lz4_sequence(b"a", 1, 20 << 20), lz4_sequence(b""))

    def unpack_it() -> None:
        with pytest.raises(Lz4Error):
            unpack_legacy(bomb, LIMIT)

    assert peak_bytes(unpack_it) < 1 << 20


def test_no_more_than_a_block_beyond_the_limit() -> None:
    block = lz4_block(lz4_sequence(b"a", 1, 9999), lz4_sequence(b""))
    assert len(unpack_legacy(MAGIC + block * 9, 25000)) == 30000


def test_lengths() -> None:
    assert [lz4_length(value) for value in (14, 15, 269, 270, 271)] == [b"", b"\x00", b"\xfe", b"\xff\x00", b"\xff\x01"]


@pytest.mark.parametrize("seed", range(6))
def test_what_the_lz4_program_packed(seed: int) -> None:
    source = random.Random(seed)
    words = [noise(source.randint(1, 40), 50 * seed + word) for word in range(50)]
    content = b"".join(source.choice(words) * source.choice((1, 1, 1, 30)) for _each in range(3000))
    packed = subprocess.run(["lz4", "-lc", "-9" if seed % 2 else "-1"], input=content, stdout=subprocess.PIPE, check=True)
    assert unpack_legacy(packed.stdout, LIMIT) == content
