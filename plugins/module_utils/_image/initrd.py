# Copyright: (c) 2026, fleet.kexec contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Initrds: concatenated archives, of which usually the last is compressed.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel. For the boot configuration that may follow
at the very end: C(get_boot_config_from_initrd) in init/main.c and Documentation/admin-guide/bootconfig.rst.
For :func:`pack_file`: src/boot/cpio.c of systemd.
"""

from __future__ import annotations

import binascii
import struct
from typing import Callable, List, Optional, Tuple

from .elf import Content
from .errors import ImageError
from .payload import Unpacker

# Compressed formats: lib/decompress.c of the kernel.
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
    """Recognise an initrd by its first :data:`MAGIC_BYTES` bytes; None if the kernel would reject it."""
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    return None


_CPIO = "cpio"
# A newc header has fields of eight hexadecimal digits each, after a magic of six.
_HEADER_BYTES = 110
_FIELD_LINKS = 4
_FIELD_FILESIZE = 6
_FIELD_NAMESIZE = 11
_TRAILER = b"TRAILER!!!"
_ALIGNMENT = 4

# Modes that systemd's stub gives to the files that it passes on, and to their directory.
_FILE_MODE = 0o100444
_DIRECTORY_MODE = 0o040555

# A boot configuration is followed by its size, the sum of its bytes, and a magic. GRUB may append up to three zeros.
_BOOTCONFIG_MAGIC = b"#BOOTCONFIG\n"
_BOOTCONFIG_NUMBERS = struct.Struct("<II")
_BOOTCONFIG_PADDING_MAX_BYTES = 3


def archives_end(data: memoryview) -> int:
    """End of an initrd's archives: the offset of the boot configuration, or the size if it has none.

    As in the kernel, one with a wrong size or checksum is none.
    """
    for padding in range(_BOOTCONFIG_PADDING_MAX_BYTES + 1):
        end = len(data) - padding - len(_BOOTCONFIG_MAGIC) - _BOOTCONFIG_NUMBERS.size
        if end < 0 or data[end + _BOOTCONFIG_NUMBERS.size : len(data) - padding] != _BOOTCONFIG_MAGIC:
            continue
        size_bytes, checksum = map(int, _BOOTCONFIG_NUMBERS.unpack_from(data, end))
        if size_bytes <= end and sum(data[end - size_bytes : end]) & 0xFFFFFFFF == checksum:
            return end - size_bytes
        break
    return len(data)


def split_initrd(data: memoryview, name: str = "the initrd") -> Tuple[int, Optional[str]]:
    """Find the compressed archive: its offset and format, or the end of the archives and None if nothing is compressed.

    Uncompressed archives precede it: microcode, which the kernel only looks for there, and content that does not compress.

    :raises ImageError: C(INITRD_INVALID): it is damaged.
    """
    data = data[: archives_end(data)]
    position = 0
    while True:
        # There may be any number of zeros between archives.
        while data[position : position + 4096] and not any(data[position : position + 4096]):
            position = min(position + 4096, len(data))
        while position < len(data) and not data[position]:
            position += 1
        if position == len(data):
            return position, None
        kind = initrd_format(bytes(data[position : position + MAGIC_BYTES]))
        if kind is None:
            raise ImageError("INITRD_INVALID", "%s has data at %#x that is no archive" % (name, position))
        if kind != _CPIO:
            return position, kind
        position = _archive_end(data, position, name)


def _archive_end(data: memoryview, position: int, name: str) -> int:

    def field(number: int) -> int:
        digits = bytes(data[position + 6 + 8 * number : position + 14 + 8 * number])
        return int.from_bytes(binascii.unhexlify(digits), "big")

    begin = position
    while True:
        try:
            if initrd_format(bytes(data[position : position + MAGIC_BYTES])) != _CPIO:
                raise ValueError
            file_bytes, name_bytes = field(_FIELD_FILESIZE), field(_FIELD_NAMESIZE)
        except ValueError:
            raise ImageError("INITRD_INVALID", "%s has a damaged archive at %#x" % (name, begin)) from None
        entry = bytes(data[position + _HEADER_BYTES : position + _HEADER_BYTES + len(_TRAILER)])
        # Alignment counts from the start of the archive.
        after_name = _align(position - begin + _HEADER_BYTES + name_bytes)
        position = begin + _align(after_name + file_bytes)
        if position > len(data) + _ALIGNMENT:
            raise ImageError("INITRD_INVALID", "%s ends within an archive" % name)
        if entry == _TRAILER:
            return min(position, len(data))


def _align(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def uncompress_initrd(data: memoryview, unpacker: Unpacker, limit: int, name: str = "the initrd") -> List[Content]:
    """Uncompress an initrd of up to C(limit) bytes uncompressed, into parts that are not joined because they are large.

    Archives in front of the compressed one are kept as they are, and so is a boot configuration at the end.

    :raises ImageError: C(INITRD_INVALID), C(PAYLOAD_INVALID), C(PAYLOAD_FORMAT) or C(NO_DECOMPRESSOR).
    """
    begin, kind = split_initrd(data, name)
    if kind is None:
        return [data]
    end = archives_end(data)
    content = unpacker.unpack_stream(kind, data[begin:end], limit)
    if initrd_format(content[:MAGIC_BYTES]) != _CPIO:
        raise ImageError("INITRD_INVALID", "the compressed data in %s is no archive" % name)
    # The kernel looks for an archive at multiples of four bytes.
    return [data[:begin], bytes(_align(begin) - begin), content, data[end:]]


def leave_out(archives: memoryview, is_unneeded: Callable[[str], bool], name: str = "the initrd") -> List[Content]:
    """Leave files out of uncompressed archives; the rest stays byte for byte, in parts.

    Files with several names stay, since only one of the names has their content.

    :param is_unneeded: tells whether a file is left out, by its path.
    :raises ImageError: C(INITRD_INVALID): an archive is damaged.
    """
    kept: List[Content] = []
    begin = position = 0
    while position < len(archives):
        if not archives[position]:
            position += 1
            continue
        file_bytes, name_bytes, links = _member(archives, position, name)
        after_name = _align(position + _HEADER_BYTES + name_bytes)
        end = min(_align(after_name + file_bytes), len(archives))
        if after_name + file_bytes > len(archives):
            raise ImageError("INITRD_INVALID", "%s ends within an archive" % name)
        path = bytes(archives[position + _HEADER_BYTES : position + _HEADER_BYTES + name_bytes]).rstrip(b"\0")
        if file_bytes and links <= 1 and is_unneeded(path.decode("utf-8", "surrogateescape")):
            kept.append(archives[begin:position])
            begin = end
        position = end
    return [*kept, archives[begin:]]


def _member(archives: memoryview, position: int, name: str) -> Tuple[int, int, int]:
    """Size, size of the name and number of links of the archive's member at a position."""
    if initrd_format(bytes(archives[position : position + MAGIC_BYTES])) != _CPIO:
        raise ImageError("INITRD_INVALID", "%s has data at %#x that is no archive" % (name, position))
    try:
        digits = bytes(archives[position + 6 : position + _HEADER_BYTES])
        fields = [int.from_bytes(binascii.unhexlify(digits[8 * each : 8 * each + 8]), "big") for each in range(13)]
    except ValueError:
        raise ImageError("INITRD_INVALID", "%s has a damaged archive at %#x" % (name, position)) from None
    return fields[_FIELD_FILESIZE], fields[_FIELD_NAMESIZE], fields[_FIELD_LINKS]


def pack_file(path: str, content: bytes) -> bytes:
    """Pack a file and its directory into an archive, byte for byte as systemd's stub does.

    :param path: relative to the root, in one directory.
    """
    directory, _slash, _name = path.partition("/")
    members = ((1, _DIRECTORY_MODE, directory.encode(), b""), (2, _FILE_MODE, path.encode(), content), (0, 0, _TRAILER, b""))
    packed = bytearray()
    for inode, mode, name, data in members:
        # inode, mode, owner, group, links, time, size, four device numbers, size of the name with its zero, no checksum
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        # The stub writes the trailer as a constant, in upper case.
        digits = b"%08X" if name == _TRAILER else b"%08x"
        for part in (b"070701" + b"".join(digits % field for field in fields) + name + b"\0", data):
            packed += part + bytes(-len(part) % _ALIGNMENT)
    return bytes(packed)
