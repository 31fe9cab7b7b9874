# SPDX-License-Identifier: GPL-3.0-or-later
"""Small unified kernel images for tests, made field by field from the PE format."""

from __future__ import annotations

import struct
from collections.abc import Sequence

OSREL = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="13"\n'
_ALIGNMENT_BYTES = 512
_PE_AT = 0x80
_OPTIONAL_BYTES = 240


def make_pe(sections: Sequence[tuple[str, bytes]]) -> bytes:
    """A PE file with these sections, each padded to the alignment in the file."""
    count = len(sections)
    table = b""
    body = b""
    begin = _PE_AT + 24 + _OPTIONAL_BYTES + 40 * count
    begin += -begin % _ALIGNMENT_BYTES
    for name, content in sections:
        raw = content + bytes(-len(content) % _ALIGNMENT_BYTES)
        place = begin + len(body)
        table += struct.pack("<8sIIIIIIHHI", name.encode(), len(content), 0x10000 + place, len(raw), place, 0, 0, 0, 0, 0)
        body += raw
    dos = b"MZ" + bytes(58) + struct.pack("<I", _PE_AT)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, count, 0, 0, 0, _OPTIONAL_BYTES, 0x0206)
    optional = struct.pack("<H", 0x20B) + bytes(_OPTIONAL_BYTES - 2)
    head = dos.ljust(_PE_AT, b"\0") + coff + optional + table
    return head.ljust(begin, b"\0") + body


def make_unified(
    cmdline: str = "root=/dev/vda1 ro",
    osrel: str = OSREL,
    more: Sequence[tuple[str, bytes]] = (),
    *,
    linux: bytes = b"kernel",
    initrd: bytes = b"initrd",
    ucode: bytes = b"microcode",
) -> bytes:
    """A unified kernel image, with sections in the order that ukify uses; C(more) come last."""
    return make_pe(
        [
            (".text", b"stub"),
            (".osrel", osrel.encode()),
            (".cmdline", cmdline.encode()),
            (".uname", b"6.12.117+deb13-amd64"),
            (".initrd", initrd),
            (".ucode", ucode),
            (".linux", linux),
            *more,
        ]
    )
