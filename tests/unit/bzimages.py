# SPDX-License-Identifier: GPL-3.0-or-later
"""Small bzImages for tests, made field by field from the boot protocol."""

from __future__ import annotations

import struct


def make_bzimage(
    release: str = "6.12.0-test",
    *,
    setup_sects: int = 3,
    syssize: int = 64,
    protocol: int = 0x020F,
    xloadflags: int = 1,
    cmdline_size: int = 2047,
    magic: bytes = b"HdrS",
) -> bytes:
    """A file with a valid setup header and nothing behind it that could boot."""
    image = bytearray((setup_sects + 1) * 512 + syssize * 16)
    struct.pack_into("<BHIHHH", image, 0x1F1, setup_sects, 0, syssize, 0, 0, 0)
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[0x202:0x206] = magic
    struct.pack_into("<H", image, 0x206, protocol)
    version = ("%s (builder@host) #1 SMP" % release).encode()
    offset = 0x400
    struct.pack_into("<H", image, 0x20E, offset - 0x200)
    image[offset : offset + len(version)] = version
    struct.pack_into("<HI", image, 0x236, xloadflags, cmdline_size)
    struct.pack_into("<I", image, 0x260, 64 << 20)
    return bytes(image)
