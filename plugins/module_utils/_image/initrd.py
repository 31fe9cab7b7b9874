# Copyright: (c) 2026, fleet.kexec contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognising an initrd by its first bytes."""

from __future__ import annotations

from typing import Optional

# Documentation/driver-api/early-userspace/buffer-format.rst for cpio,
# lib/decompress.c of the kernel for the compressed ones. A microcode archive
# in front of the real one is an uncompressed cpio.
_MAGICS = (
    (b"070701", "cpio"),
    (b"070702", "cpio"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x89LZO", "lzo"),
)
MAGIC_BYTES = max(len(magic) for magic, _name in _MAGICS)


def initrd_format(head: bytes) -> Optional[str]:
    """Format of an initrd from its first :data:`MAGIC_BYTES` bytes; None if the kernel would not take it."""
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    return None
