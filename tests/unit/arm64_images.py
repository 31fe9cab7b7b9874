# SPDX-License-Identifier: GPL-3.0-or-later
"""Small arm64 kernel files for tests, made field by field from the kernel's documentation of the formats."""

from __future__ import annotations

import gzip
import lzma
import struct

PE_AT = 0x40
SECTIONS_AT = PE_AT + 24 + 240
BANNER = "Linux version %s (builder@host) (gcc 14, ld 2.44) %s\n"


def make_image(
    release: str = "6.12.0-test", *, build: str = "#1 SMP", memory_bytes: int = 0x20000, machine: int = 0xAA64
) -> bytes:
    """A plain image with an EFI stub's header, two sections and the banner; nothing in it could boot."""
    image = bytearray(0x10000)
    struct.pack_into("<2s6xQQQ", image, 0, b"MZ", 0, memory_bytes, 0xA)
    struct.pack_into("<4sI", image, 0x38, b"ARM\x64", PE_AT)
    struct.pack_into("<4sHH12xHH", image, PE_AT, b"PE\0\0", machine, 2, 240, 0x0206)
    struct.pack_into("<H", image, PE_AT + 24, 0x20B)
    struct.pack_into("<I", image, PE_AT + 24 + 108, 6)
    for index, (name, at, size) in enumerate(((b".text", 0x1000, 0x8000), (b".data", 0x9000, 0x7000))):
        struct.pack_into("<8sIIII", image, SECTIONS_AT + 40 * index, name, size, at, size, at)
    # The kernel holds another one, in which the build has no number.
    for at, its_build in ((0x2000, build.replace("#1", "#")), (0x3000, build)):
        banner = (BANNER % (release, its_build)).encode("ascii")
        image[at : at + len(banner)] = banner
    return bytes(image)


def signed_image(image: bytes) -> bytes:
    """An image with the place of a signature, and that many bytes behind it."""
    made = bytearray(image)
    struct.pack_into("<II", made, PE_AT + 24 + 112 + 4 * 8, len(image), 64)
    return bytes(made) + bytes(64)


def make_gzip(image: bytes) -> bytes:
    """Pack a file, without the time of day: test workers have to agree on the names of tests."""
    return gzip.compress(image, mtime=0)


def make_zboot(image: bytes, compression: str = "gzip", *, machine: int = 0xAA64) -> bytes:
    """An EFI zboot file with an image as its payload: header, payload, and the unpacked size if the format has none."""
    payload = make_gzip(image) if compression == "gzip" else lzma.compress(image, check=lzma.CHECK_CRC32)
    size = b"" if compression == "gzip" else struct.pack("<I", len(image))
    head = bytearray(0x1000)
    struct.pack_into("<2s2x4sII8x24s", head, 0, b"MZ", b"zimg", len(head), len(payload), compression.encode("ascii"))
    struct.pack_into("<I", head, 0x3C, PE_AT)
    struct.pack_into("<4sHH12xHH", head, PE_AT, b"PE\0\0", machine, 0, 240, 0x0206)
    return bytes(head) + payload + size + bytes(512)
