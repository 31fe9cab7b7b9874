# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleet.kexec.plugins.module_utils._arch.x86.bzimage import parse_bzimage, read_bzimage
from ansible_collections.fleet.kexec.plugins.module_utils._image.errors import ImageError

from .....bzimages import make_bzimage, signed


def code_of(image: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_bzimage(io.BytesIO(image), "image")
    return caught.value.reason.code


def test_a_good_image() -> None:
    image = make_bzimage(release="6.12.1-cloud-amd64")
    parsed = read_bzimage(io.BytesIO(image))
    assert parsed.release == "6.12.1-cloud-amd64"
    assert parsed.setup_bytes == 4 * 512
    assert parsed.image_bytes == parsed.setup_bytes + 64 * 16
    assert parsed.cmdline_max_bytes == 2047
    assert parsed.file_bytes == len(image)


def test_a_signature_behind_the_image_does_no_harm() -> None:
    assert read_bzimage(io.BytesIO(make_bzimage() + bytes(1000))).image_bytes == len(make_bzimage())
    assert read_bzimage(io.BytesIO(signed(make_bzimage()))).image_bytes == len(make_bzimage())


def test_whether_an_image_is_signed() -> None:
    image = signed(make_bzimage())
    assert read_bzimage(io.BytesIO(image)).signed
    assert not read_bzimage(io.BytesIO(signed(make_bzimage(), 0))).signed
    # Too few data directories, and the header of a 32-bit program.
    for place, value in ((0x58 + 108, 4), (0x59, 0x01)):
        assert not read_bzimage(io.BytesIO(image[:place] + bytes([value]) + image[place + 1 :])).signed
    assert not read_bzimage(io.BytesIO(make_bzimage())).signed


def pe(machine: int) -> bytes:
    image = bytearray(4096)
    image[:2] = b"MZ"
    struct.pack_into("<I", image, 0x3C, 0x40)
    image[0x40:0x44] = b"PE\0\0"
    struct.pack_into("<H", image, 0x44, machine)
    return bytes(image)


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (b"", "KERNEL_TRUNCATED"),
        (b"\x7fELF" + bytes(4096), "KERNEL_INVALID"),
        (b"#!/bin/sh\n" + bytes(4096), "KERNEL_INVALID"),
        (make_bzimage(magic=b"NOPE"), "KERNEL_INVALID"),
        (make_bzimage(protocol=0x0204), "KERNEL_INVALID"),
        (make_bzimage()[:0x210], "KERNEL_TRUNCATED"),
        (make_bzimage()[:-64], "KERNEL_TRUNCATED"),
        (make_bzimage(xloadflags=0), "WRONG_ARCH"),
        (pe(0xAA64), "WRONG_ARCH"),
        (pe(0x5064), "WRONG_ARCH"),
        (bytes(0x38) + b"ARM\x64" + bytes(4096), "WRONG_ARCH"),
    ],
)
def test_bad_images(image: bytes, code: str) -> None:
    assert code_of(image) == code


@given(st.binary(max_size=1024), st.integers(0, 4095), st.binary(max_size=16))
def test_damage_never_gives_a_traceback(tail: bytes, at: int, patch: bytes) -> None:
    image = bytearray(make_bzimage() + tail)
    image[at : at + len(patch)] = patch
    try:
        parse_bzimage(bytes(image), len(image))
    except ImageError as error:
        assert error.reason.hint
