# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decompressor for lz4's legacy frame, the one used for kernels.

Stock hosts have no C(lz4) program, Python has no module for it, and the format is small. Source: lz4_Frame_format.md ("Legacy
frame") and lz4_Block_format.md of the lz4 project.
"""

from __future__ import annotations

import struct
from typing import Union

_MAGIC = 0x184C2102
_BLOCK_MAX_BYTES = 8 << 20
_MIN_MATCH = 4


class Lz4Error(Exception):
    """Raised when the data is damaged."""


def unpack_legacy(data: Union[bytes, memoryview], limit: int) -> bytes:
    """Unpack a legacy frame, stopping after the block that exceeds C(limit) bytes; Lz4Error if it is damaged."""
    content = bytearray()
    data = bytes(data)
    try:
        (magic,) = struct.unpack_from("<I", data, 0)
        if magic != _MAGIC:
            raise Lz4Error("not an lz4 legacy frame")
        position = 4
        while position < len(data) and len(content) <= limit:
            (block_bytes,) = struct.unpack_from("<I", data, position)
            position += 4
            if not 0 < block_bytes <= len(data) - position:
                raise Lz4Error("a block of %d bytes at %#x, where %d are left" % (block_bytes, position, len(data) - position))
            _unpack_block(data, position, position + block_bytes, content)
            position += block_bytes
    except (struct.error, IndexError):
        raise Lz4Error("the data ends within a block") from None
    return bytes(content)


def _unpack_block(data: bytes, position: int, end: int, content: bytearray) -> None:
    """Unpack one block, whose matches can't reach back before its start."""
    begin = len(content)
    while True:
        token = data[position]
        position += 1
        literals = token >> 4
        if literals == 15:
            while data[position] == 255:
                literals += 255
                position += 1
            literals += data[position]
            position += 1
        if literals:
            if position + literals > end:
                raise Lz4Error("literals run past the end of their block")
            content += data[position : position + literals]
            position += literals
        if position == end:
            return
        distance = data[position] | data[position + 1] << 8
        position += 2
        length = token & 15
        if length == 15:
            while data[position] == 255:
                length += 255
                position += 1
            length += data[position]
            position += 1
        length += _MIN_MATCH
        if position > end or len(content) - begin + length > _BLOCK_MAX_BYTES:
            raise Lz4Error("a block that unpacks to more than it may")
        source = len(content) - distance
        if distance == 0 or source < begin:
            raise Lz4Error("a match reaches back before its block")
        if length > distance:
            # The match overlaps its own output: a repeated pattern.
            content += (content[source:] * (length // distance + 1))[:length]
        else:
            content += content[source : source + length]
